//! Connections of HTTP/2, told packet by packet: each of their streams is a request of its own, and ends in one outcome.

use proptest::prelude::*;
use shadow_tcp::{Direction, Expected};

use super::ledger::DropReason;
use super::serving_tests::{CLIENT, FIN, RST, SERVER, SYN, Wire};

use Direction::{Request, Response};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const GOAWAY: u8 = 7;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame (RFC 9113 section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [
        &length.to_be_bytes()[1..],
        &[kind, flags],
        &stream.to_be_bytes(),
        payload,
    ]
    .concat()
}

/// Fields that no table keeps (RFC 7541 section 6.2.2).
pub(super) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let line = |(name, value): &(&str, &str)| [vec![0], text(name), text(value)].concat();
    fields.iter().flat_map(line).collect()
}

fn head(stream: u32, target: &str, flags: u8) -> Vec<u8> {
    let fields = fields(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", target),
        (":authority", "a"),
    ]);
    frame(HEADERS, END_HEADERS | flags, stream, &fields)
}

fn get(stream: u32, target: &str) -> Vec<u8> {
    head(stream, target, END_STREAM)
}

pub(super) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

pub(super) fn opening() -> Vec<u8> {
    [PREFACE, &settings()].concat()
}

fn ok(stream: u32) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &fields(&[(":status", "200")]),
    )
}

/// The server's goodbye, behind this stream.
fn goodbye(last: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &[0; 4]].concat())
}

fn refused(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &7_u32.to_be_bytes())
}

/// A connection of HTTP/2 with a sequence number for each side.
pub(super) struct Http2 {
    pub(super) wire: Wire,
    pub(super) sent: usize,
    answered: u32,
}

impl Http2 {
    pub(super) fn new(expected: Expected, answers: bool) -> Self {
        Self {
            wire: Wire::new(expected, answers),
            sent: 0,
            answered: 0,
        }
    }

    /// One that a server has taken, and whose preface came.
    pub(super) fn open(answers: bool) -> Self {
        Self::new(Expected::Everybody, answers).opened(answers)
    }

    /// The same of one that has not begun.
    pub(super) fn opened(self, answers: bool) -> Self {
        let mut http2 = self;
        http2.wire.connect();
        http2.send(opening());
        if answers {
            http2.answer(settings());
        } else {
            // Its SETTINGS, not seen here, and their acknowledgment.
            http2.answered += 9;
            http2.send(frame(SETTINGS, ACK, 0, b""));
        }
        http2
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.send(self.sent, self.answered, bytes.as_ref());
        self.sent += bytes.as_ref().len();
    }

    pub(super) fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.answer(self.answered, self.sent, bytes.as_ref());
        self.answered += bytes.as_ref().len() as u32;
    }

    pub(super) fn client_finishes(&mut self) {
        let numbers = (CLIENT + 1 + self.sent as u32, SERVER + 1 + self.answered);
        self.wire.segment(Request, FIN, numbers, "");
    }

    /// Both sides end.
    pub(super) fn finish(&mut self) {
        self.client_finishes();
        self.wire.close(self.answered, self.sent + 1);
    }

    /// Both sides end, the server first.
    pub(super) fn finished_by_server(&mut self) {
        self.wire.close(self.answered, self.sent);
        let numbers = (CLIENT + 1 + self.sent as u32, SERVER + 2 + self.answered);
        self.wire.segment(Request, FIN, numbers, "");
    }

    pub(super) fn reset_by_client(&mut self) {
        let numbers = (CLIENT + 1 + self.sent as u32, SERVER + 1 + self.answered);
        self.wire.segment(Request, RST, numbers, "");
    }

    pub(super) fn reset(&mut self) {
        let numbers = (SERVER + 1 + self.answered, CLIENT + 1 + self.sent as u32);
        self.wire.segment(Response, RST, numbers, "");
    }
}

