//! HTTP without IO: stream bytes in, whole messages out. Those of HTTP/1.x (RFC 9112) byte for byte as they were sent but
//! for what HTTP/1.1 itself writes in another way (`odd_head`); those of HTTP/2 as the text that stands for them ([`h2`]).
//!
//! A message with a hole in it, with ambiguous framing, or beyond a limit is never handed on: it ends in a
//! [`Reject`]. Which bytes may start a message is decided here too: only those behind a handshake, or behind a message
//! whose end is known (see `message_stream`).
#![forbid(unsafe_code)]

mod body;
mod buffered;
mod chunked;
mod content;
mod fault;
mod field;
mod framing;
mod gathering;
pub mod h2;
mod head;
mod head_with;
mod incomplete;
mod known_heads;
mod leaving;
mod message;
mod message_kind;
mod message_stream;
mod odd_head;
mod preface;
mod proxy_protocol;
mod rejecting;
mod request_stream;
mod response_head;
mod response_stream;
mod rewritten;
mod same_lines;
mod skimmer;
mod target;
#[cfg(test)]
mod tests;
mod whole;

pub use body::BodyDecoder;
pub use chunked::{ChunkedDecoder, chunked_data};
pub use content::{Codings, Undecodable, is_json};
pub use fault::{ChunkedError, Fault, FaultyLine, FramingError, Oddity};
pub use field::{can_be_sent, is_field_value, is_token};
pub use framing::RequestKind;
pub use incomplete::INCOMPLETE_HEADER;
pub use known_heads::KnownHeads;
pub use message::{Framing, HeaderField, Limits, Piece, Reject, Request, RequestEvent, Skip, Version};
pub use message_stream::{Http2Start, UNKNOWN_LENGTH};
pub use odd_head::normalised;
pub use proxy_protocol::{ProxyHeader, ProxyStep};
pub use request_stream::{RequestStream, begins_request};
pub use response_head::{ResponseHead, ResponseHeadReader, parse_response_head};
pub use response_stream::{Response, ResponseEvent, ResponseStream};
pub use rewritten::{RewriteError, head_fields};
pub use same_lines::{same_but_for_date, same_lines};
pub use target::absolute_form;
pub use whole::whole_request;
