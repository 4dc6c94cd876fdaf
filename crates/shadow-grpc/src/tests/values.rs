//! Values found in messages, and others in their place: whatever is around them, and however deep they stand.

use std::ops::Range;

use proptest::prelude::*;

use super::{BASKET, field, method, number};
use crate::wire::{put_bytes, put_varint};
use crate::{values, with_values};

const OLD: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

fn places_of(message: &[u8], wanted: &[u8], described: bool) -> Vec<Range<usize>> {
    let of = method().output;
    let mut found = Vec::new();
    values(message, described.then_some(&of), |place| {
        let is_wanted = message[place.clone()] == *wanted;
        found.extend(is_wanted.then_some(place));
        is_wanted
    });
    found
}

/// The message with `new` wherever `old` is a whole value, found by guesses.
fn replaced(message: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places = places_of(message, old, false);
    let others: Vec<_> = places.into_iter().map(|place| (place, new.to_vec())).collect();
    with_values(message, &others).unwrap()
}

#[test]
fn a_value_within_messages_is_replaced_with_the_lengths_around_it() {
    let with = |id: &str| {
        let order = [number(3, 7), field(1, id.as_bytes()), field(9, &[0xff; 3])].concat();
        [
            field(2, b"before"),
            field(1, &field(1, &order)),
            number(2, 300),
            field(1, id.as_bytes()),
        ]
        .concat()
    };
    let long = "x".repeat(200);
    assert_eq!(replaced(&with(OLD), OLD.as_bytes(), b"b"), with("b"));
    assert_eq!(replaced(&with(OLD), OLD.as_bytes(), long.as_bytes()), with(&long));
    assert_eq!(replaced(&with("other"), OLD.as_bytes(), b"b"), with("other"));
}

#[test]
fn text_that_reads_like_a_message_is_looked_into_only_as_a_message() {
    // `r` is the tag of field 14, and `$` the length of what follows.
    let text = format!("r${OLD}");
    let message = field(1, text.as_bytes());
    assert_eq!(places_of(&message, OLD.as_bytes(), false), []);
    assert_eq!(places_of(&message, text.as_bytes(), false).len(), 1);
    let message = field(1, &field(1, OLD.as_bytes()));
    assert_eq!(places_of(&message, OLD.as_bytes(), false).first(), Some(&(4..40)));
}

#[test]
fn with_a_descriptor_only_what_it_calls_a_message_is_one() {
    let id = b"550e8400-e29b-41d4-a716-446655440000";
    assert_eq!(places_of(BASKET, id, true).len(), 1);
    assert_eq!(places_of(BASKET, b"drinks", true).len(), 1);
    // `id` is a string.
    let message = field(1, &field(1, OLD.as_bytes()));
    assert_eq!(places_of(&message, OLD.as_bytes(), true), []);
    // Of a field that it does not know, the whole.
    let message = [field(900, OLD.as_bytes()), field(900, &field(1, OLD.as_bytes()))].concat();
    assert_eq!(places_of(&message, OLD.as_bytes(), true).len(), 1);
}

#[test]
fn places_that_are_no_values_are_refused() {
    let message = [field(1, b"one"), number(2, 5)].concat();
    for place in [0..3, 2..4, 2..5, 6..7, 40..50] {
        let whole = place == (2..5);
        let others = [(place, b"x".to_vec())];
        assert_eq!(with_values(&message, &others).is_some(), whole, "{others:?}");
    }
    assert_eq!(with_values(b"\x0a\x05abc", &[(2..5, b"x".to_vec())]), None);
    assert_eq!(with_values(b"\xff", &[]), Some(b"\xff".to_vec()));
}

#[test]
fn messages_within_messages_are_looked_into_to_a_bounded_depth() {
    let mut message = field(1, OLD.as_bytes());
    for _ in 0..50 {
        message = field(1, &message);
    }
    assert_eq!(places_of(&message, OLD.as_bytes(), false).len(), 1);
    for _ in 0..50 {
        message = field(1, &message);
    }
    assert_eq!(places_of(&message, OLD.as_bytes(), false), []);
}

#[derive(Clone, Debug)]
enum Node {
    Number(u64),
    Fixed(u64),
    Text(String),
    Bytes(Vec<u8>),
    Known,
    Message(Vec<(u32, Node)>),
}

/// Fields of a message, the first with a number below four.
fn message() -> impl Strategy<Value = Vec<(u32, Node)>> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Node::Number),
        any::<u64>().prop_map(Node::Fixed),
        "[ -~]{0,20}".prop_map(Node::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Node::Bytes),
        Just(Node::Known),
    ];
    let node = leaf.prop_recursive(4, 40, 6, |inner| {
        (
            1_u32..4,
            inner.clone(),
            prop::collection::vec((1_u32..2000, inner), 0..5),
        )
            .prop_map(|(number, first, mut rest)| {
                rest.insert(0, (number, first));
                Node::Message(rest)
            })
    });
    prop::collection::vec((1_u32..2000, node), 0..8)
}

fn encoded(message: &[(u32, Node)], known: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, node) in message {
        match node {
            Node::Number(value) => {
                put_varint(u64::from(*number) << 3, &mut out);
                put_varint(*value, &mut out);
            }
            Node::Fixed(value) => {
                put_varint(u64::from(*number) << 3 | 1, &mut out);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Node::Text(text) => put_bytes(*number, text.as_bytes(), &mut out),
            Node::Bytes(bytes) => put_bytes(*number, bytes, &mut out),
            Node::Known => put_bytes(*number, known, &mut out),
            Node::Message(inner) => put_bytes(*number, &encoded(inner, known), &mut out),
        }
    }
    out
}

proptest! {
    #[test]
    fn whatever_is_around_them_known_values_change_and_nothing_else(message in message(), new in "[!-~]{1,300}") {
        let before = encoded(&message, OLD.as_bytes());
        prop_assert_eq!(replaced(&before, OLD.as_bytes(), new.as_bytes()), encoded(&message, new.as_bytes()));
        let other = encoded(&message, b"e902893a-9d22-4c7e-a7b8-d6e313b71d9f");
        prop_assert_eq!(&replaced(&other, OLD.as_bytes(), new.as_bytes()), &other);
    }

    #[test]
    fn places_in_any_bytes_are_values_and_come_in_order(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut all: Vec<Range<usize>> = Vec::new();
        values(&bytes, None, |place| {
            all.push(place);
            false
        });
        for place in &all {
            if !place.is_empty() {
                let again = with_values(&bytes, &[(place.clone(), bytes[place.clone()].to_vec())]);
                prop_assert!(again.is_some());
            }
        }
        prop_assert!(all.windows(2).all(|pair| pair[0].start <= pair[1].start));
    }
}
