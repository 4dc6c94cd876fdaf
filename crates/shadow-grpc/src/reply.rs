//! An answer of gRPC, from its head and body as HTTP/2's text form has them: messages, trailers, and how the call ended.

use std::borrow::Cow;

use shadow_http::{ChunkedDecoder, Codings, chunked_data};

use crate::frames::{FrameError, TRAILERS, framed, frames};
use crate::status::Status;
use crate::web;

/// How a content type says that messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// gRPC over HTTP/2: trailers are HTTP's.
    Http2,
    /// gRPC-Web: trailers are a last frame.
    Web,
    /// The same, as base64.
    WebText,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Protocol Buffers, which is what is meant where nothing is said.
    Protobuf,
    /// JSON.
    Json,
    /// Something else.
    Other,
}

/// The way of gRPC that a content type names; `None` for what is not gRPC.
pub fn format(content_type: &[u8]) -> Option<(Format, Codec)> {
    let end = content_type.iter().position(|byte| *byte == b';');
    let media = content_type[..end.unwrap_or(content_type.len())].trim_ascii();
    let rest = strip(media, b"application/grpc")?;
    let (format, codec) = if let Some(codec) = strip(rest, b"-web-text") {
        (Format::WebText, codec)
    } else if let Some(codec) = strip(rest, b"-web") {
        (Format::Web, codec)
    } else {
        (Format::Http2, rest)
    };
    match codec.to_ascii_lowercase().as_slice() {
        b"" | b"+proto" => Some((format, Codec::Protobuf)),
        b"+json" => Some((format, Codec::Json)),
        [b'+', ..] => Some((format, Codec::Other)),
        _ => None,
    }
}

/// The text behind `prefix` in any case.
fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Why the messages of a call or an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its chunks, or its base64, are broken.
    #[error("the body cannot be read")]
    Body,
    /// Its content is no messages.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message is compressed in a way that is not known here, or is broken.
    #[error("a message cannot be decompressed")]
    Compression,
    /// A message unfolds to more than is read.
    #[error("a message is too large")]
    TooLarge,
}

/// A call or the answer to it, without what HTTP wraps it in.
#[derive(Debug)]
pub struct Reply<'a> {
    /// How messages are written.
    pub codec: Codec,
    /// Trailers by their names in lower case, without `grpc-status` and `grpc-message`. Empty for an answer of trailers only, whose
    /// fields are all in its head.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// Whether status and fields came in the head, as for an answer without messages.
    pub trailers_only: bool,
    /// How it ended; `None` where no `grpc-status` came: a client takes that for UNKNOWN.
    pub status: Option<Status>,
    /// All trailers as they were sent.
    sent: Vec<(String, Vec<u8>)>,
    format: Format,
    chunked: bool,
    encoding: Vec<u8>,
    /// The messages, each with its prefix.
    data: Result<Cow<'a, [u8]>, Unreadable>,
}

