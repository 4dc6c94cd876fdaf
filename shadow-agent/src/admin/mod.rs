//! The agent's own HTTP port: is it alive, does it capture, what has it counted, and the kill switch.
//!
//! `GET /healthz`, `GET /readyz`, `GET /metrics`, `POST /pause`, `POST /resume`; of a comparison the live page (`GET /` and
//! `/report`), its events (`GET /report/events`), the report of this moment (`GET /report.json`, `/report.html`) and `POST
//! /compare/reset`; and 404 for all else. It runs on a thread of its own, so that it answers whatever the run is doing and
//! never takes a shard's time; what it knows it reads from handles ([`Health`], [`Readiness`], the gate, [`LiveDocument`]),
//! and for the rest it asks the run by an [`Order`].
//!
//! Whoever can reach the port may read, but for reports, which carry traffic: those are read from loopback, or with the
//! token (see [`reader`]). Orders are taken from loopback, or with the token; a reset, which destroys evidence, with the token
//! alone. Connections, their lives, and the size of a
//! request are bounded: see [`server`]; and so are streams: see [`events`].

mod answer;
mod events;
pub mod metrics;
mod orders;
mod reader;
mod readiness;
mod reply;
mod report;
mod server;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use self::events::{Streams, Tenure};
pub use self::readiness::Readiness;
pub use self::server::Server;
use crate::compare::live::LiveDocument;
use crate::health::Health;
use crate::mirror::gate::Gate;
use crate::secret::Secret;

/// Orders that may wait for the run: each holds a connection of the port, of which there are not many more.
pub const MAX_ORDERS: usize = 64;

/// A request of the port to the run.
#[derive(Debug)]
pub enum Order {
    /// Capture nothing and send nothing any more; how that went.
    Pause(oneshot::Sender<Result<(), String>>),
    /// Go on, with a new term where there is one; how that went.
    Resume(oneshot::Sender<Result<(), String>>),
    /// Tell all that is counted.
    Count(oneshot::Sender<Box<metrics::Snapshot>>),
}

/// State that the port reads to respond.
#[derive(Debug)]
pub struct Desk {
    /// Whether the shards make progress.
    pub health: Health,
    /// Whether the inputs do what they are for.
    pub readiness: Readiness,
    /// The gate that pauses mirroring.
    pub gate: Gate,
    /// To the run.
    pub orders: mpsc::Sender<Order>,
    /// Who has it may give orders from anywhere, and read reports; without one, only loopback may.
    pub token: Option<Secret>,
    /// The live comparison, if any.
    pub live: Option<LiveDocument>,
}

/// Who asks, and on what.
struct Client {
    peer: IpAddr,
    tenure: Arc<Tenure>,
    streams: Streams,
}

#[cfg(test)]
mod tests;
