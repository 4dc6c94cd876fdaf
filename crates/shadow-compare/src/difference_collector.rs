//! Collects what differs: each place and kind once, told apart by the rules, and no more of it than anybody reads.

use std::cell::OnceCell;
use std::collections::HashMap;

use super::display_value::{self, DisplayValue};
use super::echo::is_echo;
use super::embedded_field::is_same_field;
use super::hosts::{CompareContext, HostAliases};
use super::path::{self, OF_COOKIES, Path};
use super::pattern::{PathPattern, is_status};
use super::rules::{ArrayMatch, KnownDifference, RuleId, Rules};
use super::time_distance::{self, Dates};
use super::{Difference, Kind};

/// Most differences of one pair in either list. Behind them comes one that says so.
pub(super) const MAX_DIFFERENCES: usize = 100;
/// Most places of one pair that rules are asked about.
const MAX_PLACES: usize = 2000;

/// The target in the request line that `head` begins with.
fn request_target(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b' ').nth(1).unwrap_or_default()
}

/// The result of comparing two answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Differences that no rule takes away.
    pub differences: Vec<Difference>,
    /// Differences that do not count by a rule, and the rule.
    pub by_rule: Vec<(Difference, RuleId)>,
}

impl Compared {
    /// Whether the answers are the same but for what is never compared.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.by_rule.is_empty()
    }
}

/// The state of a place where something differs.
#[derive(Clone, Copy, Debug, Default)]
struct PathState {
    /// The rule that takes away everything there.
    ignored: Option<usize>,
    /// The rule that takes away numbers that are near each other.
    tolerance: Option<usize>,
    /// Kinds that are told already, a bit for each.
    told: u16,
    /// Those that are told as taken away by a rule.
    told_by_rule: u16,
}

/// The differences found so far, and where the comparison is.
#[derive(Debug)]
pub(super) struct DifferenceCollector<'r> {
    /// Where it is.
    pub path: Path,
    pub rules: &'r Rules,
    question: &'r CompareContext<'r>,
    /// When both sides answered.
    dates: Dates<'r>,
    /// Known when it is asked for first.
    hosts: OnceCell<HostAliases>,
    places: HashMap<String, PathState>,
    /// How arrays are matched, by their paths.
    arrays: HashMap<String, &'r ArrayMatch>,
    found: Compared,
    full: bool,
}

impl<'r> DifferenceCollector<'r> {
    pub fn new(question: &'r CompareContext<'r>, rules: &'r Rules, dates: Dates<'r>) -> Self {
        Self {
            path: Path::default(),
            rules,
            question,
            dates,
            hosts: OnceCell::new(),
            places: HashMap::new(),
            arrays: HashMap::new(),
            found: Compared::default(),
            full: false,
        }
    }

    pub fn done(self) -> Compared {
        self.found
    }

    /// Whether more would not be told.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Names that are taken for one host; none where a rule says so.
    pub fn hosts(&self) -> &HostAliases {
        self.hosts.get_or_init(|| {
            if self.rules.exact_hosts() {
                HostAliases::default()
            } else {
                HostAliases::of(self.question)
            }
        })
    }

