//! Gzip and Zstandard of recordings.
//!
//! Each write is a whole member (gzip, RFC 1952 section 2.2) or frame (Zstandard, RFC 8878 section 3): readers take any
//! number of them one behind the other, so what is in the file can be read at every moment, and a crash costs no more than
//! the write that it interrupts. What is read is told by its first bytes, whatever its name.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Bytes read from a file at once.
const BUFFER: usize = 64 * 1024;

/// How a recording is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.gz`.
    Gzip,
    /// `.zst`.
    Zstd,
}

impl Compression {
    /// Compression by the end of a name, and the name without it.
    pub fn by_name(name: &str) -> (Self, &str) {
        if let Some(rest) = name.strip_suffix(".gz") {
            (Self::Gzip, rest)
        } else if let Some(rest) = name.strip_suffix(".zst") {
            (Self::Zstd, rest)
        } else {
            (Self::None, name)
        }
    }

    /// `bytes` as one member or frame.
    pub fn encode(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::None => bytes,
            Self::Gzip => {
                let mut encoder =
                    GzEncoder::new(Vec::with_capacity(bytes.len() / 4), flate2::Compression::fast());
                // Writing to a `Vec` does not fail.
                let _ = encoder.write_all(&bytes);
                encoder.finish().unwrap_or_default()
            }
            Self::Zstd => compress_to_vec(bytes.as_slice(), CompressionLevel::Fastest),
        }
    }
}

/// A file's content, decompressed while it is read.
pub type Opened = BufReader<Box<dyn Read + Send>>;

/// Reads `file`, which may be compressed. Memory is bounded: nothing is held but the window of the compression, at most
/// 128 MiB for Zstandard and 32 KiB for gzip.
///
/// # Errors
///
/// Where the file cannot be read, or does not begin as what its first bytes say.
pub fn open(file: impl Read + Send + 'static) -> io::Result<Opened> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let content: Box<dyn Read + Send> = match file.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(Frames::new(file)),
        _ => return Ok(BufReader::with_capacity(BUFFER, Box::new(file))),
    };
    Ok(BufReader::with_capacity(BUFFER, content))
}

/// Zstandard frames, one behind the other.
struct Frames<R: Read> {
    /// Behind the last whole frame.
    between: Option<R>,
    frame: Option<StreamingDecoder<R, FrameDecoder>>,
}

impl<R: BufRead> Frames<R> {
    fn new(source: R) -> Self {
        Self {
            between: Some(source),
            frame: None,
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(mut source) = self.between.take() {
                if source.fill_buf()?.is_empty() {
                    self.between = Some(source);
                    return Ok(0);
                }
                self.frame = Some(StreamingDecoder::new(source).map_err(io::Error::other)?);
            }
            let Some(frame) = &mut self.frame else {
                return Ok(0);
            };
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.between = self.frame.take().map(StreamingDecoder::into_inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    fn read(bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut content = Vec::new();
        let whole =
            open(io::Cursor::new(bytes.to_vec())).and_then(|mut opened| opened.read_to_end(&mut content));
        (content, whole.is_ok())
    }

    #[test]
    fn what_was_written_in_pieces_is_read_as_one() {
        for compression in ALL {
            let long = vec![b'x'; 300_000];
            let pieces = [&b"first "[..], b"", b"second", &long];
            let file = pieces.map(|piece| compression.encode(piece.to_vec())).concat();
            assert_eq!(read(&file), (pieces.concat(), true), "{compression:?}");
        }
    }

    #[test]
    fn a_compressed_file_cut_anywhere_gives_its_whole_part() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let first = compression.encode(b"first, which is whole".to_vec());
            let file = [first.clone(), compression.encode(b"second".to_vec())].concat();
            for length in first.len() + 1..file.len() {
                let (content, whole) = read(&file[..length]);
                assert!(
                    content.starts_with(b"first, which is whole"),
                    "{compression:?} {length}"
                );
                assert!(!whole, "{compression:?} {length}");
            }
        }
    }

    #[test]
    fn names_tell_the_compression() {
        assert_eq!(Compression::by_name("a.gor.gz"), (Compression::Gzip, "a.gor"));
        assert_eq!(Compression::by_name("a.har.zst"), (Compression::Zstd, "a.har"));
        assert_eq!(Compression::by_name("gz"), (Compression::None, "gz"));
    }
}
