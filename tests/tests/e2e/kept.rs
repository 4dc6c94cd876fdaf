//! The answers that `--compare-store` keeps: reported on again, and sent again, by the agent and by `curl`.

mod sent_again;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use shadow_agent::compare::store::{StorePlace, StoreSettings, StoreWriter};
use shadow_agent::compare::{Answer, MappedPlaces, Pair, Secrets};
use shadow_agent::mirror::MessageId;
use shadow_agent::mirror::rules::{OF_RECORDINGS, Redaction, RedactionKey};
use shadow_tests::{Agent, Netns, Report, Shop, Stage, shop, stage, until};

/// A run that was kept whole, with a pair for each of these requests.
fn store(stage: &Stage, requests: &[(&str, &[u8], &[u8])]) -> String {
    store_hiding(stage, None, requests)
}

/// The same, but with what `redaction` hides hidden, and what says by its name that it is secret.
fn store_hiding(stage: &Stage, redaction: Option<&Redaction>, requests: &[(&str, &[u8], &[u8])]) -> String {
    let directory = stage.path("kept");
    let settings = StoreSettings {
        directory: directory.clone(),
        max_bytes: 1 << 30,
        queue_bytes: 1 << 24,
    };
    let writer = StoreWriter::start(StorePlace::create(&settings).expect("a directory")).expect("a store");
    let handle = writer.handle(0, redaction, Secrets::Hidden);
    let answer = |body: &'static str| Answer {
        head: format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into(),
        body: Bytes::from_static(body.as_bytes()),
        times: None,
    };
    for (id, head, body) in requests {
        let pair = Pair {
            id: MessageId::given(id.as_bytes()).expect("an id"),
            at: 1_700_000_000_000_000_000,
            request_head: Bytes::copy_from_slice(head),
            request_body: Bytes::copy_from_slice(body),
            production: answer("production"),
            shadow: answer("shadow"),
            control: None,
            repeat: None,
            raced: false,
        };
        handle.pair(&pair, MappedPlaces::default(), None);
    }
    assert!(writer.end(Duration::from_secs(30)), "the store's end");
    directory.to_str().expect("a path in UTF-8").to_owned()
}

/// A server that takes two requests, one after the other, and answers as production did. It gives the bytes that it read.
fn server() -> (String, JoinHandle<[Vec<u8>; 2]>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let serve = move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        while !is_whole(&read) {
            let length = stream.read(&mut buffer).expect("the request");
            assert!(length > 0, "it ends early: {}", String::from_utf8_lossy(&read));
            read.extend_from_slice(&buffer[..length]);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nproduction")
            .expect("the answer");
        read
    };
    let serving = std::thread::spawn(move || [serve(), serve()]);
    (url, serving)
}

fn head_length(request: &[u8]) -> Option<usize> {
    let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    end.map(|at| at + 4)
}

fn is_whole(request: &[u8]) -> bool {
    let Some(length) = head_length(request) else {
        return false;
    };
    let head = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return request.ends_with(b"0\r\n\r\n");
    }
    let declared = head.split("content-length: ").nth(1).unwrap_or("0");
    let declared: usize = declared
        .split("\r\n")
        .next()
        .unwrap_or_default()
        .parse()
        .expect("a length");
    request.len() - length >= declared
}

/// A request with the fields first that `curl` has places of its own for. All else of it stays byte for byte as it is.
fn normal(request: &[u8]) -> Vec<u8> {
    let (head, body) = request.split_at(head_length(request).expect("a whole head"));
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().expect("a request line");
    let is_placed = |line: &&[u8]| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        [&b"host"[..], b"content-length", b"user-agent", b"accept"]
            .iter()
            .any(|placed| name.eq_ignore_ascii_case(placed))
    };
    let (mut placed, others): (Vec<&[u8]>, Vec<&[u8]>) = lines.partition(is_placed);
    placed.sort_unstable();
    [first, &placed.concat(), &others.concat(), body].concat()
}

