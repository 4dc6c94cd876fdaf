//! A finished test: its servers and agent once all have ended.

use crate::{AccessLog, Ledger};

/// The record of a scene that has ended.
pub struct Finished {
    /// Requests that production served.
    pub production: AccessLog,
    /// Requests that the shadow got.
    pub shadow: AccessLog,
    /// The agent's account of it.
    pub ledger: Ledger,
}

impl Finished {
    /// Checks that production got `requests`, the shadow the very same, and the ledger says so.
    pub fn assert_mirrored(&self, requests: u64) {
        assert_eq!(self.production.len() as u64, requests, "{}", self.ledger);
        self.ledger.assert_all_delivered(requests);
        self.production.assert_same_requests(&self.shadow);
    }
}
