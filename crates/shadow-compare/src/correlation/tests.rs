use std::rc::Rc;

use bytes::Bytes;
use shadow_core::budget::MemoryBudget;
use shadow_correlate::{Known, Scope};
use shadow_mirror::ledger::DropReason;
use shadow_mirror::testing::request;
use shadow_mirror::{Exchange, ExchangeResponse, FlowId, MessageKind};
use shadow_tcp::{Endpoint, FlowKey};

use super::*;
use crate::rules::RuleId;
use crate::{Answer, CompareContext, Extras, Intake, NotCompared, Pairing, Part, Rules, Times, compare};

const LOGIN: &[u8] = b"POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n";

fn intake() -> Arc<Intake> {
    let settings = CorrelateSettings {
        wait: Duration::from_secs(1),
        exceptions: Arc::default(),
        bounds: Bounds::default(),
    };
    let correlation = Some(Arc::new(Correlation::new(settings, None)));
    Arc::new(Intake::new(MemoryBudget::new(1 << 20)).correlating(correlation))
}

fn id() -> MessageId {
    MessageId::given(b"one").unwrap()
}

/// Pairs of which one is open, with a control.
fn pairing(intake: &Arc<Intake>) -> Pairing {
    let asked = Extras {
        control: true,
        repeat: false,
    };
    asking(intake, asked)
}

