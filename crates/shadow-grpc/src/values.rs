//! Values of a message as they stand on the wire, for whoever looks for one of them: strings and bytes are found, whole, and others
//! are put in their place, with the lengths of all that they stand in. Whatever else is in the message stays byte for byte.
//!
//! Which values are messages themselves says a descriptor; without one those are looked into that read as one, and not as text.

use std::ops::Range;

use prost_reflect::{Kind, MessageDescriptor};

use crate::guess::{MAX_GUESSED_NUMBER, is_plain};
use crate::json::{MAX_DEPTH, MAX_VALUES};
use crate::wire::{Raw, Reading, put_bytes};

/// Tells `take` where in `message` each value of a string or bytes stands: outer ones first, and those within only if it does not
/// take it. `of`: its type, if that is known. Bytes that are no message have none.
pub fn values(message: &[u8], of: Option<&MessageDescriptor>, mut take: impl FnMut(Range<usize>) -> bool) {
    let mut left = MAX_VALUES;
    if let Some(spans) = spans(message, false, &mut left) {
        Finding {
            whole: message,
            left,
            take: &mut take,
        }
        .look(0, &spans, of, 0);
    }
}

/// The message with other values in these places, which are in order, and are some that [`values`] gives. `None` where one is not.
pub fn with_values(message: &[u8], others: &[(Range<usize>, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.len() + 64);
    let mut others = others;
    write(message, 0, &mut others, 0, &mut out)?;
    others.is_empty().then_some(out)
}

/// A field of strings, bytes, or a message, and where its value stands.
type Span = (u32, Range<usize>);

/// Those of a message, or of what may be one.
fn spans(message: &[u8], guessed: bool, left: &mut usize) -> Option<Vec<Span>> {
    let mut reading = Reading::new(message);
    let mut spans = Vec::new();
    while let Some(field) = reading.next().ok()? {
        *left = left.checked_sub(1)?;
        match field.value {
            _ if guessed && field.number > MAX_GUESSED_NUMBER => return None,
            Raw::Group(_) if guessed => return None,
            Raw::Bytes(bytes) => {
                let end = message.len() - reading.left();
                spans.push((field.number, end - bytes.len()..end));
            }
            _ => {}
        }
    }
    Some(spans)
}

struct Finding<'m, 't> {
    whole: &'m [u8],
    /// Fields that are still read.
    left: usize,
    take: &'t mut dyn FnMut(Range<usize>) -> bool,
}

impl Finding<'_, '_> {
    /// Looks at the values of a message that begins at `base`.
    fn look(&mut self, base: usize, spans: &[Span], of: Option<&MessageDescriptor>, depth: usize) {
        for (number, span) in spans {
            let place = base + span.start..base + span.end;
            let inner = match of {
                None if (self.take)(place.clone()) => continue,
                None => None,
                Some(of) => match of.get_field(*number).map(|field| field.kind()) {
                    Some(Kind::Message(inner)) => Some(inner),
                    None | Some(Kind::String | Kind::Bytes) => {
                        (self.take)(place);
                        continue;
                    }
                    // Numbers that are packed.
                    Some(_) => continue,
                },
            };
            let value = &self.whole[place.clone()];
            if depth + 1 >= MAX_DEPTH || value.is_empty() || (inner.is_none() && is_text(value)) {
                continue;
            }
            if let Some(spans) = self::spans(value, inner.is_none(), &mut self.left) {
                self.look(place.start, &spans, inner.as_ref(), depth + 1);
            }
        }
    }
}

/// Whether it is text rather than a message. Those begin with the tags of their first fields, which are control characters up to the
/// third.
fn is_text(value: &[u8]) -> bool {
    value[0] >= b' ' && std::str::from_utf8(value).is_ok_and(is_plain)
}

/// Writes a message that begins at `base`, with those of the others that are in it.
fn write(
    message: &[u8],
    base: usize,
    others: &mut &[(Range<usize>, Vec<u8>)],
    depth: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut reading = Reading::new(message);
    let mut written = 0;
    while let Some((next, _)) = others.first()
        && next.start < base + message.len()
    {
        let start = message.len() - reading.left();
        let field = reading.next().ok()??;
        let end = message.len() - reading.left();
        let Raw::Bytes(value) = field.value else { continue };
        let place = base + end - value.len()..base + end;
        if next.start >= place.end || depth >= MAX_DEPTH {
            continue;
        }
        out.extend_from_slice(&message[written..start]);
        written = end;
        let (first, rest) = others.split_first()?;
        if first.0 == place {
            put_bytes(field.number, &first.1, out);
            *others = rest;
        } else {
            let mut inner = Vec::with_capacity(value.len() + 64);
            write(value, place.start, others, depth + 1, &mut inner)?;
            put_bytes(field.number, &inner, out);
        }
    }
    out.extend_from_slice(&message[written..]);
    Some(())
}
