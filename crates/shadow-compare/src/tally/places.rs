//! Where answers differ, and how: one row for each place, kind and sort, within a bound.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::grpc_call;
use crate::noise::FEW_VALUES;
use crate::routes::EndpointId;
use crate::rules::RuleId;
use crate::witness::Standing;
use crate::{Difference, Kind};

/// Stands for all rows that there was no room for.
pub(super) const BEYOND: u32 = u32::MAX;

/// Examples of one place.
pub(super) const EXAMPLES: usize = 3;

/// How a difference counts, as far as its pair tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sort {
    /// Any: nothing is known of the control there, or it differs from both.
    Plain,
    /// The control has what production has.
    Alone,
    /// It has what the shadow has.
    LikeControl,
    /// Production and the control have few values there, and the shadow's is none of them.
    Outside,
    /// Another client was changing something at that moment; else it would be `Alone` or `Plain`.
    Raced {
        /// Whether the control has what production has.
        alone: bool,
    },
    /// A rule takes it away.
    Rule(RuleId),
}

impl Sort {
    /// The sort of what no rule and no answer of the control takes away.
    pub fn of(standing: Option<Standing>, raced: bool) -> Self {
        let alone = standing == Some(Standing::Alone);
        match (raced, alone) {
            (true, alone) => Self::Raced { alone },
            (false, true) => Self::Alone,
            (false, false) => Self::Plain,
        }
    }

    /// Whether nothing that comes later makes it count.
    pub fn is_for_good(self) -> bool {
        matches!(self, Self::Rule(rule) if rule != RuleId::Minute)
    }
}

/// Where and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct DifferenceKey<'a> {
    pub endpoint: EndpointId,
    pub path: &'a str,
    pub kind: Kind,
    pub sort: Sort,
}

/// Both status codes of a difference between them.
pub(super) type Codes = Option<(u16, u16)>;

/// Who was compared for reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// Production against the control.
    Control,
    /// The shadow against itself.
    Repeat,
}

/// Pairs that differ in the same way at the same place.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub endpoint: EndpointId,
    pub path: Box<str>,
    pub kind: Kind,
    pub sort: Sort,
    /// Of another status: which. `None` for the rest of an endpoint with too many.
    pub codes: Codes,
    pub count: u64,
    /// In milliseconds of Unix time.
    pub first: u64,
    pub last: u64,
    /// The values of the first pair that could be shown, once one has been.
    pub shown: Option<(Option<String>, Option<String>)>,
    /// Ids of examples.
    pub examples: Vec<String>,
}

impl Row {
    /// Whether it may be for the order in which requests of several clients are served: no failure of the server is.
    pub fn may_be_order(&self) -> bool {
        match self.kind {
            Kind::Status => self.codes.is_some_and(|(_, shadow)| shadow < 500),
            Kind::Unreadable => false,
            _ => true,
        }
    }
}

/// How often references differ at a place, and in what.
#[derive(Clone, Debug, Default)]
pub(super) struct Referred {
    pub control: u64,
    /// Of these, pairs in which the shadow is like production there.
    pub control_alone: u64,
    /// Pairs in which the control's value was none of the few that production had had until then.
    pub control_outside: u64,
    pub repeat: u64,
    /// Pairs with a second answer of the shadow in which its first differs from production.
    pub asked_twice: u64,
    /// Of these, pairs in which all three answers differ.
    pub apart: u64,
    /// Values of production and the control that were looked at.
    pub observed: u64,
    pub production_values: FewValues,
    pub control_values: FewValues,
    pub shadow_values: FewValues,
}

/// Hashes of the values that one side has at a place: each once, and as many as matter.
#[derive(Clone, Debug, Default)]
pub(super) struct FewValues(Vec<u64>);

impl FewValues {
    fn insert(&mut self, value: u64) {
        if self.0.len() <= FEW_VALUES && !self.0.contains(&value) {
            self.0.push(value);
        }
    }

    fn are_few(&self) -> bool {
        self.0.len() <= FEW_VALUES
    }

    fn has(&self, value: u64) -> bool {
        self.0.contains(&value)
    }

    fn single(&self) -> Option<u64> {
        match self.0[..] {
            [value] => Some(value),
            _ => None,
        }
    }
}

/// Values that must have been looked at before those that were not among them are told to be outside: by then, one of sixteen
/// that are equally likely has been seen with a probability of 99.8%.
const MIN_OBSERVED: u64 = 100;

