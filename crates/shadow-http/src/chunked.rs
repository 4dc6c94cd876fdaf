//! The chunked transfer coding (RFC 9112 section 7.1) as a state machine that only finds the end: bytes are
//! neither kept nor changed.
//!
//! Strict: a bare LF, white space where the grammar has none, a size of more than 16 digits, or a malformed
//! trailer field is an error, because implementations differ there and requests are smuggled through it. White space
//! behind a size is not: servers write it (they reserve room for the size and fill in what it turns out to be), and whoever
//! takes it at all reads the same size.

use super::fault::ChunkedError;
use super::field::is_token_byte;

/// Longest chunk extensions of one chunk, in bytes.
pub const MAX_EXTENSION: u16 = 4096;
/// Longest trailer section, in bytes.
pub const MAX_TRAILERS: u16 = 16384;
/// Digits of the largest size that fits 64 bits.
const MAX_DIGITS: u8 = 16;

/// Where in a chunked body the decoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkedDecoder(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the size, so many digits read.
    Size { value: u64, digits: u8 },
    /// In white space behind the size: an extension or the line's end must follow.
    SizeSpace { value: u64, length: u16 },
    /// In chunk extensions, which may be of any form on one line.
    Extension { value: u64, length: u16 },
    /// Behind the CR of the size line.
    SizeLf { value: u64 },
    /// In chunk data, so many bytes to come.
    Data { remaining: u64 },
    /// Behind chunk data.
    DataCr,
    /// Behind the CR after chunk data.
    DataLf,
    /// At the start of a trailer line.
    TrailerStart { length: u16 },
    /// In the name of a trailer field.
    TrailerName { length: u16 },
    /// In the value of a trailer field.
    TrailerValue { length: u16 },
    /// Behind the CR of a trailer field.
    TrailerLf { length: u16 },
    /// Behind the CR of the last, empty line.
    EndLf,
    /// Behind the body.
    Done,
}

impl ChunkedDecoder {
    /// At the first byte of a chunked body.
    pub fn new() -> Self {
        Self(State::Size { value: 0, digits: 0 })
    }

