//! What HAR and JSON lines show of a message: its head taken apart, its body as text where it is text.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::Record;

/// Most header fields that are shown of a message.
const MAX_FIELDS: usize = 4096;

/// A message taken apart. What is no HTTP has empty parts, and all of it as its body.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    /// Method of a request; empty for a response.
    pub method: Cow<'a, str>,
    /// Target of a request; empty for a response.
    pub target: Cow<'a, str>,
    /// `HTTP/1.1`.
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
        let mut fields = vec![httparse::EMPTY_HEADER; 128];
        loop {
            let parsed = if record.kind == crate::mirror::MessageKind::Request {
                let mut request = httparse::Request::new(&mut fields);
                request.parse(&record.head).map(|status| {
                    status.is_complete().then(|| Self {
                        method: request.method.unwrap_or_default().into(),
                        target: request.path.unwrap_or_default().into(),
                        version: version(request.version),
                        ..Self::default().with_fields(request.headers)
                    })
                })
            } else {
                let mut response = httparse::Response::new(&mut fields);
                response.parse(&record.head).map(|status| {
                    status.is_complete().then(|| Self {
                        status: response.code.unwrap_or_default(),
                        reason: response.reason.unwrap_or_default().into(),
                        version: version(response.version),
                        ..Self::default().with_fields(response.headers)
                    })
                })
            };
            match parsed {
                Ok(Some(mut parts)) => {
                    parts.body = record.body.as_ref().into();
                    if parts.is_chunked()
                        && let Some(body) = dechunk(&record.body)
                    {
                        parts.body = body.into();
                    }
                    return parts;
                }
                Err(httparse::Error::TooManyHeaders) if fields.len() < MAX_FIELDS => {
                    fields.resize(MAX_FIELDS, httparse::EMPTY_HEADER);
                }
                _ => {
                    return Self {
                        body: [&record.head[..], &record.body[..]].concat().into(),
                        ..Self::default()
                    };
                }
            }
        }
    }

    fn with_fields(mut self, fields: &[httparse::Header<'a>]) -> Self {
        let text = |field: &httparse::Header<'a>| (field.name.into(), String::from_utf8_lossy(field.value));
        self.fields = fields.iter().map(text).collect();
        self
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

fn version(minor: Option<u8>) -> &'static str {
    match minor {
        Some(0) => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
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
