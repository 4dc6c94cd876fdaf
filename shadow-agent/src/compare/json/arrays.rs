//! Arrays: which element belongs to which, so that one that is new does not make all behind it look changed.

use std::collections::HashMap;

use super::{Json, Node, compare};
use crate::compare::Kind;
use crate::compare::findings::Findings;
use crate::compare::shown::Shown;

/// By order. Another number of elements is one difference, and so is another order; of what is left, the first is compared
/// with the first, the second with the second.
pub(super) fn in_order(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut Findings<'_>) {
    if production.len() != shadow.len() {
        let (a, b) = (Shown::Count(production.len()), Shown::Count(shadow.len()));
        findings.add(Kind::Length, a, b);
    }
    let (left, right) = moved_off(production, shadow);
    let (left, right, same_order) = without_common(&left, &right);
    if !same_order {
        add_order(production, shadow, findings);
    }
    let mark = findings.path.element();
    for (left, right) in by_id(left, right) {
        compare(left, right, findings);
    }
    findings.path.back(mark);
}

type Nodes<'n, 'a> = Vec<&'n Node<'a>>;

/// What is left without the elements that are equal where they stand: at the same place, or, where the lengths differ, at the
/// same distance from either end.
fn moved_off<'n, 'a>(production: &'n [Node<'a>], shadow: &'n [Node<'a>]) -> (Nodes<'n, 'a>, Nodes<'n, 'a>) {
    let equal = |(a, b): &(&Node<'_>, &Node<'_>)| a.hash == b.hash;
    if production.len() == shadow.len() {
        return production.iter().zip(shadow).filter(|pair| !equal(pair)).unzip();
    }
    let prefix = production.iter().zip(shadow).take_while(equal).count();
    let (left, right) = (&production[prefix..], &shadow[prefix..]);
    let suffix = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(equal)
        .count();
    let (left, right) = (&left[..left.len() - suffix], &right[..right.len() - suffix]);
    (left.iter().collect(), right.iter().collect())
}

/// What is left without the elements that both have, and whether those stand in the same order.
fn without_common<'n, 'a>(
    left: &[&'n Node<'a>],
    right: &[&'n Node<'a>],
) -> (Nodes<'n, 'a>, Nodes<'n, 'a>, bool) {
    let counts = |nodes: &[&Node<'_>]| {
        let mut counts: HashMap<u64, usize> = HashMap::new();
        for node in nodes {
            *counts.entry(node.hash).or_default() += 1;
        }
        counts
    };
    let split = |nodes: &[&'n Node<'a>], mut other: HashMap<u64, usize>| {
        let (mut common, mut rest) = (Vec::new(), Vec::new());
        for node in nodes {
            match other.get_mut(&node.hash) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    common.push(node.hash);
                }
                _ => rest.push(*node),
            }
        }
        (common, rest)
    };
    let (common_left, rest_left) = split(left, counts(right));
    let (common_right, rest_right) = split(right, counts(left));
    (rest_left, rest_right, common_left == common_right)
}

fn add_order(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut Findings<'_>) {
    // From the first place where they differ on.
    let first = production
        .iter()
        .zip(shadow)
        .position(|(a, b)| a.hash != b.hash)
        .unwrap_or(0);
    findings.add(
        Kind::Order,
        production.get(first).map_or(Shown::Absent, Shown::Json),
        shadow.get(first).map_or(Shown::Absent, Shown::Json),
    );
}

/// Pairs of elements: those with the same `id`, then the others in their order.
fn by_id<'n, 'a>(left: Nodes<'n, 'a>, right: Nodes<'n, 'a>) -> Vec<(&'n Node<'a>, &'n Node<'a>)> {
    let (mut pairs, left, right) = keyed("id", left, right);
    pairs.extend(left.into_iter().zip(right));
    pairs
}

/// Pairs of elements whose member `key` has the same value, that no other element of their side has; and what is left.
fn keyed<'n, 'a>(
    key: &str,
    left: Nodes<'n, 'a>,
    right: Nodes<'n, 'a>,
) -> (Vec<(&'n Node<'a>, &'n Node<'a>)>, Nodes<'n, 'a>, Nodes<'n, 'a>) {
    let index = |nodes: &Nodes<'n, 'a>| {
        // The place of the only element with a key; `None` for several.
        let mut index: HashMap<u64, Option<usize>> = HashMap::new();
        for (at, node) in nodes.iter().enumerate() {
            if let Some(value) = member(node, key) {
                index.entry(value).and_modify(|at| *at = None).or_insert(Some(at));
            }
        }
        index
    };
    let (of_left, of_right) = (index(&left), index(&right));
    let mut pairs = Vec::new();
    let mut taken = vec![false; right.len()];
    let mut rest = Vec::new();
    for (at, node) in left.iter().enumerate() {
        let value = member(node, key).filter(|value| of_left.get(value) == Some(&Some(at)));
        match value.and_then(|value| of_right.get(&value).copied().flatten()) {
            Some(other) => {
                pairs.push((*node, right[other]));
                taken[other] = true;
            }
            None => rest.push(*node),
        }
    }
    let right = right
        .into_iter()
        .zip(taken)
        .filter(|(_, taken)| !taken)
        .map(|(node, _)| node);
    (pairs, rest, right.collect())
}

/// The hash of a plain value that an object has under `key`.
fn member(node: &Node<'_>, key: &str) -> Option<u64> {
    let Json::Object(members) = &node.value else {
        return None;
    };
    let at = members.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
    let value = &members[at].1;
    matches!(value.value, Json::String(_) | Json::Number(_)).then_some(value.hash)
}

/// In any order: what one has and the other has not.
pub(super) fn as_sets(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut Findings<'_>) {
    let (left, right): (Nodes<'_, '_>, Nodes<'_, '_>) =
        (production.iter().collect(), shadow.iter().collect());
    let (left, right, _) = without_common(&left, &right);
    let mark = findings.path.element();
    add_single(&left, &right, findings);
    findings.path.back(mark);
}

/// By the value of a member. Elements without one, or with one that others of their side have too, are compared as sets.
pub(super) fn by_key(key: &str, production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut Findings<'_>) {
    let (left, right): (Nodes<'_, '_>, Nodes<'_, '_>) =
        (production.iter().collect(), shadow.iter().collect());
    let (pairs, left, right) = keyed(key, left, right);
    let (left, right, _) = without_common(&left, &right);
    let mark = findings.path.keyed(key);
    for (left, right) in pairs {
        compare(left, right, findings);
    }
    add_single(&left, &right, findings);
    findings.path.back(mark);
}

fn add_single(missing: &[&Node<'_>], extra: &[&Node<'_>], findings: &mut Findings<'_>) {
    for node in missing {
        findings.add(Kind::Missing, Shown::Json(node), Shown::Absent);
    }
    for node in extra {
        findings.add(Kind::Extra, Shown::Absent, Shown::Json(node));
    }
}
