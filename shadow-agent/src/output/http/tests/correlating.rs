//! Requests that carry what production issued: sent with the shadow's own, or held until that is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::Bytes;

use super::*;
use crate::budget::MemoryBudget;
use crate::compare::{CorrelateSettings, Correlation, Extras, Intake, Pairing, Part, Times};
use crate::correlate::{Bounds, lock};
use crate::mirror::{Exchange, ExchangeResponse, MessageId, MessageKind};
use crate::output::http::correlating::Correlating;
use crate::time::{ReadSoFar, Timestamp};

/// A shard that reads what was captured by the first of these times, or all.
#[derive(Debug)]
struct Reading(AtomicU64);

impl ReadSoFar for Reading {
    fn is_read(&self, time: Timestamp) -> bool {
        self.0.load(Relaxed) >= time.0
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const PRODUCTIONS: &str = "7f3c9a1be05d42c8";
const OWN: &str = "0e9d81c7aa46b35f";

/// An output that maps values, and a login that production has answered already.
struct Mapped {
    rig: Rig,
    reading: Arc<Reading>,
    correlation: Arc<Correlation>,
    correlating: Correlating,
    pairing: Rc<RefCell<Pairing>>,
    login: Rc<Exchange>,
}

fn issued(token: &str) -> (Bytes, Bytes) {
    let head = format!("HTTP/1.1 204 X\r\nX-Auth-Token: {token}\r\n\r\n");
    (head.into(), Bytes::new())
}

fn carrying(token: &str) -> Vec<u8> {
    format!("GET /mine HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

impl Mapped {
    fn new(port: u16, wait: Duration) -> Self {
        let rig = Rig::new(port);
        let settings = CorrelateSettings {
            wait,
            exceptions: Arc::default(),
            bounds: Bounds::default(),
        };
        let reading = Arc::new(Reading(AtomicU64::new(u64::MAX)));
        let progress: Arc<dyn ReadSoFar> = Arc::<Reading>::clone(&reading);
        let correlation = Arc::new(Correlation::new(settings, Some(progress)));
        let intake = Intake::new(MemoryBudget::new(1 << 20)).correlating(Some(Arc::clone(&correlation)));
        let mut pairing = Pairing::new(Arc::new(intake), MINUTE, 1 << 20, 0);
        let login = exchange(99, b"POST /login HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(pairing.open(&login, Extras::default(), Timestamp(1)));
        let (head, body) = issued(PRODUCTIONS);
        pairing.production(&ExchangeResponse {
            id: &login.id,
            kind: MessageKind::Response,
            head: &head,
            body: &body,
            began: Timestamp::default(),
            first_byte: Timestamp(2),
            last_byte: Timestamp(3),
        });
        let pairing = Rc::new(RefCell::new(pairing));
        let map = correlation.shadow();
        let correlating = Correlating::new(&correlation, map, &rig.shard.shard, &pairing);
        Self {
            rig,
            reading,
            correlation,
            correlating,
            pairing,
            login,
        }
    }

    fn offer(&self, flow: u64, raw: &[u8]) {
        let ticket = self.rig.ledger.open().split().next().unwrap();
        self.correlating.offer(&exchange(flow, raw), ticket, None);
    }

    fn shadow_answers(&self) {
        let (head, body) = issued(OWN);
        let times = Times {
            first: Duration::ZERO,
            last: Duration::ZERO,
        };
        let mut pairing = self.pairing.borrow_mut();
        pairing.answered(&self.login.id, Part::Shadow, head, body, times);
    }
}

#[test]
fn a_request_waits_for_what_it_carries_and_others_do_not() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.offer(1, &carrying(PRODUCTIONS));
        mapped.offer(1, b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n");
        mapped.offer(2, b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
        mapped.rig.shard.drain().await;
        assert_eq!(shadow.requests().len(), 1, "the other");
        mapped.shadow_answers();
        mapped.correlating.drained().await;
        mapped.rig.shard.drain().await;
        let requests = shadow.requests();
        assert!(requests[0].starts_with("GET /other "), "{requests:?}");
        assert!(requests[1].contains(&format!("Bearer {OWN}\r\n")), "{requests:?}");
        assert!(requests[2].starts_with("GET /behind "), "{requests:?}");
        let ledger = mapped.rig.settled().await;
        assert_counts(&ledger, 3, &[]);
        assert_eq!(
            (ledger.correlated, ledger.correlated_values, ledger.uncorrelated),
            (1, 1, 0)
        );
        let counts = lock(mapped.correlation.shadow()).counts();
        assert_eq!((counts.requests, counts.values, counts.missing), (1, 1, 0));
        assert_eq!((counts.waited, counts.late), (2, 0));
    });
}

#[test]
fn a_request_goes_as_it_is_when_the_time_is_up() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, Duration::ZERO);
        mapped.offer(1, &carrying(PRODUCTIONS));
        mapped.correlating.drained().await;
        let ledger = mapped.rig.settled().await;
        assert_counts(&ledger, 1, &[]);
        assert_eq!((ledger.correlated, ledger.uncorrelated), (0, 1));
        assert!(shadow.requests()[0].contains(&format!("Bearer {PRODUCTIONS}\r\n")));
        let counts = lock(mapped.correlation.shadow()).counts();
        assert_eq!((counts.requests, counts.missing, counts.late), (0, 1, 1));
    });
}

