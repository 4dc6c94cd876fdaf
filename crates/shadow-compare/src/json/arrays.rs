//! Arrays: which element belongs to which, so that one that is new does not make all behind it look changed.

use std::collections::{HashMap, VecDeque};

use super::{Json, Node, compare};
use crate::Kind;
use crate::difference_collector::DifferenceCollector;
use crate::display_value::DisplayValue;

type Nodes<'n, 'a> = Vec<&'n Node<'a>>;
/// Places of elements that belong together.
type Matches = Vec<(usize, usize)>;

/// By order. Another number of elements is one difference, and so is another order. Elements that are equal belong together,
/// then those with the same `id`; of what is left, the first is compared with the first, the second with the second.
pub(super) fn in_order(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut DifferenceCollector<'_>) {
    if production.len() != shadow.len() {
        let (a, b) = (
            DisplayValue::Count(production.len()),
            DisplayValue::Count(shadow.len()),
        );
        findings.add(Kind::Length, a, b);
    }
    let (left, right) = moved_off(production, shadow);
    let mut rest = Rest::of(&left, &right);
    let equal = rest.take(|node| Some(node.hash));
    let same_id = rest.take_single(|node| member(node, "id"));
    let mut order: Matches = equal.iter().chain(&same_id).copied().collect();
    order.sort_unstable();
    if !order.is_sorted_by_key(|(_, right)| *right) {
        add_order(production, shadow, findings);
    }
    let others = rest.left.iter().copied().zip(rest.right.iter().copied());
    findings.path.element();
    for (a, b) in same_id.into_iter().chain(others) {
        compare(left[a], right[b], findings);
    }
    findings.path.back();
}

/// The elements that are left when those are taken away that are equal where they stand: at the same place, or, where the
/// lengths differ, at the same distance from either end.
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

fn add_order(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut DifferenceCollector<'_>) {
    // From the first place where they differ on.
    let first = production
        .iter()
        .zip(shadow)
        .position(|(a, b)| a.hash != b.hash)
        .unwrap_or(0);
    findings.add(
        Kind::Order,
        production
            .get(first)
            .map_or(DisplayValue::Absent, DisplayValue::Json),
        shadow.get(first).map_or(DisplayValue::Absent, DisplayValue::Json),
    );
}

/// Elements of both sides that do not belong together yet, by their places.
struct Rest<'x, 'n, 'a> {
    nodes: (&'x [&'n Node<'a>], &'x [&'n Node<'a>]),
    left: Vec<usize>,
    right: Vec<usize>,
}

impl<'x, 'n, 'a> Rest<'x, 'n, 'a> {
    fn of(left: &'x [&'n Node<'a>], right: &'x [&'n Node<'a>]) -> Self {
        Self {
            nodes: (left, right),
            left: (0..left.len()).collect(),
            right: (0..right.len()).collect(),
        }
    }

    /// Takes elements out that have the same key: the first with the first, the second with the second.
    fn take(&mut self, key: impl Fn(&Node<'_>) -> Option<u64>) -> Matches {
        self.take_where(key, |_, _| true)
    }

    /// Takes elements out whose key is the same, and that of no other element of their side.
    fn take_single(&mut self, key: impl Fn(&Node<'_>) -> Option<u64>) -> Matches {
        self.take_where(key, |left, right| left == 1 && right == 1)
    }

    /// `wanted` is asked with how many elements of either side have a key.
    fn take_where(
        &mut self,
        key: impl Fn(&Node<'_>) -> Option<u64>,
        wanted: impl Fn(usize, usize) -> bool,
    ) -> Matches {
        let (left, right) = self.nodes;
        // By key: how many elements of the left, and the places of those of the right.
        let mut found: HashMap<u64, (usize, VecDeque<usize>)> = HashMap::new();
        for at in &self.right {
            if let Some(key) = key(right[*at]) {
                found.entry(key).or_default().1.push_back(*at);
            }
        }
        for at in &self.left {
            if let Some(same) = key(left[*at]).and_then(|key| found.get_mut(&key)) {
                same.0 += 1;
            }
        }
        found.retain(|_, (left, right)| wanted(*left, right.len()));
        let mut matches = Matches::new();
        let mut taken = vec![false; right.len()];
        self.left.retain(|at| {
            let same = key(left[*at]).and_then(|key| found.get_mut(&key));
            let Some(other) = same.and_then(|(_, places)| places.pop_front()) else {
                return true;
            };
            taken[other] = true;
            matches.push((*at, other));
            false
        });
        self.right.retain(|at| !taken[*at]);
        matches
    }

    /// Adds what one side has and the other has not.
    fn add(&self, findings: &mut DifferenceCollector<'_>) {
        for at in &self.left {
            findings.add(
                Kind::Missing,
                DisplayValue::Json(self.nodes.0[*at]),
                DisplayValue::Absent,
            );
        }
        for at in &self.right {
            findings.add(
                Kind::Extra,
                DisplayValue::Absent,
                DisplayValue::Json(self.nodes.1[*at]),
            );
        }
    }
}

/// In any order: what one has and the other has not.
pub(super) fn as_sets(production: &[Node<'_>], shadow: &[Node<'_>], findings: &mut DifferenceCollector<'_>) {
    let (left, right): (Nodes<'_, '_>, Nodes<'_, '_>) =
        (production.iter().collect(), shadow.iter().collect());
    let mut rest = Rest::of(&left, &right);
    rest.take(|node| Some(node.hash));
    findings.path.element();
    rest.add(findings);
    findings.path.back();
}

/// By the value of a member. Elements without one, or with one that others of their side have too, are compared as sets.
pub(super) fn by_key(
    key: &str,
    production: &[Node<'_>],
    shadow: &[Node<'_>],
    findings: &mut DifferenceCollector<'_>,
) {
    let (left, right): (Nodes<'_, '_>, Nodes<'_, '_>) =
        (production.iter().collect(), shadow.iter().collect());
    let mut rest = Rest::of(&left, &right);
    let same_key = rest.take_single(|node| member(node, key));
    rest.take(|node| Some(node.hash));
    findings.path.keyed(key);
    for (a, b) in same_key {
        compare(left[a], right[b], findings);
    }
    rest.add(findings);
    findings.path.back();
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
