//! Values that must not leave the process, each replaced by its keyed hash: who has the key cannot read them back, and
//! equal values stay equal, so that a session can still be followed.
//!
//! Where a body may hold such a value and cannot be searched for it, the message is withheld whole.

use std::sync::{Arc, OnceLock};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use shadow_http::{ChunkedDecoder, chunked_data, head_fields, is_token};

use super::Invalid;
use super::json::{self, JsonPath};
use super::lines::Lines;
use crate::edits::is_refused;

/// Headers that recordings have redacted unless they are told not to: credentials, what answers them (RFC 7615), and cookies, also
/// those of RFC 2965.
pub const OF_RECORDINGS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "authentication-info",
    "proxy-authentication-info",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "x-api-key",
];

/// The text before the hash.
const PREFIX: &str = "redacted-";
/// Bytes of the hash that are shown, as twice so many hexadecimal digits: enough to tell values apart.
const SHOWN: usize = 8;
/// The digits before the hash of a number: "redacted" on the keys of a telephone.
const NUMBER_PREFIX: &str = "73322833";
/// Digits of it that follow. All of it is less than 2^63, as whoever reads numbers expects.
const NUMBER_DIGITS: usize = 10;
/// Attributes of cookies that are no secrets (RFC 6265 section 5.2, and what browsers have added).
const COOKIE_ATTRIBUTES: [&str; 9] = [
    "expires",
    "max-age",
    "domain",
    "path",
    "secure",
    "httponly",
    "samesite",
    "partitioned",
    "priority",
];
/// Shortest key in bytes: as many as the hash that is shown.
const MIN_KEY: usize = 16;

/// The key of the hashes. HMAC-SHA-256 (RFC 2104).
#[derive(Clone)]
pub struct RedactionKey {
    bytes: Arc<[u8]>,
    key: hmac::Key,
}

/// Equal keys make equal hashes.
impl PartialEq for RedactionKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl RedactionKey {
    /// A key that is kept somewhere: at least 16 bytes.
    ///
    /// # Errors
    ///
    /// Where that cannot be used.
    pub fn new(bytes: &[u8]) -> Result<Self, Invalid> {
        if bytes.len() < MIN_KEY {
            return Err(Invalid(format!(
                "a key of less than {MIN_KEY} bytes could be guessed"
            )));
        }
        Ok(Self::of(bytes))
    }

    /// The key of this run: random, and the same for all mirrors.
    ///
    /// # Errors
    ///
    /// Where the kernel gives no random bytes.
    pub fn of_run() -> Result<Self, Invalid> {
        static KEY: OnceLock<RedactionKey> = OnceLock::new();
        if let Some(key) = KEY.get() {
            return Ok(key.clone());
        }
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| Invalid("cannot get random bytes for a key".to_owned()))?;
        Ok(KEY.get_or_init(|| Self::of(&bytes)).clone())
    }

    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.into(),
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        }
    }

    /// The text to put in place of `value`: `redacted-` and 16 hexadecimal digits.
    pub fn hash(&self, value: &[u8]) -> String {
        use std::fmt::Write;
        let tag = hmac::sign(&self.key, value);
        let mut text = PREFIX.to_owned();
        for byte in &tag.as_ref()[..SHOWN] {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The digits to put in place of a number, where another number must stand: 18 digits, the first eight the same in all.
    pub fn number(&self, value: &[u8]) -> String {
        let tag = hmac::sign(&self.key, value);
        let hash = tag.as_ref().iter().take(8);
        let hash = hash.fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
        let digits = hash % 10_u64.pow(NUMBER_DIGITS as u32);
        format!("{NUMBER_PREFIX}{digits:0NUMBER_DIGITS$}")
    }
}

/// How long what stands at the beginning of `text` is, where that has the form of what [`RedactionKey::hash`] makes.
fn hash_length(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(PREFIX.as_bytes())?.get(..2 * SHOWN)?;
    let is_hash = digits.iter().all(u8::is_ascii_hexdigit);
    is_hash.then_some(PREFIX.len() + 2 * SHOWN)
}

/// Whether `text` has the form of a hash, and is nothing else.
pub fn is_hash(text: &[u8]) -> bool {
    hash_length(text) == Some(text.len())
}

/// Whether somewhere in `text` stands what has the form of a hash, or of a number in place of one.
pub fn has_hash(text: &[u8]) -> bool {
    let is_number = |at: usize| {
        let before = at.checked_sub(1).map(|before| text[before]);
        let length = NUMBER_PREFIX.len() + NUMBER_DIGITS;
        let digits = text[at..]
            .iter()
            .take(length + 1)
            .take_while(|byte| byte.is_ascii_digit());
        digits.count() == length && !before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    };
    memchr::memmem::find_iter(text, PREFIX).any(|at| hash_length(&text[at..]).is_some())
        || memchr::memmem::find_iter(text, NUMBER_PREFIX).any(is_number)
}

/// The fields and values that are redacted in each message.
#[derive(Clone, Debug, PartialEq)]
pub struct Redaction {
    headers: Vec<Box<str>>,
    json: Vec<JsonPath>,
    /// Largest body that is searched, in bytes.
    max_json: usize,
    key: RedactionKey,
    /// Whether a `Set-Cookie` keeps the name of its cookie.
    cookie_names: bool,
}

/// A message that was redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redacted {
    /// Its head.
    pub head: Vec<u8>,
    /// Its body, framed as the head says; none where that stays as it is.
    pub body: Option<Vec<u8>>,
}