#[test]
fn a_pair_is_sent_again_by_curl_as_by_the_agent_whatever_bytes_it_has() {
    let stage = stage!("agent", "curl", "base64");
    let hostile: Vec<u8> = (0..=255).chain(*b"\nEND\n'\"$(reboot)`reboot`%s\\").collect();
    let value = "x: \u{202e}\u{e9}%s\\n\\047'$(touch pwned)`touch pwned`\"!";
    let post = format!(
        "POST /a/../b?c=[1]&d='$(x)'&e=%2F HTTP/1.1\r\nHost: shop\r\nUser-Agent: a 'b' \"c\"\r\n{value}\r\nEmpty:\r\n\
         Twice: 1\r\nTwice: 2\r\nContent-Length: {}\r\n\r\n",
        hostile.len()
    );
    // What a shell, curl or printf could take for its own: a file to read, an option, a comment, a variable, an escape.
    let mut odd = b"M!#$%&'*+-.^_`|~ /$HOME/${IFS}/`id`/;ls|cat&'\\\"<>#x HTTP/1.1\r\nHost: a\r\nFile: @/etc/passwd\r\n\
        X'`$|~: -o /tmp/pwned; # %s %n \\x41 \\101 ${IFS} !! \t \\\r\nLatin: "
        .to_vec();
    odd.extend(0x80..=0xff_u8);
    odd.extend_from_slice(b"\r\nX-Empty:\r\nX-Semicolon: ;\r\nContent-Length: 12\r\n\r\n");
    let large: Vec<u8> = b"'%s\\n\"$(id)\n".iter().copied().cycle().take(40_000).collect();
    let put = format!(
        "PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        large.len()
    );
    let cases: [(&str, &[u8], &[u8]); 10] = [
        ("odd", &odd, b"@/etc/passwd"),
        ("large", put.as_bytes(), &large),
        (
            "lines",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n",
            b"\n\na'\n\"\\\n\t\n\n",
        ),
        (
            "chunked",
            b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nab\0\r\n\r\n0\r\n\r\n",
        ),
        ("hostile", post.as_bytes(), &hostile),
        (
            "text",
            b"PUT /#x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n",
            b"it's\n\"x\"\n",
        ),
        ("get", b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", b""),
        (
            "none",
            b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            b"",
        ),
        ("options", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        ("old", b"DELETE /old HTTP/1.0\r\nHost: a\r\n\r\n", b""),
    ];
    let directory = store(&stage, &cases);
    let host = Netns::host();
    for (id, _, body) in &cases {
        let (url, serving) = server();
        let sent = Agent::output(&host, &["replay", &directory, "--pair", id, "--to", &url]);
        assert!(sent.status.success(), "{id}: {}{}", sent.stdout, sent.stderr);
        assert!(
            sent.stdout.contains("Equal to production's response"),
            "{id}: {}",
            sent.stdout
        );
        let line = Agent::output(
            &host,
            &["replay", &directory, "--pair", id, "--to", &url, "--curl"],
        );
        assert!(line.status.success(), "{id}: {}", line.stderr);
        let ran = host.output("sh", &["-c", &line.stdout]);
        assert!(
            ran.status.success() && ran.stdout.ends_with("production"),
            "{id}: {}{}",
            line.stdout,
            ran.stderr
        );
        let [by_agent, by_curl] = serving.join().expect("the server");
        assert!(by_agent.ends_with(body), "{id}");
        assert_eq!(
            normal(&by_curl).escape_ascii().to_string(),
            normal(&by_agent).escape_ascii().to_string(),
            "{id}: {}",
            line.stdout
        );
    }
    assert!(!Path::new("pwned").exists());
}

#[test]
fn a_request_with_hidden_secrets_is_sent_and_that_is_said() {
    let stage = stage!("agent", "curl", "base64");
    let key = RedactionKey::new(b"0123456789abcdef").expect("a key");
    let hash = key.hash(b"s3cret");
    let redaction = Redaction::new(OF_RECORDINGS.map(str::to_owned), Vec::new(), 1 << 20, key);
    let body = b"13\r\n{\"password\":\"s3cret\r\n2\r\n\"}\r\n0\r\nX-Token: s3cret\r\n\r\n";
    let head = b"POST /in?page=1&token=s3cret HTTP/1.1\r\nHost: a\r\nX-Auth-Token: s3cret\r\n\
                 Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Token\r\n\r\n";
    let requests: [(&str, &[u8], &[u8]); 1] = [("login", head, body)];
    let directory = store_hiding(&stage, Some(&redaction.expect("names of headers")), &requests);
    let host = Netns::host();
    let (url, serving) = server();
    let arguments = ["replay", &directory, "--pair", "login", "--to", &url];
    let sent = Agent::output(&host, &arguments);
    assert!(sent.status.success(), "{}{}", sent.stdout, sent.stderr);
    let line = Agent::output(&host, &[&arguments[..], &["--curl"]].concat());
    let ran = host.output("sh", &["-c", &line.stdout]);
    assert!(ran.status.success(), "{}{}", line.stdout, ran.stderr);
    for said in [&sent.stdout, &line.stderr] {
        for part in [
            "Not sent, because it was redacted when stored: X-Auth-Token",
            "secrets were replaced by hashes when it was stored",
            "So the response may be 401 or 403",
        ] {
            assert!(said.contains(part), "{part:?} in {said}");
        }
    }
    let [by_agent, by_curl] = serving.join().expect("the server");
    assert_eq!(normal(&by_curl), normal(&by_agent), "{}", line.stdout);
    let text = String::from_utf8(by_agent).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let mut lines = head.lines();
    let first = format!("POST /in?page=1&token={hash} HTTP/1.1");
    assert_eq!(lines.next(), Some(first.as_str()));
    let expected = format!("{{\"password\":\"{hash}\"}}");
    assert_eq!(body, expected);
    let length = format!("Content-Length: {}", expected.len());
    assert!(lines.any(|line| line == length), "{head}");
}

#[test]
fn pairs_that_still_differ_set_the_exit_status() {
    let stage = stage!("agent");
    let directory = store(
        &stage,
        &[("one", b"GET /users/1 HTTP/1.1\r\nHost: a\r\n\r\n", b"")],
    );
    let host = Netns::host();
    let list = |more: &[&str]| {
        let output = Agent::output(&host, &[&["replay", &directory, "--list"], more].concat());
        assert!(output.status.success(), "{}", output.stderr);
        output.stdout
    };
    assert!(list(&[]).starts_with("one  GET /users/1\n    "), "{}", list(&[]));
    assert_eq!(list(&["--endpoint", "GET /users/{id}"]), list(&[]));
    assert_eq!(list(&["--endpoint", "GET /other"]), "");
    assert_eq!(list(&["--path", "$.price"]), "");
    // Answers with as many bytes as production did, and others.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut read = [0; 4096];
        let _ = stream.read(&mut read).expect("the request");
        let answer = b"HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\nproductive";
        stream.write_all(answer).expect("the answer");
    });
    let again = Agent::output(&host, &["replay", &directory, "--pair", "one", "--to", &url]);
    serving.join().expect("the server");
    assert_eq!(again.status.code(), Some(1), "{}{}", again.stdout, again.stderr);
    assert!(
        again.stdout.contains("status  status  200 -> 500"),
        "{}",
        again.stdout
    );
    for (arguments, why) in [
        (&["--pair", "two", "--to", &url][..], "there is no pair \"two\""),
        (&["--pair", "one"], "--to"),
        (&["--pair", "one", "--to", "ftp://a"], "ftp"),
    ] {
        let refused = Agent::output(&host, &[&["replay", &*directory], arguments].concat());
        assert!(
            !refused.status.success() && refused.stderr.contains(why),
            "{}",
            refused.stderr
        );
    }
    let refused = Agent::output(&host, &["report", "/proc/nonexistent"]);
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
}

