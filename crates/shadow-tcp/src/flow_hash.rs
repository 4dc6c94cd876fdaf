//! The hash of the tables of connections, which are asked for each packet. It is keyed, as addresses are chosen by strangers, and
//! the key is as random as that of std's own, which takes five times as long.
//!
//! It resists who does not know the key, and nobody can learn it: nothing that strangers see depends on how long a look took.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, SeedableRandomState};

/// Makes the hashers of one table.
#[derive(Clone, Debug)]
pub(super) struct FlowHash(SeedableRandomState);

impl Default for FlowHash {
    /// With a key of its own.
    fn default() -> Self {
        static SHARED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random()));
        Self(SeedableRandomState::with_seed(random(), &SHARED))
    }
}

impl BuildHasher for FlowHash {
    type Hasher = FoldHasher<'static>;

    #[inline]
    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// A number of the operating system's randomness.
fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::{Endpoint, FlowKey};

    fn key(port: u16) -> FlowKey {
        let endpoint = |port| Endpoint::from(std::net::SocketAddr::from(([10, 0, 0, 1], port)));
        FlowKey {
            client: endpoint(port),
            server: endpoint(80),
            scope: 0,
        }
    }

    #[test]
    fn each_table_has_a_key_of_its_own() {
        let (one, other) = (FlowHash::default(), FlowHash::default());
        assert_eq!(one.hash_one(key(1)), one.clone().hash_one(key(1)));
        assert_ne!(one.hash_one(key(1)), other.hash_one(key(1)));
    }

    #[test]
    fn connections_of_one_client_are_spread() {
        let hash = FlowHash::default();
        let mut places = vec![0; 1 << 10];
        for port in 0..1 << 14 {
            places[hash.hash_one(key(port)) as usize % (1 << 10)] += 1;
        }
        assert!(
            places.iter().all(|connections| *connections < 64),
            "16 on average"
        );
    }
}
