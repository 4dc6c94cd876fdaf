//! The demo's clients: keep-alive connections with reads, orders and chunked uploads.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// Clients, each with one connection at a time.
const CLIENTS: u32 = 20;
/// Requests on a connection before its client opens another.
const REQUESTS_PER_CONNECTION: u64 = 50;
/// Pieces of a chunked upload, and bytes of each.
const UPLOAD: (usize, usize) = (4, 8192);

/// Sends about `rate` requests a second to `server` until `length` has passed; every one that was started has
/// its answer when this returns.
pub async fn run(server: SocketAddr, rate: u32, length: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + length;
    let pause = Duration::from_secs(1) * CLIENTS / rate;
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        // Spread over the first interval, so that they do not all ask at once.
        let start = Instant::now() + pause * client / CLIENTS;
        clients.spawn(ask(server, start, pause, end));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

async fn ask(server: SocketAddr, start: Instant, pause: Duration, end: Instant) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval_at(start, pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = connect(server).await?;
    for number in 0.. {
        if ticks.tick().await >= end {
            break;
        }
        if number % REQUESTS_PER_CONNECTION == 0 && number > 0 {
            connection = connect(server).await?;
        }
        connection.ready().await?;
        let answer = connection.send_request(request(server, number)?).await?;
        answer.into_body().collect().await?;
    }
    Ok(())
}

async fn connect(server: SocketAddr) -> anyhow::Result<SendRequest<Payload>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Ten kinds of request, one after another.
fn request(server: SocketAddr, number: u64) -> Result<Request<Payload>, http::Error> {
    let (method, path, payload) = match number % 10 {
        0..=4 => (Method::GET, format!("/products/{number}"), Payload::empty()),
        5 | 6 => (Method::GET, "/search?q=shoes".to_owned(), Payload::empty()),
        7 => (
            Method::POST,
            "/orders".to_owned(),
            Payload::whole(r#"{"quantity":1}"#),
        ),
        // One order in ten is large.
        8 => {
            let order = if number % 50 == 8 {
                r#"{"quantity":10}"#
            } else {
                r#"{"quantity":2}"#
            };
            (Method::POST, "/orders".to_owned(), Payload::whole(order))
        }
        _ => (Method::PUT, format!("/pictures/{number}"), Payload::chunked()),
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header("Host", server.to_string())
        .header("User-Agent", "shadow-agent-demo")
        .body(payload)
}

/// A request body: none, whole (sent with its length), or in chunks of unknown number.
struct Payload {
    pieces: VecDeque<Bytes>,
    chunked: bool,
}

impl Payload {
    fn empty() -> Self {
        Self {
            pieces: VecDeque::new(),
            chunked: false,
        }
    }

    fn whole(text: &'static str) -> Self {
        Self {
            pieces: [Bytes::from_static(text.as_bytes())].into(),
            chunked: false,
        }
    }

    fn chunked() -> Self {
        let (pieces, bytes) = UPLOAD;
        Self {
            pieces: vec![Bytes::from(vec![b'x'; bytes]); pieces].into(),
            chunked: true,
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.chunked {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}
