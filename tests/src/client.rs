//! An HTTP/1.1 client that says exactly what a test tells it to, byte by byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::{DEADLINE, Netns};

/// A connection to a server.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A response, its body counted rather than kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Bytes of the body.
    pub body: usize,
}

impl Connection {
    /// Connects from `netns`.
    pub fn open(netns: &Netns, to: SocketAddr) -> Self {
        let stream = netns
            .enter(|| TcpStream::connect_timeout(&to, DEADLINE))
            .unwrap_or_else(|error| panic!("cannot connect to {to}: {error}"));
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .expect("a read timeout");
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends bytes as one write.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server takes bytes");
    }

    /// Sends a GET and reads its response.
    pub fn get(&mut self, uri: &str, id: &str) -> Response {
        self.send(get(uri, id));
        self.response()
    }

    /// Reads a response that has a Content-Length; a 1xx has no body.
    pub fn response(&mut self) -> Response {
        self.read_response(false)
    }

    /// Reads up to the end of a response's head, and gives its status.
    pub fn read_response_status(&mut self) -> u16 {
        while find(&self.read, b"\r\n\r\n").is_none() {
            self.fill();
        }
        let status = self.read.get(9..12).map(String::from_utf8_lossy);
        status
            .and_then(|status| status.parse().ok())
            .expect("a status line")
    }

    /// Reads the response to a HEAD: it has a Content-Length and no body.
    pub fn response_to_head(&mut self) -> Response {
        self.read_response(true)
    }

    /// Waits until some bytes of a response have come.
    pub fn wait_for_bytes(&mut self) {
        if self.read.is_empty() {
            self.fill();
        }
    }

    fn read_response(&mut self, to_head: bool) -> Response {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            self.fill();
        };
        let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
        let status: u16 = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("not a response: {head}"));
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, length)| length.parse::<usize>().expect("a length"));
        let body = match length {
            _ if status < 200 || to_head => 0,
            Some(length) => length,
            None => panic!("a response without a length: {head}"),
        };
        while self.read.len() < end + body {
            self.fill();
        }
        self.read.drain(..end + body);
        Response { status, body }
    }

    /// Reads until the server closes, and gives how many bytes came.
    pub fn read_to_close(&mut self) -> usize {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        self.read.len() + rest.len()
    }

    /// The client's own address.
    pub fn local(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket")
    }

    /// Closes with a reset rather than a FIN.
    pub fn reset(self) {
        reset_on_close(&self.stream);
    }

    fn fill(&mut self) {
        let mut chunk = [0; 16 * 1024];
        let count = self.stream.read(&mut chunk).expect("the server answers");
        assert!(
            count > 0,
            "the server closed early; it had said {:?}",
            String::from_utf8_lossy(&self.read)
        );
        self.read.extend_from_slice(&chunk[..count]);
    }
}

/// A GET with the X-Id by which the access logs tell requests apart.
pub fn get(uri: &str, id: &str) -> String {
    format!("GET {uri} HTTP/1.1\r\nHost: production.test\r\nX-Id: {id}\r\n\r\n")
}

/// A request with a body and a Content-Length.
pub fn with_body(method: &str, uri: &str, id: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {uri} HTTP/1.1\r\nHost: production.test\r\nX-Id: {id}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// `size` bytes that look random, the same for the same seed.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..size)
        .map(|_| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// Makes closing this socket a reset.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    let linger = nix::libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(stream, sockopt::Linger, &linger).expect("SO_LINGER");
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
