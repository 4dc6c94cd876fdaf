//! The wire format of Protocol Buffers (<https://protobuf.dev/programming-guides/encoding/>): fields as numbers and values of a
//! wire type, whatever they mean.

/// Deepest groups within groups that are passed over.
const MAX_GROUPS: usize = 60;
/// Largest number of a field.
const MAX_NUMBER: u32 = (1 << 29) - 1;

/// A field of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field<'a> {
    pub number: u32,
    pub value: Raw<'a>,
}

/// A value as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes, a message, or several numbers packed.
    Bytes(&'a [u8]),
    /// The fields between the tags of a group.
    Group(&'a [u8]),
    Fixed32(u32),
}

/// Reads fields from the front of a message.
pub(crate) struct Reading<'a> {
    rest: &'a [u8],
}

impl<'a> Reading<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next field; `Ok(None)` at the end, `Err` where there is none.
    pub fn next(&mut self) -> Result<Option<Field<'a>>, NotProtobuf> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, kind) = self.tag()?;
        let value = match kind {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| NotProtobuf)?;
                Raw::Bytes(self.take(length)?)
            }
            3 => Raw::Group(self.group(number)?),
            5 => Raw::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(NotProtobuf),
        };
        Ok(Some(Field { number, value }))
    }

    fn tag(&mut self) -> Result<(u32, u8), NotProtobuf> {
        let tag = u32::try_from(self.varint()?).map_err(|_| NotProtobuf)?;
        let number = tag >> 3;
        if number == 0 || number > MAX_NUMBER {
            return Err(NotProtobuf);
        }
        Ok((number, (tag & 7) as u8))
    }

    /// A number of seven bits a byte: ten bytes at most, of which bits beyond 64 count for nothing.
    pub fn varint(&mut self) -> Result<u64, NotProtobuf> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(NotProtobuf)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(NotProtobuf)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], NotProtobuf> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(NotProtobuf)?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], NotProtobuf> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(NotProtobuf)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The inside of a group, up to the tag that ends it.
    fn group(&mut self, number: u32) -> Result<&'a [u8], NotProtobuf> {
        let inside = self.rest;
        let mut open = vec![number];
        loop {
            let before = self.rest.len();
            let (number, kind) = self.tag()?;
            match kind {
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => {
                    let length = usize::try_from(self.varint()?).map_err(|_| NotProtobuf)?;
                    self.take(length)?;
                }
                3 if open.len() < MAX_GROUPS => open.push(number),
                4 => {
                    if open.pop() != Some(number) {
                        return Err(NotProtobuf);
                    }
                    if open.is_empty() {
                        return Ok(&inside[..inside.len() - before]);
                    }
                }
                5 => drop(self.array::<4>()?),
                _ => return Err(NotProtobuf),
            }
        }
    }
}

/// These bytes are no message, or one with more in it than is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotProtobuf;

/// All fields of a message, at most as many as `left` says, from which they are taken.
pub(crate) fn fields<'a>(message: &'a [u8], left: &mut usize) -> Result<Vec<Field<'a>>, NotProtobuf> {
    let mut reading = Reading::new(message);
    let mut all = Vec::new();
    while let Some(field) = reading.next()? {
        *left = left.checked_sub(1).ok_or(NotProtobuf)?;
        all.push(field);
    }
    Ok(all)
}

/// Appends a number as a varint.
pub(crate) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | 2, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Field<'_>>, NotProtobuf> {
        fields(bytes, &mut 100)
    }

    #[test]
    fn fields_of_every_wire_type_are_read() {
        // The examples of the encoding guide, and a group.
        let all =
            read(b"\x08\x96\x01\x12\x07testing\x1d\x01\0\0\0\x21\x02\0\0\0\0\0\0\0\x2b\x08\x01\x33\x34\x2c")
                .unwrap();
        let of = |number, value| Field { number, value };
        assert_eq!(
            all,
            [
                of(1, Raw::Varint(150)),
                of(2, Raw::Bytes(b"testing")),
                of(3, Raw::Fixed32(1)),
                of(4, Raw::Fixed64(2)),
                of(5, Raw::Group(b"\x08\x01\x33\x34")),
            ]
        );
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn what_is_no_message_is_told() {
        for bytes in [
            &b"\x08"[..],
            b"\x00\x01",
            b"\x07",
            b"\x0a\x05abc",
            b"\x0d\0\0\0",
            b"\x0b\x08\x01",
            b"\x0b\x14",
            b"\x0c",
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\xff\xff\xff\xff\x7f\x01",
        ] {
            assert_eq!(read(bytes), Err(NotProtobuf), "{bytes:?}");
        }
        assert_eq!(read(&b"\x0b".repeat(1_000_000)), Err(NotProtobuf));
        assert_eq!(fields(b"\x08\x01\x08\x01", &mut 1), Err(NotProtobuf));
    }

    #[test]
    fn a_number_below_nothing_takes_ten_bytes() {
        let bytes = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert_eq!(read(bytes).unwrap()[0].value, Raw::Varint(u64::MAX));
        let mut out = vec![8];
        put_varint(u64::MAX, &mut out);
        assert_eq!(out, bytes);
    }
}
