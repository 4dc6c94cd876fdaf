//! The decoder against the RFC's examples, other implementations, and every way of missing something.

mod corners;
pub mod encoder;
mod properties;
mod rfc7541;
mod stories;

use super::{Completeness, Decoder, FieldList, HpackError, MAX_TABLE_SIZE};
use crate::message::Limits;

/// Limits that nothing here meets.
const LIMITS: Limits = Limits {
    max_head: 1 << 20,
    max_body: 0,
    max_headers: 10_000,
};

/// The bytes that `text` has in hexadecimal; spaces mean nothing.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

type Decoded = Result<(Completeness, Vec<(String, String)>), HpackError>;

/// The fields of a list, as text.
fn text(list: &FieldList) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    list.iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// Decodes `block`.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<(Completeness, Vec<(String, String)>), HpackError> {
    let mut list = FieldList::new();
    let completeness = decoder.decode(block, &mut list, &LIMITS)?;
    Ok((completeness, text(&list)))
}

#[allow(clippy::unnecessary_wraps)]
/// A whole list of these fields.
fn whole(fields: &[(&str, &str)]) -> Decoded {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let fields: Vec<_> = fields.iter().map(owned).collect();
    Ok((Completeness::Whole, fields))
}

/// Whether `part` is what `all` is without some.
fn is_part<T: PartialEq>(part: &[T], all: &[T]) -> bool {
    let mut all = all.iter();
    part.iter().all(|field| all.any(|other| other == field))
}
