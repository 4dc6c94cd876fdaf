//! The messages of two sides as two JSON texts that can be compared.

use std::borrow::Cow;

use prost_reflect::MessageDescriptor;

use crate::descriptors::Method;
use crate::guess;
use crate::json::Writer;
use crate::named::{self, Fault};
use crate::reply::Codec;

/// Which messages of a method are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests.
    Requests,
    /// Answers.
    Answers,
}

/// Two sides' messages as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// Each side's text: of one message, or an array of several.
    pub texts: [Result<String, Fault>; 2],
    /// Whether fields have their names; else numbers, and messages within messages are guesses.
    pub named: bool,
}

/// Writes both sides' messages as JSON, in the same form: by `method`'s descriptors where there are any.
///
/// Several messages are an array, and so is one of a stream: of a method whose descriptor says so, or of a side that has as many messages as
/// the other when that has several. No message at all is an empty text where it is none of those.
pub fn texts(messages: [&[Cow<'_, [u8]>]; 2], codec: Codec, method: Option<&Method>, side: Side) -> Texts {
    let streamed = method.is_some_and(|method| match side {
        Side::Requests => method.client_streaming,
        Side::Answers => method.server_streaming,
    });
    let many = streamed || messages.iter().any(|messages| messages.len() > 1);
    if codec != Codec::Protobuf {
        let of = |messages: &[Cow<'_, [u8]>]| {
            let text = json(messages, many).filter(|_| codec == Codec::Json);
            text.ok_or(Fault::Invalid)
        };
        return Texts {
            texts: messages.map(of),
            named: true,
        };
    }
    if let Some(method) = method {
        let of = match side {
            Side::Requests => &method.input,
            Side::Answers => &method.output,
        };
        let text =
            |messages: &[Cow<'_, [u8]>]| all(messages, many, |message, out| named::write(message, of, out));
        return Texts {
            texts: messages.map(text),
            named: true,
        };
    }
    let both: Vec<&[u8]> = messages
        .iter()
        .flat_map(|side| side.iter())
        .map(|one| &**one)
        .collect();
    let shape = guess::shape(&both);
    let text = |messages: &[Cow<'_, [u8]>]| {
        let own;
        let shape = match &shape {
            Ok(shape) => shape,
            Err(Fault::TooMany) => return Err(Fault::TooMany),
            // One side may be readable where the other is not.
            Err(Fault::Invalid) => {
                let messages: Vec<&[u8]> = messages.iter().map(|one| &**one).collect();
                own = guess::shape(&messages)?;
                &own
            }
        };
        all(messages, many, |message, out| {
            guess::write(message, shape, out).map_err(Fault::from)
        })
    };
    Texts {
        texts: messages.map(text),
        named: false,
    }
}

/// A message as JSON by its descriptor; `None` when it is none of this type, or has more in it than is read.
pub fn shown_as(message: &[u8], of: &MessageDescriptor) -> Option<String> {
    let mut out = Writer::new();
    named::write(message, of, &mut out).ok()?;
    Some(out.done())
}

/// A message as JSON by its numbers, with guesses of what is a message within it; `None` when it is none, or has more in it than is
/// read.
pub fn guessed(message: &[u8]) -> Option<String> {
    let shape = guess::shape(&[message]).ok()?;
    let mut out = Writer::new();
    guess::write(message, &shape, &mut out).ok()?;
    Some(out.done())
}

fn all(
    messages: &[Cow<'_, [u8]>],
    many: bool,
    mut write: impl FnMut(&[u8], &mut Writer) -> Result<(), Fault>,
) -> Result<String, Fault> {
    let mut out = Writer::new();
    if many {
        out.open('[')?;
    }
    for message in messages {
        if many {
            out.comma();
        }
        write(message, &mut out)?;
    }
    if many {
        out.close(']');
    }
    Ok(out.done())
}

/// Messages that are JSON already.
fn json(messages: &[Cow<'_, [u8]>], many: bool) -> Option<String> {
    let texts: Option<Vec<&str>> = messages
        .iter()
        .map(|message| std::str::from_utf8(message).ok())
        .collect();
    let text = texts?.join(",");
    Some(if many { format!("[{text}]") } else { text })
}