#[test]
fn each_stream_is_a_request_with_a_name_of_its_own() {
    let mut http2 = Http2::open(false);
    http2.send([get(1, "/1"), get(3, "/2"), get(5, "/3")].concat());
    assert_eq!(http2.wire.handed_on(), ["/1", "/2", "/3"]);
    let seen = http2.wire.recorder.seen();
    let names: Vec<&str> = seen.iter().map(|line| &line[..24]).collect();
    // What the client had read of the server's when it began, and the stream.
    assert_eq!(names[0], "9c400050c000020100001389");
    assert_eq!(&names[1][16..], "0000138b");
    assert_eq!(http2.wire.counts().delivered, 3);
    assert_eq!(http2.wire.shard.counters().http2, 1);
    let flows = http2.wire.shard.flows;
    assert_eq!(flows, 4, "the connection, and each stream");
}

#[test]
fn a_preface_is_found_behind_a_proxy_header_and_however_it_is_cut() {
    let header = b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n";
    let acknowledgment = frame(SETTINGS, ACK, 0, b"");
    let all = [header, &opening()[..], &get(1, "/1"), &acknowledgment].concat();
    for cut in 1..all.len() {
        let mut http2 = Http2::new(Expected::Everybody, false);
        http2.wire.connect();
        http2.send(&all[..cut]);
        http2.send(&all[cut..]);
        assert_eq!(http2.wire.handed_on(), ["/1"], "{cut}");
        assert!(http2.wire.recorder.seen()[0].starts_with("c8220050cb007107"));
        http2.finish();
        assert_eq!(http2.wire.counts().delivered, 1);
    }
}

#[test]
fn a_server_may_speak_first() {
    let mut http2 = Http2::new(Expected::Everybody, true);
    http2.wire.connect();
    http2.answer(&settings()[..4]);
    http2.answer(&settings()[4..]);
    http2.send(opening());
    http2.send(get(1, "/1"));
    http2.answer(ok(1));
    assert_eq!(http2.wire.handed_on(), ["/1"]);
    assert_eq!(http2.wire.shard.counters().answers.paired, 1);
}

const H2C: &str = "GET /h2c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                   HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

#[test]
fn stream_1_answers_the_request_behind_an_accepted_upgrade() {
    let answer = [SWITCHING, &settings(), &ok(1)].concat();
    for cut in [SWITCHING.len(), SWITCHING.len() + 3, answer.len()] {
        let mut http2 = Http2::new(Expected::Everybody, true);
        http2.wire.connect();
        http2.send(H2C);
        assert_eq!(http2.wire.handed_on(), ["/h2c"]);
        http2.answer(&answer[..cut]);
        if cut < answer.len() {
            http2.answer(&answer[cut..]);
        }
        assert_eq!(http2.wire.shard.counters().answers.paired, 1, "{cut}");
        http2.send(opening());
        http2.send([get(3, "/3"), get(5, "/5")].concat());
        http2.answer([ok(5), ok(3)].concat());
        assert_eq!(http2.wire.shard.counters().answers.paired, 3);
        assert_eq!(http2.wire.counts().delivered, 3);
        http2.finish();
        assert_eq!(http2.wire.counts().in_flight, 0);
    }
}

#[test]
fn where_only_the_client_is_seen_its_preface_proves_the_upgrade() {
    let mut http2 = Http2::new(Expected::Everybody, false);
    http2.wire.connect();
    http2.send(H2C);
    http2.answered = 100;
    http2.send(opening());
    http2.send(get(3, "/3"));
    assert_eq!(http2.wire.handed_on(), ["/h2c", "/3"]);
    assert_eq!(http2.wire.counts().delivered, 2);
}

