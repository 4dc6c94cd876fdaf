//! The bytes of a connection to the shadow, with or without TLS.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::timestamped::Stamped;

/// A connected byte stream.
#[derive(Debug)]
pub(in crate::output) enum Transport {
    Plain(Stamped),
    Tls(Box<TlsStream<Stamped>>),
}

impl Transport {
    /// Reads what is there; 0 bytes are the end of the stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        // `poll_read`, not `try_read`: a read that does not fill the buffer tells tokio that the socket is
        // drained, which saves the second system call that would only say so.
        ready!(match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes some of `head` and then `body`, which must not both be empty.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        head: &[u8],
        body: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, &slices(head, body)),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, &slices(head, body)),
        }
    }

    /// The socket.
    pub(in crate::output) fn socket(&self) -> &TcpStream {
        self.stamped().tcp()
    }

    /// When the last of the bytes that were read last came to this host, as far as the kernel says.
    pub(super) fn arrived(&self) -> Option<Instant> {
        self.stamped().arrived()
    }

    fn stamped(&self) -> &Stamped {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Hands on what TLS holds back.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Writes at once, outside of a task, what the socket takes. `WouldBlock` when it takes nothing or the
    /// bytes must go through TLS.
    pub(super) fn try_write(&mut self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) if body.is_empty() => stream.tcp().try_write(head),
            Self::Plain(stream) => stream.tcp().try_write_vectored(&slices(head, body)),
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Closes at once with a reset.
    pub(super) fn reset(self) {
        // Without it, it is closed in the orderly way; that is all that could go wrong.
        let _ = self.socket().set_zero_linger();
    }

    /// Asks the kernel whether a connection that has nothing to say is still good: neither closed nor, in
    /// plain text, with bytes that nobody asked for.
    pub(super) fn is_quiet(&self) -> bool {
        match self.peek() {
            Err(nix::errno::Errno::EAGAIN) => true,
            // With TLS it may be a session ticket.
            Ok(received) => self.is_tls() && received > 0,
            Err(_) => false,
        }
    }

    /// Whether TLS agreed on HTTP/2 (RFC 9113 section 3.2); without TLS nothing is agreed on.
    pub(super) fn agreed_on_http2(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether there are bytes to be read, in plain text, on a connection on which nothing has been asked yet.
    pub(super) fn speaks_first(&self) -> bool {
        !self.is_tls() && self.peek().is_ok_and(|received| received > 0)
    }

    fn peek(&self) -> nix::Result<usize> {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.socket().as_raw_fd(), &mut [0], flags)
    }
}

/// For protocols that go by tokio's traits.
impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn slices<'a>(head: &'a [u8], body: &'a [u8]) -> [IoSlice<'a>; 2] {
    [IoSlice::new(head), IoSlice::new(body)]
}
