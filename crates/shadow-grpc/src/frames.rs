//! Length-prefixed messages (`grpc/doc/PROTOCOL-HTTP2.md`): a flag, four bytes of length, and so many bytes, cut anywhere.

use std::borrow::Cow;

/// Bytes in front of each message.
const PREFIX: usize = 5;
/// The bit of the flag that says that a message is compressed.
const COMPRESSED: u8 = 0b0000_0001;
/// The bit that says that trailers follow rather than a message; in gRPC-Web alone.
pub(crate) const TRAILERS: u8 = 0b1000_0000;

/// A message as it came, still compressed if it was; or the trailers of gRPC-Web.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether it is compressed, by what `grpc-encoding` names.
    pub compressed: bool,
    /// Whether it holds trailers, which only gRPC-Web has here.
    pub trailers: bool,
    /// Its bytes.
    pub payload: Cow<'a, [u8]>,
}

/// Why nothing more can be read of a stream of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A flag with bits that have no meaning.
    #[error("a message begins with flags that gRPC does not have")]
    Flags,
    /// A message longer than is kept.
    #[error("a message is longer than is read")]
    TooLong,
    /// The stream ended within a message.
    #[error("the last message is cut off")]
    CutOff,
}

/// Finds messages in bytes that come in pieces of any size.
///
/// Holds at most one message that is not whole, and never more of it than has come.
#[derive(Debug)]
pub struct FrameReader {
    /// The part of a message that has come, with its prefix.
    held: Vec<u8>,
    /// Longest message.
    max: usize,
    failed: Option<FrameError>,
}

impl FrameReader {
    /// At the start of a stream, for messages of at most `max` bytes.
    pub fn new(max: usize) -> Self {
        Self {
            held: Vec::new(),
            max,
            failed: None,
        }
    }