#[test]
fn behind_a_refused_upgrade_http_1_goes_on() {
    let mut http2 = Http2::new(Expected::Everybody, true);
    http2.wire.connect();
    for _ in 0..2 {
        http2.send(H2C);
        http2.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
    assert_eq!(http2.wire.handed_on(), ["/h2c", "/h2c"]);
    assert_eq!(http2.wire.shard.counters().answers.paired, 2);
    assert_eq!(http2.wire.shard.counters().http2, 0);
}

#[test]
fn a_websockets_101_is_the_answer_to_its_handshake() {
    let mut http2 = Http2::new(Expected::Everybody, true);
    http2.wire.connect();
    http2.send("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    http2.answer(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a",
    );
    assert_eq!(http2.wire.shard.counters().answers.paired, 1);
    http2.answer(b"\x81\x01b");
    assert_eq!(http2.wire.counts().delivered, 1);
}

#[test]
fn streams_of_a_connection_that_nobody_took_are_not_mirrored() {
    let mut http2 = Http2::new(Expected::Everybody, false);
    http2.wire.segment(Request, SYN, (CLIENT, 0), "");
    http2.send([opening(), get(1, "/1"), get(3, "/3")].concat());
    assert_eq!(
        (http2.wire.handed_on().len(), http2.wire.counts().in_flight),
        (0, 2)
    );
    http2.wire.pass(1000);
    assert_eq!(http2.wire.dropped(DropReason::Unanswered), 2);
    http2.send(get(5, "/5"));
    assert_eq!(http2.wire.dropped(DropReason::Unanswered), 3);
}

#[test]
fn a_stream_waits_for_its_answer_and_for_nobody_elses() {
    let mut http2 = Http2::open(true);
    http2.send([get(1, "/1"), get(3, "/3")].concat());
    assert_eq!(http2.wire.handed_on().len(), 0);
    http2.answer(ok(3));
    assert_eq!(http2.wire.handed_on(), ["/3"]);
    http2.answer(ok(1));
    assert_eq!(http2.wire.handed_on(), ["/3", "/1"]);
    assert_eq!(http2.wire.shard.counters().answers.paired, 2);
    // A second is enough.
    http2.send(get(5, "/5"));
    http2.wire.pass(999);
    assert_eq!(http2.wire.handed_on().len(), 2);
    http2.wire.pass(1001);
    assert_eq!(http2.wire.handed_on().len(), 3);
    http2.answer(ok(5));
    assert_eq!(http2.wire.shard.counters().answers.paired, 3);
    assert_eq!(http2.wire.counts().delivered, 3);
}

#[test]
fn what_the_server_has_not_processed_is_not_mirrored() {
    let mut http2 = Http2::open(true);
    http2.send([get(1, "/1"), get(3, "/3"), get(5, "/5")].concat());
    http2.answer(refused(3));
    http2.answer(goodbye(1));
    http2.answer(ok(1));
    assert_eq!(http2.wire.handed_on(), ["/1"]);
    assert_eq!(http2.wire.dropped(DropReason::H2Refused), 2);
    http2.finish();
    assert_eq!(http2.wire.counts().in_flight, 0);
}

#[test]
fn streams_that_wait_for_answers_go_on_when_the_connection_ends() {
    for reset in [false, true] {
        let mut http2 = Http2::open(true);
        http2.send([get(1, "/1"), head(3, "/3", 0)].concat());
        if reset {
            http2.reset();
        } else {
            http2.finish();
        }
        http2.wire.pass(3000);
        assert_eq!(http2.wire.handed_on(), ["/1"], "{reset}");
        let counts = http2.wire.counts();
        assert_eq!((counts.delivered, counts.in_flight, counts.seen), (1, 0, 2));
    }
}

#[test]
fn what_is_kept_back_of_streams_has_a_bound_of_memory() {
    let mut http2 = Http2::open(true);
    let body = frame(DATA, END_STREAM, 1, &[b'x'; 3000]);
    let room = (1 << 20) / 32;
    for stream in 0..100_u32 {
        let mut body = body.clone();
        body[5..9].copy_from_slice(&(2 * stream + 1).to_be_bytes());
        http2.send([head(2 * stream + 1, "/big", 0), body].concat());
        assert!(http2.wire.shard.budget.used() <= room + 8000);
    }
    http2.wire.pass(2000);
    assert_eq!(http2.wire.counts().delivered, 100);
    http2.finish();
    assert_eq!(http2.wire.shard.budget.used(), 0);
}

#[test]
fn a_connection_that_was_open_before_is_joined_once_it_is_proved() {
    let mut http2 = Http2::new(Expected::Nobody, true);
    for stream in 0..50_u32 {
        http2.send(get(2 * stream + 7, "/late"));
        http2.answer(ok(2 * stream + 7));
    }
    let delivered = http2.wire.counts().delivered;
    assert!(delivered >= 40, "{delivered}: {:?}", http2.wire.counts());
    assert_eq!(http2.wire.shard.counters().http2, 1);
    http2.finish();
    assert_eq!(http2.wire.counts().in_flight, 0);
}

#[test]
fn a_server_that_does_not_speak_http_2_has_refused_its_streams() {
    for answers in [false, true] {
        let mut http2 = Http2::new(Expected::Everybody, answers);
        http2.wire.connect();
        http2.send([opening(), get(1, "/1")].concat());
        assert_eq!(http2.wire.handed_on(), [""; 0]);
        if answers {
            http2.answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
        http2.wire.close(http2.answered, http2.sent);
        http2.answered += 1;
        http2.finish();
        http2.wire.pass(5_000);
        let counts = http2.wire.counts();
        assert_eq!(http2.wire.handed_on(), [""; 0], "{answers}");
        assert_eq!(
            counts.dropped.get(&DropReason::H2Refused),
            Some(&1),
            "{answers} {counts:?}"
        );
    }
}

#[test]
fn a_client_that_closes_first_may_have_acknowledged_nothing() {
    let mut http2 = Http2::new(Expected::Everybody, false);
    http2.wire.connect();
    http2.send([opening(), get(1, "/1")].concat());
    http2.answered += 1000;
    http2.finish();
    http2.wire.pass(5_000);
    assert_eq!(http2.wire.handed_on(), ["/1"]);

    // By its goodbye, at which the server closes.
    let mut http2 = Http2::new(Expected::Everybody, false);
    http2.wire.connect();
    http2.send([opening(), get(1, "/1")].concat());
    http2.answered += 1000;
    http2.send(goodbye(0));
    http2.wire.close(http2.answered, http2.sent);
    http2.answered += 1;
    http2.finish();
    http2.wire.pass(5_000);
    assert_eq!(http2.wire.handed_on(), ["/1"]);
}

#[test]
fn a_stream_goes_on_once_the_client_acknowledges_the_servers_settings() {
    let mut http2 = Http2::new(Expected::Everybody, false);
    http2.wire.connect();
    http2.send([opening(), get(1, "/1")].concat());
    assert_eq!(http2.wire.handed_on(), [""; 0]);
    http2.answered += 9;
    http2.send(frame(SETTINGS, ACK, 0, b""));
    assert_eq!(http2.wire.handed_on(), ["/1"]);
}

/// Requests of a connection that was open before, none of them answered on its stream.
fn late(answers: bool, resume: bool) -> Http2 {
    let mut http2 = Http2::new(Expected::Nobody, answers);
    http2.wire.shard.resume = resume;
    for stream in 0..50_u32 {
        http2.send(get(2 * stream + 7, "/late"));
        http2.answered += 13;
    }
    http2
}

#[test]
fn without_an_answer_nothing_that_was_joined_is_handed_on() {
    for answers in [false, true] {
        let mut http2 = late(answers, false);
        http2.wire.pass(5_000);
        http2.finish();
        let counts = http2.wire.counts();
        assert_eq!((counts.delivered, counts.in_flight), (0, 0));
        assert!(
            counts.dropped.get(&DropReason::MidStream) > Some(&40),
            "{counts:?}"
        );
    }
    let mut resumed = late(false, true);
    resumed.finish();
    assert!(resumed.wire.counts().delivered > 40);
}

#[test]
fn a_place_that_was_found_again_is_proved_by_an_answer_alone() {
    for (answers, resume, expected) in [
        (false, false, &["/1"][..]),
        (false, true, &["/1", "/11", "/13"]),
        (true, false, &["/1", "/11"]),
    ] {
        let mut http2 = Http2::new(Expected::Everybody, answers);
        http2.wire.shard.resume = resume;
        http2.wire.connect();
        http2.send(opening());
        http2.send(get(1, "/1"));
        if answers {
            http2.answer([settings(), ok(1)].concat());
        }
        http2.sent += 30;
        for stream in [3, 5, 7] {
            http2.send(get(stream, &format!("/{stream}")));
        }
        // The hole is given up.
        http2.wire.pass(30_000);
        for stream in [9, 11, 13] {
            http2.send(get(stream, &format!("/{stream}")));
        }
        if answers {
            http2.answer(ok(11));
        }
        http2.wire.pass(5_000);
        http2.finish();
        let mut got = http2.wire.handed_on();
        got.retain(|path| ["/1", "/11", "/13"].contains(&path.as_str()));
        assert_eq!(got, expected, "{answers} {resume}: {:?}", http2.wire.counts());
        assert_eq!(http2.wire.counts().in_flight, 0);
    }
}

#[test]
fn two_agents_of_a_node_mirror_each_stream_once() {
    let folder = std::env::temp_dir().join(format!("shadow-mirror-http2-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let agents = [(); 2].map(|()| {
        let agent = shadow_hand_over::HandOver::open(&folder.join("claims")).unwrap();
        std::sync::Arc::new(agent)
    });
    let mut both = agents.clone().map(|agent| {
        let mut http2 = Http2::open(false);
        http2.wire.shard.pipeline.hand_over = Some(agent);
        http2
    });
    // The first has let go of the lock, and both claim.
    assert!(agents[0].try_take_over().unwrap());
    agents[0].release().unwrap();
    assert!(agents[1].try_take_over().unwrap());
    for http2 in &mut both {
        http2.send([get(1, "/1"), get(3, "/3"), get(5, "/5")].concat());
        http2.send(get(7, "/7"));
    }
    assert_eq!(both[0].wire.handed_on(), ["/1", "/3", "/5", "/7"]);
    assert_eq!(both[1].wire.handed_on(), [""; 0]);
    assert_eq!(both[1].wire.shard.counters().requests_of_another_agent, 4);
    let _ = std::fs::remove_dir_all(&folder);
}

#[derive(Clone, Debug)]
enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    /// So many bytes of the client's are lost.
    Hole(usize),
    Time(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = (0..6_u32).prop_map(|number| 2 * number + 1);
    let flags = prop::sample::select(vec![0, END_STREAM]);
    prop_oneof![
        4 => (stream.clone(), flags.clone()).prop_map(|(stream, flags)| Step::Client(head(stream, "/x", flags))),
        3 => (stream.clone(), flags).prop_map(|(stream, flags)| Step::Client(frame(DATA, flags, stream, b"hello"))),
        1 => stream.clone().prop_map(|stream| Step::Client(frame(RST_STREAM, 0, stream, &[0; 4]))),
        4 => stream.clone().prop_map(|stream| Step::Server(ok(stream))),
        1 => stream.clone().prop_map(|stream| Step::Server(refused(stream))),
        1 => stream.prop_map(|last| Step::Server(goodbye(last))),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Step::Client),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Step::Server),
        1 => (1..50_usize).prop_map(Step::Hole),
        1 => (1..3000_u64).prop_map(Step::Time),
    ]
}

