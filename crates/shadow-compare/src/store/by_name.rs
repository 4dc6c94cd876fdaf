//! Hides in a message what its names say is secret: values of parameters in targets and links, of header fields, of forms, and of
//! members in JSON. Each is replaced where it stands, by the keyed hash that recordings use, so that equal values stay equal,
//! others stay others, and all else stays byte for byte.
//!
//! A text in another notation that has such a name in it is hidden as a whole, piece by piece: nobody knows where a secret begins
//! and ends there. Of pages and XML documents only the names of elements and attributes stay, and what places are named by. Bytes that
//! are no text are hidden as well, and a body whose codings cannot be undone. Whether two of them are the same can still be told,
//! and in how many lines, or in which elements, they are not.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use shadow_grpc::MessageDescriptor;
use shadow_http::{ChunkedDecoder, head_fields};
use shadow_mirror::rules::{Lines, RedactionKey, Unredactable, is_hash};

use crate::bodies::Side;
use crate::charset;
use crate::head::Head;
use crate::json::{Leaf, LeafChoice, Scalar, leaves};
use crate::markup::Language;
use crate::markup::values::{Value, values};
use crate::time_distance::is_time;
use crate::{form, secrets};

mod call;
#[cfg(test)]
mod call_tests;
#[cfg(test)]
mod tests;

/// Largest body that comes of undoing content codings, in bytes: what is larger is hidden as a whole.
const MAX_DECODED: usize = 8 << 20;
/// Most bytes that hashes may add to a body before it is hidden as a whole.
const MAX_GROWTH: usize = 8 << 20;
/// Fewest bytes that can hold a name of a secret.
const MIN_NAMED: usize = 5;
/// Where text is cut to be hidden piece by piece.
const PIECE_ENDS: [char; 3] = ['\n', '<', '>'];

/// The leaves of JSON that are secret by their names.
const SECRETS: LeafChoice = LeafChoice {
    member: secrets::is_secret_member,
    pair: secrets::names_secret,
    value: secrets::is_named_value,
};

/// Hides by name.
#[derive(Clone, Debug)]
pub(super) struct ByName {
    key: RedactionKey,
}

/// A message without what its names say is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub head: Bytes,
    pub body: Bytes,
    /// Whether the body, or what is not understood of it, is hidden as a whole.
    pub as_a_whole: bool,
}

impl Message {
    /// Head and body, and 1 where the body is hidden as a whole.
    pub fn parts(self) -> ((Bytes, Bytes), u64) {
        ((self.head, self.body), u64::from(self.as_a_whole))
    }
}

/// The bytes that take the place of a body.
enum Payload {
    /// It stays as it is.
    Same,
    /// This, without chunks and codings.
    Plain { body: Vec<u8>, as_a_whole: bool },
    /// This, in the same framing: of a body that cannot be read.
    Raw(Vec<u8>),
    /// This, in the same framing: of gRPC.
    Call { body: Vec<u8>, as_a_whole: bool },
}

impl ByName {
    pub fn new(key: &RedactionKey) -> Self {
        Self { key: key.clone() }
    }

    /// The message without secrets. `of`: the type of its messages, if it is of gRPC and that is known. `suspect`: text that is not
    /// understood is hidden whatever is in it.
    pub fn message(
        &self,
        head: &Bytes,
        body: &Bytes,
        of: Option<&MessageDescriptor>,
        suspect: bool,
    ) -> Result<Message, Unredactable> {
        let fields = head_fields(head).ok_or(Unredactable)?;
        let mut lines = Lines::of(head, &fields);
        lines.change_all(|name, value| self.field(name, value));
        let payload = if body.is_empty() {
            Payload::Same
        } else {
            self.call(head, body, of, suspect)
                .unwrap_or_else(|| self.body(&Head::new(head), body, suspect))
        };
        let (new, as_a_whole) = match payload {
            Payload::Same => (body.clone(), false),
            Payload::Raw(new) => (new.into(), true),
            Payload::Call { body, as_a_whole } => {
                if !Head::new(head).values("content-length").is_empty() {
                    lines.set("Content-Length", body.len().to_string().as_bytes());
                }
                (body.into(), as_a_whole)
            }
            Payload::Plain { body, as_a_whole } => {
                for name in ["transfer-encoding", "trailer", "content-encoding"] {
                    lines.remove(name);
                }
                lines.set("Content-Length", body.len().to_string().as_bytes());
                (body.into(), as_a_whole)
            }
        };
        let end = memchr::memchr(b'\r', head).ok_or(Unredactable)?;
        let edited = lines.head(&[&self.start_line(&head[..end])]);
        Ok(Message {
            head: if edited == head[..] {
                head.clone()
            } else {
                edited.into()
            },
            body: new,
            as_a_whole,
        })
    }

