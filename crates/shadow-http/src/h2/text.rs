//! The text of HTTP/1.1 that stands for a header list of HTTP/2 (`docs/http2.md`, "Text form"), and what makes a list none
//! that can be written so: what is malformed to a server too (RFC 9113 sections 8.2 and 8.3).

use std::ops::Range;

use super::hpack::FieldList;
use crate::chunked::MAX_TRAILERS;
use crate::field::{can_be_sent, is_field_value, is_token};
use crate::framing::{RequestKind, parse_length};
use crate::head::MAX_METHOD;
use crate::message::{HeaderField, Limits, Reject};

/// A head as text.
#[derive(Debug)]
pub(super) struct Head {
    /// Start line, fields and the empty line.
    pub text: Vec<u8>,
    pub headers: Vec<HeaderField>,
    /// `content-length`, where there is one.
    pub length: Option<u64>,
    /// Whether the body is to be in chunked coding, as the text says.
    pub is_chunked: bool,
    /// Whether it is a call of gRPC.
    pub is_grpc: bool,
    pub line: Line,
}

/// Everything that is read from a start line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Request { method: Range<u32>, target: Range<u32> },
    Status(u16),
}

/// Name and value of a field.
type Field<'a> = (&'a [u8], &'a [u8]);

#[derive(Default)]
struct Pseudo<'a> {
    method: Option<&'a [u8]>,
    scheme: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    authority: Option<&'a [u8]>,
    protocol: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
    /// Fields in front of the others.
    count: usize,
}

impl<'a> Pseudo<'a> {
    /// Reads the fields in front; each once at most, and only these (RFC 9113 section 8.3).
    fn of(list: &'a FieldList) -> Result<Self, Reject> {
        let mut pseudo = Self::default();
        for (name, value) in list.iter().take_while(|(name, _)| name.starts_with(b":")) {
            let place = match name {
                b":method" => &mut pseudo.method,
                b":scheme" => &mut pseudo.scheme,
                b":path" => &mut pseudo.path,
                b":authority" => &mut pseudo.authority,
                b":protocol" => &mut pseudo.protocol,
                b":status" => &mut pseudo.status,
                _ => return Err(Reject::Malformed),
            };
            if place.replace(value).is_some() {
                return Err(Reject::Malformed);
            }
            pseudo.count += 1;
        }
        Ok(pseudo)
    }
}

/// The text of a request's head. `ends` says that no body follows.
pub(super) fn request_head(list: &FieldList, ends: bool, limits: &Limits) -> Result<Head, Reject> {
    let pseudo = Pseudo::of(list)?;
    let method = pseudo.method.ok_or(Reject::Malformed)?;
    if method == b"CONNECT" || pseudo.protocol.is_some() {
        return Err(Reject::Upgrade);
    }
    let (Some(path), Some(_), None) = (pseudo.path, pseudo.scheme, pseudo.status) else {
        return Err(Reject::Malformed);
    };
    if !is_token(method) || method.len() > MAX_METHOD || !is_target(method, path) {
        return Err(Reject::Malformed);
    }
    let start = [method, b" ", path, b" HTTP/2.0\r\n"];
    let host = pseudo.authority.map_or(0, |authority| authority.len() + 8);
    let more = host + start.iter().map(|part| part.len()).sum::<usize>();
    let mut writer = Writer::new(list, pseudo.count, more, ends);
    for part in start {
        writer.text.extend_from_slice(part);
    }
    if let Some(authority) = pseudo.authority {
        writer.field(b"host", authority)?;
        writer.authority = Some(authority);
    }
    let method_end = method.len() as u32;
    let target = method_end + 1..method_end + 1 + path.len() as u32;
    let mut head = writer.finish(list, pseudo.count, ends, limits)?;
    let method = 0..method_end;
    head.line = Line::Request { method, target };
    Ok(head)
}

