//! Bodies of answers: whole, or sent piece by piece, and cut in the middle when a test wants that.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// Pieces on their way to the connection before their sender waits for the client.
const PIECES: usize = 16;

/// A body.
pub(super) struct Body(mpsc::Receiver<Result<Bytes, Cut>>);

/// Where a body's pieces come from.
pub(super) struct Sender(mpsc::Sender<Result<Bytes, Cut>>);

/// The client has gone.
#[derive(Debug)]
pub(super) struct Closed;

/// The body is not complete, and the connection ends with it.
#[derive(Debug)]
pub(super) struct Cut;

impl Body {
    /// A body that is here already.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        // There is room for one.
        let _ = sender.try_send(Ok(bytes.into()));
        Self(receiver)
    }

    /// A body that is sent in pieces.
    pub(super) fn stream() -> (Sender, Self) {
        let (sender, receiver) = mpsc::channel(PIECES);
        (Sender(sender), Self(receiver))
    }

    /// The first half of a body, after which the connection breaks.
    pub(super) fn half(mut bytes: Bytes) -> Self {
        bytes.truncate(bytes.len() / 2);
        let (sender, body) = Self::stream();
        tokio::spawn(async move {
            let _ = sender.send(bytes).await;
            let _ = sender.cut().await;
        });
        body
    }
}

impl Sender {
    /// Sends a piece.
    pub(super) async fn send(&self, piece: Bytes) -> Result<(), Closed> {
        self.0.send(Ok(piece)).await.map_err(|_| Closed)
    }

    /// Breaks the connection once what was sent is on its way.
    pub(super) async fn cut(self) -> Result<(), Closed> {
        // The connection writes what it has when there is no more; only then may the error come.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        self.0.send(Err(Cut)).await.map_err(|_| Closed)
    }

    /// Waits until the client has gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let piece = ready!(self.0.poll_recv(context));
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut, as the test asked")
    }
}

impl std::error::Error for Cut {}
