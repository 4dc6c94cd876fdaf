//! `Set-Cookie` (RFC 6265): which cookies are set, and how they are kept. Not their values: those are sessions and tokens, new
//! for each answer.

use std::collections::BTreeMap;

use super::Kind;
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;

/// Cookies of both sides by name, where `findings` is.
pub(super) fn compare(production: &[&[u8]], shadow: &[&[u8]], findings: &mut DifferenceCollector<'_>) {
    let (left, right) = (cookies(production), cookies(shadow));
    let only_shadow = right.keys().filter(|name| !left.contains_key(*name));
    for name in left.keys().chain(only_shadow) {
        findings.path.name(name);
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) if a != b => {
                findings.add(Kind::Value, DisplayValue::Text(a), DisplayValue::Text(b));
            }
            (Some(a), None) => findings.add(Kind::Missing, DisplayValue::Text(a), DisplayValue::Absent),
            (None, Some(b)) => findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(b)),
            _ => {}
        }
        findings.path.back();
    }
}

/// Attributes by the cookie's name. The last of several with a name is what a browser keeps.
fn cookies(values: &[&[u8]]) -> BTreeMap<String, String> {
    let read = |value: &&[u8]| {
        let text = String::from_utf8_lossy(value);
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default();
        let name = name.split('=').next().unwrap_or_default().trim().to_owned();
        (name, attributes(parts))
    };
    values.iter().map(read).collect()
}

/// Attributes in one order and spelling. Of `Expires` only that it is there: it is a time from now.
fn attributes<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut all: Vec<String> = parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "expires" => name,
                "path" => format!("{name}={value}"),
                _ if value.is_empty() => name,
                _ => format!("{name}={}", value.to_ascii_lowercase()),
            }
        })
        .filter(|attribute| !attribute.is_empty())
        .collect();
    all.sort();
    all.join("; ")
}
