//! When to give up what nobody acknowledges. What is between two agents may take all that is sent and let nothing come back:
//! a connection on which nothing is heard is opened again, and what has waited on several of them in a row is dropped, so that
//! nothing is in flight for ever.

use std::collections::VecDeque;

/// Silent connections in a row that a record waits on.
pub(super) const TRIES: usize = 3;

/// The silent connections of a lane since it last heard anything.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// Of each of the latest: the highest sequence that waited on it.
    waited: VecDeque<u64>,
}

impl Silence {
    /// Something was heard.
    pub(super) fn broken(&mut self) {
        self.waited.clear();
    }

    /// Another connection was silent, on which everything up to this sequence waited. Gives the sequence up to which all has
    /// waited for long enough.
    pub(super) fn another(&mut self, up_to: u64) -> Option<u64> {
        self.waited.push_back(up_to);
        (self.waited.len() >= TRIES)
            .then(|| self.waited.pop_front())
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_on_three_silent_connections_in_a_row_is_given_up() {
        let mut silence = Silence::default();
        let given_up = [5, 7, 7, 9, 9].map(|up_to| silence.another(up_to));
        assert_eq!(given_up, [None, None, Some(5), Some(7), Some(7)]);
        silence.broken();
        let given_up = [9, 9, 9].map(|up_to| silence.another(up_to));
        assert_eq!(given_up, [None, None, Some(9)]);
    }
}
