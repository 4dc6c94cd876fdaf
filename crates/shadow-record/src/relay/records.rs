//! Records of a byte stream, one behind the other, as they come in pieces.

use bytes::{Buf, BytesMut};
use memchr::memmem;
use shadow_core::time::Timestamp;
use shadow_mirror::Message;

use super::header::{MAX_HEADER, RecordError, may_begin};
use crate::recording::{SEPARATOR, read_gor};

/// Reads records. After an error the stream has no meaning any more.
#[derive(Debug)]
pub struct Records {
    buffer: BytesMut,
    /// Where the separator was looked for already.
    looked: usize,
    max_record: usize,
}

impl Records {
    /// Takes payloads of up to `max_record` bytes.
    pub fn new(max_record: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            looked: 0,
            max_record,
        }
    }

    /// The next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes of the record that is not whole yet, or of those that were not asked for.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole record; `None` where more bytes are needed.
    ///
    /// # Errors
    ///
    /// Where what came is no record, or too large: nothing behind it can be read.
    pub fn next_record(&mut self) -> Result<Option<Message>, RecordError> {
        if !may_begin(&self.buffer) {
            return Err(RecordError::Header);
        }
        let Some(at) = memmem::find(&self.buffer[self.looked..], SEPARATOR) else {
            self.looked = self.buffer.len().saturating_sub(SEPARATOR.len() - 1);
            let start = &self.buffer[..self.buffer.len().min(MAX_HEADER + 1)];
            if memchr::memchr(b'\n', start).is_none() && start.len() > MAX_HEADER {
                return Err(RecordError::Header);
            }
            if self.buffer.len() > self.max_record.saturating_add(MAX_HEADER + SEPARATOR.len()) {
                return Err(RecordError::TooLarge);
            }
            return Ok(None);
        };
        let end = self.looked + at;
        self.looked = 0;
        let record = self.buffer.split_to(end);
        self.buffer.advance(SEPARATOR.len());
        parse(&record, self.max_record).map(Some)
    }
}

/// Reads a record without its separator: a header line, and all behind it as the payload.
pub(super) fn parse(record: &[u8], max_record: usize) -> Result<Message, RecordError> {
    let line_end = memchr::memchr(b'\n', record).ok_or(RecordError::Header)?;
    if line_end > MAX_HEADER {
        return Err(RecordError::Header);
    }
    if record.len() - line_end - 1 > max_record {
        return Err(RecordError::TooLarge);
    }
    // A copy: a small record shall not keep the buffer that it came in.
    let record = read_gor(record.to_vec()).map_err(|_| RecordError::Header)?;
    Ok(Message {
        kind: record.kind,
        payload: record.payload(),
        id: record.id,
        first_byte: Timestamp(record.unix),
        last_byte: Timestamp(record.unix.saturating_add(record.latency)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, Option<RecordError>) {
        let mut records = Records::new(100);
        let mut read = Vec::new();
        for piece in pieces {
            records.push(piece);
            loop {
                match records.next_record() {
                    Ok(Some(message)) => read.push((message.id.to_string(), message.payload.to_vec())),
                    Ok(None) => break,
                    Err(error) => return (read, Some(error)),
                }
            }
        }
        (read, None)
    }

    #[test]
    fn a_record_ends_before_the_line_end_of_its_separator() {
        let (read, error) = all(&["1 a 1 1\nGET\n🐵🙈🙉\n2 b 1 1\nHTTP\n\n🐵🙈🙉\n1 c".as_bytes()]);
        let expected = [("a", b"GET".to_vec()), ("b", b"HTTP\n".to_vec())];
        assert_eq!(read, expected.map(|(id, payload)| (id.to_owned(), payload)));
        assert_eq!(error, None);
    }

    #[test]
    fn nonsense_is_known_at_once() {
        for nonsense in ["GET / HTTP/1.1\r\n", "12 a", "\n"] {
            assert_eq!(
                all(&[nonsense.as_bytes()]).1,
                Some(RecordError::Header),
                "{nonsense}"
            );
        }
        let long = [b"1 ".as_slice(), &[b'a'; MAX_HEADER]].concat();
        assert_eq!(all(&[&long]).1, Some(RecordError::Header));
        assert_eq!(
            all(&["1 a x\n\n🐵🙈🙉\n".as_bytes()]).1,
            Some(RecordError::Header)
        );
        assert_eq!(all(&["1\n🐵🙈🙉\n".as_bytes()]).1, Some(RecordError::Header));
    }

    #[test]
    fn a_record_beyond_the_bound_is_refused_before_it_is_whole() {
        let long = [b"1 a 1 1\n".as_slice(), &[b'x'; 100 + MAX_HEADER + 14]].concat();
        assert_eq!(all(&[&long]).1, Some(RecordError::TooLarge));
        let whole = [b"1 a 1 1\n".as_slice(), &[b'x'; 101], SEPARATOR].concat();
        assert_eq!(all(&[&whole]).1, Some(RecordError::TooLarge));
        let just = [b"1 a 1 1\n".as_slice(), &[b'x'; 100], SEPARATOR].concat();
        assert_eq!(all(&[&just]).0.len(), 1);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(payloads in prop::collection::vec("[a-z\n🐵]{0,20}", 0..5), cuts in prop::collection::vec(0usize..200, 0..10)) {
            let mut stream = Vec::new();
            for (index, payload) in payloads.iter().enumerate() {
                stream.extend_from_slice(format!("1 {index} 1 1\n{payload}").as_bytes());
                stream.extend_from_slice(SEPARATOR);
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            prop_assert_eq!(all(&pieces), all(&[&stream]));
            let read: Vec<Vec<u8>> = all(&pieces).0.into_iter().map(|(_, payload)| payload).collect();
            let sent: Vec<Vec<u8>> = payloads.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(read, sent);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = all(&[&bytes]);
        }
    }
}
