//! The tally of one endpoint, or of a part of one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::places::BEYOND;
use crate::histogram::Histogram;
use crate::moments::Moments;
use crate::pair::{NotCompared, Times};
use crate::verdict::Timed;

/// Sets of differences that are told apart at an endpoint. Beyond, pairs count as different for good: nobody could say later
/// which of them agree.
const MAX_SIGNATURES: usize = 2048;
/// Rows in all sets of an endpoint: 128 KiB.
const MAX_ROWS: usize = 32 << 10;
/// The same of a part of an endpoint, as there are more of them: 2 KiB.
const MAX_ROWS_OF_PART: usize = 512;

/// Counts of one endpoint, or of a part of one.
#[derive(Clone, Debug)]
pub(super) struct EndpointTally {
    pub name: Arc<str>,
    pub compared: u64,
    /// Pairs without any difference.
    pub equal: u64,
    /// Pairs by the rows of their differences, in ascending order: none where rules took all of them away.
    pub signatures: HashMap<Box<[u32]>, u64>,
    /// Rows in all of them.
    rows: usize,
    /// The most there may be.
    max_rows: usize,
    /// Whether there were more, so that nobody can say how many pairs agree: of parts only.
    pub unsure: bool,
    pub not_compared: BTreeMap<NotCompared, u64>,
    pub new_5xx: u64,
    pub other_status: u64,
    /// Pairs whose request production refused.
    pub refused: u64,
    pub production: Histogram,
    pub shadow: Histogram,
    /// When the shadow was slow.
    pub moments: Moments,
    /// Pairs during which another client was changing something.
    pub raced: u64,
    /// Pairs with an answer of the control.
    pub controls: u64,
    /// Pairs with a second answer of the shadow.
    pub repeats: u64,
}

impl EndpointTally {
    /// Nothing yet of the endpoint called so.
    pub fn new(name: String) -> Self {
        Self {
            name: name.into(),
            compared: 0,
            equal: 0,
            signatures: HashMap::new(),
            rows: 0,
            max_rows: MAX_ROWS,
            unsure: false,
            not_compared: BTreeMap::new(),
            new_5xx: 0,
            other_status: 0,
            refused: 0,
            production: Histogram::default(),
            shadow: Histogram::default(),
            moments: Moments::default(),
            raced: 0,
            controls: 0,
            repeats: 0,
        }
    }

    /// Nothing yet of a part of an endpoint.
    pub fn new_part(name: String) -> Self {
        Self {
            max_rows: MAX_ROWS_OF_PART,
            ..Self::new(name)
        }
    }

    /// Takes what was counted so far for a part of an endpoint.
    pub fn as_part(&self) -> Self {
        let mut part = Self {
            max_rows: MAX_ROWS_OF_PART,
            not_compared: BTreeMap::new(),
            ..self.clone()
        };
        if part.rows > part.max_rows {
            part.give_up_rows();
        }
        part
    }

    /// Counts a pair.
    pub fn count(&mut self, pair: &Measured, seen: &Seen) {
        self.compared += 1;
        self.equal += u64::from(seen.signature.is_none());
        self.new_5xx += u64::from(seen.new_5xx);
        self.other_status += u64::from(seen.other_status);
        self.refused += u64::from(seen.refused);
        self.raced += u64::from(pair.raced);
        self.controls += u64::from(pair.control);
        self.repeats += u64::from(pair.repeat);
        if let Some(rows) = &seen.signature {
            self.sign_all(rows.clone(), 1);
        }
        if let (Some(production), Some(shadow)) = (pair.production, pair.shadow) {
            self.production.record(production.last);
            self.shadow.record(shadow.last);
            self.moments.record(pair.at, shadow.last);
        }
    }

    /// Counts pairs by the rows of their differences.
    fn sign_all(&mut self, mut rows: Vec<u32>, pairs: u64) {
        if self.unsure {
            return;
        }
        rows.sort_unstable();
        rows.dedup();
        if let Some(count) = self.signatures.get_mut(rows.as_slice()) {
            *count += pairs;
            return;
        }
        let fits = self.signatures.len() < MAX_SIGNATURES && self.rows + rows.len() <= self.max_rows;
        if !fits && self.max_rows < MAX_ROWS {
            self.give_up_rows();
            return;
        }
        let rows: Box<[u32]> = if fits {
            self.rows += rows.len();
            rows.into()
        } else {
            [BEYOND].into()
        };
        *self.signatures.entry(rows).or_default() += pairs;
    }

    fn give_up_rows(&mut self) {
        self.signatures = HashMap::new();
        self.rows = 0;
        self.unsure = true;
    }

    /// Pairs all of whose differences are noise.
    pub fn agree(&self, is_noise: impl Fn(u32) -> bool) -> u64 {
        let agrees = |rows: &[u32]| rows.iter().all(|row| *row != BEYOND && is_noise(*row));
        self.signatures
            .iter()
            .filter(|(rows, _)| agrees(rows))
            .map(|(_, count)| count)
            .sum()
    }

    /// The same, where at least one difference is what `wanted` says.
    pub fn agree_with(&self, is_noise: impl Fn(u32) -> bool, wanted: impl Fn(u32) -> bool) -> u64 {
        let agrees = |rows: &[u32]| rows.iter().all(|row| *row != BEYOND && is_noise(*row));
        self.signatures
            .iter()
            .filter(|(rows, _)| rows.iter().any(|row| wanted(*row)) && agrees(rows))
            .map(|(_, count)| count)
            .sum()
    }

    /// Rows have become others.
    pub fn rename(&mut self, rows: &HashMap<u32, u32>) {
        if rows.is_empty() {
            return;
        }
        self.rows = 0;
        for (signature, count) in std::mem::take(&mut self.signatures) {
            let renamed = signature
                .iter()
                .map(|row| *rows.get(row).unwrap_or(row))
                .collect();
            self.sign_all(renamed, count);
        }
    }

    /// The times of its answers.
    pub fn timed(&self) -> Timed<'_> {
        Timed {
            production: &self.production,
            shadow: &self.shadow,
            moments: &self.moments,
        }
    }

    /// Adds what was counted of an endpoint that is a part of this one now.
    pub fn merge(&mut self, other: Self) {
        self.compared += other.compared;
        self.equal += other.equal;
        self.new_5xx += other.new_5xx;
        self.other_status += other.other_status;
        self.refused += other.refused;
        self.raced += other.raced;
        self.controls += other.controls;
        self.repeats += other.repeats;
        self.production.merge(&other.production);
        self.shadow.merge(&other.shadow);
        self.moments.merge(other.moments);
        for (why, count) in other.not_compared {
            *self.not_compared.entry(why).or_default() += count;
        }
        if other.unsure {
            self.give_up_rows();
        }
        for (rows, count) in other.signatures {
            self.sign_all(rows.into_vec(), count);
        }
    }
}

/// A pair, but for its answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// When its request was seen, in milliseconds of Unix time.
    pub at: u64,
    /// How long production took; `None` where nobody knows.
    pub production: Option<Times>,
    /// How long the shadow took.
    pub shadow: Option<Times>,
    /// Whether another client was changing something meanwhile.
    pub raced: bool,
    /// Whether the control answered.
    pub control: bool,
    /// Whether the shadow answered twice.
    pub repeat: bool,
}

/// The findings of comparing a pair.
#[derive(Debug)]
pub(super) struct Seen {
    pub new_5xx: bool,
    pub other_status: bool,
    /// Whether production refused the request.
    pub refused: bool,
    /// The rows of its differences that no rule takes away for good; `None` where there are no differences.
    pub signature: Option<Vec<u32>>,
}
