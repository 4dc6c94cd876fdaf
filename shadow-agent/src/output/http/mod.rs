//! `--output-http`: copies go to a shadow upstream, and its whole answer is read.
//!
//! The HTTP/1.1 client is our own, not hyper's: a copy must reach the shadow with its fields in the order and
//! case production got, with whatever target it had, and its body in the framing it was captured in, chunk
//! extensions and trailers included; hyper's client normalises all of these. It is also what a request
//! mostly costs, so an exchange is one `write` and one `read`, without a timer, a boxed future or a task
//! switch of its own.
//!
//! HTTP/2 is sent by the `h2` crate ([`h2`]), from the same text of a head.
//!
//! From the outside in: [`shard`] decides what goes when, [`lanes`] keeps the order of each production
//! connection, [`connection`] writes requests ([`copy`], [`sending`]) and reads answers ([`response`], [`outstanding`]), which
//! it tells as events; [`connect`] opens connections; [`upstream`] is what all shards share, with its [`breaker`] and [`limits`].

mod breaker;
mod comparing;
pub(super) mod connect;
mod connection;
mod copy;
mod correlating;
mod failure;
mod h2;
mod kept;
mod lanes;
mod limits;
pub(super) mod log_limit;
mod outstanding;
mod pool;
mod redirect;
mod reflecting;
mod response;
mod sending;
mod settings;
mod shard;
pub(super) mod single_exchange;
mod target;
#[cfg(test)]
mod tests;
mod timestamped;
pub(super) mod tls;
mod tracking;
pub(super) mod transport;
mod upstream;

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_local};

use self::comparing::{Comparing, Comparison};
use self::copy::{CopyTemplate, Unsafe, Wire};
pub use self::settings::{
    BreakerSettings, Endpoints, HostHeader, HttpOutputSettings, HttpVersion, MaxStream,
};
use self::shard::Shard;
use self::tracking::Tracking;
use self::upstream::Upstream;
use super::OutputStatus;
use crate::capture::OwnConnections;
use crate::compare::{CompareSettings, Comparer, GrpcDescriptors, Hosts, Intake, Judging};
use crate::http::Request;
use crate::latency::LatencyCounts;
use crate::mirror::ledger::{DropReason, OutputCounts, Ticket};
use crate::mirror::{AnswerLost, Dispatcher, Exchange, ExchangeResponse, MessageId, ShardOutput};

/// The head of the copy that an output with these settings sends of `request`, its marker included: what it writes
/// without a connection to write to, for fuzzing.
///
/// # Errors
///
/// For settings that cannot be sent, and for a request that has an invalid header.
pub fn copy_head(settings: &HttpOutputSettings, request: &Request) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    match CopyTemplate::new(settings)?.write_head(request, None, 1, None, Wire::Http1, &mut head) {
        Ok(()) => Ok(head),
        Err(Unsafe) => Err("the request has an invalid header".to_owned()),
    }
}

/// The head that goes by HTTP/2 for a head in text that has come before, over TLS; `None` where none can: what is sent without a
/// connection to send it by, for fuzzing.
pub fn http2_head(text: &[u8]) -> Option<::http::Request<()>> {
    let mut heads = h2::Heads::default();
    let again = [(); 3].map(|()| heads.request(text, true).ok());
    again.into_iter().next_back().flatten()
}

/// The data that goes by HTTP/2 for the body of `request`, in its pieces, and the trailers behind it; `None` where it cannot: the
/// same for fuzzing.
pub fn http2_body(request: &Request) -> Option<(Vec<Bytes>, Option<::http::HeaderMap>)> {
    let upload = h2::Upload::of(request, Instant::now()).ok()?;
    Some(upload.into_data())
}

/// The host that an upstream is asked under; `None` where it is the one that production was asked under, or is made of it.
pub fn upstream_host(settings: &HttpOutputSettings) -> Option<String> {
    let is_own = settings.host_header == HostHeader::Upstream;
    is_own.then(|| target::upstream_host(&settings.host, settings.port, settings.tls))
}

/// The comparison with the hosts in it that its upstreams are asked under, and with descriptors of its own.
fn asked_under(settings: &HttpOutputSettings, compare: &CompareSettings) -> CompareSettings {
    let hosts = Hosts {
        shadow: upstream_host(settings),
        control: settings.control.as_deref().and_then(upstream_host),
    };
    CompareSettings {
        judging: Arc::new(Judging {
            hosts,
            rules: {
                let descriptors = compare.judging.rules.descriptors();
                let descriptors = descriptors.map(GrpcDescriptors::of_one_shadow);
                compare.judging.rules.clone().with_descriptors(descriptors)
            },
            ..(*compare.judging).clone()
        }),
        ..compare.clone()
    }
}

/// The half of an HTTP output that all shards share.
pub(super) struct HttpOutput {
    upstream: Arc<Upstream>,
    comparison: Option<Arc<Comparison>>,
}

