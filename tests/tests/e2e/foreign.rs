//! Recordings as others leave them: text that an editor saved, and what browsers export.

use std::fs;

use shadow_tests::client::Connection;
use shadow_tests::{AccessLog, Agent, Ledger, Netns, Nginx, Stage, stage};

/// Replays a file to an nginx of its own, to the end.
fn replay(stage: &Stage, name: &str, content: &str) -> (AccessLog, Ledger) {
    let file = stage.path(name);
    fs::write(&file, content).expect("a recording");
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(stage, &host, "replayed", port);
    let (input, output) = (file.display().to_string(), format!("http://127.0.0.1:{port}"));
    let arguments = [
        "--input-file",
        &input,
        "--output-http",
        &output,
        "--http-original-host",
    ];
    let ledger = Agent::spawn(stage, &host, &arguments).finish();
    ledger.assert_closed();
    (nginx.finish(), ledger)
}

#[test]
fn a_recording_that_an_editor_turned_to_crlf_is_replayed() {
    let stage = stage!("agent", "nginx");
    let record = |number: u64, end: &str| {
        format!(
            "1 id{number} 170000000000000000{number} 0{end}GET /{number} HTTP/1.1\r\nHost: x\r\nX-Id: {number}\r\n\r\n\
             \r\n🐵🙈🙉\r\n"
        )
    };
    // The separators alone, and all line ends; the last one has been cut off.
    for (name, end) in [("separators.gor", "\n"), ("all.gor", "\r\n")] {
        let text: String = (1..=6).map(|number| record(number, end)).collect();
        let (log, ledger) = replay(&stage, name, text.strip_suffix("\r\n🐵🙈🙉\r\n").expect("an end"));
        ledger.assert_all_delivered(6);
        let requests: Vec<_> = log.0.iter().map(|entry| (&*entry.uri, &*entry.id)).collect();
        assert_eq!(
            requests,
            [
                ("/1", "1"),
                ("/2", "2"),
                ("/3", "3"),
                ("/4", "4"),
                ("/5", "5"),
                ("/6", "6")
            ],
            "{name}"
        );
        let inputs = ledger.0["capture"]["inputs"].as_object().expect("inputs");
        let input = inputs.values().next().expect("an input");
        assert_eq!(
            (&input["malformed"], &input["like_separators"]),
            (&0.into(), &0.into()),
            "{name}: {ledger}"
        );
    }
}

/// An entry for a request whose form is there as parameters alone.
fn entry(path: &str, id: &str, media: &str, params: &str) -> String {
    format!(
        r#"{{"startedDateTime": "2024-03-01T10:00:00.000Z", "time": 1,
  "request": {{"method": "POST", "url": "http://shop.test{path}", "httpVersion": "HTTP/1.1",
    "headers": [{{"name": "Host", "value": "shop.test"}}, {{"name": "X-Id", "value": "{id}"}},
      {{"name": "Content-Type", "value": "{media}"}}],
    "queryString": [], "cookies": [], "headersSize": -1, "bodySize": -1,
    "postData": {{"mimeType": "{media}", "params": [{params}]}}}},
  "response": {{"status": 200, "statusText": "OK", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [],
    "content": {{"size": 0, "mimeType": ""}}, "redirectURL": "", "headersSize": -1, "bodySize": -1}},
  "cache": {{}}, "timings": {{"send": 0, "wait": 1, "receive": 0}}}}"#
    )
}

#[test]
fn forms_of_a_har_file_are_sent_as_their_parameters_say() {
    let stage = stage!("agent", "nginx");
    let entries = [
        entry(
            "/upload/form?x=1",
            "1",
            "application/x-www-form-urlencoded",
            r#"{"name": "phone", "value": "+49 12"}, {"name": "pct", "value": "100%25 & more"}"#,
        ),
        entry(
            "/upload/parts",
            "2",
            "multipart/form-data; boundary=X",
            r#"{"name": "a", "value": "1"},
               {"name": "f", "fileName": "x.txt", "contentType": "text/plain", "value": "hello"}"#,
        ),
        // A file that the exporter left out.
        entry(
            "/upload/lost",
            "3",
            "multipart/form-data; boundary=X",
            r#"{"name": "f", "fileName": "x.txt", "contentType": "text/plain"}"#,
        ),
    ];
    let har = format!(
        r#"{{"log": {{"version": "1.2", "creator": {{"name": "t", "version": "1"}}, "entries": [{}]}}}}"#,
        entries.join(",")
    );
    let (log, ledger) = replay(&stage, "forms.har", &har);
    ledger.assert_all_delivered(2);
    let inputs = ledger.0["capture"]["inputs"].as_object().expect("inputs");
    let input = inputs.values().next().expect("an input");
    assert_eq!(input["malformed"], 1, "the form whose file is lost: {ledger}");

    // The same, sent by hand.
    let host = Netns::host();
    let port = host.free_port();
    let nginx = Nginx::start(&stage, &host, "by-hand", port);
    let mut connection = Connection::open(&host, ([127, 0, 0, 1], port).into());
    for (path, id, body) in [
        ("/upload/form?x=1", "1", "phone=%2B49+12&pct=100%2525+%26+more"),
        (
            "/upload/parts",
            "2",
            "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
             --X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n\
             --X--\r\n",
        ),
    ] {
        let length = body.len();
        connection.send(format!(
            "POST {path} HTTP/1.1\r\nHost: shop.test\r\nX-Id: {id}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(connection.response().status, 200);
    }
    drop(connection);
    nginx.finish().assert_same_requests(&log);
}
