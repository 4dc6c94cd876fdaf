use std::collections::VecDeque;

use shadow_core::budget::MemoryBudget;
use shadow_mirror::FlowId;
use shadow_mirror::ledger::DropReason;
use shadow_mirror::testing::request;
use shadow_tcp::{Endpoint, FlowKey};

use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const TIMES: Times = Times {
    first: Duration::from_millis(1),
    last: Duration::from_millis(2),
};
const BOTH: Extras = Extras {
    control: true,
    repeat: true,
};

struct Rig {
    pairing: Pairing,
    intake: Arc<Intake>,
}

impl Rig {
    fn new(memory: usize) -> Self {
        let intake = Arc::new(Intake::new(MemoryBudget::new(memory)));
        let pairing = Pairing::new(Arc::clone(&intake), Duration::from_mins(1), 1 << 20, 5);
        Self { pairing, intake }
    }

    fn open(&mut self, name: &str, asked: Extras) -> bool {
        self.open_copy(name, asked, 1)
    }

    fn open_copy(&mut self, name: &str, asked: Extras, copy: u32) -> bool {
        let endpoint = || Endpoint::from("10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
        let mut request = request(GET);
        (request.first_byte, request.last_byte) = (Timestamp(1000), Timestamp(2000));
        let exchange = Exchange {
            id: id(name),
            flow: FlowId(1),
            key: FlowKey {
                client: endpoint(),
                server: endpoint(),
                scope: 0,
            },
            pod: None,
            copy,
            request: Rc::new(request),
            live: None,
        };
        self.pairing.open(&Rc::new(exchange), asked, Timestamp(0))
    }

    fn production(&mut self, name: &str) {
        self.pairing.production(&ExchangeResponse {
            id: &id(name),
            kind: MessageKind::Response,
            head: &Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"),
            body: &Bytes::from_static(b"production"),
            began: Timestamp::default(),
            first_byte: Timestamp(5000),
            last_byte: Timestamp(9000),
        });
    }

    fn answered(&mut self, name: &str, part: Part) {
        let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n");
        let body = Bytes::from(format!("{part:?}"));
        self.pairing.answered(&id(name), part, head, body, TIMES);
    }

    /// All that has ended: a line for each.
    fn ended(&self) -> Vec<String> {
        let mut taken = VecDeque::new();
        let uncounted = self.intake.take(&mut taken);
        assert!(uncounted.is_empty());
        let text = |answer: &Option<Answer>| {
            let answer = answer.as_ref();
            answer.map_or("-".to_owned(), |answer| {
                String::from_utf8_lossy(&answer.body).into_owned()
            })
        };
        let line = |finished: Finished| match finished {
            Finished::Pair(pair, _) => format!("{} {} {}", pair.id, text(&pair.control), text(&pair.repeat)),
            Finished::Equal(pair) => {
                let (method, target) = pair.called();
                String::from_utf8_lossy(&[method, b" ", target, b" equal"].concat()).into_owned()
            }
            Finished::Not(unpaired) => format!(
                "{} {}",
                String::from_utf8_lossy(&unpaired.request_line),
                unpaired.why.name()
            ),
        };
        taken.into_iter().map(line).collect()
    }
}

fn id(name: &str) -> MessageId {
    MessageId::given(name.as_bytes()).unwrap()
}

#[test]
fn a_pair_is_whole_when_both_have_answered_whoever_was_first() {
    let mut rig = Rig::new(1 << 20);
    assert!(rig.open("one", Extras::default()));
    assert!(rig.open("two", Extras::default()));
    rig.production("one");
    rig.answered("two", Part::Shadow);
    assert_eq!(rig.ended(), [""; 0]);
    rig.answered("one", Part::Shadow);
    rig.production("two");
    assert_eq!(rig.ended(), ["one - -", "two - -"]);
    assert!(rig.pairing.is_empty());
    assert_eq!(rig.intake.opened(), 2);
    assert_eq!(rig.intake.budget().used(), 0);
}

#[test]
fn equal_answers_go_back_at_once_unless_they_are_asked_for() {
    let ended = |keeps: bool, asked: Extras| {
        let mut rig = Rig::new(1 << 20);
        rig.intake = Arc::new(Intake::new(MemoryBudget::new(1 << 20)).keeping(keeps));
        rig.pairing = Pairing::new(Arc::clone(&rig.intake), Duration::from_mins(1), 1 << 20, 5);
        rig.open("one", asked);
        rig.production("one");
        let same = |part| (part, Bytes::from_static(b"production"));
        for (part, body) in [same(Part::Shadow), same(Part::Control), same(Part::Repeat)] {
            let head = Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n");
            rig.pairing.answered(&id("one"), part, head, body, TIMES);
        }
        let ended = rig.ended();
        assert_eq!(rig.intake.budget().used(), 0);
        ended
    };
    assert_eq!(ended(false, Extras::default()), ["GET /a equal"]);
    assert_eq!(ended(true, Extras::default()), ["one - -"]);
    assert_eq!(ended(false, BOTH), ["one production production"]);
}

#[test]
fn production_is_timed_from_the_requests_last_byte_on_the_wire() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", Extras::default());
    rig.production("one");
    rig.answered("one", Part::Shadow);
    let mut taken = VecDeque::new();
    rig.intake.take(&mut taken);
    let Some(Finished::Pair(pair, _)) = taken.pop_front() else {
        panic!("a pair")
    };
    let times = Times {
        first: Duration::from_micros(3),
        last: Duration::from_micros(7),
    };
    assert_eq!(pair.production.times, Some(times));
    assert_eq!(pair.shadow.times, Some(TIMES));
    assert_eq!(pair.at, 1005, "Unix time");
    assert_eq!(pair.request_head, GET);
}

