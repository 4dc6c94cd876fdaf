//! The primitive types of a header block (RFC 7541 section 5): integers and strings.

use super::{HpackError, huffman};

/// Most bytes of an integer behind its prefix: with them it has 35 bits. More could only be zeros or too large.
const MAX_CONTINUATION: u32 = 5;

/// The rest of a header block, not read yet.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(block: &'a [u8]) -> Self {
        Self(block)
    }

    /// The next byte, which says what follows; `None` at the end of the block.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// An integer with a prefix of `bits` bits (section 5.1). At most 32 bits long: the largest one that means
    /// something is a table size, which is a setting, and those have 32.
    pub fn integer(&mut self, bits: u32) -> Result<u32, HpackError> {
        let mask = (1_u32 << bits) - 1;
        let prefix = u32::from(self.byte()?) & mask;
        if prefix < mask {
            return Ok(prefix);
        }
        let mut value = u64::from(prefix);
        for position in 0..MAX_CONTINUATION {
            let byte = self.byte()?;
            value += u64::from(byte & 0x7f) << (7 * position);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| HpackError::Integer);
            }
        }
        Err(HpackError::Integer)
    }

    /// A string (section 5.2), appended to `output`.
    pub fn string(&mut self, output: &mut Vec<u8>) -> Result<(), HpackError> {
        let is_huffman = self.peek().ok_or(HpackError::Truncated)? & 0x80 != 0;
        let length = self.integer(7)? as usize;
        let (string, rest) = self.0.split_at_checked(length).ok_or(HpackError::Truncated)?;
        self.0 = rest;
        if is_huffman {
            huffman::decode(string, output)
        } else {
            output.extend_from_slice(string);
            Ok(())
        }
    }

    fn byte(&mut self) -> Result<u8, HpackError> {
        let (byte, rest) = self.0.split_first().ok_or(HpackError::Truncated)?;
        self.0 = rest;
        Ok(*byte)
    }
}
