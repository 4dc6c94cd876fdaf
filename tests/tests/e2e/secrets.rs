//! Secrets where no header is: in the trailers of chunked messages, and before the hosts of URLs.

use std::fs;
use std::path::Path;

use shadow_agent::compare::store::{Kept, KeptPair, Store};
use shadow_tests::client::Connection;
use shadow_tests::{Agent, Netns, Nginx, NginxSetup, stage};

const SECRET: &str = "Pl4ntedS3cret";

/// Requests with a secret in each of these places.
const UPLOAD: &str = "POST /upload HTTP/1.1\r\nHost: production.test\r\nX-Id: 1\r\n\
                      Referer: https://ann:Pl4ntedS3cret@b/start\r\nTransfer-Encoding: chunked\r\n\r\n\
                      5\r\nhello\r\n0\r\nAuthorization: Bearer Pl4ntedS3cret\r\n\r\n";
const LOGIN: &str = "GET /login?next=https://ann:Pl4ntedS3cret@b/ HTTP/1.1\r\nHost: production.test\r\nX-Id: 2\r\n\
                     Connection: close\r\n\r\n";

/// A server of this release, that sends whoever logs in to a URL of its own, with a trailer.
fn server(release: &str) -> NginxSetup {
    NginxSetup {
        server: format!(
            "add_header X-Release {release};
             location = /login {{ add_trailer X-Api-Key {SECRET}; return 302 https://ann:{SECRET}@b/{release}; }}"
        ),
        ..NginxSetup::default()
    }
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn trailers_and_users_of_urls_are_hidden_in_what_is_kept() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let production = Nginx::start_with(&stage, &host, "production", &[port], &server("home"));
    let shadow = Nginx::start_with(&stage, &host, "shadow", &[shadow_port], &server("other"));
    let [recording, kept, report] =
        ["recorded.gor", "kept", "report.json"].map(|name| stage.path(name).display().to_string());
    let (input, output) = (format!(":{port}"), format!("http://127.0.0.1:{shadow_port}"));
    let agent = Agent::start(
        &stage,
        &host,
        &[
            &["--input-raw", &input, "--input-raw-track-response"][..],
            &["--output-http", &output, "--output-file", &recording],
            &["--compare", "--compare-repeat", "0", "--compare-store", &kept],
            &["--report", &report],
        ]
        .concat(),
    );
    agent.wait_for_line(
        "credentials and cookies are replaced by keyed hashes in this recording, so replayed requests are not \
         authenticated: --http-redact-none records them unchanged",
    );
    let mut connection = Connection::open(&host, ([127, 0, 0, 1], port).into());
    connection.send(UPLOAD);
    assert_eq!(connection.response().status, 200);
    connection.send(LOGIN);
    assert_eq!(connection.read_response_status(), 302);
    connection.read_to_close();
    let production = production.finish();
    // Two pairs are not enough for a verdict.
    let ledger = agent.stop_with(3);
    ledger.assert_all_delivered(2);
    production.assert_same_requests(&shadow.finish());

    // A recording is replayed, and its URLs are what they were.
    let recorded = fs::read(stage.path("recorded_0.gor")).expect("a recording");
    let recorded = String::from_utf8_lossy(&recorded);
    for (part, times) in [
        ("5\r\nhello\r\n0\r\nAuthorization: redacted-", 1),
        ("0\r\nX-Api-Key: redacted-", 1),
        ("Bearer", 0),
        ("X-Api-Key: Pl4ntedS3cret", 0),
        ("GET /login?next=https://ann:Pl4ntedS3cret@b/ HTTP/1.1\r\n", 1),
    ] {
        assert_eq!(count(&recorded, part), times, "{part:?} in {recorded}");
    }

    let pairs: Vec<KeptPair> = Store::open(Path::new(&kept))
        .expect("a store")
        .records()
        .map(|kept| match kept {
            Kept::Pair(pair) => *pair,
            Kept::Unpaired { unpaired, .. } => panic!("{unpaired:?}"),
        })
        .collect();
    let shown = |pair: &KeptPair| {
        let KeptPair { pair, .. } = pair;
        let parts = [
            &pair.request_head,
            &pair.request_body,
            &pair.production.head,
            &pair.production.body,
            &pair.shadow.head,
            &pair.shadow.body,
        ];
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .concat()
    };
    let all: String = pairs.iter().map(shown).collect();
    for (part, times) in [
        ("POST /upload HTTP/1.1\r\n", 1),
        ("Referer: https://redacted-", 1),
        ("5\r\nhello\r\n0\r\nAuthorization: redacted-", 1),
        ("GET /login?next=https://redacted-", 1),
        ("Location: https://redacted-", 2),
        ("@b/start", 1),
        ("@b/home", 1),
        ("@b/other", 1),
        ("X-Api-Key", 0),
        (SECRET, 0),
    ] {
        assert_eq!(count(&all, part), times, "{part:?} in {all}");
    }
    assert!(pairs.iter().all(|pair| pair.whole), "{all}");
    let report = fs::read_to_string(&report).expect("a report");
    assert_eq!(count(&report, SECRET), 0, "{report}");
}
