//! One exchange's way from a captured request to its outputs, and the account of every one.
#![forbid(unsafe_code)]

mod admission;
mod answers;
mod calls;
#[cfg(test)]
mod calls_tests;
mod captured;
#[cfg(test)]
mod captured_tests;
mod connection;
mod counters;
mod dispatcher;
mod drop_reason;
mod edits;
mod exchange;
mod front;
pub mod gate;
#[cfg(test)]
mod gate_tests;
mod gathering;
#[cfg(test)]
mod gathering_tests;
mod going_over;
mod held_back;
mod http2;
#[cfg(test)]
mod http2_tests;
mod intake;
mod interceptor;
pub mod ledger;
mod limiter;
mod live;
pub mod matching;
mod message;
mod mirrors;
mod not_understood;
mod open;
mod pipeline;
pub mod plan;
mod re2;
mod read_settings;
mod response_routing;
pub mod rules;
mod scope;
mod seen;
mod serving;
#[cfg(test)]
mod serving_tests;
mod shard;
mod shard_output;
mod share;
mod split;
mod streams;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tls;
mod tls_reading;
mod upstream;

pub use admission::Admission;
pub use answers::AnswerCounters;
pub use captured::CapturedConnection;
pub use connection::ProductionConnection;
pub use counters::{SkippedBytes, StreamCounters};
pub use dispatcher::Dispatcher;
pub use edits::{Edit, EditError, Edits};
pub use exchange::{AnswerLost, Exchange, ExchangeResponse};
pub use interceptor::{Interceptor, NextStep};
pub use limiter::{Limit, Limiter};
pub use live::{Live, LiveReader, Next as NextOfCall};
pub use message::{MAX_ID, Message, MessageId, MessageKind};
pub use mirrors::Mirrors;
pub use read_settings::{MaxStream, ReadSettings};
pub use seen::FlowId;
pub use shard::Shard;
pub use shard_output::ShardOutput;
pub use share::{Draws, Share};
pub use split::{Split, SplitBy};
pub use tls_reading::TlsReading;
pub use upstream::{Endpoints, HostHeader};
