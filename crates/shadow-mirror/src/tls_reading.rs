//! The reader of TLS that a shard's connections share, and those of them that wait for its secrets.

use std::collections::BTreeSet;

use shadow_tcp::{Endpoint, FlowKey};
use shadow_tls::{SecretStore, SessionLimits};

/// Most servers that are remembered; of further ones a missing secret counts as if none were to be expected.
const MAX_SERVED: usize = 1024;

/// The parts that a shard reads TLS with.
pub struct TlsReading {
    pub(super) secrets: SecretStore,
    pub(super) limits: SessionLimits,
    /// The store's generation when it was last looked into.
    seen: u64,
    /// Connections that wait.
    pub(super) waiting: Vec<FlowKey>,
    /// Servers of which a connection was opened: secrets of theirs are to be expected.
    pub(super) served: BTreeSet<Endpoint>,
}

impl TlsReading {
    /// Reading with the secrets in `secrets`, and those that will be there.
    pub fn new(secrets: SecretStore, limits: SessionLimits) -> Self {
        Self {
            secrets,
            limits,
            seen: 0,
            waiting: Vec::new(),
            served: BTreeSet::new(),
        }
    }

    /// A connection of this server was opened.
    pub(super) fn opened_of(&mut self, server: Endpoint) {
        if self.served.len() < MAX_SERVED {
            self.served.insert(server);
        }
    }

    /// How many connections wait for secrets, or have ended since.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether secrets came since they looked.
    pub fn secrets_came(&self) -> bool {
        self.seen != self.secrets.generation()
    }

    /// The connections that wait, which are to look now ([`FlowTable::revisit`](shadow_tcp::FlowTable::revisit)): those that
    /// wait on enter themselves again.
    pub fn look(&mut self) -> Vec<FlowKey> {
        // Before they look: what comes meanwhile is for the next time.
        self.seen = self.secrets.generation();
        std::mem::take(&mut self.waiting)
    }
}
