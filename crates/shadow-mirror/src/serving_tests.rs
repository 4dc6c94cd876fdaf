//! Requests that production did not serve are not forwarded, and those that it may have served are: packet by packet.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::Limits;
use shadow_tcp::ConnectionSettings;
use shadow_tcp::{Direction, Expected, FlowKey, FlowTable, Segment, Servers, TcpFlags};

use super::ledger::{DropReason, OutputCounts, ShardLedger};
use super::{ProductionConnection, ReadSettings, Shard};
use crate::testing::{Recorder, plan_of_everything};

use Direction::{Request, Response};

pub(super) const SYN: TcpFlags = TcpFlags::SYN;
pub(super) const ACK: TcpFlags = TcpFlags::ACK;
pub(super) const FIN: TcpFlags = TcpFlags(0x11);
pub(super) const RST: TcpFlags = TcpFlags(0x14);

/// First numbers of a client and a server: those of their SYNs.
pub(super) const CLIENT: u32 = 999;
pub(super) const SERVER: u32 = 4999;

/// A shard, its connections, and an output that takes everything.
pub(super) struct Wire {
    pub(super) table: FlowTable<ProductionConnection>,
    pub(super) shard: Shard,
    pub(super) ledger: ShardLedger,
    pub(super) recorder: Rc<Recorder>,
    pub(super) client: SocketAddr,
    pub(super) now: Timestamp,
}

impl Wire {
    pub(super) fn new(expected: Expected, watch_responses: bool) -> Self {
        let ledger = ShardLedger::new(1);
        let limits = Limits {
            max_head: 4096,
            max_body: 4096,
            max_headers: 16,
        };
        let budget = MemoryBudget::new(1 << 20);
        let settings = ReadSettings {
            client_header: Some("X-Real-IP".to_owned()),
            ..ReadSettings::default()
        };
        let mut shard = Shard::new(ledger.clone(), budget.clone(), limits, None, watch_responses)
            .with_settings(&settings);
        let plan = plan_of_everything();
        let recorder = Rc::new(Recorder::default());
        let output = Rc::clone(&recorder);
        shard
            .mirrors_mut()
            .apply(&plan, Timestamp(0), move |_| Rc::<Recorder>::clone(&output));
        let settings = ConnectionSettings {
            max_connections: 100,
            idle_timeout: Duration::from_secs(100),
            gap_timeout: Duration::from_secs(5),
            max_out_of_order: 10_000,
        };
        Self {
            table: FlowTable::new(settings, watch_responses, budget).with_servers(Servers::new(expected)),
            shard,
            ledger,
            recorder,
            client: "192.0.2.1:40000".parse().unwrap(),
            now: Timestamp(0),
        }
    }

    pub(super) fn segment(
        &mut self,
        direction: Direction,
        flags: TcpFlags,
        numbers: (u32, u32),
        payload: &(impl AsRef<[u8]> + ?Sized),
    ) {
        let server: SocketAddr = "10.0.0.1:80".parse().unwrap();
        let segment = Segment {
            flow: FlowKey {
                client: self.client.into(),
                server: server.into(),
                scope: 0,
            },
            direction,
            sequence: numbers.0,
            acknowledgment: numbers.1,
            flags,
            continuation: false,
            payload: payload.as_ref(),
            time: self.now,
        };
        self.table.push(&mut self.shard, &segment);
        assert!(self.ledger.snapshot().balanced());
        assert!(self.table.counters().balanced());
    }

    /// A handshake that both sides end.
    pub(super) fn connect(&mut self) {
        self.segment(Request, SYN, (CLIENT, 0), "");
        self.segment(Response, SYN | ACK, (SERVER, CLIENT + 1), "");
    }

    /// Bytes of the client from its `at`th on, when it has received so many of the server's.
    pub(super) fn send(&mut self, at: usize, heard: u32, bytes: &(impl AsRef<[u8]> + ?Sized)) {
        let numbers = (CLIENT + 1 + at as u32, SERVER + 1 + heard);
        self.segment(Request, ACK, numbers, bytes);
    }

    /// The server's FIN behind so many bytes, when it has received so many of the client's.
    pub(super) fn close(&mut self, at: u32, received: usize) {
        let numbers = (SERVER + 1 + at, CLIENT + 1 + received as u32);
        self.segment(Response, FIN, numbers, "");
    }

    /// Bytes of the server.
    pub(super) fn answer(&mut self, at: u32, received: usize, bytes: &(impl AsRef<[u8]> + ?Sized)) {
        let numbers = (SERVER + 1 + at, CLIENT + 1 + received as u32);
        self.segment(Response, ACK, numbers, bytes);
    }

    pub(super) fn pass(&mut self, milliseconds: u64) {
        self.now = self.now.after(Duration::from_millis(milliseconds));
        self.table.tick(&mut self.shard, self.now);
    }