/// The status that a header list of an answer says.
pub(super) fn status_of(list: &FieldList) -> Result<u16, Reject> {
    let pseudo = Pseudo::of(list)?;
    let status = pseudo.status.filter(|_| pseudo.count == 1);
    match status {
        Some([hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => {
            Ok(u16::from(hundreds - b'0') * 100 + u16::from(tens - b'0') * 10 + u16::from(ones - b'0'))
        }
        _ => Err(Reject::Malformed),
    }
}

/// The text of an answer's head. `ends` says that no body follows.
pub(super) fn answer_head(
    list: &FieldList,
    status: u16,
    ends: bool,
    limits: &Limits,
) -> Result<Head, Reject> {
    // `HTTP/2.0 200 CRLF`.
    let mut writer = Writer::new(list, 1, 15, ends);
    for part in [&b"HTTP/2.0 "[..], status.to_string().as_bytes(), b" \r\n"] {
        writer.text.extend_from_slice(part);
    }
    let mut head = writer.finish(list, 1, ends, limits)?;
    head.line = Line::Status(status);
    Ok(head)
}

/// The text of a trailer section, without the empty line that ends it.
pub(super) fn trailers(list: &FieldList) -> Result<Vec<u8>, Reject> {
    let mut text = Vec::new();
    for (name, value) in list.iter() {
        // What the chunked coding refuses cannot stand in its trailer section.
        if !is_field(name, value) || !is_token(name) || !is_field_value(value) {
            return Err(Reject::Malformed);
        }
        write_field(&mut text, name, value);
    }
    if text.len() + 2 > usize::from(MAX_TRAILERS) {
        return Err(Reject::HeadTooLarge);
    }
    Ok(text)
}

impl Head {
    /// The kind of request it is, as far as that matters to the answer.
    pub fn kind(&self) -> RequestKind {
        match &self.line {
            Line::Request { method, .. } => RequestKind::of(&self.text[..method.end as usize]),
            Line::Status(_) => RequestKind::Other,
        }
    }

    /// The head of a message whose body came with trailers, though it has a `content-length`: that is left out, and the body
    /// is in chunked coding.
    pub fn into_chunked(mut self) -> Self {
        let is_length = |head: &Self, field: &HeaderField| {
            head.text[field.name.start as usize..field.name.end as usize] == *b"content-length"
        };
        let mut text = Vec::with_capacity(self.text.len() + CHUNKED.len());
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        let first = self
            .headers
            .first()
            .map_or(self.text.len() - 2, |field| field.name.start as usize);
        text.extend_from_slice(&self.text[..first]);
        for field in self.headers.iter().filter(|field| !is_length(&self, field)) {
            let name = &self.text[field.name.start as usize..field.name.end as usize];
            let value = &self.text[field.value.start as usize..field.value.end as usize];
            headers.push(write_field(&mut text, name, value));
        }
        headers.push(write_field(&mut text, b"transfer-encoding", b"chunked"));
        text.extend_from_slice(b"\r\n");
        self.text = text;
        self.headers = headers;
        self.is_chunked = true;
        self.length = None;
        self
    }
}

const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n";

/// A head being written.
struct Writer<'a> {
    text: Vec<u8>,
    headers: Vec<HeaderField>,
    authority: Option<&'a [u8]>,
    length: Option<u64>,
    is_grpc: bool,
}

impl<'a> Writer<'a> {
    /// One whose start line, and what else is not in the list, takes `more` bytes; `ends` says that no body follows.
    fn new(list: &'a FieldList, pseudo: usize, more: usize, ends: bool) -> Self {
        // `name: value CRLF` for each field, the mark of a body, the empty line: exactly so much, in nearly all heads.
        let fields = list.iter().skip(pseudo);
        let octets: usize = fields.map(|(name, value)| name.len() + value.len() + 4).sum();
        let mark = if ends { 0 } else { CHUNKED.len() };
        Self {
            text: Vec::with_capacity(more + octets + mark + 2),
            headers: Vec::with_capacity(list.len().saturating_sub(pseudo) + 2),
            authority: None,
            length: None,
            is_grpc: false,
        }
    }

    /// Writes the fields behind the `pseudo` first ones, and the empty line.
    fn finish(
        mut self,
        list: &'a FieldList,
        pseudo: usize,
        ends: bool,
        limits: &Limits,
    ) -> Result<Head, Reject> {
        let fields = || list.iter().skip(pseudo);
        let mut has_cookie = false;
        for (name, value) in fields() {
            match name {
                b"cookie" => {
                    // Where the crumbs are several, they are written with the first.
                    if !std::mem::replace(&mut has_cookie, true) {
                        self.cookie(fields().filter(|(name, _)| *name == b"cookie"))?;
                    }
                }
                b"host" => match self.authority {
                    None => self.field(name, value)?,
                    Some(authority) if authority.eq_ignore_ascii_case(value) => {}
                    Some(_) => return Err(Reject::Malformed),
                },
                _ => self.field(name, value)?,
            }
        }
        let is_chunked = !ends && self.length.is_none();
        if is_chunked {
            let field = write_field(&mut self.text, b"transfer-encoding", b"chunked");
            self.headers.push(field);
        }
        self.text.extend_from_slice(b"\r\n");
        if self.text.len() > limits.max_head || self.headers.len() > limits.max_headers {
            return Err(Reject::HeadTooLarge);
        }
        self.text.shrink_to_fit();
        Ok(Head {
            text: self.text,
            headers: self.headers,
            length: self.length,
            is_chunked,
            is_grpc: self.is_grpc,
            line: Line::Status(0),
        })
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Reject> {
        if !is_field(name, value) {
            return Err(Reject::Malformed);
        }
        match name {
            b"content-length" => {
                let length = parse_length(value).ok_or(Reject::Malformed)?;
                if self.length.replace(length).is_some_and(|before| before != length) {
                    return Err(Reject::Malformed);
                }
            }
            b"content-type" => self.is_grpc |= value.starts_with(b"application/grpc"),
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => return Err(Reject::Malformed),
            _ => {}
        }
        let field = write_field(&mut self.text, name, value);
        self.headers.push(field);
        Ok(())
    }

    /// One field of all crumbs (RFC 9113 section 8.2.3). An empty one says nothing, and would leave white space at an end.
    fn cookie(&mut self, crumbs: impl Iterator<Item = Field<'a>>) -> Result<(), Reject> {
        let name = self.text.len() as u32;
        self.text.extend_from_slice(b"cookie: ");
        let start = self.text.len();
        for (name, crumb) in crumbs {
            if !is_field(name, crumb) {
                return Err(Reject::Malformed);
            }
            if !crumb.is_empty() && self.text.len() > start {
                self.text.extend_from_slice(b"; ");
            }
            self.text.extend_from_slice(crumb);
        }
        let end = self.text.len() as u32;
        self.text.extend_from_slice(b"\r\n");
        self.headers.push(HeaderField {
            name: name..name + 6,
            value: start as u32..end,
        });
        Ok(())
    }
}

/// Appends a field, and says where it is.
fn write_field(text: &mut Vec<u8>, name: &[u8], value: &[u8]) -> HeaderField {
    let start = text.len() as u32;
    for part in [name, b": ", value, b"\r\n"] {
        text.extend_from_slice(part);
    }
    let name_end = start + name.len() as u32;
    HeaderField {
        name: start..name_end,
        value: name_end + 2..name_end + 2 + value.len() as u32,
    }
}

/// Whether a field may be in a message, and can be written as a line (RFC 9113 sections 8.2.1 and 8.2.2).
fn is_field(name: &[u8], value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let of_connection = matches!(
        name,
        b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade"
    );
    !of_connection
        && !name.iter().any(u8::is_ascii_uppercase)
        && can_be_sent(name, value)
        && !is_space(value.first())
        && !is_space(value.last())
}

/// Whether this may be `:path` (RFC 9113 section 8.3.1), and stand in a request line.
fn is_target(method: &[u8], path: &[u8]) -> bool {
    let begins = path.starts_with(b"/") || (path == b"*" && method == b"OPTIONS");
    begins && !path.iter().any(|&byte| byte <= b' ' || byte == 0x7f)
}
