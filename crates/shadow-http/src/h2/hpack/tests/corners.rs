//! Corners of HPACK: errors, what is none, and the cost of hostile blocks.

use super::*;
use crate::h2::hpack::huffman;
use crate::h2::hpack::reader::Reader;

/// The same as the decoder of a new connection.
fn new(block: &str) -> Decoded {
    decode(&mut Decoder::new(), &hex(block))
}

fn joined(block: &str) -> Decoded {
    decode(&mut Decoder::joined(), &hex(block))
}

#[test]
fn integers_beyond_32_bits_are_errors() {
    let integer = |bytes: &str| Reader::new(&hex(bytes)).integer(5);
    assert_eq!(integer("1f e0 ff ff ff 0f"), Ok(u32::MAX));
    assert_eq!(integer("1f e1 ff ff ff 0f"), Err(HpackError::Integer));
    assert_eq!(integer("1f ff ff ff ff 7f"), Err(HpackError::Integer));
    assert_eq!(integer("1f 80 80 80 80 00"), Ok(31));
    assert_eq!(integer("1f 80 80 80 80 80 00"), Err(HpackError::Integer));
    assert_eq!(integer("1f 80 80"), Err(HpackError::Truncated));
    assert_eq!(integer("1f"), Err(HpackError::Truncated));
    assert_eq!(integer(""), Err(HpackError::Truncated));
}

#[test]
fn an_index_of_zero_or_outside_a_known_table_is_an_error() {
    for block in ["80", "be", "7e 00", "0f 2f 00", "82 bf"] {
        assert_eq!(new(block), Err(HpackError::Index), "{block}");
    }
    assert_eq!(joined("80"), Err(HpackError::Index));
}

#[test]
fn an_index_outside_what_is_known_makes_the_list_incomplete() {
    let only_get = Ok((
        Completeness::Unknown,
        vec![(":method".to_owned(), "GET".to_owned())],
    ));
    for block in [
        "82 be",
        "be 82",
        "82 7e 01 61",
        "82 0f 2f 01 61",
        "82 ff 80 ff ff ff 0f",
    ] {
        assert_eq!(joined(block), only_get, "{block}");
    }
}

#[test]
fn what_takes_its_name_from_an_unknown_entry_keeps_its_place() {
    let mut decoder = Decoder::joined();
    // x-a: b; an unknown name: c; then both by their index, and x-a's name with another value.
    assert_eq!(
        decode(&mut decoder, &hex("40 03 782d61 01 62")),
        whole(&[("x-a", "b")])
    );
    let nothing = Ok((Completeness::Unknown, Vec::new()));
    assert_eq!(decode(&mut decoder, &hex("7f 01 01 63")), nothing);
    assert_eq!(decode(&mut decoder, &hex("be")), nothing);
    assert_eq!(decode(&mut decoder, &hex("bf")), whole(&[("x-a", "b")]));
    assert_eq!(decode(&mut decoder, &hex("7f 00 01 64")), whole(&[("x-a", "d")]));
    assert_eq!(
        decode(&mut decoder, &hex("be c0")),
        whole(&[("x-a", "d"), ("x-a", "b")])
    );
}

#[test]
fn an_emptied_table_is_known_again() {
    let mut decoder = Decoder::joined();
    assert_eq!(decode(&mut decoder, &hex("20 3f e1 1f")), whole(&[]));
    assert_eq!(decode(&mut decoder, &hex("40 01 61 01 62")), whole(&[("a", "b")]));
    assert_eq!(decode(&mut decoder, &hex("be")), whole(&[("a", "b")]));
    assert_eq!(decode(&mut decoder, &hex("bf")), Err(HpackError::Index));
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    // 64 bytes: room for one entry of 34; the second has 65.
    let mut decoder = Decoder::new();
    assert_eq!(
        decode(&mut decoder, &hex("3f 21 40 01 61 01 62")),
        whole(&[("a", "b")])
    );
    let long = format!("40 01 61 20 {}", "76".repeat(32));
    assert_eq!(
        decode(&mut decoder, &hex(&long)),
        whole(&[("a", &"v".repeat(32))])
    );
    assert_eq!(decode(&mut decoder, &hex("be")), Err(HpackError::Index));
}

#[test]
fn size_updates_stand_before_the_fields() {
    assert_eq!(new("20 3f e1 1f 82"), whole(&[(":method", "GET")]));
    assert_eq!(new("82 20"), Err(HpackError::LateResize));
    assert_eq!(new("82 3f e1"), Err(HpackError::LateResize));
}

