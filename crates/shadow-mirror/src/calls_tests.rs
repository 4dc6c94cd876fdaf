//! Calls of gRPC that last, told packet by packet: they go on while production serves them, and end once.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use shadow_tcp::Expected;

use super::http2_tests::{
    DATA, END_HEADERS, END_STREAM, HEADERS, Http2, RST_STREAM, fields, frame, opening, settings,
};
use super::ledger::{DropReason, Outcome};
use super::read_settings::MaxStream;
use super::testing::LiveTaken;
use super::{LiveReader, NextOfCall};

/// Bounds of a call here: 64 bytes of messages.
const MOST: MaxStream = MaxStream {
    bytes: 64,
    time: Duration::from_mins(10),
};

pub(super) fn call(stream: u32) -> Vec<u8> {
    let fields = fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/chat.Chat/Talk"),
        (":authority", "a"),
        ("content-type", "application/grpc"),
    ]);
    frame(HEADERS, END_HEADERS, stream, &fields)
}

pub(super) fn data(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    let message = [&[0, 0, 0, 0, text.len() as u8], text.as_bytes()].concat();
    frame(DATA, flags, stream, &message)
}

pub(super) fn ends(stream: u32) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, b"")
}

pub(super) fn cancel(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

pub(super) fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &fields(&[(":status", "200")]))
}

fn ok_of_grpc(stream: u32) -> Vec<u8> {
    let fields = fields(&[(":status", "200"), ("content-type", "application/grpc")]);
    frame(HEADERS, END_HEADERS, stream, &fields)
}

pub(super) fn trailers(stream: u32) -> Vec<u8> {
    let status = fields(&[("grpc-status", "0")]);
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &status)
}

/// A connection whose calls may go live.
fn open(answers: bool) -> Http2 {
    let mut http2 = Http2::new(Expected::Everybody, answers);
    http2.wire.shard.live_calls = Some(MOST);
    http2.wire.recorder.take_live_calls();
    http2.opened(answers)
}

/// The next thing that a reader gets, in words.
pub(super) fn next(reader: &LiveReader) -> String {
    match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => "pending".to_owned(),
        Poll::Ready(NextOfCall::Messages(messages)) => {
            format!(
                "{} at {}",
                String::from_utf8_lossy(&messages.data[5..]),
                messages.time.0 / 1_000_000
            )
        }
        Poll::Ready(NextOfCall::HalfClosed(time)) => format!("half-closed at {}", time.0 / 1_000_000),
        Poll::Ready(NextOfCall::Nothing) => "nothing".to_owned(),
        Poll::Ready(NextOfCall::Lost(reason)) => reason.name(),
    }
}

/// The one call that went live.
pub(super) fn the_call(http2: &Http2) -> LiveTaken {
    let mut live = http2.wire.recorder.live();
    assert_eq!(live.len(), 1);
    live.remove(0)
}

#[test]
fn a_call_that_production_answers_goes_on_message_by_message() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, 0, "one")].concat());
    assert!(http2.wire.handed_on().is_empty());
    http2.answer(ok(1));
    let taken = the_call(&http2);
    assert_eq!(&taken.exchange.request.body[..], b"0\r\n\r\n");
    assert_eq!(
        (next(&taken.reader), next(&taken.reader)),
        ("one at 0".to_owned(), "pending".to_owned())
    );
    http2.wire.pass(30_000);
    http2.send(data(1, 0, "two"));
    assert_eq!(next(&taken.reader), "two at 30000");
    http2.wire.pass(1000);
    http2.send(ends(1));
    assert_eq!(next(&taken.reader), "half-closed at 31000");
    assert_eq!(http2.wire.counts().in_flight, 1);
    http2.answer(trailers(1));
    assert!(taken.reader.live().is_over());
    assert_eq!(http2.wire.shard.counters().answers.paired, 1);
    taken.ticket.settle(Outcome::Delivered);
    assert_eq!(http2.wire.counts().delivered, 1);
}