    /// Targets of the requests that were handed on.
    pub(super) fn handed_on(&self) -> Vec<String> {
        let target = |line: &String| line.split(' ').nth(2).unwrap_or_default().to_owned();
        let requests = self.recorder.seen();
        requests
            .iter()
            .filter(|line| !line.contains(" HTTP/1.1 2") && !line.contains("Response"))
            .map(target)
            .collect()
    }

    pub(super) fn dropped(&self, reason: DropReason) -> u64 {
        self.counts().dropped.get(&reason).copied().unwrap_or(0)
    }

    pub(super) fn counts(&self) -> OutputCounts {
        self.ledger.snapshot().outputs[0].clone()
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Ten requests, one behind the other.
fn ten() -> String {
    (0..10).map(|number| get(&format!("/{number}"))).collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BAD: &str = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";

#[test]
fn a_request_from_an_address_that_never_answers_is_not_mirrored() {
    let mut wire = Wire::new(Expected::Everybody, false);
    for port in 1..=20 {
        wire.client.set_port(port);
        wire.connect();
        wire.send(0, 7_777, &get("/forged"));
    }
    assert_eq!((wire.handed_on().len(), wire.counts().in_flight), (0, 20));
    wire.pass(1000);
    assert_eq!(wire.handed_on(), [""; 0]);
    assert_eq!(wire.dropped(DropReason::Unanswered), 20);
}

#[test]
fn a_syn_that_nobody_answers_opens_nothing_where_answers_are_seen() {
    let mut wire = Wire::new(Expected::Nobody, false);
    wire.connect();
    wire.send(0, 0, &get("/served"));
    wire.client.set_port(2);
    wire.segment(Request, SYN, (CLIENT, 0), "");
    wire.send(0, 0, &get("/forged"));
    wire.send(get("/forged").len(), 0, "POST /half HTTP/1.1\r\n");
    wire.pass(1000);
    assert_eq!(wire.handed_on(), ["/served"]);
    wire.send(get("/forged").len() + 21, 0, "Host: a\r\n\r\n");
    assert_eq!(wire.handed_on(), ["/served"]);
    assert_eq!(wire.dropped(DropReason::Unanswered), 2);
}

#[test]
fn of_the_clients_side_alone_all_is_mirrored_a_second_later() {
    let mut wire = Wire::new(Expected::Nobody, false);
    wire.segment(Request, SYN, (CLIENT, 0), "");
    wire.send(0, 0, &ten());
    assert_eq!(wire.handed_on().len(), 0);
    wire.pass(1000);
    assert_eq!(wire.handed_on().len(), 10);
    // From then on at once, and whatever is pipelined.
    wire.send(ten().len(), 0, &ten());
    assert_eq!(wire.handed_on().len(), 20);
    assert_eq!(wire.table.counters().one_way, 1);
    assert_eq!(wire.counts().delivered, 20);
}

#[test]
fn a_request_of_a_connection_that_was_taken_is_mirrored_at_once() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    wire.send(0, 0, &get("/1"));
    assert_eq!(wire.handed_on(), ["/1"]);
    wire.send(get("/1").len(), 100, &get("/2"));
    assert_eq!(wire.handed_on(), ["/1", "/2"]);
}

#[test]
fn requests_behind_a_refused_one_are_not_mirrored() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    wire.send(0, 0, &ten());
    assert_eq!(wire.handed_on(), ["/0"]);
    wire.close(300, ten().len());
    assert_eq!(wire.handed_on(), ["/0"]);
    assert_eq!(wire.dropped(DropReason::AfterClose), 9);
    // The client goes on to send, which nobody reads.
    wire.send(ten().len(), 301, &get("/more"));
    assert_eq!(wire.dropped(DropReason::AfterClose), 10);
    wire.pass(5000);
    assert_eq!(wire.handed_on(), ["/0"]);
}

#[test]
fn a_client_that_closes_behind_its_pipeline_hides_nothing() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    let length = ten().len();
    wire.segment(Request, FIN, (CLIENT + 1, SERVER + 1), &ten());
    wire.close(300, length + 1);
    assert_eq!(wire.handed_on(), ["/0"]);
    assert_eq!(wire.dropped(DropReason::AfterClose), 9);
    assert_eq!(wire.table.counters().finished, 1);
}

#[test]
fn a_server_that_resets_has_read_nothing_more() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    wire.send(0, 0, &ten());
    let numbers = (SERVER + 301, CLIENT + 1 + ten().len() as u32);
    wire.segment(Response, RST, numbers, "");
    wire.send(ten().len(), 0, &get("/late"));
    assert_eq!(wire.handed_on(), ["/0"]);
    assert_eq!(wire.dropped(DropReason::AfterClose), 10);
}

