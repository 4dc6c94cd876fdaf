//! Blocks that other implementations' encoders made (`stories.txt` says whose).

use super::*;

/// A header list.
type Fields = Vec<(String, String)>;
/// Header blocks, and what they are of.
type Blocks = Vec<(Vec<u8>, Fields)>;

/// Name of each story, and its blocks.
fn stories() -> Vec<(&'static str, Blocks)> {
    let mut stories: Vec<(&str, Blocks)> = Vec::new();
    for line in include_str!("stories.txt").lines() {
        if let Some(name) = line.strip_prefix("= ") {
            stories.push((name, Vec::new()));
        } else if let Some(block) = line.strip_prefix("> ") {
            stories.last_mut().unwrap().1.push((hex(block), Vec::new()));
        } else if let Some((name, value)) = line.split_once('\t') {
            let (_, blocks) = stories.last_mut().unwrap();
            blocks
                .last_mut()
                .unwrap()
                .1
                .push((name.to_owned(), value.to_owned()));
        }
    }
    stories
}

#[test]
fn six_encoders_blocks_decode_to_their_lists() {
    let stories = stories();
    for (name, blocks) in &stories {
        let mut decoder = Decoder::new();
        for (at, (block, fields)) in blocks.iter().enumerate() {
            let expected = Ok((Completeness::Whole, fields.clone()));
            assert_eq!(decode(&mut decoder, block), expected, "{name}, block {at}");
        }
    }
    assert_eq!(stories.len(), 6);
    assert_eq!(stories.iter().map(|(_, blocks)| blocks.len()).sum::<usize>(), 55);
}

#[test]
fn joined_at_any_block_a_list_is_true_or_known_to_be_incomplete() {
    for (name, blocks) in stories() {
        for start in 0..blocks.len() {
            let mut decoder = Decoder::joined();
            for (at, (block, fields)) in blocks.iter().enumerate().skip(start) {
                let (completeness, list) = decode(&mut decoder, block).unwrap();
                let is_true = match completeness {
                    Completeness::Whole => list == *fields,
                    Completeness::Unknown => list.len() < fields.len() && is_part(&list, fields),
                    Completeness::TooLarge => false,
                };
                assert!(is_true, "{name}, joined at {start}, block {at}: {list:?}");
            }
        }
    }
}
