//! The directory of the store after each thing that can happen.

mod broken;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use shadow_mirror::MessageId;
use shadow_mirror::ledger::DropReason;
use shadow_mirror::rules::{JsonPath, OF_RECORDINGS, Redaction, RedactionKey};

use super::*;
use crate::document::Verdict;
use crate::tally::Facts;
use crate::{Answer, Hosts, MappedPlaces, NotCompared, Pair, RouteBy, Secrets, Selected, Times, Unpaired};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("shadow-agent-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn writer(&self, max_bytes: u64) -> StoreWriter {
        StoreWriter::start(StorePlace::create(&settings(&self.0, max_bytes)).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = self.0.read_dir().unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn read(&self) -> (Vec<String>, Damage) {
        let store = Store::open(&self.0).unwrap();
        let mut records = store.records();
        let shown = records.by_ref().map(|kept| format!("{kept:?}")).collect();
        (shown, records.damage().clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(directory: &Path, max_bytes: u64) -> StoreSettings {
    StoreSettings {
        directory: directory.to_owned(),
        max_bytes,
        queue_bytes: 16 << 20,
    }
}

fn comparisons() -> Vec<KeptComparison> {
    vec![KeptComparison {
        facts: Facts {
            shadow: "http://shadow".to_owned(),
            ..Facts::default()
        },
        hosts: Hosts {
            shadow: Some("next".to_owned()),
            control: None,
        },
        selection: vec!["all".to_owned()],
        uncounted: [("compare_busy".to_owned(), 2)].into(),
    }]
}

fn answer(head: &str, body: &str) -> Answer {
    Answer {
        head: Bytes::copy_from_slice(head.as_bytes()),
        body: Bytes::copy_from_slice(body.as_bytes()),
        times: Some(Times {
            first: Duration::from_micros(900),
            last: Duration::from_nanos(1_000_001),
        }),
    }
}

fn pair(id: &str) -> Pair {
    Pair {
        id: MessageId::given(id.as_bytes()).unwrap(),
        at: 1_700_000_000_000_000_001,
        request_head: Bytes::from_static(
            b"POST /a?b HTTP/1.1\r\nAuthorization: s3cret-1\r\nContent-Length: 2\r\n\r\n",
        ),
        request_body: Bytes::from_static(b"hi"),
        production: answer(
            "HTTP/1.1 200 OK\r\nSet-Cookie: sid=s3cret-2; Path=/\r\nContent-Length: 16\r\n\r\n",
            "{\"a\":\"s3cret-3\"}",
        ),
        shadow: answer("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n", "no"),
        control: None,
        repeat: Some(answer("HTTP/1.1 200 OK\r\n\r\n", "again")),
        raced: true,
    }
}

fn mapped() -> MappedPlaces {
    MappedPlaces {
        shadow: vec!["$.order.id".to_owned(), "header.location".to_owned()],
        control: vec!["$.order.id".to_owned()],
    }
}

/// The value that tells a request of GraphQL from others of its URL.
fn selected() -> Option<Selected> {
    let head = b"GET /graphql?query=query+Q%7Ba%7D HTTP/1.1\r\n\r\n";
    RouteBy::default().read(head, b"")
}

fn kept(id: &str) -> Kept {
    Kept::Pair(Box::new(KeptPair {
        of: 0,
        whole: true,
        pair: pair(id),
        mapped: mapped(),
        selected: selected(),
    }))
}

fn unpaired() -> Unpaired {
    let why = NotCompared::Shadow(DropReason::Timeout);
    Unpaired::new(b"GET /b HTTP/1.1\r\n\r\n", 7, why).selected(selected())
}

fn shown(kept: &Kept) -> String {
    format!("{kept:?}")
}

fn redaction(json: &[&str]) -> Redaction {
    let key = RedactionKey::new(b"0123456789abcdef").unwrap();
    let json = json.iter().map(|path| JsonPath::new(path).unwrap()).collect();
    Redaction::new(OF_RECORDINGS.map(str::to_owned), json, 1 << 20, key).unwrap()
}

#[test]
fn a_record_is_a_line_and_the_bytes_that_it_tells_the_lengths_of() {
    let mut out = Vec::new();
    let mut only = pair("9c4000500a010203deadbeef");
    (only.request_head, only.request_body) = (Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), Bytes::new());
    only.production = answer("HTTP/1.1 200 OK\r\n\r\n", "a");
    only.shadow = answer("HTTP/1.1 200 OK\r\n\r\n", "b");
    (only.repeat, only.raced) = (None, false);
    write(
        &Kept::Pair(Box::new(KeptPair {
            of: 3,
            whole: true,
            pair: only,
            mapped: MappedPlaces::default(),
            selected: None,
        })),
        &mut out,
    );
    write(
        &Kept::Unpaired {
            of: 3,
            unpaired: unpaired(),
        },
        &mut out,
    );
    let expected = "{\"kind\":\"pair\",\"of\":3,\"id\":\"9c4000500a010203deadbeef\",\"at\":1700000000000000001,\
         \"whole\":true,\"request\":{\"head\":18,\"body\":0},\
         \"production\":{\"head\":19,\"body\":1,\"first\":900000,\"last\":1000001},\
         \"shadow\":{\"head\":19,\"body\":1,\"first\":900000,\"last\":1000001}}\n\
         GET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\naHTTP/1.1 200 OK\r\n\r\nb\n\
         {\"kind\":\"not_compared\",\"of\":3,\"at\":7,\"reason\":\"timeout\",\"request\":{\"head\":15,\"body\":0},\
         \"selected\":{\"by\":\"operation\",\"value\":\"Q\"}}\n\
         GET /b HTTP/1.1\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_was_kept_is_read_back() {
    let folder = Folder::new("read-back");
    let writer = folder.writer(1 << 30);
    let handle = writer.handle(2, None, Secrets::Shown);
    handle.pair(&pair("a"), mapped(), selected());
    handle.unpaired(&unpaired());
    writer.describe(comparisons());
    assert!(writer.end(Duration::from_secs(10)));
    let store = Store::open(&folder.0).unwrap();
    let run = store.run();
    assert!(run.ended);
    assert_eq!(run.comparisons, comparisons());
    let uncounted: Vec<_> = run.comparisons[0].uncounted().collect();
    assert_eq!(uncounted, [(NotCompared::Busy, 2)]);
    assert_eq!((run.counts.written, run.counts.missing()), (2, 0));
    let records: Vec<Kept> = store.records().collect();
    let expected = Kept::Pair(Box::new(KeptPair {
        of: 2,
        whole: true,
        pair: pair("a"),
        mapped: mapped(),
        selected: selected(),
    }));
    assert_eq!(shown(&records[0]), shown(&expected));
    assert!(matches!(&records[1], Kept::Unpaired { of: 2, unpaired: read } if *read == unpaired()));
    assert_eq!(records.len(), 2);
    assert_eq!(folder.names(), ["pairs-00000001.gz", "run.json"]);
}

#[test]
fn of_a_pair_without_differences_start_lines_and_times_are_kept() {
    let folder = Folder::new("equal");
    let writer = folder.writer(1 << 30);
    let mut alike = pair("a");
    let other =
        "HTTP/1.1 200 OK\r\nSet-Cookie: sid=s3cret-2; Path=/\r\nDate: now\r\nContent-Length: 16\r\n\r\n";
    alike.shadow = answer(other, "{\"a\":\"s3cret-3\"}");
    alike.repeat = Some(alike.shadow.clone());
    let handle = writer.handle(0, None, Secrets::Shown);
    handle.pair(&alike, MappedPlaces::default(), None);
    alike.repeat = Some(answer(other, "{\"a\":\"s3cret-4\"}"));
    handle.pair(&alike, MappedPlaces::default(), None);
    drop(writer);
    let records: Vec<Kept> = Store::open(&folder.0).unwrap().records().collect();
    let [Kept::Pair(first), Kept::Pair(second)] = &records[..] else {
        panic!("two pairs")
    };
    assert!(!first.whole && second.whole);
    assert_eq!(&first.pair.request_head[..], b"POST /a?b HTTP/1.1\r\n\r\n");
    assert_eq!(&first.pair.shadow.head[..], b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(first.pair.shadow.times, alike.shadow.times);
    assert_eq!(first.pair.repeat.as_ref().unwrap().body, "");
    assert!(first.pair.control.is_none());
}

#[test]
fn no_secret_reaches_the_disk_and_equal_ones_stay_equal() {
    let folder = Folder::new("secrets");
    let writer = folder.writer(1 << 30);
    let mut both = pair("a");
    both.shadow = both.production.clone();
    // It differs, so that all of it is kept.
    both.repeat = Some(answer("HTTP/1.1 200 OK\r\n\r\n", "again"));
    for id in ["a", "b"] {
        both.id = MessageId::given(id.as_bytes()).unwrap();
        writer
            .handle(0, Some(&redaction(&["a"])), Secrets::Shown)
            .pair(&both, MappedPlaces::default(), None);
    }
    drop(writer);
    for name in folder.names() {
        let file = std::fs::File::open(folder.0.join(name)).unwrap();
        let content = std::io::read_to_string(shadow_record::recording::open(file).unwrap()).unwrap();
        assert!(!content.contains("s3cret"), "{content}");
    }
    let store = Store::open(&folder.0).unwrap();
    assert_eq!(
        store.run().redacted_headers,
        [
            "authentication-info",
            "authorization",
            "cookie",
            "cookie2",
            "proxy-authentication-info",
            "proxy-authorization",
            "set-cookie",
            "set-cookie2",
            "x-api-key"
        ]
    );
    let records: Vec<Kept> = store.records().collect();
    let [Kept::Pair(first), Kept::Pair(second)] = &records[..] else {
        panic!("two pairs")
    };
    assert_eq!(first.pair.production, first.pair.shadow);
    assert_eq!(first.pair.production, second.pair.production);
    let head = std::str::from_utf8(&first.pair.production.head).unwrap();
    assert!(
        head.contains("Set-Cookie: sid=redacted-") && head.contains("; Path=/\r\n"),
        "{head}"
    );
}

#[test]
fn a_compressed_body_is_searched_as_it_reads() {
    let folder = Folder::new("compressed");
    let writer = folder.writer(1 << 30);
    let mut coded = pair("a");
    let body = shadow_record::recording::Compression::Gzip.encode(b"{\"a\":\"s3cret\"}".to_vec());
    coded.shadow.head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into();
    coded.shadow.body = body.into();
    writer
        .handle(0, Some(&redaction(&["a"])), Secrets::Shown)
        .pair(&coded, MappedPlaces::default(), None);
    drop(writer);
    let Some(Kept::Pair(kept)) = Store::open(&folder.0).unwrap().records().next() else {
        panic!("a pair")
    };
    assert!(
        kept.pair.shadow.body.starts_with(b"{\"a\":\"redacted-"),
        "{kept:?}"
    );
}

#[test]
fn a_message_that_cannot_be_redacted_is_counted_and_not_kept() {
    let folder = Folder::new("unredactable");
    let writer = folder.writer(1 << 30);
    let mut broken = pair("a");
    broken.shadow.body = Bytes::from_static(b"{\"a\":");
    writer
        .handle(0, Some(&redaction(&["a"])), Secrets::Shown)
        .pair(&broken, MappedPlaces::default(), None);
    writer.describe(comparisons());
    assert!(writer.end(Duration::from_secs(10)));
    let store = Store::open(&folder.0).unwrap();
    assert_eq!(store.run().counts.lost, [("unredactable".to_owned(), 1)].into());
    assert_eq!(store.records().count(), 0);
}

#[test]
fn what_the_queue_has_no_room_for_is_counted() {
    let folder = Folder::new("queue");
    let place = StorePlace::create(&StoreSettings {
        queue_bytes: 100,
        ..settings(&folder.0, 1 << 30)
    });
    let writer = StoreWriter::start(place.unwrap()).unwrap();
    writer
        .handle(0, None, Secrets::Shown)
        .pair(&pair("a"), MappedPlaces::default(), None);
    assert_eq!(writer.counts().lost, [("store_queue_full".to_owned(), 1)].into());
}

#[test]
fn the_oldest_go_when_the_directory_is_full_and_are_counted() {
    let folder = Folder::new("bound");
    let bound = 600 * 1024;
    let writer = folder.writer(bound);
    let handle = writer.handle(0, None, Secrets::Shown);
    let mut noise = 1_u64;
    for number in 0..400 {
        let mut pair = pair(&format!("{number}"));
        let body: Vec<u8> = std::iter::repeat_with(|| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        })
        .take(4096)
        .collect();
        pair.shadow.body = body.into();
        handle.pair(&pair, MappedPlaces::default(), None);
    }
    writer.describe(comparisons());
    assert!(writer.end(Duration::from_secs(30)));
    let store = Store::open(&folder.0).unwrap();
    let counts = store.run().counts.clone();
    let ids: Vec<u64> = store
        .records()
        .map(|kept| match kept {
            Kept::Pair(kept) => kept.pair.id.to_string().parse().unwrap(),
            Kept::Unpaired { .. } => panic!("a pair"),
        })
        .collect();
    assert!(counts.gone > 0 && !ids.is_empty(), "{counts:?}");
    assert_eq!(ids, (counts.gone..400).collect::<Vec<_>>());
    assert_eq!(counts.written, 400);
    let bytes: u64 = folder
        .names()
        .iter()
        .filter(|name| name.starts_with("pairs-"))
        .map(|name| folder.0.join(name).metadata().unwrap().len())
        .sum();
    assert_eq!(bytes, counts.bytes);
    assert!(bytes <= bound, "{bytes}");
}

#[test]
fn the_directory_and_its_files_are_their_owners_alone() {
    let folder = Folder::new("modes");
    let writer = folder.writer(1 << 30);
    writer
        .handle(0, None, Secrets::Shown)
        .pair(&pair("a"), MappedPlaces::default(), None);
    drop(writer);
    assert_eq!(folder.0.metadata().unwrap().mode() & 0o777, 0o700);
    for name in folder.names() {
        assert_eq!(
            folder.0.join(&name).metadata().unwrap().mode() & 0o777,
            0o600,
            "{name}"
        );
    }
}

#[test]
fn a_directory_that_is_not_empty_or_not_private_is_refused() {
    let folder = Folder::new("refused");
    let refused = || {
        let error = StorePlace::create(&settings(&folder.0, 1 << 30)).unwrap_err();
        format!("{error:#}")
    };
    drop(folder.writer(1 << 30));
    assert!(refused().contains("it is not empty"), "{}", refused());
    std::fs::remove_file(folder.0.join("run.json")).unwrap();
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o777)).unwrap();
    assert!(refused().contains("others can write to it"), "{}", refused());
    std::fs::set_permissions(&folder.0, std::fs::Permissions::from_mode(0o700)).unwrap();
    drop(folder.writer(1 << 30));
    let error = StorePlace::create(&settings(Path::new("/proc/nonexistent/a"), 1)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("--compare-store '/proc/nonexistent/a'"),
        "{error}"
    );
}

#[test]
fn a_run_that_goes_on_can_be_read_and_says_that_it_has_not_ended() {
    let folder = Folder::new("going-on");
    let _writer = folder.writer(1 << 30);
    let store = Store::open(&folder.0).unwrap();
    assert!(!store.run().ended && store.run().comparisons.is_empty());
    assert_eq!(store.records().count(), 0);
}

#[test]
fn a_run_that_is_broken_off_says_what_it_compared_and_goes_for_nobody() {
    let folder = Folder::new("broken-off");
    let writer = folder.writer(1 << 30);
    let mut described = comparisons();
    described[0].facts.counts.seen = 9;
    described[0].uncounted.clear();
    writer.describe(described);
    let end = std::time::Instant::now() + Duration::from_secs(8);
    while Store::open(&folder.0).unwrap().run().comparisons.is_empty() {
        // Before the time at which it is written anyway.
        assert!(std::time::Instant::now() < end, "it never is");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut alike = pair("a");
    (alike.shadow, alike.repeat) = (alike.production.clone(), None);
    for number in 0..7 {
        alike.id = MessageId::given(format!("pair-{number}").as_bytes()).unwrap();
        writer
            .handle(0, None, Secrets::Shown)
            .pair(&alike, MappedPlaces::default(), None);
    }
    writer.handle(0, None, Secrets::Shown).unpaired(&unpaired());
    assert!(writer.end(Duration::from_secs(10)));
    let judged = || {
        let lenient = |rule: &str| rule.parse().unwrap();
        let judging = crate::Judging {
            fail_on: crate::fail_on::FailRule::in_force(&[
                lenient("compared < 1"),
                lenient("coverage < 1%"),
                lenient("failed > 99%"),
                lenient("new_5xx > 99%"),
                lenient("agreement < 1%"),
                lenient("p99_ratio off"),
            ]),
            ..crate::tally::tests::judging()
        };
        document(&Store::open(&folder.0).unwrap(), &judging)
    };
    let whole = judged();
    assert_eq!(
        (whole.verdict, &whole.notes[..]),
        (Verdict::Go, &[][..]),
        "{whole:?}"
    );
    // As if the last word had not come to be written.
    let file = folder.0.join("run.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"ended\": true", "\"ended\": false")).unwrap();
    let broken = judged();
    assert_eq!(broken.verdict, Verdict::NotEnoughData);
    let [note] = &broken.notes[..] else {
        panic!("a note")
    };
    assert!(
        note.starts_with("The run was not shut down cleanly, or is still running."),
        "{note}"
    );
    assert!(
        note.contains("its last pair or request of 2023-11-14 22:13:20 UTC"),
        "{note}"
    );
    let comparison = &broken.comparisons[0];
    assert!(
        comparison.verdict.why[0]
            .starts_with("The run was not shut down cleanly, or is still running: data after "),
        "{:?}",
        comparison.verdict.why
    );
    let coverage = &comparison.coverage;
    assert_eq!(
        (coverage.eligible, coverage.compared, coverage.waiting),
        (9, 7, 0)
    );
    assert_eq!(coverage.not_compared, [("not_kept".to_owned(), 1)].into());
}

#[test]
fn operations_of_kept_pairs_are_told_apart_without_bodies() {
    let folder = Folder::new("operations");
    let writer = folder.writer(1 << 30);
    writer.describe(comparisons());
    let handle = writer.handle(0, None, Secrets::Shown);
    let mut tally = crate::Tally::new(
        crate::tally::tests::judging().into(),
        crate::counters::CompareCounters::default(),
    );
    for (number, operation) in ["GetUser", "GetCart", "GetUser"].iter().enumerate() {
        let mut alike = pair(&format!("pair-{number}"));
        (alike.shadow, alike.repeat) = (alike.production.clone(), None);
        alike.request_head = "POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\n\r\n".into();
        alike.request_body = format!(r#"{{"query":"query {operation} {{ a }}"}}"#).into();
        tally.add(&alike);
        handle.pair(&alike, tally.take_mapped(), tally.take_selected());
    }
    assert!(writer.end(Duration::from_secs(10)));
    let names = |comparison: &crate::document::Comparison| {
        let endpoints = comparison.endpoints.iter();
        let names = endpoints.map(|endpoint| format!("{} {}", endpoint.name, endpoint.compared));
        names.collect::<Vec<_>>()
    };
    let expected = [
        "POST /graphql (operation GetUser) 2",
        "POST /graphql (operation GetCart) 1",
    ];
    assert_eq!(names(&tally.comparison(&Facts::default())), expected);
    let again = document(&Store::open(&folder.0).unwrap(), &crate::tally::tests::judging());
    assert_eq!(names(&again.comparisons[0]), expected);
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = Folder::new("no-run");
    std::fs::create_dir(&folder.0).unwrap();
    let refused = || Store::open(&folder.0).unwrap_err().to_string();
    assert!(refused().contains("run.json"), "{}", refused());
    std::fs::write(folder.0.join("run.json"), "{}").unwrap();
    assert!(
        refused().contains("is not a directory of --compare-store"),
        "{}",
        refused()
    );
}