#[test]
fn control_and_second_answer_are_not_insisted_on() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", BOTH);
    rig.open("two", BOTH);
    for name in ["one", "two"] {
        rig.production(name);
        rig.answered(name, Part::Shadow);
    }
    rig.answered("one", Part::Control);
    assert_eq!(rig.ended(), [""; 0]);
    rig.answered("one", Part::Repeat);
    let lost = NotCompared::Shadow(DropReason::Timeout);
    rig.pairing.lost(&id("two"), Part::Control, lost);
    rig.pairing.lost(&id("two"), Part::Repeat, lost);
    assert_eq!(rig.ended(), ["one Control Repeat", "two - -"]);
}

#[test]
fn a_failure_is_excused_where_the_control_fails_for_the_same_reason() {
    let timeout = NotCompared::Shadow(DropReason::Timeout);
    let closed = NotCompared::Shadow(DropReason::UpstreamClosed);
    let asked = Extras {
        control: true,
        repeat: false,
    };
    let end = |first: (Part, NotCompared), second: (Part, Option<NotCompared>)| {
        let mut rig = Rig::new(1 << 20);
        rig.open("one", asked);
        rig.production("one");
        rig.pairing.lost(&id("one"), first.0, first.1);
        assert!(rig.pairing.is_open(&id("one")), "it waits for the other");
        match second {
            (part, Some(why)) => rig.pairing.lost(&id("one"), part, why),
            (part, None) => rig.answered("one", part),
        }
        rig.ended().remove(0)
    };
    let excused = "GET /a HTTP/1.1 control_failed_too";
    let (shadow, control) = (Part::Shadow, Part::Control);
    assert_eq!(end((shadow, timeout), (control, Some(timeout))), excused);
    assert_eq!(end((control, timeout), (shadow, Some(timeout))), excused);
    let counts = "GET /a HTTP/1.1 timeout";
    assert_eq!(end((shadow, timeout), (control, Some(closed))), counts);
    assert_eq!(end((control, closed), (shadow, Some(timeout))), counts);
    assert_eq!(end((shadow, timeout), (control, None)), counts);
}

#[test]
fn a_failure_whose_control_has_no_end_keeps_its_reason() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", BOTH);
    let timeout = NotCompared::Shadow(DropReason::Timeout);
    rig.pairing.lost(&id("one"), Part::Shadow, timeout);
    rig.pairing.shutdown();
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 timeout"]);
}

