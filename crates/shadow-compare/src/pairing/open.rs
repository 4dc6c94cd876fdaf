//! A pair that is not whole: what is there of it, and what is still to come.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use shadow_core::time::Timestamp;
use shadow_correlate::{Carried, Same, Turn, Unanswered};
use shadow_http::same_but_for_date;
use shadow_mirror::Exchange;

use crate::correlation::Correlation;
use crate::pair::{Answer, NotCompared};
use crate::races::{Moment, part};

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct Open {
    /// When it was opened, on the caller's clock.
    pub since: Timestamp,
    pub exchange: Rc<Exchange>,
    pub production: Option<Answer>,
    pub shadow: Option<Answer>,
    /// Whether the shadow's is known to be production's, but for its date.
    pub is_same: bool,
    pub control: Extra,
    pub repeat: Extra,
    /// The second request to the shadow, until production has answered: its turn and what it carries.
    pub again: Option<Box<(Turn, Carried)>>,
    /// From then on, until the shadow has: a logout would change the second answer as it would the first.
    pub repeating: Option<Box<Unanswered>>,
    /// Why the shadow gave no answer, where the control may yet fail alike.
    pub failed: Option<NotCompared>,
    /// Whether it changes what others are answered, as far as its method tells; calls of gRPC all have the same.
    pub is_write: bool,
    /// Whether another client's write was under way when it came.
    pub raced: bool,
    /// Bytes of the budget that are taken for it.
    pub bytes: usize,
    /// Whether its client left it, a call of gRPC, so that answers are as much as had come.
    pub left: bool,
}

/// An answer that a pair can do without.
#[derive(Debug)]
pub(super) enum Extra {
    /// It was not asked for, or there was no room for it.
    None,
    Waiting,
    Answered(Box<Answer>),
    /// It will not come.
    Lost(NotCompared),
}

impl Extra {
    pub fn asked(asked: bool) -> Self {
        if asked { Self::Waiting } else { Self::None }
    }

    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Answered(_))
    }

    pub fn into_answer(self) -> Option<Answer> {
        match self {
            Self::Answered(answer) => Some(*answer),
            Self::None | Self::Waiting | Self::Lost(_) => None,
        }
    }
}

impl Open {
    /// Has others wait for the second answer, if production's is there.
    pub fn repeat_begins(&mut self, correlation: Option<&Arc<Correlation>>) {
        if let (Some(_), Extra::Waiting, Some(correlation)) = (&self.production, &self.repeat, correlation)
            && let Some(again) = self.again.take()
        {
            let (turn, carried) = *again;
            let unanswered = Unanswered::new(correlation.shadow(), turn, carried);
            self.repeating = Some(Box::new(unanswered));
        }
    }

    pub fn is_whole(&self) -> bool {
        let rests = |extra: &Extra| !matches!(extra, Extra::Waiting);
        self.production.is_some() && self.shadow.is_some() && rests(&self.control) && rests(&self.repeat)
    }

    /// Puts production's answer in. Where the shadow's has the same body, one has the other's bytes from now on.
    pub fn set_production(&mut self, production: Answer) {
        if let Some(shadow) = &mut self.shadow {
            let same = share(&mut shadow.body, &production.body);
            self.is_same = same && same_but_for_date(&production.head, &shadow.head);
        }
        self.production = Some(production);
    }

    pub fn moment(&self) -> Moment<'_> {
        moment(&self.exchange, self.since)
    }
}

/// As much of production's answer as one with `head` and `body` has: of the same body, one has the other's bytes from now on.
pub(super) fn shared<'p>(production: Option<&'p Answer>, head: &[u8], body: &mut Bytes) -> Same<'p> {
    match production {
        Some(production) if share(body, &production.body) => {
            if same_but_for_date(&production.head, head) {
                Same::Answer
            } else {
                Same::Body {
                    head: &production.head,
                }
            }
        }
        _ => Same::Nothing,
    }
}

/// The moment of a request that was seen then.
pub(super) fn moment(exchange: &Exchange, seen: Timestamp) -> Moment<'_> {
    Moment {
        part: part(exchange.request.target()),
        captured: exchange.request.first_byte,
        seen,
    }
}

/// Whether the two are the same; then one has the other's bytes, and its own go back at once, to where they were taken.
fn share(body: &mut Bytes, other: &Bytes) -> bool {
    let same = *body == *other;
    if same {
        body.clone_from(other);
    }
    same
}
