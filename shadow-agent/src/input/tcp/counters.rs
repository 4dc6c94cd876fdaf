//! Counters of an input of this kind, as the ledger shows it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::connection::Ending;
use crate::relay::sessions::Sessions;

/// Counters of an `--input-tcp`.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Messages taken.
    pub messages: u64,
    /// Messages that were whole and not taken when the input ended, and whose sender waits for no acknowledgment.
    pub not_taken: u64,
    closed: BTreeMap<Ending, u64>,
}

impl Counters {
    pub(super) fn closed(&mut self, ending: Ending) {
        *self.closed.entry(ending).or_default() += 1;
    }

    /// All of it. Sessions are there where somebody waits for acknowledgments.
    pub(super) fn report(&self, sessions: &Sessions) -> Value {
        let by_session: BTreeMap<_, _> = sessions.counts().collect();
        let mut report = json!({
            "connections": self.connections,
            "open": self.open,
            "messages": self.messages,
            "not_taken": self.not_taken,
            "closed": self.closed,
        });
        if !by_session.is_empty() {
            report["sessions"] = json!(by_session);
        }
        let (number, counts) = sessions.forgotten();
        if number > 0 {
            report["forgotten_sessions"] = json!({
                "sessions": number,
                "received": counts.received,
                "requests": counts.requests,
                "duplicates": counts.duplicates,
            });
        }
        report
    }
}
