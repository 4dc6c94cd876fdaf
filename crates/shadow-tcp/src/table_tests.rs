//! One test for each corner of a connection's life.

#[path = "table_pressure_tests.rs"]
mod pressure;
#[path = "table_server_tests.rs"]
mod server;

use std::time::Duration;

use super::super::Endpoint;
use super::super::stream::{Chunk, GapCause, ServerSign};
use super::*;
use Direction::{Request, Response};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags(0x11);
const RST: TcpFlags = TcpFlags::RST;

/// Everything handlers were told, as lines, each with its connection's client port.
struct Log(Vec<String>, MemoryBudget);

impl Log {
    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }
}

struct Handler {
    port: u16,
    /// The latest data ended in `~`.
    held: Option<shadow_core::budget::Charge>,
}

impl StreamHandler for Handler {
    type Context = Log;

    fn open(log: &mut Log, flow: &FlowKey, start: Start, _: Timestamp) -> Self {
        let port = flow.client.port;
        log.0.push(format!("{port} open {start:?}"));
        Self { port, held: None }
    }
    fn data(&mut self, log: &mut Log, direction: Direction, chunk: Chunk<'_>) {
        let text = String::from_utf8_lossy(chunk.bytes);
        self.held = text.ends_with('~').then(|| {
            let mut charge = log.1.held().charge();
            assert!(charge.try_grow(1000), "no room for {text}");
            charge
        });
        log.0.push(format!("{} {direction:?} {text}", self.port));
    }
    fn gap(&mut self, log: &mut Log, direction: Direction, bytes: u64, cause: GapCause) {
        log.0
            .push(format!("{} {direction:?} gap {bytes} {cause:?}", self.port));
    }
    fn finished(&mut self, log: &mut Log, direction: Direction, _: Timestamp) {
        log.0.push(format!("{} {direction:?} finished", self.port));
    }
    fn holds(&self) -> bool {
        self.held.is_some()
    }
    fn stalled(&mut self, log: &mut Log, why: Stall) {
        self.held = None;
        log.0.push(format!("{} stalled {why:?}", self.port));
    }
    fn server(&mut self, log: &mut Log, sign: ServerSign) {
        log.0.push(format!("{} server {sign:?}", self.port));
    }
    fn late(log: &mut Log, flow: &FlowKey, bytes: &[u8]) {
        let (port, text) = (flow.client.port, String::from_utf8_lossy(bytes));
        log.0.push(format!("{port} late {text}"));
    }
    fn close(self, log: &mut Log, close: Close, _: Timestamp) {
        log.0.push(format!("{} close {close:?}", self.port));
    }
}

struct Fixture {
    table: FlowTable<Handler>,
    log: Log,
    budget: MemoryBudget,
    now: Timestamp,
    port: u16,
}

impl Fixture {
    fn with(settings: ConnectionSettings, watch_responses: bool) -> Self {
        let budget = MemoryBudget::new(20_000);
        Self {
            table: FlowTable::new(settings, watch_responses, budget.clone()),
            log: Log(Vec::new(), budget.clone()),
            budget,
            now: Timestamp(0),
            port: 1,
        }
    }

    /// Watches requests only.
    fn requests() -> Self {
        Self::with(settings(), false)
    }

    fn both() -> Self {
        Self::with(settings(), true)
    }

    fn push(&mut self, direction: Direction, flags: TcpFlags, sequence: u32, payload: &str) -> Vec<String> {
        self.push_acknowledging(direction, flags, sequence, 0, payload)
    }

    fn push_acknowledging(
        &mut self,
        direction: Direction,
        flags: TcpFlags,
        sequence: u32,
        acknowledgment: u32,
        payload: &str,
    ) -> Vec<String> {
        let segment = Segment {
            flow: flow(self.port),
            direction,
            sequence,
            acknowledgment,
            flags,
            continuation: false,
            payload: payload.as_bytes(),
            time: self.now,
        };
        self.table.push(&mut self.log, &segment);
        self.check();
        self.log.take()
    }

    /// Asserts what holds between any two segments.
    fn check(&self) {
        let counters = self.table.counters();
        assert!(counters.balanced(), "{counters:?}");
        let holes = self
            .table
            .flows
            .values()
            .filter(|flow| flow.waiting_since().is_some());
        assert_eq!(self.table.holes.len(), holes.count());
        let unfinished = self.table.flows.values().filter(|flow| flow.holds());
        assert_eq!(self.table.unfinished.len(), unfinished.count());
        let waiting = self.table.flows.values().filter(|flow| flow.waits());
        assert_eq!(self.table.awaiting.len(), waiting.count());
        let silent = self.table.flows.values().filter(|flow| flow.is_silent());
        assert_eq!(self.table.silent.len(), silent.count());
    }