impl Referred {
    /// Whether each side has one value there, always, and no two have the same: a constant of the instance.
    pub fn is_constant(&self) -> bool {
        let single =
            [&self.production_values, &self.shadow_values, &self.control_values].map(FewValues::single);
        let [Some(production), Some(shadow), Some(control)] = single else {
            return false;
        };
        production != shadow && shadow != control && control != production
    }

    /// Whether so much has been looked at that a value which is not among production's few is outside of them.
    fn is_known(&self) -> bool {
        self.observed >= MIN_OBSERVED && self.production_values.are_few()
    }

    /// Whether production and the control choose from the same few values. A control that has others has its own by being
    /// another instance, and so may the shadow.
    fn is_choice(&self) -> bool {
        let (production, control) = (&self.production_values, &self.control_values);
        self.is_known() && control.0.iter().all(|value| production.has(*value))
    }
}

/// Pairs of status codes of an endpoint that have rows of their own. The rest has one together.
const FEW_CODES: u8 = 16;

type Key = (EndpointId, Box<str>, Kind, Sort, Codes);

/// Differences by place, kind and sort, bounded.
#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    rows: Vec<Row>,
    index: HashMap<Key, u32>,
    references: HashMap<(EndpointId, Box<str>, Kind), Referred>,
    /// Rows of status codes, by endpoint.
    codes: HashMap<EndpointId, u8>,
    /// Differences that there was no row for.
    pub beyond: u64,
    /// Places at which the control differs from production.
    pub varying: u64,
    hasher: RandomState,
}

impl Places {
    pub fn new(max: usize) -> Self {
        Self {
            max,
            rows: Vec::new(),
            index: HashMap::new(),
            references: HashMap::new(),
            codes: HashMap::new(),
            beyond: 0,
            varying: 0,
            hasher: RandomState::new(),
        }
    }

    /// Whether the shadow's value is none of the few that production and the control have at a place that differs among them.
    pub fn is_outside(&self, endpoint: EndpointId, difference: &Difference) -> bool {
        if difference.kind != Kind::Value {
            // What is shown of an order or a length is not all of it.
            return false;
        }
        let key = (endpoint, difference.path.as_str().into(), difference.kind);
        self.references.get(&key).is_some_and(|referred| {
            referred.is_choice()
                && !referred
                    .production_values
                    .has(self.hasher.hash_one(&difference.shadow))
        })
    }

    /// Counts a difference of one pair; `None` where there is no room for its row.
    pub fn count(&mut self, place: &DifferenceKey<'_>, difference: &Difference, at: u64) -> Option<u32> {
        if let Some(referred) = self
            .references
            .get_mut(&(place.endpoint, place.path.into(), place.kind))
        {
            referred.observed += 1;
            let hash = |value| self.hasher.hash_one(value);
            referred.production_values.insert(hash(&difference.production));
            referred.shadow_values.insert(hash(&difference.shadow));
        }
        let codes = codes_of(difference);
        let mut key: Key = (place.endpoint, place.path.into(), place.kind, place.sort, codes);
        if codes.is_some() && !self.index.contains_key(&key) {
            let known = self.codes.entry(place.endpoint).or_default();
            if *known >= FEW_CODES {
                key.4 = None;
            } else {
                *known += 1;
            }
        }
        if let Some(&row) = self.index.get(&key) {
            let entry = &mut self.rows[row as usize];
            entry.count += 1;
            entry.last = entry.last.max(at);
            entry.first = entry.first.min(at);
            return Some(row);
        }
        if self.index.len() >= self.max {
            self.beyond += 1;
            return None;
        }
        let row = self.rows.len() as u32;
        self.rows.push(Row {
            endpoint: place.endpoint,
            path: place.path.into(),
            kind: place.kind,
            sort: place.sort,
            codes: key.4,
            count: 1,
            first: at,
            last: at,
            shown: None,
            examples: Vec::new(),
        });
        self.index.insert(key, row);
        Some(row)
    }

    /// Counts the differences of a comparison for reference, each with whether the control is alone there.
    pub fn reference<'a>(
        &mut self,
        endpoint: EndpointId,
        differences: impl Iterator<Item = (&'a Difference, bool)>,
        of: Reference,
    ) {
        for (difference, is_alone) in differences {
            let key = (endpoint, difference.path.as_str().into(), difference.kind);
            if !self.references.contains_key(&key) && self.references.len() >= self.max {
                continue;
            }
            let referred = self.references.entry(key).or_default();
            match of {
                Reference::Repeat => referred.repeat += 1,
                Reference::Control => {
                    self.varying += u64::from(referred.control == 0);
                    referred.control += 1;
                    referred.control_alone += u64::from(is_alone);
                    referred.observed += 2;
                    let hash = |value| self.hasher.hash_one(value);
                    // The other side is the control's here.
                    let value = hash(&difference.shadow);
                    let is_outside = difference.kind == Kind::Value
                        && referred.is_known()
                        && !referred.production_values.has(value);
                    referred.control_outside += u64::from(is_outside);
                    referred.production_values.insert(hash(&difference.production));
                    referred.control_values.insert(value);
                }
            }
        }
    }

