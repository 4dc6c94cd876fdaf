//! HTTP/2 without IO (RFC 9113): both directions of a connection in, whole requests and answers out, as the text of HTTP/1.1
//! that stands for them ([`crate::Version::Http2`]; `docs/http2.md`, "Text form").
//!
//! A [`Connection`] is made where HTTP/2 shows ([`Join`]) and fed what its two directions carry, in any order between the
//! two. Each stream is an exchange of its own: [`Event::Started`], then exactly one of `Complete`, `Incomplete` and
//! `Rejected`; behind `Complete`, where answers are read, exactly one of `Answered`, `AnswerLost` and `Unprocessed`, and
//! where they are not, `Unprocessed` at most. `AnswerBegun` may stand before `AnswerLost`, and before `Rejected`. Nothing comes of a stream that was opened before anything of the connection
//! was seen. A call of gRPC may be told while it is under way ([`Connection::go_live`]): its messages, and `Ended` or `Rejected`.
//!
//! # Where it starts
//!
//! - [`Join::Preface`]: the first byte of the request direction is that of the preface (`PRI * HTTP/2.0`), the first of the
//!   response direction that of the server's SETTINGS. Other bytes end it: `Recognised(Skip::NotHttp)`.
//! - [`Join::Upgraded`]: the same, behind the request that offered `Upgrade: h2c` and the head of the 101 that accepted it.
//!   The answer to that request comes as stream 1; the request itself is whoever read it's.
//! - [`Join::MidStream`]: the connection was open before. Nothing is told of it until it is proved to be HTTP/2
//!   ([`Connection::is_proved`], `Recognised(Skip::Http2)` at that moment); it may be asked beside a reader of HTTP/1, and
//!   is to be dropped when that has proved its own.
//!
//! # Limits
//!
//! What is held of messages is charged to the budget; what is refused costs one stream. Everything else that a connection
//! keeps is bounded by constants (`limits`).

mod answers;
mod block;
mod body_text;
mod connection;
mod flood;
mod frame;
mod gather;
pub mod hpack;
mod join;
mod lane;
mod limits;
mod live;
mod messages;
mod origin;
mod payload;
mod requests;
mod search;
mod streams;
#[cfg(test)]
mod tests;
mod text;
mod whole_call;

pub use connection::{Connection, Event, Join, StreamId};
pub use live::Call;
pub use messages::{CallEnd, LiveCall, Messages};
pub use whole_call::WholeCall;
