//! Messages with other values in them: what hides secrets in those that are kept.

use prost_reflect::{Kind, MessageDescriptor};

use crate::json::{MAX_DEPTH, MAX_VALUES};
use crate::wire::{Field, Raw, fields, put_bytes, put_varint};

/// A value that may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// The text of a string, or bytes.
    Bytes(&'a [u8]),
    /// A number, by its bits.
    Number(u64),
}

/// The value that takes the place of one below these names, if something does.
pub type Other<'f> = dyn FnMut(&[String], Leaf<'_>) -> Option<Vec<u8>> + 'f;

/// The message with other strings, bytes and numbers where `other` gives some, by the names of the fields that they are in, outermost
/// first. `None` when nothing is replaced, or these bytes are no such message.
///
/// A number that is replaced becomes one of 31 bits that these bytes make, so that equal ones stay equal. Values of an enum, and what is
/// true or false, are nobody's secret. A value in a map is below its key.
pub fn replaced(message: &[u8], of: &MessageDescriptor, other: &mut Other<'_>) -> Option<Vec<u8>> {
    let mut replacing = Replacing {
        path: Vec::new(),
        changed: false,
        other,
    };
    let out = replacing.message(message, of)?;
    replacing.changed.then_some(out)
}

struct Replacing<'o, 'f> {
    path: Vec<String>,
    changed: bool,
    other: &'o mut Other<'f>,
}

impl Replacing<'_, '_> {
    fn message(&mut self, message: &[u8], of: &MessageDescriptor) -> Option<Vec<u8>> {
        let all = fields(message, &mut MAX_VALUES.clone()).ok()?;
        let key = of.is_map_entry().then(|| key_of(&all));
        let mut out = Vec::with_capacity(message.len());
        for field in all {
            let known = of.get_field(field.number);
            let name = match (&key, known.as_ref()) {
                (Some(key), _) => key.clone(),
                (None, Some(known)) => known.name().to_owned(),
                (None, None) => field.number.to_string(),
            };
            self.path.push(name);
            let is_key = key.is_some() && field.number == 1;
            self.field(&field, known.map(|known| known.kind()).as_ref(), is_key, &mut out)?;
            self.path.pop();
        }
        Some(out)
    }

    fn field(
        &mut self,
        field: &Field<'_>,
        kind: Option<&Kind>,
        is_key: bool,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let tag = |kind: u64| u64::from(field.number) << 3 | kind;
        match (field.value, kind) {
            // Times are nobody's secret, and are compared by how far they are apart.
            (Raw::Bytes(bytes), Some(Kind::Message(of))) if is_time(of) => {
                put_bytes(field.number, bytes, out);
            }
            (Raw::Bytes(bytes), Some(Kind::Message(of))) if self.path.len() < MAX_DEPTH => {
                let inner = self.message(bytes, of)?;
                put_bytes(field.number, &inner, out);
            }
            (Raw::Group(bytes), Some(Kind::Message(of))) if self.path.len() < MAX_DEPTH => {
                let inner = self.message(bytes, of)?;
                put_varint(tag(3), out);
                out.extend_from_slice(&inner);
                put_varint(tag(4), out);
            }
            (Raw::Bytes(bytes), _) => match self.other(is_key, Leaf::Bytes(bytes)) {
                // Numbers that are packed cannot be text.
                Some(_) if !matches!(kind, None | Some(Kind::String | Kind::Bytes)) => {}
                Some(other) => put_bytes(field.number, &other, out),
                None => put_bytes(field.number, bytes, out),
            },
            (Raw::Group(bytes), _) => {
                put_varint(tag(3), out);
                out.extend_from_slice(bytes);
                put_varint(tag(4), out);
            }
            (Raw::Varint(value), kind) => {
                let is_word = is_key || matches!(kind, Some(Kind::Bool | Kind::Enum(_)));
                put_varint(tag(0), out);
                put_varint(self.number(is_word, value), out);
            }
            (Raw::Fixed64(value), _) => {
                put_varint(tag(1), out);
                out.extend_from_slice(&self.number(is_key, value).to_le_bytes());
            }
            (Raw::Fixed32(value), _) => {
                let other = self.number(is_key, u64::from(value));
                put_varint(tag(5), out);
                // It is one of 32 bits, or one of 31.
                out.extend_from_slice(&(other as u32).to_le_bytes());
            }
        }
        Some(())
    }

    fn other(&mut self, stays: bool, leaf: Leaf<'_>) -> Option<Vec<u8>> {
        if stays {
            return None;
        }
        let other = (self.other)(&self.path, leaf);
        self.changed |= other.is_some();
        other
    }

    fn number(&mut self, stays: bool, value: u64) -> u64 {
        // FNV-1a: what is put in is a keyed hash already.
        let folded = |bytes: Vec<u8>| {
            let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            });
            u64::from(hash >> 1)
        };
        self.other(stays, Leaf::Number(value)).map_or(value, folded)
    }
}

fn is_time(of: &MessageDescriptor) -> bool {
    matches!(
        of.full_name(),
        "google.protobuf.Timestamp" | "google.protobuf.Duration"
    )
}

/// The key of an entry of a map, as it is written.
fn key_of(entry: &[Field<'_>]) -> String {
    let key = entry.iter().rev().find(|field| field.number == 1);
    match key.map(|key| key.value) {
        Some(Raw::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        Some(Raw::Varint(value) | Raw::Fixed64(value)) => value.to_string(),
        Some(Raw::Fixed32(value)) => value.to_string(),
        Some(Raw::Group(_)) | None => String::new(),
    }
}