    /// Reads on, and gives each message that is whole to `found`. After an error there is nothing more to read.
    ///
    /// # Errors
    ///
    /// Where a message is longer than may be held, or its prefix is none.
    pub fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Frame<'_>)) -> Result<(), FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        while !bytes.is_empty() {
            let took = if self.held.is_empty() {
                self.whole(bytes, &mut found)?
            } else {
                self.gather(bytes, &mut found)?
            };
            bytes = &bytes[took..];
        }
        Ok(())
    }

    /// The end of the stream: an error when it came within a message.
    ///
    /// # Errors
    ///
    /// Where a message had begun.
    pub fn end(self) -> Result<(), FrameError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.held.is_empty() => Ok(()),
            None => Err(FrameError::CutOff),
        }
    }

    /// Takes a message that lies whole at the start of `bytes`, or begins to hold one.
    fn whole(&mut self, bytes: &[u8], found: &mut impl FnMut(Frame<'_>)) -> Result<usize, FrameError> {
        let length = if let Some(prefix) = bytes.first_chunk() {
            self.length(*prefix)?
        } else {
            self.flags(bytes[0])?;
            bytes.len()
        };
        if bytes.len() < PREFIX || bytes.len() - PREFIX < length {
            self.held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        found(frame(&bytes[..PREFIX + length]));
        Ok(PREFIX + length)
    }

    /// Adds to the message that is held, and gives it once it is whole.
    fn gather(&mut self, bytes: &[u8], found: &mut impl FnMut(Frame<'_>)) -> Result<usize, FrameError> {
        let wanted = match self.held.first_chunk() {
            Some(prefix) => PREFIX + self.length(*prefix)?,
            None => PREFIX,
        };
        let take = bytes.len().min(wanted - self.held.len());
        self.held.extend_from_slice(&bytes[..take]);
        if let Some(prefix) = self.held.first_chunk()
            && self.held.len() == PREFIX + self.length(*prefix)?
        {
            found(frame(&self.held));
            self.held.clear();
        }
        Ok(take)
    }

    fn length(&mut self, prefix: [u8; PREFIX]) -> Result<usize, FrameError> {
        let [flags, length @ ..] = prefix;
        self.flags(flags)?;
        match usize::try_from(u32::from_be_bytes(length)) {
            Ok(length) if length <= self.max => Ok(length),
            _ => self.fail(FrameError::TooLong),
        }
    }

    fn flags(&mut self, flags: u8) -> Result<(), FrameError> {
        if flags & !(COMPRESSED | TRAILERS) == 0 {
            Ok(())
        } else {
            self.fail(FrameError::Flags)
        }
    }

    fn fail<T>(&mut self, error: FrameError) -> Result<T, FrameError> {
        self.held = Vec::new();
        self.failed = Some(error);
        Err(error)
    }
}

/// All messages of a whole stream, and why it ends where they end, if that is not its end.
pub(crate) fn frames(bytes: &[u8], max: usize) -> (Vec<Frame<'_>>, Result<(), FrameError>) {
    let mut reader = FrameReader::new(max);
    let (mut all, mut rest) = (Vec::new(), bytes);
    while let Some(prefix) = rest.first_chunk() {
        let length = match reader.length(*prefix) {
            Ok(length) => length,
            Err(error) => return (all, Err(error)),
        };
        let Some((whole, behind)) = rest.split_at_checked(PREFIX + length) else {
            break;
        };
        all.push(frame(whole));
        rest = behind;
    }
    let end = if rest.is_empty() {
        Ok(())
    } else {
        Err(FrameError::CutOff)
    };
    (all, end)
}

/// Messages that are not compressed, each with its prefix. `flags` is 0, or says that they are trailers.
pub(crate) fn framed<'m>(flags: u8, messages: impl IntoIterator<Item = &'m [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        out.push(flags);
        // A body is far from 4 GiB.
        out.extend_from_slice(&(message.len() as u32).to_be_bytes());
        out.extend_from_slice(message);
    }
    out
}

/// A whole message with its prefix.
fn frame(whole: &[u8]) -> Frame<'_> {
    Frame {
        compressed: whole[0] & COMPRESSED != 0,
        trailers: whole[0] & TRAILERS != 0,
        payload: Cow::Borrowed(&whole[PREFIX..]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Messages = Vec<(bool, Vec<u8>)>;

    /// Messages, each as its flag and its bytes, and how it ended.
    fn read(pieces: &[&[u8]], max: usize) -> (Messages, Result<(), FrameError>) {
        let mut reader = FrameReader::new(max);
        let mut all = Vec::new();
        for piece in pieces {
            let pushed = reader.push(piece, |frame| {
                all.push((frame.compressed, frame.payload.into_owned()));
            });
            if let Err(error) = pushed {
                return (all, Err(error));
            }
        }
        (all, reader.end())
    }

    #[test]
    fn messages_are_found_wherever_they_are_cut() {
        let bytes = b"\0\0\0\0\x03abc\x01\0\0\0\0\0\0\0\0\x01d";
        let expected = [(false, b"abc".to_vec()), (true, vec![]), (false, b"d".to_vec())];
        for at in 0..bytes.len() {
            let (all, end) = read(&[&bytes[..at], &bytes[at..]], 10);
            assert_eq!((&all[..], end), (&expected[..], Ok(())), "{at}");
        }
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&each, 10).0, expected);
    }

    #[test]
    fn what_is_no_message_ends_the_reading() {
        assert_eq!(read(&[b"\x02\0"], 10), (vec![], Err(FrameError::Flags)));
        assert_eq!(read(&[b"\0\0\0\0\x0b"], 10), (vec![], Err(FrameError::TooLong)));
        assert_eq!(
            read(&[b"\0\0\0", b"\0\x0b"], 10),
            (vec![], Err(FrameError::TooLong))
        );
        assert_eq!(read(&[b"\0\0\0\0\x02a"], 10), (vec![], Err(FrameError::CutOff)));
        assert_eq!(read(&[b"\0\0"], 10), (vec![], Err(FrameError::CutOff)));
        let mut reader = FrameReader::new(10);
        assert_eq!(reader.push(b"\x40", |_| {}), Err(FrameError::Flags));
        assert_eq!(reader.push(b"\0\0\0\0\0", |_| panic!()), Err(FrameError::Flags));
    }

    #[test]
    fn no_more_is_held_than_has_come() {
        let mut reader = FrameReader::new(usize::MAX);
        reader.push(b"\0\xff\xff\xff\xffabc", |_| panic!()).unwrap();
        assert!(reader.held.capacity() < 100);
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(0..4_u8, 0..40),
        ], cuts in proptest::collection::vec(0..40_usize, 0..6)) {
            let (whole, end) = frames(&bytes, 100);
            let whole: Vec<_> = whole.into_iter().map(|frame| (frame.compressed, frame.payload.into_owned())).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let (all, ended) = read(&pieces, 100);
            prop_assert_eq!(all, whole);
            prop_assert_eq!(ended.is_ok(), end.is_ok());
        }
    }
}