    /// Whether the whole body, trailers and last empty line included, has been seen.
    pub fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// Reads on, and returns how many of `bytes` belong to the body (all of them unless it ends here).
    ///
    /// # Errors
    ///
    /// Where the coding is malformed or beyond its bounds: behind that its end is not known.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, ChunkedError> {
        self.read(bytes, |_| {})
    }

    /// The data that is there in a body, or the beginning of one: without sizes, extensions and trailers.
    ///
    /// # Errors
    ///
    /// Where it is no chunked body.
    pub fn data_of(body: &[u8]) -> Result<Vec<u8>, ChunkedError> {
        let mut data = Vec::with_capacity(body.len());
        Self::new().read(body, |part| data.extend_from_slice(part))?;
        Ok(data)
    }

    /// Everything else that is there of a body, or the beginning of one: sizes, extensions and trailers.
    ///
    /// # Errors
    ///
    /// Where it is no chunked body.
    pub fn framing_of(body: &[u8]) -> Result<Vec<u8>, ChunkedError> {
        let mut decoder = Self::new();
        let mut framing = Vec::new();
        let mut at = 0;
        while at < body.len() && !decoder.is_done() {
            let start = at;
            if let State::Data { remaining } = decoder.0 {
                let data = usize::try_from(remaining).unwrap_or(usize::MAX);
                at += decoder.advance(&body[at..at.saturating_add(data).min(body.len())])?;
            } else {
                at += decoder.advance(&body[at..=at])?;
                framing.extend_from_slice(&body[start..at]);
            }
        }
        Ok(framing)
    }

    /// Where the trailer section begins in a body, or the beginning of one, that has so much of it.
    ///
    /// # Errors
    ///
    /// Where it is no chunked body.
    pub fn trailers_of(body: &[u8]) -> Result<Option<usize>, ChunkedError> {
        let mut decoder = Self::new();
        let mut at = 0;
        while at < body.len() {
            if let State::TrailerStart { .. } = decoder.0 {
                return Ok(Some(at));
            }
            let step = match decoder.0 {
                State::Data { remaining } => usize::try_from(remaining).unwrap_or(usize::MAX),
                _ => 1,
            };
            at += decoder.advance(&body[at..at.saturating_add(step).min(body.len())])?;
        }
        Ok(None)
    }

    /// Reads on, and gives the chunk data on the way to `data`.
    fn read(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, ChunkedError> {
        let mut at = 0;
        while at < bytes.len() && self.0 != State::Done {
            if let State::Data { remaining } = self.0 {
                let taken = usize::try_from(remaining)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                data(&bytes[at..at + taken]);
                at += taken;
                self.0 = match remaining - taken as u64 {
                    0 => State::DataCr,
                    remaining => State::Data { remaining },
                };
            } else {
                self.0 = self.0.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Passes over `bytes` bytes that were lost. `false` when that is not possible because more than chunk
    /// data is missing.
    #[must_use]
    pub fn skip(&mut self, bytes: u64) -> bool {
        match self.0 {
            State::Data { remaining } if bytes <= remaining => {
                self.0 = match remaining - bytes {
                    0 => State::DataCr,
                    remaining => State::Data { remaining },
                };
                true
            }
            _ => false,
        }
    }
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// The state behind one byte outside chunk data.
    fn step(self, byte: u8) -> Result<State, ChunkedError> {
        match (self, byte) {
            (State::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                if digits < MAX_DIGITS =>
            {
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                Ok(State::Size {
                    value: value << 4 | digit,
                    digits: digits + 1,
                })
            }
            (
                State::Size { value, digits: 1.. }
                | State::SizeSpace { value, .. }
                | State::Extension { value, .. },
                b'\r',
            ) => Ok(State::SizeLf { value }),
            (State::Size { value, digits: 1.. }, b';') => Ok(State::Extension { value, length: 1 }),
            (State::Size { value, digits: 1.. }, b' ' | b'\t') => Ok(State::SizeSpace { value, length: 1 }),
            (State::SizeSpace { value, length }, b' ' | b'\t' | b';') => {
                let length = grow(length, MAX_EXTENSION).ok_or(ChunkedError::Extension)?;
                Ok(match byte {
                    b';' => State::Extension { value, length },
                    _ => State::SizeSpace { value, length },
                })
            }
            (State::Size { .. } | State::SizeSpace { .. }, _) => Err(ChunkedError::Size),
            (State::Extension { value, length }, byte) if is_text(byte) => {
                let length = grow(length, MAX_EXTENSION).ok_or(ChunkedError::Extension)?;
                Ok(State::Extension { value, length })
            }
            (State::Extension { .. }, _) => Err(ChunkedError::Extension),

            (State::SizeLf { value: 0 }, b'\n') => Ok(State::TrailerStart { length: 0 }),
            (State::SizeLf { value }, b'\n') => Ok(State::Data { remaining: value }),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { value: 0, digits: 0 }),
            (State::EndLf, b'\n') => Ok(State::Done),
            (State::SizeLf { .. } | State::DataCr | State::DataLf | State::EndLf, _) => {
                Err(ChunkedError::LineEnd)
            }

            (State::TrailerStart { .. }, b'\r') => Ok(State::EndLf),
            (
                State::TrailerStart { length }
                | State::TrailerName { length }
                | State::TrailerValue { length }
                | State::TrailerLf { length },
                byte,
            ) => {
                let length = grow(length, MAX_TRAILERS).ok_or(ChunkedError::Trailer)?;
                self.trailer(byte, length).ok_or(ChunkedError::Trailer)
            }

            // `advance` handles these two itself.
            (State::Data { .. } | State::Done, _) => Ok(self),
        }
    }

    /// The state behind one byte of a trailer field, `length` bytes into the trailers.
    fn trailer(self, byte: u8, length: u16) -> Option<State> {
        match (self, byte) {
            (State::TrailerStart { .. } | State::TrailerName { .. }, byte) if is_token_byte(byte) => {
                Some(State::TrailerName { length })
            }
            (State::TrailerName { .. }, b':') => Some(State::TrailerValue { length }),
            (State::TrailerValue { .. }, b'\r') => Some(State::TrailerLf { length }),
            (State::TrailerValue { .. }, byte) if is_text(byte) => Some(State::TrailerValue { length }),
            (State::TrailerLf { .. }, b'\n') => Some(State::TrailerStart { length }),
            _ => None,
        }
    }
}

/// The data of a whole chunked body, without sizes, extensions and trailers. `None` when `body` is not one.
pub fn chunked_data(body: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = ChunkedDecoder::new();
    let mut data = Vec::with_capacity(body.len());
    let mut rest = body;
    while !decoder.is_done() {
        let taken = match decoder.0 {
            State::Data { remaining } => usize::try_from(remaining).unwrap_or(usize::MAX).min(rest.len()),
            _ => 1,
        };
        let is_data = matches!(decoder.0, State::Data { .. });
        let (part, behind) = rest
            .split_at_checked(taken)
            .filter(|(part, _)| !part.is_empty())?;
        decoder.advance(part).ok()?;
        if is_data {
            data.extend_from_slice(part);
        }
        rest = behind;
    }
    rest.is_empty().then_some(data)
}

fn grow(length: u16, limit: u16) -> Option<u16> {
    (length < limit).then(|| length + 1)
}

/// HTAB, SP, VCHAR and obs-text (RFC 9110 section 5.5).
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes belong to the body, fed whole and byte by byte, which must agree.
    fn length(body: &str) -> Result<Option<usize>, ChunkedError> {
        let bytes = body.as_bytes();
        let mut whole = ChunkedDecoder::new();
        let at_once = whole.advance(bytes).map(|taken| whole.is_done().then_some(taken));
        let mut decoder = ChunkedDecoder::new();
        let mut taken = Ok(0);
        for byte in bytes.chunks(1) {
            taken = taken.and_then(|before| Ok(before + decoder.advance(byte)?));
        }
        assert_eq!(
            at_once,
            taken.map(|taken| decoder.is_done().then_some(taken)),
            "{body:?}"
        );
        at_once
    }

    #[test]
    fn a_body_ends_behind_the_empty_line_after_its_last_chunk() {
        assert_eq!(length("5\r\nhello\r\n0\r\n\r\nGET /"), Ok(Some(15)));
        assert_eq!(length("0\r\n\r\n"), Ok(Some(5)));
        assert_eq!(
            length("A\r\n0123456789\r\nb\r\n0123456789a\r\n000\r\n\r\n"),
            Ok(Some(38))
        );
        assert_eq!(length("5\r\nhello\r\n0\r\n"), Ok(None));
    }

    #[test]
    fn the_data_of_a_body_is_had_as_far_as_it_goes() {
        let data = |body: &str| ChunkedDecoder::data_of(body.as_bytes());
        assert_eq!(
            data("5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"),
            Ok(b"helloabc".to_vec())
        );
        assert_eq!(data("5\r\nhello\r\n3\r\na"), Ok(b"helloa".to_vec()));
        assert_eq!(data("5\r"), Ok(Vec::new()));
        assert_eq!(data("x\r\n"), Err(ChunkedError::Size));
    }

    #[test]
    fn a_terminator_inside_chunk_data_is_data() {
        assert_eq!(length("7\r\n0\r\n\r\nab\r\n0\r\n\r\n"), Ok(Some(17)));
    }

    #[test]
    fn extensions_are_passed_over() {
        assert_eq!(
            length("5;name=value\r\nhello\r\n0;last;q=\"a;b\"\r\n\r\n"),
            Ok(Some(39))
        );
        assert_eq!(length("5 ; name\r\nhello\r\n0\r\n\r\n"), Ok(Some(22)));
    }

    #[test]
    fn sizes_may_be_padded_with_white_space_behind_them() {
        assert_eq!(length("5   \r\nhello\r\n0 \t\r\n\r\nGET"), Ok(Some(20)));
        assert_eq!(length("5 \nhello"), Err(ChunkedError::Size));
        let padded = |spaces: usize| length(&format!("0{}\r\n\r\n", " ".repeat(spaces)));
        assert_eq!(padded(4096), Ok(Some(4101)));
        assert_eq!(padded(4097), Err(ChunkedError::Extension));
    }

    #[test]
    fn trailers_belong_to_the_body() {
        assert_eq!(length("0\r\nDigest: x\r\nEmpty:\r\n\r\nrest"), Ok(Some(24)));
    }

    #[test]
    fn sizes_that_are_read_differently_are_errors() {
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "+5\r\nhello",
            "0x5\r\nhello",
            " 5\r\nhello",
            "5 x\r\nhello",
            "5 0\r\nhello",
            "12345678901234567\r\n",
            "5,\r\n",
            "_5\r\n",
        ] {
            assert_eq!(length(body), Err(ChunkedError::Size), "{body:?}");
        }
        assert_eq!(length("ffffffffffffffff\r\nx"), Ok(None));
    }

    #[test]
    fn a_bare_lf_is_an_error_everywhere() {
        for body in [
            "5\nhello\r\n",
            "5\r\nhello\n0",
            "5\r\nhelloX\r\n",
            "5\r\nhello\r0",
            "5\r\rhello",
            "0\r\n\r\r",
        ] {
            assert!(
                matches!(length(body), Err(ChunkedError::LineEnd | ChunkedError::Size)),
                "{body:?}"
            );
        }
        assert_eq!(length("5;a\nhello\r\n"), Err(ChunkedError::Extension));
        assert_eq!(length("0\r\n\n"), Err(ChunkedError::Trailer));
        assert_eq!(length("0\r\nA: b\n\r\n"), Err(ChunkedError::Trailer));
    }

    #[test]
    fn malformed_trailers_are_errors() {
        for body in [
            "0\r\nno colon\r\n\r\n",
            "0\r\n folded: a\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "0\r\nA: b\0\r\n\r\n",
            "0\r\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(length(body), Err(ChunkedError::Trailer), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        assert_eq!(
            length(&format!("0;{}\r\n\r\n", "a".repeat(4095))),
            Ok(Some(4102 - 1))
        );
        assert_eq!(
            length(&format!("0;{}\r\n\r\n", "a".repeat(4096))),
            Err(ChunkedError::Extension)
        );
        let trailers = |fields: usize| length(&format!("0\r\n{}\r\n", "a:b\r\n".repeat(fields)));
        assert_eq!(trailers(3276), Ok(Some(16385)));
        assert_eq!(trailers(3277), Err(ChunkedError::Trailer));
    }

    #[test]
    fn the_data_is_what_stands_between_the_sizes() {
        let data = |body: &str| chunked_data(body.as_bytes()).map(|data| String::from_utf8(data).unwrap());
        assert_eq!(
            data("5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nA: b\r\n\r\n"),
            Some("hello!".to_owned())
        );
        assert_eq!(data("0\r\n\r\n"), Some(String::new()));
        for body in ["", "5\r\nhel", "5\r\nhello\r\n0\r\n", "0\r\n\r\nmore", "x\r\n"] {
            assert_eq!(data(body), None, "{body:?}");
        }
    }

    #[test]
    fn lost_bytes_can_be_passed_over_inside_chunk_data_only() {
        let mut decoder = ChunkedDecoder::new();
        assert!(!decoder.skip(1));
        decoder.advance(b"5\r\nh").unwrap();
        assert!(!decoder.skip(5));
        assert!(decoder.skip(4));
        assert_eq!(decoder.advance(b"\r\n0\r\n\r\n"), Ok(7));
        assert!(decoder.is_done());
    }
}
