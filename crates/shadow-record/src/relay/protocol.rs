//! The lines of the acknowledged form, version 1. All are ASCII and end in LF.
//!
//! ```text
//! sender    shadow-agent-relay/1 SESSION      hello; SESSION: 1 to 64 of a-z 0-9 -
//! receiver  shadow-agent-relay/1 SEQUENCE     all up to SEQUENCE was taken (0: nothing)
//! sender    SEQUENCE LENGTH                   a frame: LENGTH bytes follow, a record without its separator
//! receiver  SEQUENCE                          all up to SEQUENCE was taken
//! ```
//!
//! Sequences ascend within a session, and may leave numbers out. What was not acknowledged is sent again after the next
//! hello of the session.

use std::time::Duration;

use super::header::number;

/// Greeting of both sides: protocol and version.
const GREETING: &str = "shadow-agent-relay/1";

/// How often a receiver that has not taken all it was sent says what it has taken, though it is no more than before: so a
/// slow receiver is told from one that is gone.
pub const SAY_AGAIN: Duration = Duration::from_secs(2);

/// Longest line in bytes, its end included.
pub const MAX_LINE: usize = 128;

/// Longest name of a session.
pub const MAX_SESSION: usize = 64;

/// The other side says what version 1 does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the relay protocol (version 1)")]
pub struct ProtocolError;

/// The sender's first line.
pub fn hello(session: &str) -> String {
    format!("{GREETING} {session}\n")
}

/// Reads the sender's first line: the name of its session.
///
/// # Errors
///
/// Where it is not such a line.
pub fn read_hello(line: &[u8]) -> Result<String, ProtocolError> {
    let session = greeted(line)?;
    let named = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    if session.is_empty() || session.len() > MAX_SESSION || !session.iter().all(named) {
        return Err(ProtocolError);
    }
    String::from_utf8(session.to_vec()).map_err(|_| ProtocolError)
}

/// The receiver's first line.
pub fn answer(taken: u64) -> String {
    format!("{GREETING} {taken}\n")
}

/// Reads the receiver's first line: the sequence up to which all was taken.
///
/// # Errors
///
/// Where it is not such a line.
pub fn read_answer(line: &[u8]) -> Result<u64, ProtocolError> {
    number(greeted(line)?).ok_or(ProtocolError)
}

/// Header line of a frame of `length` bytes.
pub fn frame(sequence: u64, length: usize) -> String {
    format!("{sequence} {length}\n")
}

/// Reads the line before a frame: its sequence, and how many bytes follow.
///
/// # Errors
///
/// Where it is not such a line.
pub fn read_frame(line: &[u8]) -> Result<(u64, usize), ProtocolError> {
    let space = memchr::memchr(b' ', line).ok_or(ProtocolError)?;
    let sequence = number(&line[..space]).ok_or(ProtocolError)?;
    let length = number(&line[space + 1..]).ok_or(ProtocolError)?;
    Ok((sequence, usize::try_from(length).map_err(|_| ProtocolError)?))
}

/// Acknowledgment line of the receiver.
pub fn acknowledgment(taken: u64) -> String {
    format!("{taken}\n")
}

/// Reads an acknowledgment.
///
/// # Errors
///
/// Where it is not such a line.
pub fn read_acknowledgment(line: &[u8]) -> Result<u64, ProtocolError> {
    number(line).ok_or(ProtocolError)
}

/// Whether `bytes`, the first of a connection, may begin a hello: `None` while they are too few to tell.
pub fn begins_hello(bytes: &[u8]) -> Option<bool> {
    let length = bytes.len().min(GREETING.len());
    if bytes[..length] != GREETING.as_bytes()[..length] {
        return Some(false);
    }
    (length == GREETING.len()).then_some(true)
}

fn greeted(line: &[u8]) -> Result<&[u8], ProtocolError> {
    line.strip_prefix(GREETING.as_bytes())
        .and_then(|rest| rest.strip_prefix(b" "))
        .ok_or(ProtocolError)
}

/// Lines of a stream that comes in pieces.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes after the lines that were read.
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    /// The next line without its end; `None` where it is not whole. One that is too long is an error.
    ///
    /// # Errors
    ///
    /// Where a line is longer than any of the protocol.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>, ProtocolError> {
        let start = &self.buffer[..self.buffer.len().min(MAX_LINE)];
        match memchr::memchr(b'\n', start) {
            Some(end) => {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                Ok(Some(line))
            }
            None if self.buffer.len() >= MAX_LINE => Err(ProtocolError),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_read_as_it_was_written() {
        let line = |text: &str| text.strip_suffix('\n').unwrap().as_bytes().to_vec();
        assert_eq!(hello("ab-0"), "shadow-agent-relay/1 ab-0\n");
        assert_eq!(read_hello(&line(&hello("ab-0"))).unwrap(), "ab-0");
        assert_eq!(answer(7), "shadow-agent-relay/1 7\n");
        assert_eq!(read_answer(&line(&answer(7))), Ok(7));
        assert_eq!(frame(3, 10), "3 10\n");
        assert_eq!(read_frame(&line(&frame(3, 10))), Ok((3, 10)));
        assert_eq!(acknowledgment(9), "9\n");
        assert_eq!(read_acknowledgment(&line(&acknowledgment(9))), Ok(9));
    }

    #[test]
    fn what_version_1_does_not_have_is_refused() {
        for hello in [
            "",
            "shadow-agent-relay/2 a",
            "shadow-agent-relay/1",
            "shadow-agent-relay/1 ",
            "shadow-agent-relay/1 A",
            "shadow-agent-relay/1 a b",
        ] {
            assert_eq!(read_hello(hello.as_bytes()), Err(ProtocolError), "{hello}");
        }
        let long = format!("shadow-agent-relay/1 {}", "a".repeat(MAX_SESSION + 1));
        assert!(read_hello(long.as_bytes()).is_err());
        for frame in ["", "1", "1 ", " 1", "1 1 1", "+1 1", "99999999999999999999 1"] {
            assert_eq!(read_frame(frame.as_bytes()), Err(ProtocolError), "{frame}");
        }
        assert!(read_acknowledgment(b"1 1").is_err());
    }

    #[test]
    fn a_hello_is_told_from_records_by_its_first_bytes() {
        assert_eq!(begins_hello(b""), None);
        assert_eq!(begins_hello(b"shadow-agent"), None);
        assert_eq!(begins_hello(b"shadow-agent-relay/1 x"), Some(true));
        assert_eq!(begins_hello(b"1 "), Some(false));
        assert_eq!(begins_hello(b"shadow-agent-relay/2"), Some(false));
    }

    #[test]
    fn lines_come_in_pieces_and_are_bounded() {
        let mut lines = Lines::default();
        lines.push(b"12");
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(b"3\n4\n");
        assert_eq!(lines.next_line(), Ok(Some(b"123".to_vec())));
        assert_eq!(lines.next_line(), Ok(Some(b"4".to_vec())));
        assert_eq!(lines.next_line(), Ok(None));
        lines.push(&[b'1'; MAX_LINE]);
        assert_eq!(lines.next_line(), Err(ProtocolError));
    }
}
