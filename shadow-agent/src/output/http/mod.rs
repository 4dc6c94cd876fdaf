//! `--output-http`: copies go to a shadow upstream, and its whole answer is read.
//!
//! The HTTP/1.1 client is our own, not hyper's: a copy must reach the shadow with its fields in the order and
//! case production got, with whatever target it had, and its body in the framing it was captured in, chunk
//! extensions and trailers included; hyper's client normalises all of these. It is also what a request
//! mostly costs, so an exchange is one `write` and one `read`, without a timer, a boxed future or a task
//! switch of its own.
//!
//! From the outside in: [`shard`] decides what goes when, [`lanes`] keeps the order of each production
//! connection, [`connection`] writes requests and reads answers ([`copy`] and [`response`]), [`connect`]
//! opens connections; [`upstream`] is what all shards share, with its [`breaker`] and [`limits`].

mod breaker;
pub(super) mod connect;
mod connection;
mod copy;
mod lanes;
mod limits;
pub(super) mod log_limit;
mod pool;
mod redirect;
mod response;
mod shard;
mod target;
#[cfg(test)]
mod tests;
pub(super) mod tls;
mod tracking;
pub(super) mod transport;
mod upstream;

use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_local};

use self::copy::{CopyTemplate, Unsafe};
use self::shard::Shard;
use self::tracking::Tracking;
use self::upstream::Upstream;
use super::{OutputStatus, ShardOutput};
use crate::capture::OwnConnections;
use crate::http::Request;
use crate::mirror::ledger::{DropReason, Ticket};
use crate::mirror::{Exchange, Onward};
use crate::settings::HttpOutputSettings;

/// The head of the copy that an output with these settings sends of `request`, its marker included: what it writes
/// without a connection to write to, for fuzzing. The error says what cannot be sent.
pub fn copy_head(settings: &HttpOutputSettings, request: &Request) -> Result<Vec<u8>, String> {
    let mut head = Vec::new();
    match CopyTemplate::new(settings)?.write_head(request, None, 1, None, &mut head) {
        Ok(()) => Ok(head),
        Err(Unsafe) => Err("the request has a field that no request may have".to_owned()),
    }
}

/// The half of an HTTP output that all shards share.
pub(super) struct HttpOutput {
    upstream: Arc<Upstream>,
}

impl HttpOutput {
    /// Checks the settings and reads the certificate authorities; connects to nothing.
    pub(super) fn new(settings: &HttpOutputSettings, own: &OwnConnections) -> anyhow::Result<Self> {
        let upstream = Upstream::new(settings.clone(), own.clone())?;
        Ok(Self {
            upstream: Arc::new(upstream),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.upstream.settings.name
    }

    pub(super) fn status(&self) -> OutputStatus {
        self.upstream.status()
    }

    /// The half for the current thread, inside its `LocalSet`.
    pub(super) fn shard(&self, wall_offset: u64, onward: &Weak<Onward>) -> HttpShard {
        let tracking = self
            .upstream
            .settings
            .track_response
            .map(|_| Tracking::new(onward.clone(), wall_offset));
        let shard = Shard::new(self.upstream.clone(), tracking);
        let tending = spawn_local(shard.clone().tend());
        HttpShard { shard, tending }
    }
}

/// The half that lives on one shard's thread.
pub(super) struct HttpShard {
    shard: Rc<Shard>,
    tending: JoinHandle<()>,
}

impl ShardOutput for HttpShard {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        self.shard.offer(exchange, ticket);
    }

    fn has_room(&self) -> bool {
        self.shard.has_room()
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(self.shard.drained())
    }

    fn abort(&self, reason: DropReason) {
        self.shard.abort(reason);
    }
}

impl Drop for HttpShard {
    fn drop(&mut self) {
        self.shard.abort(DropReason::Shutdown);
        self.tending.abort();
        self.shard.retire();
    }
}
