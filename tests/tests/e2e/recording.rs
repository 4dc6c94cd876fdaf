//! Recordings: written from live traffic, read by what others read them with, and replayed to real servers. One test
//! for each flag, named after it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use shadow_tests::client::{Connection, noise, with_body};
use shadow_tests::{AccessLog, Agent, Finished, Ledger, Netns, Nginx, Stage, load, stage, until};

use crate::scene::Scene;

/// Recordings written by hand from the description of the format.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

const SEPARATOR: &str = "\n🐵🙈🙉\n";

/// Records what `work` sends to production.
fn record(stage: &Stage, flags: &[&str], work: impl FnOnce(&Scene<'_>, &Agent)) -> Finished {
    let scene = Scene::on_lo(stage);
    let input = format!(":{}", scene.port);
    let arguments = [&["--input-raw", &input, "--input-raw-track-response"], flags].concat();
    let agent = Agent::start(stage, &scene.server, &arguments);
    work(&scene, &agent);
    scene.finish(agent)
}

/// Replays to an nginx of its own, to the end.
fn replay(stage: &Stage, flags: &[&str]) -> (AccessLog, Ledger) {
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(stage, &host, "replayed", port);
    let url = format!("http://127.0.0.1:{port}");
    let arguments = [&["--output-http", &url, "--http-original-host"], flags].concat();
    let ledger = Agent::spawn(stage, &host, &arguments).finish();
    ledger.assert_closed();
    (nginx.finish(), ledger)
}

/// Records of one connection with these times in milliseconds, each of which is its number too.
fn gor(times: &[u64]) -> String {
    let record = |time: &u64| {
        let unix = 1_700_000_000_000_000_000 + time * 1_000_000;
        format!(
            "1 9c4000500a010203{time:08x} {unix} 0\nGET /{time} HTTP/1.1\r\nHost: a\r\nX-Id: {time}\r\n\r\n{SEPARATOR}"
        )
    };
    times.iter().map(record).collect()
}

fn file(stage: &Stage, name: &str, content: &str) -> String {
    let path = stage.path(name);
    fs::write(&path, content).expect("a recording");
    path.display().to_string()
}

fn uris(log: &AccessLog) -> Vec<&str> {
    log.0.iter().map(|entry| entry.uri.as_str()).collect()
}

/// The report of the only input.
fn input(ledger: &Ledger) -> &Value {
    let inputs = ledger.0["capture"]["inputs"].as_object().expect("inputs");
    inputs.values().next().expect("an input")
}

/// Files of the stage whose names begin so, sorted by number.
fn chunks(stage: &Stage, prefix: &str) -> Vec<PathBuf> {
    let folder = stage.path("x").parent().expect("a folder").to_owned();
    let mut chunks: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the stage's folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .collect();
    chunks.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    chunks
}

/// Requests and responses in a file, as a reader of lines counts them.
fn counts(path: &Path) -> (usize, usize) {
    let text = fs::read(path).expect("a recording");
    let text = String::from_utf8_lossy(&text);
    let records: Vec<&str> = text
        .split(SEPARATOR)
        .filter(|record| !record.is_empty())
        .collect();
    let of = |kind: &str| records.iter().filter(|record| record.starts_with(kind)).count();
    (of("1 "), of("2 "))
}

#[test]
fn input_file() {
    let stage = stage!("root", "agent", "nginx");
    let (log, ledger) = replay(&stage, &["--input-file", &format!("{FIXTURES}/goreplay.gor")]);
    // Of different connections, so in no order.
    let mut uris = uris(&log);
    uris.sort_unstable();
    assert_eq!(
        uris,
        [
            "/crlf",
            "/extra-newline",
            "/last",
            "/three-fields",
            "/upload/chunked",
            "/upload/four-fields"
        ]
    );
    ledger.assert_all_delivered(6);
    let input = input(&ledger);
    assert_eq!(
        (&input["records"], &input["malformed"], &input["cut_off"]),
        (&8.into(), &1.into(), &1.into())
    );
}

/// Thirty requests within thirty milliseconds.
fn thirty(stage: &Stage) -> String {
    let times: Vec<u64> = (0..30).collect();
    file(stage, "thirty.gor", &gor(&times))
}

#[test]
fn a_limit_behind_a_recording_leaves_out_what_is_above_it() {
    let stage = stage!("root", "agent", "nginx");
    let recording = thirty(&stage);
    let (log, ledger) = replay(&stage, &["--input-file", &format!("{recording}|10")]);
    let delivered = ledger.delivered(0);
    // A second's worth at once, and what comes due while they are read.
    assert!((10..20).contains(&delivered), "{ledger}");
    assert_eq!(ledger.of(0, "limited"), 30 - delivered, "{ledger}");
    assert_eq!(log.len() as u64, delivered);
}

#[test]
fn input_file_rate_sends_everything_at_a_rate() {
    let stage = stage!("root", "agent", "nginx");
    let recording = thirty(&stage);
    let start = Instant::now();
    let (log, ledger) = replay(&stage, &["--input-file", &recording, "--input-file-rate", "60"]);
    ledger.assert_all_delivered(30);
    assert_eq!(log.len(), 30);
    // The last one is due 29 sixtieths of a second behind the first.
    assert!(start.elapsed().as_millis() >= 483, "{:?}", start.elapsed());
}

#[test]
fn output_file() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("requests.gor").display().to_string();
    let finished = record(&stage, &["--output-file", &name], |scene, _| {
        load::keep_alive(&scene.client, scene.v4, 4, 25);
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(with_body("POST", "/upload/noise", "noise", &noise(100_000, 3)));
        assert_eq!(connection.response().status, 200);
    });
    finished.ledger.assert_all_delivered(101);
    let chunk = stage.path("requests_0.gor");
    assert_eq!(counts(&chunk), (101, 101));
    assert_eq!(
        chunk.metadata().expect("a chunk").permissions().mode() & 0o777,
        0o600
    );
    let (log, ledger) = replay(&stage, &["--input-file", &format!("{}|max", chunk.display())]);
    ledger.assert_all_delivered(101);
    finished.production.assert_same_requests(&log);
}

