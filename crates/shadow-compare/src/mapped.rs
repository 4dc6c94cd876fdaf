//! Which of the other side's identifiers are which of production's, as a comparison asks it.

use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use shadow_correlate::{At, Map, is_reference, lock};

use super::correlation::Correlation;
use super::difference::Difference;
use super::path::OF_COOKIES;
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
        _ if path.starts_with(OF_COOKIES) => At::CookieName,
        _ if path.starts_with('$') => {
            let name = path.rsplit('.').next().unwrap_or_default();
            At::Member(name.split('[').next().unwrap_or_default().as_bytes())
        }
        _ => match (select(path), named(path)) {
            (Some(name), _) => At::ChoiceOf(name.as_bytes()),
            (None, Some(name)) => At::Member(name.as_bytes()),
            (None, None) if is_attribute(path) => At::Attribute,
            (None, None) => At::Elsewhere,
        },
    }
}

/// Attributes that name an element: nobody reads them, and they lead nowhere.
const NAMING: [&str; 8] = [
    "aria-controls",
    "aria-describedby",
    "aria-labelledby",
    "class",
    "for",
    "headers",
    "id",
    "name",
];

/// Whether it is such an attribute of an element of a page, or the value of one among several of a name (`post[]`); or a field of a head
/// that is called as an id is.
fn is_attribute(path: &str) -> bool {
    if let Some(field) = path.strip_prefix("header.") {
        return field.ends_with("-id");
    }
    let place = path
        .strip_prefix("html ")
        .and_then(|place| place.rsplit_once('@'));
    place.is_some_and(|(element, name)| {
        NAMING.contains(&name) || (name == "value" && element.ends_with("[]']"))
    })
}

/// The name of the value that an element of a page holds for a form or a script: of `html form > input[name=id]@value`, of
/// `html #id@value`, and of `html tr@data-id`. A place that is no such id may be anything else.
fn named(path: &str) -> Option<&str> {
    let place = path.strip_prefix("html ")?;
    let Some((element, attribute)) = place.rsplit_once('@') else {
        return cell(place);
    };
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

/// The name of what a cell of a table shows, by its classes: `id` of `tr > td.col-id`, and of `td.field-id`.
fn cell(place: &str) -> Option<&str> {
    // The cell may be a link to its record.
    let place = place.strip_suffix(" > a").unwrap_or(place);
    let element = place.rsplit([' ', '>']).next()?;
    let (tag, classes) = element.split_once('.')?;
    let name = |class: &str| -> Option<usize> {
        let prefixes = ["col-", "column-", "field-", "cell-", "td-", ""];
        let prefix = prefixes.into_iter().find(|prefix| class.starts_with(prefix))?;
        is_reference(&class.as_bytes()[prefix.len()..]).then_some(prefix.len())
    };
    let is_cell = matches!(tag, "td" | "th");
    let mut classes = classes.split('.').filter(|_| is_cell);
    classes.find_map(|class| name(class).map(|from| &class[from..]))
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
            ("html #list tr@id", At::Attribute),
            ("html th > input[name='post[]']@value", At::Attribute),
            ("html a@title", At::Elsewhere),
            ("header.x-attachment-id", At::Attribute),
            ("html #id_groups > option", At::Elsewhere),
            ("html p", At::Elsewhere),
            ("html form > input[name=id]@value", At::Member(b"id")),
            ("html #id@value", At::Member(b"id")),
            ("html tr > td > input[name=todo_id]@value", At::Member(b"todo_id")),
            ("html tr@data-id", At::Member(b"id")),
            ("html tr > td.col-id", At::Member(b"id")),
            (
                "html #list tr > th.field-todo_id.wide > a",
                At::Member(b"todo_id"),
            ),
            ("html tr > td.col-price", At::Elsewhere),
            ("html p.id", At::Elsewhere),
            ("header.set-cookie.sid", At::CookieName),
            ("html form > input[name=price]@value", At::Elsewhere),
            ("html tr@data-price", At::Elsewhere),
        ] {
            assert_eq!(at(path), expected, "{path}");
        }
    }
}
