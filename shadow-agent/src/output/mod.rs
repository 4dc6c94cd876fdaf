//! Where copies go. Each output has its own bounded queue; a full queue is a counted drop, never
//! back-pressure into capture.
//!
//! An output has two halves: what all shards share (limits, breaker, the one writer of a file),
//! built once by [`Output::new`], and what lives on one shard's thread ([`ShardOutput`]), where nothing
//! needs a lock.

mod file;
mod http;
mod mirror_spec;
mod null;
mod relay;
mod settings;
mod stdout;
mod writer;

use std::rc::{Rc, Weak};
use std::sync::Arc;

use self::http::HttpOutput;
pub use self::http::single_exchange::exchange;
pub use self::http::upstream_host;
pub use self::http::{copy_head, http2_body, http2_head};
pub use self::mirror_spec::MirrorSpec;
use self::null::NullOutput;
use self::relay::RelayOutput;
pub use self::settings::{
    BreakerSettings, Endpoints, FileOutputSettings, HostHeader, HttpOutputSettings, HttpVersion, MaxStream,
    OutputSettings, RelayOutputSettings, RelayTls, RelayWire,
};
pub use self::stdout::reader_gone;
use self::writer::Writer;
use crate::capture::OwnConnections;
use crate::compare::{Comparer, Intake};
use crate::latency::LatencyCounts;
use crate::mirror::ledger::OutputCounts;
use crate::mirror::{Dispatcher, ShardOutput};

/// The state of an output, for the status line and the logs.
#[derive(Clone, Debug, Default)]
pub struct OutputStatus {
    /// Requests waiting.
    pub queued: usize,
    /// Requests under way.
    pub active: usize,
    /// Connections opened since the start.
    pub connections_opened: u64,
    /// Connections open now.
    pub connections_open: usize,
    /// Whether the circuit breaker keeps requests back.
    pub breaker_open: bool,
    /// Times of all exchanges since the start, where the output has any.
    pub latency: Option<LatencyCounts>,
    /// From production's requests, when they were whole, to the last byte of their copies: of live requests whose exchange has
    /// ended, where the output has any.
    pub copy_delay: Option<LatencyCounts>,
}

/// The half of one output that all shards share.
pub struct Output(Kind);

enum Kind {
    Http(Box<HttpOutput>),
    Relay(RelayOutput),
    /// Standard output, or files; with its name.
    Writer(String, Writer),
    Null,
}

impl Output {
    /// Builds an output. Nothing is connected yet; what can be known to be wrong is an error here.
    /// Where answers are compared, `comparer` does.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written, certificates cannot be read, or a thread cannot be started.
    pub fn new(settings: &OutputSettings, own: &OwnConnections, comparer: &Comparer) -> anyhow::Result<Self> {
        Ok(Self(match settings {
            OutputSettings::Http(settings) => Kind::Http(Box::new(HttpOutput::new(settings, own, comparer)?)),
            OutputSettings::Relay(settings) => Kind::Relay(RelayOutput::new(settings, own)?),
            OutputSettings::Stdout { queue_bytes } => {
                Kind::Writer(settings.name().to_owned(), stdout::start(*queue_bytes)?)
            }
            OutputSettings::File(file) => Kind::Writer(settings.name().to_owned(), file::start(file)?),
            OutputSettings::Null => Kind::Null,
        }))
    }

    /// The name of the output as the ledger shows it, unless its mirror has one.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Http(output) => output.name(),
            Kind::Relay(output) => output.name(),
            Kind::Writer(name, _) => name,
            Kind::Null => "null",
        }
    }

    /// The half for one shard. Call it on that shard's thread, inside its `LocalRuntime`.
    ///
    /// `wall_offset` is what must be added to a [`Timestamp`] of this shard's source to get nanoseconds of Unix
    /// time: 0 for a capture file. Responses of its own go to `dispatcher`.
    ///
    /// [`Timestamp`]: crate::time::Timestamp
    pub fn shard(&self, wall_offset: u64, dispatcher: &Weak<Dispatcher>) -> Rc<dyn ShardOutput> {
        match &self.0 {
            Kind::Http(output) => Rc::new(output.shard(wall_offset, dispatcher)),
            Kind::Relay(output) => Rc::new(output.shard(wall_offset)),
            Kind::Writer(_, output) => Rc::new(output.shard(wall_offset)),
            Kind::Null => Rc::new(NullOutput),
        }
    }

    /// The queue of its comparison, if it has one.
    pub fn comparison(&self) -> Option<&Arc<Intake>> {
        match &self.0 {
            Kind::Http(output) => output.comparison(),
            Kind::Relay(_) | Kind::Writer(..) | Kind::Null => None,
        }
    }

    /// Requests that it made besides copies of production's, each kind with its name in the ledger.
    pub fn extra(&self) -> Vec<(String, OutputCounts)> {
        match &self.0 {
            Kind::Http(output) => output.extra(),
            Kind::Relay(_) | Kind::Writer(..) | Kind::Null => Vec::new(),
        }
    }

    /// How late its copies were sent, since the start; nothing where it does not say.
    pub fn copy_delay(&self) -> LatencyCounts {
        match &self.0 {
            Kind::Http(output) => output.copy_delay(),
            Kind::Relay(_) | Kind::Writer(..) | Kind::Null => LatencyCounts::default(),
        }
    }

    /// The same by kind: `control` and `repeat`.
    pub fn extra_by_kind(&self) -> Vec<(String, OutputCounts)> {
        match &self.0 {
            Kind::Http(output) => output.extra_by_kind(),
            Kind::Relay(_) | Kind::Writer(..) | Kind::Null => Vec::new(),
        }
    }

    /// How it does at this moment.
    pub fn status(&self) -> OutputStatus {
        match &self.0 {
            Kind::Http(output) => output.status(),
            Kind::Relay(output) => output.status(),
            Kind::Writer(_, output) => output.status(),
            Kind::Null => OutputStatus::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::ledger::ShardLedger;

    #[test]
    fn outputs_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Output>();
    }

    #[test]
    fn the_null_output_delivers_at_once() {
        let output = Output::new(
            &OutputSettings::Null,
            &OwnConnections::default(),
            &Comparer::default(),
        )
        .unwrap();
        assert_eq!(output.name(), "null");
        let ledger = ShardLedger::new(1);
        let ticket = ledger.open().split().next().unwrap();
        output.shard(0, &Weak::new()).offer(
            &crate::mirror::testing::exchange(1, b"GET / HTTP/1.1\r\n\r\n"),
            ticket,
        );
        assert_eq!(ledger.snapshot().outputs[0].delivered, 1);
    }
}