#[test]
fn pipelined_requests_are_mirrored_in_order_once_answered() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    wire.send(0, 0, &ten());
    assert_eq!(wire.handed_on(), ["/0"]);
    wire.send(ten().len(), 500, &get("/10"));
    let expected: Vec<_> = (0..=10).map(|number| format!("/{number}")).collect();
    assert_eq!(wire.handed_on(), expected);
    // The last ones, behind which the client closes first.
    let more = ten().len() + get("/10").len();
    wire.send(more, 600, &ten());
    wire.segment(
        Request,
        FIN,
        (CLIENT + 1 + (more + ten().len()) as u32, SERVER + 900),
        "",
    );
    assert_eq!(wire.handed_on().len(), 21);
    assert_eq!(wire.counts().delivered, 21);
}

#[test]
fn a_pipeline_whose_server_does_not_close_is_mirrored_within_a_second() {
    let mut wire = Wire::new(Expected::Everybody, false);
    wire.connect();
    wire.send(0, 0, &ten());
    wire.pass(900);
    assert_eq!(wire.handed_on(), ["/0"]);
    wire.pass(100);
    assert_eq!(wire.handed_on().len(), 10);
}

#[test]
fn where_answers_are_captured_each_tells_that_its_request_was_served() {
    let mut wire = Wire::new(Expected::Everybody, true);
    wire.connect();
    wire.send(0, 0, &ten());
    wire.pass(3000);
    assert_eq!(wire.handed_on(), ["/0"]);
    let length = OK.len() as u32;
    wire.answer(0, ten().len(), OK);
    wire.answer(length, ten().len(), OK);
    assert_eq!(wire.handed_on(), ["/0", "/1"]);
    wire.answer(2 * length, ten().len(), BAD);
    assert_eq!(wire.handed_on(), ["/0", "/1", "/2"]);
    wire.close(2 * length + BAD.len() as u32, ten().len());
    wire.segment(Request, FIN, (CLIENT + 1 + ten().len() as u32, SERVER + 1), "");
    assert_eq!(wire.handed_on(), ["/0", "/1", "/2"]);
    assert_eq!(wire.dropped(DropReason::AfterClose), 7);
    assert_eq!(wire.counts().in_flight, 0);
}

#[test]
fn what_is_kept_back_has_a_bound_of_memory() {
    let mut wire = Wire::new(Expected::Everybody, false);
    let body = "x".repeat(3000);
    for port in 1..=50 {
        wire.client.set_port(port);
        wire.segment(Request, SYN, (CLIENT, 0), "");
        let upload = format!("POST /forged HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n{body}");
        wire.send(0, 0, &upload);
        assert!(wire.shard.budget.used() <= (1 << 20) / 32 + 4000);
    }
    wire.pass(1000);
    assert_eq!(wire.handed_on(), [""; 0]);
    assert_eq!(wire.dropped(DropReason::Unanswered), 50);
    assert_eq!(wire.shard.budget.used(), 0);
}

#[test]
fn a_proxy_header_in_front_names_the_client_of_the_requests_behind_it() {
    let header = "PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n";
    for cuts in [vec![], vec![header.len()], vec![1], vec![8, 20, header.len() + 4]] {
        let mut wire = Wire::new(Expected::Everybody, false);
        wire.connect();
        let bytes = format!("{header}{}", get("/proxied"));
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            wire.send(from, 0, &bytes[from..to]);
            from = to;
        }
        wire.send(from, 100, &get("/again"));
        assert_eq!(wire.handed_on(), ["/proxied", "/again"]);
        let seen = wire.recorder.seen();
        assert!(
            seen[0].starts_with("c8220050cb007107"),
            "named for another client: {}",
            seen[0]
        );
        let counters = wire.shard.counters();
        assert_eq!(
            (counters.proxied, counters.skipped_bytes.proxy_headers),
            (1, header.len() as u64)
        );
        assert_eq!(wire.counts().delivered, 2);
    }
}

#[test]
fn a_proxy_header_anywhere_but_in_front_is_no_header() {
    let header = "PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n";
    let mut wire = Wire::new(Expected::Everybody, false);
    // Not behind a request, ...
    wire.connect();
    wire.send(0, 0, &get("/1"));
    wire.send(get("/1").len(), 100, &format!("{header}{}", get("/2")));
    assert_eq!(wire.handed_on(), ["/1"]);
    // ... and not on a connection whose beginning was not seen.
    wire.client.set_port(2);
    wire.send(0, 0, &format!("{header}{}", get("/3")));
    assert_eq!(wire.handed_on(), ["/1"]);
    assert_eq!(wire.shard.counters().proxied, 0);
    // Nor is what merely begins as one; and nothing of it is lost.
    wire.client.set_port(3);
    wire.connect();
    wire.send(0, 0, "P");
    wire.send(1, 0, &get("/4").replace("GET", "UT"));
    assert_eq!(wire.handed_on(), ["/1", "/4"]);
}
