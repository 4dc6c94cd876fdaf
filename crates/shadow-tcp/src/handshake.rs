//! Whether a connection's server took it: the three packets of the handshake (RFC 9293 section 3.5), as far as they are
//! seen.
//!
//! A server answers any SYN, whoever's address is on it. What proves that it took the connection is that the client
//! acknowledges the server's first sequence number, which only those know who got the answer: the server passes on
//! nothing before (Linux: `tcp_check_req` in `net/ipv4/tcp_minisocks.c`). So does anything that a server sends only on a
//! connection that it has taken. A server that greets (HTTP/2's SETTINGS) may be acknowledged so far that its first number
//! is passed: its data, and what the client sends without any, are not seen where no answers are asked for.

/// Longest greeting that a client may have heard before it asks, in bytes: servers of HTTP/2 send fewer than 100. Of
/// forged requests, whose numbers are guesses, one in four million is taken for real.
const GREETING: u32 = 1024;

/// The handshake of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handshake {
    state: State,
    /// Sequence number of the server's first byte, by its latest answer.
    first: Option<u32>,
    /// Acknowledgment number of the client's first data.
    claimed: Option<u32>,
}

/// Whether who acknowledges so much has heard of the server's first number.
fn heard(first: u32, acknowledged: u32) -> bool {
    acknowledged.wrapping_sub(first) <= GREETING
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its SYN was seen, and nothing else.
    Asked,
    /// The client sends data, and nothing shows so far that the server took the connection.
    Pending,
    /// It did not in time.
    Silent,
    /// It is not asked for, or proved.
    Over,
}

impl Handshake {
    /// Of a connection whose SYN was seen.
    pub fn asked() -> Self {
        Self {
            state: State::Asked,
            first: None,
            claimed: None,
        }
    }

    /// Of a connection of which it is not asked.
    pub fn over() -> Self {
        Self {
            state: State::Over,
            ..Self::asked()
        }
    }

    /// Whether there is nothing to be found out any more.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// Whether the client sends data on a connection that may never have been.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    /// The client has sent data, with this acknowledgment number; with none on the SYN. `true` when that proves the
    /// connection.
    pub fn data(&mut self, acknowledgment: Option<u32>) -> bool {
        if self.state == State::Asked {
            self.state = State::Pending;
        }
        if self.claimed.is_none() {
            self.claimed = acknowledgment;
        }
        let proved = self.first.zip(acknowledgment);
        self.prove(proved.is_some_and(|(first, acknowledged)| heard(first, acknowledged)))
    }

    /// The server has answered the SYN, and its first byte has this sequence number. With `data` it has taken what came
    /// with the SYN too (RFC 7413). `true` when that proves the connection.
    pub fn answered(&mut self, first: u32, data: bool) -> bool {
        self.first = Some(first);
        self.prove(data || self.claimed.is_some_and(|claimed| heard(first, claimed)))
    }

    /// The server has sent something else. `true` when that proves the connection.
    pub fn spoke(&mut self) -> bool {
        self.prove(true)
    }

    /// No proof came in time. It may come all the same.
    pub fn give_up(&mut self) {
        self.state = State::Silent;
    }

    /// It is not asked for any more.
    pub fn end(&mut self) {
        self.state = State::Over;
    }

    fn prove(&mut self, proved: bool) -> bool {
        let first = proved && self.state != State::Over;
        if first {
            self.state = State::Over;
        }
        first
    }
}
