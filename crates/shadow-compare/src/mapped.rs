//! Which of the other side's identifiers are which of production's, as a comparison asks it.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use shadow_correlate::{At, Map, is_reference, lock};

use super::correlation::Correlation;
use super::difference::Difference;
use super::rules::RuleId;

/// Longest list of places that is kept of a pair, in bytes: some hundred of them.
const MAX_KEPT: usize = 4096;

/// Knowledge of what is mapped to what.
#[derive(Clone, Copy, Debug)]
pub enum Mapped<'a> {
    /// By value, as a map has learned it.
    Map(&'a Mutex<Map>),
    /// By place: those of one pair where its values were mapped when they were compared first.
    Places(&'a [String]),
}

impl Mapped<'_> {
    /// Whether the two values, which stand at `path` in answers to a request for `target`, are one identifier.
    pub(super) fn is_same(self, path: &str, target: &[u8], production: &str, other: &str) -> bool {
        match self {
            Self::Map(map) => lock(map).is_same(target, at(path), production.as_bytes(), other.as_bytes()),
            Self::Places(places) => places.iter().any(|place| place == path),
        }
    }
}

/// The place of a value, as a map sees it.
fn at(path: &str) -> At<'_> {
    match path {
        "header.etag" => At::Tag,
        "header.last-modified" => At::Date,
        _ if path.starts_with('$') => {
            let name = path.rsplit('.').next().unwrap_or_default();
            At::Member(name.split('[').next().unwrap_or_default().as_bytes())
        }
        _ => match (select(path), named(path)) {
            (Some(name), _) => At::ChoiceOf(name.as_bytes()),
            (None, Some(name)) => At::Member(name.as_bytes()),
            (None, None) => At::Elsewhere,
        },
    }
}

/// The name of the value that an element of a page holds for a form or a script: of `html form > input[name=id]@value`, of
/// `html #id@value`, and of `html tr@data-id`. A place that is no such id may be anything else.
fn named(path: &str) -> Option<&str> {
    let (element, attribute) = path.strip_prefix("html ")?.rsplit_once('@')?;
    let name = match attribute {
        "value" => {
            let element = element.rsplit([' ', '>']).next()?;
            match element.split_once("[name=") {
                Some((_, name)) => name.strip_suffix(']')?,
                None => element.strip_prefix('#')?,
            }
        }
        _ => attribute.strip_prefix("data-")?,
    };
    is_reference(name.as_bytes()).then_some(name)
}

/// The name of the `select` of whose options these are the values, by its id: `groups` of `html #id_groups > option@value`.
fn select(path: &str) -> Option<&str> {
    let ids = path.strip_prefix("html ")?.strip_suffix("option@value")?;
    let (_, id) = ids.rsplit_once('#')?;
    let id = id.split([' ', '>', '.', '[']).next()?;
    Some(id.strip_prefix("id_").unwrap_or(id))
}

/// The places of one pair where its values were mapped: what is kept with it, since a map is never written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedPlaces {
    /// Between production and the shadow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<String>,
    /// Between production and the control.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub control: Vec<String>,
}

impl MappedPlaces {
    /// Those that rules took away between production and the shadow, and those of the control.
    pub(super) fn of(by_rule: &[(Difference, RuleId)], control: Option<Vec<String>>) -> Self {
        Self {
            shadow: places(by_rule),
            control: control.unwrap_or_default(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.shadow.is_empty() && self.control.is_empty()
    }
}

/// Known identifiers of a pair, between production and the shadow, and between production and the control.
pub(super) fn sides<'a>(
    kept: Option<&'a MappedPlaces>,
    correlation: Option<&'a Correlation>,
) -> [Option<Mapped<'a>>; 2] {
    match (kept, correlation) {
        (Some(places), _) => [&places.shadow, &places.control].map(|places| Some(Mapped::Places(places))),
        (None, Some(maps)) => [maps.shadow(), maps.control()].map(|map| Some(Mapped::Map(map))),
        (None, None) => [None, None],
    }
}

/// Of what rules take away in a comparison, the places where values are mapped; no more of them than are kept.
pub(super) fn places(by_rule: &[(Difference, RuleId)]) -> Vec<String> {
    let mut bytes = 0;
    let mapped = by_rule.iter().filter(|(_, rule)| *rule == RuleId::Mapped);
    mapped
        .map(|(difference, _)| difference.path.clone())
        .take_while(|path| {
            bytes += path.len() + 3;
            bytes <= MAX_KEPT
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_tell_what_stands_there() {
        for (path, expected) in [
            ("header.etag", At::Tag),
            ("$.items[*].todo_id", At::Member(b"todo_id")),
            ("html #id_groups > option@value", At::ChoiceOf(b"groups")),
            ("html #user.wide > optgroup > option@value", At::ChoiceOf(b"user")),
            ("html select > option@value", At::Elsewhere),
            ("html #id_groups > option", At::Elsewhere),
            ("html p", At::Elsewhere),
            ("html form > input[name=id]@value", At::Member(b"id")),
            ("html #id@value", At::Member(b"id")),
            ("html tr > td > input[name=todo_id]@value", At::Member(b"todo_id")),
            ("html tr@data-id", At::Member(b"id")),
            ("html form > input[name=price]@value", At::Elsewhere),
            ("html tr@data-price", At::Elsewhere),
        ] {
            assert_eq!(at(path), expected, "{path}");
        }
    }
}