#[test]
fn without_a_word_of_the_server_a_call_goes_on_after_a_second() {
    for answers in [false, true] {
        let mut http2 = open(answers);
        http2.send([call(1), data(1, 0, "one")].concat());
        http2.wire.pass(900);
        assert!(http2.wire.recorder.live().is_empty());
        http2.wire.pass(100);
        let taken = the_call(&http2);
        assert_eq!(next(&taken.reader), "one at 0");
        http2.send(cancel(1));
        assert_eq!(next(&taken.reader), "grpc_stream_left");
        taken.ticket.settle(Outcome::Dropped(DropReason::GrpcStreamLeft));
        assert_eq!(http2.wire.dropped(DropReason::GrpcStreamLeft), 1);
    }
}

#[test]
fn a_call_that_nobody_took_stays_here() {
    let mut http2 = Http2::new(Expected::Everybody, true);
    http2.wire.shard.live_calls = Some(MOST);
    http2.wire.recorder.take_live_calls();
    http2.wire.connect();
    http2.send([opening(), call(1), data(1, 0, "one")].concat());
    http2.wire.pass(5000);
    assert!(http2.wire.recorder.live().is_empty(), "no SETTINGS of the server");
    http2.answer([settings(), ok(1)].concat());
    assert_eq!(next(&the_call(&http2).reader), "one at 0");
}

#[test]
fn where_somebody_needs_it_whole_a_call_waits_for_its_end() {
    for off in [false, true] {
        let mut http2 = Http2::new(Expected::Everybody, true);
        http2.wire.shard.live_calls = Some(MOST);
        if off {
            http2.wire.recorder.take_live_calls();
            http2.wire.shard.live_calls = None;
        }
        let mut http2 = http2.opened(true);
        http2.send([call(1), data(1, 0, "one")].concat());
        http2.answer(ok(1));
        http2.wire.pass(1000);
        http2.send([data(1, 0, "two"), ends(1)].concat());
        assert!(http2.wire.handed_on().is_empty());
        http2.answer(trailers(1));
        assert!(http2.wire.recorder.live().is_empty());
        assert_eq!(http2.wire.counts().delivered, 1);
    }
}

#[test]
fn a_call_with_more_messages_than_may_be_ends_there() {
    let mut http2 = open(true);
    http2.send(call(1));
    http2.answer(ok(1));
    let taken = the_call(&http2);
    for _ in 0..7 {
        http2.send(data(1, 0, "12345"));
    }
    for _ in 0..6 {
        assert_eq!(next(&taken.reader), "12345 at 0");
    }
    assert_eq!(next(&taken.reader), "grpc_stream_limit");
}

#[test]
fn a_lost_packet_inside_a_call_ends_it_with_todays_reason() {
    let mut http2 = open(true);
    http2.send(call(1));
    http2.answer(ok(1));
    let taken = the_call(&http2);
    http2.sent += 14;
    http2.send(data(1, 0, "two"));
    http2.wire.pass(10_000);
    assert_eq!(next(&taken.reader), "h2_gap");
}

#[test]
fn a_call_whose_answer_lasts_is_followed_until_its_client_gives_up() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, END_STREAM, "watch")].concat());
    http2.answer(ok(1));
    assert!(http2.wire.handed_on().is_empty());
    http2.wire.pass(1000);
    let taken = the_call(&http2);
    assert!(taken.reader.live().is_whole() && !taken.reader.live().is_over());
    assert_eq!(
        &taken.exchange.request.body[..],
        b"a\r\n\0\0\0\0\x05watch\r\n0\r\n\r\n"
    );
    http2.send(cancel(1));
    assert_eq!(taken.reader.lost(), Some(DropReason::GrpcStreamLeft));
}