#[test]
fn every_format_is_written_and_replayed() {
    let stage = stage!("root", "agent", "nginx");
    let names = [
        "a.gor",
        "b.gor.gz",
        "c.gor.zst",
        "d.har",
        "e.har.gz",
        "f.jsonl",
        "g.ndjson.gz",
    ];
    let paths = names.map(|name| stage.path(name).display().to_string());
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--output-file", path]).collect();
    let finished = record(
        &stage,
        &[&flags[..], &["--output-file-append"]].concat(),
        |scene, _| {
            load::keep_alive(&scene.client, scene.v4, 2, 25);
            let mut connection = Connection::open(&scene.client, scene.v4);
            connection.send(with_body("POST", "/upload/binary", "binary", &noise(50_000, 3)));
            assert_eq!(connection.response().status, 200);
        },
    );
    finished.ledger.assert_all_delivered(51);
    for path in &paths[..5] {
        let (log, ledger) = replay(&stage, &["--input-file", &format!("{path}|max")]);
        ledger.assert_all_delivered(51);
        finished.production.assert_same_requests(&log);
    }
    let har: Value = serde_json::from_slice(&fs::read(&paths[3]).expect("a HAR file")).expect("JSON");
    let entries = har["log"]["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 51);
    assert!(entries.iter().all(|entry| entry["response"]["status"] == 200));
    let lines = fs::read_to_string(&paths[5]).expect("JSON lines");
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 51);
    for line in &lines {
        assert_eq!(
            (&line["type"], &line["status"], &line["host"]),
            (&"exchange".into(), &200.into(), &"production.test".into())
        );
    }
}

#[test]
fn a_body_that_holds_the_separator_is_no_other_request() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("evil.gor").display().to_string();
    let body =
        format!("a{SEPARATOR}1 evil 1700000000000000000 1\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n{SEPARATOR}");
    let finished = record(&stage, &["--output-file", &name], |scene, _| {
        let mut connection = Connection::open(&scene.client, scene.v4);
        connection.send(with_body("POST", "/upload/evil", "1", body.as_bytes()));
        assert_eq!(connection.response().status, 200);
        assert_eq!(connection.get("/behind", "2").status, 200);
    });
    // A reader of lines finds those that were sent, and no other.
    assert_eq!(counts(&stage.path("evil_0.gor")), (2, 2));
    let (log, ledger) = replay(
        &stage,
        &["--input-file", &stage.path("evil_0.gor").display().to_string()],
    );
    ledger.assert_all_delivered(2);
    finished.production.assert_same_requests(&log);
}

