//! Sessions: a receiver's memory of those who wait for acknowledgments, so that what they send again is taken once.
//!
//! A message is offered when it was read, and taken when it is counted; between the two it waits. Two connections of one
//! session can be open while the older one has not been noticed to be dead: only the newest may offer.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

/// Counts of one session, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SessionCounts {
    /// Messages taken.
    pub received: u64,
    /// Requests among them.
    pub requests: u64,
    /// Messages that came again and were not taken again.
    pub duplicates: u64,
    /// The sequence up to which all was taken.
    pub last: u64,
}

/// Outcomes of a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is to be taken.
    Take,
    /// It was offered before.
    Duplicate,
    /// Another connection speaks for the session now.
    Stale,
}

/// The sessions of one input.
#[derive(Debug)]
pub struct Sessions {
    by_name: HashMap<Arc<str>, Session>,
    most: usize,
    /// Grows with each use: tells which session was not used for longest.
    uses: u64,
    forgotten: SessionCounts,
    /// How many were forgotten.
    gone: u64,
}

#[derive(Debug, Default)]
struct Session {
    counts: SessionCounts,
    offered: u64,
    /// The connection that speaks for it.
    connection: Option<u64>,
    used: u64,
}

impl Sessions {
    /// Remembers `most` sessions.
    pub fn new(most: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            most,
            uses: 0,
            forgotten: SessionCounts::default(),
            gone: 0,
        }
    }

    /// Connection `connection` (a number of its own for each) speaks for a session from now on: the sequence up to which
    /// all was taken. `None` where there is no room for another session.
    pub fn hello(&mut self, name: &Arc<str>, connection: u64) -> Option<u64> {
        self.uses += 1;
        if !self.by_name.contains_key(name) && self.by_name.len() >= self.most {
            self.forget_one()?;
        }
        let session = self.by_name.entry(Arc::clone(name)).or_default();
        session.connection = Some(connection);
        session.used = self.uses;
        Some(session.counts.last)
    }

    /// A connection has read a message.
    pub fn offer(&mut self, name: &str, connection: u64, sequence: u64) -> Offer {
        let Some(session) = self.of(name, connection) else {
            return Offer::Stale;
        };
        if sequence <= session.offered {
            session.counts.duplicates += 1;
            return Offer::Duplicate;
        }
        session.offered = sequence;
        Offer::Take
    }

    /// A message that was offered was taken.
    pub fn taken(&mut self, name: &str, sequence: u64, is_request: bool) {
        if let Some(session) = self.by_name.get_mut(name) {
            session.counts.received += 1;
            session.counts.requests += u64::from(is_request);
            session.counts.last = session.counts.last.max(sequence);
        }
    }

    /// The sequence up to which all was taken; `None` where the connection does not speak for the session any more.
    pub fn last(&mut self, name: &str, connection: u64) -> Option<u64> {
        self.of(name, connection).map(|session| session.counts.last)
    }

    /// Whether something of a session was offered and is not taken.
    pub fn waits(&self, name: &str) -> bool {
        let session = self.by_name.get(name);
        session.is_some_and(|session| session.offered > session.counts.last)
    }

    /// A connection ended.
    pub fn closed(&mut self, name: &str, connection: u64) {
        if let Some(session) = self.of(name, connection) {
            session.connection = None;
        }
    }

    /// Counts by session.
    pub fn counts(&self) -> impl Iterator<Item = (&str, SessionCounts)> {
        self.by_name
            .iter()
            .map(|(name, session)| (&**name, session.counts))
    }

    /// Number of forgotten sessions, and their counts together.
    pub fn forgotten(&self) -> (u64, SessionCounts) {
        (self.gone, self.forgotten)
    }

    fn of(&mut self, name: &str, connection: u64) -> Option<&mut Session> {
        let session = self.by_name.get_mut(name)?;
        (session.connection == Some(connection)).then_some(session)
    }

    /// Forgets the session that was not used for longest, has no connection, and nothing of which waits.
    fn forget_one(&mut self) -> Option<()> {
        let idle = self
            .by_name
            .iter()
            .filter(|(_, session)| session.connection.is_none() && session.offered == session.counts.last);
        let (name, _) = idle.min_by_key(|(_, session)| session.used)?;
        let name = Arc::clone(name);
        let counts = self.by_name.remove(&name)?.counts;
        self.gone += 1;
        self.forgotten.received += counts.received;
        self.forgotten.requests += counts.requests;
        self.forgotten.duplicates += counts.duplicates;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_taken_once() {
        let mut sessions = Sessions::new(2);
        let name: Arc<str> = "a".into();
        assert_eq!(sessions.hello(&name, 1), Some(0));
        assert_eq!(sessions.offer("a", 1, 1), Offer::Take);
        assert_eq!(sessions.offer("a", 1, 2), Offer::Take);
        sessions.taken("a", 1, true);
        assert_eq!(sessions.last("a", 1), Some(1));
        assert_eq!(sessions.hello(&name, 2), Some(1), "the second waits still");
        assert_eq!(sessions.offer("a", 1, 3), Offer::Stale, "the old connection");
        assert_eq!(sessions.last("a", 1), None);
        assert_eq!(sessions.offer("a", 2, 2), Offer::Duplicate);
        sessions.taken("a", 2, false);
        assert_eq!(sessions.last("a", 2), Some(2));
        let expected = SessionCounts {
            received: 2,
            requests: 1,
            duplicates: 1,
            last: 2,
        };
        assert_eq!(sessions.counts().collect::<Vec<_>>(), [("a", expected)]);
    }

    #[test]
    fn sessions_that_are_in_use_are_not_forgotten() {
        let mut sessions = Sessions::new(2);
        let [a, b, c] = ["a", "b", "c"].map(Arc::from);
        sessions.hello(&a, 1);
        sessions.hello(&b, 2);
        assert_eq!(sessions.hello(&c, 3), None, "both are connected");
        sessions.offer("b", 2, 1);
        sessions.closed("b", 2);
        assert_eq!(sessions.hello(&c, 3), None, "one has something that waits");
        sessions.taken("b", 1, true);
        assert_eq!(sessions.hello(&c, 3), Some(0));
        let (number, counts) = sessions.forgotten();
        assert_eq!((number, counts.received, counts.requests), (1, 1, 1));
    }
}
