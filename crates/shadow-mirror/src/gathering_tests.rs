//! Calls that last at two outputs, of which one takes them live and the other whole, told packet by packet: each call has one outcome
//! at each of them.

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use shadow_core::time::Timestamp;
use shadow_tcp::Expected;

use super::calls_tests::{call, cancel, data, ends, next, ok, run, step, the_call, trailers};
use super::http2_tests::Http2;
use super::ledger::{DropReason, Outcome, OutputCounts};
use super::plan::{AddressScope, Plan, PlannedMirror, Selection};
use super::read_settings::MaxStream;
use super::rules::{Prettifier, Rules};
use super::testing::{LiveTaken, Recorder};

/// Most bytes of a call's messages here. A body may have 4,096, with what stands around each of them.
const MOST: u64 = 4000;

/// A connection whose calls the first output takes live, and the second, which has these rules, whole.
fn beside(answers: bool, rules: Rules) -> (Http2, Rc<Recorder>) {
    let mut http2 = Http2::new(Expected::Everybody, answers);
    http2.wire.shard.live_calls = Some(MaxStream {
        bytes: MOST,
        time: Duration::from_mins(1),
    });
    http2.wire.shard.pipeline.forward_responses = answers;
    http2.wire.recorder.take_live_calls();
    let mirror = |slot, rules| PlannedMirror {
        slot,
        selection: Selection::Everything,
        rules,
        limit: None,
    };
    let plan = Plan {
        mirrors: vec![mirror(0, None), mirror(1, Some(Arc::new(rules)))],
        addresses: vec![AddressScope {
            slots: vec![0, 1],
            ..AddressScope::default()
        }],
        ..Plan::default()
    };
    let recorder = Rc::new(Recorder::default());
    let output = Rc::clone(&recorder);
    http2
        .wire
        .shard
        .mirrors_mut()
        .apply(&plan, Timestamp(0), move |_| Rc::<Recorder>::clone(&output));
    (http2.opened(answers), recorder)
}

/// The counts of the output that takes calls whole.
fn counts(http2: &Http2) -> OutputCounts {
    let all = http2.wire.ledger.snapshot();
    all.outputs.get(1).cloned().unwrap_or_default()
}

fn dropped(http2: &Http2, reason: DropReason) -> u64 {
    counts(http2).dropped.get(&reason).copied().unwrap_or(0)
}

/// Lines of a recorder, without the names in front.
fn lines(recorder: &Recorder) -> Vec<String> {
    let lines = recorder.seen().into_iter();
    lines
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect()
}

const WHOLE: &str =
    "POST /chat.Chat/Talk HTTP/2.0 8\r\n\0\0\0\0\u{3}one\r\n8\r\n\0\0\0\0\u{3}two\r\n0\r\n\r\n";

#[test]
fn what_one_output_takes_live_the_other_gets_whole_at_its_end() {
    for ended_by_client in [true, false] {
        let (mut http2, whole) = beside(true, Rules::default());
        http2.send([call(1), data(1, 0, "one")].concat());
        http2.answer(ok(1));
        let taken = the_call(&http2);
        assert_eq!(next(&taken.reader), "one at 0");
        http2.wire.pass(100);
        http2.send(data(1, 0, "two"));
        assert_eq!(next(&taken.reader), "two at 100");
        assert_eq!((lines(&whole).len(), counts(&http2).in_flight), (0, 1));
        if ended_by_client {
            http2.send(ends(1));
            assert_eq!(lines(&whole), [WHOLE]);
            http2.answer(trailers(1));
        } else {
            http2.answer(trailers(1));
            http2.send(cancel(1));
        }
        let response = "Response HTTP/2.0 200  0\r\ngrpc-status: 0\r\n\r\n";
        assert_eq!(lines(&whole), [WHOLE, response], "in this order");
        assert_eq!(http2.wire.recorder.seen().len(), 2, "the head, and the response");
        assert_eq!((counts(&http2).delivered, http2.wire.counts().in_flight), (1, 1));
        taken.ticket.settle(Outcome::Delivered);
    }
}

#[test]
fn a_call_that_is_not_whole_is_told_to_both_and_recorded_by_neither() {
    type End = fn(&mut Http2);
    let ends: [(DropReason, End); 5] = [
        (DropReason::GrpcStreamLeft, |http2| http2.send(cancel(1))),
        (DropReason::H2Reset, |http2| http2.answer(cancel(1))),
        (DropReason::Reset, Http2::reset),
        (DropReason::Truncated, Http2::finished_by_server),
        (DropReason::GrpcStreamLimit, |http2| {
            let much = data(1, 0, &"x".repeat(200));
            (0..20).for_each(|_| http2.send(&much));
        }),
    ];
    for (reason, end) in ends {
        let (mut http2, whole) = beside(true, Rules::default());
        http2.send([call(1), data(1, 0, "one")].concat());
        http2.answer(ok(1));
        let taken = the_call(&http2);
        end(&mut http2);
        assert_eq!(taken.reader.lost(), Some(reason));
        assert_eq!(
            (dropped(&http2, reason), lines(&whole).len()),
            (1, 0),
            "{reason:?}"
        );
        taken.ticket.settle(Outcome::Dropped(reason));
    }
}

