//! Protocol Buffers by descriptors: fields by their names, as their types have them.
//!
//! Messages that mean the same are written equally: unknown fields are left out, and so are fields without presence that hold
//! their default value (<https://protobuf.dev/programming-guides/field_presence/>), which nobody can tell from ones that are not
//! there. Of a field that comes several times the last one counts, parts of a message are put together, numbers may be packed or
//! not, and maps are objects.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use crate::json::{MAX_DEPTH, MAX_VALUES, TooMany, Writer};
use crate::well_known;
use crate::wire::{Field, NotProtobuf, Raw, Reading, fields};

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none of this type, on whatever level.
    Invalid,
    /// There is more in it than is read.
    TooMany,
}

impl From<NotProtobuf> for Fault {
    fn from(_: NotProtobuf) -> Self {
        Self::Invalid
    }
}

impl From<TooMany> for Fault {
    fn from(_: TooMany) -> Self {
        Self::TooMany
    }
}

/// Writes a message as an object.
pub(crate) fn write(message: &[u8], of: &MessageDescriptor, out: &mut Writer) -> Result<(), Fault> {
    value_of_message(message, of, 0, out)
}

/// Writes a message as it reads: some of Google's own as what they stand for.
fn value_of_message(
    message: &[u8],
    of: &MessageDescriptor,
    depth: usize,
    out: &mut Writer,
) -> Result<(), Fault> {
    if depth >= MAX_DEPTH {
        return Ok(out.bytes(message)?);
    }
    match of.full_name() {
        "google.protobuf.Timestamp" => {
            if let Some(text) = well_known::timestamp(message) {
                return Ok(out.string(&text)?);
            }
        }
        "google.protobuf.Duration" => {
            if let Some(text) = well_known::duration(message) {
                return Ok(out.plain(text)?);
            }
        }
        "google.protobuf.Any" => {
            if let Some((url, inner)) = well_known::any(message) {
                let name = url.rsplit('/').next().unwrap_or_default();
                if let Some(of) = of.parent_pool().get_message_by_name(name) {
                    out.open('{')?;
                    out.name("@type");
                    out.string(url)?;
                    members(inner, &of, depth + 1, out)?;
                    out.close('}');
                    return Ok(());
                }
            }
        }
        _ => {}
    }
    out.open('{')?;
    members(message, of, depth + 1, out)?;
    out.close('}');
    Ok(())
}

/// Writes the fields of a message as members of the object that is open.
fn members(message: &[u8], of: &MessageDescriptor, depth: usize, out: &mut Writer) -> Result<(), Fault> {
    let mut all: Vec<Field<'_>> = fields(message, &mut MAX_VALUES.clone())?;
    let chosen = chosen(&all, of);
    all.sort_by_key(|field| field.number);
    for same in all.chunk_by(|a, b| a.number == b.number) {
        let Some(field) = of.get_field(same[0].number) else {
            continue;
        };
        let oneof = field.containing_oneof();
        if oneof.is_some_and(|oneof| chosen.get(oneof.name()) != Some(&field.number())) {
            continue;
        }
        if field.is_map() {
            map(same, &field, depth, out)?;
        } else if field.is_list() {
            list(same, &field, depth, out)?;
        } else {
            single(same, &field, depth, out)?;
        }
    }
    Ok(())
}

