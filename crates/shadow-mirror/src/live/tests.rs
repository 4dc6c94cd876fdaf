//! Readers of a live call and what they get, however its messages, its end and its readers interleave.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::h2::{CallEnd, Messages};

use super::*;

const MOST: u64 = 100_000;

fn messages(budget: &MemoryBudget, text: &str, time: u64) -> Messages {
    let mut charge = budget.held().charge();
    assert!(charge.try_grow(text.len()));
    Messages {
        data: Bytes::copy_from_slice(text.as_bytes()),
        time: Timestamp(time),
        charge,
    }
}

fn next(reader: &LiveReader) -> String {
    match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => "pending".to_owned(),
        Poll::Ready(Next::Messages(messages)) => {
            format!(
                "{} at {}",
                String::from_utf8_lossy(&messages.data),
                messages.time.0
            )
        }
        Poll::Ready(Next::HalfClosed(time)) => format!("half-closed at {}", time.0),
        Poll::Ready(Next::Nothing) => "nothing".to_owned(),
        Poll::Ready(Next::Lost(reason)) => reason.name(),
    }
}

fn lost(reader: &LiveReader) -> Poll<DropReason> {
    reader.poll_lost(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn each_reader_gets_all_messages_and_the_end_at_its_own_pace() {
    let budget = MemoryBudget::new(1 << 20);
    let live = Live::new(Timestamp(1), MOST);
    let (first, second) = (live.reader(), live.reader());
    assert_eq!(next(&first), "pending");
    live.push(messages(&budget, "a", 2));
    live.push(messages(&budget, "b", 3));
    live.ended(CallEnd::HalfClosed(Timestamp(4)));
    for _ in 0..2 {
        let got: Vec<String> = (0..4).map(|_| next(&first)).collect();
        assert_eq!(got, ["a at 2", "b at 3", "half-closed at 4", "half-closed at 4"]);
        assert!(first.rewind(), "small calls can be sent again");
    }
    assert_eq!(next(&second), "a at 2");
    assert!(!live.is_over());
    live.answered();
    assert!(live.is_over());
}

#[test]
fn a_call_beyond_its_bytes_ends_behind_the_last_message_within() {
    let budget = MemoryBudget::new(1 << 20);
    let live = Live::new(Timestamp(1), 10);
    let reader = live.reader();
    for text in ["12345", "6789", "ab", "c"] {
        live.push(messages(&budget, text, 2));
    }
    let got: Vec<String> = (0..3).map(|_| next(&reader)).collect();
    assert_eq!(got, ["12345 at 2", "6789 at 2", "grpc_stream_limit"]);
    assert_eq!(reader.lost(), Some(DropReason::GrpcStreamLimit));
}

#[test]
fn a_loss_is_told_once_all_messages_before_it_are_taken() {
    let budget = MemoryBudget::new(1 << 20);
    let live = Live::new(Timestamp(1), MOST);
    let reader = live.reader();
    live.push(messages(&budget, "a", 2));
    live.lost(DropReason::H2Gap);
    live.push(messages(&budget, "never", 3));
    live.answered();
    assert_eq!(lost(&reader), Poll::Pending);
    assert_eq!(
        (next(&reader), next(&reader)),
        ("a at 2".to_owned(), "h2_gap".to_owned())
    );
    assert_eq!(lost(&reader), Poll::Ready(DropReason::H2Gap));
}

#[test]
fn a_call_that_was_whole_early_tells_only_what_becomes_of_it() {
    let live = Live::whole(Timestamp(1), Timestamp(2));
    let reader = live.reader();
    assert!(live.is_whole() && !live.is_over());
    assert_eq!(
        (next(&reader), lost(&reader)),
        ("half-closed at 2".to_owned(), Poll::Pending)
    );
    live.lost(DropReason::H2Reset);
    assert_eq!(lost(&reader), Poll::Ready(DropReason::H2Reset));
}

#[test]
fn what_all_have_taken_is_let_go_of_and_a_late_reader_is_told() {
    let budget = MemoryBudget::new(1 << 20);
    let live = Live::new(Timestamp(1), MOST);
    let reader = live.reader();
    let large = "x".repeat(KEPT);
    live.push(messages(&budget, &large, 2));
    live.push(messages(&budget, "b", 3));
    assert_eq!(live.kept(), KEPT + 1);
    next(&reader);
    assert_eq!(live.kept(), 1);
    assert!(!reader.rewind());
    assert_eq!(next(&live.reader()), "queue_full");
    drop(reader);
    assert_eq!((live.kept(), budget.used()), (0, 0));
    live.push(messages(&budget, "nobody's", 4));
    assert_eq!(budget.used(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Read(usize),
    Open,
    Close(usize),
    HalfClose,
    Answer,
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1_usize..9000).prop_map(Step::Push),
        8 => (0_usize..4).prop_map(Step::Read),
        1 => Just(Step::Open),
        1 => (0_usize..4).prop_map(Step::Close),
        1 => Just(Step::HalfClose),
        1 => Just(Step::Answer),
        1 => Just(Step::Lose),
    ]
}

proptest! {
    /// A reader gets a prefix of what was pushed, in order, each message once; one end, which stays; and what is kept is what
    /// is charged, within the bound.
    #[test]
    fn readers_get_messages_in_order_and_one_end(steps in prop::collection::vec(step(), 0..120)) {
        let budget = MemoryBudget::new(1 << 24);
        let live = Live::new(Timestamp(0), 40_000);
        let mut readers = vec![(live.reader(), 0_u64, None)];
        let mut pushed: u64 = 0;
        for step in steps {
            match step {
                Step::Push(size) => {
                    pushed += 1;
                    live.push(messages(&budget, &"x".repeat(size), pushed));
                }
                Step::Open => readers.push((live.reader(), 0, None)),
                Step::Close(at) => {
                    if at < readers.len() {
                        readers.remove(at);
                    }
                }
                Step::Read(at) => {
                    let Some((reader, got, end)) = readers.get_mut(at) else { continue };
                    match reader.poll_next(&mut Context::from_waker(Waker::noop())) {
                        Poll::Pending => prop_assert!(end.is_none()),
                        Poll::Ready(Next::Messages(messages)) => {
                            prop_assert!(end.is_none(), "nothing comes behind the end");
                            *got += 1;
                            prop_assert_eq!(messages.time, Timestamp(*got));
                        }
                        // Behind the end of its request, a call may still be lost.
                        Poll::Ready(Next::Lost(reason)) => *end = Some(reason.name()),
                        Poll::Ready(other) => {
                            let other = format!("{other:?}");
                            prop_assert!(end.as_ref().is_none_or(|end| *end == other));
                            *end = Some(other);
                        }
                    }
                }
                Step::HalfClose => live.ended(CallEnd::HalfClosed(Timestamp(pushed))),
                Step::Answer => live.answered(),
                Step::Lose => live.lost(DropReason::H2Gap),
            }
            prop_assert!(live.kept() <= 40_000);
            prop_assert_eq!(budget.used(), live.kept());
        }
        drop(readers);
        prop_assert_eq!(budget.used(), if live.state.borrow().was_read { 0 } else { live.kept() });
    }
}
