//! Whose turn it is: requests that carry one value, a session say, come to an output in the order in which production had them.
//!
//! A client that waited for production's answer before it asked on, on another connection, meant the two in that order. The
//! output may have yet to answer the first: it waits for that. Requests of one connection keep their order without this, and
//! what production had at the same time has none.
//!
//! Connections are read side by side, and a thread may be kept off the processor. So a request is looked at once everything that
//! was captured before it has been read, and requests before it have been looked at; until then it is arriving.

use std::collections::{BTreeSet, HashMap};

use shadow_core::time::Timestamp;

use crate::key::Key;

/// Most values of one request that are looked at: a session, a token, and ids of a few records.
pub(crate) const MAX_CARRIED: usize = 8;

/// A request in its turn: in order of capture, whichever shard tells of it first. Two that wait for each other would be no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// When its first byte was captured.
    pub at: Timestamp,
    /// Its place among all requests to the output, as shards told of them.
    pub number: u64,
    /// Its connection, by a number that no shard gives to another.
    pub connection: u64,
}

/// Values that a request carries, by their keys.
pub type Carried = Vec<Key>;

/// Requests that production has answered and the output has not, by each value that they carry.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: u64,
    /// Those of which nobody knows yet what they carry.
    arriving: BTreeSet<Turn>,
    unanswered: HashMap<Key, BTreeSet<Turn>>,
}

impl Turns {
    /// The turn of a request whose first byte came at `at` on this connection.
    pub fn next(&mut self, connection: u64, at: Timestamp) -> Turn {
        self.last += 1;
        Turn {
            at,
            number: self.last,
            connection,
        }
    }

    /// The values that it carries are looked up later.
    pub fn arrives(&mut self, turn: Turn) {
        self.arriving.insert(turn);
    }

    /// The values that it carries are known, or it is gone.
    pub fn has_arrived(&mut self, turn: Turn) {
        self.arriving.remove(&turn);
    }

    /// Whether none before it is arriving.
    pub fn is_next(&self, turn: Turn) -> bool {
        self.arriving.first().is_none_or(|first| *first >= turn)
    }

    /// Production has answered a request, and the output has not.
    pub fn begin(&mut self, turn: Turn, carried: &[Key]) {
        for key in carried {
            self.unanswered.entry(*key).or_default().insert(turn);
        }
    }

    /// The output has answered it, or will not.
    pub fn end(&mut self, turn: Turn, carried: &[Key]) {
        for key in carried {
            if let Some(of_key) = self.unanswered.get_mut(key) {
                of_key.remove(&turn);
                if of_key.is_empty() {
                    self.unanswered.remove(key);
                }
            }
        }
    }

    /// The first request before this turn, on another connection and with one of these values, that is unanswered.
    pub fn before(&self, turn: Turn, carried: &[Key]) -> Option<Turn> {
        let earlier = |key: &Key| {
            let of_key = self.unanswered.get(key)?;
            let mut earlier = of_key.range(..turn);
            earlier.find(|earlier| earlier.connection != turn.connection)
        };
        carried.iter().filter_map(earlier).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_once_the_output_has_answered_what_came_before() {
        let mut turns = Turns::default();
        let mut next = |connection| turns.next(connection, Timestamp(connection));
        let (first, other, next) = (next(1), next(2), next(3));
        assert!(turns.before(next, &[7]).is_none());
        turns.begin(first, &[7, 8]);
        assert!(turns.before(next, &[7]).is_some() && turns.before(other, &[9, 8]).is_some());
        assert!(turns.before(next, &[9]).is_none());
        turns.end(first, &[7, 8]);
        assert!(turns.before(next, &[7, 8]).is_none());
        assert!(turns.unanswered.is_empty());
    }

    #[test]
    fn nobody_waits_for_its_own_connection_or_for_what_came_later() {
        let mut turns = Turns::default();
        let mut next = |connection, at| turns.next(connection, Timestamp(at));
        let (first, next, later) = (next(1, 1), next(1, 2), next(2, 3));
        turns.begin(first, &[7]);
        turns.begin(later, &[7]);
        assert!(turns.before(first, &[7]).is_none() && turns.before(next, &[7]).is_none());
        assert!(turns.before(later, &[7]).is_some());
    }

    #[test]
    fn a_request_is_looked_at_after_those_that_came_before_it() {
        let mut turns = Turns::default();
        let (page, logout) = (turns.next(1, Timestamp(10)), turns.next(2, Timestamp(20)));
        turns.arrives(logout);
        assert!(turns.is_next(logout) && turns.is_next(page));
        turns.arrives(page);
        assert!(turns.is_next(page) && !turns.is_next(logout));
        turns.has_arrived(page);
        assert!(turns.is_next(logout));
        turns.has_arrived(logout);
        assert!(turns.arriving.is_empty());
    }

    #[test]
    fn order_is_that_of_capture_whichever_shard_is_first() {
        let mut turns = Turns::default();
        // The shard of the second connection was busy: it tells of the login after the first page behind it.
        let page = turns.next(1, Timestamp(20));
        let login = turns.next(2, Timestamp(10));
        turns.begin(page, &[7]);
        turns.begin(login, &[7]);
        assert!(turns.before(page, &[7]).is_some());
        assert!(
            turns.before(login, &[7]).is_none(),
            "each would wait for the other"
        );
    }
}
