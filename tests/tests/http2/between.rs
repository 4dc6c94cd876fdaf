//! The stations between reading and sending take requests of HTTP/2 as they take others: rules, a middleware, recordings of every
//! kind, another agent.

use std::path::Path;

use serde_json::Value;
use shadow_tests::{Agent, H2Load, Netns, Nginx, Stage, stage};

use crate::scene::{Scene, Speaks};

const SOME: H2Load = H2Load {
    connections: 2,
    streams: 50,
    requests: 400,
    rate: None,
};

/// Starts an nginx of HTTP/1.1 on this host, and gives its URL.
fn nginx(stage: &Stage, role: &str) -> (Nginx, String) {
    let host = Netns::host();
    let port = host.free_port();
    (
        Nginx::start(stage, &host, role, port),
        format!("http://127.0.0.1:{port}"),
    )
}

/// Uploads with and without a length; gives their number.
fn uploads(scene: &Scene<'_>) -> u64 {
    let body = scene.stage.path("body");
    std::fs::write(&body, "0123456789".repeat(5000)).expect("a body");
    for length in ["content-length: 50000", "content-length:"] {
        let answer = scene.client.run(
            "curl",
            &[
                "-q",
                "-sS",
                "--http2-prior-knowledge",
                "-H",
                length,
                "--data-binary",
                &format!("@{}", body.display()),
                &format!("{}/upload/body", scene.url),
            ],
        );
        assert_eq!(answer, "received");
    }
    2
}

#[test]
fn rules_change_and_choose_requests_of_http_2() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let agent = scene.mirror(&[
        "--http-rewrite-url",
        "^/curl/(.*):/v2/$1",
        "--http-disallow-url",
        "/load/",
        "--http-set-header",
        "X-Id: set",
        "--http-original-host",
    ]);
    scene.curl(5);
    scene.h2load(SOME);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!((ledger.seen(), ledger.delivered(0)), (405, 5), "{ledger}");
    assert_eq!(ledger.of(0, "filtered"), 400, "{ledger}");
    for (entry, from) in finished.shadow.0.iter().zip(&finished.production.0) {
        assert!(entry.uri.starts_with("/v2/"), "{entry:?}");
        assert_eq!((&*entry.id, &entry.host), ("set", &from.host));
    }
}

#[test]
fn a_middleware_gets_requests_of_http_2_as_text() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load", "python3");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let script = stage.path("middleware.py");
    let text = "import sys
for line in sys.stdin.buffer:
    header, _, message = bytes.fromhex(line.decode().strip()).partition(b'\\n')
    first, rest = message.split(b'\\r\\n', 1)
    assert b'HTTP/2.0' in first, first
    if header.startswith(b'1 '):
        message = first.replace(b'/curl/', b'/seen/') + b'\\r\\nx-seen: 1\\r\\n' + rest
    sys.stdout.buffer.write((header + b'\\n' + message).hex().encode() + b'\\n')
    sys.stdout.buffer.flush()
";
    std::fs::write(&script, text).expect("a script");
    let command = format!("python3 '{}'", script.display());
    let flags = [
        "--input-raw-track-response",
        "--middleware-user=root",
        "--middleware",
        &command,
    ];
    let agent = scene.mirror(&flags);
    let sent = scene.curl(5) + uploads(&scene) + scene.h2load(SOME);
    let finished = scene.finish(agent);
    finished.ledger.assert_all_delivered(sent);
    let seen = finished.shadow.filter(|entry| entry.uri.starts_with("/seen/"));
    assert_eq!((finished.shadow.len() as u64, seen.len()), (sent, 5));
}

/// Objects of a file with one on each line.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a recording");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn recordings_of_http_2_say_so_and_are_replayed() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let files = ["all.gor", "all.har", "all.jsonl"].map(|name| stage.path(name));
    let names = files.each_ref().map(|file| file.display().to_string());
    let mut flags = vec!["--input-raw-track-response", "--output-file-append"];
    for name in &names {
        flags.extend(["--output-file", name]);
    }
    let agent = scene.mirror(&flags);
    let sent = scene.curl(5) + uploads(&scene) + scene.h2load(SOME);
    let finished = scene.finish(agent);
    finished.assert_mirrored(sent);

    let recorded = String::from_utf8_lossy(&std::fs::read(&files[0]).expect("a recording")).into_owned();
    assert_eq!(recorded.matches(" HTTP/2.0\r\n").count() as u64, sent);
    assert_eq!(recorded.matches("\nHTTP/2.0 200 \r\n").count() as u64, sent);
    let har: Value = serde_json::from_slice(&std::fs::read(&files[1]).expect("a recording")).expect("JSON");
    let entries = har["log"]["entries"].as_array().expect("entries");
    assert_eq!(entries.len() as u64, sent);
    for entry in entries {
        for side in ["request", "response"] {
            assert_eq!(entry[side]["httpVersion"], "HTTP/2", "{entry}");
            let headers = entry[side]["headers"].to_string();
            assert!(
                !headers.contains(":authority") && !headers.contains("transfer-encoding"),
                "{headers}"
            );
        }
    }
    let lines = lines(&files[2]);
    assert_eq!(lines.len() as u64, sent);
    for line in &lines {
        assert_eq!(
            (&line["http_version"], &line["status"]),
            (&"HTTP/2".into(), &200.into())
        );
    }

    for name in &names[..2] {
        let (nginx, url) = nginx(&stage, "replayed");
        let input = format!("{name}|1000%");
        let flags = [
            "--input-file",
            &input,
            "--output-http",
            &url,
            "--output-http-version",
            "1.1",
            "--http-original-host",
        ];
        let ledger = Agent::spawn(&stage, &Netns::host(), &flags).finish();
        ledger.assert_all_delivered(sent);
        finished.production.assert_same_requests(&nginx.finish());
    }
}

#[test]
fn another_agent_takes_requests_of_http_2_and_their_answers() {
    let stage = stage!("root", "agent", "nginx", "curl", "h2load");
    let scene = Scene::on_lo(&stage, Speaks::H2c, Speaks::Http1);
    let address = format!("127.0.0.1:{}", Netns::host().free_port());
    let relayed = stage.path("relayed.jsonl");
    let name = relayed.display().to_string();
    let (nginx, url) = nginx(&stage, "behind");
    let flags = [
        "--input-tcp",
        &address,
        "--output-http",
        &url,
        "--output-http-version",
        "1.1",
        "--output-file",
        &name,
        "--output-file-append",
    ];
    let second = Agent::spawn(&stage, &Netns::host(), &flags);
    second.wait_for_line("listening for other agents");
    // An answer goes right behind its request, over another connection otherwise.
    let flags = [
        "--output-tcp",
        &address,
        "--output-tcp-sticky",
        "--input-raw-track-response",
    ];
    let first = scene.mirror(&flags);
    let sent = scene.curl(5) + uploads(&scene) + scene.h2load(SOME);
    let finished = scene.finish(first);
    finished.assert_mirrored(sent);
    second.wait_for_ledger("all requests have come", |ledger| ledger.seen() >= sent);
    second.stop().assert_all_delivered(sent);
    finished.production.assert_same_requests(&nginx.finish());
    let lines = lines(&relayed);
    assert_eq!(lines.len() as u64, sent);
    for line in &lines {
        assert_eq!(
            (&line["http_version"], &line["status"]),
            (&"HTTP/2".into(), &200.into())
        );
    }
}
