//! The secrets that were taken, shared by whoever takes them and all shards that need them. Bounded in number and age.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shadow_core::time::Timestamp;

use super::limits::StoreLimits;
use super::secret::{Handshake, Label, Secret, SecretBytes};

/// Secrets that were taken. A clone shares them.
#[derive(Clone)]
pub struct SecretStore {
    shared: Arc<Shared>,
}

struct Shared {
    limits: StoreLimits,
    /// Grows with each secret, so that who waits for one asks only when there is something new.
    generation: AtomicU64,
    kept: Mutex<Kept>,
}

/// New secrets that are compared with a handshake, rather than that its own are looked up.
const MAX_LOOKED_AT: usize = 256;

/// A key of the map: a label and whose handshake it is of, never [`Handshake::Unknown`].
type Key = (Label, Handshake);

#[derive(Default)]
struct Kept {
    /// Number of the last one.
    last: u64,
    /// Those whose handshake is known, each with its number.
    known: HashMap<Key, (u64, SecretBytes)>,
    /// Those whose handshake is not known, by number.
    unknown: VecDeque<Candidate>,
    /// When which of the known came, by number; some were replaced since.
    order: VecDeque<(u64, Timestamp, Key)>,
    /// Counts.
    counts: StoreCounts,
}

/// A secret of an unknown handshake.
struct Candidate {
    number: u64,
    time: Timestamp,
    label: Label,
    bytes: SecretBytes,
}

/// Counts of secrets in a store, by their fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Secrets that were put in.
    pub inserted: u64,
    /// Those that had to go before their age, for want of room.
    pub evicted: u64,
    /// Those that are kept.
    pub kept: u64,
}

