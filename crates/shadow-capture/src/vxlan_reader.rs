//! The socket that VXLAN datagrams arrive at, as a source of segments: the live capture of another host's traffic.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use shadow_core::listen::Listen;
use shadow_core::time::monotonic_now;
use shadow_tcp::Segment;
use tokio::net::UdpSocket;
use tracing::{info, warn};

use super::error::CaptureError;
use super::settings::{CaptureSettings, LiveInput, VxlanSettings};
use super::vxlan::{Decapsulator, VxlanCounts};

/// The largest datagram there is: jumbo frames are no special case.
const MAX_DATAGRAM: usize = 65_535;

/// Datagrams read at most once the run has ended: more than a socket's buffer holds as a rule, and no more, since a
/// session goes on sending.
const LAST_DATAGRAMS: usize = 100_000;

/// Datagrams of a mirroring session. It belongs to one thread, which so sees all of each connection.
pub struct VxlanReader {
    socket: Socket,
    decapsulator: Decapsulator,
    buffer: Box<[u8]>,
    paused: bool,
    /// The bytes that may still be read, once the run has ended.
    left: Option<usize>,
}

enum Socket {
    /// Bound, and not registered with a runtime yet.
    Bound(OwnedFd),
    Registered(UdpSocket),
}

impl VxlanReader {
    /// Binds the socket, with a buffer as large as the capabilities of this thread allow.
    ///
    /// # Errors
    ///
    /// Where the address is in use, not this machine's, or not allowed.
    pub fn start(
        inputs: &[LiveInput],
        vxlan: &VxlanSettings,
        capture: &CaptureSettings,
    ) -> Result<Self, CaptureError> {
        let refused = |source| CaptureError::Vxlan {
            address: match vxlan.listen {
                Listen::Any(port) => format!(":{port}"),
                Listen::Address(address) => address.to_string(),
            },
            source,
        };
        let socket = bind(vxlan.listen).map_err(refused)?;
        socket.set_nonblocking(true).map_err(refused)?;
        enlarge(&socket, capture.ring_bytes as usize);
        info!(address = %socket.local_addr().map_err(refused)?, "capturing VXLAN packets");
        Ok(Self {
            socket: Socket::Bound(socket.into()),
            decapsulator: Decapsulator::new(inputs, vxlan, capture),
            buffer: vec![0; MAX_DATAGRAM].into(),
            paused: false,
            left: None,
        })
    }

    /// The counts so far.
    pub fn counts(&self) -> VxlanCounts {
        VxlanCounts {
            lost: self.lost(),
            ..self.decapsulator.counts()
        }
    }

    /// Whether what arrives is read and passed over.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// The run has ended: what has arrived by now is read, and what goes on arriving is not waited for.
    pub fn end(&mut self) {
        self.left = Some(LAST_DATAGRAMS);
    }

    /// Waits until there is something to read. Must run inside a tokio runtime, always the same one.
    ///
    /// # Errors
    ///
    /// Where the socket cannot be watched: no file descriptor is left.
    pub async fn readable(&mut self) -> io::Result<()> {
        if let Socket::Bound(socket) = &self.socket {
            self.socket = Socket::Registered(UdpSocket::from_std(socket.try_clone()?.into())?);
        }
        match &self.socket {
            Socket::Registered(socket) => socket.readable().await,
            Socket::Bound(_) => Ok(()),
        }
    }

    /// Hands the segments of the datagrams that are there to `each`, of `most` datagrams at most; how many datagrams
    /// there were. Never waits.
    pub fn drain(&mut self, most: usize, mut each: impl FnMut(Segment<'_>)) -> usize {
        let Socket::Registered(socket) = &self.socket else {
            return 0;
        };
        let most = self.left.map_or(most, |left| left.min(most));
        let mut count = 0;
        while count < most {
            match socket.try_recv(&mut self.buffer) {
                Ok(length) => {
                    count += 1;
                    if self.paused {
                        self.decapsulator.skip_datagram();
                    } else {
                        let datagram = &self.buffer[..length];
                        self.decapsulator.take(datagram, monotonic_now(), &mut each);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    warn!(%error, "cannot read a VXLAN packet");
                    break;
                }
            }
        }
        if let Some(left) = &mut self.left {
            *left -= count;
        }
        count
    }

    /// Datagrams that the kernel dropped at this socket since it was bound.
    fn lost(&self) -> u64 {
        let descriptor = match &self.socket {
            Socket::Bound(socket) => socket.as_raw_fd(),
            Socket::Registered(socket) => socket.as_raw_fd(),
        };
        drops(descriptor).map_or(0, u64::from)
    }
}

/// Any address means both families by one socket, or IPv4 alone where there is no IPv6.
fn bind(listen: Listen) -> io::Result<StdSocket> {
    match listen {
        Listen::Address(address) => StdSocket::bind(address),
        Listen::Any(port) => StdSocket::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
            .or_else(|_| StdSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))),
    }
}

/// Asks for a buffer of so many bytes, past `net.core.rmem_max` where that is allowed.
fn enlarge(socket: &StdSocket, bytes: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &bytes).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &bytes);
    }
    // The kernel doubles what is asked for, for its own bookkeeping.
    match getsockopt(socket, sockopt::RcvBuf) {
        Ok(got) if got / 2 < bytes => warn!(
            asked = bytes,
            got = got / 2,
            "the buffer for VXLAN datagrams is smaller than --input-raw-buffer-size: run with CAP_NET_ADMIN, or raise \
             net.core.rmem_max"
        ),
        _ => {}
    }
}

/// The packets that the kernel counts as dropped at a socket (`SO_MEMINFO`, Linux 4.12), as a counter of 32 bits.
#[allow(unsafe_code, reason = "no crate in use has this socket option")]
fn drops(descriptor: std::os::fd::RawFd) -> io::Result<u32> {
    /// `linux/sock_diag.h`.
    const SK_MEMINFO_DROPS: usize = 8;
    /// `asm-generic/socket.h`.
    const SO_MEMINFO: libc::c_int = 55;
    let mut info = [0_u32; SK_MEMINFO_DROPS + 1];
    let mut size = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes no more than `size` bytes to `info`; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            descriptor,
            libc::SOL_SOCKET,
            SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if result == 0 {
        Ok(info[SK_MEMINFO_DROPS])
    } else {
        Err(io::Error::last_os_error())
    }
}
