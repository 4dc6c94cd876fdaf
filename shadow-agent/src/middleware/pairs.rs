//! The shadow's answers that wait for production's: a middleware is given the two in that order, as GoReplay's users have
//! written theirs for, although the shadow may be the faster one.
//!
//! An answer waits only where production's is still to come, and not for ever: for [`LONGEST_HOLD`], and within the room
//! that its keeper gives it. It is handed over all the same then. Time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use hashlink::LinkedHashMap;
use tokio::time::Instant;

use crate::mirror::MessageId;

/// How long an answer of the shadow's waits for production's: `GoReplay`'s package for Node.js forgets after as long what a
/// program wants to hear of a request.
pub(super) const LONGEST_HOLD: Duration = Duration::from_secs(10);
/// How long production's answer is waited for at most.
const LONGEST_ANSWER: Duration = Duration::from_mins(1);
/// Most requests that wait for an answer; the oldest are forgotten first.
const MAX_REQUESTS: usize = 65_536;

/// Requests that production has not answered yet, and what waits for that.
pub(super) struct Pairs<T> {
    /// Whether production's answers come here at all.
    expected: bool,
    /// The oldest first.
    unanswered: LinkedHashMap<MessageId, Unanswered<T>>,
    /// Whose answers are held, by the time since when.
    holds: VecDeque<(Instant, MessageId)>,
}

struct Unanswered<T> {
    since: Instant,
    held: Vec<T>,
}

impl<T> Pairs<T> {
    /// `expected`: whether production's answers come, as far as that is known from the start.
    pub fn new(expected: bool) -> Self {
        Self {
            expected,
            unanswered: LinkedHashMap::new(),
            holds: VecDeque::new(),
        }
    }

    /// A request is handed over. What was held for those that are forgotten over it is to be handed over, too.
    pub fn asked(&mut self, id: &MessageId, now: Instant) -> Vec<T> {
        if !self.expected {
            return Vec::new();
        }
        let fresh = || Unanswered {
            since: now,
            held: Vec::new(),
        };
        self.unanswered.entry(id.clone()).or_insert_with(fresh);
        let mut forgotten = Vec::new();
        while self.unanswered.len() > MAX_REQUESTS
            && let Some((_, oldest)) = self.unanswered.pop_front()
        {
            forgotten.extend(oldest.held);
        }
        forgotten
    }

    /// Whether an answer of the shadow's is to wait.
    pub fn is_early(&self, id: &MessageId) -> bool {
        self.unanswered.contains_key(id)
    }

    /// Lets an answer wait that is to.
    pub fn hold(&mut self, id: &MessageId, answer: T, now: Instant) {
        if let Some(unanswered) = self.unanswered.get_mut(id) {
            unanswered.held.push(answer);
            self.holds.push_back((now, id.clone()));
        }
    }

    /// Production's answer was handed over: what waited for it, in its order.
    pub fn answered(&mut self, id: &MessageId) -> Vec<T> {
        // A recording has them, it seems.
        self.expected = true;
        self.lost(id)
    }

    /// It will not come: the same.
    pub fn lost(&mut self, id: &MessageId) -> Vec<T> {
        let unanswered = self.unanswered.remove(id);
        unanswered.map_or_else(Vec::new, |unanswered| unanswered.held)
    }

    /// None of them will come any more: all that waits.
    pub fn ended(&mut self) -> Vec<T> {
        self.expected = false;
        self.given_up()
    }

    /// None of those that were asked for will come, but perhaps others: all that waits.
    pub fn given_up(&mut self) -> Vec<T> {
        self.holds.clear();
        let all = std::mem::take(&mut self.unanswered);
        all.into_iter()
            .flat_map(|(_, unanswered)| unanswered.held)
            .collect()
    }