/// A report without what is another each time it is made.
fn comparable(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("a report");
    let mut report: Value = serde_json::from_str(&text).expect("JSON");
    report["made_at_ms"] = Value::Null;
    for comparison in report["comparisons"].as_array_mut().expect("comparisons") {
        for example in comparison["examples"].as_array_mut().expect("examples") {
            // Cookies keep their names in what is kept.
            *example = example["id"].take();
        }
    }
    report
}

#[test]
fn a_kept_run_makes_the_same_report_again() {
    let stage = stage!("root", "agent");
    let (production, next) = (Shop::start("none"), Shop::start("all"));
    let host = Netns::host();
    let (first, again) = (stage.path("first.json"), stage.path("again.json"));
    let directory = stage.path("kept");
    let [first_text, again_text, directory] =
        [&first, &again, &directory].map(|path| path.to_str().expect("a path in UTF-8"));
    let agent = Agent::start(
        &stage,
        &host,
        &[
            "--input-raw",
            &production.address.to_string(),
            "--output-http",
            &next.url(),
            "--compare",
            "--compare-store",
            directory,
            "--report",
            first_text,
        ],
    );
    shop::load(production.address, 600, 300);
    let ledger = agent.stop_with(3);
    ledger.assert_closed();
    production.finish();
    next.finish();
    let output = Agent::output(&host, &["report", directory, "--report", again_text]);
    assert_eq!(output.status.code(), Some(3), "{}", output.stderr);
    assert!(output.stdout.contains("NOT ENOUGH DATA"), "{}", output.stdout);
    assert_eq!(comparable(&again), comparable(&first));
    let lenient = ["--fail-on", "compared < 100", "--compare-ignore", "$"];
    let output = Agent::output(&host, &[&["report", directory][..], &lenient].concat());
    assert_eq!(output.status.code(), Some(1), "{}", output.stdout);
    let side_by_side = stage.path("two.html");
    let two = side_by_side.to_str().expect("a path in UTF-8");
    let output = Agent::output(&host, &["report", first_text, directory, "--report", two]);
    assert_eq!(output.status.code(), Some(3), "{}", output.stderr);
    assert!(output.stdout.starts_with('#'), "{}", output.stdout);
    let page = std::fs::read_to_string(side_by_side).expect("a page");
    assert!(page.starts_with("<!doctype html>") || page.starts_with("<!DOCTYPE html>"));
    // Those that differ can be sent to another release.
    let fixed = Shop::start("none");
    let listed = Agent::output(&host, &["replay", directory, "--list", "--max", "1"]);
    let id = listed.stdout.split(' ').next().expect("an id").to_owned();
    let sent = Agent::output(&host, &["replay", directory, "--pair", &id, "--to", &fixed.url()]);
    assert!(
        sent.stdout.contains("production"),
        "{}{}",
        sent.stdout,
        sent.stderr
    );
    fixed.finish();
}