/// The field of each `oneof` that came last.
fn chosen(all: &[Field<'_>], of: &MessageDescriptor) -> HashMap<String, u32> {
    let mut chosen = HashMap::new();
    if of.oneofs().len() == 0 {
        return chosen;
    }
    for field in all {
        if let Some(oneof) = of
            .get_field(field.number)
            .and_then(|field| field.containing_oneof())
        {
            chosen.insert(oneof.name().to_owned(), field.number);
        }
    }
    chosen
}

fn single(same: &[Field<'_>], field: &FieldDescriptor, depth: usize, out: &mut Writer) -> Result<(), Fault> {
    if let Kind::Message(of) = field.kind() {
        let parts: Vec<&[u8]> = same.iter().filter_map(|field| of_message(&field.value)).collect();
        let whole;
        let message = match parts[..] {
            [] => return Ok(()),
            [one] => one,
            // Parts of a message are one: their fields stand one behind the other.
            _ => {
                whole = parts.concat();
                &whole
            }
        };
        out.name(field.name());
        return value_of_message(message, &of, depth, out);
    }
    let kind = field.kind();
    let mut values = same.iter().filter_map(|field| scalar(&field.value, &kind));
    let Some(value) = values.next_back() else {
        return Ok(());
    };
    if !field.supports_presence() && value.is_default() {
        return Ok(());
    }
    out.name(field.name());
    Ok(value.write(out)?)
}

fn list(same: &[Field<'_>], field: &FieldDescriptor, depth: usize, out: &mut Writer) -> Result<(), Fault> {
    let kind = field.kind();
    let mut is_open = false;
    let mut element = |out: &mut Writer| {
        if !is_open {
            is_open = true;
            out.name(field.name());
            return out.open('[');
        }
        out.comma();
        Ok(())
    };
    for Field { value, .. } in same {
        if let Kind::Message(of) = &kind {
            if let Some(message) = of_message(value) {
                element(out)?;
                value_of_message(message, of, depth, out)?;
            }
        } else if let Some(value) = scalar(value, &kind) {
            element(out)?;
            value.write(out)?;
        } else if let Raw::Bytes(packed) = value {
            let mut packed = Reading::new(packed);
            while packed.left() > 0 {
                let Some(raw) = unpacked(&mut packed, &kind)? else {
                    break;
                };
                if let Some(value) = scalar(&raw, &kind) {
                    element(out)?;
                    value.write(out)?;
                }
            }
        }
    }
    if is_open {
        out.close(']');
    }
    Ok(())
}

/// A map as an object; of several entries with one key the last counts.
fn map(same: &[Field<'_>], field: &FieldDescriptor, depth: usize, out: &mut Writer) -> Result<(), Fault> {
    let Kind::Message(entry) = field.kind() else {
        return Err(Fault::Invalid);
    };
    // A descriptor may call a message an entry of a map that has no such fields.
    let (Some(key), Some(value)) = (entry.get_field(1), entry.get_field(2)) else {
        return Err(Fault::Invalid);
    };
    let (key_kind, value_kind) = (key.kind(), value.kind());
    let mut entries: BTreeMap<String, &[u8]> = BTreeMap::new();
    for bytes in same.iter().filter_map(|field| of_message(&field.value)) {
        let all = fields(bytes, &mut MAX_VALUES.clone())?;
        let keys = all.iter().filter(|field| field.number == key.number());
        let last = keys
            .filter_map(|field| scalar(&field.value, &key_kind))
            .next_back();
        let name = last.map_or_else(|| default_key(&key_kind), |value| value.as_key());
        entries.insert(name, bytes);
    }
    if entries.is_empty() {
        return Ok(());
    }
    out.name(field.name());
    out.open('{')?;
    for (name, bytes) in entries {
        out.name(&name);
        let all = fields(bytes, &mut MAX_VALUES.clone())?;
        let values = all.iter().filter(|field| field.number == value.number());
        if let Kind::Message(of) = &value_kind {
            let parts: Vec<&[u8]> = values.filter_map(|field| of_message(&field.value)).collect();
            value_of_message(&parts.concat(), of, depth + 1, out)?;
        } else {
            let last = values
                .filter_map(|field| scalar(&field.value, &value_kind))
                .next_back();
            let zero = default_of(&value_kind);
            last.or_else(|| scalar(&zero, &value_kind))
                .ok_or(Fault::Invalid)?
                .write(out)?;
        }
    }
    out.close('}');
    Ok(())
}

fn of_message<'a>(value: &Raw<'a>) -> Option<&'a [u8]> {
    match value {
        Raw::Bytes(bytes) | Raw::Group(bytes) => Some(bytes),
        _ => None,
    }
}

/// A scalar, by its type.
enum Scalar<'a> {
    Signed(i64),
    Unsigned(u64),
    Double(f64),
    Float(f32),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    Enum(i32, EnumDescriptor),
}

impl Scalar<'_> {
    /// Whether it is what a field without presence has when it is not there.
    fn is_default(&self) -> bool {
        match self {
            Self::Signed(value) => *value == 0,
            Self::Unsigned(value) => *value == 0,
            Self::Double(value) => value.to_bits() == 0,
            Self::Float(value) => value.to_bits() == 0,
            Self::Bool(value) => !value,
            Self::Text(value) => value.is_empty(),
            Self::Bytes(value) => value.is_empty(),
            Self::Enum(value, _) => *value == 0,
        }
    }

    fn as_key(&self) -> String {
        match self {
            Self::Signed(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => (*value).to_owned(),
            Self::Bytes(value) => String::from_utf8_lossy(value).into_owned(),
            Self::Double(_) | Self::Float(_) | Self::Enum(..) => String::new(),
        }
    }

    fn write(&self, out: &mut Writer) -> Result<(), TooMany> {
        match self {
            Self::Signed(value) => out.plain(value),
            Self::Unsigned(value) => out.plain(value),
            Self::Double(value) => out.double(*value),
            Self::Float(value) => out.float(*value),
            Self::Bool(value) => out.plain(value),
            Self::Text(value) => out.string(value),
            Self::Bytes(value) => out.bytes(value),
            Self::Enum(number, of) => match of.get_value(*number) {
                Some(value) => out.string(value.name()),
                None => out.string(&number.to_string()),
            },
        }
    }
}

/// The value of a scalar type; `None` where the wire type is another.
fn scalar<'a>(value: &Raw<'a>, kind: &Kind) -> Option<Scalar<'a>> {
    // Numbers of 32 bits may come as ten bytes, of which the lowest four count.
    Some(match (kind, value) {
        (Kind::Double, Raw::Fixed64(bits)) => Scalar::Double(f64::from_bits(*bits)),
        (Kind::Float, Raw::Fixed32(bits)) => Scalar::Float(f32::from_bits(*bits)),
        (Kind::Int32, Raw::Varint(value)) => Scalar::Signed(i64::from((*value as u32).cast_signed())),
        (Kind::Int64, Raw::Varint(value)) | (Kind::Sfixed64, Raw::Fixed64(value)) => {
            Scalar::Signed(value.cast_signed())
        }
        (Kind::Uint32, Raw::Varint(value)) => Scalar::Unsigned(u64::from(*value as u32)),
        (Kind::Uint64, Raw::Varint(value)) | (Kind::Fixed64, Raw::Fixed64(value)) => Scalar::Unsigned(*value),
        (Kind::Sint32, Raw::Varint(value)) => Scalar::Signed(zigzag(u64::from(*value as u32))),
        (Kind::Sint64, Raw::Varint(value)) => Scalar::Signed(zigzag(*value)),
        (Kind::Fixed32, Raw::Fixed32(value)) => Scalar::Unsigned(u64::from(*value)),
        (Kind::Sfixed32, Raw::Fixed32(value)) => Scalar::Signed(i64::from(value.cast_signed())),
        (Kind::Bool, Raw::Varint(value)) => Scalar::Bool(*value != 0),
        (Kind::String, Raw::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Scalar::Text(text),
            Err(_) => Scalar::Bytes(bytes),
        },
        (Kind::Bytes, Raw::Bytes(bytes)) => Scalar::Bytes(bytes),
        (Kind::Enum(of), Raw::Varint(value)) => Scalar::Enum((*value as u32).cast_signed(), of.clone()),
        _ => return None,
    })
}

fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// The next of several numbers that are packed; `None` for a type that never is.
fn unpacked<'a>(packed: &mut Reading<'a>, kind: &Kind) -> Result<Option<Raw<'a>>, NotProtobuf> {
    Ok(Some(match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Raw::Fixed64(u64::from_le_bytes(packed.array()?)),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Raw::Fixed32(u32::from_le_bytes(packed.array()?)),
        Kind::String | Kind::Bytes | Kind::Message(_) => return Ok(None),
        _ => Raw::Varint(packed.varint()?),
    }))
}

/// The value of a map's entry that has none.
fn default_of(kind: &Kind) -> Raw<'static> {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Raw::Fixed64(0),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Raw::Fixed32(0),
        Kind::String | Kind::Bytes | Kind::Message(_) => Raw::Bytes(&[]),
        _ => Raw::Varint(0),
    }
}

fn default_key(kind: &Kind) -> String {
    scalar(&default_of(kind), kind).map_or_else(String::new, |value| value.as_key())
}
