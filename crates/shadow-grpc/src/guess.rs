//! Protocol Buffers without descriptors: fields by their numbers, and of each what its values on both sides let it be.
//!
//! A wire type says little: bytes may be text, a message, numbers packed, or bytes. Which is decided of all values that a field has
//! in all messages of both sides at once, so that both are written in the same form, equal values are written equally, and others
//! never are. Where nothing is sure, less is looked into: bytes that could be several things are told as bytes.

use std::collections::BTreeMap;

use crate::json::{MAX_DEPTH, MAX_VALUES, TooMany, Writer};
use crate::named::Fault;
use crate::wire::{Field, Raw, fields};

/// Largest number that a field of a guessed message has: real ones are small, and random bytes are not.
pub(crate) const MAX_GUESSED_NUMBER: u32 = 1 << 14;

/// The form in which all values of a field are written.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// A number, or true or false: nobody can tell.
    Integer,
    /// A floating point number, by its bits.
    Float,
    Text,
    Message(Shape),
    Bytes,
    /// Values of several wire types: each is a string that says of which.
    Mixed,
}

/// The form of a field.
#[derive(Clone, Debug, PartialEq)]
struct FieldShape {
    /// Whether one of the messages has it more than once.
    repeated: bool,
    kind: Kind,
}

/// The form of messages, by the numbers of their fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shape(BTreeMap<u32, FieldShape>);

/// The form of all these messages, if all of them are some, and there is not too much in them.
pub(crate) fn shape(messages: &[&[u8]]) -> Result<Shape, Fault> {
    let mut left = MAX_VALUES;
    let shape = shape_of(messages, 0, &mut left);
    shape.ok_or(if left == 0 { Fault::TooMany } else { Fault::Invalid })
}

fn shape_of(messages: &[&[u8]], depth: usize, left: &mut usize) -> Option<Shape> {
    /// Values of a field, and where it is repeated.
    #[derive(Default)]
    struct Seen<'a> {
        values: Vec<Raw<'a>>,
        repeated: bool,
        last: Option<usize>,
    }
    let mut all: BTreeMap<u32, Seen<'_>> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        for field in fields(message, left).ok()? {
            let guessed = depth > 0;
            if guessed && (field.number > MAX_GUESSED_NUMBER || matches!(field.value, Raw::Group(_))) {
                return None;
            }
            let seen = all.entry(field.number).or_default();
            seen.repeated |= seen.last == Some(index);
            seen.last = Some(index);
            seen.values.push(field.value);
        }
    }
    let shapes = all.into_iter().map(|(number, seen)| {
        let kind = kind(&seen.values, depth, left);
        let repeated = seen.repeated;
        (number, FieldShape { repeated, kind })
    });
    Some(Shape(shapes.collect()))
}