impl SecretStore {
    /// An empty store.
    pub fn new(limits: StoreLimits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                generation: AtomicU64::new(0),
                kept: Mutex::default(),
            }),
        }
    }

    /// Keeps `secret`, which came `now`. One with the same label, of the same handshake, is replaced.
    pub fn insert(&self, secret: Secret, now: Timestamp) {
        let mut kept = self.lock();
        kept.expire(&self.shared.limits, now);
        kept.counts.inserted += 1;
        let number = kept.next_number();
        let Secret { label, of, bytes } = secret;
        match of {
            Handshake::Unknown => kept.unknown.push_back(Candidate {
                number,
                time: now,
                label,
                bytes,
            }),
            of => kept.insert_known((label, of), number, now, bytes),
        }
        kept.evict(self.shared.limits.max_secrets);
        self.shared.generation.store(number, Ordering::Release);
    }

    /// Forgets, and wipes, what is too old. Each [`insert`](Self::insert) does the same.
    pub fn expire(&self, now: Timestamp) {
        self.lock().expire(&self.shared.limits, now);
    }

    /// Grows with each secret: when it is what it was, nothing new can be found.
    pub fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Counts.
    pub fn counts(&self) -> StoreCounts {
        let kept = self.lock();
        StoreCounts {
            kept: kept.len() as u64,
            ..kept.counts
        }
    }

    /// The secret with this label of this handshake.
    pub(crate) fn find(&self, label: Label, of: Handshake) -> Option<SecretBytes> {
        let kept = self.lock();
        kept.known.get(&(label, of)).map(|(_, bytes)| bytes.clone())
    }

    /// At most `most` secrets with this label, of unknown handshakes, numbered behind `after` and taken no earlier than
    /// `since`: the oldest first. When there are none, none up to the number that stands beside them are.
    pub(crate) fn candidates(
        &self,
        label: Label,
        after: u64,
        since: Timestamp,
        most: usize,
    ) -> (Vec<(u64, SecretBytes)>, u64) {
        let kept = self.lock();
        let behind = kept.unknown.partition_point(|held| held.number <= after);
        let recent = kept.unknown.partition_point(|held| held.time < since);
        let newer = kept.unknown.range(behind.max(recent)..);
        let found = newer
            .filter(|held| held.label == label)
            .take(most)
            .map(|held| (held.number, held.bytes.clone()));
        let examined = kept.unknown.back().map_or(after, |held| held.number.max(after));
        (found.collect(), examined)
    }

    /// Notes that the candidate with this number is of the handshake with this client random: nobody tries it again.
    pub(crate) fn bind(&self, number: u64, client_random: [u8; 32]) {
        let mut kept = self.lock();
        let index = kept.unknown.partition_point(|held| held.number < number);
        if kept.unknown.get(index).is_none_or(|held| held.number != number) {
            return;
        }
        if let Some(Candidate {
            time, label, bytes, ..
        }) = kept.unknown.remove(index)
        {
            let number = kept.next_number();
            let key = (label, Handshake::ClientRandom(client_random));
            kept.insert_known(key, number, time, bytes);
            self.shared.generation.store(number, Ordering::Release);
        }
    }

    /// Whether one that came behind the generation `after` may be of a handshake. `true` without looking at all of them when
    /// there are many.
    pub(crate) fn has_newer(&self, after: u64, is_of: impl Fn(&Handshake) -> bool) -> bool {
        let kept = self.lock();
        if kept.unknown.back().is_some_and(|held| held.number > after) {
            return true;
        }
        let newer = kept.order.iter().rev();
        let mut newer = newer.take_while(|(number, ..)| *number > after);
        newer.by_ref().take(MAX_LOOKED_AT).any(|(.., (_, of))| is_of(of)) || newer.next().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretStore")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Kept {
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn len(&self) -> usize {
        self.known.len() + self.unknown.len()
    }

    fn insert_known(&mut self, key: Key, number: u64, time: Timestamp, bytes: SecretBytes) {
        self.known.insert(key, (number, bytes));
        self.order.push_back((number, time, key));
    }

    fn expire(&mut self, limits: &StoreLimits, now: Timestamp) {
        let is_old = |time: Timestamp, age: Duration| now.since(time) > age;
        while self
            .unknown
            .pop_front_if(|held| is_old(held.time, limits.max_candidate_age))
            .is_some()
        {}
        while let Some((number, _, key)) = self
            .order
            .pop_front_if(|(_, time, _)| is_old(*time, limits.max_age))
        {
            self.forget(number, &key);
        }
    }

    /// Makes room: `order` may have entries of what was replaced, and is bounded as well.
    fn evict(&mut self, max_secrets: usize) {
        while self.order.len() + self.unknown.len() > max_secrets {
            let of_known = self.order.front().map_or(u64::MAX, |(number, ..)| *number);
            let is_unknown = self.unknown.front().is_some_and(|held| held.number < of_known);
            if is_unknown {
                self.unknown.pop_front();
                self.counts.evicted += 1;
            } else if let Some((number, _, key)) = self.order.pop_front()
                && self.forget(number, &key)
            {
                self.counts.evicted += 1;
            }
        }
    }

    /// Forgets a known secret, unless it was replaced.
    fn forget(&mut self, number: u64, key: &Key) -> bool {
        let is_same = self.known.get(key).is_some_and(|(held, _)| *held == number);
        if is_same {
            self.known.remove(key);
        }
        is_same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StoreLimits = StoreLimits {
        max_secrets: 3,
        max_age: Duration::from_nanos(100),
        max_candidate_age: Duration::from_nanos(10),
    };

    fn secret(of: Handshake, byte: u8) -> Secret {
        Secret {
            label: Label::Master,
            of,
            bytes: SecretBytes::new(&[byte; 48]).expect("48 bytes"),
        }
    }

    fn random(byte: u8) -> Handshake {
        Handshake::ClientRandom([byte; 32])
    }

    fn first_byte(found: Option<SecretBytes>) -> Option<u8> {
        found.map(|bytes| bytes.expose()[0])
    }

    #[test]
    fn a_secret_is_found_by_its_label_and_handshake() {
        let store = SecretStore::new(StoreLimits::default());
        assert_eq!(store.generation(), 0);
        store.clone().insert(secret(random(1), 0xAA), Timestamp(5));
        assert_eq!(store.generation(), 1);
        assert_eq!(first_byte(store.find(Label::Master, random(1))), Some(0xAA));
        assert_eq!(store.find(Label::ClientTraffic0, random(1)), None);
        assert_eq!(store.find(Label::Master, random(2)), None);
    }

    #[test]
    fn the_newer_of_two_with_one_name_is_kept() {
        let store = SecretStore::new(LIMITS);
        store.insert(secret(random(1), 0xAA), Timestamp(0));
        store.insert(secret(random(1), 0xBB), Timestamp(90));
        store.expire(Timestamp(150));
        assert_eq!(first_byte(store.find(Label::Master, random(1))), Some(0xBB));
        store.expire(Timestamp(191));
        assert_eq!(store.find(Label::Master, random(1)), None);
    }

    #[test]
    fn only_newer_secrets_of_a_handshake_are_news_for_it() {
        let store = SecretStore::new(StoreLimits::default());
        let has_newer = |after, byte| store.has_newer(after, |of| *of == random(byte));
        store.insert(secret(random(1), 1), Timestamp(0));
        store.insert(secret(random(2), 2), Timestamp(0));
        assert_eq!([0, 1, 2].map(|after| has_newer(after, 1)), [true, false, false]);
        assert_eq!([0, 1, 2].map(|after| has_newer(after, 2)), [true, true, false]);
        assert!(!has_newer(0, 3));
        // One that may be of any.
        store.insert(secret(Handshake::Unknown, 3), Timestamp(0));
        assert_eq!([2, 3].map(|after| has_newer(after, 3)), [true, false]);
        for _ in 0..=MAX_LOOKED_AT {
            store.insert(secret(random(4), 4), Timestamp(0));
        }
        assert!(has_newer(3, 3));
    }

    #[test]
    fn the_oldest_secrets_make_room() {
        let store = SecretStore::new(LIMITS);
        for byte in 0..5 {
            store.insert(secret(random(byte), byte), Timestamp(0));
        }
        store.insert(secret(Handshake::Unknown, 5), Timestamp(0));
        assert_eq!(store.find(Label::Master, random(2)), None);
        assert_eq!(first_byte(store.find(Label::Master, random(3))), Some(3));
        let counts = StoreCounts {
            inserted: 6,
            evicted: 3,
            kept: 3,
        };
        assert_eq!(store.counts(), counts);
        assert_eq!(
            format!("{store:?}"),
            "SecretStore { counts: StoreCounts { inserted: 6, evicted: 3, kept: 3 }, .. }"
        );
    }

    #[test]
    fn a_candidate_is_tried_for_a_shorter_time() {
        let store = SecretStore::new(LIMITS);
        store.insert(secret(Handshake::Unknown, 1), Timestamp(0));
        store.insert(secret(random(2), 2), Timestamp(0));
        store.expire(Timestamp(11));
        assert_eq!(store.candidates(Label::Master, 0, Timestamp(0), 9), (vec![], 0));
        assert_eq!(first_byte(store.find(Label::Master, random(2))), Some(2));
    }

    #[test]
    fn a_candidate_is_handed_out_behind_the_last_one_tried() {
        let store = SecretStore::new(StoreLimits::default());
        for byte in 1..=4 {
            store.insert(secret(Handshake::Unknown, byte), Timestamp(0));
        }
        let numbers = |after, most| -> Vec<u64> {
            let (found, _) = store.candidates(Label::Master, after, Timestamp(0), most);
            found.into_iter().map(|(number, _)| number).collect()
        };
        assert_eq!(numbers(0, 2), [1, 2]);
        assert_eq!(numbers(2, 9), [3, 4]);
        assert_eq!(
            store.candidates(Label::ServerTraffic0, 0, Timestamp(0), 9),
            (vec![], 4)
        );
    }

    #[test]
    fn candidates_of_long_before_are_not_handed_out() {
        let store = SecretStore::new(StoreLimits::default());
        for time in [10, 20, 30] {
            store.insert(secret(Handshake::Unknown, time as u8), Timestamp(time));
        }
        let bytes = |since| -> Vec<u8> {
            let (found, examined) = store.candidates(Label::Master, 0, Timestamp(since), 9);
            assert_eq!(examined, 3);
            found.iter().map(|(_, bytes)| bytes.expose()[0]).collect()
        };
        assert_eq!(bytes(0), [10, 20, 30]);
        assert_eq!(bytes(20), [20, 30]);
        assert_eq!(bytes(31), []);
    }

    #[test]
    fn a_candidate_that_opened_something_is_of_that_handshake() {
        let store = SecretStore::new(StoreLimits::default());
        store.insert(secret(Handshake::Unknown, 1), Timestamp(0));
        store.insert(secret(Handshake::Unknown, 2), Timestamp(0));
        store.bind(2, [9; 32]);
        store.bind(7, [8; 32]);
        assert_eq!(store.generation(), 3);
        assert!(store.has_newer(2, |of| *of == random(9)));
        assert_eq!(store.candidates(Label::Master, 1, Timestamp(0), 9), (vec![], 1));
        assert_eq!(first_byte(store.find(Label::Master, random(9))), Some(2));
        assert_eq!(store.counts().kept, 2);
    }
}
