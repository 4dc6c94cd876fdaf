//! Finds the end of a body whose framing is known, without keeping any of it. The capture side and the
//! replay client, which reads the shadow's answers away, share it.

use super::chunked::ChunkedDecoder;
use super::fault::ChunkedError;
use super::message::Framing;

/// Where in a body a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyDecoder {
    /// So many bytes are to come.
    Length(u64),
    /// Chunked transfer coding.
    Chunked(ChunkedDecoder),
    /// Everything until the connection closes.
    Close,
}

impl BodyDecoder {
    /// At the first byte of a body with this framing.
    pub fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(ChunkedDecoder::new()),
            Framing::Close => Self::Close,
        }
    }

    /// Whether the body has ended. A body that lasts until the close never says so.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(remaining) => *remaining == 0,
            Self::Chunked(decoder) => decoder.is_done(),
            Self::Close => false,
        }
    }

    /// Reads on: how many of `bytes` belong to the body, and whether it ends with them.
    ///
    /// # Errors
    ///
    /// Where a chunked body is malformed: behind that its end is not known.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), ChunkedError> {
        let taken = match self {
            Self::Length(remaining) => {
                let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
                *remaining -= taken as u64;
                taken
            }
            Self::Chunked(decoder) => decoder.advance(bytes)?,
            Self::Close => bytes.len(),
        };
        Ok((taken, self.is_done()))
    }

    /// Passes over `bytes` bytes that were lost. `false` when the place behind them is not known, because
    /// they held more than bytes that were announced by count.
    #[must_use]
    pub fn skip(&mut self, bytes: u64) -> bool {
        match self {
            Self::Length(remaining) if bytes <= *remaining => {
                *remaining -= bytes;
                true
            }
            Self::Length(_) => false,
            Self::Chunked(decoder) => decoder.skip(bytes),
            Self::Close => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counted_body_takes_its_bytes_and_no_more() {
        let mut body = BodyDecoder::new(Framing::Length(5));
        assert_eq!(body.advance(b"hel"), Ok((3, false)));
        assert_eq!(body.advance(b"loGET"), Ok((2, true)));
        assert_eq!(body.advance(b"GET"), Ok((0, true)));
    }

    #[test]
    fn no_body_is_done_at_once_and_one_until_the_close_never() {
        assert_eq!(BodyDecoder::new(Framing::None).advance(b"GET"), Ok((0, true)));
        assert_eq!(BodyDecoder::new(Framing::Close).advance(b"abc"), Ok((3, false)));
    }

    #[test]
    fn bytes_lost_inside_a_counted_body_leave_its_end_known() {
        let mut body = BodyDecoder::new(Framing::Length(10));
        assert!(!body.skip(11));
        assert!(body.skip(9));
        assert_eq!(body.advance(b"xGET"), Ok((1, true)));
    }
}