    /// How the array here is matched.
    pub fn array(&mut self) -> &'r ArrayMatch {
        let path = self.path.as_str();
        if let Some(known) = self.arrays.get(path) {
            return known;
        }
        if !self.rules.has_arrays() || self.arrays.len() >= MAX_PLACES {
            return &ArrayMatch::Order;
        }
        let (root, steps) = path::steps(path).unwrap_or_default();
        let about = |pattern: &PathPattern| pattern.fits(self.question.endpoint, root, &steps, false);
        let matched = self.rules.array(about);
        self.arrays.insert(path.to_owned(), matched);
        matched
    }

    /// Something differs here.
    pub fn add(&mut self, kind: Kind, production: DisplayValue<'_>, shadow: DisplayValue<'_>) {
        if self.full {
            return;
        }
        let Some(mut place) = self.place() else {
            return self.end();
        };
        let bit = 1 << kind as u16;
        // Told already, and what counts is not made less by what does not.
        if place.told & bit != 0 || (place.ignored.is_some() && place.told_by_rule & bit != 0) {
            return;
        }
        let rule = match place.ignored {
            Some(rule) => Some(RuleId::Ignore(rule)),
            None if kind == Kind::Value => self.tolerated(place.tolerance, production, shadow),
            None => None,
        };
        let rule = rule.or_else(|| self.echoed(kind, production));
        let rule = rule.or_else(|| self.known(production, shadow));
        let told = if rule.is_some() {
            &mut place.told_by_rule
        } else {
            &mut place.told
        };
        if *told & bit != 0 {
            return;
        }
        *told |= bit;
        if let Some(known) = self.places.get_mut(self.path.as_str()) {
            *known = place;
        }
        match rule {
            Some(_) if self.found.by_rule.len() >= MAX_DIFFERENCES => {}
            Some(rule) => {
                let difference = self.difference(kind, production, shadow);
                self.found.by_rule.push((difference, rule));
            }
            None if self.found.differences.len() >= MAX_DIFFERENCES => self.end(),
            None => {
                let difference = self.difference(kind, production, shadow);
                self.found.differences.push(difference);
            }
        }
    }

    fn difference(&self, kind: Kind, production: DisplayValue<'_>, shadow: DisplayValue<'_>) -> Difference {
        let (production, shadow) = display_value::both(production, shadow);
        Difference {
            path: self.path.as_str().to_owned(),
            kind,
            production,
            shadow,
        }
    }

    /// Looks up what rules say about the place; `None` for one too many.
    fn place(&mut self) -> Option<PathState> {
        let path = self.path.as_str();
        if let Some(place) = self.places.get(path) {
            return Some(*place);
        }
        if self.places.len() >= MAX_PLACES {
            return None;
        }
        // What was written here can be read again.
        let (root, steps) = path::steps(path).unwrap_or_default();
        let covers = |pattern: &PathPattern| pattern.fits(self.question.endpoint, root, &steps, true);
        let ignored = self.rules.ignored().iter();
        let tolerances = self.rules.tolerances().iter();
        let place = PathState {
            ignored: ignored
                .enumerate()
                .find(|(_, rule)| !is_status(root) && covers(&rule.path))
                .map(|(index, _)| index),
            tolerance: tolerances
                .enumerate()
                .find(|(_, rule)| covers(&rule.path))
                .map(|(index, _)| index),
            ..PathState::default()
        };
        self.places.insert(path.to_owned(), place);
        Some(place)
    }

    /// The difference that a release intends, if these values here are one.
    fn known(&self, production: DisplayValue<'_>, shadow: DisplayValue<'_>) -> Option<RuleId> {
        let known = self.rules.known();
        if known.is_empty() {
            return None;
        }
        let (root, steps) = path::steps(self.path.as_str()).unwrap_or_default();
        let (production, shadow) = display_value::both(production, shadow);
        let is_it = |known: &KnownDifference| {
            known.path.fits(self.question.endpoint, root, &steps, true)
                && known.has_values(production.as_deref(), shadow.as_deref())
        };
        known.iter().position(is_it).map(RuleId::Known)
    }

    /// The rule for what is an echo of the agent's own doing.
    fn echoed(&self, kind: Kind, production: DisplayValue<'_>) -> Option<RuleId> {
        is_echo(self.question.head, self.path.as_str(), kind, production).then_some(RuleId::Echo)
    }

    /// The rule by which two values are near enough.
    fn tolerated(
        &self,
        tolerance: Option<usize>,
        production: DisplayValue<'_>,
        shadow: DisplayValue<'_>,
    ) -> Option<RuleId> {
        if let Some(index) = tolerance
            && let (Some(a), Some(b)) = (production.number(), shadow.number())
            && self.rules.tolerances()[index].within.holds(a, b)
        {
            return Some(RuleId::Tolerance(index));
        }
        if self.mapped(production, shadow) {
            return Some(RuleId::Mapped);
        }
        if let (Some(a), Some(b)) = (production.string(), shadow.string())
            && is_same_field(self.path.as_str(), a, b)
        {
            return Some(RuleId::Field);
        }
        if let (Some(a), Some(b)) = (production.string(), shadow.string()) {
            let is_cookie = self.path.as_str().starts_with(OF_COOKIES);
            if self.hosts().same(a, b) || (is_cookie && self.hosts().same_domain(a, b)) {
                return Some(RuleId::Host);
            }
        }
        let most = self.rules.time_tolerance()?;
        let apart = time_distance::apart(self.path.as_str(), production, shadow, self.dates);
        if apart.is_some_and(|apart| apart <= most) {
            return Some(RuleId::Time);
        }
        time_distance::are_next_minutes(production, shadow, self.dates).then_some(RuleId::Minute)
    }

    /// Whether `production` and `shadow` are one name that each side issued, of something here. If so, it is told as mapped.
    pub fn is_renamed(&mut self, production: &str, shadow: &str) -> bool {
        self.path.name(production);
        self.path.label("name");
        let (production, shadow) = (DisplayValue::Text(production), DisplayValue::Text(shadow));
        let is_mapped = self.mapped(production, shadow);
        if is_mapped {
            self.add(Kind::Value, production, shadow);
        }
        self.path.back();
        self.path.back();
        is_mapped
    }

    /// Whether the two are one identifier, as each side issued it.
    fn mapped(&self, production: DisplayValue<'_>, shadow: DisplayValue<'_>) -> bool {
        let Some(mapped) = self.question.mapped else {
            return false;
        };
        let text = |shown: &DisplayValue<'_>| shown.string().or_else(|| shown.digits()).map(str::to_owned);
        let (Some(production), Some(shadow)) = (text(&production), text(&shadow)) else {
            return false;
        };
        let target = request_target(self.question.head);
        let (production, shadow) = self.without_own_hosts(&production, &shadow);
        mapped.is_same(self.path.as_str(), target, production, shadow)
    }

    /// Two URLs without scheme and authority, where these are of the hosts that both sides were asked under.
    fn without_own_hosts<'t>(&self, production: &'t str, shadow: &'t str) -> (&'t str, &'t str) {
        let path = |url: &'t str| {
            let authority = url.find("://")? + 3;
            Some(authority + url[authority..].find('/')?)
        };
        if let (Some(left), Some(right)) = (path(production), path(shadow))
            && self.hosts().same(&production[..left], &shadow[..right])
        {
            return (&production[left..], &shadow[right..]);
        }
        (production, shadow)
    }

    /// Says that there is more, at what is above here, and takes no more.
    fn end(&mut self) {
        const MORE: &str = "more differences than listed";
        self.full = true;
        self.found.differences.push(Difference {
            path: self.path.parent().to_owned(),
            kind: Kind::More,
            production: Some(MORE.to_owned()),
            shadow: Some(MORE.to_owned()),
        });
    }
}
