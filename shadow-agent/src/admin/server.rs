//! The port's thread: accepts connections, answers one request on each, and keeps its bounds.
//!
//! There are few honest clients, kubelet and Prometheus and a person, and each asks one thing at a time. So a
//! connection has one request and a short life; when there are too many, the oldest is cut off: a client that
//! holds connections open cannot keep a probe from its answer. A stream of events lives for as long as its reader takes
//! them: it leaves the others' places for one of its own, where it neither takes theirs nor is cut off for them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::answer::answer;
use super::events::{Streams, Tenure};
use super::{Client, Desk};

/// Connections served at once.
pub(super) const MAX_CONNECTIONS: usize = 32;
/// A request's head must be there within this time: all clients are near.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection may last so long, for the whole of it: more than an order may take, and the largest answer.
const CONNECTION_LIFE: Duration = Duration::from_secs(15);
/// Most bytes buffered of a request, its head among them: hyper's least.
pub(super) const MAX_REQUEST: usize = 8192;
/// Most header fields of a request: a scrape has less than ten.
const MAX_HEADERS: usize = 64;
/// Connections taken in each [`WINDOW`]: many times what probes and scrapes need, and few enough that a client gone wild
/// costs this machine a tenth of a CPU at most.
const PER_WINDOW: usize = 20;
/// See [`PER_WINDOW`]. The others wait in the kernel's backlog.
const WINDOW: Duration = Duration::from_millis(100);
/// Reports written at once, each on a thread; the others wait.
const MAX_WRITERS: usize = 2;
/// How long to wait when no connection can be accepted (no file descriptors, most likely): others will close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The port while it is open. Dropping it closes it and cuts off whoever is connected.
#[derive(Debug)]
pub struct Server {
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    address: SocketAddr,
}

impl Server {
    /// Serves `listener` from a thread of its own, which calls `first` once it runs.
    ///
    /// # Errors
    ///
    /// Where the listener cannot be watched, or neither a runtime nor a thread be started.
    pub fn start(
        listener: TcpListener,
        desk: Desk,
        first: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Self> {
        let address = listener.local_addr().context("the HTTP port has no address")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(MAX_WRITERS)
            .build()
            .context("cannot start a runtime for the HTTP port")?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).context("cannot serve the HTTP port")?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                first();
                runtime.block_on(async {
                    let streams = Streams::default();
                    tokio::select! {
                        _ = stopped => {}
                        () = accept(listener, Arc::new(desk), &streams) => {}
                    }
                    streams.close().await;
                });
            })
            .context("cannot start a thread for the HTTP port")?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the HTTP port panicked: please report this bug");
        }
    }
}

async fn accept(listener: tokio::net::TcpListener, desk: Arc<Desk>, streams: &Streams) {
    let mut connections: VecDeque<(AbortHandle, Arc<Tenure>)> = VecDeque::with_capacity(MAX_CONNECTIONS);
    let (mut window, mut taken) = (Instant::now(), 0);
    loop {
        if window.elapsed() >= WINDOW {
            (window, taken) = (Instant::now(), 0);
        } else if taken == PER_WINDOW {
            tokio::time::sleep_until(window + WINDOW).await;
            continue;
        }
        taken += 1;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection on the HTTP port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        connections.retain(|(connection, tenure)| !connection.is_finished() && !tenure.is_stream());
        if connections.len() == MAX_CONNECTIONS
            && let Some((oldest, _)) = connections.pop_front()
        {
            oldest.abort();
        }
        let client = Client {
            peer: peer.ip(),
            tenure: Arc::default(),
            streams: streams.clone(),
        };
        let tenure = Arc::clone(&client.tenure);
        let serving = tokio::spawn(serve(stream, client, Arc::clone(&desk)));
        connections.push_back((serving.abort_handle(), tenure));
    }
}

async fn serve(stream: TcpStream, client: Client, desk: Arc<Desk>) {
    let (desk, client) = (&*desk, &client);
    let service =
        service_fn(|request| async move { Ok::<_, Infallible>(answer(desk, client, request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_REQUEST)
        .max_headers(MAX_HEADERS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let peer = client.peer;
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(%peer, %error, "a connection to the HTTP port failed");
            }
        }
        () = life(&client.tenure) => tracing::debug!(%peer, "a connection to the HTTP port lasted too long"),
    }
}

/// Resolves when a connection has lasted long enough.
async fn life(tenure: &Tenure) {
    tokio::time::sleep(CONNECTION_LIFE).await;
    if tenure.is_stream() {
        tenure.stalled().await;
    }
}