/// The form that fits all values of a field.
fn kind(values: &[Raw<'_>], depth: usize, left: &mut usize) -> Kind {
    let is = |wanted: fn(&Raw<'_>) -> bool| values.iter().all(wanted);
    if is(|value| matches!(value, Raw::Varint(_))) {
        return Kind::Integer;
    }
    let double = |value: &Raw<'_>| matches!(value, Raw::Fixed64(bits) if is_likely(f64::from_bits(*bits)));
    let float =
        |value: &Raw<'_>| matches!(value, Raw::Fixed32(bits) if is_likely(f64::from(f32::from_bits(*bits))));
    if values.iter().all(double) || values.iter().all(float) {
        return Kind::Float;
    }
    if is(|value| matches!(value, Raw::Fixed64(_))) || is(|value| matches!(value, Raw::Fixed32(_))) {
        return Kind::Integer;
    }
    let payloads: Option<Vec<&[u8]>> = values
        .iter()
        .map(|value| match value {
            Raw::Bytes(bytes) => Some(*bytes),
            _ => None,
        })
        .collect();
    let groups: Option<Vec<&[u8]>> = values
        .iter()
        .map(|value| match value {
            Raw::Group(bytes) => Some(*bytes),
            _ => None,
        })
        .collect();
    match (payloads, groups) {
        (Some(payloads), _) => kind_of_bytes(&payloads, depth, left),
        (_, Some(groups)) => message(&groups, depth, left).unwrap_or(Kind::Bytes),
        _ => Kind::Mixed,
    }
}

fn kind_of_bytes(payloads: &[&[u8]], depth: usize, left: &mut usize) -> Kind {
    let mut there = payloads.iter().filter(|payload| !payload.is_empty()).peekable();
    if there.peek().is_none() {
        return Kind::Text;
    }
    let text = |payload: &&&[u8]| std::str::from_utf8(payload).is_ok_and(is_plain);
    // Messages begin with the tags of their first fields, which are control characters up to the third; text seldom does.
    let all_text = there.clone().all(|payload| text(&payload));
    let begin_like_messages = there.clone().all(|payload| payload[0] < b' ');
    if all_text && !begin_like_messages {
        return Kind::Text;
    }
    if let Some(message) = message(payloads, depth, left) {
        return message;
    }
    if there.all(|payload| std::str::from_utf8(payload).is_ok()) {
        Kind::Text
    } else {
        Kind::Bytes
    }
}

fn message(payloads: &[&[u8]], depth: usize, left: &mut usize) -> Option<Kind> {
    if depth + 1 >= MAX_DEPTH {
        return None;
    }
    shape_of(payloads, depth + 1, left).map(Kind::Message)
}

/// Whether it is text that people write: without control characters but for those between words and lines.
pub(crate) fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'))
}

/// Whether bits that make this number are likely meant as one: integers make very small or very large ones.
fn is_likely(value: f64) -> bool {
    value.to_bits() == 0 || (1e-9..1e15).contains(&value.abs())
}

/// Writes a message of a form that it has.
pub(crate) fn write(message: &[u8], shape: &Shape, out: &mut Writer) -> Result<(), TooMany> {
    let mut all = fields(message, &mut MAX_VALUES.clone()).map_err(|_| TooMany)?;
    all.sort_by_key(|field| field.number);
    out.open('{')?;
    for same in all.chunk_by(|a, b| a.number == b.number) {
        let number = same[0].number;
        let Some(shape) = shape.0.get(&number) else {
            continue;
        };
        out.name(&number.to_string());
        if shape.repeated {
            out.open('[')?;
        }
        for Field { value, .. } in same {
            if shape.repeated {
                out.comma();
            }
            write_value(value, &shape.kind, out)?;
        }
        if shape.repeated {
            out.close(']');
        }
    }
    out.close('}');
    Ok(())
}

fn write_value(value: &Raw<'_>, kind: &Kind, out: &mut Writer) -> Result<(), TooMany> {
    match (value, kind) {
        (Raw::Fixed64(bits), Kind::Float) => out.double(f64::from_bits(*bits)),
        (Raw::Fixed32(bits), Kind::Float) => out.float(f32::from_bits(*bits)),
        // As it reads where it is one below nothing; what is larger than any of those would be rare.
        (Raw::Varint(value), Kind::Integer) => out.plain(value.cast_signed()),
        (Raw::Fixed64(value), Kind::Integer) => out.plain(value),
        (Raw::Fixed32(value), Kind::Integer) => out.plain(value),
        (Raw::Bytes(bytes) | Raw::Group(bytes), Kind::Message(shape)) => write(bytes, shape, out),
        (Raw::Bytes(bytes), Kind::Text) => out.string(&String::from_utf8_lossy(bytes)),
        (Raw::Varint(value), _) => out.string(&format!("varint {value}")),
        (Raw::Fixed64(value), _) => out.string(&format!("fixed64 {value}")),
        (Raw::Fixed32(value), _) => out.string(&format!("fixed32 {value}")),
        (Raw::Bytes(bytes), _) | (Raw::Group(bytes), Kind::Bytes) => out.bytes(bytes),
        (Raw::Group(bytes), _) => {
            out.open('[')?;
            out.bytes(bytes)?;
            out.close(']');
            Ok(())
        }
    }
}
