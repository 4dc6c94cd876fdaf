//! Files of one rotation as one capture.

use std::path::PathBuf;

use super::super::pcap::pcap_test_files::{Writer, packet};
use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shadow-agent-rotation-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn content(file: File) -> io::Result<Content> {
    Ok(Box::new(shadow_record::recording::open(file)?))
}

fn open(paths: &[&PathBuf], ports: &[u16]) -> Result<PcapFiles, PcapError> {
    let paths: Vec<_> = paths.iter().map(|path| (*path).clone()).collect();
    PcapFiles::open(&paths, ports, false, content, None)
}

/// A file of requests' packets: second, client's port, payload.
fn capture(packets: &[(u32, u16, &str)]) -> Vec<u8> {
    let mut file = Writer::pcap(false, 0xa1b2_c3d4, 101);
    for (second, port, payload) in packets {
        let bytes = packet(*port, 80, 1, 0x18, payload.as_bytes());
        file.record(*second, 0, &bytes, bytes.len());
    }
    file.bytes
}

fn payloads(files: &mut PcapFiles) -> Vec<String> {
    let mut payloads = Vec::new();
    while let Some(segment) = files.next_segment().unwrap() {
        payloads.push(String::from_utf8_lossy(segment.payload).into_owned());
    }
    payloads
}

#[test]
fn files_of_a_rotation_are_read_in_the_order_of_their_times() {
    let folder = Folder::new("order");
    // A ring that began anew: the first name holds the latest packets.
    let first = folder.file("a", &capture(&[(5, 4000, "e"), (6, 4000, "f")]));
    let second = folder.file("b", &capture(&[(1, 4000, "a"), (2, 4001, "b")]));
    let third = folder.file("c", &capture(&[(3, 4000, "c"), (4, 4001, "d")]));
    let empty = folder.file("d", b"");
    let header = folder.file("e", &capture(&[]));
    let mut files = open(&[&first, &second, &third, &empty, &header], &[80]).unwrap();
    assert_eq!(payloads(&mut files), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!((files.counters().packets, files.counters().selected), (6, 6));
    assert!(files.reading.is_empty() && files.waiting.is_empty());
}

#[test]
fn files_whose_times_overlap_are_read_side_by_side() {
    let folder = Folder::new("overlap");
    let one = folder.file("a", &capture(&[(1, 4000, "a"), (3, 4000, "c"), (5, 4000, "e")]));
    let other = folder.file("b", &capture(&[(2, 4001, "b"), (3, 4001, "C"), (4, 4001, "d")]));
    let mut files = open(&[&one, &other], &[80]).unwrap();
    assert_eq!(payloads(&mut files).concat().to_lowercase(), "abccde");
}

#[test]
fn a_server_that_one_file_shows_is_known_in_the_next() {
    let folder = Folder::new("server");
    let mut begins = Writer::pcap(false, 0xa1b2_c3d4, 101);
    let syn = packet(80, 4000, 0, 2, b"");
    begins.record(1, 0, &syn, syn.len());
    let begins = folder.file("a", &begins.bytes);
    let mut goes_on = Writer::pcap(false, 0xa1b2_c3d4, 101);
    let data = packet(80, 4000, 1, 0x18, b"GET");
    goes_on.record(2, 0, &data, data.len());
    let goes_on = folder.file("b", &goes_on.bytes);
    let mut files = open(&[&goes_on, &begins], &[]).unwrap();
    assert_eq!(payloads(&mut files), ["", "GET"]);
    assert_eq!(files.counters().unwatched, 0);
}

#[test]
fn what_is_torn_off_is_counted_of_every_file_and_errors_name_theirs() {
    let folder = Folder::new("torn");
    let whole = capture(&[(1, 4000, "a"), (2, 4000, "b")]);
    let torn = folder.file("a", &whole[..whole.len() - 1]);
    let other = folder.file("b", &capture(&[(3, 4000, "c")])[..40]);
    let mut files = open(&[&torn, &other], &[80]).unwrap();
    assert_eq!(payloads(&mut files), ["a"]);
    assert_eq!(files.counters().torn_bytes, 56 + 16);

    let no_capture = folder.file("c", b"GET / HTTP/1.1");
    let named = |paths: &[&PathBuf]| open(paths, &[80]).err().unwrap().to_string();
    let what = "not a pcap or pcapng file: it begins with 47 45 54 20";
    assert_eq!(
        named(&[&torn, &no_capture]),
        format!("{}: {what}", no_capture.display())
    );
    assert_eq!(named(&[&no_capture]), what);
    let gone = folder.0.join("gone.pcap");
    assert_eq!(
        named(&[&gone]),
        format!(
            "cannot open {}: No such file or directory (os error 2)",
            gone.display()
        )
    );
    let corrupt = [&whole[..], &[0xff; 16]].concat();
    let corrupt = folder.file("d", &corrupt);
    let mut files = open(&[&corrupt, &torn], &[80]).unwrap();
    let error = loop {
        match files.next_segment() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it is corrupt"),
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(
        error,
        format!(
            "{}: corrupt capture file at byte {}: a packet longer than 1 MiB",
            corrupt.display(),
            whole.len()
        )
    );
}
