//! Properties of any header lists, tables and bytes; another implementation decodes the same.

use proptest::prelude::*;
use proptest::sample::Index;

use super::encoder::{Encoded, blocks, encode};
use super::*;
use crate::h2::hpack::table::UNKNOWN_TABLE_SIZE;

/// Octets of names and values.
type Octets = Vec<(Vec<u8>, Vec<u8>)>;

/// All fields of a block.
fn fields(block: &Encoded) -> Octets {
    let field = |(name, value, _): &(Vec<u8>, Vec<u8>, usize)| (name.clone(), value.clone());
    block.fields.iter().map(field).collect()
}

/// The fields of a block that are known to who has read it and those before it from block `start` on.
fn known(block: &Encoded, start: usize) -> Octets {
    let is_known = |(_, _, since): &&(Vec<u8>, Vec<u8>, usize)| *since >= start;
    let field = |(name, value, _): &(Vec<u8>, Vec<u8>, usize)| (name.clone(), value.clone());
    block.fields.iter().filter(is_known).map(field).collect()
}

fn octets(list: &FieldList) -> Octets {
    let field = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    list.iter().map(field).collect()
}

/// Decodes a block that comes when all from `start` on were read: exactly what can be known of it is.
fn check(decoder: &mut Decoder, block: &Encoded, start: usize) {
    let mut list = FieldList::new();
    let completeness = decoder.decode(&block.bytes, &mut list, &LIMITS);
    let expected = known(block, start);
    let is_whole = expected.len() == block.fields.len();
    assert_eq!(octets(&list), expected);
    assert_eq!(
        completeness,
        Ok(if is_whole {
            Completeness::Whole
        } else {
            Completeness::Unknown
        })
    );
}

/// The same where the table is larger than what is kept of it: what is known is true.
fn check_true(decoder: &mut Decoder, block: &Encoded) {
    let mut list = FieldList::new();
    let completeness = decoder.decode(&block.bytes, &mut list, &LIMITS).unwrap();
    let (list, all) = (octets(&list), fields(block));
    match completeness {
        Completeness::Whole => assert_eq!(list, all),
        _ => assert!(list.len() < all.len() && is_part(&list, &all)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_lists_decode_to_what_was_encoded(blocks in blocks(MAX_TABLE_SIZE)) {
        let mut other = loona_hpack::Decoder::new();
        let mut decoder = Decoder::new();
        for block in encode(&blocks) {
            prop_assert_eq!(other.decode(&block.bytes).unwrap(), fields(&block));
            check(&mut decoder, &block, 0);
        }
    }

    #[test]
    fn joined_at_any_block_exactly_what_came_since_is_known(blocks in blocks(UNKNOWN_TABLE_SIZE)) {
        let blocks = encode(&blocks);
        for start in 0..blocks.len() {
            let mut decoder = Decoder::joined();
            for block in &blocks[start..] {
                check(&mut decoder, block, start);
            }
        }
    }

    #[test]
    fn behind_a_lost_block_exactly_what_came_since_is_known(blocks in blocks(UNKNOWN_TABLE_SIZE)) {
        let blocks = encode(&blocks);
        for lost in 0..blocks.len() {
            let mut decoder = Decoder::new();
            for (at, block) in blocks.iter().enumerate() {
                match at.cmp(&lost) {
                    std::cmp::Ordering::Less => check(&mut decoder, block, 0),
                    std::cmp::Ordering::Equal => decoder.lost(),
                    std::cmp::Ordering::Greater => check(&mut decoder, block, lost + 1),
                }
            }
        }
    }

    #[test]
    fn a_block_cut_anywhere_is_a_shorter_list_or_an_error(blocks in blocks(4096), cut in any::<Index>()) {
        let blocks = encode(&blocks);
        let at = cut.index(blocks.len());
        let end = cut.index(blocks[at].bytes.len() + 1);
        let mut decoder = Decoder::new();
        for block in &blocks[..at] {
            check(&mut decoder, block, 0);
        }
        let mut list = FieldList::new();
        let decoded = decoder.decode(&blocks[at].bytes[..end], &mut list, &LIMITS);
        let is_between = end == 0 || blocks[at].ends.contains(&end);
        if is_between {
            prop_assert_eq!(decoded, Ok(Completeness::Whole));
            prop_assert!(fields(&blocks[at]).starts_with(&octets(&list)));
        } else {
            prop_assert_eq!(decoded, Err(HpackError::Truncated));
            prop_assert!(list.is_empty());
            for block in &blocks[at + 1..] {
                check(&mut decoder, block, at + 1);
            }
        }
    }

    #[test]
    fn limits_cut_lists_and_leave_the_table_alone(blocks in blocks(4096), max_head in 0..400_usize) {
        let limits = Limits { max_head, max_body: 0, max_headers: 4 };
        let mut limited = Decoder::new();
        let mut decoder = Decoder::new();
        for block in encode(&blocks) {
            let mut list = FieldList::new();
            let completeness = limited.decode(&block.bytes, &mut list, &limits).unwrap();
            let all = fields(&block);
            let size = |fields: &[(Vec<u8>, Vec<u8>)]| {
                fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum::<usize>()
            };
            prop_assert!(all.starts_with(&octets(&list)));
            prop_assert!(size(&octets(&list)) <= max_head);
            prop_assert_eq!(list.size(), size(&all));
            prop_assert_eq!(completeness == Completeness::Whole, list.len() == all.len());
            prop_assert!(completeness != Completeness::Unknown);
            check(&mut decoder, &block, 0);
            prop_assert_eq!(format!("{limited:?}"), format!("{decoder:?}"));
        }
    }

    #[test]
    fn any_bytes_decode_as_another_implementation_does(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..6),
    ) {
        let (mut decoder, mut joined) = (Decoder::new(), Decoder::joined());
        let mut other = loona_hpack::Decoder::new();
        let mut is_compared = true;
        for block in blocks {
            let mut list = FieldList::new();
            let decoded = decoder.decode(&block, &mut list, &LIMITS);
            // An error of the other one leaves it in the middle; and it takes a size update anywhere but at the end.
            match (is_compared, other.decode(&block)) {
                (true, Ok(fields)) if decoded.is_ok() => {
                    prop_assert_eq!(octets(&list), fields);
                }
                _ => is_compared = false,
            }
            let _ = joined.decode(&block, &mut list, &LIMITS);
        }
    }

    #[test]
    fn any_string_comes_back_from_huffman_code(string in prop::collection::vec(any::<u8>(), 0..200)) {
        let coded = super::encoder::huffman_coded(&string);
        let mut decoded = b"before".to_vec();
        crate::h2::hpack::huffman::decode(&coded, &mut decoded).unwrap();
        prop_assert_eq!(&decoded[6..], &string[..]);
        prop_assert_eq!(loona_hpack::huffman::HuffmanDecoder::new().decode(&coded).unwrap(), string);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_a_table_beyond_the_bound_nothing_is_wrong(blocks in blocks(1 << 20), large in 0..70_000_usize) {
        let mut blocks = blocks;
        let length = blocks.len();
        blocks[length / 2].sizes = vec![1 << 20];
        for block in &mut blocks[length / 2..] {
            block.fields[0].value = vec![b'v'; large];
            block.fields[0].how.huffman[1] = false;
        }
        for start in [0, length / 2] {
            let mut decoder = if start == 0 { Decoder::new() } else { Decoder::joined() };
            for block in &encode(&blocks)[start..] {
                check_true(&mut decoder, block);
                prop_assert!(decoder.memory() < 256 << 10, "{}", decoder.memory());
            }
        }
    }
}