proptest! {
    #[test]
    fn every_stream_ends_in_one_outcome_whatever_happens(
        steps in prop::collection::vec(step(), 0..30),
        answers in any::<bool>(),
        preface in any::<bool>(),
        taken in any::<bool>(),
        end in 0..3,
    ) {
        let mut http2 = Http2::new(if taken { Expected::Everybody } else { Expected::Nobody }, answers);
        if taken {
            http2.wire.connect();
        } else {
            http2.wire.segment(Request, SYN, (CLIENT, 0), "");
        }
        if preface {
            http2.send(opening());
        }
        for step in steps {
            match step {
                Step::Client(bytes) => http2.send(bytes),
                Step::Server(bytes) if answers => http2.answer(bytes),
                Step::Server(_) => {}
                Step::Hole(bytes) => http2.sent += bytes,
                Step::Time(milliseconds) => http2.wire.pass(milliseconds),
            }
        }
        match end {
            0 => http2.finish(),
            1 => http2.reset(),
            _ => {}
        }
        let now = http2.wire.now;
        http2.wire.table.shutdown(&mut http2.wire.shard, now);
        let counts = http2.wire.counts();
        prop_assert_eq!((counts.in_flight, counts.dropped.get(&DropReason::Internal)), (0, None));
        prop_assert_eq!(http2.wire.shard.budget.used(), 0);
        prop_assert_eq!(http2.wire.shard.pipeline.kept_bytes, 0);
    }
}