    /// Lets so many seconds pass.
    fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.table.tick(&mut self.log, self.now);
        self.check();
        self.log.take()
    }

    fn shutdown(&mut self) -> Vec<String> {
        self.table.shutdown(&mut self.log, self.now);
        self.check();
        assert_eq!(self.budget.used(), 0);
        self.log.take()
    }
}

fn settings() -> ConnectionSettings {
    ConnectionSettings {
        max_connections: 10,
        idle_timeout: Duration::from_secs(100),
        gap_timeout: Duration::from_secs(5),
        max_out_of_order: 1000,
    }
}

fn flow(port: u16) -> FlowKey {
    let endpoint = |port| Endpoint {
        address: [0; 16],
        port,
    };
    FlowKey {
        client: endpoint(port),
        server: endpoint(80),
        scope: 0,
    }
}

#[test]
fn a_connection_from_syn_to_fin() {
    let mut table = Fixture::requests();
    assert_eq!(table.push(Request, SYN, 99, ""), ["1 open Syn"]);
    assert_eq!(table.push(Request, ACK, 100, ""), [""; 0]);
    assert_eq!(table.push(Request, ACK, 100, "hello"), ["1 Request hello"]);
    assert_eq!(
        table.push(Request, FIN, 105, ""),
        ["1 Request finished", "1 close Finished"]
    );
    let counters = table.table.counters();
    assert_eq!(
        (
            counters.opened,
            counters.finished,
            counters.open,
            counters.lingering
        ),
        (1, 1, 0, 1)
    );
}

#[test]
fn the_syn_says_where_a_late_first_segment_begins() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 0xffff_ffff, "");
    assert_eq!(table.push(Request, ACK, 5, " world"), [""; 0]);
    assert_eq!(
        table.push(Request, ACK, 0, "hello"),
        ["1 Request hello", "1 Request  world"]
    );
}

#[test]
fn data_on_the_syn_comes_behind_it() {
    let mut table = Fixture::requests();
    assert_eq!(
        table.push(Request, SYN, 99, "fast"),
        ["1 open Syn", "1 Request fast"]
    );
    assert_eq!(table.push(Request, SYN, 99, "fast"), [""; 0]);
    assert_eq!(table.push(Request, ACK, 104, "open"), ["1 Request open"]);
    assert_eq!(table.table.counters().duplicate_bytes, 4);
}

#[test]
fn a_connection_without_its_syn_starts_with_its_first_data() {
    let mut table = Fixture::requests();
    assert_eq!(table.push(Request, ACK, 100, ""), [""; 0]);
    assert_eq!(table.push(Request, FIN, 100, ""), [""; 0]);
    assert_eq!(table.push(Request, RST, 100, ""), [""; 0]);
    assert_eq!(
        table.push(Request, ACK, 100, "hello"),
        ["1 open MidStream", "1 Request hello"]
    );
    assert_eq!(table.table.counters().mid_stream, 1);
}

#[test]
fn a_late_syn_of_a_connection_already_open_is_no_reuse() {
    let mut table = Fixture::requests();
    table.push(Request, ACK, 100, "hello");
    assert_eq!(table.push(Request, SYN, 99, ""), [""; 0]);
    assert_eq!(table.push(Request, ACK, 105, "x"), ["1 Request x"]);
}

#[test]
fn a_retransmitted_syn_is_no_reuse() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 100, "hello");
    assert_eq!(table.push(Request, SYN, 99, ""), [""; 0]);
    assert_eq!(table.table.counters().reused, 0);
}

#[test]
fn a_new_syn_on_the_same_ports_ends_the_old_connection() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 102, "lo");
    assert_eq!(
        table.push(Request, SYN, 5000, ""),
        [
            "1 Request gap 2 Closing",
            "1 Request lo",
            "1 close Reused",
            "1 open Doubtful"
        ]
    );
    assert_eq!(table.push(Request, ACK, 5001, "new"), ["1 Request new"]);
    assert_eq!(table.budget.used(), 0);
}

#[test]
fn a_syn_inside_a_living_connection_moves_its_stream_nowhere() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 100, "upload");
    // The server answers with a challenge and goes on where it was.
    assert_eq!(
        table.push(Request, SYN, 1105, ""),
        ["1 close Reused", "1 open Doubtful"]
    );
    assert_eq!(table.push(Request, ACK, 106, " goes on"), ["1 Request  goes on"]);
    assert_eq!(table.table.counters().mid_stream, 1);
}

