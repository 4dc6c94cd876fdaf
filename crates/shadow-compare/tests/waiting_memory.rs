//! Memory that waiting pairs take: what the process grows by, by the kernel's count, beside what they are charged. Alone in its
//! process, so that nothing else grows meanwhile.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shadow_compare::{CorrelateSettings, Correlation, Extras, Intake, Pairing, Part, Times};
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_correlate::{Bounds, Exceptions};
use shadow_http::{Limits, whole_request};
use shadow_mirror::{Exchange, ExchangeResponse, FlowId, MessageId, MessageKind};
use shadow_tcp::{Endpoint, FlowKey};

const LIMITS: Limits = Limits {
    max_head: 64 << 10,
    max_body: 1 << 20,
    max_headers: 256,
};

/// Resident bytes of this process.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let kib = line.split_whitespace().next().unwrap();
    kib.parse::<usize>().unwrap() << 10
}

/// Everything that a request waits for, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Has {
    Nothing,
    Production,
    Shadow,
}

/// Bytes that the process grew by for all that the budget takes, and how many pairs that was.
fn grown(has: Has, correlates: bool, length: usize) -> (usize, usize) {
    let (budget, requests) = (MemoryBudget::new(16 << 20), MemoryBudget::new(1 << 30));
    let settings = CorrelateSettings {
        wait: Duration::ZERO,
        exceptions: Arc::new(Exceptions::default()),
        bounds: Bounds::default(),
    };
    let correlation = correlates.then(|| Arc::new(Correlation::new(settings, None)));
    let intake = Arc::new(Intake::new(budget).correlating(correlation));
    let mut pairing = Pairing::new(intake, Duration::from_mins(1), 1 << 20, 0);
    let before = resident();
    let mut pairs = 0;
    for number in 0.. {
        let payload = format!(
            "GET /pages/{number} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: some client/1.0\r\nAccept: */*\r\n\
             Accept-Encoding: gzip\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\n\r\n"
        );
        let request = whole_request(payload.as_bytes(), LIMITS, &requests).unwrap();
        let endpoint = |port| Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, 1], port)));
        let key = FlowKey {
            client: endpoint(1000 + (number / 60_000) as u16),
            server: endpoint(80),
            scope: 0,
        };
        let id = MessageId::captured(&key, number);
        let exchange = Rc::new(Exchange {
            id: id.clone(),
            flow: FlowId(1),
            key,
            pod: None,
            copy: 1,
            request: request.into(),
            live: None,
        });
        if !pairing.open(&exchange, Extras::default(), Timestamp(0)) {
            break;
        }
        // Head and body in one buffer, as they are captured.
        let answer = || {
            let head = format!(
                "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 30 Nov 2026 10:00:00 GMT\r\nContent-Type: text/plain\r\n\
                 Content-Length: {length}\r\nETag: \"{number:012}\"\r\nLast-Modified: Mon, 30 Nov 2026 09:00:00 GMT\r\n\r\n"
            );
            let mut bytes = Bytes::from([head.as_bytes(), &vec![b'a'; length]].concat());
            let body = bytes.split_off(head.len());
            (bytes, body)
        };
        match has {
            Has::Nothing => {}
            Has::Production => {
                let (head, body) = answer();
                pairing.production(&ExchangeResponse {
                    id: &id,
                    kind: MessageKind::Response,
                    head: &head,
                    body: &body,
                    began: Timestamp(1),
                    first_byte: Timestamp(1),
                    last_byte: Timestamp(2),
                });
            }
            Has::Shadow => {
                let (head, body) = answer();
                let times = Times {
                    first: Duration::ZERO,
                    last: Duration::ZERO,
                };
                pairing.answered(
                    &id,
                    Part::Shadow,
                    head.to_vec().into(),
                    body.to_vec().into(),
                    times,
                );
            }
        }
        if !pairing.is_open(&id) {
            break;
        }
        pairs += 1;
    }
    let grown = resident() - before;
    pairing.shutdown();
    (grown, pairs)
}

/// The cases, each in a process of its own: memory that one has given back would be taken again by the next.
const CASES: [(Has, bool, usize); 6] = [
    (Has::Production, true, 1024),
    (Has::Production, false, 1024),
    (Has::Production, true, 20_000),
    (Has::Shadow, true, 1024),
    (Has::Nothing, true, 0),
    (Has::Nothing, false, 0),
];
/// The variable of the environment that says which.
const CASE: &str = "WAITING_MEMORY_CASE";

#[test]
fn waiting_pairs_take_no_more_memory_than_they_may() {
    if let Ok(case) = std::env::var(CASE) {
        let (has, correlates, length) = CASES[case.parse::<usize>().unwrap()];
        let (grown, pairs) = grown(has, correlates, length);
        assert!(pairs >= 500, "{pairs} pairs");
        // 16 MiB, and the tables of this process.
        assert!(grown <= 17 << 20, "{grown} bytes for {pairs} pairs");
        println!("{grown} bytes for {pairs} pairs, {} each", grown / pairs);
        return;
    }
    for (number, case) in CASES.iter().enumerate() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let ended = alone
            .env(CASE, number.to_string())
            .arg("--nocapture")
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        println!(
            "{case:?}: {}",
            said.lines()
                .find(|line| line.contains(" pairs"))
                .unwrap_or_default()
        );
        assert!(ended.status.success(), "{case:?}: {said}");
    }
}
