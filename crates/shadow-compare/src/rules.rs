//! Rules of what is not to count in a comparison, because somebody says so.

use std::time::Duration;

use super::grpc_descriptors::GrpcDescriptors;
use super::pattern::{BadPattern, PathPattern};

/// Largest decoded body that is looked into, in bytes, unless told otherwise.
const DEFAULT_MAX_STRUCTURED: usize = 1 << 20;
/// How far apart two times may be, unless told otherwise.
const DEFAULT_TIME_TOLERANCE: Duration = Duration::from_secs(10);

/// The rules of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    ignore: Vec<IgnoreRule>,
    tolerances: Vec<Tolerance>,
    arrays: Vec<ArrayRule>,
    protected: Vec<PathPattern>,
    known: Vec<KnownDifference>,
    time_tolerance: Option<Duration>,
    exact_hosts: bool,
    max_structured: usize,
    descriptors: Option<GrpcDescriptors>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            tolerances: Vec::new(),
            arrays: Vec::new(),
            protected: Vec::new(),
            known: Vec::new(),
            time_tolerance: Some(DEFAULT_TIME_TOLERANCE),
            exact_hosts: false,
            max_structured: DEFAULT_MAX_STRUCTURED,
            descriptors: None,
        }
    }
}

/// A place where answers may differ, or below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The place.
    pub path: PathPattern,
    /// Why.
    pub reason: Option<String>,
    /// Since when: `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Who says so.
    pub by: Option<String>,
}

impl IgnoreRule {
    /// A rule without a reason. Another status code cannot be ignored: it is what a release breaks first.
    ///
    /// # Errors
    ///
    /// As [`PathPattern::parse`], and for `status`.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let path = PathPattern::parse(text)?;
        if path.is_status() {
            return Err(BadPattern::new(
                text,
                "differences of status codes cannot be ignored",
            ));
        }
        Ok(Self {
            path,
            reason: None,
            date: None,
            by: None,
        })
    }
}

/// A difference that this release intends: it is shown apart, and does not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDifference {
    /// The place, or one above it. A status code may be one.
    pub path: PathPattern,
    /// Production's value there, as reports show it; any where `None`.
    pub production: Option<String>,
    /// The shadow's.
    pub shadow: Option<String>,
    /// Why it is intended.
    pub reason: String,
    /// Since when: `YYYY-MM-DD`.
    pub date: Option<String>,
    /// Who says so.
    pub by: Option<String>,
}

impl KnownDifference {
    /// Whether these are its values, as reports show them.
    pub(super) fn has_values(&self, production: Option<&str>, shadow: Option<&str>) -> bool {
        let is = |known: &Option<String>, value: Option<&str>| {
            known.as_deref().is_none_or(|known| Some(known) == value)
        };
        is(&self.production, production) && is(&self.shadow, shadow)
    }

    /// Its path, and the values where it names them.
    fn what(&self) -> String {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "anything".to_owned());
        if self.production.is_none() && self.shadow.is_none() {
            self.path.to_string()
        } else {
            format!(
                "{} {} -> {}",
                self.path,
                value(&self.production),
                value(&self.shadow)
            )
        }
    }
}

/// A place where numbers may be a little apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerance {
    /// The place, or one above it.
    pub path: PathPattern,
    /// How far.
    pub within: Within,
}

/// How far apart two numbers may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Within {
    /// So much.
    Absolute(f64),
    /// Such a share of the larger one: 0.01 is one percent.
    Relative(f64),
}

impl Within {
    /// Whether two numbers are that near.
    pub(super) fn holds(self, a: f64, b: f64) -> bool {
        let apart = (a - b).abs();
        match self {
            Self::Absolute(most) => apart <= most,
            Self::Relative(share) => apart <= share * a.abs().max(b.abs()),
        }
    }
}

/// How the elements of an array are matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayRule {
    /// The array.
    pub path: PathPattern,
    /// How.
    pub matched: ArrayMatch,
}

/// How the elements of two arrays find each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ArrayMatch {
    /// By their order.
    #[default]
    Order,
    /// In any order.
    Set,
    /// By the value of this member, in any order.
    Key(String),
}

/// Which rule takes a difference away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleId {
    /// An [`IgnoreRule`], by its place in the list.
    Ignore(usize),
    /// A [`Tolerance`], by its place in the list.
    Tolerance(usize),
    /// Two times that are near each other.
    Time,
    /// Two times that are written to the minute, with the end of one between them: of few pairs only.
    Minute,
    /// URLs of the hosts that both sides were asked under.
    Host,
    /// Identifiers that each side issued in place of the other's.
    Mapped,
    /// An echo of what the agent left out of a copy, or added to it.
    Echo,
    /// Fields of a head within JSON, compared as those of heads are.
    Field,
    /// A [`KnownDifference`], by its place in the list.
    Known(usize),
}

impl Rules {
    /// Nothing at this place counts.
    #[must_use]
    pub fn with_ignore(mut self, rule: IgnoreRule) -> Self {
        self.ignore.push(rule);
        self
    }

