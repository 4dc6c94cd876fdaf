//! A table in a file that the agents of one node map at once: who claims a request first has it.
//!
//! A hash table of fixed size without locks. A bucket is a cache line of eight entries; an entry is 40 bits of the
//! request's hash and the time in milliseconds at which it was claimed. A claim replaces the oldest entry of its bucket by
//! compare-and-swap. Two agents that claim one request look for its hash and for the oldest entry in the same eight
//! words: the second finds the hash, or its swap fails and it looks again. Old claims are forgotten in the order of their
//! age; the 131,072 last ones are kept, which at 100,000 requests a second is more than a second, while two agents are
//! milliseconds apart.
//!
//! What others write into the file can make an agent pass over requests, which are counted, and nothing worse. A process
//! that shortens the file ends the agents that have it mapped (`SIGBUS`): it lies where root alone may write.

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use anyhow::{Context as _, bail, ensure};
use shadow_core::time::Timestamp;
use shadow_tcp::FlowKey;

use super::RequestStart;

/// Begins the file, and changes with whatever of it changes: layout, or what a request's hash is made of.
const MAGIC: u64 = u64::from_le_bytes(*b"shadowH1");

/// Words before the table, of which the first four are used: a page.
const HEADER: usize = 512;
const BUCKETS: usize = 1 << 14;
const WAYS: usize = 8;
const WORDS: usize = HEADER + BUCKETS * WAYS;
/// Length of the file: a page and a megabyte.
const LENGTH: usize = WORDS * size_of::<u64>();

/// Bits of an entry that hold its time; the others hold the hash.
const TIME_BITS: u32 = 24;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// A table of claims in a file that the agents of one node map together.
#[derive(Debug)]
pub struct Claims {
    words: Words,
    /// Of this file alone, so that nobody can choose requests whose hashes are equal.
    secret: [u64; 2],
}

/// Opens the file, or makes it.
pub fn open(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // Neither somebody's link nor the wait for a FIFO's other end.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .context("cannot open it")?;
    let metadata = file.metadata().context("cannot get its status")?;
    ensure!(metadata.is_file(), "this is not a regular file");
    match metadata.len() {
        // Two agents that start at once both make it: the same zeros.
        0 => file.set_len(LENGTH as u64).context("it cannot be written")?,
        length if length == LENGTH as u64 => {}
        _ => bail!("this is not a hand-over file: name another"),
    }
    Ok(file)
}

impl Claims {
    /// Maps the table of `file`, which is as long as it shall be.
    pub fn map(file: &File) -> anyhow::Result<Self> {
        let words = Words::map(file).context("cannot map it into memory")?;
        let begins = words.get(0).compare_exchange(0, MAGIC, AcqRel, Acquire);
        ensure!(
            begins.is_ok() || begins == Err(MAGIC),
            "this is not a hand-over file: name another"
        );
        let secret = [1, 2].map(|index| {
            let random = RandomState::new().build_hasher().finish() | 1;
            match words.get(index).compare_exchange(0, random, AcqRel, Acquire) {
                Ok(_) => random,
                Err(other) => other,
            }
        });
        Ok(Self { words, secret })
    }

    /// Counts an agent that mirrors from now on.
    pub fn count_owner(&self) {
        self.words.get(3).fetch_add(1, AcqRel);
    }

    /// How many there have been.
    pub fn owners(&self) -> u64 {
        self.words.get(3).load(Acquire)
    }

    /// Claims a request: `false` when another has claimed it.
    pub fn claim(&self, flow: &FlowKey, start: RequestStart, now: Timestamp) -> bool {
        self.claim_hash(self.hash(flow, start), now.0 / 1_000_000)
    }

    fn claim_hash(&self, hash: u64, now: u64) -> bool {
        let first = HEADER + (hash as usize % BUCKETS) * WAYS;
        let own = (hash & !TIME) | (now & TIME);
        loop {
            let (mut oldest, mut greatest) = (0, None);
            for way in 0..WAYS {
                let entry = self.words.get(first + way).load(Acquire);
                if entry & !TIME == own & !TIME {
                    return false;
                }
                let age = age(entry, now);
                if greatest.is_none_or(|(greatest, _)| age > greatest) {
                    (oldest, greatest) = (way, Some((age, entry)));
                }
            }
            let before = greatest.map_or(0, |(_, entry)| entry);
            let word = self.words.get(first + oldest);
            if word.compare_exchange(before, own, AcqRel, Relaxed).is_ok() {
                return true;
            }
        }
    }

