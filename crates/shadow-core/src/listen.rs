//! Binding a port: before anything is attached, so that a port in use ends a run that has not begun.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn6, bind as bind_socket, listen, setsockopt, socket,
};

/// Connections that the kernel may hold before they are accepted; more than are ever served at once.
const BACKLOG: i32 = 128;

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// This port of any address, of both families where the machine has both.
    Any(u16),
    /// This address alone.
    Address(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(port) => write!(f, ":{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{flag} '{address}': {source}{}", hint(source))]
pub struct ListenError {
    /// The flag that asked for it.
    flag: &'static str,
    /// Address as given.
    address: String,
    /// Error of the kernel.
    source: std::io::Error,
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => ": another process is listening there; use another port",
        std::io::ErrorKind::AddrNotAvailable => ": it is not an address of this machine",
        std::io::ErrorKind::PermissionDenied => ": ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "",
    }
}

/// Listens on `address`, which `flag` asked for. Any address means both families by one socket, or IPv4 alone where there is no IPv6.
///
/// # Errors
///
/// Where nothing can listen there: [`ListenError`] names the flag, the reason and the way out.
pub fn bind(flag: &'static str, address: Listen) -> Result<TcpListener, ListenError> {
    let text = address.to_string();
    let bound = match address {
        Listen::Address(address) => TcpListener::bind(address),
        Listen::Any(port) => match both_families(port) {
            Err(Errno::EAFNOSUPPORT | Errno::EADDRNOTAVAIL) => {
                TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
            }
            other => other.map_err(Into::into),
        },
    };
    let nonblocking = |listener: TcpListener| listener.set_nonblocking(true).map(|()| listener);
    bound.and_then(nonblocking).map_err(|source| ListenError {
        flag,
        address: text,
        source,
    })
}

/// Listens as std does, except for `IPV6_V6ONLY`: its default is a setting of the machine.
fn both_families(port: u16) -> Result<TcpListener, Errno> {
    let socket = socket(
        AddressFamily::Inet6,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, ReuseAddr, &true)?;
    setsockopt(&socket, Ipv6V6Only, &false)?;
    let any = SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0));
    bind_socket(socket.as_raw_fd(), &any)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    Ok(TcpListener::from(socket))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn any_address_takes_both_families() {
        let listener = bind("--http-listen", Listen::Any(0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let first = bind("--http-listen", Listen::Address("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = first.local_addr().unwrap();
        let text = bind("--http-listen", Listen::Address(address))
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with(&format!("--http-listen '{address}': ")),
            "{text}"
        );
        assert!(
            text.ends_with("another process is listening there; use another port"),
            "{text}"
        );
        let text = bind("--http-listen", Listen::Any(address.port()))
            .unwrap_err()
            .to_string();
        assert!(text.contains("another process is listening there"), "{text}");
    }
}