/// A request of the session, by its name and on this flow, whose first byte was captured at `at`.
fn named(name: &str, flow: u64, at: u64) -> Rc<Exchange> {
    let mut exchange = Rc::into_inner(exchange(flow, &carrying(PRODUCTIONS))).unwrap();
    exchange.id = MessageId::given(name.as_bytes()).unwrap();
    Rc::get_mut(&mut exchange.request).unwrap().first_byte = Timestamp(at);
    Rc::new(exchange)
}

const DONE: &[u8] = b"HTTP/1.1 204 X\r\n\r\n";

impl Mapped {
    fn compares(&self, exchange: &Rc<Exchange>) {
        let asked = Extras::default();
        let opened = self.pairing.borrow_mut().open(exchange, asked, Timestamp(4));
        assert!(opened);
        let ticket = self.rig.ledger.open().split().next().unwrap();
        self.correlating.offer(exchange, ticket, Some(Part::Shadow));
    }

    fn production_has_answered(&self, exchange: &Exchange) {
        self.pairing.borrow_mut().production(&ExchangeResponse {
            id: &exchange.id,
            kind: MessageKind::Response,
            head: &Bytes::from_static(DONE),
            body: &Bytes::new(),
            began: Timestamp::default(),
            first_byte: Timestamp(5),
            last_byte: Timestamp(6),
        });
    }

    fn shadow_has_answered(&self, exchange: &Exchange) {
        let times = Times {
            first: Duration::ZERO,
            last: Duration::ZERO,
        };
        let (head, body) = (Bytes::from_static(DONE), Bytes::new());
        let mut pairing = self.pairing.borrow_mut();
        pairing.answered(&exchange.id, Part::Shadow, head, body, times);
    }
}

#[test]
fn flows_of_two_shards_are_two_connections_whatever_their_numbers() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.shadow_answers();
        let (page, logout) = (named("page", 1, 0), named("logout", 1, 0));
        mapped.compares(&page);
        mapped.production_has_answered(&page);
        // Its shard calls its connection the first one, too.
        mapped.compares(&logout);
        mapped.rig.shard.drain().await;
        assert_eq!(shadow.requests().len(), 1, "the page");
        mapped.shadow_has_answered(&page);
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 2, &[]);
    });
}

#[test]
fn a_logout_waits_for_pages_that_are_not_read_yet() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.shadow_answers();
        mapped.reading.0.store(7, Relaxed);
        let (page, logout) = (named("page", 1, 7), named("logout", 2, 9));
        mapped.compares(&logout);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(shadow.requests().len(), 0, "pages may have come before");
        // The other shard gets to it.
        mapped.compares(&page);
        mapped.production_has_answered(&page);
        mapped.reading.0.store(9, Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        mapped.rig.shard.drain().await;
        assert_eq!(shadow.requests().len(), 1, "the page");
        mapped.shadow_has_answered(&page);
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 2, &[]);
        assert_eq!(lock(mapped.correlation.shadow()).counts().requests, 2);
    });
}

#[test]
fn a_page_waits_for_a_login_that_is_not_read_yet() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.reading.0.store(7, Relaxed);
        let token = "51c9e02ab7d83f64";
        let page = carrying(token);
        let mut page = Rc::into_inner(exchange(1, &page)).unwrap();
        Rc::get_mut(&mut page.request).unwrap().first_byte = Timestamp(8);
        mapped.compares(&Rc::new(page));
        mapped.rig.shard.drain().await;
        assert_eq!(shadow.requests().len(), 0, "a login may have come before");
        let (login, asked) = (named("login", 2, 7), Extras::default());
        let times = Times {
            first: Duration::ZERO,
            last: Duration::ZERO,
        };
        {
            let mut pairing = mapped.pairing.borrow_mut();
            assert!(pairing.open(&login, asked, Timestamp(4)));
            let (head, body) = issued(token);
            pairing.production(&ExchangeResponse {
                id: &login.id,
                kind: MessageKind::Response,
                head: &head,
                body: &body,
                began: Timestamp::default(),
                first_byte: Timestamp(5),
                last_byte: Timestamp(6),
            });
            let (head, body) = issued(OWN);
            pairing.answered(&login.id, Part::Shadow, head, body, times);
        }
        mapped.reading.0.store(8, Relaxed);
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 1, &[]);
        assert!(shadow.requests()[0].contains(&format!("Bearer {OWN}\r\n")));
        let counts = lock(mapped.correlation.shadow()).counts();
        assert_eq!((counts.requests, counts.missing, counts.waited), (1, 0, 0));
    });
}

#[test]
fn a_shard_that_reads_nothing_is_not_waited_for_forever() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, Duration::ZERO);
        mapped.shadow_answers();
        mapped.reading.0.store(0, Relaxed);
        mapped.compares(&named("page", 1, 9));
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 1, &[]);
        assert_eq!(lock(mapped.correlation.shadow()).counts().late, 1);
    });
}

#[test]
fn what_waits_is_given_up_with_a_reason() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.offer(1, &carrying(PRODUCTIONS));
        mapped.correlating.abort(DropReason::Shutdown);
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 0, &[(DropReason::Shutdown, 1)]);
    });
}