#[test]
fn a_run_that_was_killed_says_so_and_goes_for_nobody() {
    let stage = stage!("root", "agent");
    let (production, next) = (Shop::start("none"), Shop::start("none"));
    let host = Netns::host();
    let directory = stage.path("kept");
    let directory = directory.to_str().expect("a path in UTF-8");
    let again = stage.path("again.json");
    let again_text = again.to_str().expect("a path in UTF-8");
    let mut agent = Agent::start(
        &stage,
        &host,
        &[
            "--input-raw",
            &production.address.to_string(),
            "--output-http",
            &next.url(),
            "--compare",
            "--compare-store",
            directory,
        ],
    );
    shop::load(production.address, 300, 300);
    agent.wait_for_ledger("all is delivered", |ledger| ledger.delivered(0) == 300);
    let lenient = [
        "compared < 100",
        "coverage < 1%",
        "agreement < 1%",
        "p99_ratio off",
    ];
    let lenient = lenient.iter().flat_map(|rule| ["--fail-on", rule]);
    let others = [
        "endpoint_agreement off",
        "endpoint_p50_ratio off",
        "endpoint_p90_ratio off",
        "endpoint_p99_ratio off",
        "endpoint_tail_ratio off",
        "new_5xx > 50%",
    ];
    let others = others.iter().flat_map(|rule| ["--fail-on", rule]);
    let arguments: Vec<&str> = ["report", directory, "--report", again_text]
        .into_iter()
        .chain(lenient)
        .chain(others)
        .collect();
    until("the pairs are written", || {
        Agent::output(&host, &arguments);
        Report::read(&again).compared(0) == 300
    });
    agent.kill();
    production.finish();
    let url = next.url();
    next.finish();
    let output = Agent::output(&host, &arguments);
    assert_eq!(output.status.code(), Some(3), "{}", output.stdout);
    let report = Report::read(&again);
    assert_eq!(
        (report.verdict(), report.compared(0)),
        ("NOT ENOUGH DATA", 300),
        "{report}"
    );
    assert_eq!(
        report.0["comparisons"][0]["shadow"].as_str(),
        Some(url.as_str()),
        "{report}"
    );
    assert!(
        output
            .stdout
            .contains("The run was not shut down cleanly, or is still running."),
        "{}",
        output.stdout
    );
}