impl<'a> Reply<'a> {
    /// Reads a message of HTTP: its head, with the start line, and its body as it was on the wire, chunked or not. `None` when it is not
    /// gRPC by its content type.
    pub fn read(head: &[u8], body: &'a [u8]) -> Option<Self> {
        let behind = head.iter().position(|byte| *byte == b'\n')? + 1;
        let fields: Vec<(String, &[u8])> = web::fields(&head[behind..]).collect();
        let first = |name: &str| {
            fields
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| *value)
        };
        let (format, codec) = format(first("content-type")?)?;
        let chunked = fields
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value.eq_ignore_ascii_case(b"chunked"));
        let (data, section) = unchunked(body, chunked);
        let data = match (data, format) {
            (Ok(data), Format::WebText) => web::decoded(&data).map(Cow::Owned).ok_or(Unreadable::Body),
            (data, _) => data,
        };
        let mut trailers: Vec<(String, Vec<u8>)> = web::fields(section)
            .map(|(name, value)| (name, value.to_vec()))
            .collect();
        let mut reply = Self {
            codec,
            trailers: Vec::new(),
            trailers_only: false,
            status: None,
            sent: Vec::new(),
            format,
            chunked,
            encoding: first("grpc-encoding").unwrap_or_default().to_vec(),
            data,
        };
        if format != Format::Http2 {
            trailers.extend(reply.trailers_of_web());
        }
        let last = |name: &str| {
            let field = trailers.iter().find(|(known, _)| known == name);
            field.map(|(_, value)| value.as_slice())
        };
        if let Some(status) = last("grpc-status") {
            reply.status = Some(Status::of(status, last("grpc-message")));
        } else if let Some(status) = first("grpc-status") {
            reply.trailers_only = trailers.is_empty();
            reply.status = Some(Status::of(status, first("grpc-message")));
        }
        reply.sent.clone_from(&trailers);
        trailers.retain(|(name, _)| name != "grpc-status" && name != "grpc-message");
        reply.trailers = trailers;
        Some(reply)
    }

    /// The messages, decompressed, each at most `max` bytes, and as many together.
    ///
    /// # Errors
    ///
    /// Where one is cut off, cannot be decompressed, or is beyond `max`.
    pub fn messages(&self, max: usize) -> Result<Vec<Cow<'_, [u8]>>, Unreadable> {
        let data = self.data.as_deref().map_err(|error| *error)?;
        let (frames, end) = frames(data, max);
        let mut codings = Codings::default();
        codings.read(&self.encoding);
        let mut left = max;
        let mut all = Vec::new();
        for frame in frames.into_iter().filter(|frame| !frame.trailers) {
            let message = match frame.compressed {
                // A flag without a coding is an error of the sender (PROTOCOL-HTTP2.md, "Compressed-Flag").
                true if codings.is_empty() => return Err(Unreadable::Compression),
                true => codings.undo(frame.payload, left).map_err(|error| match error {
                    shadow_http::Undecodable::TooLarge => Unreadable::TooLarge,
                    shadow_http::Undecodable::Invalid => Unreadable::Compression,
                })?,
                false => frame.payload,
            };
            left = left.checked_sub(message.len()).ok_or(Unreadable::TooLarge)?;
            all.push(message);
        }
        match end {
            Ok(()) => Ok(all),
            Err(FrameError::TooLong) => Err(Unreadable::TooLarge),
            Err(error) => Err(error.into()),
        }
    }

    /// All trailers as they were sent, names in lower case.
    pub fn sent_trailers(&self) -> &[(String, Vec<u8>)] {
        &self.sent
    }

    /// The body with these messages, none of them compressed, and these trailers, in the way in which it was sent: in one chunk where it was
    /// chunked.
    pub fn rewritten(&self, messages: &[Vec<u8>], trailers: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut data = framed(0, messages.iter().map(Vec::as_slice));
        let mut lines = Vec::new();
        for (name, value) in trailers {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                lines.extend_from_slice(part);
            }
        }
        if self.format != Format::Http2 && !lines.is_empty() {
            data.extend_from_slice(&framed(TRAILERS, [lines.as_slice()]));
            lines.clear();
        }
        if self.format == Format::WebText {
            data = web::encoded(&data);
        }
        if !self.chunked {
            return data;
        }
        let mut body = Vec::new();
        if !data.is_empty() {
            body.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            body.extend_from_slice(&data);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n");
        body.extend_from_slice(&lines);
        body.extend_from_slice(b"\r\n");
        body
    }

    /// The trailers in the last frame.
    fn trailers_of_web(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(data) = &self.data else { return Vec::new() };
        let (frames, _) = frames(data, data.len());
        let last = frames.iter().find(|frame| frame.trailers && !frame.compressed);
        let fields = last.into_iter().flat_map(|frame| web::fields(&frame.payload));
        fields.map(|(name, value)| (name, value.to_vec())).collect()
    }
}

/// The data of a body, and its trailer section.
fn unchunked(body: &[u8], chunked: bool) -> (Result<Cow<'_, [u8]>, Unreadable>, &[u8]) {
    if !chunked || body.is_empty() {
        return (Ok(Cow::Borrowed(body)), &[]);
    }
    let trailers = ChunkedDecoder::trailers_of(body).ok().flatten();
    let data = chunked_data(body).map(Cow::Owned).ok_or(Unreadable::Body);
    (data, trailers.map_or(&[], |at| &body[at..]))
}
