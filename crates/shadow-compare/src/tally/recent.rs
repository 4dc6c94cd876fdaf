//! The endpoints of what was asked for lately: what is asked for again and again is looked for once.
//!
//! They hold until endpoints become one: whoever asks says how often that was. Only requests that production served are here,
//! as where others belong changes with what is learned.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crate::routes::EndpointId;

/// Requests that are remembered: one for each place that a hash may give.
const REMEMBERED: usize = 256;

/// An endpoint, and the name that a request of it has by itself, where that is another.
pub(super) type Found = (EndpointId, Option<Arc<str>>);

/// Endpoints by method and target.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Keyed, or strangers could have one target taken for another.
    hasher: RandomState,
    /// Each at the place that the hash of its method and target says, with that hash.
    known: Vec<Option<(u64, Found)>>,
    /// How often endpoints had become one when these were found.
    merges: u64,
}

impl Recent {
    /// The endpoint of this, where it is known; else the key by which it is [remembered](Self::remember).
    pub fn find(&mut self, method: &[u8], target: &[u8], merges: u64) -> Result<Found, u64> {
        if self.merges != merges {
            self.merges = merges;
            self.known.clear();
        }
        let key = self.hasher.hash_one((method, target));
        match self.known.get(place(key)) {
            Some(Some((known, found))) if *known == key => Ok(found.clone()),
            _ => Err(key),
        }
    }

    /// Remembers what was found for the key that came of this. `merges`: how often endpoints have become one, that included.
    pub fn remember(&mut self, key: u64, found: &Found, merges: u64) {
        if self.merges == merges {
            self.known.resize(REMEMBERED, None);
            self.known[place(key)] = Some((key, found.clone()));
        }
    }
}

fn place(key: u64) -> usize {
    key as usize % REMEMBERED
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Routes;

    #[test]
    fn what_was_found_holds_until_endpoints_become_one() {
        let (mut recent, mut routes) = (Recent::default(), Routes::new(Vec::new(), 10));
        let found = (routes.endpoint(b"GET", b"/a"), None);
        let key = recent.find(b"GET", b"/a", 3).unwrap_err();
        recent.remember(key, &found, 3);
        assert_eq!(recent.find(b"GET", b"/a", 3), Ok(found.clone()));
        assert!(recent.find(b"GETGET", b"/a", 3).is_err() && recent.find(b"GET", b"/b", 3).is_err());
        let key = recent.find(b"GET", b"/a", 4).unwrap_err();
        recent.remember(key, &found, 5);
        assert!(
            recent.find(b"GET", b"/a", 5).is_err(),
            "it was found before they did"
        );
    }
}
