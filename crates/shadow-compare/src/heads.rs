//! Heads of answers: the status code, and the header fields by name.

use std::borrow::Cow;
use std::collections::HashSet;

use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;
use super::fields::{self, Manner};
use super::head::{Head, field, lines};
use super::{Kind, challenges, cookies};

/// Whether two heads are the same in all that is ever compared, and frame and code their bodies in the same way. `false` when
/// that is not to be seen at a glance. Neither copies nor allocates.
pub(super) fn are_alike(production: &[u8], shadow: &[u8]) -> bool {
    let (mut a, mut b) = (lines(production), lines(shadow));
    // The start lines.
    if a.next() != b.next() {
        return false;
    }
    loop {
        // Nearly all, in nearly all answers.
        a.pass_alike(&mut b);
        let (mut behind_a, mut behind_b) = (a.clone(), b.clone());
        match (behind_a.next(), behind_b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y || differ_as_always(x, y) => (a, b) = (behind_a, behind_b),
            (Some(x), Some(y)) => {
                let (x, y) = (Line::of(x), Line::of(y));
                let is_same_field = x.name.eq_ignore_ascii_case(y.name);
                if is_same_field && x.manner == Manner::Presence {
                    (a, b) = (behind_a, behind_b);
                    continue;
                }
                let over = (x.is_passed_over(), y.is_passed_over());
                if over == (false, false) {
                    return false;
                }
                if over.0 {
                    a = behind_a;
                }
                if over.1 {
                    b = behind_b;
                }
            }
            (Some(x), None) if Line::of(x).is_passed_over() => a = behind_a,
            (None, Some(y)) if Line::of(y).is_passed_over() => b = behind_b,
            _ => return false,
        }
    }
}

/// Whether two lines are of one field whose value is never compared, and says nothing of others: seen at a glance.
fn differ_as_always(x: &[u8], y: &[u8]) -> bool {
    // Names are short: a loop finds where they end sooner than a call.
    let Some(end) = x.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let name = &x[..end];
    y.get(..=end) == Some(&x[..=end])
        && match fields::manner(name) {
            Manner::Presence => true,
            Manner::Never => !TELLING.iter().any(|telling| name.eq_ignore_ascii_case(telling)),
            _ => false,
        }
}

/// Fields that are not compared and say how the body, or another field, is.
const TELLING: [&[u8]; 3] = [b"transfer-encoding", b"content-encoding", b"connection"];

/// A line of a head, with how its field is compared.
struct Line<'a> {
    name: &'a [u8],
    value: &'a [u8],
    manner: Manner,
}

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Self {
        let (name, value) = field(line);
        let manner = fields::manner(name);
        Self { name, value, manner }
    }

    /// Whether it is neither compared nor says how the body, or another field, is.
    fn is_passed_over(&self) -> bool {
        let is = |wanted: &[u8]| self.name.eq_ignore_ascii_case(wanted);
        // It may name fields that are not compared.
        let plain = || {
            [&b"close"[..], b"keep-alive"]
                .iter()
                .any(|word| self.value.eq_ignore_ascii_case(word))
        };
        self.manner == Manner::Never
            // These say how the body reads.
            && !is(b"transfer-encoding")
            && !is(b"content-encoding")
            && (!is(b"connection") || plain())
    }
}

/// Compares the status codes. Whether what is behind them is worth a look: an error's body has nothing of a success's, and each
/// difference in it would only say once more that it is an error.
pub(super) fn compare_status(
    production: &Head<'_>,
    shadow: &Head<'_>,
    findings: &mut DifferenceCollector<'_>,
) -> bool {
    if production.status == shadow.status {
        return true;
    }
    findings.path.start("status");
    findings.add(
        Kind::Status,
        DisplayValue::Bytes(production.status),
        DisplayValue::Bytes(shadow.status),
    );
    production.status.first() == shadow.status.first()
}

/// Whether one of the status codes gives the field called `name` a meaning.
pub(super) fn matters(production: &Head<'_>, shadow: &Head<'_>, name: &str) -> bool {
    [production, shadow]
        .iter()
        .any(|head| fields::of_status(head.status).contains(&name))
}

