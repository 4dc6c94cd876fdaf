//! Requests that carry what production issued: sent with the shadow's own, or held until that is there.

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::budget::MemoryBudget;
use crate::compare::{CorrelateSettings, Correlation, Extras, Intake, Pairing, Part, Times};
use crate::correlate::{Bounds, lock};
use crate::mirror::{Exchange, ExchangeResponse, MessageId, MessageKind};
use crate::output::http::correlating::Correlating;
use crate::time::Timestamp;

const MINUTE: Duration = Duration::from_mins(1);
const PRODUCTIONS: &str = "7f3c9a1be05d42c8";
const OWN: &str = "0e9d81c7aa46b35f";

/// An output that maps values, and a login that production has answered already.
struct Mapped {
    rig: Rig,
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
        let correlation = Arc::new(Correlation::new(settings));
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
        assert_counts(&mapped.rig.settled().await, 3, &[]);
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
        assert_counts(&mapped.rig.settled().await, 1, &[]);
        assert!(shadow.requests()[0].contains(&format!("Bearer {PRODUCTIONS}\r\n")));
        let counts = lock(mapped.correlation.shadow()).counts();
        assert_eq!((counts.requests, counts.missing, counts.late), (0, 1, 1));
    });
}

#[test]
fn flows_of_two_shards_are_two_connections_whatever_their_numbers() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let mapped = Mapped::new(shadow.port, MINUTE);
        mapped.shadow_answers();
        let named = |name: &str| {
            let id = MessageId::given(name.as_bytes()).unwrap();
            Rc::new(Exchange {
                id,
                ..Rc::into_inner(exchange(1, &carrying(PRODUCTIONS))).unwrap()
            })
        };
        let offer = |exchange: &Rc<Exchange>| {
            let opened = mapped
                .pairing
                .borrow_mut()
                .open(exchange, Extras::default(), Timestamp(4));
            assert!(opened);
            let ticket = mapped.rig.ledger.open().split().next().unwrap();
            mapped.correlating.offer(exchange, ticket, Some(Part::Shadow));
        };
        let (page, logout) = (named("page"), named("logout"));
        offer(&page);
        let (head, body) = (Bytes::from_static(b"HTTP/1.1 204 X\r\n\r\n"), Bytes::new());
        mapped.pairing.borrow_mut().production(&ExchangeResponse {
            id: &page.id,
            kind: MessageKind::Response,
            head: &head,
            body: &body,
            began: Timestamp::default(),
            first_byte: Timestamp(5),
            last_byte: Timestamp(6),
        });
        // Its shard calls its connection the first one, too.
        offer(&logout);
        mapped.rig.shard.drain().await;
        assert_eq!(shadow.requests().len(), 1, "the page");
        let times = Times {
            first: Duration::ZERO,
            last: Duration::ZERO,
        };
        mapped
            .pairing
            .borrow_mut()
            .answered(&page.id, Part::Shadow, head, body, times);
        mapped.correlating.drained().await;
        assert_counts(&mapped.rig.settled().await, 2, &[]);
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