    /// Written out field by field: two releases of the agent must agree in it.
    fn hash(&self, flow: &FlowKey, start: RequestStart) -> u64 {
        let mut hasher = DefaultHasher::new();
        for word in self.secret {
            hasher.write_u64(word);
        }
        for endpoint in [&flow.client, &flow.server] {
            let address = endpoint.socket_addr();
            let ip = match address.ip() {
                std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                std::net::IpAddr::V6(ip) => ip,
            };
            hasher.write_u128(ip.to_bits());
            hasher.write_u16(address.port());
        }
        hasher.write_u64(flow.scope);
        hasher.write_u32(start.sequence);
        hasher.write_u32(start.before);
        hasher.finish()
    }
}

/// How old an entry is, in milliseconds; an empty one is older than any. The clock wraps after 4.6 hours, and one that
/// another agent has written may be ahead of what is now here.
fn age(entry: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(entry) & TIME;
    match entry {
        0 => u64::MAX,
        _ if age > TIME / 2 => 0,
        _ => age,
    }
}

/// The words of the file, mapped for as long as it lives.
#[derive(Debug)]
struct Words(NonNull<AtomicU64>);

#[allow(unsafe_code, reason = "memory that processes share is the kernel's to give")]
impl Words {
    fn map(file: &File) -> std::io::Result<Self> {
        // SAFETY: a new mapping, wherever the kernel has room for it; nothing of this process lies there.
        let mapped = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                LENGTH,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(mapped.cast()) {
            Some(words) if mapped != libc::MAP_FAILED => Ok(Self(words)),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    fn get(&self, index: usize) -> &AtomicU64 {
        assert!(index < WORDS);
        // SAFETY: within the mapping, which lives as long as `self` and is aligned to a page. Every process reads and
        // writes these words as atomics.
        unsafe { self.0.add(index).as_ref() }
    }
}

#[allow(unsafe_code, reason = "memory that processes share is the kernel's to give")]
impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made; no reference into it outlives `self`.
        unsafe {
            libc::munmap(self.0.as_ptr().cast(), LENGTH);
        }
    }
}

// SAFETY: only atomics are reached through the pointer.
#[allow(unsafe_code, reason = "memory that processes share is the kernel's to give")]
unsafe impl Send for Words {}
// SAFETY: the same.
#[allow(unsafe_code, reason = "memory that processes share is the kernel's to give")]
unsafe impl Sync for Words {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(name: &str) -> Claims {
        let path = std::env::temp_dir().join(format!("shadow-agent-claims-{name}-{}", std::process::id()));
        let file = open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        Claims::map(&file).unwrap()
    }

    /// Hashes of one bucket.
    fn hash(number: u64) -> u64 {
        (number << TIME_BITS) | 5
    }

    #[test]
    fn the_oldest_claim_of_a_bucket_makes_room() {
        let table = table("oldest");
        for number in 1..=8 {
            assert!(table.claim_hash(hash(number), 100 + number));
        }
        assert!(table.claim_hash(hash(9), 200));
        for number in 2..=9 {
            assert!(!table.claim_hash(hash(number), 300), "{number}");
        }
        assert!(table.claim_hash(hash(1), 300));
    }

    #[test]
    fn a_claim_of_an_agent_whose_clock_is_ahead_is_not_the_oldest() {
        assert_eq!(age((hash(1) & !TIME) | 0x69, 100), 0);
        assert_eq!(age((hash(1) & !TIME) | TIME, TIME + 3), 3);
        assert_eq!(age(0, 100), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_request_is_claimed_once_however_many_others_are_meanwhile(
            numbers in proptest::collection::vec(1_u64..1 << 40, 1..8), other in any::<u64>(),
        ) {
            let table = table("once");
            let mut claimed = std::collections::BTreeSet::new();
            // Up to eight of one bucket are all remembered, whatever is claimed in others.
            for number in &numbers {
                prop_assert_eq!(table.claim_hash(hash(*number), 1), claimed.insert(*number));
                table.claim_hash((other & !0x3fff) | 6, 1);
            }
            for number in numbers {
                prop_assert!(!table.claim_hash(hash(number), 2));
            }
        }
    }
}
