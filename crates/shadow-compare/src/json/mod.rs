//! JSON bodies, compared by structure: names, types and values.

mod arrays;
mod leaves;
mod number;
mod read;

use std::cmp::Ordering;

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

type Members<'a> = [(std::borrow::Cow<'a, str>, Node<'a>)];

/// Members by name. Both lists are in the order of names, and members of the same name in the order of the text: the first is
/// compared with the first, the second with the second.
fn members(production: &Members<'_>, shadow: &Members<'_>, findings: &mut DifferenceCollector<'_>) {
    let (mut a, mut b) = (production.iter().peekable(), shadow.iter().peekable());
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