#[test]
fn a_call_that_its_client_leaves_is_told_from_one_its_server_ends() {
    type End = fn(&mut Http2);
    let ends: [(&str, End); 7] = [
        ("grpc_stream_left", |http2| http2.send(cancel(1))),
        ("h2_reset", |http2| http2.answer(cancel(1))),
        ("grpc_stream_left", Http2::finish),
        ("truncated", Http2::finished_by_server),
        ("grpc_stream_left", Http2::reset_by_client),
        ("reset", Http2::reset),
        ("grpc_stream_left", |http2| {
            http2.client_finishes();
            http2.answer(trailers(1));
        }),
    ];
    for (at, (expected, end)) in ends.into_iter().enumerate() {
        for (answers, is_whole) in [(false, false), (true, false), (true, true)] {
            let mut http2 = open(answers);
            let flags = if is_whole { END_STREAM } else { 0 };
            http2.send([call(1), data(1, flags, "one")].concat());
            if answers {
                http2.answer(ok(1));
            }
            http2.wire.pass(1000);
            let taken = the_call(&http2);
            if !answers && at == 1 {
                continue; // Nothing of the server is seen.
            }
            end(&mut http2);
            http2.wire.pass(1000);
            let told = taken.reader.lost().map(DropReason::name);
            assert_eq!(
                told.as_deref(),
                Some(expected),
                "{at}: answers {answers}, whole {is_whole}"
            );
        }
    }
}

#[test]
fn a_call_that_falls_silent_was_left_by_nobody() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, 0, "one")].concat());
    http2.answer(ok(1));
    let taken = the_call(&http2);
    http2.wire.pass(3_600_000);
    assert_eq!(next(&taken.reader), "one at 0");
    assert_eq!(next(&taken.reader), "truncated");
}

#[test]
fn a_call_that_its_client_left_at_once_has_the_time_of_any_exchange() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, END_STREAM, "watch")].concat());
    http2.answer(ok(1));
    http2.send(cancel(1));
    let taken = the_call(&http2);
    assert_eq!(taken.reader.lost(), Some(DropReason::GrpcStreamLeft));
    assert!(taken.reader.live().is_over());
    let waits = taken.reader.poll_lost(&mut Context::from_waker(Waker::noop()));
    assert_eq!(waits, Poll::Pending, "it is asked of the shadow all the same");
}

#[test]
fn a_call_whose_answer_is_not_read_ends_with_its_connection() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, END_STREAM, "watch")].concat());
    http2.answer(ok(1));
    http2.wire.pass(1000);
    let taken = the_call(&http2);
    http2.wire.pass(60_000);
    assert_eq!(taken.reader.lost(), None, "its answer paused for long");
    http2.reset();
    assert!(taken.reader.lost().is_some());
}

#[test]
fn what_had_come_of_an_answer_is_told_when_its_client_leaves() {
    type End = fn(&mut Http2);
    let ends: [(bool, End); 4] = [
        (true, |http2| http2.send(cancel(1))),
        (true, Http2::reset_by_client),
        (false, |http2| http2.answer(cancel(1))),
        (false, Http2::reset),
    ];
    for (is_told, end) in ends {
        for flags in [0, END_STREAM] {
            let mut http2 = open(true);
            http2.send([call(1), data(1, flags, "one")].concat());
            http2.answer(
                [
                    ok_of_grpc(1),
                    data(1, 0, "a"),
                    frame(DATA, 0, 1, b"\0\0\0\0\x02b"),
                ]
                .concat(),
            );
            http2.wire.pass(1000);
            let taken = the_call(&http2);
            end(&mut http2);
            let seen = http2.wire.recorder.seen();
            let told: Vec<&String> = seen.iter().filter(|line| line.contains(" left ")).collect();
            assert_eq!(told.len(), usize::from(is_told), "{seen:?}");
            for line in told {
                let expected = "left HTTP/2.0 200  6\r\n\0\0\0\0\x01a\r\n6\r\n\0\0\0\0\x02b\r\n";
                assert!(line.ends_with(expected), "{line:?}");
            }
            taken.ticket.settle(Outcome::Delivered);
        }
    }
}

