//! Where copies go. Each output has its own bounded queue; a full queue is a counted drop, never
//! back-pressure into capture.
//!
//! An output has two halves: what all shards share (limits, breaker, the one writer of standard output),
//! built once by [`Outputs::new`], and what lives on one shard's thread ([`ShardOutput`]), where nothing
//! needs a lock.

mod http;
mod null;
mod record;
mod stdout;
#[cfg(test)]
mod testing;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use self::http::HttpOutput;
use self::null::NullOutput;
use self::stdout::StdoutOutput;
use crate::capture::OwnConnections;
use crate::http::Response;
use crate::latency::LatencyCounts;
use crate::mirror::Exchange;
use crate::mirror::ledger::{DropReason, Ticket};
use crate::settings::OutputSettings;
use crate::tcp::FlowKey;

/// One output on one shard's thread. Runs inside a tokio `LocalSet` on a current-thread runtime.
pub trait ShardOutput {
    /// Takes a request. Never waits and never fails: what cannot be queued is settled as dropped at once.
    /// Called once per request, in the order of each connection.
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket);

    /// Whether much more can be taken without dropping. Production is never asked to wait; a source that can
    /// wait, a file, does so until this is true.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes production's own response, where responses are captured. `request_acknowledgment` is that of the
    /// request it answers, which with the addresses names the exchange. Not counted in the ledger; an output
    /// that has no use for it passes it over.
    fn offer_response(&self, key: &FlowKey, request_acknowledgment: u32, response: &Response) {
        let _ = (key, request_acknowledgment, response);
    }

    /// Nothing more will be offered: resolves when every ticket is settled. The caller bounds the wait.
    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>>;

    /// Settles everything that is still queued or under way as dropped for this reason, at once. More may be offered
    /// afterwards.
    fn abort(&self, reason: DropReason);
}

/// What an output can say of itself at this moment, for the status line and the logs.
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
}

/// The shared halves of all outputs of a run, in the order of the settings.
pub struct Outputs {
    outputs: Vec<Output>,
}

/// The shared half of one output.
enum Output {
    Http(Box<HttpOutput>),
    Stdout(StdoutOutput),
    Null,
}

impl Outputs {
    /// Builds every output. Nothing is connected yet; what can be known to be wrong is an error here.
    pub fn new(settings: &[OutputSettings], own: &OwnConnections) -> anyhow::Result<Self> {
        let outputs = settings
            .iter()
            .map(|settings| {
                Ok(match settings {
                    OutputSettings::Http(settings) => Output::Http(Box::new(HttpOutput::new(settings, own)?)),
                    OutputSettings::Stdout { queue_bytes } => {
                        Output::Stdout(StdoutOutput::new(*queue_bytes)?)
                    }
                    OutputSettings::Null => Output::Null,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { outputs })
    }

    /// The names of the outputs as the ledger shows them.
    pub fn names(&self) -> Vec<String> {
        let name = |output: &Output| match output {
            Output::Http(output) => output.name().to_owned(),
            Output::Stdout(_) => "stdout".to_owned(),
            Output::Null => "null".to_owned(),
        };
        self.outputs.iter().map(name).collect()
    }

    /// The halves for one shard, in the same order. Call it on that shard's thread, inside its `LocalSet`.
    ///
    /// `wall_offset` is what must be added to a [`Timestamp`] of this shard's source to get nanoseconds of Unix
    /// time: 0 for a capture file.
    pub fn shard(&self, wall_offset: u64) -> Vec<Box<dyn ShardOutput>> {
        let half = |output: &Output| -> Box<dyn ShardOutput> {
            match output {
                Output::Http(output) => Box::new(output.shard()),
                Output::Stdout(output) => Box::new(output.shard(wall_offset)),
                Output::Null => Box::new(NullOutput),
            }
        };
        self.outputs.iter().map(half).collect()
    }

    /// How each output does at this moment, in the same order.
    pub fn status(&self) -> Vec<OutputStatus> {
        let status = |output: &Output| match output {
            Output::Http(output) => output.status(),
            Output::Stdout(output) => output.status(),
            Output::Null => OutputStatus::default(),
        };
        self.outputs.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::ledger::ShardLedger;

    #[test]
    fn outputs_are_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Outputs>();
    }

    #[test]
    fn the_null_output_delivers_at_once() {
        let outputs = Outputs::new(&[OutputSettings::Null], &OwnConnections::default()).unwrap();
        assert_eq!(outputs.names(), ["null"]);
        let ledger = ShardLedger::new(1);
        let ticket = ledger.open().split().next().unwrap();
        outputs.shard(0)[0].offer(&testing::exchange(1, b"GET / HTTP/1.1\r\n\r\n"), ticket);
        assert_eq!(ledger.snapshot().outputs[0].delivered, 1);
    }
}
