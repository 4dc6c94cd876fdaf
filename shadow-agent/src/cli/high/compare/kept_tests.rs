//! A run beside what is made of its pairs again, judged and hidden as the command line says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;

use super::judging;
use crate::cli::low::Arguments;
use crate::compare::counters::CompareCounters;
use crate::compare::document::{Comparison, DifferenceRow};
use crate::compare::store::{KeptComparison, Store, StorePlace, StoreSettings, StoreWriter, document};
use crate::compare::{Answer, Facts, Judging, NotCompared, Pair, Secrets, Tally, Unpaired};
use crate::mirror::MessageId;
use crate::mirror::ledger::{DropReason, OutputCounts};

/// How a run with these flags judges.
fn of_run(flags: &[&str]) -> Judging {
    let flags = [&["shadow-agent", "--output-null"], flags].concat();
    let arguments = Arguments::try_parse_from(flags).unwrap();
    judging(&arguments.judging, &arguments.filters, 1 << 20).unwrap()
}

fn answer(fields: &str, body: &str) -> Answer {
    Answer {
        head: format!(
            "HTTP/1.1 200 OK\r\n{fields}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        times: None,
    }
}

/// Exchanges with secrets in everything; `s3cret-` stands before each.
fn pairs() -> Vec<Pair> {
    let json = "Content-Type: application/json\r\n";
    let text = "Content-Type: text/html\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answers = [
        // Another token, and another price.
        (
            answer(
                json,
                r#"{"access_token":"s3cret-a","price":1,"session":{"id":7,"tags":["s3cret-b",1]}}"#,
            ),
            answer(
                json,
                r#"{"access_token":"s3cret-c","price":2,"session":{"id":7.0,"tags":[1,"s3cret-b"]}}"#,
            ),
        ),
        // Another type, one that is missing, and times that are near each other.
        (
            answer(
                json,
                r#"{"token":1,"secret":"s3cret-a","token_expires_at":"2026-11-24T10:00:00Z","next":"/?code=s3cret-a"}"#,
            ),
            answer(
                json,
                r#"{"token":"1","token_expires_at":"2026-11-24T10:00:02Z","next":"/?code=s3cret-b"}"#,
            ),
        ),
        // Cut off.
        (
            answer(json, r#"{"token":"s3cret-a","b":1}"#),
            answer(json, r#"{"token":"s3cret-a","b""#),
        ),
        // Forms, links and fields.
        (
            answer(
                &format!("{form}Location: /in?code=s3cret-a\r\nX-Auth-Token: s3cret-a\r\n"),
                "password=s3cret-a&a=1",
            ),
            answer(
                &format!("{form}Location: /in?code=s3cret-b\r\nX-Auth-Token: s3cret-b\r\n"),
                "password=s3cret-b&a=1",
            ),
        ),
        // Pages.
        (
            answer(text, "<p>\n<input name=token value=s3cret-a>\n"),
            answer(text, "<p>\n<input name=token value=s3cret-b>\n<p>\n"),
        ),
        (answer(text, "Bad\n"), answer(text, "Bad token:\ns3cret-a\n")),
        // The same.
        (
            answer(json, r#"{"token":"s3cret-a"}"#),
            answer(json, r#"{"token":"s3cret-a"}"#),
        ),
    ];
    let pairs = answers.into_iter().enumerate();
    pairs
        .map(|(number, (production, shadow))| {
            let login = "user=a&password=s3cret-a";
            Pair {
                id: MessageId::given(format!("pair-{number}").as_bytes()).unwrap(),
                at: 1_700_000_000_000_000_000,
                request_head: format!(
                    "POST /things/{}?page=1&api_key=s3cret-a HTTP/1.1\r\n{form}Content-Length: {}\r\n\
                     Authorization: s3cret-a\r\n\r\n",
                    ["a", "b", "c", "d", "e", "f", "g"][number],
                    login.len()
                )
                .into(),
                request_body: Bytes::from_static(login.as_bytes()),
                production,
                shadow: shadow.clone(),
                control: None,
                repeat: Some(shadow),
                raced: false,
            }
        })
        .collect()
}

struct Kept {
    directory: PathBuf,
    live: Comparison,
    again: Comparison,
    notes: Vec<String>,
}

impl Kept {
    /// A run with these flags.
    fn new(name: &str, flags: &[&str]) -> Self {
        let directory =
            std::env::temp_dir().join(format!("shadow-agent-again-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        let settings = StoreSettings {
            directory: directory.clone(),
            max_bytes: 1 << 30,
            queue_bytes: 1 << 24,
        };
        let writer = StoreWriter::start(StorePlace::create(&settings).unwrap()).unwrap();
        let judging = of_run(flags);
        let handle = writer.handle(0, judging.redaction.as_ref(), judging.secrets);
        let mut tally = Tally::new(Arc::new(judging.clone()), CompareCounters::default());
        for pair in pairs() {
            tally.add(&pair);
            handle.pair(&pair, tally.take_mapped(), tally.take_selected());
        }
        let why = NotCompared::Shadow(DropReason::Timeout);
        let unpaired = Unpaired::new(b"GET /late?token=s3cret-a HTTP/1.1\r\n\r\n", 7, why);
        tally.not_compared(&unpaired);
        handle.unpaired(&unpaired);
        let facts = Facts {
            shadow: "http://shadow".to_owned(),
            counts: OutputCounts {
                seen: 8,
                ..OutputCounts::default()
            },
            ..Facts::default()
        };
        writer.describe(vec![KeptComparison::new(&facts, &tally)]);
        assert!(writer.end(Duration::from_secs(30)));
        let again = Judging {
            secrets: Secrets::Hidden,
            redaction: None,
            ..judging
        };
        let store = Store::open(&directory).unwrap();
        let mut again = document(&store, &again).comparisons.remove(0);
        let notes = std::mem::take(&mut again.in_force.notes);
        Self {
            directory,
            live: tally.comparison(&facts),
            again,
            notes,
        }
    }

    /// All that is on the disk.
    fn content(&self) -> String {
        let files = self.directory.read_dir().unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            let file = std::fs::File::open(file.unwrap().path()).unwrap();
            std::io::read_to_string(crate::recording::open(file).unwrap()).unwrap()
        };
        files.map(read).collect()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn found(rows: &[DifferenceRow]) -> Vec<String> {
    let row = |row: &DifferenceRow| {
        let noise = row.noise.as_ref().map(|noise| &*noise.why);
        format!(
            "{} {} {:?} {} {noise:?}",
            row.endpoint, row.path, row.kind, row.count
        )
    };
    rows.iter().map(row).collect()
}

#[test]
fn no_secret_is_kept_and_the_same_differences_are_found_again() {
    let kept = Kept::new("default", &[]);
    let content = kept.content();
    assert!(!content.contains("s3cret"), "{content}");
    // What is no secret is there.
    for part in [
        "POST /things/a?page=1&api_key=redacted-",
        "GET /late?token=redacted-",
        "user=a&password=redacted-",
        "\"price\":2",
        "Location: /in?code=redacted-",
        "\"token_expires_at\":\"2026-11-24T10:00:02Z\"",
    ] {
        assert!(content.contains(part), "{part} in {content}");
    }
    let (live, again) = (found(&kept.live.differences), found(&kept.again.differences));
    assert_eq!(again, live);
    for row in [
        "POST /things/a $.access_token Value 1 None",
        "POST /things/a $.session.tags Order 1 None",
        "POST /things/b $.token Type 1 None",
        "POST /things/b $.secret Missing 1 None",
        "POST /things/c $ Unreadable 1 None",
        "POST /things/d form.password Value 1 None",
        "POST /things/d header.x-auth-token Value 1 None",
        "POST /things/e html p > input[name=token]@value Value 1 None",
        "POST /things/e html p Extra 1 None",
    ] {
        assert!(live.iter().any(|found| found == row), "{row} in {live:#?}");
    }
    assert!(
        live.iter()
            .any(|row| row.contains("$.token_expires_at Value 1 Some")),
        "{live:#?}"
    );
    assert_eq!(kept.again.agreement, kept.live.agreement);
    assert_eq!(kept.again.agreement_raw, kept.live.agreement_raw);
    assert_eq!(kept.again.coverage, kept.live.coverage);
    // Pages of two pairs, and the repeats of them.
    let note = "6 bodies are redacted completely, because they contain the name of a secret and are neither JSON nor a form, \
                or cannot be decoded: it is reported where they differ, but not how.";
    assert_eq!(kept.notes.last().unwrap(), note);
}

#[test]
fn with_http_redact_none_all_of_it_is_kept() {
    let kept = Kept::new("none", &["--http-redact-none"]);
    let content = kept.content();
    for secret in [
        "api_key=s3cret-a",
        "\"access_token\":\"s3cret-a\"",
        "Authorization: s3cret-a",
    ] {
        assert!(content.contains(secret), "{secret} in {content}");
    }
    assert_eq!(found(&kept.again.differences), found(&kept.live.differences));
    assert!(!kept.notes.iter().any(|note| note.contains("redacted completely")));
    // What is named is hidden all the same.
    let kept = Kept::new(
        "named",
        &["--http-redact-none", "--http-redact-header", "authorization"],
    );
    let content = kept.content();
    assert!(content.contains("Authorization: redacted-") && content.contains("api_key=s3cret-a"));
}