#[test]
fn a_syn_that_is_seen_to_be_unanswered_means_nothing() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    table.push_acknowledging(Response, SYN | ACK, 699, 100, "");
    table.push_acknowledging(Request, ACK, 100, 700, "upload");
    assert_eq!(table.push(Request, SYN, 105, "x"), [""; 0]);
    assert_eq!(table.push(Request, ACK, 106, " goes on"), ["1 Request  goes on"]);
    let counters = table.table.counters();
    assert_eq!((counters.reused, counters.out_of_window_bytes), (0, 1));
    // One that it does answer opens a connection whose first byte is known.
    assert_eq!(table.push(Request, SYN, 5000, ""), [""; 0]);
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 900, 5001, ""),
        ["1 close Reused", "1 open Syn"]
    );
}

#[test]
fn a_syn_behind_the_end_of_the_requests_is_trusted() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    table.push(Request, FIN, 100, "ask");
    assert_eq!(
        table.push(Request, SYN, 5000, ""),
        ["1 close Reused", "1 open Syn"]
    );
}

#[test]
fn the_answer_to_a_new_syn_that_was_missed_ends_the_old_connection() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 700, 100, ""),
        [""; 0]
    );
    assert_eq!(
        table.push_acknowledging(Response, SYN | ACK, 900, 6000, ""),
        ["1 close Reused", "1 open Syn"]
    );
    assert_eq!(
        table.push_acknowledging(Request, ACK, 6000, 901, "new"),
        ["1 Request new"]
    );
    assert_eq!(table.push(Response, ACK, 901, "answer"), ["1 Response answer"]);
}

#[test]
fn a_half_closed_connection_goes_on_until_the_response_ends() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    table.push_acknowledging(Response, SYN | ACK, 499, 100, "");
    table.push(Request, ACK, 100, "ask");
    assert_eq!(table.push(Request, FIN, 103, ""), ["1 Request finished"]);
    assert_eq!(table.push(Response, ACK, 500, "answer"), ["1 Response answer"]);
    assert_eq!(
        table.push(Response, FIN, 506, "!"),
        [
            "1 Response !",
            "1 Response finished",
            "1 server Closed(0)",
            "1 close Finished"
        ]
    );
}

#[test]
fn responses_are_counted_and_passed_over_unless_watched() {
    let mut table = Fixture::requests();
    assert_eq!(table.push(Response, ACK, 500, "early"), [""; 0]);
    table.push(Request, SYN, 99, "");
    assert_eq!(table.push(Response, FIN, 505, "answer"), ["1 server Closed(0)"]);
    assert_eq!(table.table.counters().unwatched_bytes, 11);
    assert_eq!(table.table.counters().open, 1);
}

#[test]
fn a_request_tells_where_the_response_begins_when_its_syn_was_missed() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    table.push_acknowledging(Request, ACK, 100, 500, "ask");
    assert_eq!(table.push(Response, ACK, 503, "wer"), [""; 0]);
    assert_eq!(
        table.push(Response, ACK, 500, "ans"),
        ["1 Response ans", "1 Response wer"]
    );
}

#[test]
fn a_reset_at_the_next_byte_ends_the_connection() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 100, "hello");
    table.push(Request, ACK, 107, "gone");
    assert_eq!(
        table.push(Request, RST, 105, ""),
        ["1 Request gap 2 Closing", "1 Request gone", "1 close Reset"]
    );
    assert_eq!(table.budget.used(), 0);
}

#[test]
fn a_reset_outside_the_window_is_ignored() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 100, "hello");
    assert_eq!(table.push(Request, RST, 104, ""), [""; 0]);
    assert_eq!(table.push(Request, RST, 1_000_000, "bang"), [""; 0]);
    assert_eq!(table.push(Request, ACK, 105, "x"), ["1 Request x"]);
    assert_eq!(table.table.counters().out_of_window, 2);
    assert_eq!(table.table.counters().out_of_window_bytes, 4);
}

#[test]
fn a_refused_connection_is_reset_by_the_acknowledgment_alone() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    assert_eq!(table.push_acknowledging(Response, RST, 0, 100, ""), [""; 0]);
    assert_eq!(
        table.push_acknowledging(Response, RST | ACK, 0, 1_000_000, ""),
        [""; 0]
    );
    assert_eq!(
        table.push_acknowledging(Response, RST | ACK, 0, 100, ""),
        ["1 server Closed(100)", "1 close Reset"]
    );
}

#[test]
fn a_hole_that_fills_late_costs_nothing() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 105, " world");
    assert_eq!(table.pass(4), [""; 0]);
    assert_eq!(
        table.push(Request, ACK, 100, "hello"),
        ["1 Request hello", "1 Request  world"]
    );
    assert_eq!(table.pass(60), [""; 0]);
    assert!(table.table.holes.is_empty());
}

