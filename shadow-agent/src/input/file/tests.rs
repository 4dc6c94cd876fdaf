//! Recordings from files as the source hands them on.

use std::path::{Path, PathBuf};

use super::*;
use crate::recording::Compression;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shadow-agent-input-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
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

fn settings(files: &[&Path]) -> FileInputSettings {
    FileInputSettings {
        pattern: "x.gor".to_owned(),
        files: files.iter().map(|file| file.to_path_buf()).collect(),
        pace: Pace::Max,
        repeat: false,
        read_depth: 100,
        max_wait: None,
        max_record: 1000,
    }
}

/// Records whose names are their times, in microseconds.
fn gor(times: &[u64]) -> String {
    let record = |time: &u64| format!("1 {time} {}\nGET /{time} HTTP/1.1\r\n\r\n\n🐵🙈🙉\n", time * 1000);
    times.iter().map(record).collect()
}

async fn ids(source: &mut FileSource, most: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < most
        && let Some(message) = source.next().await.unwrap()
    {
        ids.push(message.id.to_string());
    }
    ids
}

#[tokio::test]
async fn files_are_merged_by_time_whatever_their_compression() {
    let folder = Folder::new("merge");
    let first = folder.file("a.gz", Compression::Gzip.encode(gor(&[1, 4, 5]).into()));
    let second = folder.file("b.zst", Compression::Zstd.encode(gor(&[2, 3, 6]).into()));
    let third = folder.file("c", "");
    let mut source = FileSource::open(&settings(&[&first, &second, &third])).unwrap();
    let progress = source.progress().unwrap();
    assert_eq!(ids(&mut source, 99).await, ["1", "2", "3", "4", "5", "6"]);
    assert!((progress.done() - 1.0).abs() < 1e-9);
    assert_eq!(source.report()["records"], 6);
}

#[tokio::test]
async fn records_are_put_in_order_within_the_read_depth() {
    let folder = Folder::new("depth");
    let file = folder.file("a.gor", gor(&[3, 1, 2, 9, 4]));
    let mut source = FileSource::open(&settings(&[&file])).unwrap();
    assert_eq!(ids(&mut source, 99).await, ["1", "2", "3", "4", "9"]);
    let mut settings = settings(&[&file]);
    settings.read_depth = 1;
    let mut source = FileSource::open(&settings).unwrap();
    assert_eq!(ids(&mut source, 99).await, ["3", "1", "2", "9", "4"]);
    assert_eq!(source.report()["out_of_order"], 3);
}

