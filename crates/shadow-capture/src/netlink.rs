//! The little of rtnetlink(7) that capture needs: ask a question, read the messages of the answer, and be told
//! when links or addresses change.
//!
//! Netlink and not `/sys/class/net`: it answers for the network namespace of the calling thread, whatever is
//! mounted on `/sys`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;

/// The kernel fills at most 32 KiB for one read of a dump.
const BUFFER: usize = 64 * 1024;

const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const NLMSG_DONE: u16 = libc::NLMSG_DONE as u16;
const NLM_F_REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const NLM_F_DUMP: u16 = libc::NLM_F_DUMP as u16;
const NLM_F_ACK: u16 = libc::NLM_F_ACK as u16;

/// A socket that asks questions.
pub struct Requests {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens the socket.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            socket: open(SockFlag::SOCK_CLOEXEC, 0, 0)?,
            sequence: 0,
            buffer: vec![0; BUFFER],
        })
    }

    /// Asks for all objects of a kind; `each` gets the type and body of every message of the answer.
    pub fn dump(&mut self, kind: u16, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        self.ask(kind, NLM_F_DUMP, body)?;
        loop {
            let read = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for (header, body) in Messages(&self.buffer[..read]) {
                if header.sequence != self.sequence {
                    continue;
                }
                match header.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return Err(error(body)),
                    kind => each(kind, body),
                }
            }
        }
    }

    /// Asks for one object and gives the body of the answer.
    pub fn get(&mut self, kind: u16, body: &[u8]) -> io::Result<Vec<u8>> {
        self.ask(kind, 0, body)?;
        loop {
            let read = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for (header, body) in Messages(&self.buffer[..read]) {
                if header.sequence != self.sequence {
                    continue;
                }
                return if header.kind == NLMSG_ERROR {
                    Err(error(body))
                } else {
                    Ok(body.to_vec())
                };
            }
        }
    }

    /// Asks for a change, with flags such as `NLM_F_CREATE`, and waits for the kernel's word on it. The socket must have
    /// been opened with the capability that the change needs.
    pub fn change(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.ask(kind, NLM_F_ACK | flags, body)?;
        loop {
            let read = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for (header, body) in Messages(&self.buffer[..read]) {
                if header.sequence == self.sequence && header.kind == NLMSG_ERROR {
                    // Success is told as error 0.
                    return match u32_at(body, 0) {
                        Some(0) => Ok(()),
                        _ => Err(error(body)),
                    };
                }
            }
        }
    }

    fn ask(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend_from_slice(&((HEADER + body.len()) as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        message.extend_from_slice(&self.sequence.to_ne_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(body);
        send(self.socket.as_raw_fd(), &message, MsgFlags::empty())?;
        Ok(())
    }
}

/// A socket that is told of changes. What changed is not read: the listener lists everything again, so that a
/// lost notification does no harm.
pub struct Changes {
    socket: OwnedFd,
}

impl Changes {
    /// Subscribes to links and addresses.
    pub fn new() -> io::Result<Self> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = open(
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            0,
            groups.cast_unsigned(),
        )?;
        Ok(Self { socket })
    }

    /// Takes what has come; whether something had.
    pub fn take(&self) -> bool {
        let mut buffer = [0; 4096];
        let mut any = false;
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                // Too much came to keep it: something has changed at any rate.
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The attributes in the tail of a message body, behind a fixed head of `head` bytes.
pub fn attributes(body: &[u8], head: usize) -> Attributes<'_> {
    Attributes(body.get(head..).unwrap_or_default())
}

/// An iterator over attributes: type and value. It ends at the first that does not fit.
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        const HEAD: usize = 4;
        let length = usize::from(u16_at(self.0, 0)?);
        // The two high bits say nested and network byte order.
        let kind = u16_at(self.0, 2)? & 0x3fff;
        let value = self.0.get(HEAD..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A host-order number in a message.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A host-order number in a message.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Takes a port of this network namespace: no other socket can have it until this one is closed, and the error is
/// `EADDRINUSE` where one has it.
pub fn take_port(port: u32) -> io::Result<OwnedFd> {
    open(SockFlag::SOCK_CLOEXEC, port, 0)
}

/// Adds an attribute, padded, to the end of a message body.
pub fn push_attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = (4 + value.len()) as u16;
    body.extend_from_slice(&length.to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// A port of 0 leaves the choice to the kernel.
fn open(flags: SockFlag, port: u32, groups: u32) -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(port, groups))?;
    Ok(socket)
}

/// The error of an `NLMSG_ERROR` body: a negative errno.
fn error(body: &[u8]) -> io::Error {
    let errno = u32_at(body, 0).unwrap_or(0).cast_signed();
    io::Error::from_raw_os_error(errno.wrapping_neg())
}

struct Header {
    kind: u16,
    sequence: u32,
}

struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (Header, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32_at(self.0, 0)? as usize;
        let header = Header {
            kind: u16_at(self.0, 4)?,
            sequence: u32_at(self.0, 8)?,
        };
        let body = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_with_their_padding() {
        let mut body = vec![0; 16];
        body.extend_from_slice(&[7, 0, 3, 0, b'l', b'o', 0, 0]);
        body.extend_from_slice(&[8, 0, 10, 0x80, 1, 0, 0, 0]);
        let read: Vec<_> = attributes(&body, 16).collect();
        assert_eq!(read, [(3, &b"lo\0"[..]), (10, &[1, 0, 0, 0][..])]);
    }

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut body = vec![0; 8];
        push_attribute(&mut body, 7, b"lo\0");
        push_attribute(&mut body, 10, &[1, 0, 0, 0]);
        assert_eq!(body.len(), 8 + 8 + 8);
        let read: Vec<_> = attributes(&body, 8).collect();
        assert_eq!(read, [(7, &b"lo\0"[..]), (10, &[1, 0, 0, 0][..])]);
    }

    #[test]
    fn a_port_is_taken_by_one_socket_until_that_is_closed() {
        // Of a range that the kernel gives to nobody by itself.
        let port = 0x4123_4567;
        let first = take_port(port).unwrap();
        let refused = take_port(port).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EADDRINUSE));
        drop(first);
        take_port(port).unwrap();
    }

    #[test]
    fn attributes_that_do_not_fit_end_the_list() {
        for bad in [&[3, 0, 1, 0][..], &[9, 0, 1, 0, 1, 2, 3, 4], &[0, 0, 0, 0], &[4]] {
            assert_eq!(attributes(bad, 0).count(), 0, "{bad:?}");
        }
        assert_eq!(attributes(&[], 16).count(), 0);
    }

    #[test]
    fn the_loopback_interface_is_in_a_dump_of_links() {
        let mut names = Vec::new();
        Requests::new()
            .unwrap()
            .dump(libc::RTM_GETLINK, &[0; 16], |_, body| {
                names.extend(
                    attributes(body, 16)
                        .filter(|(kind, _)| *kind == 3)
                        .map(|(_, v)| v.to_vec()),
                );
            })
            .unwrap();
        assert!(names.contains(&b"lo\0".to_vec()), "{names:?}");
    }
}