    /// A request line without secrets in its target. A status line has none.
    pub fn start_line(&self, line: &[u8]) -> Vec<u8> {
        let first = memchr::memchr(b' ', line).map_or(line.len(), |at| at + 1);
        let last = memchr::memrchr(b' ', line).filter(|last| *last >= first);
        let (target, version) = line[first..].split_at(last.unwrap_or(line.len()) - first);
        let target = self.in_link(target).unwrap_or_else(|| target.to_vec());
        [&line[..first], &target, version].concat()
    }

    /// The other value of a header field, if it has one.
    fn field(&self, name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        if !secrets::is_secret_field(name) {
            let places = secrets::in_challenge(name, value);
            return self.hashed(value, places).or_else(|| self.in_link(value));
        }
        let named = String::from_utf8_lossy(name);
        let says_nothing = std::str::from_utf8(value).is_ok_and(|text| !is_worth_hiding(&named, text));
        (!says_nothing).then(|| self.key.hash(value).into_bytes())
    }

    fn in_link(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.hashed(text, secrets::in_link(text))
    }

    fn hashed(&self, text: &[u8], mut places: Vec<Range<usize>>) -> Option<Vec<u8>> {
        places.retain(|place| !is_hash(&text[place.clone()]));
        (!places.is_empty()).then(|| secrets::replaced(text, &places, |value| self.key.hash(value)))
    }

    fn body(&self, head: &Head<'_>, raw: &[u8], suspect: bool) -> Payload {
        let side = &Side::there(head, raw);
        let Ok(decoded) = side.decoded(MAX_DECODED) else {
            return if raw.len() < MIN_NAMED {
                Payload::Same
            } else {
                Payload::Raw(self.filled(raw))
            };
        };
        let redacted = if has_other_coding(head) && decoded.len() >= MIN_NAMED {
            Some((self.filled(&decoded), true))
        } else {
            self.decoded(side, &decoded, suspect)
        };
        if let Some((body, as_a_whole)) = redacted {
            return Payload::Plain { body, as_a_whole };
        }
        // Chunks may have extensions, and a trailer section may have fields, with names of their own.
        let has_secret =
            |framing: Vec<u8>| secrets::has_word(&framing) || !secrets::in_link(&framing).is_empty();
        if head.lists("transfer-encoding", "chunked")
            && ChunkedDecoder::framing_of(raw).map_or_else(|_| secrets::has_word(raw), has_secret)
        {
            return Payload::Plain {
                body: decoded.into_owned(),
                as_a_whole: false,
            };
        }
        Payload::Same
    }

    /// Finds what takes the place of a body without codings, if something does; and whether it is hidden as a whole.
    fn decoded(&self, side: &Side<'_>, body: &[u8], suspect: bool) -> Option<(Vec<u8>, bool)> {
        let charset = side.charset.as_deref();
        // What stands in single bytes is other characters in text of two bytes for each: whoever reads it otherwise would find it.
        let is_other = charset::is_wide(body, charset) && self.finds(side, body);
        let Some(text) = side.text(body).filter(|_| !is_other) else {
            let hidden = (suspect && body.len() >= MIN_NAMED)
                || secrets::has_word_of_any_width(body)
                || self.finds(side, body)
                || self.finds_beside_zeros(side, body);
            return hidden.then(|| (self.filled(body), true));
        };
        let redacted = self.text(side, &text, suspect);
        let left = redacted.as_ref().map_or(body, |(new, _)| new);
        let is_too_large = redacted
            .as_ref()
            .is_some_and(|(new, _)| new.len() > text.len() + MAX_GROWTH);
        if is_too_large || self.finds_beside_zeros(side, left) {
            return Some((self.filled(body), true));
        }
        let (redacted, as_a_whole) = redacted?;
        // Text of another character set is UTF-8 now, and has to say so in front: the head says something else.
        let mark: &[u8] = match text {
            Cow::Borrowed(text) => &body[..body.len() - text.len()],
            Cow::Owned(_) => b"\xef\xbb\xbf",
        };
        Some(([mark, &redacted].concat(), as_a_whole))
    }

