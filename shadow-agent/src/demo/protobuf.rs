//! The little of Protocol Buffers and gRPC that the demo's service and its clients write and read.
//!
//! Encoding: <https://protobuf.dev/programming-guides/encoding/>. Framing: a flag and a length before each message
//! (gRPC over HTTP2, "Length-Prefixed-Message").

use bytes::{BufMut, Bytes, BytesMut};

/// Wire types: a number, and bytes with their length.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// A message, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

impl Message {
    /// Adds a number.
    #[must_use]
    pub fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3 | VARINT);
        self.varint(value);
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// It as gRPC sends it, not compressed.
    pub fn framed(&self) -> Bytes {
        let mut frame = BytesMut::with_capacity(5 + self.0.len());
        frame.put_u8(0);
        frame.put_u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        frame.put_slice(&self.0);
        frame.freeze()
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The numbers of fields 1 and 2 of the one message in a call's body, if it is made of numbers alone; zero where one is missing.
pub fn numbers(body: &[u8]) -> Option<[u64; 2]> {
    let (&[0, a, b, c, d], mut rest) = body.split_first_chunk()? else {
        return None;
    };
    if rest.len() != u32::from_be_bytes([a, b, c, d]) as usize {
        return None;
    }
    let mut numbers = [0; 2];
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let value = varint(&mut rest)?;
        if key & 7 != VARINT {
            return None;
        }
        if let Some(number) = numbers.get_mut((key >> 3).checked_sub(1)? as usize) {
            *number = value;
        }
    }
    Some(numbers)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_encoding_has_them() {
        // The examples of the encoding's documentation: `a: 150`, `b: "testing"`, and the first as field 3 of another.
        let number = Message::default().number(1, 150);
        assert_eq!(number.0, [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").0, b"\x12\x07testing");
        let outer = Message::default().message(3, &number);
        assert_eq!(outer.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(number.framed(), &[0, 0, 0, 0, 3, 0x08, 0x96, 0x01][..]);
    }

    #[test]
    fn what_was_written_is_read() {
        let call = Message::default().number(1, 150).number(2, 7).framed();
        assert_eq!(numbers(&call), Some([150, 7]));
        assert_eq!(numbers(&Message::default().framed()), Some([0, 0]));
        for bad in [
            &b""[..],
            b"\0\0\0\0\x01",
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x02\x08\x80",
            b"\0\0\0\0\x02\x00\x00",
        ] {
            assert_eq!(numbers(bad), None, "{bad:?}");
        }
    }
}
