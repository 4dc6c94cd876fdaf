//! Answers to a call of gRPC that its client left: as much as all who were asked had answered by then, which is compared.
//!
//! Where each of them stood in its stream at that moment is chance, so each answer is cut to the messages that the shortest has. How the
//! call ended is the same for all: its client cancelled it. A shadow that had ended it before, and not in order, has said so
//! itself: that stays.

use bytes::Bytes;
use shadow_grpc::{Begun, Code, Reply};
use shadow_mirror::ledger::DropReason;
use shadow_mirror::{ExchangeResponse, MessageId};

use super::open::{Extra, Open};
use super::{Learning, Pairing, Part};
use crate::pair::{Answer, NotCompared};

/// Why a call is not compared whose client left it before both sides had answered anything.
pub(super) const LEFT: NotCompared = NotCompared::Shadow(DropReason::GrpcStreamLeft);

impl Pairing {
    /// Production's client has left a call of gRPC, of whose answer this much had come.
    pub fn production_left(&mut self, response: &ExchangeResponse<'_>) {
        for exchanges in self.learning.iter_mut().flat_map(Learning::all) {
            exchanges.production_lost(response.id);
        }
        let Some(open) = self.open.get_mut(response.id) else {
            return;
        };
        let bytes = response.head.len() + response.body.len();
        if open.production.is_some() {
            return;
        }
        if !self.share.try_take(bytes) {
            return self.end(response.id, NotCompared::Memory);
        }
        open.bytes += bytes;
        open.left = true;
        open.production = Some(Answer {
            head: response.head.clone(),
            body: response.body.clone(),
            times: None,
        });
        if open.is_whole() {
            self.finish(response.id);
        }
    }

    /// Somebody else's call ended as production's client left, with this much of its answer there.
    pub fn left(&mut self, id: &MessageId, part: Part, head: Bytes, body: Bytes) {
        if let Some(exchanges) = self.learning.as_mut().and_then(|learning| learning.of(part)) {
            exchanges.own_lost(id);
        }
        let Some(open) = self.open.get_mut(id) else {
            return;
        };
        let bytes = head.len() + body.len();
        if !self.share.try_take(bytes) {
            return self.end(id, NotCompared::Memory);
        }
        open.bytes += bytes;
        open.left = true;
        let answer = Answer {
            head,
            body,
            times: None,
        };
        match part {
            Part::Shadow => {
                // If production's answer does not come.
                open.failed = Some(LEFT);
                open.shadow = Some(answer);
            }
            Part::Control => open.control = Extra::Answered(Box::new(answer)),
            Part::Repeat => open.repeat = Extra::None,
        }
        if open.is_whole() {
            self.finish(id);
        }
    }
}

impl Open {
    /// Cuts its answers so. `false` where there is nothing to compare.
    pub(super) fn cut(&mut self) -> bool {
        let (Some(production), Some(shadow)) = (&mut self.production, &mut self.shadow) else {
            return false;
        };
        let control = match &mut self.control {
            Extra::Answered(control) => Some(control.as_mut()),
            _ => None,
        };
        let (Some(begun), failed) = (begun(production), has_failed(shadow)) else {
            return false;
        };
        let of_shadow = self::begun(shadow).filter(|_| !failed);
        // One that has answered nothing is no witness.
        let of_control = control
            .as_deref()
            .and_then(self::begun)
            .filter(|begun| begun.count() > 0);
        let counts = [of_shadow.as_ref(), of_control.as_ref()];
        let shortest = counts.into_iter().flatten().map(Begun::count);
        let count = shortest
            .min()
            .map_or(begun.count(), |shortest| shortest.min(begun.count()));
        let is_there = failed || (of_shadow.is_some() && count > 0);
        cut(production, Some(&begun), count);
        cut(shadow, of_shadow.as_ref(), count);
        if let Some(control) = control {
            cut(control, of_control.as_ref(), count);
        }
        if of_control.is_none() {
            self.control = Extra::None;
        }
        self.is_same = false;
        is_there
    }
}

/// Leaves so many of an answer's messages, if these are known. What it took is when its client left.
fn cut(answer: &mut Answer, begun: Option<&Begun>, count: usize) {
    answer.times = None;
    if let Some(begun) = begun {
        answer.body = Bytes::from(begun.body(count));
    }
}

fn begun(answer: &Answer) -> Option<Begun> {
    Begun::read(&answer.head, &answer.body)
}

/// Whether it ended the call itself, and not because its time was up or its client gone.
fn has_failed(answer: &Answer) -> bool {
    let Some(reply) = Reply::read(&answer.head, &answer.body) else {
        return false;
    };
    reply
        .status
        .is_some_and(|status| !matches!(status.code, Code::Ok | Code::Cancelled | Code::DeadlineExceeded))
}

#[cfg(test)]
#[path = "left_tests.rs"]
mod tests;