    /// Whether there is something to hide in these bytes, read one by one.
    fn finds(&self, side: &Side<'_>, bytes: &[u8]) -> bool {
        secrets::has_word(bytes) || self.text(side, &charset::single_bytes(bytes), false).is_some()
    }

    /// Whether there is in text of several bytes a character, which has zeros beside its letters.
    fn finds_beside_zeros(&self, side: &Side<'_>, bytes: &[u8]) -> bool {
        memchr::memchr(0, bytes).is_some() && {
            let narrow: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
            self.text(side, &charset::single_bytes(&narrow), false).is_some()
        }
    }

    /// Finds what takes the place of a text, if something does; and whether what is not understood of it is hidden as a
    /// whole.
    fn text(&self, side: &Side<'_>, text: &str, suspect: bool) -> Option<(Vec<u8>, bool)> {
        if side.is_form() {
            Some((self.form(text)?, false))
        } else if side.is_json(text.as_bytes()) || text.trim_start().starts_with(['{', '[']) {
            self.json(text, suspect)
        } else if suspect || secrets::has_word_of_any_width(text.as_bytes()) {
            let hidden = match side.language(text.as_bytes()) {
                Some(language) => self.markup(language, text),
                None => self.pieces(text, side.boundary.as_deref()),
            };
            Some((hidden, true))
        } else {
            let places = secrets::userinfo(text.as_bytes());
            Some((self.hashed(text.as_bytes(), places)?, false))
        }
    }

    fn form(&self, text: &str) -> Option<Vec<u8>> {
        let mut places = Vec::new();
        let mut hashes = Vec::new();
        secrets::in_form(text.as_bytes(), |is_secret, place| {
            // What it says: that can be written in several ways.
            let value = form::decoded(&text[place.clone()]);
            let name = || {
                let pair = text[..place.start].rsplit('&').next().unwrap_or_default();
                form::decoded(pair.trim_end_matches('='))
            };
            if (is_secret && is_worth_hiding(&name(), &value)) || secrets::holds_secret(value.as_bytes()) {
                places.push(place);
                hashes.push(self.key.hash(value.as_bytes()));
            }
        });
        (!places.is_empty()).then(|| in_place(text, &places, hashes))
    }

    /// The JSON text with hashes in it, and whether its end is no JSON and is hidden as a whole.
    fn json(&self, text: &str, suspect: bool) -> Option<(Vec<u8>, bool)> {
        // Names may be written with escapes.
        let is_suspect = suspect
            || secrets::may_have_member(text)
            || memchr::memmem::find(text.as_bytes(), b"\\u").is_some();
        if !is_suspect && memchr::memchr3(b'?', b'#', b'@', text.as_bytes()).is_none() {
            return None;
        }
        let mut places = Vec::new();
        let mut hashes = Vec::new();
        let understood = leaves(text, SECRETS, |leaf| {
            if let Some(hash) = self.leaf(leaf) {
                places.push(leaf.place.clone());
                hashes.push(hash);
            }
        });
        let rest = &text[understood..];
        let as_a_whole =
            !rest.trim_ascii().is_empty() && (is_suspect || secrets::holds_secret(rest.as_bytes()));
        if places.is_empty() && !as_a_whole {
            return None;
        }
        let mut out = in_place(&text[..understood], &places, hashes);
        if as_a_whole {
            out.extend_from_slice(&self.pieces(rest, None));
        } else {
            out.extend_from_slice(rest.as_bytes());
        }
        Some((out, as_a_whole))
    }