    /// Numbers at this place may be apart.
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerances.push(tolerance);
        self
    }

    /// The array at this place is matched in another way.
    #[must_use]
    pub fn with_array(mut self, array: ArrayRule) -> Self {
        self.arrays.push(array);
        self
    }

    /// Nothing is learned away at this place.
    #[must_use]
    pub fn with_protected(mut self, path: PathPattern) -> Self {
        self.protected.push(path);
        self
    }

    /// This difference is intended.
    #[must_use]
    pub fn with_known(mut self, known: KnownDifference) -> Self {
        self.known.push(known);
        self
    }

    /// How far apart two times may be; `None` for not at all.
    #[must_use]
    pub fn with_time_tolerance(mut self, tolerance: Option<Duration>) -> Self {
        self.time_tolerance = tolerance;
        self
    }

    /// Whether URLs of the host that each side was asked under are compared as they are.
    #[must_use]
    pub fn with_exact_hosts(mut self, exact: bool) -> Self {
        self.exact_hosts = exact;
        self
    }

    /// Largest decoded body that is looked into, in bytes; larger ones are equal or not.
    #[must_use]
    pub fn with_max_structured(mut self, bytes: usize) -> Self {
        self.max_structured = bytes;
        self
    }

    /// By which messages of gRPC are read; by the numbers of their fields where `None`.
    #[must_use]
    pub fn with_descriptors(mut self, descriptors: Option<GrpcDescriptors>) -> Self {
        self.descriptors = descriptors;
        self
    }

    /// The rules of `other` behind these. Its tolerance of times, its hosts, its bound and its descriptors do not count.
    #[must_use]
    pub fn and(mut self, other: Rules) -> Self {
        self.ignore.extend(other.ignore);
        self.tolerances.extend(other.tolerances);
        self.arrays.extend(other.arrays);
        self.protected.extend(other.protected);
        self.known.extend(other.known);
        self
    }

    /// Rules about what is ignored.
    pub fn ignored(&self) -> &[IgnoreRule] {
        &self.ignore
    }

    /// Rules about what is tolerated.
    pub fn tolerances(&self) -> &[Tolerance] {
        &self.tolerances
    }

    /// Differences that this release intends.
    pub fn known(&self) -> &[KnownDifference] {
        &self.known
    }

    /// Places that are never to be learned away.
    pub fn protected(&self) -> &[PathPattern] {
        &self.protected
    }

    /// Whether nothing is to be learned away there: a place that is protected, or one below.
    pub fn is_protected(&self, endpoint: &str, path: &str) -> bool {
        self.protected
            .iter()
            .any(|pattern| pattern.covers(endpoint, path))
    }

    /// How far apart two times may be.
    pub fn time_tolerance(&self) -> Option<Duration> {
        self.time_tolerance
    }

    /// See [`Self::with_exact_hosts`].
    pub fn exact_hosts(&self) -> bool {
        self.exact_hosts
    }

    /// See [`Self::with_max_structured`].
    pub fn max_structured(&self) -> usize {
        self.max_structured
    }

    /// See [`Self::with_descriptors`].
    pub fn descriptors(&self) -> Option<&GrpcDescriptors> {
        self.descriptors.as_ref()
    }

    /// Whether any array is matched in another way than by order.
    pub(super) fn has_arrays(&self) -> bool {
        !self.arrays.is_empty()
    }

    /// How the array is matched that patterns are `about`. The last rule about it wins.
    pub(super) fn array(&self, about: impl Fn(&PathPattern) -> bool) -> &ArrayMatch {
        let mut rules = self.arrays.iter().rev();
        rules
            .find(|rule| about(&rule.path))
            .map_or(&ArrayMatch::Order, |rule| &rule.matched)
    }

    /// All that takes differences away, in words.
    pub fn all_words(&self) -> Vec<String> {
        let ignored = (0..self.ignore.len()).map(RuleId::Ignore);
        let tolerated = (0..self.tolerances.len()).map(RuleId::Tolerance);
        let time = self.time_tolerance.map(|_| RuleId::Time);
        let host = (!self.exact_hosts).then_some(RuleId::Host);
        ignored
            .chain(tolerated)
            .chain(time)
            .chain(host)
            .map(|id| self.words(id))
            .collect()
    }

    /// A rule in words: its path, and why.
    pub fn words(&self, id: RuleId) -> String {
        match id {
            RuleId::Ignore(index) => self.ignore.get(index).map_or_else(String::new, |rule| {
                let mut words = format!("{} is ignored", rule.path);
                if let Some(reason) = &rule.reason {
                    words = format!("{words}: {reason}");
                }
                with_source(words, rule.by.as_deref(), rule.date.as_deref())
            }),
            RuleId::Tolerance(index) => {
                self.tolerances
                    .get(index)
                    .map_or_else(String::new, |rule| match rule.within {
                        Within::Absolute(most) => format!("{}: numbers within {most}", rule.path),
                        Within::Relative(share) => {
                            format!("{}: numbers within {}%", rule.path, share * 100.0)
                        }
                    })
            }
            RuleId::Time => {
                let seconds = self.time_tolerance.unwrap_or_default().as_secs_f64();
                format!("a time within {seconds} s")
            }
            RuleId::Minute => "a time to the minute, at either side of its end".to_owned(),
            RuleId::Host => "the own host of each side in URLs".to_owned(),
            RuleId::Mapped => "identifiers that each side issued (correlation)".to_owned(),
            RuleId::Echo => "an echo of fields that copies have, or lack".to_owned(),
            RuleId::Field => "fields of a head in JSON, as those of heads are compared".to_owned(),
            RuleId::Known(index) => self.known.get(index).map_or_else(String::new, |known| {
                let words = format!("{} is intended: {}", known.what(), known.reason);
                with_source(words, known.by.as_deref(), known.date.as_deref())
            }),
        }
    }
}

/// With who says so and since when, where that is known.
fn with_source(words: String, by: Option<&str>, date: Option<&str>) -> String {
    let from: Vec<&str> = [by, date].into_iter().flatten().collect();
    if from.is_empty() {
        words
    } else {
        format!("{words} ({})", from.join(", "))
    }
}
