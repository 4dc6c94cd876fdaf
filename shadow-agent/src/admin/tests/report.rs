//! The comparison as its readers meet it: over real sockets, with a comparing thread behind.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::*;
use crate::admin::events::MAX_STREAMS;
use crate::compare::example::document;

/// A comparing thread: it makes documents while somebody looks, and takes orders.
struct Comparing {
    live: LiveDocument,
    resets: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Comparing {
    /// Waits until so many resets have been obeyed: two that nobody has taken yet are one.
    fn wait_for_resets(&self, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.resets.load(Relaxed) != times {
            assert!(Instant::now() < deadline, "{times} resets are not obeyed");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn start() -> Self {
        let comparing = Self {
            live: LiveDocument::default(),
            resets: Arc::default(),
            stop: Arc::default(),
        };
        let (live, resets) = (comparing.live.clone(), Arc::clone(&comparing.resets));
        let stop = Arc::clone(&comparing.stop);
        std::thread::spawn(move || {
            while !stop.load(Relaxed) {
                if live.take_orders().reset {
                    resets.fetch_add(1, Relaxed);
                }
                if live.is_wanted() {
                    live.publish(document());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        comparing
    }
}

impl Drop for Comparing {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn rig(token: Option<&str>) -> (Comparing, Rig) {
    let comparing = Comparing::start();
    let rig = Rig::comparing(token, Some(comparing.live.clone()), |order| match order {
        Order::Pause(answer) | Order::Resume(answer) => answer.send(Ok(())).unwrap(),
        Order::Count(answer) => answer.send(Box::new(Snapshot::default())).unwrap(),
    });
    (comparing, rig)
}

/// Asks with these header fields, as a browser that shows `http://127.0.0.1:PORT/` would.
fn say(rig: &Rig, method: &str, path: &str, fields: &str) -> (u16, String, String) {
    let host = rig.address();
    rig.say(&format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"
    ))
}

fn get(rig: &Rig, path: &str) -> (u16, String, String) {
    say(rig, "GET", path, "")
}

/// A stream of events, and its status; without chunks, as HTTP/1.0 has it.
fn stream(rig: &Rig) -> (u16, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(rig.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET /report/events HTTP/1.0\r\nHost: {}\r\n\r\n",
        rig.address()
    )
    .unwrap();
    let mut reader = BufReader::new(stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    (status[9..12].parse().unwrap(), reader)
}

/// Reads until a line begins with this; none when the stream ends first.
fn line_of(reader: &mut impl BufRead, begin: &str) -> Option<String> {
    let mut lines = reader.lines().map_while(Result::ok);
    lines.find(|line| line.starts_with(begin))
}

#[test]
fn the_report_of_this_moment_is_there_as_data_and_as_a_page() {
    let (_comparing, rig) = rig(None);
    let (status, head, body) = get(&rig, "/report.json");
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(body == serde_json::to_string(&document()).unwrap(), "{body}");
    for path in ["/", "/report", "/report.html"] {
        let (status, head, body) = get(&rig, path);
        assert_eq!(status, 200, "{path}");
        assert!(head.contains("content-type: text/html; charset=utf-8"), "{head}");
        assert!(body.to_ascii_lowercase().starts_with("<!doctype html>"), "{body}");
    }
}

#[test]
fn without_a_comparison_it_says_what_to_do() {
    let rig = Rig::new();
    for path in ["/", "/report", "/report.json", "/report.html", "/report/events"] {
        let (status, body) = rig.ask("GET", path);
        assert_eq!(status, 404, "{path}");
        assert!(
            body.starts_with("no comparison is running: start the agent with --output-http URL --compare"),
            "{body}"
        );
    }
    let guarded = Rig::with(Some("s3cret"), drop);
    let token = "Authorization: Bearer s3cret\r\n";
    assert_eq!(say(&guarded, "POST", "/compare/reset", token).0, 404);
}

#[test]
fn answers_that_carry_traffic_are_kept_from_others() {
    let (_comparing, rig) = rig(None);
    for path in ["/", "/report", "/report.json", "/report.html", "/nothing"] {
        let (_, head, _) = get(&rig, path);
        assert!(!head.contains("access-control-"), "{head}");
        if path == "/nothing" {
            continue;
        }
        for field in [
            "content-security-policy: default-src 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
            "x-frame-options: DENY",
            "cache-control: no-store",
        ] {
            assert!(head.contains(field), "{path}: {field} in {head}");
        }
    }
}

#[test]
fn a_page_of_another_site_reads_nothing() {
    let (_comparing, rig) = rig(None);
    for path in ["/", "/report", "/report.json", "/report.html", "/report/events"] {
        let rebound = rig.say(&format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
        assert_eq!(rebound.0, 421, "{path}");
        let foreign = say(&rig, "GET", path, "Origin: http://evil.example\r\n");
        assert_eq!(foreign.0, 403, "{path}");
        let fetched = say(&rig, "GET", path, "Sec-Fetch-Site: cross-site\r\n");
        assert_eq!(fetched.0, 403, "{path}");
        for answer in [rebound, foreign, fetched] {
            assert!(!answer.2.contains("items"), "{answer:?}");
        }
    }
}

#[test]
fn a_reset_needs_the_token_on_this_machine_too() {
    let (comparing, open) = rig(None);
    for fields in [
        "",
        "Authorization: Bearer s3cret\r\n",
        "Authorization: Bearer \r\n",
    ] {
        let (status, _, body) = say(&open, "POST", "/compare/reset", fields);
        assert_eq!(
            (status, &*body),
            (
                403,
                "a reset discards results, and requires the token of --http-token-file, which is not set\n"
            )
        );
    }
    // The kill switch needs none.
    assert_ne!(say(&open, "POST", "/pause", "").0, 403);
    assert_eq!(comparing.resets.load(Relaxed), 0);
    // Without a token a page can never order anything, be it the agent's own.
    let own = format!("Origin: http://{}\r\n", open.address());
    for order in ["/compare/reset", "/pause", "/resume"] {
        assert_eq!(say(&open, "POST", order, &own).0, 403, "{order}");
    }
    let (comparing, guarded) = rig(Some("s3cret"));
    let own = format!("Origin: http://{}\r\n", guarded.address());
    let token = "Authorization: Bearer s3cret\r\n";
    let password = "Authorization: Basic OnMzY3JldA==\r\n";
    let mut obeyed = 0;
    for (fields, status) in [
        (String::new(), 401),
        (own.clone(), 401),
        (format!("{own}{password}"), 401),
        (format!("Origin: http://evil.example\r\n{token}"), 403),
        (format!("Origin: null\r\n{token}"), 403),
        (token.to_owned(), 200),
        (format!("{own}{token}"), 200),
    ] {
        assert_eq!(
            say(&guarded, "POST", "/compare/reset", &fields).0,
            status,
            "{fields}"
        );
        if status == 200 {
            obeyed += 1;
            comparing.wait_for_resets(obeyed);
        }
    }
    assert_eq!(obeyed, 2);
    // What a browser asks before it sends another site's page's request with a token.
    assert_eq!(
        say(
            &guarded,
            "OPTIONS",
            "/compare/reset",
            "Origin: http://evil.example\r\n"
        )
        .0,
        405
    );
}

#[test]
fn events_tell_of_each_state_and_of_the_end() {
    let (comparing, rig) = rig(None);
    let (status, mut events) = stream(&rig);
    assert_eq!(status, 200);
    assert_eq!(
        line_of(&mut events, "content-type").unwrap(),
        "content-type: text/event-stream"
    );
    assert_eq!(line_of(&mut events, "retry").unwrap(), "retry: 2000");
    assert_eq!(line_of(&mut events, "id").unwrap(), "id: 1");
    let data = line_of(&mut events, "data: ").unwrap();
    assert_eq!(
        data["data: ".len()..],
        serde_json::to_string(&document()).unwrap()
    );
    assert_eq!(line_of(&mut events, "id").unwrap(), "id: 2");
    comparing.live.end(document());
    assert_eq!(line_of(&mut events, "event").unwrap(), "event: end");
    assert_eq!(line_of(&mut events, "data: ").unwrap(), "data: the run has ended");
}

#[test]
fn a_port_that_closes_says_so_to_its_streams() {
    let (_comparing, rig) = rig(None);
    let (_, mut events) = stream(&rig);
    line_of(&mut events, "id").unwrap();
    drop(rig);
    assert_eq!(line_of(&mut events, "event").unwrap(), "event: end");
}

#[test]
fn streams_are_bounded_and_freed_when_their_readers_go() {
    let (comparing, rig) = rig(None);
    let open: Vec<_> = (0..MAX_STREAMS).map(|_| stream(&rig)).collect();
    assert!(open.iter().all(|(status, _)| *status == 200));
    assert_eq!(get(&rig, "/report/events").0, 503);
    drop(open);
    let start = Instant::now();
    while stream(&rig).0 != 200 {
        assert!(start.elapsed() < Duration::from_secs(20), "no place is free");
    }
    drop(comparing);
}

#[test]
fn streams_and_probes_keep_out_of_each_others_way() {
    let (_comparing, rig) = rig(None);
    let mut streams: Vec<_> = (0..MAX_STREAMS).map(|_| stream(&rig).1).collect();
    for events in &mut streams {
        line_of(events, "retry").unwrap();
    }
    // More than there are places, held open: the oldest of them go, and no stream.
    let held: Vec<_> = (0..MAX_CONNECTIONS * 2)
        .map(|_| TcpStream::connect(rig.address()).unwrap())
        .collect();
    assert_eq!(rig.ask("GET", "/healthz").0, 200);
    // And all places are there beside the streams.
    let mut last = &held[MAX_CONNECTIONS + 1];
    last.set_nonblocking(true).unwrap();
    assert_eq!(
        last.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    for events in &mut streams {
        line_of(events, "id").unwrap();
    }
}

#[test]
fn a_stream_outlives_other_connections() {
    let (_comparing, rig) = rig(None);
    let (_, mut events) = stream(&rig);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(17) {
        line_of(&mut events, "id").unwrap();
    }
}

#[test]
fn a_document_that_is_not_made_is_said() {
    let rig = Rig::comparing(None, Some(LiveDocument::default()), drop);
    let (status, _, body) = get(&rig, "/report.json");
    assert_eq!(
        (status, body.as_str()),
        (503, "there is no report yet: the comparison has not responded\n")
    );
}