    /// Finds what takes the place of a string or a number of JSON, if something does: a string stays a string, a number
    /// a number.
    fn leaf(&self, leaf: &Leaf<'_>) -> Option<String> {
        match &leaf.value {
            Scalar::String(text) => {
                let is_secret = leaf.wanted && is_worth_hiding(leaf.name, text);
                (is_secret || secrets::holds_secret(text.as_bytes()))
                    .then(|| format!("\"{}\"", self.key.hash(text.as_bytes())))
            }
            Scalar::Number(text) => {
                (leaf.wanted && !is_time(leaf.name, text, true)).then(|| self.key.number(&leaf.value.worth()))
            }
        }
    }

    /// A page or an XML document with hashes in place of all values. White space around them stays.
    fn markup(&self, language: Language, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut at = 0;
        values(language, text, |kind, place| {
            // Too much, as whoever asked sees.
            if out.len() > text.len() + MAX_GROWTH {
                return;
            }
            out.extend_from_slice(&text.as_bytes()[at..place.start]);
            at = place.end;
            let value = &text[place];
            let said = value.trim_ascii();
            if kind == Value::Code {
                let json = said.starts_with(['{', '[']).then(|| self.json(value, true));
                match json {
                    Some(Some((hidden, _))) => out.extend_from_slice(&hidden),
                    Some(None) => out.extend_from_slice(value.as_bytes()),
                    None => out.extend_from_slice(&self.pieces(value, None)),
                }
            } else if said.is_empty() || !is_worth_hiding("", said) {
                out.extend_from_slice(value.as_bytes());
            } else {
                let (front, back) = value.split_once(said).unwrap_or_default();
                let words: Vec<&str> = said.split_ascii_whitespace().collect();
                out.extend_from_slice(front.as_bytes());
                out.extend_from_slice(self.key.hash(words.join(" ").as_bytes()).as_bytes());
                out.extend_from_slice(back.as_bytes());
            }
        });
        out.extend_from_slice(&text.as_bytes()[at..]);
        out
    }

    /// A hash in place of each line, and of each part of one between `<` and `>`. What stands between the parts of a body stays.
    fn pieces(&self, text: &str, boundary: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in text.split_inclusive(PIECE_ENDS) {
            let (piece, end) = piece.split_at(piece.len() - usize::from(piece.ends_with(PIECE_ENDS)));
            let is_boundary = boundary.is_some_and(|own| {
                let behind = piece.strip_prefix("--").and_then(|piece| piece.strip_prefix(own));
                behind.is_some_and(|behind| matches!(behind.trim_ascii_end(), "" | "--"))
            });
            if piece.trim_ascii().is_empty() || is_boundary {
                out.extend_from_slice(piece.as_bytes());
            } else {
                out.extend_from_slice(self.key.hash(piece.as_bytes()).as_bytes());
            }
            out.extend_from_slice(end.as_bytes());
            if out.len() > text.len() + MAX_GROWTH {
                // Too much, as whoever asked sees.
                break;
            }
        }
        out
    }

    /// A hash in place of bytes, as many and no text; its digits alone where there is no room for more.
    fn filled(&self, bytes: &[u8]) -> Vec<u8> {
        let hash = self.key.hash(bytes);
        let mut out = if bytes.len() > hash.len() {
            hash.into_bytes()
        } else {
            let digits = hash.rsplit('-').next().unwrap_or_default();
            [b"\xff", digits.as_bytes()].concat()
        };
        out.resize(bytes.len(), 0xff);
        out
    }
}

/// Whether a value says anything that must not be known. Times are no secrets, and are compared by how far they are apart, also between
/// quotation marks.
fn is_worth_hiding(name: &str, value: &str) -> bool {
    let is_time = is_time("", value.trim_matches('"'), false) || is_time(name, value, true);
    !(secrets::is_common(value) || is_hash(value.as_bytes()) || is_time)
}

/// Whether the body is in a transfer coding besides chunks (RFC 9112 section 7.2).
fn has_other_coding(head: &Head<'_>) -> bool {
    let mut codings = head
        .values("transfer-encoding")
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"chunked"))
}

/// `text` with one of `hashes` in each of `places`.
fn in_place(text: &str, places: &[Range<usize>], hashes: Vec<String>) -> Vec<u8> {
    let mut hashes = hashes.into_iter();
    secrets::replaced(text.as_bytes(), places, |_| hashes.next().unwrap_or_default())
}