#[test]
fn productions_own_time_is_known_while_a_pair_is_open() {
    let mut rig = Rig::new(1 << 20);
    assert_eq!(rig.pairing.production_time(&id("one")), None);
    rig.open("one", Extras::default());
    assert_eq!(
        rig.pairing.production_time(&id("one")),
        Some(ProductionTime::Answering)
    );
    rig.production("one");
    assert_eq!(
        rig.pairing.production_time(&id("one")),
        Some(ProductionTime::Took(Duration::from_micros(7)))
    );
}

#[test]
fn without_an_answer_a_request_has_the_ledgers_reason() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", BOTH);
    rig.pairing.lost(
        &id("one"),
        Part::Shadow,
        NotCompared::Shadow(DropReason::UpstreamClosed),
    );
    rig.production("one");
    rig.answered("one", Part::Control);
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 upstream_closed"]);
}

#[test]
fn an_answer_of_production_that_is_lost_is_told_once() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", Extras::default());
    rig.open("two", Extras::default());
    rig.pairing
        .production_lost(&id("one"), NotCompared::ProductionGap);
    rig.pairing
        .production_lost(&id("one"), NotCompared::ProductionGap);
    rig.answered("one", Part::Shadow);
    rig.production("two");
    rig.pairing
        .production_lost(&id("two"), NotCompared::ProductionClosed);
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 production_gap"]);
    assert!(rig.pairing.is_open(&id("two")), "it had answered");
}

#[test]
fn production_is_waited_for_no_longer_than_asked() {
    let mut rig = Rig::new(1 << 20);
    rig.open("answered", Extras::default());
    rig.open("under-way", Extras::default());
    rig.answered("answered", Part::Shadow);
    rig.pairing.expire(Timestamp(59_999_999_999));
    assert_eq!(rig.ended(), [""; 0]);
    rig.pairing.expire(Timestamp(60_000_000_000));
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 production_missing"]);
}

#[test]
fn what_the_budget_has_no_room_for_ends_at_once_and_holds_nothing() {
    let mut rig = Rig::new(3 * OVERHEAD);
    assert!(rig.open("one", Extras::default()));
    assert!(rig.open("two", Extras::default()));
    assert!(!rig.open("three", Extras::default()));
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 compare_memory"]);
    rig.pairing.shutdown();
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 compare_shutdown"; 2]);
    assert_eq!(rig.intake.budget().used(), 0);
    assert_eq!(rig.intake.opened(), 3);
}

#[test]
fn further_copies_are_counted_and_not_compared() {
    let mut rig = Rig::new(1 << 20);
    assert!(rig.open("one", Extras::default()));
    assert!(!rig.open_copy("one", Extras::default(), 2));
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 copy"]);
    assert!(rig.pairing.is_open(&id("one")));
}

#[test]
fn a_name_that_is_used_again_ends_the_pair_before() {
    let mut rig = Rig::new(1 << 20);
    rig.open("one", Extras::default());
    rig.open("one", Extras::default());
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 same_name"]);
    assert!(rig.pairing.is_open(&id("one")));
}

#[test]
fn production_may_answer_before_a_middleware_has_let_the_request_go() {
    let mut rig = Rig::new(1 << 22);
    rig.pairing =
        Pairing::new(Arc::clone(&rig.intake), Duration::from_mins(1), 1 << 20, 5).with_early_answers();
    rig.production("one");
    rig.pairing
        .production_lost(&id("two"), NotCompared::ProductionClosed);
    assert!(rig.open("one", Extras::default()));
    assert!(!rig.open("two", Extras::default()));
    rig.answered("one", Part::Shadow);
    assert_eq!(rig.ended(), ["GET /a HTTP/1.1 production_closed", "one - -"]);
    for number in 0..2 * MAX_EARLY {
        rig.production(&number.to_string());
    }
    assert_eq!(
        rig.pairing.early.as_ref().map(LinkedHashMap::len),
        Some(MAX_EARLY)
    );
}