#[test]
fn output_file_append() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("requests.gor").display().to_string();
    for (round, torn) in [(1, 0), (2, 40), (3, 0)] {
        if torn > 0 {
            // As a crash of the machine may leave it.
            let bytes = fs::read(&name).expect("the recording");
            fs::write(&name, &bytes[..bytes.len() - torn]).expect("the recording");
        }
        let finished = record(
            &stage,
            &["--output-file", &name, "--output-file-append"],
            |scene, _| {
                load::keep_alive(&scene.client, scene.v4, 1, 10);
            },
        );
        finished.ledger.assert_all_delivered(10);
        assert_eq!(counts(Path::new(&name)).0, round * 10);
    }
    let (_, ledger) = replay(&stage, &["--input-file", &format!("{name}|max")]);
    assert_eq!(ledger.delivered(0), 30);
}

#[test]
fn output_file_size_limit() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("size.gor").display().to_string();
    let finished = record(
        &stage,
        &["--output-file", &name, "--output-file-size-limit", "10kb"],
        |scene, _| {
            load::keep_alive(&scene.client, scene.v4, 1, 50);
        },
    );
    finished.ledger.assert_all_delivered(50);
    let chunks = chunks(&stage, "size_");
    assert!(chunks.len() > 4, "{chunks:?}");
    for chunk in &chunks[..chunks.len() - 1] {
        let bytes = chunk.metadata().expect("a chunk").len();
        assert!((10_240..13_000).contains(&bytes), "{bytes}");
    }
    let (log, ledger) = replay(
        &stage,
        &["--input-file", &format!("{}|max", name.replace(".gor", "_*.gor"))],
    );
    ledger.assert_all_delivered(50);
    finished.production.assert_same_requests(&log);
}

#[test]
fn output_file_queue_limit() {
    let stage = stage!("root", "agent", "nginx");
    for (limit, files) in [("20", 5), ("0", 1)] {
        let name = stage.path(&format!("queue{limit}-.gor")).display().to_string();
        let finished = record(
            &stage,
            &["--output-file", &name, "--output-file-queue-limit", limit],
            |scene, _| {
                load::keep_alive(&scene.client, scene.v4, 1, 50);
            },
        );
        finished.ledger.assert_all_delivered(50);
        let chunks = chunks(&stage, &format!("queue{limit}-_"));
        assert_eq!(chunks.len(), files);
        let messages: usize = chunks.iter().map(|chunk| counts(chunk)).map(|(a, b)| a + b).sum();
        assert_eq!(messages, 100);
    }
}

#[test]
fn output_file_max_size_limit() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("max.gor").display().to_string();
    let finished = record(
        &stage,
        &["--output-file", &name, "--output-file-max-size-limit", "10kb"],
        |scene, agent| {
            load::keep_alive(&scene.client, scene.v4, 1, 50);
            agent.wait_for_line("--output-file-max-size-limit reached");
        },
    );
    let ledger = &finished.ledger;
    assert_eq!(ledger.delivered(0) + ledger.dropped(0, "write_error"), 50);
    assert_eq!(counts(&stage.path("max_0.gor")).0 as u64, ledger.delivered(0));
    assert_eq!(finished.production.len(), 50);
}

#[test]
fn output_file_flush_interval() {
    let stage = stage!("root", "agent", "nginx");
    let name = stage.path("flush.gor.gz").display().to_string();
    let flags = ["--output-file", &name, "--output-file-flush-interval", "300ms"];
    record(&stage, &flags, |scene, agent| {
        let start = Instant::now();
        load::keep_alive(&scene.client, scene.v4, 1, 1);
        agent.wait_for_ledger("it is written though nothing else comes", |ledger| {
            ledger.delivered(0) == 1
        });
        assert!(start.elapsed() >= Duration::from_millis(300));
        let text = Netns::host().run(
            "gzip",
            &["-dc", &stage.path("flush.gor_0.gz").display().to_string()],
        );
        assert!(text.ends_with(SEPARATOR));
    })
    .ledger
    .assert_all_delivered(1);
}