#[test]
fn a_call_larger_than_a_body_may_be_goes_on_live() {
    let (mut http2, whole) = beside(true, Rules::default());
    http2.send(call(1));
    http2.answer(ok(1));
    let taken = the_call(&http2);
    for _ in 0..372 {
        http2.send(data(1, 0, "x"));
    }
    assert_eq!(counts(&http2).in_flight, 1);
    http2.send(data(1, 0, "x"));
    assert_eq!(dropped(&http2, DropReason::BodyTooLarge), 1);
    http2.send([data(1, 0, "x"), ends(1)].concat());
    http2.answer(trailers(1));
    for _ in 0..374 {
        assert_eq!(next(&taken.reader), "x at 0");
    }
    assert_eq!(next(&taken.reader), "half-closed at 0");
    assert_eq!(lines(&whole).len(), 0, "nor the response");
    taken.ticket.settle(Outcome::Delivered);
}

#[test]
fn a_call_that_lasts_for_too_long_is_gathered_no_further() {
    let (mut http2, whole) = beside(true, Rules::default());
    http2.send([call(1), data(1, 0, "one")].concat());
    http2.answer(ok(1));
    let taken = the_call(&http2);
    let before = http2.wire.shard.budget.used();
    for _ in 0..59 {
        http2.wire.pass(1000);
    }
    assert_eq!(counts(&http2).in_flight, 1);
    http2.wire.pass(1000);
    assert_eq!(dropped(&http2, DropReason::GrpcStreamLimit), 1);
    assert!(http2.wire.shard.budget.used() < before);
    assert_eq!(
        (next(&taken.reader), taken.reader.lost()),
        ("one at 0".to_owned(), None)
    );
    http2.send(ends(1));
    assert_eq!(
        (next(&taken.reader), lines(&whole).len()),
        ("half-closed at 60000".to_owned(), 0)
    );
    taken.ticket.settle(Outcome::Delivered);
}

#[test]
fn what_is_gathered_is_the_first_to_go_when_memory_is_scarce() {
    let (mut http2, _) = beside(true, Rules::default());
    http2.send(call(1));
    http2.answer(ok(1));
    let taken = the_call(&http2);
    let budget = http2.wire.shard.budget.clone();
    let mut others = budget.held_charge();
    assert!(others.try_grow(budget.limit() / 2 / 16 * 15));
    http2.send(data(1, 0, "one"));
    assert_eq!(dropped(&http2, DropReason::Memory), 1);
    assert_eq!(
        (next(&taken.reader), taken.reader.lost()),
        ("one at 0".to_owned(), None)
    );
    taken.ticket.settle(Outcome::Dropped(DropReason::Shutdown));
}

#[test]
fn rules_that_decide_by_the_head_do_not_wait_for_the_end() {
    let mut rules = Rules::default();
    rules.filters.methods.disallow = vec!["POST".into()];
    let (mut http2, whole) = beside(true, rules);
    http2.send(call(1));
    http2.answer(ok(1));
    let taken = the_call(&http2);
    assert_eq!((counts(&http2).filtered, counts(&http2).in_flight), (1, 0));
    http2.send(ends(1));
    http2.answer(trailers(1));
    assert!(whole.seen().is_empty());
    taken.ticket.settle(Outcome::Delivered);
}

#[test]
fn rules_that_look_into_bodies_get_the_call_whole() {
    let rules = Rules {
        prettifier: Some(Prettifier { max_body: 1000 }),
        ..Rules::default()
    };
    let (mut http2, whole) = beside(true, rules);
    whole.take_live_calls();
    http2.send([call(1), data(1, 0, "one")].concat());
    http2.answer(ok(1));
    let taken = the_call(&http2);
    assert!(whole.live().is_empty());
    http2.send([data(1, 0, "two"), ends(1)].concat());
    assert_eq!(lines(&whole).len(), 1);
    taken.ticket.settle(Outcome::Delivered);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever interleaves, each call has one outcome where it is gathered: what the other output got live and whole is there whole, with
    /// its response behind it, and what that lost is lost there for the same reason.
    #[test]
    fn however_calls_interleave_what_is_live_and_what_is_gathered_agree(
        steps in prop::collection::vec(step(), 0..60),
        answers: bool,
        resets: bool,
    ) {
        let (mut http2, whole) = beside(answers, Rules::default());
        let taken = run(&mut http2, steps, answers, resets);
        let seen = whole.seen();
        let mut lost = OutputCounts::default();
        for LiveTaken { exchange, ticket, reader } in taken {
            let mut body = String::new();
            let end = loop {
                let next = next(&reader);
                match next.split_once(" at ") {
                    Some((text, _)) if text != "half-closed" => {
                        write!(body, "6\r\n\0\0\0\0\u{1}{text}\r\n").unwrap();
                    }
                    _ => break next,
                }
            };
            let expected = format!("{} POST /chat.Chat/Talk HTTP/2.0 {body}0\r\n\r\n", exchange.id);
            let is_whole = end == "nothing" || end.starts_with("half-closed");
            let is_there = seen.contains(&expected);
            if exchange.is_coming() {
                // Its request may have been whole before the call was lost.
                prop_assert!(is_there || !is_whole, "{} {:?}", end, &seen);
                if !is_there {
                    let reason = DropReason::ALL.into_iter().find(|reason| reason.name() == end);
                    *lost.dropped.entry(reason.unwrap()).or_default() += 1;
                }
            }
            ticket.settle(Outcome::Delivered);
        }
        let (live, gathered) = (http2.wire.counts(), counts(&http2));
        prop_assert_eq!((gathered.in_flight, gathered.total()), (0, gathered.seen));
        // What was lost before it went live is lost for both.
        lost.add(&live);
        prop_assert_eq!(&gathered.dropped, &lost.dropped);
        for (at, line) in seen.iter().enumerate() {
            if let Some((name, _)) = line.split_once(" Response ") {
                let asked = format!("{name} POST");
                prop_assert!(seen[..at].iter().any(|line| line.starts_with(&asked)), "{}", line);
            }
        }
    }
}
