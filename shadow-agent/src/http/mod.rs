//! HTTP/1.x without IO: stream bytes in, whole messages out (RFC 9112), byte for byte as they were sent.
//!
//! A message with a hole in it, with ambiguous framing, or beyond a limit is never handed on: it ends in a
//! [`Reject`]. Which bytes may start a message is decided here too: after a gap, or on a connection that was
//! open before, only a start that can be proved counts (see `request_stream`).

mod message;

pub use message::{Framing, HeaderField, Limits, Reject, Request, RequestEvent, Skip, Version};
