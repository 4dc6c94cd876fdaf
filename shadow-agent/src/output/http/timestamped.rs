//! A TCP connection that can tell when what it read last came to this host.
//!
//! The kernel notes when a segment arrives (`SO_TIMESTAMPNS`, Documentation/networking/timestamping.rst). A thread that is busy
//! reads it later, and that delay is the agent's own: it would be taken for the shadow's. A read that takes the bytes of several
//! segments has the time of the last of them (`tcp_update_recv_tstamps` in net/ipv4/tcp.c).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::time::unix_now;

/// A TCP connection with receive timestamps.
#[derive(Debug)]
pub(in crate::output) struct Stamped {
    tcp: TcpStream,
    /// Room for what the kernel says beside the bytes; `None` where it is not asked.
    control: Option<Vec<u8>>,
    arrived: Option<Instant>,
}

impl Stamped {
    /// A connection; where `asks`, the kernel is asked for times.
    pub(super) fn new(tcp: TcpStream, asks: bool) -> Self {
        // Where it will not say, the time of reading is the best there is.
        let asked = asks && setsockopt(&tcp, ReceiveTimestampns, &true).is_ok();
        Self {
            tcp,
            control: asked.then(|| cmsg_space!(TimeSpec)),
            arrived: None,
        }
    }

    /// The socket.
    pub(super) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// When the last of the bytes that were read last came here. `None` where the kernel was not asked or did not say.
    pub(super) fn arrived(&self) -> Option<Instant> {
        self.arrived
    }

    fn poll_stamped(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self {
            tcp,
            control,
            arrived,
        } = self;
        let Some(control) = control else {
            return Pin::new(tcp).poll_read(cx, into);
        };
        let buffer = into.initialize_unfilled();
        loop {
            ready!(tcp.poll_read_ready(cx))?;
            let mut received = None;
            let result = tcp.try_io(Interest::READABLE, || {
                let (bytes, delay) = receive(tcp, buffer, control)?;
                received = Some((bytes, delay));
                // Fewer bytes than there is room for: the socket is drained, and need not be asked again to be known so.
                if bytes > 0 && bytes < buffer.len() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match (received, result) {
                (Some((bytes, delay)), _) => {
                    *arrived = delay.and_then(|delay| Instant::now().checked_sub(delay));
                    into.advance(bytes);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, result) => return Poll::Ready(result),
            }
        }
    }
}

/// Reads what is there, and how long the last of it has been: the kernel's times are of Unix time, which may be set meanwhile.
fn receive(tcp: &TcpStream, buffer: &mut [u8], control: &mut [u8]) -> io::Result<(usize, Option<Duration>)> {
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(tcp.as_raw_fd(), &mut parts, Some(control), MsgFlags::empty())?;
    let stamp = message.cmsgs().ok().and_then(|mut said| {
        said.find_map(|one| match one {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
            _ => None,
        })
    });
    let since = stamp.map(|stamp| {
        let then = stamp.tv_sec().unsigned_abs() * 1_000_000_000 + stamp.tv_nsec().unsigned_abs();
        Duration::from_nanos(unix_now().saturating_sub(then))
    });
    Ok((message.bytes, since))
}

impl AsyncRead for Stamped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_stamped(cx, buffer)
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LATER: Duration = Duration::from_millis(300);

    async fn pair(asks: bool) -> (TcpStream, Stamped) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        (far.unwrap().0, Stamped::new(near.unwrap(), asks))
    }

    /// Sends, reads no sooner than `later`, and says when the bytes came, counted from before they were sent.
    async fn sent_and_read(far: &mut TcpStream, near: &mut Stamped, later: Duration) -> Option<Duration> {
        let before = Instant::now();
        far.write_all(b"answer").await.unwrap();
        std::thread::sleep(later);
        let mut bytes = [0; 64];
        assert_eq!(near.read(&mut bytes).await.unwrap(), 6);
        assert_eq!(&bytes[..6], b"answer");
        near.arrived()
            .map(|arrived| arrived.saturating_duration_since(before))
    }

    #[tokio::test]
    async fn bytes_that_wait_to_be_read_have_the_time_they_came() {
        let (mut far, mut near) = pair(true).await;
        // The kernel begins to note times a moment after it was asked.
        let mut took = None;
        for _ in 0..10 {
            took = sent_and_read(&mut far, &mut near, LATER).await;
            if took.is_some() {
                break;
            }
        }
        let took = took.expect("a time");
        assert!(took < LATER / 2, "{took:?}");
    }

    #[tokio::test]
    async fn without_being_asked_it_says_nothing() {
        let (mut far, mut near) = pair(false).await;
        assert_eq!(sent_and_read(&mut far, &mut near, Duration::ZERO).await, None);
    }

    #[tokio::test]
    async fn a_stream_is_read_to_its_end_whatever_the_size_of_reads() {
        for size in [1, 7, 4096, 1 << 20] {
            let (mut far, mut near) = pair(true).await;
            let sent: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
            let expected = sent.clone();
            let sender = tokio::spawn(async move {
                for part in sent.chunks(9_999) {
                    far.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
            });
            let (mut read, mut buffer) = (Vec::new(), vec![0; size]);
            loop {
                match near.read(&mut buffer).await.unwrap() {
                    0 => break,
                    bytes => read.extend_from_slice(&buffer[..bytes]),
                }
            }
            assert!(read == expected, "{size}");
            sender.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_reset_is_an_error() {
        let (far, mut near) = pair(true).await;
        far.set_zero_linger().unwrap();
        drop(far);
        let error = near.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
