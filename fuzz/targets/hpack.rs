//! Header blocks of any bytes: another implementation decodes the same; who joined late, or lost a block, decodes the same
//! or knows that something is missing; limits cut lists and change nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::http::Limits;
use shadow_agent::http::h2::hpack::{Completeness, Decoder, FieldList};

const LIMITS: Limits = limits(1 << 20, 1 << 16);

const fn limits(max_head: usize, max_headers: usize) -> Limits {
    Limits {
        max_head,
        max_body: 0,
        max_headers,
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// The fields that a block decodes to.
fn decode(decoder: &mut Decoder, block: &[u8], limits: &Limits) -> Option<(Completeness, Fields)> {
    let mut list = FieldList::new();
    let completeness = decoder.decode(block, &mut list, limits);
    let fields = list.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
    let fields: Fields = fields.collect();
    assert!(decoder.memory() < 256 << 10);
    assert!(completeness.is_ok() || fields.is_empty());
    Some((completeness.ok()?, fields))
}

/// Asserts that `partial` is `all`, or less and says so.
fn check((completeness, fields): (Completeness, Fields), all: &Fields) {
    match completeness {
        Completeness::Whole => assert_eq!(fields, *all),
        Completeness::Unknown => {
            let mut rest = all.iter();
            let is_part = fields.iter().all(|field| rest.any(|other| other == field));
            assert!(is_part && fields.len() < all.len(), "{fields:?} of {all:?}");
        }
        Completeness::TooLarge => {
            assert!(
                fields.len() < all.len() && all.starts_with(&fields),
                "{fields:?} of {all:?}"
            );
        }
    }
}

/// The blocks of an input: behind a byte that says which are missed, and one of how large a list may be, each behind a
/// byte or two of its length.
fn blocks(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut blocks = Vec::new();
    while let Some((&length, behind)) = rest.split_first() {
        let (length, behind) = match (length, behind.split_first()) {
            (0x80.., Some((&low, behind))) => (usize::from(length & 0x7f) << 8 | usize::from(low), behind),
            _ => (usize::from(length), behind),
        };
        let (block, behind) = behind.split_at(length.min(behind.len()));
        blocks.push(block);
        rest = behind;
    }
    blocks
}

fuzz_target!(|data: &[u8]| {
    let Some((&[missed, most], rest)) = data.split_first_chunk() else {
        return;
    };
    let (start, lost) = (usize::from(missed & 15), usize::from(missed >> 4));
    let small = limits(usize::from(most) * 8, 5);
    let [mut all, mut limited, mut holed] = [(); 3].map(|()| Decoder::new());
    let mut joined = Decoder::joined();
    let mut other = Some(loona_hpack::Decoder::new());
    let mut is_valid = true;
    for (at, block) in blocks(rest).into_iter().enumerate() {
        let decoded = decode(&mut all, block, &LIMITS);
        let less = decode(&mut limited, block, &small);
        let late = (at >= start).then(|| decode(&mut joined, block, &LIMITS));
        let behind = (at != lost).then(|| decode(&mut holed, block, &LIMITS));
        if behind.is_none() {
            holed.lost();
        }
        // Behind an error there is no truth to compare with.
        is_valid &= decoded.is_some();
        let Some((Completeness::Whole, fields)) = decoded.filter(|_| is_valid) else {
            continue;
        };
        check(less.expect("limits make no errors"), &fields);
        for partial in [late, behind].into_iter().flatten() {
            check(partial.expect("what is valid is so for who knows less"), &fields);
        }
        // It refuses a block that ends in a size update, and has then lost its place.
        match other.as_mut().map(|other| other.decode(block)) {
            Some(Ok(theirs)) => assert_eq!(theirs, fields),
            _ => other = None,
        }
    }
});
