//! One pair that was kept, sent again: to another server, or as a command line for `curl`.

mod curl;
mod prepared;
#[cfg(test)]
mod tests;
mod told;

pub use curl::curl;
pub use prepared::{GivenHeader, Prepared};
pub use told::Told;

/// Whether `text` has what redaction puts in place of a value: `redacted-` and 16 hexadecimal digits.
pub fn has_hash(text: &[u8]) -> bool {
    const PREFIX: &[u8] = b"redacted-";
    memchr::memmem::find_iter(text, PREFIX).any(|at| {
        let digits = &text[at + PREFIX.len()..];
        digits.len() >= 16 && digits[..16].iter().all(u8::is_ascii_hexdigit)
    })
}
