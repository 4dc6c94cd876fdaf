//! Opening an HTTP/2 connection: the preface goes out, and nothing is asked before the shadow has answered it, so that one without
//! HTTP/2 has seen no request.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ::h2::client::{Builder, Connection, SendRequest};
use bytes::Bytes;
use tokio::time::timeout;

use super::watched::{Beginning, Seen, Watched};
use crate::mirror::ledger::DropReason;
use crate::output::http::connect::{ConnectError, Link};

/// Bytes that the shadow may send of one answer before the agent has read it: more than a fast network holds, so that the
/// window is no brake.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same of all answers on a connection: it bounds what a connection can hold. Answers are read as they come, so that it is
/// hardly ever used.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Bytes of the table that the shadow may compress the fields of its answers with. It is what holds without a word (RFC 9113
/// section 6.5.2), and said all the same: nginx has use for no table, but has the agent keep one with every field of every answer,
/// unless it is told of the size, at which it takes none.
const FIELD_TABLE: u32 = 4096;
/// Largest list of fields of an answer, as the reader of HTTP/1.1 has it.
const MAX_FIELDS: u32 = 64 * 1024;

/// An open connection: what begins streams on it, and what drives it.
pub(in crate::output::http) type Opened = (SendRequest<Bytes>, Connection<Watched>);

/// Why there is none.
#[derive(Debug)]
pub(in crate::output::http) enum NotOpened {
    /// The shadow has no HTTP/2: what it did instead.
    Refused(&'static str),
    /// It could not be opened.
    Failed(ConnectError),
}

/// Makes a connection one of HTTP/2, within `limit`. `known`: whether the shadow has spoken it before; then a connection that
/// it closes at once is a failure, and no refusal. `timed`: whether the times of answers are wanted.
pub(in crate::output::http) async fn open(
    link: Link,
    seen: Rc<Seen>,
    known: bool,
    timed: bool,
    limit: Duration,
) -> Result<Opened, NotOpened> {
    let over_tls = link.transport.is_tls();
    if over_tls && !link.transport.agreed_on_http2() {
        return Err(NotOpened::Refused("TLS did not agree on it"));
    }
    let watched = Watched::new(link, Rc::clone(&seen), timed);
    match timeout(limit, greet(watched, &seen)).await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(_)) if seen.beginning() == Beginning::Other && !over_tls => {
            Err(NotOpened::Refused("it answered the preface with something else"))
        }
        Ok(Err(_)) if !over_tls && !known && seen.read() == 0 => {
            Err(NotOpened::Refused("it closed the connection at the preface"))
        }
        Ok(Err(error)) => Err(NotOpened::Failed(ConnectError {
            reason: DropReason::UpstreamClosed,
            error: io::Error::other(error),
        })),
        Err(_) => Err(NotOpened::Failed(ConnectError {
            reason: DropReason::Timeout,
            error: io::Error::new(
                io::ErrorKind::TimedOut,
                "timed out before it answered the preface of HTTP/2",
            ),
        })),
    }
}

/// Sends the preface, and waits for the other side's.
async fn greet(watched: Watched, seen: &Seen) -> Result<Opened, ::h2::Error> {
    let (sender, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .header_table_size(FIELD_TABLE)
        .max_header_list_size(MAX_FIELDS)
        .handshake(watched)
        .await?;
    poll_fn(
        |cx| match (Pin::new(&mut connection).poll(cx), seen.beginning()) {
            (Poll::Ready(Err(error)), _) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), _) => Poll::Ready(Err(::h2::Reason::NO_ERROR.into())),
            (Poll::Pending, Beginning::Unknown | Beginning::Other) => Poll::Pending,
            (Poll::Pending, Beginning::Http2) => Poll::Ready(Ok(())),
        },
    )
    .await?;
    Ok((sender, connection))
}
