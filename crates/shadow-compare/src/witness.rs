//! The control as a witness to each difference of one pair: the three answers to a request are judged together.
//!
//! Where the control has what the shadow has, and production has not, the shadow behaves as another instance of production's
//! release does: it is excused, whatever the count. Where it differs from both, the place does so by itself, and rates tell
//! ([`super::noise`]). Where it has what production has, the shadow stands alone.
//!
//! Biased against the shadow: it is excused only where the control was seen to differ from production at the same place and in
//! the same way, and where nothing at that place or above it tells the control from the shadow. So what agrees between
//! production and the control is never excused. Pure; the control is compared with the shadow only where both differ from
//! production.

use std::cell::OnceCell;

use super::comparing::compare;
use super::difference_collector::Compared;
use super::hosts::CompareContext;
use super::mapped;
use super::pair::Answer;
use super::rules::Rules;
use super::time_distance::is_time;
use super::{Difference, Kind};

/// Any number that moves with the clock is a time, whatever it is called.
const NAME_OF_A_TIME: &str = "time";

/// Word of the control's answer on a difference between production and the shadow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: it does not reach there, behind another status code say.
    Unknown,
    /// The control has there what the shadow has, and production has not.
    LikeControl,
    /// All three differ.
    Unstable,
    /// The control has there what production has.
    Alone,
}

/// The control's answer beside the two others of its pair.
pub(super) struct Witness<'a> {
    /// Of the shadow and the control.
    to_control: CompareContext<'a>,
    rules: &'a Rules,
    /// Whether what rules take away does not count.
    by_rules: bool,
    shadow: &'a Answer,
    control: &'a Answer,
    to_production: Compared,
    to_shadow: OnceCell<Compared>,
}

impl<'a> Witness<'a> {
    /// Compares it with production's. Production is asked the two questions with the shadow and with the control.
    pub fn new(
        [with_shadow, with_control]: [&CompareContext<'a>; 2],
        (rules, by_rules): (&'a Rules, bool),
        [production, shadow, control]: [&'a Answer; 3],
    ) -> Self {
        let to_production = compare(with_control, production, control, rules);
        // What either of the two maps to production's is no difference from production, and not asked about.
        let to_control = CompareContext {
            first_host: with_shadow.host,
            mapped: None,
            ..*with_control
        };
        Self {
            to_control,
            rules,
            by_rules,
            shadow,
            control,
            to_production,
            to_shadow: OnceCell::new(),
        }
    }

    /// The places where the control's values are mapped to production's.
    pub fn mapped(&self) -> Vec<String> {
        mapped::places(&self.to_production.by_rule)
    }

    /// Differences between production and the control that count.
    pub fn to_production(&self) -> impl Iterator<Item = &Difference> {
        counted(&self.to_production, self.by_rules)
    }

    /// Judges a difference between production and the shadow that no rule takes away.
    pub fn standing(&self, difference: &Difference) -> Standing {
        let (path, kind) = (difference.path.as_str(), difference.kind);
        if kind == Kind::More {
            return Standing::Unknown;
        }
        let mut here = self.to_production().filter(|other| other.path == path).peekable();
        if here.peek().is_none() {
            return if self.is_hidden(&self.to_production, path) {
                Standing::Unknown
            } else {
                Standing::Alone
            };
        }
        match here.find(|other| other.kind == kind) {
            Some(other) if !self.are_surely_apart(difference, other) && self.is_equal_to_shadow(path) => {
                Standing::LikeControl
            }
            _ => Standing::Unstable,
        }
    }

    /// Whether the shadow's value and the control's, each as it differs from production's, cannot be the same: seen at what is
    /// shown of them, which is the same where they are, unless a rule could take another value for the same. Spares most of what
    /// varies by nature, such as ids, the comparison of all of both answers.
    fn are_surely_apart(&self, shadow: &Difference, control: &Difference) -> bool {
        let (path, [a, b]) = (shadow.path.as_str(), [&shadow.shadow, &control.shadow]);
        let (Some(a), Some(b), Kind::Value) = (a, b, shadow.kind) else {
            return a != b;
        };
        let text = a.trim_matches('"');
        let may_be_time = || {
            self.rules.time_tolerance().is_some()
                && (is_time(path, text, false) || is_time(NAME_OF_A_TIME, text, true))
        };
        let has_hosts = !self.rules.exact_hosts()
            && (self.to_control.host.is_some() || self.to_control.first_host.is_some());
        // Lists in another order are the same, and are shown as they were.
        let may_be_list = || path.starts_with("header.");
        let may_have_host = || has_hosts && a.contains(['.', ':', '/', '=']);
        a != b && self.rules.tolerances().is_empty() && !may_be_list() && !may_have_host() && !may_be_time()
    }

    /// Whether the control alone differs there from production, of which the shadow is known to be the same.
    pub fn is_alone(&self, difference: &Difference, shadow: &Compared) -> bool {
        let path = difference.path.as_str();
        !counted(shadow, self.by_rules).any(|other| other.path == path) && !self.is_hidden(shadow, path)
    }

    fn is_equal_to_shadow(&self, path: &str) -> bool {
        let compared = self
            .to_shadow
            .get_or_init(|| compare(&self.to_control, self.shadow, self.control, self.rules));
        let differs = counted(compared, self.by_rules).any(|other| other.path == path);
        !differs && !self.is_hidden(compared, path)
    }

    /// Whether a comparison says nothing of a place because of what it says of others.
    fn is_hidden(&self, compared: &Compared, path: &str) -> bool {
        // Others are compared where a status code gives them a meaning: where that of one comparison does, that of another may not.
        let always_compared = matches!(path, "status" | "header.content-type");
        counted(compared, self.by_rules).any(|other| match other.kind {
            Kind::More => true,
            Kind::Status => !always_compared && is_of_another_class(other),
            _ => is_above(&other.path, path),
        })
    }
}

/// Differences that count: all of them, where rules are not to take anything away.
fn counted(compared: &Compared, by_rules: bool) -> impl Iterator<Item = &Difference> {
    let by_rule = compared.by_rule.iter().map(|(difference, _)| difference);
    compared
        .differences
        .iter()
        .chain(by_rule.take(if by_rules { 0 } else { usize::MAX }))
}

/// Behind a status code of another class, little is compared.
fn is_of_another_class(status: &Difference) -> bool {
    if status.path == crate::grpc_call::STATUS {
        return true;
    }
    let class = |code: &Option<String>| code.as_ref().and_then(|code| code.bytes().next());
    class(&status.production) != class(&status.shadow)
}

/// Whether a place is one that the other is within.
fn is_above(above: &str, path: &str) -> bool {
    let within = path.strip_prefix(above).and_then(|rest| rest.bytes().next());
    within.is_some_and(|byte| matches!(byte, b'.' | b'[' | b' ' | b'/'))
}

#[cfg(test)]
mod tests;
