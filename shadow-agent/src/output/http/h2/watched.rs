//! The transport of an HTTP/2 connection, and what can be seen of it from outside of the `h2` crate: how it began, when bytes
//! came, and when requests left.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::output::http::connect::Link;

/// Length of a frame's header (RFC 9113 section 4.1).
const FRAME_HEADER: usize = 9;
/// Type of a SETTINGS frame (RFC 9113 section 6.5).
const SETTINGS: u8 = 4;
/// Its flag that says that it only acknowledges.
const ACK: u8 = 1;

/// When the last byte of a request was written.
pub(in crate::output::http) type Departure = Rc<Cell<Option<Instant>>>;

/// A transport that notes what goes over it.
#[derive(Debug)]
pub(in crate::output::http) struct Watched {
    link: Link,
    seen: Rc<Seen>,
    /// Whether the times of answers are wanted.
    timed: bool,
}

/// The notes.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Seen {
    /// The first bytes that came.
    first: Cell<[u8; FRAME_HEADER]>,
    read: Cell<u64>,
    writes: Cell<u64>,
    last_read: Cell<Option<Instant>>,
    /// Requests whose last byte goes with the next write.
    leaving: RefCell<Vec<Departure>>,
}

/// How the other side began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) enum Beginning {
    /// Not enough has come to tell.
    Unknown,
    /// With all of its SETTINGS, as HTTP/2 has it (RFC 9113 section 3.4).
    Http2,
    /// With something else.
    Other,
}

impl Watched {
    /// Watches `link`; the notes go to `seen`.
    pub(in crate::output::http) fn new(link: Link, seen: Rc<Seen>, timed: bool) -> Self {
        Self { link, seen, timed }
    }
}

impl Seen {
    /// How the other side began.
    pub(in crate::output::http) fn beginning(&self) -> Beginning {
        let read = self.read.get();
        let [a, b, c, kind, flags, stream @ ..] = self.first.get();
        if read < FRAME_HEADER as u64 {
            return Beginning::Unknown;
        }
        if kind != SETTINGS || flags & ACK != 0 || stream != [0; 4] {
            return Beginning::Other;
        }
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        if read >= FRAME_HEADER as u64 + length {
            Beginning::Http2
        } else {
            Beginning::Unknown
        }
    }

    /// Writes so far.
    pub(in crate::output::http) fn writes(&self) -> u64 {
        self.writes.get()
    }

    /// Bytes read so far.
    pub(in crate::output::http) fn read(&self) -> u64 {
        self.read.get()
    }

    /// When what was read last came to this host.
    pub(in crate::output::http) fn arrived(&self) -> Instant {
        self.last_read.get().unwrap_or_else(Instant::now)
    }

    /// The last byte of a request goes with the next write.
    pub(in crate::output::http) fn leaves_next(&self, departure: Departure) {
        self.leaving.borrow_mut().push(departure);
    }

    fn noted(&self, bytes: &[u8]) {
        let before = usize::try_from(self.read.get()).unwrap_or(usize::MAX);
        if before < FRAME_HEADER {
            let mut first = self.first.get();
            for (place, byte) in first[before..].iter_mut().zip(bytes) {
                *place = *byte;
            }
            self.first.set(first);
        }
        self.read.set(self.read.get() + bytes.len() as u64);
    }

    fn written(&self) {
        self.writes.set(self.writes.get() + 1);
        let mut leaving = self.leaving.borrow_mut();
        if !leaving.is_empty() {
            let now = Instant::now();
            leaving.drain(..).for_each(|departure| departure.set(Some(now)));
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(AsyncRead::poll_read(
            Pin::new(&mut this.link.transport),
            cx,
            buffer
        ))?;
        let bytes = &buffer.filled()[before..];
        if !bytes.is_empty() {
            this.seen.noted(bytes);
            if this.timed {
                let arrived = this.link.transport.arrived().unwrap_or_else(Instant::now);
                this.seen.last_read.set(Some(arrived));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(AsyncWrite::poll_write(
            Pin::new(&mut this.link.transport),
            cx,
            bytes
        ))?;
        this.seen.written();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.link.transport).poll_write_vectored(cx, slices))?;
        this.seen.written();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.link.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().link.transport), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().link.transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beginning(parts: &[&[u8]]) -> Beginning {
        let seen = Seen::default();
        for part in parts {
            seen.noted(part);
        }
        seen.beginning()
    }

    #[test]
    fn http2_begins_with_the_whole_of_its_settings() {
        let frame = [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
        for cut in 0..frame.len() {
            let (start, end) = frame.split_at(cut);
            assert_eq!(beginning(&[start]), Beginning::Unknown, "{cut}");
            assert_eq!(beginning(&[start, end]), Beginning::Http2, "{cut}");
        }
        assert_eq!(beginning(&[&[0, 0, 0, 4, 0, 0, 0, 0, 0]]), Beginning::Http2);
    }

    #[test]
    fn anything_else_is_not_http2() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH",
            &[0, 0, 0, 4, 1, 0, 0, 0, 0],
            &[0, 0, 0, 4, 0, 0, 0, 0, 1],
            &[0, 0, 8, 6, 0, 0, 0, 0, 0],
        ] {
            assert_eq!(beginning(&[bytes]), Beginning::Other, "{bytes:?}");
        }
    }
}
