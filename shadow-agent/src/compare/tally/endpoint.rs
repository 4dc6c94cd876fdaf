//! What is counted of one endpoint.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::places::BEYOND;
use crate::compare::histogram::Histogram;
use crate::compare::pair::{NotCompared, Pair};

/// Sets of differences that are told apart at an endpoint. Beyond, pairs count as different for good: nobody could say later
/// which of them agree.
const MAX_SIGNATURES: usize = 2048;
/// Rows in all sets of an endpoint: 128 KiB.
const MAX_ROWS: usize = 32 << 10;

/// See the module's description.
#[derive(Debug)]
pub(super) struct EndpointTally {
    pub name: Arc<str>,
    pub compared: u64,
    /// Pairs without any difference.
    pub equal: u64,
    /// Pairs by the rows of their differences, in ascending order: none where rules took all of them away.
    pub signatures: HashMap<Box<[u32]>, u64>,
    /// Rows in all of them.
    rows: usize,
    pub not_compared: BTreeMap<NotCompared, u64>,
    pub new_5xx: u64,
    pub other_status: u64,
    pub production: Histogram,
    pub shadow: Histogram,
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
            not_compared: BTreeMap::new(),
            new_5xx: 0,
            other_status: 0,
            production: Histogram::default(),
            shadow: Histogram::default(),
            controls: 0,
            repeats: 0,
        }
    }

    /// Counts how long both sides took.
    pub fn record(&mut self, pair: &Pair) {
        if let (Some(production), Some(shadow)) = (pair.production.times, pair.shadow.times) {
            self.production.record(production.last);
            self.shadow.record(shadow.last);
        }
    }

    /// Counts a pair by the rows of its differences.
    pub fn sign(&mut self, rows: Vec<u32>) {
        self.sign_all(rows, 1);
    }

    fn sign_all(&mut self, mut rows: Vec<u32>, pairs: u64) {
        rows.sort_unstable();
        rows.dedup();
        if let Some(count) = self.signatures.get_mut(rows.as_slice()) {
            *count += pairs;
            return;
        }
        let fits = self.signatures.len() < MAX_SIGNATURES && self.rows + rows.len() <= MAX_ROWS;
        let rows: Box<[u32]> = if fits {
            self.rows += rows.len();
            rows.into()
        } else {
            [BEYOND].into()
        };
        *self.signatures.entry(rows).or_default() += pairs;
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

    /// Adds what was counted of an endpoint that is a part of this one now.
    pub fn merge(&mut self, other: Self) {
        self.compared += other.compared;
        self.equal += other.equal;
        self.new_5xx += other.new_5xx;
        self.other_status += other.other_status;
        self.controls += other.controls;
        self.repeats += other.repeats;
        self.production.merge(&other.production);
        self.shadow.merge(&other.shadow);
        for (why, count) in other.not_compared {
            *self.not_compared.entry(why).or_default() += count;
        }
        for (rows, count) in other.signatures {
            self.sign_all(rows.into_vec(), count);
        }
    }
}
