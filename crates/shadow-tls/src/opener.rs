//! Opening the records of one direction under one key, in order and where records are missing.

use super::record::{HEADER, Header, MIN_RECORD, RecordKey};
use super::schedule;
use super::secret::SecretBytes;
use super::suite::Suite;

/// Most sequence numbers that are tried for one record: so many small requests are lost where nothing of a connection is
/// captured for three seconds at 5,000 a second.
const MAX_WINDOW: u64 = 16_384;

/// Bytes that trials may cost at once: 8,000 numbers of a small record, which are 3 ms.
const MAX_CREDIT: u64 = 16 << 20;

/// Bytes that trials may cost for each byte that comes. What looks like records, and is none, costs a few times what real ones
/// cost, and no more.
const CREDIT_PER_BYTE: u64 = 4;

/// Cost of a trial beside the bytes of the record: as much as so many bytes of a large one.
const TRIAL: u64 = 2048;

/// A key, and which record comes next.
pub(crate) struct Opener {
    key: RecordKey,
    /// The traffic secret of TLS 1.3 that the key was made of.
    secret: Option<SecretBytes>,
    /// Sequence number of the next record.
    next: u64,
    /// Sequence number and explicit nonce of the last record.
    last: Option<(u64, u64)>,
}

impl Opener {
    /// The first records under `key`.
    pub fn new(key: RecordKey) -> Self {
        Self {
            key,
            secret: None,
            next: 0,
            last: None,
        }
    }

    /// The first records under a traffic secret of TLS 1.3.
    pub fn of_secret(suite: Suite, secret: &SecretBytes) -> Option<Self> {
        let key = schedule::traffic_key(suite, secret)?;
        Some(Self {
            secret: Some(secret.clone()),
            ..Self::new(key)
        })
    }

    /// The same behind a `KeyUpdate`.
    pub fn updated(&self, suite: Suite) -> Option<Self> {
        let next = schedule::next_secret(suite.hash, self.secret.as_ref()?)?;
        Self::of_secret(suite, &next)
    }

    /// Sequence number of the next record.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Opens the next record: its content type and the length of its plaintext in `scratch`.
    #[inline]
    pub fn open(&mut self, header: Header, body: &[u8], scratch: &mut Vec<u8>) -> Option<(u8, usize)> {
        self.open_as(self.next, header, body, scratch)
    }

    fn open_as(
        &mut self,
        sequence: u64,
        header: Header,
        body: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Option<(u8, usize)> {
        let opened = self.key.open(header, body, sequence, scratch)?;
        self.next = sequence.saturating_add(1);
        self.last = self.key.explicit_nonce(body).map(|nonce| (sequence, nonce));
        Some(opened)
    }

    /// Opens a record of which it is not known how many are missing before it.
    pub fn open_behind(
        &mut self,
        missing: Missing,
        header: Header,
        body: &[u8],
        credit: &mut Credit,
        scratch: &mut Vec<u8>,
    ) -> Option<(u8, usize)> {
        let most = missing.window();
        let likely = [
            Some(self.next.saturating_add(missing.records)),
            self.by_explicit_nonce(body, most),
        ];
        let record = (HEADER + body.len()) as u64;
        let about = (missing.bytes / record).min(most - 1);
        let next = self.next;
        let others = numbers(about, most).map(|lost| next.saturating_add(lost));
        let others = others.filter(|other| !likely.contains(&Some(*other)));
        for sequence in likely.into_iter().flatten().chain(others) {
            if !credit.spend(body.len()) {
                return None;
            }
            if let Some(opened) = self.open_as(sequence, header, body, scratch) {
                return Some(opened);
            }
        }
        None
    }

    /// The number that a record's explicit nonce shows: most senders count up from a random one, or from zero.
    fn by_explicit_nonce(&self, body: &[u8], most: u64) -> Option<u64> {
        let nonce = self.key.explicit_nonce(body)?;
        let (sequence, before) = self.last?;
        let ahead = nonce.wrapping_sub(before);
        let xored = sequence ^ before ^ nonce;
        let sequence = if ahead <= most {
            sequence.checked_add(ahead)?
        } else {
            xored
        };
        (sequence >= self.next && sequence - self.next <= most).then_some(sequence)
    }
}

/// Numbers below `end`, some of them twice: as many records as can be lost, from none on; and, since those of one connection
/// are often alike, `about` as many, and from there outward.
fn numbers(about: u64, end: u64) -> impl Iterator<Item = u64> {
    (0..end).flat_map(move |step| {
        let below = about.checked_sub(step);
        let above = about.checked_add(step).filter(|above| step > 0 && *above < end);
        [Some(step), below, above].into_iter().flatten()
    })
}

/// The hole before a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Bytes since the last record that was opened: at most so many divided by the smallest record.
    pub bytes: u64,
    /// Records that are known of.
    pub records: u64,
}

impl Missing {
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// How many numbers the next record may have.
    fn window(self) -> u64 {
        if self.any() {
            (self.bytes / MIN_RECORD + 2).min(MAX_WINDOW)
        } else {
            1
        }
    }
}

/// Budget of trials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credit(u64);

impl Default for Credit {
    fn default() -> Self {
        Self(MAX_CREDIT)
    }
}

impl Credit {
    /// `bytes` more came.
    pub fn earn(&mut self, bytes: usize) {
        let earned = (bytes as u64).saturating_mul(CREDIT_PER_BYTE);
        self.0 = self.0.saturating_add(earned).min(MAX_CREDIT);
    }

    /// Whether there is enough to try a record of `bytes`.
    pub fn is_enough_for(self, bytes: usize) -> bool {
        self.0 >= bytes as u64 + TRIAL
    }

    /// Takes what trying a record of `bytes` costs; `false` when there is not so much.
    fn spend(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes as u64 + TRIAL);
        left.map(|left| self.0 = left).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_lost_records_and_about_the_likely_number_are_tried_first() {
        let first = |about, end| numbers(about, end).take(8).collect::<Vec<_>>();
        assert_eq!(first(0, 1), [0, 0]);
        assert_eq!(first(100, 200), [0, 100, 1, 99, 101, 2, 98, 102]);
        let mut all: Vec<u64> = numbers(100, 200).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.into_iter().eq(0..200));
    }

    #[test]
    fn what_is_missing_bounds_the_numbers() {
        let window = |bytes, records| Missing { bytes, records }.window();
        assert_eq!(window(0, 0), 1);
        assert_eq!(window(21, 1), 2);
        assert_eq!(window(220, 1), 12);
        assert_eq!(window(u64::MAX, 1), 16_384);
    }
}
