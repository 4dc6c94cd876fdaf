//! Heads of answers: the status code, and the header fields by name.
//!
//! Heads are read leniently here: whoever captured them knows that they are whole, and a comparison must say something of
//! whatever it gets.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use super::difference_collector::DifferenceCollector;
use super::fields::{self, Manner};
use super::shown::Shown;
use super::{Kind, cookies};

/// Lines of a head, without the empty one that ends it.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = head;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.unwrap_or(rest.len())];
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
    .filter(|line| !line.is_empty())
}

/// Name and value of a line.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        Some(colon) => (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()),
        None => (line, b""),
    }
}

/// Whether two heads are the same in all that is ever compared, and frame and code their bodies in the same way. `false` when
/// that is not to be seen at a glance. Neither copies nor allocates.
pub(super) fn are_alike(production: &[u8], shadow: &[u8]) -> bool {
    let passed_over = |line: &[u8]| {
        let (name, value) = field(line);
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        // It may name fields that are not compared.
        let plain = || {
            [&b"close"[..], b"keep-alive"]
                .iter()
                .any(|word| value.eq_ignore_ascii_case(word))
        };
        fields::manner(name) == Manner::Never
            // These say how the body reads.
            && !is(b"transfer-encoding")
            && !is(b"content-encoding")
            && (!is(b"connection") || plain())
    };
    let (mut a, mut b) = (lines(production), lines(shadow));
    let (mut left, mut right) = (a.next(), b.next());
    let mut is_start = true;
    loop {
        match (left, right) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y => (left, right) = (a.next(), b.next()),
            _ if is_start => return false,
            (x, y) => {
                let (over_x, over_y) = (x.is_some_and(passed_over), y.is_some_and(passed_over));
                let both_there = || match (x, y) {
                    (Some(x), Some(y)) => {
                        let (x, y) = (field(x).0, field(y).0);
                        x.eq_ignore_ascii_case(y) && fields::manner(x) == Manner::Presence
                    }
                    _ => false,
                };
                if !over_x && !over_y {
                    if !both_there() {
                        return false;
                    }
                    (left, right) = (a.next(), b.next());
                } else {
                    if over_x {
                        left = a.next();
                    }
                    if over_y {
                        right = b.next();
                    }
                }
            }
        }
        is_start = false;
    }
}

/// A head, taken apart.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// The status code as it is written.
    pub status: &'a [u8],
    /// Values by name in lower case, in their order.
    fields: BTreeMap<String, Vec<&'a [u8]>>,
}

impl<'a> Head<'a> {
    /// Takes it apart.
    pub fn new(head: &'a [u8]) -> Self {
        let mut lines = lines(head);
        let start = lines.next().unwrap_or_default();
        let status = start.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut fields: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
        for line in lines {
            let (name, value) = field(line);
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            fields.entry(name).or_default().push(value);
        }
        Self { status, fields }
    }

    /// The values of the fields called `name`.
    pub fn values(&self, name: &str) -> &[&'a [u8]] {
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of the first of them.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).first().copied()
    }

    /// Whether one of the members of the list in fields called `name` is `member`.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        let members = |value: &&[u8]| {
            value
                .split(|byte| *byte == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
        };
        self.values(name).iter().any(members)
    }

    /// Fields that `Connection` names belong to the connection (RFC 9110 section 7.6.1): their names in lower case.
    fn of_connection(&self) -> impl Iterator<Item = String> {
        let values = self.values("connection").iter();
        let names = values.flat_map(|value| value.split(|byte| *byte == b','));
        names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
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
        Shown::Bytes(production.status),
        Shown::Bytes(shadow.status),
    );
    production.status.first() == shadow.status.first()
}

/// Compares the fields that `wanted` says, by name.
pub(super) fn compare_fields(
    production: &Head<'_>,
    shadow: &Head<'_>,
    wanted: impl Fn(&str) -> bool,
    findings: &mut DifferenceCollector<'_>,
) {
    findings.path.start("header");
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
                let members = |values: &[&[u8]]| members_of(values, manner == Manner::Names);
                let (left, right) = (members(left), members(right));
                compare_values(left.as_deref(), right.as_deref(), true, findings);
            }
            Manner::MediaType => {
                let one = |values: &[&[u8]]| joined(values).map(|value| media_type(&value));
                let (left, right) = (one(left), one(right));
                compare_values(left.as_deref(), right.as_deref(), true, findings);
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

fn compare_values(
    production: Option<&[u8]>,
    shadow: Option<&[u8]>,
    by_value: bool,
    findings: &mut DifferenceCollector<'_>,
) {
    match (production, shadow) {
        (Some(a), Some(b)) if by_value && a != b => {
            findings.add(Kind::Value, Shown::Bytes(a), Shown::Bytes(b));
        }
        (Some(a), None) => findings.add(Kind::Missing, Shown::Bytes(a), Shown::Absent),
        (None, Some(b)) => findings.add(Kind::Extra, Shown::Absent, Shown::Bytes(b)),
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

/// The members of a list in one order and in lower case; of `names`, without `Accept-Encoding`, which is about the way.
fn members_of(values: &[&[u8]], names: bool) -> Option<Vec<u8>> {
    let all = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    let mut members: Vec<Vec<u8>> = all
        .map(|member| member.trim_ascii().to_ascii_lowercase())
        .filter(|member| !(member.is_empty() || (names && member == b"accept-encoding")))
        .collect();
    members.sort();
    members.dedup();
    (!members.is_empty()).then(|| members.join(&b", "[..]))
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
