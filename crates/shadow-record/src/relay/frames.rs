//! Frames of the acknowledged form, as they come in pieces: a line with a sequence and a length, and a record.

use bytes::{Buf, BytesMut};
use shadow_mirror::Message;

use super::header::{MAX_HEADER, RecordError};
use super::protocol::{MAX_LINE, read_frame};
use super::records::parse;

/// Errors of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The line before it.
    #[error("this is not a frame of a relay (protocol version 1)")]
    Line,
    /// The record in it.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A sequence that does not ascend.
    #[error("the sequence number of a frame does not increase")]
    Sequence,
}

/// Reads frames. After an error the stream has no meaning any more.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    /// The sequence and length of the frame that is not whole yet.
    line: Option<(u64, usize)>,
    /// The latest sequence.
    latest: u64,
    max_record: usize,
}

impl Frames {
    /// Takes payloads of up to `max_record` bytes.
    pub fn new(max_record: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            line: None,
            latest: 0,
            max_record,
        }
    }

    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of the frame that is not whole yet, or of those that were not asked for.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole frame with its sequence; `None` where more bytes are needed.
    ///
    /// # Errors
    ///
    /// Where what came is no frame of this protocol, or too large: nothing behind it can be read.
    pub fn next_frame(&mut self) -> Result<Option<(u64, Message)>, FrameError> {
        let (sequence, length) = match self.line {
            Some(line) => line,
            None => match self.next_line()? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.line = None;
        self.latest = sequence;
        let record = self.buffer.split_to(length);
        Ok(Some((sequence, parse(&record, self.max_record)?)))
    }

    fn next_line(&mut self) -> Result<Option<(u64, usize)>, FrameError> {
        let start = &self.buffer[..self.buffer.len().min(MAX_LINE)];
        let Some(end) = memchr::memchr(b'\n', start) else {
            return if start.len() == MAX_LINE {
                Err(FrameError::Line)
            } else {
                Ok(None)
            };
        };
        let (sequence, length) = read_frame(&start[..end]).map_err(|_| FrameError::Line)?;
        if length > self.max_record.saturating_add(MAX_HEADER) {
            return Err(RecordError::TooLarge.into());
        }
        if sequence <= self.latest {
            return Err(FrameError::Sequence);
        }
        self.buffer.advance(end + 1);
        self.line = Some((sequence, length));
        Ok(self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(stream: &[u8], piece: usize) -> (Vec<(u64, Vec<u8>)>, Option<FrameError>) {
        let mut frames = Frames::new(100);
        let mut read = Vec::new();
        for piece in stream.chunks(piece) {
            frames.push(piece);
            loop {
                match frames.next_frame() {
                    Ok(Some((sequence, message))) => read.push((sequence, message.payload.to_vec())),
                    Ok(None) => break,
                    Err(error) => return (read, Some(error)),
                }
            }
        }
        (read, None)
    }

    #[test]
    fn a_frame_may_hold_a_separator() {
        let payload = "body\n🐵🙈🙉\n1 b 1 1\nmore";
        let record = format!("1 a 1 1\n{payload}");
        let stream = format!("2 {}\n{record}5 8\n1 c 1 1\n", record.len());
        for piece in 1..20 {
            let (read, error) = all(stream.as_bytes(), piece);
            assert_eq!(read, [(2, payload.as_bytes().to_vec()), (5, Vec::new())]);
            assert_eq!(error, None);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(all(b"x\n", 99).1, Some(FrameError::Line));
        assert_eq!(all(&[b'1'; MAX_LINE], 999).1, Some(FrameError::Line));
        assert_eq!(all(b"0 8\n1 c 1 1\n", 99).1, Some(FrameError::Sequence));
        let twice = b"1 8\n1 c 1 1\n1 8\n1 c 1 1\n";
        assert_eq!(all(twice, 99).1, Some(FrameError::Sequence));
        assert_eq!(all(b"1 4\n1 c\n", 99).1, Some(RecordError::Header.into()));
        assert_eq!(all(b"1 99999\n", 99).1, Some(RecordError::TooLarge.into()));
    }
}