fn asking(intake: &Arc<Intake>, asked: Extras) -> Pairing {
    let mut pairing = Pairing::new(Arc::clone(intake), Duration::from_mins(1), 1 << 20, 0);
    let endpoint = || Endpoint::from("10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
    let exchange = Exchange {
        id: id(),
        flow: FlowId(1),
        key: FlowKey {
            client: endpoint(),
            server: endpoint(),
            scope: 0,
        },
        pod: None,
        copy: 1,
        request: Rc::new(request(LOGIN)),
        live: None,
    };
    assert!(pairing.open(&Rc::new(exchange), asked, Timestamp(0)));
    pairing
}

fn head(cookie: &str) -> Bytes {
    format!("HTTP/1.1 204 X\r\nSet-Cookie: sid={cookie}\r\n\r\n").into()
}

fn production(pairing: &mut Pairing) {
    pairing.production(&ExchangeResponse {
        id: &id(),
        kind: MessageKind::Response,
        head: &head("a1b2c3d4e5"),
        body: &Bytes::new(),
        began: Timestamp::default(),
        first_byte: Timestamp(1),
        last_byte: Timestamp(2),
    });
}

fn answered(pairing: &mut Pairing, part: Part, cookie: &str) {
    let times = Times {
        first: Duration::ZERO,
        last: Duration::ZERO,
    };
    pairing.answered(&id(), part, head(cookie), Bytes::new(), times);
}

fn known(map: &Arc<Mutex<Map>>) -> String {
    let scope = Scope::Cookie(b"sid");
    format!("{:?}", lock(map).find(scope, b"a1b2c3d4e5", Timestamp(3)))
}

fn own(cookie: &str) -> String {
    format!("{:?}", Known::Own(cookie.as_bytes()))
}

#[test]
fn shadow_and_control_have_a_map_each() {
    let intake = intake();
    let mut pairing = pairing(&intake);
    let maps = intake.correlation().unwrap();
    production(&mut pairing);
    assert_eq!(known(maps.shadow()), "Pending");
    answered(&mut pairing, Part::Control, "c1d2e3f4a5");
    answered(&mut pairing, Part::Shadow, "s1t2u3v4w5");
    assert_eq!(known(maps.shadow()), own("s1t2u3v4w5"));
    assert_eq!(known(maps.control()), own("c1d2e3f4a5"));
}

#[test]
fn what_a_shadow_that_failed_first_should_have_issued_is_missing() {
    let intake = intake();
    let mut pairing = pairing(&intake);
    let maps = intake.correlation().unwrap();
    pairing.lost(&id(), Part::Shadow, NotCompared::Shadow(DropReason::Timeout));
    production(&mut pairing);
    assert_eq!(known(maps.shadow()), "Missing");
}

#[test]
fn a_second_answer_of_the_shadow_is_waited_for_as_the_first_is() {
    let intake = intake();
    let asked = Extras {
        control: false,
        repeat: true,
    };
    let mut pairing = asking(&intake, asked);
    let map = intake.correlation().unwrap().shadow();
    let (page, logout) = {
        let mut map = lock(map);
        (map.turn(1, Timestamp(1)), map.turn(2, Timestamp(9)))
    };
    let waits = || lock(map).before(logout, &[7]).is_some();
    pairing.carries(&id(), Part::Repeat, page, vec![7]);
    assert!(!waits(), "production has not answered");
    production(&mut pairing);
    answered(&mut pairing, Part::Shadow, "0f1e2d3c4b");
    assert!(waits());
    answered(&mut pairing, Part::Repeat, "0f1e2d3c4b");
    assert!(!waits());
}

#[test]
fn mapped_values_do_not_count_as_differences() {
    let intake = intake();
    let maps = intake.correlation().unwrap();
    let mut pairing = pairing(&intake);
    production(&mut pairing);
    answered(&mut pairing, Part::Shadow, "s1t2u3v4w5");
    let answer = |token: &str| Answer {
        head: Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"),
        body: format!(r#"{{"session":"{token}","n":1}}"#).into(),
        times: None,
    };
    let compared = |own: &str, mapped| {
        let question = CompareContext {
            endpoint: "GET /",
            method: b"GET",
            head: b"GET / HTTP/1.1\r\n\r\n",
            host: None,
            first_host: None,
            mapped,
        };
        compare(&question, &answer("a1b2c3d4e5"), &answer(own), &Rules::default())
    };
    let mapped = compared("s1t2u3v4w5", Some(crate::Mapped::Map(maps.shadow())));
    assert_eq!(
        (mapped.differences.len(), mapped.by_rule[0].1),
        (0, RuleId::Mapped)
    );
    assert_eq!(compared("s1t2u3v4w5", None).differences.len(), 1);
    // Kept with its places, the pair comes to the same when nobody has the map any more.
    let places = crate::mapped::places(&mapped.by_rule);
    assert_eq!(places, ["$.session"]);
    let again = compared("s1t2u3v4w5", Some(crate::Mapped::Places(&places)));
    assert_eq!(again, mapped);
    assert_eq!(
        compared("s1t2u3v4w6", Some(crate::Mapped::Map(maps.shadow())))
            .differences
            .len(),
        1
    );
}

#[test]
fn what_it_did_is_said_where_it_did_something() {
    let none = Correlated::default();
    assert_eq!((none.done(), none.undone()), (None, None));
    let some = Correlated {
        requests: 3,
        values: 4,
        missing: 132,
        ..none
    };
    assert_eq!(
        some.done().unwrap(),
        "3 requests were sent with 4 values that the shadow had issued in place of production's (correlation)."
    );
    assert_eq!(
        some.undone().unwrap(),
        "132 requests carried what production had issued and the shadow had not."
    );
}

#[test]
fn a_url_of_both_hosts_with_a_mapped_id_is_the_same() {
    let intake = intake();
    let maps = intake.correlation().unwrap();
    let mut pairing = pairing(&intake);
    production(&mut pairing);
    answered(&mut pairing, Part::Shadow, "s1t2u3v4w5");
    let answer = |url: &str| Answer {
        head: format!("HTTP/1.1 302 X\r\nLocation: {url}\r\n\r\n").into(),
        body: Bytes::new(),
        times: None,
    };
    let question = CompareContext {
        endpoint: "GET /",
        method: b"GET",
        head: b"GET / HTTP/1.1\r\nHost: a:1\r\n\r\n",
        host: Some("b:2"),
        first_host: None,
        mapped: Some(crate::Mapped::Map(maps.shadow())),
    };
    let rules = |own: &str| {
        let here = answer("http://a:1/x/a1b2c3d4e5");
        compare(&question, &here, &answer(own), &Rules::default())
            .by_rule
            .len()
    };
    assert_eq!(rules("http://b:2/x/s1t2u3v4w5"), 1);
    assert_eq!(rules("http://c:3/x/s1t2u3v4w5"), 0);
}