#[test]
fn huffman_strings_end_in_the_beginning_of_eos() {
    let decoded = |bytes: &str| {
        let mut output = Vec::new();
        let decoded = huffman::decode(&hex(bytes), &mut output);
        decoded.map(|()| String::from_utf8(output).unwrap())
    };
    assert_eq!(decoded(""), Ok(String::new()));
    // `a` is 00011, `0` is 00000.
    assert_eq!(decoded("1f"), Ok("a".to_owned()));
    assert_eq!(decoded("00 00 00 00 00"), Ok("00000000".to_owned()));
    for wrong in [
        "1e",             // not padded with ones
        "18",             // nor with zeros
        "ff",             // 8 bits of padding
        "1f ff",          // 11
        "ff ff ff ff",    // EOS and padding
        "1f ff ff ff ff", // the same behind a symbol
        "ff ff ff fc",    // EOS alone, and other bits
        "ff ff ff",       // the beginning of a symbol
        "fe",             // the same
    ] {
        assert_eq!(decoded(wrong), Err(HpackError::Huffman), "{wrong}");
    }
}

#[test]
fn an_error_leaves_nothing_known() {
    let mut decoder = Decoder::new();
    assert_eq!(decode(&mut decoder, &hex("40 01 61 01 62")), whole(&[("a", "b")]));
    assert_eq!(
        decode(&mut decoder, &hex("40 01 61 02 62")),
        Err(HpackError::Truncated)
    );
    assert_eq!(
        decode(&mut decoder, &hex("be")),
        Ok((Completeness::Unknown, Vec::new()))
    );
}

#[test]
fn a_list_is_limited_as_rfc_9113_counts_it() {
    let limited = |max_head, max_headers, block: &str| {
        let limits = Limits {
            max_head,
            max_body: 0,
            max_headers,
        };
        let mut list = FieldList::new();
        let completeness = Decoder::new().decode(&hex(block), &mut list, &limits).unwrap();
        (completeness, list.len())
    };
    // `:method: GET` is 42 bytes, `a: b` 34.
    assert_eq!(limited(76, 1, "82 00 01 61 01 62"), (Completeness::Whole, 2));
    assert_eq!(limited(75, 1, "82 00 01 61 01 62"), (Completeness::TooLarge, 1));
    assert_eq!(limited(75, 1, "00 01 61 01 62 82"), (Completeness::TooLarge, 1));
    assert_eq!(limited(99, 0, "82 00 01 61 01 62"), (Completeness::TooLarge, 1));
}

#[test]
fn crumbs_of_a_cookie_count_as_one_field() {
    let limits = Limits {
        max_head: 4096,
        max_body: 0,
        max_headers: 1,
    };
    let (mut decoder, mut list) = (Decoder::new(), FieldList::new());
    let crumbs = "0f 11 01 61".repeat(20);
    let completeness = decoder.decode(&hex(&crumbs), &mut list, &limits);
    assert_eq!((completeness, list.len()), (Ok(Completeness::Whole), 20));
}

/// Cost of an entry of 60,000 bytes that is referred to by every byte of a block, and then named by every second one.
#[test]
fn bombs_cost_what_their_bytes_do() {
    let mut decoder = Decoder::new();
    let mut list = FieldList::new();
    let limits = Limits {
        max_head: 65_536,
        max_body: 0,
        max_headers: 128,
    };
    let mut block = hex("3f e1 ff 03 40 7f e1 d3 03");
    block.resize(block.len() + 60_000, b'n');
    block.push(0);
    assert_eq!(
        decoder.decode(&block, &mut list, &limits),
        Ok(Completeness::Whole)
    );
    let indexed = decoder.decode(&vec![0xbe; 1 << 20], &mut list, &limits);
    assert_eq!((indexed, list.len()), (Ok(Completeness::TooLarge), 1));
    // 62 GB, were each name copied.
    let named = decoder.decode(&[0x7e, 0].repeat(1 << 20), &mut list, &limits);
    assert_eq!((named, list.len()), (Ok(Completeness::TooLarge), 1));
    assert!(decoder.memory() < 256 << 10, "{}", decoder.memory());
    let still = decoder.decode(&hex("be"), &mut list, &limits);
    assert_eq!((still, list.size()), (Ok(Completeness::Whole), 60_032));
}
