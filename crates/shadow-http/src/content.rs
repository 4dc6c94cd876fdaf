//! Undoes what a body was wrapped in for the way: content codings (RFC 9110 section 8.4) and chunk framing.
//!
//! What comes out is bounded, whatever a few bytes claim to unfold to.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ruzstd::decoding::StreamingDecoder;

/// Codings of one body at most; more are somebody's joke.
const MAX_CODINGS: usize = 4;
/// Bytes that a decoder of Brotli reads at once.
const BROTLI_BUFFER: usize = 4096;

/// Whether a media type, without parameters, is of JSON: `application/json`, `application/problem+json`, `application/x-amz-json-1.1`.
pub fn is_json(media: &[u8]) -> bool {
    let subtype = media
        .iter()
        .position(|byte| *byte == b'/')
        .map_or(&[][..], |slash| &media[slash + 1..]);
    subtype
        .split(|byte| matches!(byte, b'+' | b'-' | b'.'))
        .any(|word| word.eq_ignore_ascii_case(b"json"))
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// A coding that is not known here, too many of them, or bytes that are not of their coding.
    #[error("cannot decode the content coding")]
    Invalid,
    /// More bytes would come out than are allowed.
    #[error("the decoded body is too large")]
    TooLarge,
}

/// The content codings of a body, in the order in which they were applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codings(Vec<String>);

impl Codings {
    /// Takes in the value of a `Content-Encoding` field; several fields count as one list.
    pub fn read(&mut self, value: &[u8]) {
        for coding in value.split(|byte| *byte == b',') {
            let coding = coding.trim_ascii();
            // One more than are undone is enough to know.
            if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") && self.0.len() <= MAX_CODINGS
            {
                self.0.push(String::from_utf8_lossy(coding).to_ascii_lowercase());
            }
        }
    }

    /// Whether the body is as it reads.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `body` without its codings, at most `max` bytes of it at each step.
    ///
    /// # Errors
    ///
    /// Where a coding is unknown or broken, or gives more than `max` bytes.
    pub fn undo<'a>(&self, body: Cow<'a, [u8]>, max: usize) -> Result<Cow<'a, [u8]>, Undecodable> {
        if self.0.len() > MAX_CODINGS {
            return Err(Undecodable::Invalid);
        }
        let mut body = body;
        for coding in self.0.iter().rev() {
            body = Cow::Owned(decoded(coding, &body, max)?);
        }
        Ok(body)
    }
}

fn decoded(coding: &str, bytes: &[u8], max: usize) -> Result<Vec<u8>, Undecodable> {
    match coding {
        "gzip" | "x-gzip" => all(MultiGzDecoder::new(bytes), max),
        // Some send it without the frame that RFC 9110 section 8.4.1.2 asks for.
        "deflate" => match all(ZlibDecoder::new(bytes), max) {
            Err(Undecodable::Invalid) => all(DeflateDecoder::new(bytes), max),
            done => done,
        },
        "br" => all(brotli_decompressor::Decompressor::new(bytes, BROTLI_BUFFER), max),
        "zstd" => {
            let decoder = StreamingDecoder::new(bytes).map_err(|_| Undecodable::Invalid)?;
            all(decoder, max)
        }
        _ => Err(Undecodable::Invalid),
    }
}

/// All that a decoder gives, if that is at most `max` bytes.
fn all(decoder: impl Read, max: usize) -> Result<Vec<u8>, Undecodable> {
    let mut out = Vec::new();
    let read = decoder.take((max as u64).saturating_add(1)).read_to_end(&mut out);
    match read {
        _ if out.len() > max => Err(Undecodable::TooLarge),
        Ok(_) => Ok(out),
        Err(_) => Err(Undecodable::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn undo(coding: &str, body: &[u8], max: usize) -> Result<Vec<u8>, Undecodable> {
        let mut codings = Codings::default();
        codings.read(coding.as_bytes());
        codings.undo(body.into(), max).map(Cow::into_owned)
    }

    #[test]
    fn media_types_of_json_have_the_word_in_them() {
        for media in [
            "application/json",
            "Application/JSON",
            "application/problem+json",
            "application/json-patch+json",
            "application/x-amz-json-1.1",
            "application/vnd.docker.distribution.manifest.v2+json",
            "text/json",
        ] {
            assert!(is_json(media.as_bytes()), "{media}");
        }
        for media in [
            "",
            "json",
            "text/html",
            "application/jsonp",
            "application/json5",
            "json/xml",
        ] {
            assert!(!is_json(media.as_bytes()), "{media}");
        }
    }

    #[test]
    fn codings_are_undone_from_the_last_to_the_first() {
        assert_eq!(
            undo("gzip, X-GZIP", &gzip(&gzip(b"hello")), 100),
            Ok(b"hello".to_vec())
        );
        assert_eq!(undo("", b"hello", 1), Ok(b"hello".to_vec()));
        assert_eq!(undo("identity", b"hello", 1), Ok(b"hello".to_vec()));
    }

    #[test]
    fn what_is_too_large_is_told_from_what_is_no_coding() {
        let zeros = gzip(&[0; 1000]);
        assert_eq!(undo("gzip", &zeros, 1000).map(|body| body.len()), Ok(1000));
        assert_eq!(undo("gzip", &zeros, 999), Err(Undecodable::TooLarge));
        assert_eq!(
            undo("gzip", &zeros[..zeros.len() - 9], 1000),
            Err(Undecodable::Invalid)
        );
        assert_eq!(undo("gzip", b"hello", 1000), Err(Undecodable::Invalid));
        assert_eq!(undo("br", b"hello", 1000), Err(Undecodable::Invalid));
        assert_eq!(undo("compress", b"hello", 1000), Err(Undecodable::Invalid));
        assert_eq!(
            undo("gzip,gzip,gzip,gzip,gzip", b"hello", 1000),
            Err(Undecodable::Invalid)
        );
    }
}