/// Compares the fields that `wanted` says, by name, at places below `root`.
pub(super) fn compare_fields(
    production: &Head<'_>,
    shadow: &Head<'_>,
    root: &str,
    wanted: impl Fn(&str) -> bool,
    findings: &mut DifferenceCollector<'_>,
) {
    findings.path.start(root);
    let of_connection: HashSet<String> = production.of_connection().chain(shadow.of_connection()).collect();
    let names = production.fields.keys();
    let only_shadow = shadow
        .fields
        .keys()
        .filter(|name| !production.fields.contains_key(*name));
    for name in names.chain(only_shadow) {
        if findings.is_full() {
            return;
        }
        let (left, right) = (production.values(name), shadow.values(name));
        if left == right || !wanted(name) {
            continue;
        }
        let manner = fields::manner(name.as_bytes());
        if manner == Manner::Never || of_connection.contains(name) {
            continue;
        }
        findings.path.name(name);
        match manner {
            Manner::Cookies => cookies::compare(left, right, findings),
            Manner::Names | Manner::Set => {
                let members = |values: &[&[u8]]| fields::members_of(values, manner == Manner::Names);
                as_written(left, right, members, findings);
            }
            Manner::MediaType => {
                let one = |values: &[&[u8]]| joined(values).map(|value| media_type(&value));
                as_written(left, right, one, findings);
            }
            Manner::Value if challenges::are_in(name) => {
                let (left, right) = (joined(left), joined(right));
                let one = |value: &Option<Cow<'_, [u8]>>| value.as_deref().map(challenges::comparable);
                if one(&left) != one(&right) {
                    // Shown in the order that they have.
                    let one =
                        |value: &Option<Cow<'_, [u8]>>| value.as_deref().map(challenges::without_nonces);
                    let (left, right) = (one(&left), one(&right));
                    compare_values(left.as_deref(), right.as_deref(), true, findings);
                }
            }
            _ => {
                let (left, right) = (joined(left), joined(right));
                compare_values(
                    left.as_deref(),
                    right.as_deref(),
                    manner == Manner::Value,
                    findings,
                );
            }
        }
        findings.path.back();
    }
}

/// Compares values by what they are worth, and shows them as they were on the wire.
fn as_written(
    production: &[&[u8]],
    shadow: &[&[u8]],
    worth: impl Fn(&[&[u8]]) -> Option<Vec<u8>>,
    findings: &mut DifferenceCollector<'_>,
) {
    let (left, right) = (worth(production), worth(shadow));
    if left != right {
        let shown = |values: &[&[u8]], worth: Option<Vec<u8>>| {
            let shown = joined(values).map(Cow::into_owned);
            worth.and(shown)
        };
        let (left, right) = (shown(production, left), shown(shadow, right));
        compare_values(left.as_deref(), right.as_deref(), true, findings);
    }
}

fn compare_values(
    production: Option<&[u8]>,
    shadow: Option<&[u8]>,
    by_value: bool,
    findings: &mut DifferenceCollector<'_>,
) {
    match (production, shadow) {
        (Some(a), Some(b)) if by_value && a != b => {
            findings.add(Kind::Value, DisplayValue::Bytes(a), DisplayValue::Bytes(b));
        }
        (Some(a), None) => findings.add(Kind::Missing, DisplayValue::Bytes(a), DisplayValue::Absent),
        (None, Some(b)) => findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Bytes(b)),
        _ => {}
    }
}

/// Several fields of a name are one list (RFC 9110 section 5.3).
fn joined<'a>(values: &[&'a [u8]]) -> Option<Cow<'a, [u8]>> {
    match values {
        [] => None,
        [value] => Some(Cow::Borrowed(value)),
        values => Some(Cow::Owned(values.join(&b", "[..]))),
    }
}

/// A media type and its parameters in one spelling, without the boundary.
fn media_type(value: &[u8]) -> Vec<u8> {
    let parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let parts: Vec<Vec<u8>> = parts
        .map(<[u8]>::to_ascii_lowercase)
        .filter(|part| !part.is_empty() && !part.starts_with(b"boundary="))
        .collect();
    parts.join(&b"; "[..])
}
