//! Each endpoint of a comparison, and what was found of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Interval, Quantiles, Rate, Slow};

/// One endpoint: a method and a route template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// `GET /users/{id}`.
    pub name: String,
    /// Pairs compared.
    pub compared: u64,
    /// Requests that the shadow gave no whole answer to, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Not compared for another reason.
    pub not_compared: u64,
    /// See [`super::Comparison::agreement_raw`].
    pub agreement_raw: Rate,
    /// See [`super::Comparison::agreement`].
    pub agreement: Rate,
    /// The rest, which is no part of that.
    #[serde(default, skip_serializing_if = "NotLearned::is_none")]
    pub not_learned: NotLearned,
    /// See [`super::Comparison::new_5xx`].
    pub new_5xx: Rate,
    /// Latency of production, without its distribution.
    pub production: Quantiles,
    /// Latency of the shadow.
    pub shadow: Quantiles,
    /// The shadow's 99th percentile to production's; `None` of too few.
    pub p99_ratio: Option<Interval>,
    /// Whether it is slower than the rules allow, for sure.
    pub slower: bool,
    /// Where it is, lower quantiles first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
    /// Parts of it that are judged as endpoints of their own, where something speaks against them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// A part of an endpoint that stands for many: a path that would be an endpoint by itself if there were not so many names at its
/// place, or those requests that production served of an endpoint that it refused others of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `GET /checkout`; the endpoint's name where it is about what production served.
    pub name: String,
    /// Pairs compared, or those since it was first seen to differ.
    pub compared: u64,
    /// See [`super::Comparison::agreement`].
    pub agreement: Rate,
    /// See [`super::Comparison::new_5xx`].
    pub new_5xx: Rate,
    /// The shadow's 99th percentile to production's; `None` of too few.
    pub p99_ratio: Option<Interval>,
    /// Whether it is slower than the rules allow, for sure.
    pub slower: bool,
    /// Where it is, lower quantiles first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<Slow>,
}

/// Pairs that differ in nothing but what may be noise, at an endpoint that is not learned from yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotLearned {
    /// How many: no part of agreement.
    pub pairs: u64,
    /// How many more second answers of the shadow it takes.
    pub more: u64,
}

impl NotLearned {
    pub(super) fn is_none(&self) -> bool {
        self.pairs == 0
    }
}
