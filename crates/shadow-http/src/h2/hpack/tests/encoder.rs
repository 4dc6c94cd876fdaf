//! An encoder that writes header lists in every way that RFC 7541 allows, as it is told, and says how far back somebody
//! must have read to know each field.

use std::collections::VecDeque;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::h2::hpack::{huffman, static_table};

/// A field, and how to write it.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub how: How,
}

/// The choices that an encoder has.
#[derive(Clone, Debug)]
pub struct How {
    /// Whether an entry with that name and value is used, where there is one.
    pub indexed: bool,
    /// The same for the name alone.
    pub named: bool,
    /// Which of the entries.
    pub which: Index,
    /// Of a literal: with incremental indexing, without, or never indexed.
    pub literal: Literal,
    /// Of name and value.
    pub huffman: [bool; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    Inserted,
    NotIndexed,
    NeverIndexed,
}

/// A header block: size updates, and fields.
#[derive(Clone, Debug)]
pub struct Block {
    pub sizes: Vec<u32>,
    pub fields: Vec<Field>,
}

/// A block as it is sent.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    /// Name and value of each field, and the first block that must be known for it.
    pub fields: Vec<(Vec<u8>, Vec<u8>, usize)>,
    /// Where each representation ends.
    pub ends: Vec<usize>,
}

/// Blocks whose tables are of at most `maximum` bytes.
pub fn blocks(maximum: u32) -> impl Strategy<Value = Vec<Block>> {
    let sizes = prop_oneof![6 => Just(Vec::new()), 1 => vec(0..=maximum, 1..3), 1 => vec(0..=200_u32.min(maximum), 1..3)];
    let block = (sizes, vec(field(), 1..8)).prop_map(|(sizes, fields)| Block { sizes, fields });
    vec(block, 1..12)
}

fn field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        5 => select(vec![":path", ":authority", ":method", "cookie", "x-a", "x-b", "grpc-timeout", "te", "user-agent"])
            .prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ];
    let value = prop_oneof![
        5 => select(vec!["/", "GET", "a", "", "example.com", "/a.Service/Method", "trailers", "10S"])
            .prop_map(|value| value.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..40),
        1 => (0..3000_usize).prop_map(|length| vec![b'v'; length]),
    ];
    (name, value, how()).prop_map(|(name, value, how)| Field { name, value, how })
}

/// Any of the choices.
pub fn how() -> impl Strategy<Value = How> {
    (
        any::<(bool, bool)>(),
        any::<Index>(),
        literal(),
        any::<[bool; 2]>(),
    )
        .prop_map(|((indexed, named), which, literal, huffman)| How {
            indexed,
            named,
            which,
            literal,
            huffman,
        })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        4 => Just(Literal::Inserted),
        1 => Just(Literal::NotIndexed),
        1 => Just(Literal::NeverIndexed),
    ]
}

/// Encodes all blocks of a connection.
pub fn encode(blocks: &[Block]) -> Vec<Encoded> {
    let mut encoder = Encoder {
        entries: VecDeque::new(),
        maximum: 4096,
    };
    let encode = |(at, block)| encoder.block(at, block);
    blocks.iter().enumerate().map(encode).collect()
}

/// An entry of the dynamic table.
struct Entry {
    name: Vec<u8>,
    value: Vec<u8>,
    /// The first block that must be known for the entry to be known, and for its name.
    since: usize,
}

struct Encoder {
    entries: VecDeque<Entry>,
    maximum: usize,
}

impl Encoder {
    fn block(&mut self, at: usize, block: &Block) -> Encoded {
        let mut encoded = Encoded {
            bytes: Vec::new(),
            fields: Vec::new(),
            ends: Vec::new(),
        };
        for size in &block.sizes {
            integer(&mut encoded.bytes, 0x20, 5, *size as usize);
            self.maximum = *size as usize;
            self.evict();
            encoded.ends.push(encoded.bytes.len());
        }
        for field in &block.fields {
            let since = self.field(at, field, &mut encoded.bytes);
            encoded
                .fields
                .push((field.name.clone(), field.value.clone(), since));
            encoded.ends.push(encoded.bytes.len());
        }
        encoded
    }

