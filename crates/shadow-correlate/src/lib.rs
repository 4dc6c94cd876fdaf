//! Correlation: what production issued, mapped to what an output issued in its place.
//!
//! Production and an output answer one request with different identifiers: session cookies, tokens, ids of created records,
//! entity tags. Whatever stands at the same place of both answers ([`issued`]) is remembered as a pair ([`Map`]), and a later
//! request that carries production's value is sent to that output with the output's own ([`rewrite`]). What is not whole in an
//! answer yet is waited for by the caller: [`Exchanges`] knows which values are under way. So is an earlier request with the same
//! value that came by another connection, and that the output has yet to answer ([`Turn`]).
//!
//! Sans-IO: time is an argument. Biased towards leaving alone: a value is replaced where it is whole, byte for byte what
//! production issued, and means the same (a short number means something within its collection only).
#![forbid(unsafe_code)]

mod carried;
mod equal;
mod exceptions;
mod exchanges;
mod fields;
mod html;
pub mod issued;
mod json;
mod key;
mod lines;
mod map;
mod messages;
mod multipart;
mod named_tokens;
mod origin;
mod recent;
pub mod rewrite;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod turns;
mod url;
mod xml;

pub use equal::At;
pub use exceptions::{BadException, Exceptions};
pub use exchanges::{Exchanges, Same, Unanswered, lock};
pub use key::{Keys, Scope};
pub use map::{Bounds, Counts, Known, Map};
pub use messages::Methods;
pub use shape::is_reference;
pub use turns::{Carried, Turn};
