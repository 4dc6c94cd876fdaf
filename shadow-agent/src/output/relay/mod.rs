//! `--output-tcp` and `--output-ws`: whole messages to another agent, to `GoReplay`, or to whoever takes them.
//!
//! Shards put records in [`lanes`]; one thread of the output has a connection for each lane, opened when there is
//! something to send, and opened again, after a pause, when it is lost. What becomes of a record is up to the wire: a
//! plain one ([`plain`], [`socket`]) takes it for delivered when it is written, an acknowledged one ([`acknowledged`])
//! when the other side says that it was taken.

mod acknowledged;
mod backoff;
mod bounded_io;
mod lane_sender;
mod lanes;
mod plain;
mod settings;
mod silence;
mod socket;
#[cfg(test)]
mod tests;
mod websocket;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use anyhow::Context;

use self::lanes::{Bounds, Lanes, Owner};
pub use self::settings::{RelayOutputSettings, RelayTls, RelayWire};
use self::worker::Connections;
use super::OutputStatus;
use crate::capture::OwnConnections;
use crate::mirror::ledger::{DropReason, Ticket};
use crate::mirror::{Exchange, ExchangeResponse, ShardOutput};
use crate::output::http::tls::Tls;
use crate::recording::{Record, write_gor_message};

/// The half that all shards share.
pub(super) struct RelayOutput {
    name: String,
    held: Arc<Held>,
    connections: Arc<Connections>,
}

/// The lanes, for as long as somebody may put something in them.
struct Held(Arc<Lanes>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl RelayOutput {
    /// Reads the certificates and starts the thread; connects to nothing.
    pub(super) fn new(settings: &RelayOutputSettings, own: &OwnConnections) -> anyhow::Result<Self> {
        let skip = match settings.wire {
            RelayWire::WebSocket { .. } => "--output-ws-skip-verify",
            _ => "--output-tcp-skip-verify",
        };
        let tls = settings
            .tls
            .as_ref()
            .map(|tls| Tls::of_relay(&settings.host, tls, skip))
            .transpose()
            .with_context(|| settings.name.clone())?;
        let lanes = Arc::new(Lanes::new(Bounds {
            records: settings.queue_records,
            bytes: settings.queue_bytes,
            lanes: settings.workers.max(1),
            sticky: settings.sticky,
        }));
        let connections = Arc::new(Connections::default());
        let crew = worker::WorkerContext {
            settings: settings.clone(),
            lanes: Arc::clone(&lanes),
            connections: Arc::clone(&connections),
            tls,
            own: own.clone(),
        };
        thread::Builder::new()
            .name("relay".to_owned())
            .spawn(move || crew.run())
            .with_context(|| format!("{}: cannot start a thread", settings.name))?;
        Ok(Self {
            name: settings.name.clone(),
            held: Arc::new(Held(lanes)),
            connections,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn status(&self) -> OutputStatus {
        OutputStatus {
            queued: self.held.0.len(),
            connections_opened: self.connections.opened(),
            connections_open: self.connections.open(),
            ..OutputStatus::default()
        }
    }

    /// The half for one shard.
    pub(super) fn shard(&self, wall_offset: u64) -> RelayShard {
        RelayShard {
            held: Arc::clone(&self.held),
            owner: Arc::default(),
            wall_offset,
        }
    }
}

/// The half that lives on one shard's thread.
pub(super) struct RelayShard {
    held: Arc<Held>,
    owner: Arc<Owner>,
    wall_offset: u64,
}

impl RelayShard {
    fn put(&self, record: &Record, ticket: Option<Ticket>) {
        let make = || {
            let mut bytes = Vec::new();
            write_gor_message(record, &mut bytes);
            bytes
        };
        self.held
            .0
            .put(&record.id, record.size(), make, &self.owner, ticket);
    }
}

impl ShardOutput for RelayShard {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        let record = Record::of_request(exchange, self.wall_offset);
        self.put(&record, Some(ticket));
    }

    fn has_room(&self) -> bool {
        self.held.0.has_room()
    }

    fn offer_response(&self, response: &ExchangeResponse<'_>) {
        let record = Record::of_response(response, self.wall_offset);
        self.put(&record, None);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.owner.drained())
    }

    fn abort(&self, reason: DropReason) {
        self.held.0.abort(&self.owner, reason);
    }
}

impl Drop for RelayShard {
    fn drop(&mut self) {
        self.abort(DropReason::Shutdown);
    }
}