/// A message that cannot be redacted: its body may hold what must not leave, and it is not JSON that can be read (it is
/// encoded, broken or too large).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot parse a body that may contain values to redact")]
pub struct Unredactable;

impl Redaction {
    /// Redacts the values of fields called `headers`, and in JSON bodies of at most `max_json` bytes the values that `json`
    /// leads to.
    ///
    /// # Errors
    ///
    /// Where that cannot be used.
    pub fn new(
        headers: impl IntoIterator<Item = String>,
        json: Vec<JsonPath>,
        max_json: usize,
        key: RedactionKey,
    ) -> Result<Self, Invalid> {
        let headers: Vec<Box<str>> = headers.into_iter().map(Into::into).collect();
        for name in &headers {
            if !is_token(name.as_bytes()) {
                return Err(Invalid("not a header name".to_owned()));
            }
            if is_refused(name) {
                return Err(Invalid(
                    "this header is part of the message framing, and cannot be changed".to_owned(),
                ));
            }
        }
        Ok(Self {
            headers,
            json,
            max_json,
            key,
            cookie_names: false,
        })
    }

    /// The same, but of a `Set-Cookie` the name of the cookie and its attributes are kept: answers are compared by them.
    #[must_use]
    pub fn keeping_cookie_names(self) -> Self {
        Self {
            cookie_names: true,
            ..self
        }
    }

    /// The key of the hashes.
    pub fn key(&self) -> &RedactionKey {
        &self.key
    }