#[test]
fn a_call_whose_answer_paused_goes_on_when_its_client_is_done() {
    let mut http2 = open(true);
    http2.send([call(1), data(1, 0, "one")].concat());
    http2.answer(ok(1));
    let taken = the_call(&http2);
    assert_eq!(next(&taken.reader), "one at 0");
    http2.wire.pass(70_000);
    http2.send(ends(1));
    assert_eq!(next(&taken.reader), "half-closed at 70000");
    assert_eq!(taken.reader.lost(), None, "nobody has left it");
    http2.finish();
    assert_eq!(taken.reader.lost(), Some(DropReason::GrpcStreamLeft));
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Call(u32),
    Message(u32),
    End(u32),
    Cancel(u32),
    Answer(u32),
    Trailers(u32),
    Lose,
    Pass(u64),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let stream = || (0_u32..4).prop_map(|number| number * 2 + 1);
    prop_oneof![
        3 => stream().prop_map(Step::Call),
        5 => stream().prop_map(Step::Message),
        2 => stream().prop_map(Step::End),
        1 => stream().prop_map(Step::Cancel),
        3 => stream().prop_map(Step::Answer),
        2 => stream().prop_map(Step::Trailers),
        1 => Just(Step::Lose),
        3 => (100_u64..1500).prop_map(Step::Pass),
    ]
}

/// Takes these steps on a connection, and ends it. The calls that went live.
pub(super) fn run(http2: &mut Http2, steps: Vec<Step>, answers: bool, resets: bool) -> Vec<LiveTaken> {
    let (mut sent, mut taken) = ([0_u8; 8], Vec::new());
    let mut highest = 0;
    for step in steps {
        match step {
            Step::Call(stream) if stream > highest => {
                highest = stream;
                http2.send(call(stream));
            }
            Step::Message(stream) if stream <= highest => {
                let number = &mut sent[stream as usize];
                http2.send(data(stream, 0, &char::from(b'a' + *number).to_string()));
                *number += 1;
            }
            Step::End(stream) if stream <= highest => http2.send(ends(stream)),
            Step::Cancel(stream) if stream <= highest => http2.send(cancel(stream)),
            Step::Answer(stream) if stream <= highest && answers => http2.answer(ok(stream)),
            Step::Trailers(stream) if stream <= highest && answers => http2.answer(trailers(stream)),
            Step::Lose => http2.sent += 7,
            Step::Pass(milliseconds) => http2.wire.pass(milliseconds),
            _ => {}
        }
        taken.append(&mut http2.wire.recorder.live());
    }
    if resets {
        http2.reset();
    } else {
        http2.finish();
        http2.wire.pass(200_000);
    }
    taken.append(&mut http2.wire.recorder.live());
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever interleaves, each call ends once: here, or with whoever it went on to, who is told of its end; and what went on
    /// are messages in their order, without one missing.
    #[test]
    fn however_calls_interleave_each_has_one_outcome(
        steps in prop::collection::vec(step(), 0..60),
        answers: bool,
        resets: bool,
    ) {
        let mut http2 = open(answers);
        let taken = run(&mut http2, steps, answers, resets);
        prop_assert_eq!(http2.wire.counts().in_flight, taken.len() as u64);
        for LiveTaken { exchange, ticket, reader } in taken {
            let mut expected = b'a';
            let end = loop {
                let next = next(&reader);
                match next.split_once(" at ") {
                    Some((text, _)) if text != "half-closed" => {
                        prop_assert_eq!(text.as_bytes(), [expected]);
                        expected += 1;
                    }
                    _ => break next,
                }
            };
            prop_assert_ne!(&end, "pending", "{}", exchange.id);
            ticket.settle(Outcome::Delivered);
        }
        let counts = http2.wire.counts();
        prop_assert_eq!(counts.in_flight, 0);
        prop_assert_eq!(counts.total(), counts.seen);
        prop_assert_eq!(counts.dropped.get(&DropReason::Internal), None);
    }
}