#[test]
fn a_hole_that_never_fills_is_given_up_after_the_gap_timeout() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 105, "world");
    assert_eq!(table.pass(4), [""; 0]);
    table.push(Request, ACK, 112, "later");
    assert_eq!(table.pass(1), ["1 Request gap 5 Timeout", "1 Request world"]);
    assert_eq!(table.pass(3), [""; 0]);
    assert_eq!(table.pass(1), ["1 Request gap 2 Timeout", "1 Request later"]);
    assert!(table.table.holes.is_empty());
    assert_eq!(table.table.counters().gap_bytes, 7);
}

#[test]
fn a_fin_behind_lost_bytes_ends_the_connection_after_the_gap_timeout() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    assert_eq!(table.push(Request, FIN, 105, ""), [""; 0]);
    assert_eq!(
        table.pass(5),
        [
            "1 Request gap 5 Timeout",
            "1 Request finished",
            "1 close Finished"
        ]
    );
}

#[test]
fn a_connection_without_segments_is_forgotten_after_the_idle_timeout() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.port = 2;
    table.pass(50);
    table.push(Request, SYN, 99, "");
    assert_eq!(table.pass(50), ["1 close Idle"]);
    assert_eq!(table.pass(50), ["2 close Idle"]);
    assert_eq!(
        table.push(Request, ACK, 100, "back"),
        ["2 open MidStream", "2 Request back"]
    );
}

#[test]
fn any_segment_keeps_a_connection_from_being_idle() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.pass(60);
    table.push(Request, ACK, 100, "");
    assert_eq!(table.pass(60), [""; 0]);
    assert_eq!(table.pass(40), ["1 close Idle"]);
}

#[test]
fn late_segments_of_an_ended_connection_open_nothing() {
    for end in [FIN, RST] {
        let mut table = Fixture::requests();
        table.push(Request, SYN, 99, "");
        table.push(Request, ACK, 100, "hello");
        table.push(Request, end, 105, "");
        assert_eq!(table.push(Request, ACK, 100, "hello"), [""; 0]);
        assert_eq!(table.push(Request, FIN, 100, "hello"), [""; 0]);
        assert_eq!(table.push(Request, SYN, 99, ""), [""; 0]);
        assert_eq!(table.push(Request, FIN, 105, ""), [""; 0]);
        let counters = table.table.counters();
        assert_eq!(
            (counters.opened, counters.lingering, counters.after_close_bytes),
            (1, 1, 10)
        );
    }
}

#[test]
fn an_ended_connections_ports_can_be_used_again_at_once() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, FIN, 100, "a");
    assert_eq!(table.push(Request, SYN, 200, ""), ["1 open Syn"]);
    assert_eq!(table.push(Request, FIN, 201, "b").len(), 3);
    // Linux begins 65,537 behind the last number when it takes a connection out of TIME-WAIT; the SYN is missed.
    assert_eq!(
        table.push(Request, ACK, 202 + 65_538, "c"),
        ["1 open MidStream", "1 Request c"]
    );
    assert_eq!(table.table.counters().lingering, 0);
}

#[test]
fn an_ended_connection_is_remembered_for_a_minute() {
    let mut table = Fixture::requests();
    table.push(Request, SYN, 99, "");
    table.push(Request, FIN, 100, "a");
    table.pass(59);
    assert_eq!(table.push(Request, ACK, 100, "a"), [""; 0]);
    table.pass(1);
    assert_eq!(table.table.counters().lingering, 0);
    assert_eq!(
        table.push(Request, ACK, 100, "a"),
        ["1 open MidStream", "1 Request a"]
    );
}

#[test]
fn shutdown_hands_on_what_waits_and_ends_every_connection() {
    let mut table = Fixture::both();
    table.push(Request, SYN, 99, "");
    table.push(Request, ACK, 102, "cd");
    table.push(Request, FIN, 106, "");
    table.port = 2;
    table.push(Response, ACK, 5, "half");
    assert_eq!(
        table.shutdown(),
        [
            "1 Request gap 2 Closing",
            "1 Request cd",
            "1 Request gap 2 Closing",
            "1 Request finished",
            "1 close Shutdown",
            "2 close Shutdown",
        ]
    );
    assert_eq!(table.table.counters().shutdown, 2);
    assert!(table.table.counters().balanced());
}

#[test]
fn counts_of_two_tables_add_up() {
    let mut first = Fixture::requests();
    first.push(Request, SYN, 99, "abc");
    let mut second = Fixture::requests();
    second.push(Request, FIN, 100, "de");
    let mut sum = first.table.counters();
    sum.add(&second.table.counters());
    assert_eq!((sum.opened, sum.open, sum.finished, sum.mid_stream), (2, 1, 1, 1));
    assert_eq!((sum.segments, sum.bytes, sum.delivered_bytes), (2, 5, 5));
    assert!(sum.balanced());
}
