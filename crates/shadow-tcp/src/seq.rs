//! Sequence numbers that wrap (RFC 9293 section 3.4) and the 64-bit stream positions made from them.
//!
//! A position's low 32 bits are the sequence number; the rest counts how often it has wrapped, from 1 on, so
//! that stepping back from the first position never goes below zero. Positions compare as plain numbers.

/// How far `to` is ahead of `from` on the circle of sequence numbers; negative when it is behind.
pub(super) fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

/// The position of a direction's first known sequence number.
pub(super) fn first_position(sequence: u32) -> u64 {
    (1 << 32) | u64::from(sequence)
}

/// The position with this sequence number that is nearest to `reference`.
pub(super) fn nearest_position(reference: u64, sequence: u32) -> u64 {
    reference.wrapping_add_signed(i64::from(distance(reference as u32, sequence)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_wraps_at_two_to_the_32() {
        assert_eq!(distance(10, 14), 4);
        assert_eq!(distance(14, 10), -4);
        assert_eq!(distance(0xffff_fffe, 2), 4);
        assert_eq!(distance(2, 0xffff_fffe), -4);
        assert_eq!(distance(0, 0x7fff_ffff), i32::MAX);
        assert_eq!(distance(0, 0x8000_0000), i32::MIN);
    }

    #[test]
    fn positions_go_on_counting_where_sequence_numbers_wrap() {
        let start = first_position(0xffff_fff0);
        assert_eq!(start as u32, 0xffff_fff0);
        assert_eq!(nearest_position(start, 0x10), start + 0x20);
        assert_eq!(nearest_position(start + 0x20, 0xffff_fff0), start);
    }

    #[test]
    fn a_position_before_the_first_does_not_underflow() {
        assert_eq!(nearest_position(first_position(0), 0x8000_0000), 1 << 31);
        assert_eq!(nearest_position(first_position(0), 0xffff_ffff), (1 << 32) - 1);
    }
}
