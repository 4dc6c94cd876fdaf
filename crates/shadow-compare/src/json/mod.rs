//! JSON bodies, compared by structure: names, types and values.

mod arrays;
mod leaves;
mod number;
mod read;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashSet;

pub(super) use leaves::{Leaf, LeafChoice, Scalar, leaves};
pub(super) use read::{Json, Node, Reader};

use super::Kind;
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;
use super::rules::ArrayMatch;

/// Compares two values where `findings` is. Both come from the same [`Reader`], so equal ones have equal hashes.
pub(super) fn compare(production: &Node<'_>, shadow: &Node<'_>, findings: &mut DifferenceCollector<'_>) {
    if production.hash == shadow.hash || findings.is_full() {
        return;
    }
    match (&production.value, &shadow.value) {
        (Json::Object(a), Json::Object(b)) => members(a, b, findings),
        (Json::Array(a), Json::Array(b)) => match findings.array() {
            ArrayMatch::Order => arrays::in_order(a, b, findings),
            ArrayMatch::Set => arrays::as_sets(a, b, findings),
            ArrayMatch::Key(key) => arrays::by_key(key, a, b, findings),
        },
        (a, b) => {
            let kind = if a.type_name() == b.type_name() {
                Kind::Value
            } else {
                Kind::Type
            };
            findings.add(kind, DisplayValue::Json(production), DisplayValue::Json(shadow));
        }
    }
}

type Members<'a> = [(Cow<'a, str>, Node<'a>)];

/// Members by name, those that each side calls by an identifier of its own too. Both lists are in the order of names, and members of
/// the same name in the order of the text: the first is compared with the first, the second with the second.
fn members(production: &Members<'_>, shadow: &Members<'_>, findings: &mut DifferenceCollector<'_>) {
    let renamed = renamed(production, shadow, findings);
    for (left, right) in &renamed {
        let (name, left) = &production[*left];
        findings.path.name(name);
        compare(left, &shadow[*right].1, findings);
        findings.path.back();
    }
    let ours: HashSet<usize> = renamed.iter().map(|pair| pair.0).collect();
    let theirs: HashSet<usize> = renamed.iter().map(|pair| pair.1).collect();
    let mut a = others(production, &ours).peekable();
    let mut b = others(shadow, &theirs).peekable();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let left = if order.is_le() { a.next() } else { None };
        let right = if order.is_ge() { b.next() } else { None };
        match (left, right) {
            (Some((_, left)), Some((_, right))) if left.hash == right.hash => {}
            (Some((name, left)), Some((_, right))) => {
                findings.path.name(name);
                compare(left, right, findings);
                findings.path.back();
            }
            (Some((name, left)), None) => {
                findings.path.name(name);
                findings.add(Kind::Missing, DisplayValue::Json(left), DisplayValue::Absent);
                findings.path.back();
            }
            (None, Some((name, right))) => {
                findings.path.name(name);
                findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Json(right));
                findings.path.back();
            }
            (None, None) => return,
        }
    }
}

/// The members but for those at these places.
fn others<'m, 'a>(
    members: &'m Members<'a>,
    but: &'m HashSet<usize>,
) -> impl Iterator<Item = &'m (Cow<'a, str>, Node<'a>)> {
    let all = members.iter().enumerate();
    all.filter(|(at, _)| !but.contains(at)).map(|(_, member)| member)
}

/// Most members of one object that are looked up because one side lacks them.
const MAX_RENAMED: usize = 64;

/// Where members stand in both lists that are one, under a name that each side issued.
fn renamed(
    production: &Members<'_>,
    shadow: &Members<'_>,
    findings: &mut DifferenceCollector<'_>,
) -> Vec<(usize, usize)> {
    let lacks = |members: &Members<'_>, name: &str| {
        members
            .binary_search_by(|(other, _)| (**other).cmp(name))
            .is_err()
    };
    let only = |members: &Members<'_>, others: &Members<'_>| -> Vec<usize> {
        let all = members.iter().enumerate();
        all.filter(|(_, (name, _))| lacks(others, name))
            .map(|(at, _)| at)
            .take(MAX_RENAMED)
            .collect()
    };
    let left = only(production, shadow);
    if left.is_empty() {
        return Vec::new();
    }
    let mut right = only(shadow, production);
    let mut pairs = Vec::new();
    for at in left {
        let is_it = |other: &usize| findings.is_renamed(&production[at].0, &shadow[*other].0);
        if let Some(found) = right.iter().position(is_it) {
            pairs.push((at, right.swap_remove(found)));
        }
    }
    pairs
}