#[test]
fn a_killed_agent_leaves_files_that_can_be_read() {
    let stage = stage!("root", "agent", "nginx");
    for name in ["killed.gor", "killed.gor.gz", "killed.gor.zst", "killed.har"] {
        let scene = Scene::on_lo(&stage);
        let path = stage.path(name).display().to_string();
        let input = format!(":{}", scene.port);
        let mut agent = Agent::start(
            &stage,
            &scene.server,
            &[
                "--input-raw",
                &input,
                "--output-file",
                &path,
                "--output-file-append",
            ],
        );
        load::keep_alive(&scene.client, scene.v4, 2, 50);
        agent.wait_for_ledger("all is written", |ledger| ledger.delivered(0) == 100);
        load::keep_alive(&scene.client, scene.v4, 2, 50);
        agent.kill();
        let (_, ledger) = replay(&stage, &["--input-file", &format!("{path}|max")]);
        assert!((100..=200).contains(&ledger.delivered(0)), "{name}: {ledger}");
    }
}

/// A small disk, unmounted in the end.
struct Disk(String);

impl Disk {
    fn new(stage: &Stage, size: &str) -> Self {
        let path = stage.path("disk").display().to_string();
        fs::create_dir_all(&path).expect("a folder");
        let options = format!("size={size}");
        Netns::host().run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &path]);
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Netns::host().output("umount", &["-l", &self.0]);
    }
}

#[test]
fn a_full_disk_is_counted_and_written_to_again_when_there_is_room() {
    let stage = stage!("root", "agent", "nginx", "mount");
    let disk = Disk::new(&stage, "64k");
    let name = format!("{}/requests.gor", disk.0);
    let finished = record(&stage, &["--output-file", &name], |scene, agent| {
        // Some first: a busy agent writes all that waits at once, and what does not fit is not written at all.
        load::keep_alive(&scene.client, scene.v4, 1, 20);
        agent.wait_for_ledger("there is room for some", |ledger| ledger.delivered(0) == 20);
        load::keep_alive(&scene.client, scene.v4, 1, 200);
        let full = agent.wait_for_ledger("all is counted", |ledger| {
            ledger.of(0, "in_flight") == 0 && ledger.seen() == 220
        });
        assert!(full.dropped(0, "write_error") > 0, "{full}");
        agent.wait_for_line("cannot write a recording");
        // What is there is whole.
        let (requests, _) = counts(Path::new(&format!("{}/requests_0.gor", disk.0)));
        assert_eq!(requests as u64, full.delivered(0));
        for chunk in fs::read_dir(&disk.0).expect("the disk") {
            fs::remove_file(chunk.expect("a chunk").path()).expect("room");
        }
        let mut sent = 220;
        until("it is written again", || {
            sent += load::keep_alive(&scene.client, scene.v4, 1, 1);
            agent.ledger_now().delivered(0) > full.delivered(0)
        });
        agent.wait_for_line("writing the recording works again");
    });
    assert_eq!(finished.production.len() as u64, finished.ledger.seen());
}

#[test]
fn input_file_loop() {
    let stage = stage!("root", "agent", "nginx");
    let path = file(&stage, "loop.gor", &gor(&[0, 5, 10]));
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(&stage, &host, "replayed", port);
    let url = format!("http://127.0.0.1:{port}");
    let agent = Agent::spawn(
        &stage,
        &host,
        &["--input-file", &path, "--input-file-loop", "--output-http", &url],
    );
    until("it went round more than twice", || nginx.logged() > 7);
    let ledger = agent.stop();
    ledger.assert_closed();
    let log = nginx.finish();
    assert_eq!(uris(&log)[..7], ["/0", "/5", "/10", "/0", "/5", "/10", "/0"]);
}

#[test]
fn input_file_read_depth() {
    let stage = stage!("root", "agent", "nginx");
    let path = file(&stage, "depth.gor", &gor(&[3, 1, 2, 4]));
    for (depth, order, out_of_order) in [
        ("1", ["/3", "/1", "/2", "/4"], 2),
        ("3", ["/1", "/2", "/3", "/4"], 0),
    ] {
        let (log, ledger) = replay(&stage, &["--input-file", &path, "--input-file-read-depth", depth]);
        ledger.assert_all_delivered(4);
        assert_eq!(uris(&log), order);
        assert_eq!(input(&ledger)["out_of_order"], out_of_order);
    }
}

