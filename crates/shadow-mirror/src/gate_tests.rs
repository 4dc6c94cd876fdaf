//! Requests that meet the gate on their way: each is settled, whatever it meets there.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use shadow_core::budget::MemoryBudget;
use shadow_core::latency::LatencyHistogram;
use shadow_core::time::Timestamp;
use shadow_http::Limits;
use shadow_tcp::{Chunk, Close, Direction, FlowKey, Start, StreamHandler};

use super::gate::{Gate, PauseCause, WHOLE};
use super::ledger::{DropReason, Outcome, ShardLedger, Ticket};
use super::{Exchange, ProductionConnection, Shard};
use crate::ShardOutput;
use crate::testing::{Recorder, plan_of_everything};

/// Delivers at once.
struct Delivers;

impl ShardOutput for Delivers {
    fn offer(&self, _: &Rc<Exchange>, ticket: Ticket) {
        ticket.settle(Outcome::Delivered);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }

    fn abort(&self, _: DropReason) {}
}

struct Rig {
    gate: Gate,
    ledger: ShardLedger,
    production: Arc<LatencyHistogram>,
    shard: Shard,
    connection: ProductionConnection,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

impl Rig {
    fn new() -> Self {
        Self::with(1 << 20, Rc::new(Delivers))
    }

    fn with(memory: usize, output: Rc<dyn ShardOutput>) -> Self {
        let (gate, ledger, production) = (Gate::default(), ShardLedger::new(1), Arc::default());
        let limits = Limits {
            max_head: 4096,
            max_body: 4096,
            max_headers: 16,
        };
        let mut shard = Shard::new(ledger.clone(), MemoryBudget::new(memory), limits, None, true).with_gate(
            gate.clone(),
            Arc::clone(&production),
            1,
        );
        let plan = plan_of_everything();
        shard
            .mirrors_mut()
            .apply(&plan, Timestamp(0), move |_| Rc::clone(&output));
        let address: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let key = FlowKey {
            client: address.into(),
            server: address.into(),
            scope: 0,
        };
        let connection = ProductionConnection::open(&mut shard, &key, Start::Syn, Timestamp(0));
        Self {
            gate,
            ledger,
            production,
            shard,
            connection,
        }
    }

    fn push(&mut self, direction: Direction, bytes: &[u8], time: u64) {
        let chunk = Chunk {
            bytes,
            sequence: 0,
            acknowledgment: 0,
            segment_start: true,
            time: Timestamp(time),
        };
        self.connection.data(&mut self.shard, direction, chunk);
    }

    fn get(&mut self) {
        self.push(Direction::Request, GET, 0);
    }

    /// Delivered, limited, paused; the account balances.
    fn counts(&self) -> (u64, u64, u64) {
        let counts = self.ledger.snapshot();
        assert!(counts.balanced());
        let output = &counts.outputs[0];
        let paused = output.dropped.get(&DropReason::Paused).copied().unwrap_or(0);
        (output.delivered, output.limited, paused)
    }
}

#[test]
fn requests_that_come_during_a_pause_are_settled_as_paused() {
    let mut rig = Rig::new();
    rig.get();
    rig.gate.pause(PauseCause::Asked);
    rig.get();
    assert_eq!(rig.counts(), (1, 0, 1));
    rig.gate.resume(PauseCause::Asked);
    rig.get();
    assert_eq!(rig.counts(), (2, 0, 1));
}

#[test]
fn a_request_that_a_pause_cuts_in_two_is_settled_as_paused() {
    let mut rig = Rig::new();
    rig.push(Direction::Request, &GET[..10], 0);
    assert_eq!(rig.ledger.snapshot().outputs[0].in_flight, 1);
    rig.gate.pause(PauseCause::Expired);
    let Rig {
        connection,
        mut shard,
        ledger,
        ..
    } = rig;
    connection.close(&mut shard, Close::Shutdown, Timestamp(1));
    assert_eq!(ledger.snapshot().outputs[0].dropped[&DropReason::Paused], 1);
}

#[test]
fn a_request_without_room_for_its_client_has_no_response_either() {
    let recorder = Rc::new(Recorder::default());
    // The request has room, and its copy with another field has not.
    let mut rig = Rig::with(GET.len() + 20, Rc::clone(&recorder) as Rc<_>);
    rig.shard.pipeline.client_header = Some("X-Real-IP".into());
    rig.get();
    rig.push(Direction::Response, OK, 1);
    assert_eq!(recorder.seen(), [""; 0]);
    let counts = rig.ledger.snapshot();
    assert_eq!(
        (counts.seen, counts.outputs[0].dropped[&DropReason::Memory]),
        (1, 1)
    );
    assert!(counts.balanced());
}

#[test]
fn requests_beyond_the_share_are_settled_as_limited() {
    let mut rig = Rig::new();
    rig.gate.set_share(WHOLE / 2);
    for _ in 0..1000 {
        rig.get();
    }
    let (delivered, limited, paused) = rig.counts();
    assert_eq!((delivered + limited, paused), (1000, 0));
    // Over six standard deviations either way.
    assert!((400..=600).contains(&delivered), "{delivered}");
}

#[test]
fn productions_time_is_from_last_byte_to_last_byte() {
    let mut rig = Rig::new();
    rig.push(Direction::Request, GET, 1_000_000);
    rig.push(Direction::Response, &OK[..20], 2_000_000);
    assert_eq!(rig.production.counts().count(), 0);
    rig.push(Direction::Response, &OK[20..], 6_000_000);
    let counts = rig.production.counts();
    assert_eq!((counts.count(), counts.sum()), (1, Duration::from_millis(5)));
}
