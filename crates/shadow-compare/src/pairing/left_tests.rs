//! Calls that their clients left, as pairs: the messages that all have are compared, and each call ends once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_mirror::ledger::DropReason;
use shadow_mirror::testing::exchange;
use shadow_mirror::{ExchangeResponse, MessageId, MessageKind};

use super::super::{Extras, Pairing, Part};
use crate::intake::{Finished, Intake};
use crate::pair::{Answer, NotCompared, Times};

const CALL: &[u8] = b"POST /chat.Chat/Watch HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n\r\n";
const HEAD: &str = "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";
const CONTROL: Extras = Extras {
    control: true,
    repeat: false,
};

/// The body of an answer with these messages, each of one letter, which has not ended.
fn body(messages: &str) -> Bytes {
    let chunk = |letter: char| format!("6\r\n\0\0\0\0\u{1}{letter}\r\n");
    messages.chars().map(chunk).collect::<String>().into()
}

/// The letters of an answer's messages, and how it ended.
fn text(answer: &Answer) -> String {
    let body = String::from_utf8_lossy(&answer.body);
    let (data, trailers) = body.split_once("0\r\ngrpc-status: ").unwrap();
    let letters: String = data
        .split('\u{1}')
        .skip(1)
        .filter_map(|rest| rest.chars().next())
        .collect();
    format!("{letters} {}", trailers.split("\r\n").next().unwrap())
}

struct Rig {
    pairing: Pairing,
    intake: Arc<Intake>,
    id: MessageId,
}

impl Rig {
    fn new(asked: Extras) -> Self {
        let intake = Arc::new(Intake::new(MemoryBudget::new(1 << 20)).keeping(true));
        let mut pairing = Pairing::new(Arc::clone(&intake), Duration::from_mins(1), 1 << 20, 0);
        let call = exchange(1, CALL);
        assert!(pairing.open(&call, asked, Timestamp(0)));
        let id = call.id.clone();
        Self { pairing, intake, id }
    }

    fn production(&mut self, messages: &str) {
        self.pairing.production_left(&ExchangeResponse {
            id: &self.id,
            kind: MessageKind::Response,
            head: &HEAD.into(),
            body: &body(messages),
            began: Timestamp(1),
            first_byte: Timestamp(1),
            last_byte: Timestamp(2),
        });
    }

    /// As an output has it: what had come, and then that there is no more.
    fn left(&mut self, part: Part, messages: &str) {
        self.pairing.left(&self.id, part, HEAD.into(), body(messages));
        self.lost(part);
    }

    fn lost(&mut self, part: Part) {
        let why = NotCompared::Shadow(DropReason::GrpcStreamLeft);
        self.pairing.lost(&self.id, part, why);
    }

    /// What became of it, once.
    fn ended(self) -> String {
        let mut taken = VecDeque::new();
        self.intake.take(&mut taken);
        assert!(self.pairing.is_empty() && taken.len() == 1, "{taken:?}");
        let ended = match taken.pop_front().unwrap() {
            Finished::Pair(pair, charge) => {
                assert_eq!((pair.production.times, pair.shadow.times), (None, None));
                drop(charge);
                let control = pair.control.as_ref().map(text);
                let control = control.map(|text| format!(", {text}")).unwrap_or_default();
                format!("{}, {}{control}", text(&pair.production), text(&pair.shadow))
            }
            Finished::Not(unpaired) => unpaired.why.name(),
            Finished::Equal(_) => "equal".to_owned(),
        };
        assert_eq!(self.intake.budget().used(), 0);
        ended
    }
}

#[test]
fn answers_are_compared_as_far_as_both_had_come() {
    for (production, shadow, expected) in [
        ("abc", "ab", "ab 1, ab 1"),
        ("a", "abc", "a 1, a 1"),
        ("ab", "xy", "ab 1, xy 1"),
        ("abc", "", "grpc_stream_left"),
        ("", "abc", "grpc_stream_left"),
    ] {
        for production_first in [true, false] {
            let mut rig = Rig::new(Extras::default());
            if production_first {
                rig.production(production);
                rig.left(Part::Shadow, shadow);
            } else {
                rig.left(Part::Shadow, shadow);
                rig.production(production);
            }
            assert_eq!(rig.ended(), expected, "{production} {shadow}");
        }
    }
}

#[test]
fn a_control_is_cut_alike_and_none_that_had_answered_nothing() {
    for (control, expected) in [
        ("abc", "ab 1, ab 1, ab 1"),
        ("a", "a 1, a 1, a 1"),
        ("", "ab 1, ab 1"),
    ] {
        let mut rig = Rig::new(CONTROL);
        rig.production("abcd");
        rig.left(Part::Shadow, "ab");
        rig.left(Part::Control, control);
        assert_eq!(rig.ended(), expected, "{control}");
    }
    let mut rig = Rig::new(CONTROL);
    rig.production("abcd");
    rig.left(Part::Shadow, "ab");
    rig.lost(Part::Control);
    assert_eq!(rig.ended(), "ab 1, ab 1", "nor one of which nothing came");
}

#[test]
fn without_one_of_the_answers_a_call_that_was_left_is_counted_as_that() {
    let mut rig = Rig::new(Extras::default());
    rig.production("abc");
    rig.lost(Part::Shadow);
    assert_eq!(rig.ended(), "grpc_stream_left");
    let mut rig = Rig::new(Extras::default());
    rig.left(Part::Shadow, "abc");
    rig.pairing
        .production_lost(&rig.id, NotCompared::ProductionClosed);
    assert_eq!(rig.ended(), "grpc_stream_left");
    let mut rig = Rig::new(Extras::default());
    rig.left(Part::Shadow, "abc");
    rig.pairing.expire(Timestamp(61_000_000_000));
    assert_eq!(rig.ended(), "grpc_stream_left");
}

#[test]
fn a_shadow_that_ended_the_call_itself_has_said_how() {
    for (status, expected) in [
        ("12", "ab 1, a 12"),
        ("14", "ab 1, a 14"),
        // In order, or since its time was up or its client gone: as far as it came.
        ("0", "a 1, a 1"),
        ("1", "a 1, a 1"),
        ("4", "a 1, a 1"),
    ] {
        let mut rig = Rig::new(Extras::default());
        let trailers = format!("0\r\ngrpc-status: {status}\r\n\r\n");
        let whole = [&body("a")[..], trailers.as_bytes()].concat();
        let times = Times {
            first: Duration::from_millis(1),
            last: Duration::from_millis(2),
        };
        rig.pairing
            .answered(&rig.id, Part::Shadow, HEAD.into(), whole.into(), times);
        rig.production("ab");
        assert_eq!(rig.ended(), expected, "{status}");
    }
}
