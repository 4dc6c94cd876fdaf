//! The parts of a message as HAR and JSON lines show it: its head taken apart, its body as text where it is text.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use shadow_http::head_fields;
use shadow_mirror::MessageKind;

use super::Record;

/// The version of HTTP/2, as browsers name it.
const HTTP_2: &str = "HTTP/2";

/// A message taken apart. What is no HTTP has empty parts, and all of it as its body.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// Method of a request; empty for a response.
    pub method: Cow<'a, str>,
    /// Target of a request; empty for a response.
    pub target: Cow<'a, str>,
    /// `HTTP/1.1`, or as HAR has it otherwise.
    pub version: &'static str,
    /// Status of a response; 0 for a request.
    pub status: u16,
    /// Reason phrase of a response.
    pub reason: Cow<'a, str>,
    /// Names and values, in their order.
    pub fields: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The body without its chunked coding.
    pub body: Cow<'a, [u8]>,
}

impl<'a> Parts<'a> {
    /// Takes a message apart.
    pub fn of(record: &'a Record) -> Self {
        Self::of_http(record).unwrap_or_else(|| Self {
            body: [&record.head[..], &record.body[..]].concat().into(),
            ..Self::default()
        })
    }

    /// The same; `None` of what is no HTTP, or a request in the place of a response.
    fn of_http(record: &'a Record) -> Option<Self> {
        let head = &record.head[..];
        let fields = head_fields(head)?;
        let line = &head[..memchr::memchr(b'\r', head)?];
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (first, second, third) = (words.next()?, words.next()?, words.next().unwrap_or_default());
        let is_request = record.kind == MessageKind::Request;
        if first.starts_with(b"HTTP/") == is_request {
            return None;
        }
        let mut parts = if is_request {
            Self {
                method: String::from_utf8_lossy(first),
                target: url_text(second),
                version: version(third),
                ..Self::default()
            }
        } else {
            Self {
                status: std::str::from_utf8(second).ok()?.parse().ok()?,
                reason: String::from_utf8_lossy(third),
                version: version(first),
                ..Self::default()
            }
        };
        let text = |part: Range<u32>| String::from_utf8_lossy(&head[part.start as usize..part.end as usize]);
        let fields = fields
            .into_iter()
            .map(|field| (text(field.name), text(field.value)));
        parts.fields = fields.collect();
        parts.body = record.body.as_ref().into();
        if parts.is_chunked()
            && let Some(body) = dechunk(&record.body)
        {
            parts.body = body.into();
        }
        if parts.version == HTTP_2 {
            // It stands in the text alone: HTTP/2 has no such field (RFC 9113 section 8.2.2).
            parts
                .fields
                .retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
        }
        Some(parts)
    }

    /// The value of the first field of a name.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_ref())
    }

    fn is_chunked(&self) -> bool {
        let coding = self.field("transfer-encoding").unwrap_or_default();
        coding.trim().to_ascii_lowercase().ends_with("chunked")
    }

    /// The body as text, and how it is encoded where it is not UTF-8.
    pub fn text(&self) -> (Cow<'_, str>, Option<&'static str>) {
        match std::str::from_utf8(&self.body) {
            Ok(text) => (text.into(), None),
            Err(_) => (STANDARD.encode(&self.body).into(), Some("base64")),
        }
    }
}

fn version(text: &[u8]) -> &'static str {
    match text {
        b"HTTP/1.0" => "HTTP/1.0",
        b"HTTP/2.0" => HTTP_2,
        _ => "HTTP/1.1",
    }
}

/// A target as text. Bytes that are no UTF-8 are percent-encoded, as whoever reads a URL of them expects.
fn url_text(target: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(target) {
        return text.into();
    }
    let mut text = String::with_capacity(target.len() + 16);
    for chunk in target.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text.into()
}

/// The data of a chunked body (RFC 9112 section 7.1), extensions and trailers left out; `None` where it is not one as a
/// whole.
pub(super) fn dechunk(body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    let mut rest = body;
    loop {
        let line_end = memchr::memmem::find(rest, b"\r\n")?;
        let line = std::str::from_utf8(&rest[..line_end]).ok()?;
        let digits = line.split([';', ' ', '\t']).next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).ok()?;
        rest = &rest[line_end + 2..];
        if size == 0 {
            return Some(data);
        }
        data.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

/// A time as RFC 3339 has it, with nine digits behind the second.
pub(super) fn rfc3339(unix: u64) -> String {
    let time = Timestamp::from_nanosecond(i128::from(unix)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.9}")
}

/// Nanoseconds as milliseconds.
pub(super) fn milliseconds(nanoseconds: u64) -> f64 {
    // Whole microseconds: more digits than that are noise.
    (nanoseconds / 1000) as f64 / 1000.0
}

/// From a request's first byte to the last of its response.
pub(super) fn took(request: &Record, response: &Record) -> u64 {
    let end = response.unix.saturating_add(response.latency);
    end.saturating_sub(request.unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_its_data() {
        let body = b"5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n";
        assert_eq!(dechunk(body).as_deref(), Some(&b"hello!"[..]));
        for bad in [
            &b"5\r\nhell"[..],
            b"x\r\n",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"",
            b"ffffffffffffffffff\r\n",
        ] {
            assert_eq!(dechunk(bad), None);
        }
    }

    #[test]
    fn times_have_nine_digits_behind_the_second() {
        assert_eq!(
            rfc3339(1_700_000_000_000_000_005),
            "2023-11-14T22:13:20.000000005Z"
        );
        assert_eq!(milliseconds(1_234_567).to_string(), "1.234");
    }
}