    /// Names of the headers whose values are hidden.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|name| &**name)
    }

    /// Edits the header lines of a message whose body is `body`, chunked or not. The body that takes the place of that is
    /// handed back, if another does: framed by its length, and the lines say so, or chunked as before with other trailers.
    pub(super) fn edit(
        &self,
        lines: &mut Lines<'_>,
        chunked: bool,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, Unredactable> {
        for name in &self.headers {
            // It never fails.
            let _ = lines.change(name, |value| Ok::<_, ()>(Some(self.value(name, value))));
        }
        if let Some(json) = self.edit_json(lines, chunked, body)? {
            return Ok(Some(json));
        }
        if chunked { self.trailers(body) } else { Ok(None) }
    }

    /// Finds what takes the place of a value of the field `name`.
    fn value(&self, name: &str, value: &[u8]) -> Vec<u8> {
        if self.cookie_names && name.eq_ignore_ascii_case("set-cookie") {
            self.set_cookie(value)
        } else {
            self.key.hash(value).into_bytes()
        }
    }

    /// A chunked body with other trailers (RFC 9112 section 7.1.2); `None` where nothing in them is to be hidden.
    fn trailers(&self, body: &[u8]) -> Result<Option<Vec<u8>>, Unredactable> {
        if self.headers.is_empty() {
            return Ok(None);
        }
        let Some(start) = ChunkedDecoder::trailers_of(body).map_err(|_| Unredactable)? else {
            return Ok(None);
        };
        let mut out = body[..start].to_vec();
        let mut changed = false;
        // A body that is cut off may end within one.
        for line in body[start..].split_inclusive(|byte| *byte == b'\n') {
            let end = line.len()
                - line
                    .iter()
                    .rev()
                    .take_while(|byte| b"\r\n".contains(byte))
                    .count();
            let colon = memchr::memchr(b':', &line[..end]);
            let name = colon.map(|colon| &line[..colon]);
            let is = |known: &&str| name.is_some_and(|name| known.as_bytes().eq_ignore_ascii_case(name));
            let Some((known, colon)) = self.headers().find(is).zip(colon) else {
                out.extend_from_slice(line);
                continue;
            };
            changed = true;
            out.extend_from_slice(&line[..=colon]);
            out.push(b' ');
            out.extend_from_slice(&self.value(known, line[colon + 1..end].trim_ascii()));
            out.extend_from_slice(&line[end..]);
        }
        Ok(changed.then_some(out))
    }

    /// The body of [`Self::edit`] as far as JSON is concerned.
    fn edit_json(
        &self,
        lines: &mut Lines<'_>,
        chunked: bool,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, Unredactable> {
        if self.json.is_empty() || body.is_empty() {
            return Ok(None);
        }
        let declared = lines.any("content-type", is_json_type);
        let decoded;
        let payload = if chunked {
            decoded = chunked_data(body);
            decoded.as_deref().ok_or(Unredactable)?
        } else {
            body
        };
        if !declared && !json::begins_as_json(payload) {
            return Ok(None);
        }
        if payload.len() > self.max_json {
            return Err(Unredactable);
        }
        let Some(redacted) = self.json(payload)? else {
            return Ok(None);
        };
        if chunked {
            lines.remove("transfer-encoding");
            lines.remove("trailer");
        }
        lines.set("Content-Length", redacted.len().to_string().as_bytes());
        Ok(Some(redacted))
    }

    /// A cookie with its name and its well-known attributes as they are, and a hash in place of all else.
    fn set_cookie(&self, value: &[u8]) -> Vec<u8> {
        let mut parts = value.split(|byte| *byte == b';');
        let cookie = parts.next().unwrap_or_default();
        let mut out = Vec::with_capacity(value.len() + PREFIX.len() + 2 * SHOWN);
        let secret = match memchr::memchr(b'=', cookie) {
            Some(at) if is_token(cookie[..at].trim_ascii()) => {
                out.extend_from_slice(&cookie[..=at]);
                &cookie[at + 1..]
            }
            _ => cookie,
        };
        out.extend_from_slice(self.key.hash(secret).as_bytes());
        for attribute in parts {
            let name = attribute.split(|byte| *byte == b'=').next().unwrap_or_default();
            let is_it = |known: &&str| name.trim_ascii().eq_ignore_ascii_case(known.as_bytes());
            if COOKIE_ATTRIBUTES.iter().any(is_it) {
                out.push(b';');
                out.extend_from_slice(attribute);
            } else {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(self.key.hash(attribute).as_bytes());
            }
        }
        out
    }

    /// The JSON text without what is to be redacted; `None` when there is nothing of that in it.
    fn json(&self, payload: &[u8]) -> Result<Option<Vec<u8>>, Unredactable> {
        let text = json::text(payload).ok_or(Unredactable)?;
        let mut found = Vec::new();
        for path in &self.json {
            path.find(text, |value| found.push(value))
                .map_err(|_| Unredactable)?;
        }
        if found.is_empty() {
            return Ok(None);
        }
        let mut places: Vec<_> = found
            .into_iter()
            .map(|value| (json::place(text, value), value))
            .collect();
        // A value within another goes with it.
        places.sort_by_key(|(place, _)| (place.start, std::cmp::Reverse(place.end)));
        let mut out = Vec::with_capacity(text.len());
        let mut copied = 0;
        for (place, value) in places {
            if place.start < copied {
                continue;
            }
            out.extend_from_slice(&payload[copied..place.start]);
            let hash = self.key.hash(json::as_text(value).as_bytes());
            out.extend_from_slice(format!("\"{hash}\"").as_bytes());
            copied = place.end;
        }
        out.extend_from_slice(&payload[copied..]);
        Ok(Some(out))
    }

    /// The redacted form of a message on the wire, a request or a response: `head` from its start line to its empty line,
    /// and `body` as it was sent. A new body is framed by its length. `Ok(None)` where nothing changes.
    ///
    /// # Errors
    ///
    /// Where the body may hold what is to be hidden and cannot be searched.
    pub fn message(&self, head: &[u8], body: &[u8]) -> Result<Option<Redacted>, Unredactable> {
        let fields = head_fields(head).ok_or(Unredactable)?;
        let mut lines = Lines::of(head, &fields);
        let chunked = lines.any("transfer-encoding", is_chunked);
        let body = self.edit(&mut lines, chunked, body)?;
        let end = memchr::memchr(b'\r', head).ok_or(Unredactable)?;
        let edited = lines.head(&[&head[..end]]);
        let changed = edited != head || body.is_some();
        Ok(changed.then_some(Redacted { head: edited, body }))
    }
}

/// `application/json`, `application/problem+json` and the like.
fn is_json_type(value: &[u8]) -> bool {
    value.windows(4).any(|part| part.eq_ignore_ascii_case(b"json"))
}

pub(super) fn is_chunked(value: &[u8]) -> bool {
    value.windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked"))
}

#[cfg(test)]
mod tests;
