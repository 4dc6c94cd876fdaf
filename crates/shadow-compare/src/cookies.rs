//! `Set-Cookie` (RFC 6265): which cookies are set, and how they are kept. Not their values: those are sessions and tokens, new
//! for each answer.

use std::collections::BTreeMap;

use super::Kind;
use super::cookie_attributes::Attributes;
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;

/// Cookies of both sides by name, where `findings` is.
pub(super) fn compare(production: &[&[u8]], shadow: &[&[u8]], findings: &mut DifferenceCollector<'_>) {
    let (left, mut right) = (cookies(production), cookies(shadow));
    // What each instance calls by a name of its own is one cookie.
    for name in left.keys() {
        if right.contains_key(name) {
            continue;
        }
        let theirs = right
            .keys()
            .find(|other| !left.contains_key(*other) && findings.is_renamed(name, other));
        if let Some(theirs) = theirs.cloned()
            && let Some(attributes) = right.remove(&theirs)
        {
            right.insert(name.clone(), attributes);
        }
    }
    let only_shadow = right.keys().filter(|name| !left.contains_key(*name));
    for name in left.keys().chain(only_shadow) {
        findings.path.name(name);
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) if a.worth != b.worth => {
                let (a, b) = (DisplayValue::Text(&a.shown), DisplayValue::Text(&b.shown));
                findings.add(Kind::Value, a, b);
            }
            (Some(a), None) => {
                findings.add(Kind::Missing, DisplayValue::Text(&a.shown), DisplayValue::Absent);
            }
            (None, Some(b)) => {
                findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(&b.shown));
            }
            _ => {}
        }
        findings.path.back();
    }
}

/// Attributes by the cookie's name. The last of several with a name is what a browser keeps.
fn cookies(values: &[&[u8]]) -> BTreeMap<String, Attributes> {
    let read = |value: &&[u8]| {
        let text = String::from_utf8_lossy(value);
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default();
        let name = name.split('=').next().unwrap_or_default().trim().to_owned();
        (name, Attributes::of(parts))
    };
    values.iter().map(read).collect()
}
