//! The files of an output after each thing that can happen.

use std::io::Read as _;

use super::*;
use crate::mirror::{MessageId, MessageKind};
use crate::recording::{Compression, Expected, GorReader, open};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shadow-agent-output-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn settings(&self, name: &str) -> FileOutputSettings {
        let (compression, uncompressed) = Compression::by_name(name);
        FileOutputSettings {
            name: name.to_owned(),
            template: self.0.join(name).to_str().unwrap().to_owned(),
            format: if uncompressed.ends_with("har") {
                Format::Har
            } else {
                Format::Gor
            },
            compression,
            append: false,
            size_limit: 1 << 20,
            queue_limit: 256,
            max_size: 1 << 30,
            flush_interval: Duration::from_secs(1),
            queue_bytes: 1 << 20,
            expected: Expected::default(),
        }
    }

    /// Names and content of what is there, sorted.
    fn files(&self) -> Vec<(String, String)> {
        let mut files: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let mut content = String::new();
                let file = std::fs::File::open(entry.path()).unwrap();
                open(file).unwrap().read_to_string(&mut content).unwrap();
                (entry.file_name().into_string().unwrap(), content)
            })
            .collect();
        files.sort();
        files
    }

    /// The names of the records in each file.
    fn ids(&self) -> Vec<(String, Vec<String>)> {
        let ids = |content: &String| {
            let mut reader = GorReader::new(content.as_bytes(), 1 << 20);
            let mut ids = Vec::new();
            while let Some(record) = reader.next_record().unwrap() {
                ids.push(record.id.to_string());
            }
            ids
        };
        let files = self.files();
        files
            .into_iter()
            .map(|(name, content)| (name, ids(&content)))
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn record(id: &str) -> Recorded {
    Recorded::from(Record {
        kind: MessageKind::Request,
        id: MessageId::given(id.as_bytes()).unwrap(),
        unix: 1,
        latency: 0,
        pod: None,
        head: bytes::Bytes::from_static(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        body: bytes::Bytes::new(),
    })
}

fn write(sink: &mut FileSink, ids: &[&str]) {
    for id in ids {
        sink.add(&record(id)).unwrap();
    }
    sink.commit().unwrap();
}

fn expected(files: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    files
        .iter()
        .map(|(name, ids)| ((*name).to_owned(), texts(ids)))
        .collect()
}

#[test]
fn a_new_chunk_begins_after_a_number_of_messages() {
    let folder = Folder::new("chunks");
    std::fs::write(folder.0.join("a_8.gor"), "").unwrap();
    let mut settings = folder.settings("a.gor");
    settings.queue_limit = 2;
    let mut sink = FileSink::new(&settings).unwrap();
    write(&mut sink, &["1", "2", "3"]);
    write(&mut sink, &["4", "5"]);
    assert_eq!(
        folder.ids(),
        expected(&[
            ("a_10.gor", &["3", "4"]),
            ("a_11.gor", &["5"]),
            ("a_8.gor", &[]),
            ("a_9.gor", &["1", "2"])
        ])
    );
}

#[test]
fn a_chunk_is_begun_at_so_many_bytes_and_no_record_is_split() {
    let folder = Folder::new("bytes");
    let mut settings = folder.settings("a.gor");
    settings.size_limit = 60;
    let mut sink = FileSink::new(&settings).unwrap();
    write(&mut sink, &["1", "2", "3"]);
    assert_eq!(
        folder.ids(),
        expected(&[("a_0.gor", &["1", "2"]), ("a_1.gor", &["3"])])
    );
}

#[test]
fn appending_keeps_what_is_there_whatever_the_compression() {
    for name in ["a.gor", "a.gor.gz", "a.gor.zst"] {
        let folder = Folder::new("append");
        let mut settings = folder.settings(name);
        settings.append = true;
        settings.queue_limit = 1;
        for ids in [["1", "2"], ["3", "4"]] {
            write(&mut FileSink::new(&settings).unwrap(), &ids);
        }
        assert_eq!(folder.ids(), expected(&[(name, &["1", "2", "3", "4"])]));
    }
}

#[test]
fn a_file_that_another_writes_to_is_waited_for() {
    let folder = Folder::new("alone");
    let mut settings = folder.settings("a.gor");
    settings.append = true;
    let mut first = FileSink::new(&settings).unwrap();
    write(&mut first, &["1"]);
    let mut second = FileSink::new(&settings).unwrap();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(first);
    });
    write(&mut second, &["2"]);
    ending.join().unwrap();
    assert_eq!(folder.ids(), expected(&[("a.gor", &["1", "2"])]));
}