#[tokio::test]
async fn a_loop_begins_again_behind_the_last_record() {
    let folder = Folder::new("loop");
    let file = folder.file("a.gor", gor(&[1, 2]));
    let empty = folder.file("b.gor", "");
    let mut settings = settings(&[&file]);
    settings.repeat = true;
    let mut source = FileSource::open(&settings).unwrap();
    assert_eq!(ids(&mut source, 5).await, ["1", "2", "1", "2", "1"]);
    let no_entries = folder.file("c.har", r#"{"log":{"entries":[]}}"#);
    settings.files = vec![empty, no_entries];
    let mut source = FileSource::open(&settings).unwrap();
    assert_eq!(ids(&mut source, 5).await, [""; 0]);
}

#[test]
fn a_file_that_is_no_recording_says_what_it_is() {
    const CAPTURE: &str =
        "it is a capture of packets: read it with --input-raw FILE --input-raw-engine pcap_file";
    let folder = Folder::new("foreign");
    for (content, what) in [
        (&b"\xd4\xc3\xb2\xa1\x02\0\x04\0"[..], CAPTURE),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0", CAPTURE),
        (&[0; 5000], "it begins with zeros, as if its content was lost"),
        (b"http://a/\nhttp://b/\n", "it is a list of URLs"),
        (
            b"10.0.0.1 - - \"GET / HTTP/1.1\" 200 5\n",
            "it is plain text, such as a log",
        ),
        (b"", "it is empty"),
        (
            b"[{\"url\":\"http://a/\"}]",
            "it is JSON, but not a HAR file with entries (JSON lines cannot be replayed)",
        ),
        (
            b"{\"a\":1}\n{\"a\":2}\n",
            "this is not a HAR file: \"log\" is missing (JSON lines cannot be replayed)",
        ),
    ] {
        let told = |files: &[&Path], of: &Path| {
            let error = FileSource::open(&settings(files)).err().unwrap();
            assert_eq!(
                format!("{error:#}"),
                format!("'{}' is not a recording: {what}", of.display())
            );
        };
        let plain = folder.file("x.gor", content);
        told(&[&plain], &plain);
        if !content.is_empty() {
            let compressed = folder.file("x.gor.gz", Compression::Gzip.encode(content.to_vec()));
            let good = folder.file("a.gor", gor(&[1]));
            told(&[&good, &compressed], &compressed);
        }
    }
    let empty = folder.file("b.gor", "\n");
    let error = FileSource::open(&settings(&[&empty, &empty])).err().unwrap();
    assert_eq!(
        error.to_string(),
        "there is no request in any of the files of 'x.gor': all are empty"
    );
}

#[tokio::test]
async fn files_that_an_editor_wrote_are_read_and_doubts_are_counted() {
    let folder = Folder::new("editor");
    let crlf = gor(&[1, 2, 3]).replace("\r\n", "\n").replace('\n', "\r\n");
    let file = folder.file("a.gor", format!("\u{feff}{crlf}"));
    let doubtful = gor(&[4]).replace("HTTP/1.1\r\n\r\n", "HTTP/1.1\r\n\r\n🐵🙈🙉\r\n");
    let doubtful = folder.file("b.gor", doubtful);
    let mut source = FileSource::open(&settings(&[&file, &doubtful])).unwrap();
    assert_eq!(ids(&mut source, 99).await, ["1", "2", "3", "4"]);
    let report = source.report();
    assert_eq!(
        (&report["malformed"], &report["like_separators"]),
        (&0.into(), &1.into())
    );
}

#[tokio::test(start_paused = true)]
async fn messages_come_at_their_times_and_lateness_is_reported() {
    let folder = Folder::new("pace");
    let file = folder.file("a.gor", gor(&[0, 50_000, 3_000_000]));
    let mut settings = settings(&[&file]);
    settings.pace = Pace::Speed(2.0);
    let mut source = FileSource::open(&settings).unwrap();
    let start = Instant::now();
    source.next().await.unwrap();
    // What the run does meanwhile is not added.
    tokio::time::sleep(Duration::from_millis(20)).await;
    ids(&mut source, 99).await;
    assert_eq!(start.elapsed().as_millis(), 1500);
    assert!(source.report()["lag_us"]["max"].as_u64().unwrap() < 1100);
}

#[tokio::test]
async fn what_cannot_be_read_is_counted_and_the_rest_is_handed_on() {
    let folder = Folder::new("bad");
    let cut = Compression::Gzip.encode(gor(&[1]).into());
    let cut = [&cut[..], &cut[..cut.len() - 3]].concat();
    let cut = folder.file("cut.gz", cut);
    let bad = folder.file("bad.gor", format!("x\n🐵🙈🙉\n{}", gor(&[2])));
    let last = folder.file("last.gor", gor(&[3]).trim_end_matches("\n🐵🙈🙉\n"));
    let mut source = FileSource::open(&settings(&[&cut, &bad, &last])).unwrap();
    assert_eq!(ids(&mut source, 99).await, ["1", "1", "2", "3"]);
    let report = source.report();
    assert_eq!((&report["malformed"], &report["cut_off"]), (&1.into(), &2.into()));
}

#[tokio::test]
async fn a_compression_bomb_is_passed_over_within_the_bound() {
    let folder = Folder::new("bomb");
    let bomb = [
        b"1 a 1\n".to_vec(),
        vec![b'x'; 50_000_000],
        "\n🐵🙈🙉\n".into(),
        gor(&[7]).into(),
    ]
    .concat();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let file = folder.file("bomb", compression.encode(bomb.clone()));
        let mut source = FileSource::open(&settings(&[&file])).unwrap();
        assert_eq!(ids(&mut source, 99).await, ["7"]);
        assert_eq!(source.report()["too_large"], 1);
    }
}

#[test]
fn a_dry_run_tells_what_a_replay_would_be() {
    let folder = Folder::new("dry");
    let file = folder.file("a.gor", gor(&[0, 1_000_000, 1_500_000]));
    let mut settings = settings(&[&file]);
    settings.pace = Pace::Speed(1.0);
    let expected = "x.gor\n  files            1\n  records          3\n  requests         3\n  bytes            69\n  \
                    passed over      0\n  cut off          0\n  out of order     0\n  first wait       1s\n  \
                    shortest wait    500ms\n  longest wait     1s\n  replay takes     1.5s\n";
    assert_eq!(dry_run(&settings).unwrap(), expected);
}
