//! The Huffman code of string literals (RFC 7541 section 5.2 and appendix B).
//!
//! The code is canonical: codes of one length are consecutive numbers in the order of their symbols, and shorter codes
//! come before longer ones. So the lengths are the whole table, and decoding needs no tree: what has up to
//! [`FAST_BITS`] bits (every letter, digit and usual sign) is looked up in one step, and a longer code is found by
//! comparing it with where the codes of each length end.

use super::HpackError;

/// Bits of the codes that are looked up at once. 4 KiB of table; all of ASCII that headers are made of.
const FAST_BITS: u32 = 11;
/// The longest code.
const MAX_BITS: u32 = 30;
/// The symbol that ends a string, and must not stand in one.
const EOS: u16 = 256;

/// Length of each symbol's code, the last one's being that of [`EOS`].
#[rustfmt::skip]
pub(super) const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
     6, 10, 10, 12, 13,  6,  8, 11, 10, 10,  8, 11,  8,  6,  6,  6,
     5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8, 15,  6, 12, 10,
    13,  6,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,
     7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8, 13, 19, 13, 14,  6,
    15,  5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,
     6,  7,  6,  5,  5,  6,  7,  7,  7,  7,  7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Where the codes of one length are.
#[derive(Clone, Copy)]
struct Codes {
    /// The first of them.
    first: u32,
    /// Where its symbol stands in [`TABLES`]`.symbols`.
    offset: u16,
    /// One more than the last of them, as the leading bits of 32.
    end: u64,
}

struct Tables {
    /// Symbol and code length (high byte) for the leading bits; 0 where the code is longer.
    fast: [u16; 1 << FAST_BITS],
    /// By length.
    codes: [Codes; MAX_BITS as usize + 1],
    /// In the order of their codes.
    symbols: [u16; 257],
}

static TABLES: Tables = tables();

const fn tables() -> Tables {
    let empty = Codes {
        first: 0,
        offset: 0,
        end: 0,
    };
    let mut tables = Tables {
        fast: [0; 1 << FAST_BITS],
        codes: [empty; MAX_BITS as usize + 1],
        symbols: [0; 257],
    };
    let (mut code, mut placed, mut bits) = (0_u32, 0_u16, 1);
    while bits <= MAX_BITS {
        code <<= 1;
        tables.codes[bits as usize].first = code;
        tables.codes[bits as usize].offset = placed;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as u32 == bits {
                tables.symbols[placed as usize] = symbol as u16;
                if bits <= FAST_BITS {
                    let spare = FAST_BITS - bits;
                    let mut at = code << spare;
                    while at < (code + 1) << spare {
                        tables.fast[at as usize] = symbol as u16 | (bits as u16) << 8;
                        at += 1;
                    }
                }
                placed += 1;
                code += 1;
            }
            symbol += 1;
        }
        tables.codes[bits as usize].end = (code as u64) << (32 - bits);
        bits += 1;
    }
    tables
}

/// Appends what `input` stands for to `output`.
///
/// # Errors
///
/// [`HpackError::Huffman`] where RFC 7541 section 5.2 has a decoding error: EOS in the string, or padding that is longer
/// than 7 bits or not the beginning of EOS.
pub(super) fn decode(input: &[u8], output: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = output.len();
    // The shortest code has 5 bits.
    output.resize(start + input.len() * 8 / 5, 0);
    let decoded = Bits::new(input).decode_into(&mut output[start..]);
    output.truncate(start + decoded.as_ref().map_or(0, |length| *length));
    decoded.map(|_| ())
}

/// The bits of a string that are not decoded yet.
struct Bits<'a> {
    rest: &'a [u8],
    /// The next ones, from the highest down; 0 behind them.
    window: u64,
    /// How many.
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            window: 0,
            count: 0,
        }
    }

    /// Decodes all, and returns how many bytes that are. `output` has room for the shortest codes.
    fn decode_into(mut self, output: &mut [u8]) -> Result<usize, HpackError> {
        let mut length = 0;
        loop {
            self.refill();
            while self.count >= FAST_BITS {
                let found = TABLES.fast[(self.window >> (u64::BITS - FAST_BITS)) as usize];
                if found == 0 {
                    break;
                }
                output[length] = found as u8;
                length += 1;
                self.take(u32::from(found >> 8));
            }
            self.refill();
            if self.count == 0 {
                return Ok(length);
            }
            let (symbol, bits) = self.look_up();
            if bits > self.count {
                return self.is_padding().then_some(length).ok_or(HpackError::Huffman);
            }
            if symbol == EOS {
                return Err(HpackError::Huffman);
            }
            output[length] = symbol as u8;
            length += 1;
            self.take(bits);
        }
    }

    /// Takes in bytes until there are [`MAX_BITS`] bits or no more bytes.
    fn refill(&mut self) {
        if let Some((word, rest)) = self.rest.split_first_chunk::<4>()
            && self.count <= 32
        {
            self.window |= u64::from(u32::from_be_bytes(*word)) << (32 - self.count);
            self.count += 32;
            self.rest = rest;
        }
        while let Some((byte, rest)) = self.rest.split_first()
            && self.count < MAX_BITS
        {
            self.window |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    fn take(&mut self, bits: u32) {
        self.window <<= bits;
        self.count -= bits;
    }

    /// The next symbol and the length of its code, were the bits behind the last one all 1.
    fn look_up(&self) -> (u16, u32) {
        let filled = self.window | u64::MAX.checked_shr(self.count).unwrap_or(0);
        let found = TABLES.fast[(filled >> (u64::BITS - FAST_BITS)) as usize];
        if found != 0 {
            return (found & 0xff, u32::from(found >> 8));
        }
        let leading = filled >> 32;
        let longer = FAST_BITS + 1..MAX_BITS;
        let bits = longer
            .into_iter()
            .find(|bits| leading < TABLES.codes[*bits as usize].end);
        let bits = bits.unwrap_or(MAX_BITS);
        let codes = TABLES.codes[bits as usize];
        let nth = (leading as u32 >> (32 - bits)) - codes.first;
        (TABLES.symbols[usize::from(codes.offset) + nth as usize], bits)
    }

    /// Whether the bits left are the padding of a last byte.
    fn is_padding(&self) -> bool {
        self.count < 8 && self.window.leading_ones() == self.count
    }
}
