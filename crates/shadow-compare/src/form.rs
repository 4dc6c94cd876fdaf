//! `application/x-www-form-urlencoded` bodies: fields by name.

use std::collections::BTreeMap;

use super::Kind;
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;

/// Fields of both sides by name, in whatever order; the values of one name in theirs.
pub(super) fn compare(production: &str, shadow: &str, findings: &mut DifferenceCollector<'_>) {
    let (left, right) = (fields(production), fields(shadow));
    let only_shadow = right.keys().filter(|name| !left.contains_key(*name));
    for name in left.keys().chain(only_shadow) {
        if findings.is_full() {
            return;
        }
        findings.path.name(name);
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) if a != b => {
                findings.add(
                    Kind::Value,
                    DisplayValue::Text(&a.join(", ")),
                    DisplayValue::Text(&b.join(", ")),
                );
            }
            (Some(a), None) => findings.add(
                Kind::Missing,
                DisplayValue::Text(&a.join(", ")),
                DisplayValue::Absent,
            ),
            (None, Some(b)) => findings.add(
                Kind::Extra,
                DisplayValue::Absent,
                DisplayValue::Text(&b.join(", ")),
            ),
            _ => {}
        }
        findings.path.back();
    }
}

fn fields(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in text.trim_ascii().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        fields.entry(decoded(name)).or_default().push(decoded(value));
    }
    fields
}

/// Without `+` and percent-encoding. What is no encoding stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes
            .get(at + 1..at + 3)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        match (byte, digits.and_then(|digits| std::str::from_utf8(digits).ok())) {
            (b'%', Some(digits)) => {
                out.extend(u8::from_str_radix(digits, 16));
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
