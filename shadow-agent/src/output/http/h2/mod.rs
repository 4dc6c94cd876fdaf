//! Sending by HTTP/2 (RFC 9113), with the `h2` crate: many requests at a time on few connections.
//!
//! A copy is written as text first, as for HTTP/1.1 ([`super::copy`]), and made a list of fields by [`head`]; its body is
//! handed over by [`upload`], chunked coding undone. [`answer`] reads the answer, and writes it down as the text that stands
//! for it. [`exchange`] is both; [`connection`] is where its streams are, over a [`watched`] transport, with one task for all, and
//! [`pool`] says which one a request goes to. It is opened by [`opening`]; which requests go by HTTP/2 at all says [`way`], by
//! what [`support`] knows of the upstream. Nothing here knows the shard: what that makes of it is in `shard/streams.rs`.

mod answer;
mod client;
mod connection;
mod exchange;
mod head;
mod opening;
mod pool;
mod support;
mod upload;
mod watched;
mod way;

pub(super) use self::answer::Answer;
pub(super) use self::client::Client;
pub(super) use self::connection::{Multiplexed, is_of_request};
pub(super) use self::exchange::{End, Exchanging, Left, Running, ends_as_production, failure};
pub(super) use self::head::{Heads, Unsendable};
pub(super) use self::opening::{NotOpened, Opened, open};
pub(super) use self::pool::{Assignment, Streams};
pub(super) use self::support::Http2Support;
pub(super) use self::upload::Upload;
pub(super) use self::way::{Way, is_grpc};