    /// Writes a field of block `at`, and returns the first block that must be known for it.
    fn field(&mut self, at: usize, field: &Field, bytes: &mut Vec<u8>) -> usize {
        let how = &field.how;
        if how.indexed
            && let Some((index, since)) = self.find(how.which, at, |name, value| {
                name == field.name && value == field.value
            })
        {
            integer(bytes, 0x80, 7, index);
            return since;
        }
        let named = self.find(how.which, at, |name, _| name == field.name);
        let (index, since) = named.filter(|_| how.named).unwrap_or((0, at));
        let (pattern, bits) = match how.literal {
            Literal::Inserted => (0x40, 6),
            Literal::NotIndexed => (0, 4),
            Literal::NeverIndexed => (0x10, 4),
        };
        integer(bytes, pattern, bits, index);
        if index == 0 {
            string(bytes, &field.name, how.huffman[0]);
        }
        string(bytes, &field.value, how.huffman[1]);
        if how.literal == Literal::Inserted {
            self.entries.push_front(Entry {
                name: field.name.clone(),
                value: field.value.clone(),
                since,
            });
            self.evict();
        }
        since
    }

    /// One of the entries that `is_meant` has: its index, and since when it is known.
    fn find(
        &self,
        which: Index,
        at: usize,
        is_meant: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<(usize, usize)> {
        let statics = (1..=static_table::LENGTH).filter_map(|index| {
            let (name, value) = static_table::entry(index)?;
            is_meant(name, value).then_some((index, at))
        });
        let dynamics = self.entries.iter().enumerate().filter_map(|(index, entry)| {
            is_meant(&entry.name, &entry.value).then_some((index + 1 + static_table::LENGTH, entry.since))
        });
        let all: Vec<_> = statics.chain(dynamics).collect();
        (!all.is_empty()).then(|| *which.get(&all))
    }

    fn evict(&mut self) {
        let size = |entry: &Entry| entry.name.len() + entry.value.len() + 32;
        while self.entries.iter().map(size).sum::<usize>() > self.maximum {
            self.entries.pop_back();
        }
    }
}

fn integer(bytes: &mut Vec<u8>, pattern: u8, bits: u32, value: usize) {
    let mask = (1 << bits) - 1;
    if value < mask {
        return bytes.push(pattern | value as u8);
    }
    bytes.push(pattern | mask as u8);
    let mut rest = value - mask;
    while rest >= 128 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn string(bytes: &mut Vec<u8>, string: &[u8], is_huffman: bool) {
    if is_huffman {
        let coded = huffman_coded(string);
        integer(bytes, 0x80, 7, coded.len());
        bytes.extend(coded);
    } else {
        integer(bytes, 0, 7, string.len());
        bytes.extend(string);
    }
}

/// A string in Huffman code, bit by bit.
pub fn huffman_coded(string: &[u8]) -> Vec<u8> {
    static CODES: LazyLock<Vec<(u32, u8)>> = LazyLock::new(codes);
    let mut bits: Vec<bool> = Vec::new();
    for byte in string {
        let (code, length) = CODES[usize::from(*byte)];
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    }
    let byte = |bits: &[bool]| {
        (0..8).fold(0, |byte, bit| {
            byte << 1 | u8::from(*bits.get(bit).unwrap_or(&true))
        })
    };
    bits.chunks(8).map(byte).collect()
}

/// Code and length of each symbol: consecutive numbers, shorter codes first (RFC 7541 appendix B).
fn codes() -> Vec<(u32, u8)> {
    let mut order: Vec<usize> = (0..257).collect();
    order.sort_by_key(|symbol| huffman::LENGTHS[*symbol]);
    let mut codes = vec![(0, 0); 257];
    let (mut next, mut last) = (0_u32, 0);
    for symbol in order {
        let length = huffman::LENGTHS[symbol];
        next <<= length - last;
        last = length;
        codes[symbol] = (next, length);
        next += 1;
    }
    codes
}