impl HttpOutput {
    /// Checks the settings and reads the certificate authorities; connects to nothing.
    pub(super) fn new(
        settings: &HttpOutputSettings,
        own: &OwnConnections,
        comparer: &Comparer,
    ) -> anyhow::Result<Self> {
        let upstream = Upstream::new(settings.clone(), own.clone())?;
        let comparison = match (&settings.compare, &settings.correlate) {
            (None, None) => None,
            (None, Some(learning)) => {
                let intake = comparer.learn(&settings.name, learning);
                Some(Arc::new(Comparison::learning(learning, intake)))
            }
            (Some(compare), _) => {
                let control = match &settings.control {
                    Some(control) => Some(Arc::new(Upstream::new((**control).clone(), own.clone())?)),
                    None => None,
                };
                let compare = asked_under(settings, compare);
                let intake = comparer.register(&settings.name, &compare)?;
                Some(Arc::new(Comparison::new(&compare, intake, control)))
            }
        };
        Ok(Self {
            upstream: Arc::new(upstream),
            comparison,
        })
    }

    /// The queue of its comparison, if it has one.
    pub(super) fn comparison(&self) -> Option<&Arc<Intake>> {
        let intake = self.comparison.as_ref().map(|comparison| &comparison.intake);
        intake.filter(|intake| intake.compares())
    }

    /// How late its copies were sent.
    pub(super) fn copy_delay(&self) -> LatencyCounts {
        self.upstream.copy_delay()
    }

    /// Requests that it made besides copies, by kind.
    pub(super) fn extra_by_kind(&self) -> Vec<(String, OutputCounts)> {
        let Some(comparison) = &self.comparison else {
            return Vec::new();
        };
        let kinds = ["control", "repeat"].into_iter().zip(comparison.extra());
        kinds
            .filter(|(_, counts)| counts.seen > 0)
            .map(|(kind, counts)| (kind.to_owned(), counts))
            .collect()
    }

    /// Requests that it made besides copies, by name: of those that it makes at all.
    pub(super) fn extra(&self) -> Vec<(String, OutputCounts)> {
        let Some(comparison) = &self.comparison else {
            return Vec::new();
        };
        let [control, repeat] = comparison.extra();
        let mut extra = Vec::new();
        if let Some(upstream) = &comparison.control {
            extra.push((format!("{} (control)", upstream.settings.name), control));
        }
        if repeat.seen > 0 {
            extra.push((format!("{} (repeat)", self.upstream.settings.name), repeat));
        }
        extra
    }

    pub(super) fn name(&self) -> &str {
        &self.upstream.settings.name
    }

    pub(super) fn status(&self) -> OutputStatus {
        self.upstream.status()
    }

    /// The half for the current thread, inside its `LocalRuntime`.
    pub(super) fn shard(&self, wall_offset: u64, dispatcher: &Weak<Dispatcher>) -> HttpShard {
        let tracking = self
            .upstream
            .settings
            .track_response
            .map(|most| Tracking::new(dispatcher.clone(), most, wall_offset));
        let mut comparing = self.comparison.as_ref().map(|comparison| {
            let early = dispatcher
                .upgrade()
                .is_some_and(|dispatcher| dispatcher.has_middleware());
            Comparing::new(comparison, wall_offset, early)
        });
        let pairing = comparing.as_ref().map(|comparing| Rc::clone(&comparing.pairing));
        let shard = Shard::new(self.upstream.clone(), tracking, pairing, wall_offset > 0);
        let running = spawn_local(shard.clone().run());
        if let Some(comparing) = &mut comparing {
            comparing.correlate(&shard);
        }
        HttpShard {
            shard,
            comparing,
            running,
        }
    }
}

/// The half that lives on one shard's thread.
pub(super) struct HttpShard {
    shard: Rc<Shard>,
    comparing: Option<Comparing>,
    running: JoinHandle<()>,
}

impl ShardOutput for HttpShard {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        match &self.comparing {
            None => self.shard.offer(exchange, ticket, None),
            Some(comparing) => comparing.offer(&self.shard, exchange, ticket),
        }
    }

    fn production_answered(&self, response: &ExchangeResponse<'_>) {
        if let Some(comparing) = &self.comparing {
            comparing.production_answered(response);
        }
    }

    fn production_lost(&self, id: &MessageId, why: AnswerLost) {
        if let Some(comparing) = &self.comparing {
            comparing.production_lost(id, why);
        }
    }

    fn production_left(&self, response: &ExchangeResponse<'_>) {
        if let Some(comparing) = &self.comparing {
            comparing.production_left(response);
        }
    }

    fn production_ended(&self) {
        if let Some(comparing) = &self.comparing {
            comparing.pairing.borrow_mut().production_ended();
        }
    }

    fn takes_live_calls(&self) -> bool {
        true
    }

    fn has_room(&self) -> bool {
        self.shard.has_room() && self.comparing.as_ref().is_none_or(Comparing::has_room)
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            if let Some(comparing) = &self.comparing {
                comparing.released().await;
            }
            self.shard.drained().await;
            if let Some(comparing) = &self.comparing {
                comparing.drained().await;
            }
        })
    }

    fn abort(&self, reason: DropReason) {
        self.shard.abort(reason);
        if let Some(comparing) = &self.comparing {
            comparing.abort(reason);
        }
    }
}

impl Drop for HttpShard {
    fn drop(&mut self) {
        self.shard.abort(DropReason::Shutdown);
        self.running.abort();
        self.shard.retire();
    }
}
