//! arm64: a label's address in x1, made of `adrp` and `add`, and the next `bl`. Tested by unit, never tried on a machine.

use super::{Labels, MAX_BETWEEN, Votes};

/// Instructions at most between the two halves of an address: a compiler may put others between them.
const MAX_HALVES: usize = 4;

/// Counts the calls with a label in `bytes`, which are mapped at `address`, from loads in the first `own` of them.
pub(super) fn count(address: u64, bytes: &[u8], own: usize, labels: &Labels, votes: &mut Votes) {
    let (words, _) = bytes.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    for at in 0..words.len().min(own.div_ceil(4)) {
        let Some((register, page)) = adrp(words[at], address.wrapping_add(at as u64 * 4)) else {
            continue;
        };
        let mut halves = words.iter().enumerate().skip(at + 1).take(MAX_HALVES);
        let found = halves.find_map(|(behind, word)| {
            let label = labels.get(&page.wrapping_add(add(*word, register)?))?;
            Some((behind, label))
        });
        if let Some((behind, label)) = found
            && let Some(function) = next_call(address, &words, behind + 1)
        {
            votes.give(function, *label);
        }
    }
}

/// The register and the page that an `adrp` at `address` loads.
fn adrp(word: u32, address: u64) -> Option<(u32, u64)> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    // 21 bits, signed.
    let pages = i64::from((pages << 11).cast_signed() >> 11);
    Some((word & 31, (address & !0xfff).wrapping_add_signed(pages << 12)))
}

/// The number that `add x1, register, #n` adds.
fn add(word: u32, register: u32) -> Option<u64> {
    let is_add = word & 0xffc0_0000 == 0x9100_0000 && word & 31 == 1 && word >> 5 & 31 == register;
    is_add.then_some(u64::from(word >> 10 & 0xfff))
}

/// The function that the next `bl` from the word `from` on calls; nothing if another branch comes first.
fn next_call(address: u64, words: &[u32], from: usize) -> Option<u64> {
    for (at, word) in words.iter().enumerate().skip(from).take(MAX_BETWEEN / 4) {
        if word & 0xfc00_0000 == 0x9400_0000 {
            let distance = i64::from((word << 6).cast_signed() >> 6) << 2;
            return Some(address.wrapping_add(at as u64 * 4).wrapping_add_signed(distance));
        }
        // Branches other than conditional ones, and what writes x1 as a result.
        let leaves = word & 0xfc00_0000 == 0x1400_0000 || word & 0xfe00_0000 == 0xd600_0000;
        let is_store_or_branch = word & 0x1c00_0000 == 0x1400_0000 || word & 0x0a40_0000 == 0x0800_0000;
        if leaves || !is_store_or_branch && word & 31 == 1 {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(code: &[u32]) -> Vec<(u64, u8)> {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut votes = Votes::default();
        count(
            0x1000,
            &bytes,
            bytes.len(),
            &Labels::from([(0x3010, 1)]),
            &mut votes,
        );
        votes.0.into_iter().collect()
    }

    #[test]
    fn a_call_behind_a_label_votes() {
        // adrp x1, 0x3000; add x1, x1, #0x10; mov x0, x19; bl 0x1010
        let code = [0xd000_0001, 0x9100_4021, 0xaa13_03e0, 0x9400_0001];
        assert_eq!(votes(&code), [(0x1010, 1 << 1)]);
        // Through another register: adrp x8; add x1, x8, #0x10; bl 0x100c
        assert_eq!(
            votes(&[0xd000_0008, 0x9100_4101, 0x9400_0001]),
            [(0x100c, 1 << 1)]
        );
    }

    #[test]
    fn a_label_that_is_lost_before_the_call_does_not_vote() {
        // ret before the call
        assert_eq!(votes(&[0xd000_0001, 0x9100_4021, 0xd65f_03c0, 0x9400_0001]), []);
        // mov x1, x19 before the call
        assert_eq!(votes(&[0xd000_0001, 0x9100_4021, 0xaa13_03e1, 0x9400_0001]), []);
        // Another offset: add x1, x1, #0x20
        assert_eq!(votes(&[0xd000_0001, 0x9100_8021, 0x9400_0001]), []);
    }
}
