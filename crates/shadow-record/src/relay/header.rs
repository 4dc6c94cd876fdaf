//! The first line of a record, as far as it bounds and begins one; [`crate::recording`] reads it.

/// Longest header line in bytes, its end not counted: a name, two numbers, and a pod with labels behind them.
pub const MAX_HEADER: usize = 4096;

/// Errors of a record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// No record begins here, or what is there cannot be read.
    #[error("this is not a record")]
    Header,
    /// It is larger than what is taken.
    #[error("a record is larger than the limit")]
    TooLarge,
}

/// Whether `bytes` may be the beginning of a header line: what is certainly none is known from its first bytes.
pub fn may_begin(bytes: &[u8]) -> bool {
    let kind = bytes.first().is_none_or(|byte| matches!(byte, b'1'..=b'3'));
    kind && bytes.get(1).is_none_or(|byte| *byte == b' ')
}

/// A number of decimal digits alone.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
