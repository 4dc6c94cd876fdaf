//! Whether paths look alike, without learning any: for who must know before an answer is there.

use std::hash::{BuildHasher, Hasher, RandomState};

use super::path::Path;
use super::shape::{numbered, shape};

/// Requests whose looks are remembered: what is asked for again and again is looked at once.
const REMEMBERED: usize = 256;

/// Tells requests apart by method and path, but for ids by their looks and for numbers.
#[derive(Debug, Default)]
pub struct Likeness {
    path: Path,
    hasher: RandomState,
    /// Hashes of method and target, each with the number of its looks, at the place that the hash says.
    remembered: Vec<(u64, u64)>,
}

impl Likeness {
    /// A number that is the same for requests that look alike.
    pub fn of(&mut self, method: &[u8], target: &[u8]) -> u64 {
        let exact = self.hasher.hash_one((method, target));
        let at = exact as usize % REMEMBERED;
        if let Some((known, looks)) = self.remembered.get(at)
            && *known == exact
        {
            return *looks;
        }
        let looks = self.looks(method, target);
        self.remembered.resize(REMEMBERED, (0, 0));
        self.remembered[at] = (exact, looks);
        looks
    }

    fn looks(&mut self, method: &[u8], target: &[u8]) -> u64 {
        self.path.read(target);
        let mut hasher = self.hasher.build_hasher();
        hasher.write(method);
        for segment in self.path.segments() {
            hasher.write_u8(b'/');
            if let Some((class, extension)) = shape(segment) {
                hasher.write(class.as_bytes());
                hasher.write(extension.as_bytes());
            } else if let Some(numbered) = numbered(segment) {
                hasher.write(numbered.as_bytes());
            } else {
                hasher.write(segment.as_bytes());
            }
        }
        hasher.finish()
    }
}
