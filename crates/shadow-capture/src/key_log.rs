//! Lines of an NSS key log on their way into the store of secrets.

use shadow_core::time::monotonic_now;
use shadow_tls::{KeyLog, KeyLogCounts, SecretStore};

/// Reads one key log into a store.
#[derive(Debug)]
pub struct KeyLogReader {
    log: KeyLog,
    store: SecretStore,
}

impl KeyLogReader {
    /// One of which nothing was read so far.
    pub fn new(store: SecretStore) -> Self {
        Self {
            log: KeyLog::default(),
            store,
        }
    }

    /// Takes the next bytes.
    pub fn read(&mut self, bytes: &[u8]) {
        let now = monotonic_now();
        self.log.push(bytes, |secret| self.store.insert(secret, now));
    }

    /// The log has ended: its last line may lack its line feed.
    pub fn end(&mut self) {
        let now = monotonic_now();
        self.log.end(|secret| self.store.insert(secret, now));
    }

    /// Counts of the lines.
    pub fn counts(&self) -> KeyLogCounts {
        self.log.counts()
    }
}