#[test]
fn input_file_dry_run() {
    let stage = stage!("root", "agent");
    let path = file(&stage, "dry.gor", &gor(&[0, 1000, 1500]));
    let output = Agent::output(&Netns::host(), &["--input-file", &path, "--input-file-dry-run"]);
    assert!(output.status.success(), "{}", output.stderr);
    for line in [
        "records          3",
        "longest wait     1s",
        "replay takes     1.5s",
        "out of order     0",
    ] {
        assert!(output.stdout.contains(line), "{}", output.stdout);
    }
}

#[test]
fn input_file_max_wait() {
    let stage = stage!("root", "agent", "nginx");
    let path = file(&stage, "wait.gor", &gor(&[0, 3_600_000, 7_200_000]));
    let start = Instant::now();
    let (_, ledger) = replay(&stage, &["--input-file", &path, "--input-file-max-wait", "200ms"]);
    ledger.assert_all_delivered(3);
    assert!((400..10_000).contains(&start.elapsed().as_millis()));
}

#[test]
fn a_replay_takes_as_long_as_the_recording_and_ends_with_it() {
    let stage = stage!("root", "agent", "nginx");
    let times: Vec<u64> = (0..=600).map(|number| number * 5).collect();
    let path = file(&stage, "schedule.gor", &gor(&times));
    for (speed, millis) in [("", 3000), ("|200%", 1500), ("|0.5x", 6000), ("|200", 3000)] {
        let host = Netns::host();
        let start = Instant::now();
        let input_file = format!("{path}{speed}");
        let ledger = Agent::spawn(&stage, &host, &["--input-file", &input_file, "--output-null"]).finish();
        let took = start.elapsed().as_millis();
        ledger.assert_all_delivered(601);
        assert!((millis..millis + 1000).contains(&took), "{speed} took {took} ms");
        // Without the start and the end of the process. Lateness that adds up would be in the median; that a busy machine
        // lets one wait is not.
        let lag = input(&ledger)["lag_us"]["p50"].as_u64().expect("a lag");
        assert!(u128::from(lag) < millis * 1000 / 100, "{speed}: {lag} us");
    }
}

#[test]
fn files_of_a_pattern_are_merged_and_none_is_dropped() {
    let stage = stage!("root", "agent", "nginx");
    for part in 0..3 {
        let times: Vec<u64> = (0..500).map(|number| number * 3 + part).collect();
        file(&stage, &format!("part_{part}.gor"), &gor(&times));
    }
    let pattern = format!("{}|max", stage.path("part_*.gor").display());
    let (log, ledger) = replay(
        &stage,
        &["--input-file", &pattern, "--output-http-queue-len", "50"],
    );
    ledger.assert_all_delivered(1500);
    let order: Vec<String> = (0..1500).map(|number| format!("/{number}")).collect();
    assert_eq!(uris(&log), order);
}

#[test]
fn a_file_that_may_not_grow_is_a_counted_loss() {
    let stage = stage!("root", "agent", "nginx");
    let input = file(&stage, "many.gor", &gor(&(0..200).collect::<Vec<_>>()));
    let ledger_file = stage.path("limited-ledger.json");
    let host = Netns::host();
    let mut command = host.command("sh");
    command.arg("-c").arg(format!(
        "ulimit -f 4; exec {} --input-file '{input}|max' --output-file {} --output-file-append --ledger {}",
        Agent::path(),
        stage.path("limited.gor").display(),
        ledger_file.display()
    ));
    let mut agent = shadow_tests::Process::start("shadow-agent", &mut command);
    let status = agent.wait(Agent::longest_stop());
    assert!(status.success(), "{status}: {}", agent.stderr());
    let ledger = Ledger::read(&ledger_file).expect("a ledger");
    ledger.assert_closed();
    assert_eq!(
        ledger.delivered(0) + ledger.dropped(0, "write_error"),
        200,
        "{ledger}"
    );
    assert!(ledger.dropped(0, "write_error") > 0, "{ledger}");
}