    /// Counts the differences of a pair with a second answer of the shadow. `again`: the differences between its two.
    pub fn asked_twice<'a>(
        &mut self,
        endpoint: EndpointId,
        differences: impl Iterator<Item = &'a Difference>,
        again: &[&Difference],
    ) {
        for difference in differences {
            let key = (endpoint, difference.path.as_str().into(), difference.kind);
            if !self.references.contains_key(&key) && self.references.len() >= self.max {
                continue;
            }
            let is_here = |other: &&&Difference| {
                other.path == difference.path
                    && other.kind == difference.kind
                    && other.shadow != difference.production
            };
            let referred = self.references.entry(key).or_default();
            referred.asked_twice += 1;
            referred.apart += u64::from(again.iter().any(|other| is_here(&other)));
        }
    }

    /// A row.
    pub fn row_mut(&mut self, row: u32) -> Option<&mut Row> {
        self.rows.get_mut(row as usize)
    }

    /// The same, to be read.
    pub fn row(&self, row: u32) -> Option<&Row> {
        self.rows.get(row as usize)
    }

    /// All rows in force, with their numbers.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &Row)> {
        self.index.values().map(|row| (*row, &self.rows[*row as usize]))
    }

    /// The counts that references have of a row's place.
    pub fn referred(&self, row: &Row) -> Option<&Referred> {
        self.references.get(&(row.endpoint, row.path.clone(), row.kind))
    }

    /// Rows of endpoints that have become one become one. Gives the rows that are no more, each with the one that has its counts.
    pub fn merge(&mut self, canonical: impl Fn(EndpointId) -> EndpointId) -> HashMap<u32, u32> {
        let mut gone = HashMap::new();
        let mut index: HashMap<Key, u32> = HashMap::with_capacity(self.index.len());
        let mut before: Vec<(Key, u32)> = std::mem::take(&mut self.index).into_iter().collect();
        before.sort_unstable_by_key(|(_, row)| *row);
        for ((endpoint, path, kind, sort, codes), row) in before {
            let endpoint = canonical(endpoint);
            let key = (endpoint, path, kind, sort, codes);
            let Some(&into) = index.get(&key) else {
                self.rows[row as usize].endpoint = endpoint;
                index.insert(key, row);
                continue;
            };
            let other = self.rows[row as usize].clone();
            let entry = &mut self.rows[into as usize];
            entry.count += other.count;
            entry.first = entry.first.min(other.first);
            entry.last = entry.last.max(other.last);
            entry.shown = entry.shown.take().or(other.shown);
            entry.examples.extend(other.examples);
            entry.examples.truncate(EXAMPLES);
            gone.insert(row, into);
        }
        self.index = index;
        self.codes = HashMap::new();
        for (endpoint, _, _, _, codes) in self.index.keys() {
            if codes.is_some() {
                let known = self.codes.entry(*endpoint).or_default();
                *known = known.saturating_add(1);
            }
        }
        for ((endpoint, path, kind), other) in std::mem::take(&mut self.references) {
            let referred = self
                .references
                .entry((canonical(endpoint), path, kind))
                .or_default();
            referred.control += other.control;
            referred.control_outside += other.control_outside;
            referred.control_alone += other.control_alone;
            referred.repeat += other.repeat;
            referred.asked_twice += other.asked_twice;
            referred.apart += other.apart;
            referred.observed += other.observed;
            for (into, from) in [
                (&mut referred.production_values, other.production_values),
                (&mut referred.control_values, other.control_values),
                (&mut referred.shadow_values, other.shadow_values),
            ] {
                from.0.into_iter().for_each(|value| into.insert(value));
            }
        }
        let varying = self.references.values().filter(|referred| referred.control > 0);
        self.varying = varying.count() as u64;
        gone
    }
}

/// The status codes of a difference between them.
fn codes_of(difference: &Difference) -> Codes {
    let code = |value: &Option<String>| {
        let value = value.as_ref()?;
        let named = || grpc_call::code_named(value);
        value.parse().ok().or_else(named)
    };
    match difference.kind {
        Kind::Status => Some((code(&difference.production)?, code(&difference.shadow)?)),
        _ => None,
    }
}