    /// Removes entries that have waited for too long.
    pub fn expired(&mut self, now: Instant) -> Vec<T> {
        let mut expired = Vec::new();
        while let Some((since, id)) = self.holds.front()
            && now.duration_since(*since) >= LONGEST_HOLD
        {
            if let Some(unanswered) = self.unanswered.get_mut(id) {
                expired.append(&mut unanswered.held);
            }
            self.holds.pop_front();
        }
        while let Some((_, oldest)) = self.unanswered.front()
            && now.duration_since(oldest.since) >= LONGEST_ANSWER
            && let Some((_, oldest)) = self.unanswered.pop_front()
        {
            expired.extend(oldest.held);
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u32) -> MessageId {
        MessageId::given(number.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_answer_waits_for_productions_and_no_other() {
        let now = Instant::now();
        let mut pairs = Pairs::new(true);
        pairs.asked(&id(1), now);
        pairs.asked(&id(2), now);
        assert!(pairs.is_early(&id(1)) && !pairs.is_early(&id(3)));
        pairs.hold(&id(1), "a", now);
        pairs.hold(&id(1), "copy of a", now);
        assert!(pairs.answered(&id(2)).is_empty());
        assert_eq!(pairs.answered(&id(1)), ["a", "copy of a"]);
        assert!(!pairs.is_early(&id(1)), "answered");
    }

    #[test]
    fn none_waits_where_production_will_not_answer() {
        let now = Instant::now();
        let mut pairs = Pairs::new(false);
        pairs.asked(&id(1), now);
        assert!(!pairs.is_early(&id(1)), "none is tracked");
        // A recording that has an answer has others.
        assert!(pairs.answered(&id(1)).is_empty());
        pairs.asked(&id(2), now);
        pairs.hold(&id(2), "b", now);
        assert_eq!(pairs.lost(&id(2)), ["b"]);
        pairs.asked(&id(3), now);
        pairs.hold(&id(3), "c", now);
        assert_eq!(pairs.ended(), ["c"]);
        pairs.asked(&id(4), now);
        assert!(!pairs.is_early(&id(4)), "the source has ended");
    }

    #[test]
    fn none_waits_for_longer_than_ten_seconds() {
        let now = Instant::now();
        let after = |seconds: u64| now + Duration::from_secs(seconds);
        let mut pairs = Pairs::new(true);
        pairs.asked(&id(1), now);
        pairs.hold(&id(1), "a", after(5));
        assert!(pairs.expired(after(14)).is_empty());
        assert_eq!(pairs.expired(after(15)), ["a"]);
        assert!(pairs.is_early(&id(1)), "a second copy may wait, too");
        assert!(pairs.expired(after(60)).is_empty());
        assert!(
            !pairs.is_early(&id(1)),
            "production's answer is not waited for any more"
        );
    }

    #[test]
    fn requests_that_are_never_answered_are_forgotten() {
        let now = Instant::now();
        let mut pairs = Pairs::new(true);
        pairs.asked(&id(0), now);
        pairs.hold(&id(0), "a", now);
        let forgotten: Vec<_> = (1..=70_000)
            .flat_map(|number| pairs.asked(&id(number), now))
            .collect();
        assert_eq!(forgotten, ["a"]);
        assert_eq!(pairs.unanswered.len(), 65_536);
    }

    proptest! {
        /// Each that is held comes out once, whatever happens in which order.
        #[test]
        fn what_is_held_comes_out_once(steps in proptest::collection::vec((0_u8..6, 0_u32..4, 0_u64..20), 0..200)) {
            let mut now = Instant::now();
            let mut pairs = Pairs::new(true);
            let (mut held, mut out) = (Vec::new(), Vec::new());
            for (number, (step, of, later)) in steps.into_iter().enumerate() {
                now += Duration::from_secs(later);
                match step {
                    0 => out.extend(pairs.asked(&id(of), now)),
                    1 if pairs.is_early(&id(of)) => {
                        held.push(number);
                        pairs.hold(&id(of), number, now);
                    }
                    2 => out.extend(pairs.answered(&id(of))),
                    3 => out.extend(pairs.lost(&id(of))),
                    4 => out.extend(pairs.expired(now)),
                    _ => {}
                }
            }
            out.extend(pairs.ended());
            out.sort_unstable();
            prop_assert_eq!(out, held);
        }
    }
}
