//! The line protocol between the agent and a middleware, as `GoReplay` speaks it: each message is one line of lower-case
//! hexadecimal digits, of the header line of a record (its line feed included) and the payload.

use std::io::Write;

use bytes::Bytes;

use crate::mirror::{MessageId, MessageKind};

/// A message as it goes to a middleware.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Its kind.
    pub kind: MessageKind,
    /// Its name.
    pub id: &'a MessageId,
    /// When its first byte was seen, in nanoseconds of Unix time.
    pub unix: u64,
    /// From its first byte to its last, in nanoseconds.
    pub took: u64,
    /// The payload's parts, one behind the other.
    pub payload: [&'a [u8]; 2],
}

/// A message as it came from a middleware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its kind.
    pub kind: MessageKind,
    /// Its name.
    pub id: MessageId,
    /// Its payload.
    pub payload: Bytes,
}

/// Errors of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It has another character than hexadecimal digits, or an odd number of them.
    #[error("it does not consist of pairs of hexadecimal digits")]
    Digits,
    /// There is no header line of a type (1, 2 or 3) and a name.
    #[error("it does not start with the type and the id of a message")]
    Header,
}

impl Outgoing<'_> {
    /// The line, its end included.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            MessageKind::Request => 1,
            MessageKind::Response => 2,
            MessageKind::Replayed => 3,
        };
        let mut header = Vec::with_capacity(72);
        // Writing to a `Vec` does not fail.
        let _ = writeln!(header, "{kind} {} {} {}", self.id, self.unix, self.took);
        let payload: usize = self.payload.iter().map(|part| part.len()).sum();
        let mut line = Vec::with_capacity(2 * (header.len() + payload) + 1);
        put_hex(&header, &mut line);
        for part in self.payload {
            put_hex(part, &mut line);
        }
        line.push(b'\n');
        line
    }
}

impl Incoming {
    /// Reads a line, without its end.
    pub fn decode(line: &[u8]) -> Result<Self, LineError> {
        let line = line.trim_ascii();
        let (pairs, rest) = line.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(LineError::Digits);
        }
        let bytes: Option<Vec<u8>> = pairs
            .iter()
            .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
            .collect();
        let bytes = Bytes::from(bytes.ok_or(LineError::Digits)?);
        let end = memchr::memchr(b'\n', &bytes).ok_or(LineError::Header)?;
        let mut fields = bytes[..end].trim_ascii_end().split(|byte| *byte == b' ');
        let kind = match fields.next() {
            Some(b"1") => MessageKind::Request,
            Some(b"2") => MessageKind::Response,
            Some(b"3") => MessageKind::Replayed,
            _ => return Err(LineError::Header),
        };
        let id = fields
            .next()
            .and_then(MessageId::given)
            .ok_or(LineError::Header)?;
        let payload = bytes.slice(end + 1..);
        Ok(Self { kind, id, payload })
    }
}

fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend(
        bytes
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_one_line_of_lower_case_digits() {
        let id = MessageId::given(b"a1").unwrap();
        let line = Outgoing {
            kind: MessageKind::Request,
            id: &id,
            unix: 5,
            took: 7,
            payload: [b"GET", b"\xff"],
        }
        .encode();
        assert_eq!(line, b"31206131203520370a474554ff\n");
    }

    #[test]
    fn what_comes_back_may_have_other_cases_line_ends_and_numbers() {
        let expected = Incoming {
            kind: MessageKind::Replayed,
            id: MessageId::given(b"a1").unwrap(),
            payload: Bytes::from_static(b"\xff"),
        };
        for line in [
            "3320613120350aff",
            "33206131203520370AFF\r",
            "33206131203520370d0aff",
        ] {
            assert_eq!(
                Incoming::decode(line.as_bytes()).as_ref(),
                Ok(&expected),
                "{line}"
            );
        }
    }

    #[test]
    fn a_line_that_is_no_message_says_why() {
        for (line, error) in [
            ("", LineError::Header),
            ("3", LineError::Digits),
            ("3x", LineError::Digits),
            ("hello world!", LineError::Digits),
            ("31206131", LineError::Header),
            ("34206131203520370a", LineError::Header),
            ("310a", LineError::Header),
        ] {
            assert_eq!(Incoming::decode(line.as_bytes()), Err(error), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn a_message_that_is_echoed_is_the_same(payload: Vec<u8>, unix: u64, took: u64) {
            let id = MessageId::given(b"9c4000500a010203deadbeef").unwrap();
            let (head, body) = payload.split_at(payload.len() / 2);
            let line = Outgoing { kind: MessageKind::Response, id: &id, unix, took, payload: [head, body] }.encode();
            prop_assert!(line.ends_with(b"\n"));
            let read = Incoming::decode(&line[..line.len() - 1]).unwrap();
            prop_assert_eq!(read, Incoming { kind: MessageKind::Response, id, payload: payload.into() });
        }

        #[test]
        fn no_line_is_trusted(line: Vec<u8>) {
            let _ = Incoming::decode(&line);
        }
    }
}
