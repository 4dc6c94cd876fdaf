use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use super::*;
use crate::FlowId;
use crate::ledger::{ShardLedger, Ticket};
use crate::plan::{PlannedMirror, PodScope};
use crate::testing::Recorder;

/// Takes every request and delivers it at once.
#[derive(Default)]
struct Taker {
    taken: RefCell<u32>,
}

impl ShardOutput for Taker {
    fn offer(&self, _: &Rc<Exchange>, ticket: Ticket) {
        *self.taken.borrow_mut() += 1;
        ticket.settle(Outcome::Delivered);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn abort(&self, _: DropReason) {}
}

const POD: u64 = 77;

fn flow(scope: u64, server: &str) -> FlowKey {
    FlowKey {
        client: "10.0.0.9:40000".parse::<std::net::SocketAddr>().unwrap().into(),
        server: server.parse::<std::net::SocketAddr>().unwrap().into(),
        scope,
    }
}

fn everything(slot: usize) -> PlannedMirror {
    PlannedMirror {
        slot,
        selection: Selection::Everything,
        rules: None,
        limit: None,
    }
}

fn pod(name: &str, slots: &[usize]) -> PodScope {
    PodScope {
        pod: Arc::new(PodIdentity {
            name: name.to_owned(),
            ..PodIdentity::default()
        }),
        slots: slots.to_vec(),
        limit: None,
        shadow_of: Vec::new(),
    }
}

fn apply(mirrors: &mut Mirrors, plan: &Plan, now: u64) -> usize {
    let now = Timestamp(now * 1_000_000_000);
    mirrors.apply(plan, now, |_| Rc::new(Taker::default())).len()
}

/// A whole request on `flow`, from its start to its outcomes.
fn request(mirrors: &mut Mirrors, ledger: &ShardLedger, flow: &FlowKey) {
    let Targets { slots, pod } = mirrors.targets(flow);
    let opened = ledger.open_for(&slots);
    deliver(mirrors, flow, pod, opened);
}

fn deliver(
    mirrors: &mut Mirrors,
    flow: &FlowKey,
    pod: Option<Arc<PodIdentity>>,
    opened: Opened,
) -> Rc<[usize]> {
    let exchange = Rc::new(Exchange {
        id: crate::MessageId::captured(flow, 0),
        flow: FlowId(1),
        key: *flow,
        pod,
        copy: 1,
        request: Rc::new(crate::testing::request(b"GET / HTTP/1.1\r\n\r\n")),
        live: None,
    });
    mirrors.enqueue(&exchange, opened).takers
}

#[test]
fn what_reaches_a_shadow_itself_is_filtered_for_its_mirror_alone() {
    let mut mirrors = Mirrors::default();
    let mut shadow = pod("v2", &[0, 1]);
    shadow.shadow_of = vec![1];
    let plan = Plan {
        mirrors: vec![everything(0), everything(1)],
        pods: [((POD, 80), shadow), ((POD + 1, 80), pod("v1", &[0, 1]))].into(),
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    let mut left_out = |pod| {
        let flow = flow(shadow_common::SCOPE_POD | pod, "10.0.0.1:80");
        mirrors.left_out(&flow, &[0, 1])
    };
    assert_eq!(left_out(POD), [(1, Outcome::Filtered)]);
    assert_eq!(left_out(POD + 1), []);
    assert_eq!(left_out(POD + 2), []);
}

#[test]
fn a_pods_requests_are_the_business_of_its_mirrors_alone() {
    let mut mirrors = Mirrors::default();
    let ledger = ShardLedger::new(2);
    let plan = Plan {
        mirrors: vec![everything(0), everything(1)],
        pods: [((POD, 80), pod("web", &[1]))].into(),
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    request(
        &mut mirrors,
        &ledger,
        &flow(shadow_common::SCOPE_POD | POD, "10.0.0.1:80"),
    );
    let counts = ledger.snapshot();
    assert_eq!(
        (counts.seen, counts.outputs[0].seen, counts.outputs[1].delivered),
        (1, 0, 1)
    );
    assert!(counts.balanced());
}

#[test]
fn a_port_of_a_pod_that_is_not_watched_concerns_nobody() {
    let mut mirrors = Mirrors::default();
    let plan = Plan {
        mirrors: vec![everything(0)],
        pods: [((POD, 80), pod("web", &[0]))].into(),
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    let other = flow(shadow_common::SCOPE_POD | POD, "10.0.0.1:8080");
    assert!(mirrors.targets(&other).slots.is_empty());
    let unknown = flow(shadow_common::SCOPE_POD | (POD + 1), "10.0.0.1:80");
    assert!(mirrors.targets(&unknown).slots.is_empty());
}

#[test]
fn what_a_ring_holds_of_a_pod_that_went_goes_its_way() {
    let mut mirrors = Mirrors::default();
    let ledger = ShardLedger::new(1);
    let with_pod = Plan {
        mirrors: vec![everything(0)],
        pods: [((POD, 80), pod("web", &[0]))].into(),
        ..Plan::default()
    };
    let without = Plan {
        mirrors: vec![everything(0)],
        ..Plan::default()
    };
    let key = flow(shadow_common::SCOPE_POD | POD, "10.0.0.1:80");
    apply(&mut mirrors, &with_pod, 0);
    apply(&mut mirrors, &without, 1);
    request(&mut mirrors, &ledger, &key);
    assert_eq!(ledger.snapshot().outputs[0].delivered, 1);
    apply(&mut mirrors, &without, 10);
    assert!(mirrors.targets(&key).slots.is_empty(), "but not for ever");
}

#[test]
fn a_request_whose_mirror_ends_under_it_is_counted_so() {
    let mut mirrors = Mirrors::default();
    let ledger = ShardLedger::new(1);
    let plan = Plan {
        mirrors: vec![everything(0)],
        pods: [((POD, 80), pod("web", &[0]))].into(),
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    let key = flow(shadow_common::SCOPE_POD | POD, "10.0.0.1:80");
    let opened = ledger.open_for(&mirrors.targets(&key).slots);
    assert_eq!(
        apply(&mut mirrors, &Plan::default(), 1),
        1,
        "its output is handed back"
    );
    deliver(&mut mirrors, &key, None, opened);
    let counts = ledger.snapshot();
    assert_eq!(counts.outputs[0].dropped[&DropReason::MirrorEnded], 1);
    assert!(counts.balanced());
}

/// Rules that let one method pass, and set a header.
fn rules(method: &str) -> Arc<Rules> {
    let mut rules = Rules::default();
    rules.filters.methods.allow = vec![method.into()];
    rules.rewriters.set_headers = vec![crate::rules::SetHeader::new("X-A", "b").unwrap()];
    Arc::new(rules)
}

fn with_rules(slot: usize, rules: Option<&Arc<Rules>>) -> PlannedMirror {
    PlannedMirror {
        rules: rules.cloned(),
        ..everything(slot)
    }
}

fn everywhere(mirrors: Vec<PlannedMirror>) -> Plan {
    let slots = mirrors.iter().map(|mirror| mirror.slot).collect();
    Plan {
        mirrors,
        addresses: vec![AddressScope {
            slots,
            ..AddressScope::default()
        }],
        ..Plan::default()
    }
}

#[test]
fn each_mirror_has_its_own_rules_and_responses() {
    let (get, post) = (rules("GET"), rules("POST"));
    let plan = everywhere(vec![
        with_rules(0, None),
        with_rules(1, Some(&get)),
        with_rules(2, Some(&post)),
        with_rules(3, Some(&get)),
    ]);
    let mut mirrors = Mirrors::default();
    let recorders: Vec<Rc<Recorder>> = (0..4).map(|_| Rc::default()).collect();
    mirrors.apply(&plan, Timestamp(0), |slot| Rc::clone(&recorders[slot]) as Rc<_>);
    let ledger = ShardLedger::new(4);
    let key = flow(0, "10.0.0.1:80");
    let opened = ledger.open_for(&mirrors.targets(&key).slots);
    let takers = deliver(&mut mirrors, &key, None, opened);
    assert_eq!(*takers, [0, 1, 3]);
    let counts = ledger.snapshot();
    assert_eq!((counts.outputs[2].filtered, counts.outputs[3].delivered), (1, 1));
    assert!(counts.balanced());
    let (head, body) = ("HTTP/1.1 200 OK\r\n\r\n".into(), "ok".into());
    let response = ExchangeResponse {
        id: &crate::MessageId::captured(&key, 0),
        kind: crate::MessageKind::Response,
        head: &head,
        body: &body,
        began: Timestamp::default(),
        first_byte: Timestamp(0),
        last_byte: Timestamp(0),
    };
    mirrors.respond(&takers, &response);
    let seen: Vec<usize> = recorders.iter().map(|recorder| recorder.seen().len()).collect();
    assert_eq!(seen, [2, 2, 0, 2]);
}

#[test]
fn a_response_is_redacted_for_each_mirror_or_withheld() {
    use crate::rules::{JsonPath, Redaction, RedactionKey};
    let key = RedactionKey::new(&[1; 16]).unwrap();
    let redaction = Redaction::new([], vec![JsonPath::new("pin").unwrap()], 100, key.clone());
    let hiding = Arc::new(Rules {
        redaction: Some(redaction.unwrap()),
        ..Rules::default()
    });
    let plan = everywhere(vec![with_rules(0, None), with_rules(1, Some(&hiding))]);
    let mut mirrors = Mirrors::default();
    let recorders: Vec<Rc<Recorder>> = (0..2).map(|_| Rc::default()).collect();
    mirrors.apply(&plan, Timestamp(0), |slot| Rc::clone(&recorders[slot]) as Rc<_>);
    for body in ["{\"pin\":1}", "{\"pin\":"] {
        let flow = flow(0, "10.0.0.1:80");
        let (head, body) = ("HTTP/1.1 200 OK\r\n\r\n".into(), body.into());
        mirrors.respond(
            &[0, 1, 7],
            &ExchangeResponse {
                id: &crate::MessageId::captured(&flow, 0),
                kind: crate::MessageKind::Response,
                head: &head,
                body: &body,
                began: Timestamp::default(),
                first_byte: Timestamp(0),
                last_byte: Timestamp(0),
            },
        );
    }
    assert_eq!(recorders[0].seen().len(), 2);
    assert_eq!(mirrors.withheld(), 1);
    let hidden = format!("{{\"pin\":\"{}\"}}", key.hash(b"1"));
    let [seen] = recorders[1].seen().try_into().unwrap();
    assert!(seen.ends_with(&hidden), "{seen}");
}

#[test]
fn new_rules_hold_under_an_output_that_stays() {
    let mut mirrors = Mirrors::default();
    let ledger = ShardLedger::new(1);
    let key = flow(0, "10.0.0.1:80");
    apply(&mut mirrors, &everywhere(vec![with_rules(0, None)]), 0);
    request(&mut mirrors, &ledger, &key);
    let plan = everywhere(vec![with_rules(0, Some(&rules("POST")))]);
    assert_eq!(apply(&mut mirrors, &plan, 1), 0);
    request(&mut mirrors, &ledger, &key);
    let counts = ledger.snapshot();
    assert_eq!((counts.outputs[0].delivered, counts.outputs[0].filtered), (1, 1));
}

#[test]
fn an_output_outlives_a_plan_that_keeps_its_slot() {
    let mut mirrors = Mirrors::default();
    let plan = Plan {
        mirrors: vec![everything(3)],
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    let before = Rc::as_ptr(mirrors.outputs().next().unwrap());
    assert_eq!(apply(&mut mirrors, &plan, 1), 0);
    assert!(std::ptr::addr_eq(
        before,
        Rc::as_ptr(mirrors.outputs().next().unwrap())
    ));
}

#[test]
fn an_address_concerns_every_mirror_whose_scope_has_it() {
    let mut mirrors = Mirrors::default();
    let scope = |address: &str, port, slot| AddressScope {
        addresses: address.parse().into_iter().collect(),
        ports: vec![port],
        slots: vec![slot],
    };
    let plan = Plan {
        mirrors: vec![everything(0), everything(1)],
        addresses: vec![scope("", 80, 0), scope("10.0.0.1", 80, 1)],
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    assert_eq!(*mirrors.targets(&flow(0, "10.0.0.1:80")).slots, [0, 1]);
    assert_eq!(*mirrors.targets(&flow(0, "10.0.0.2:80")).slots, [0]);
    assert!(mirrors.targets(&flow(0, "10.0.0.1:81")).slots.is_empty());
}

#[test]
fn a_request_at_a_pod_also_concerns_an_input_at_its_address() {
    let mut mirrors = Mirrors::default();
    let live = AddressScope {
        ports: vec![80],
        slots: vec![0],
        ..AddressScope::default()
    };
    let plan = Plan {
        mirrors: vec![everything(0), everything(1)],
        addresses: vec![live.clone()],
        live: vec![live],
        pods: [((POD, 80), pod("web", &[1])), ((POD, 8080), pod("web", &[1]))].into(),
        ..Plan::default()
    };
    apply(&mut mirrors, &plan, 0);
    let at = |port: u16| flow(shadow_common::SCOPE_POD | POD, &format!("10.0.0.1:{port}"));
    for _ in 0..2 {
        let concerned = mirrors.targets(&at(80));
        assert_eq!(*concerned.slots, [0, 1]);
        assert!(concerned.pod.is_some());
    }
    assert_eq!(*mirrors.targets(&at(8080)).slots, [1]);
}
