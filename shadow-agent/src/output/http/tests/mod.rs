//! The HTTP output against scripted shadows on real sockets.

mod breaking;
mod comparing;
mod correlating;
mod exchanges;
mod faults;
mod http2;
mod order;
mod over_tls;
mod pipelining;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::lanes::held_bytes;
use super::{HttpOutput, HttpShard};
use crate::capture::OwnConnections;
use crate::compare::Comparer;
use crate::mirror::ShardOutput;
use crate::mirror::ledger::{DropReason, OutputCounts, ShardLedger};
use crate::mirror::testing::exchange;
use crate::output::HttpOutputSettings;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Runs a test as a shard runs: on one thread, in a `LocalSet`. Bounded, so that a fault is a failure.
fn on_a_shard(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bounded = async { timeout(Duration::from_secs(30), test).await.expect("it hangs") };
    LocalSet::new().block_on(&runtime, bounded);
}

/// An output with one shard, and the ledger it settles in.
struct Rig {
    output: HttpOutput,
    shard: HttpShard,
    ledger: ShardLedger,
}

impl Rig {
    fn new(port: u16) -> Self {
        Self::with(port, |_| {})
    }

    fn with(port: u16, change: impl FnOnce(&mut HttpOutputSettings)) -> Self {
        let mut settings = super::copy::tests::settings();
        settings.host = "127.0.0.1".to_owned();
        settings.port = port;
        settings.marker = None;
        change(&mut settings);
        let output = HttpOutput::new(&settings, &OwnConnections::default(), &Comparer::default()).unwrap();
        let shard = output.shard(0, &std::rc::Weak::new());
        Self {
            output,
            shard,
            ledger: ShardLedger::new(1),
        }
    }

    fn offer(&self, flow: u64, raw: &[u8]) {
        let ticket = self.ledger.open().split().next().unwrap();
        self.shard.offer(&exchange(flow, raw), ticket);
    }

    /// Offers one and waits for its end.
    async fn exchange(&self, flow: u64, raw: &[u8]) {
        self.offer(flow, raw);
        self.shard.drain().await;
    }

    /// Waits until all is settled; the counts must balance.
    async fn settled(&self) -> OutputCounts {
        self.shard.drain().await;
        let queue = &self.output.upstream.queue;
        assert_eq!((queue.count(), queue.bytes()), (0, 0), "waiting and bytes held");
        self.counts()
    }

    fn counts(&self) -> OutputCounts {
        let counts = self.ledger.snapshot();
        assert!(counts.balanced(), "{counts:?}");
        counts.outputs.into_iter().next().unwrap()
    }

    fn opened(&self) -> u64 {
        self.output.status().connections_opened
    }
}

/// Bytes that a request counts with against the bound of the queue.
fn held(raw: &[u8]) -> usize {
    held_bytes(&exchange(1, raw).request)
}

/// Asserts what became of all requests: so many delivered, the others dropped for one reason.
#[track_caller]
fn assert_counts(counts: &OutputCounts, delivered: u64, dropped: &[(DropReason, u64)]) {
    assert_eq!(counts.delivered, delivered, "{counts:?}");
    assert_eq!(counts.dropped, dropped.iter().copied().collect(), "{counts:?}");
    assert_eq!(counts.in_flight, 0);
}

/// A scripted shadow.
struct Shadow {
    port: u16,
    seen: Rc<RefCell<Vec<Seen>>>,
}

/// A request as the shadow got it.
#[derive(Clone, Debug)]
struct Seen {
    connection: usize,
    bytes: Vec<u8>,
}

impl Shadow {
    /// Runs `script` on each connection; connections are counted from 0.
    async fn start<F: Future<Output = ()> + 'static>(script: impl Fn(Peer) -> F + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    fn on<F: Future<Output = ()> + 'static>(
        listener: TcpListener,
        script: impl Fn(Peer) -> F + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let seen = Rc::new(RefCell::new(Vec::new()));
        let log = seen.clone();
        spawn_local(async move {
            let mut connection = 0;
            while let Ok((stream, _)) = listener.accept().await {
                // As servers do: what is written last must not be held back and lost in a close.
                stream.set_nodelay(true).unwrap();
                spawn_local(script(Peer {
                    stream,
                    connection,
                    seen: log.clone(),
                    buffer: Vec::new(),
                }));
                connection += 1;
            }
        });
        Self { port, seen }
    }

    /// Answers every request with the same bytes.
    async fn answering(answer: &'static [u8]) -> Self {
        Self::start(move |mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(answer).await;
            }
        })
        .await
    }

    fn requests(&self) -> Vec<String> {
        let text = |seen: &Seen| String::from_utf8(seen.bytes.clone()).unwrap();
        self.seen.borrow().iter().map(text).collect()
    }
}

/// The shadow's side of a connection.
struct Peer {
    stream: TcpStream,
    connection: usize,
    seen: Rc<RefCell<Vec<Seen>>>,
    buffer: Vec<u8>,
}

impl Peer {
    /// The next request, head and body; `None` when the agent closed.
    async fn request(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(len) = request_len(&self.buffer) {
                let bytes: Vec<u8> = self.buffer.drain(..len).collect();
                self.seen.borrow_mut().push(Seen {
                    connection: self.connection,
                    bytes: bytes.clone(),
                });
                return Some(bytes);
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        // The agent may be gone already; what it made of that is what the test looks at.
        let _ = self.stream.write_all(bytes).await;
    }

    /// Waits until the agent closes.
    async fn closed(&mut self) {
        let mut rest = [0; 4096];
        while self.stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
    }

    /// Closes with a reset.
    fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// Where the first request in `bytes` ends, if it is whole.
fn request_len(bytes: &[u8]) -> Option<usize> {
    let find = |from: usize, what: &[u8]| {
        bytes[from..]
            .windows(what.len())
            .position(|window| window == what)
            .map(|at| from + at + what.len())
    };
    let head = find(0, b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    if text.contains("transfer-encoding: chunked") {
        return find(head, b"\r\n\r\n");
    }
    let length = text
        .split("content-length: ")
        .nth(1)
        .map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    (bytes.len() >= head + length).then_some(head + length)
}
