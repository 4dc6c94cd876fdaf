//! Whose turn it is: requests that carry one value, a session say, come to an output in the order in which production had them.
//!
//! A client that waited for production's answer before it asked on, on another connection, meant the two in that order. The
//! output may have yet to answer the first: it waits for that. Requests of one connection keep their order without this, and
//! what production had at the same time has none.

use std::collections::{BTreeMap, HashMap};

use crate::key::Key;

/// Most values of one request that are looked at: a session, a token, and ids of a few records.
pub(crate) const MAX_CARRIED: usize = 8;

/// A request in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// Its place among all requests to the output.
    pub number: u64,
    /// Its connection.
    pub connection: u64,
}

/// Values that a request carries, by their keys.
pub type Carried = Vec<Key>;

/// Requests that production has answered and the output has not, by each value that they carry.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: u64,
    unanswered: HashMap<Key, BTreeMap<u64, u64>>,
}

impl Turns {
    /// The next request's, on this connection.
    pub fn next(&mut self, connection: u64) -> Turn {
        self.last += 1;
        Turn {
            number: self.last,
            connection,
        }
    }

    /// Production has answered a request, and the output has not.
    pub fn begin(&mut self, turn: Turn, carried: &[Key]) {
        for key in carried {
            let of_key = self.unanswered.entry(*key).or_default();
            of_key.insert(turn.number, turn.connection);
        }
    }

    /// The output has answered it, or will not.
    pub fn end(&mut self, turn: Turn, carried: &[Key]) {
        for key in carried {
            if let Some(of_key) = self.unanswered.get_mut(key) {
                of_key.remove(&turn.number);
                if of_key.is_empty() {
                    self.unanswered.remove(key);
                }
            }
        }
    }

    /// Whether an earlier request on another connection, with one of these values, is unanswered.
    pub fn is_behind(&self, turn: Turn, carried: &[Key]) -> bool {
        let earlier = |key: &Key| {
            let of_key = self.unanswered.get(key)?;
            let mut earlier = of_key.range(..turn.number);
            earlier.find(|(_, connection)| **connection != turn.connection)
        };
        carried.iter().any(|key| earlier(key).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_once_the_output_has_answered_what_came_before() {
        let mut turns = Turns::default();
        let (first, other, next) = (turns.next(1), turns.next(2), turns.next(3));
        assert!(!turns.is_behind(next, &[7]));
        turns.begin(first, &[7, 8]);
        assert!(turns.is_behind(next, &[7]) && turns.is_behind(other, &[9, 8]));
        assert!(!turns.is_behind(next, &[9]));
        turns.end(first, &[7, 8]);
        assert!(!turns.is_behind(next, &[7, 8]));
        assert!(turns.unanswered.is_empty());
    }

    #[test]
    fn nobody_waits_for_its_own_connection_or_for_what_came_later() {
        let mut turns = Turns::default();
        let (first, next, later) = (turns.next(1), turns.next(1), turns.next(2));
        turns.begin(first, &[7]);
        turns.begin(later, &[7]);
        assert!(!turns.is_behind(first, &[7]) && !turns.is_behind(next, &[7]));
        assert!(turns.is_behind(later, &[7]));
    }
}