#[test]
fn behind_a_record_that_was_cut_off_a_fresh_one_begins() {
    let folder = Folder::new("torn");
    let mut settings = folder.settings("a.gor");
    settings.append = true;
    write(&mut FileSink::new(&settings).unwrap(), &["1", "2"]);
    let path = folder.0.join("a.gor");
    let whole = std::fs::read(&path).unwrap();
    for length in whole.len() / 2 + 1..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        write(&mut FileSink::new(&settings).unwrap(), &["3"]);
        let ids = folder.ids().remove(0).1;
        assert_eq!(
            (ids.first().unwrap().as_str(), ids.last().unwrap().as_str()),
            ("1", "3"),
            "{length}"
        );
    }
}

#[test]
fn behind_a_compressed_end_that_was_cut_off_a_chunk_of_its_own_begins() {
    for name in ["a.gor.gz", "a.gor.zst", "a.har"] {
        let folder = Folder::new("torn-compressed");
        let mut settings = folder.settings(name);
        settings.append = true;
        write(&mut FileSink::new(&settings).unwrap(), &["1"]);
        let path = folder.0.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        write(&mut FileSink::new(&settings).unwrap(), &["2"]);
        assert_eq!(std::fs::read(&path).unwrap(), &whole[..whole.len() - 1]);
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2, "{name}");
    }
}

#[test]
fn a_har_file_is_whole_after_every_write() {
    for name in ["a.har", "a.har.gz", "a.har.zst"] {
        let folder = Folder::new("har");
        let mut settings = folder.settings(name);
        settings.append = true;
        let mut entries = 0;
        for ids in [&["1", "2"][..], &["3"]] {
            let mut sink = FileSink::new(&settings).unwrap();
            for id in ids {
                write(&mut sink, &[id]);
                entries += 1;
                let text = folder.files().remove(0).1;
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(
                    value["log"]["entries"].as_array().unwrap().len(),
                    entries,
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn beyond_the_limit_of_all_bytes_records_are_dropped() {
    let folder = Folder::new("limit");
    let mut settings = folder.settings("a.gor");
    settings.max_size = 60;
    let mut sink = FileSink::new(&settings).unwrap();
    write(&mut sink, &["1", "2"]);
    assert_eq!(sink.add(&record("3")), Err(DropReason::WriteError));
    assert_eq!(folder.ids(), expected(&[("a_0.gor", &["1", "2"])]));
}

#[test]
fn a_disk_that_is_full_is_a_write_error_and_tried_again_later() {
    let folder = Folder::new("full");
    let mut settings = folder.settings("a.gor");
    settings.template = "/dev/full".to_owned();
    settings.append = true;
    let mut sink = FileSink::new(&settings).unwrap();
    sink.add(&record("1")).unwrap();
    assert_eq!(sink.commit(), Err(DropReason::WriteError));
    // At rest it is not asked again.
    assert_eq!(sink.add(&record("2")), Err(DropReason::WriteError));
    assert_eq!(sink.due(), None);
    sink.resting = Some(Instant::now());
    sink.add(&record("3")).unwrap();
    assert_eq!(sink.commit(), Err(DropReason::WriteError));
}

#[test]
fn each_exchange_can_have_a_file_of_its_own_and_few_are_open() {
    let folder = Folder::new("requests");
    let mut sink = FileSink::new(&folder.settings("%t-%r.gor")).unwrap();
    for number in 0..2 * MAX_OPEN {
        write(&mut sink, &[&format!("id{number:03}")]);
        assert!(sink.open.len() <= MAX_OPEN);
    }
    write(&mut sink, &["id000"]);
    let ids = folder.ids();
    assert_eq!(ids.len(), 2 * MAX_OPEN + 1);
    assert_eq!(
        ids[..2],
        expected(&[("1-id000_0.gor", &["id000"]), ("1-id000_1.gor", &["id000"])])
    );
}

#[test]
fn compressed_files_are_written_when_the_interval_is_over() {
    let folder = Folder::new("interval");
    let mut sink = FileSink::new(&folder.settings("a.gor.gz")).unwrap();
    let before = Instant::now();
    sink.add(&record("1")).unwrap();
    assert!(sink.due().unwrap() >= before + Duration::from_secs(1));
    let mut sink = FileSink::new(&folder.settings("a.gor")).unwrap();
    sink.add(&record("1")).unwrap();
    assert!(sink.due().unwrap() <= Instant::now());
}

#[test]
fn a_directory_that_cannot_be_written_is_known_at_the_start() {
    let folder = Folder::new("directory");
    std::fs::write(folder.0.join("file"), "").unwrap();
    let error = FileSink::new(&folder.settings("file/a.gor")).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("--output-file 'file/a.gor': cannot write there")
    );
}

#[test]
fn files_are_their_owners_alone_and_directories_are_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("mode");
    write(
        &mut FileSink::new(&folder.settings("sub/%Y/a.gor")).unwrap(),
        &["1"],
    );
    let year = Zoned::now().year();
    let path = folder.0.join(format!("sub/{year}/a_0.gor"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
