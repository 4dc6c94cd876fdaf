//! `--prettify-http`: bodies as they read, without content coding and chunk framing.
//!
//! What cannot be decoded, or would be larger than the largest body, is left as it is: it is a message all the same.

use std::borrow::Cow;

use shadow_http::{Codings, chunked_data, head_fields};

use super::lines::Lines;
use super::redaction::{Redacted, is_chunked};

/// How bodies are made readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prettifier {
    /// Largest body that comes of it, in bytes.
    pub max_body: usize,
}

impl Prettifier {
    /// Edits the header lines of a message whose body is `body`, chunked or not, and gives the body that takes its place:
    /// framed by its length, and the lines say so. `None` where the message stays as it is.
    pub(super) fn edit(self, lines: &mut Lines<'_>, chunked: bool, body: &[u8]) -> Option<Vec<u8>> {
        let mut codings = Codings::default();
        lines.any("content-encoding", |value| {
            codings.read(value);
            false
        });
        if body.is_empty() || (codings.is_empty() && !chunked) {
            return None;
        }
        let payload = if chunked {
            Cow::Owned(chunked_data(body)?)
        } else {
            Cow::Borrowed(body)
        };
        let payload = codings.undo(payload, self.max_body).ok()?.into_owned();
        lines.remove("content-encoding");
        if chunked {
            lines.remove("transfer-encoding");
            lines.remove("trailer");
        }
        lines.set("Content-Length", payload.len().to_string().as_bytes());
        Some(payload)
    }
}

impl Prettifier {
    /// The readable form of a message on the wire, where it has another.
    pub(super) fn message(self, head: &[u8], body: &[u8]) -> Option<Redacted> {
        let fields = head_fields(head)?;
        let mut lines = Lines::of(head, &fields);
        let chunked = lines.any("transfer-encoding", is_chunked);
        let body = self.edit(&mut lines, chunked, body)?;
        let end = memchr::memchr(b'\r', head)?;
        Some(Redacted {
            head: lines.head(&[&head[..end]]),
            body: Some(body),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    const TEXT: &[u8] = b"hello hello hello hello";
    /// `TEXT`, by the reference encoder of Brotli.
    const BROTLI: &[u8] = &[
        0x1b, 0x16, 0x00, 0xf8, 0x8d, 0x94, 0x6e, 0xde, 0x44, 0x55, 0x86, 0x96, 0x6c, 0x20, 0x6f, 0x21, 0x4f,
        0x1c, 0xe0, 0x38,
    ];

    fn pretty(fields: &str, body: &[u8], max_body: usize) -> Option<(String, Vec<u8>)> {
        let head = format!("POST / HTTP/1.1\r\n{fields}\r\n");
        let all = head_fields(head.as_bytes()).unwrap();
        let mut lines = Lines::of(head.as_bytes(), &all);
        let chunked = fields.contains("chunked");
        let body = Prettifier { max_body }.edit(&mut lines, chunked, body)?;
        let head = String::from_utf8(lines.head(&[b"POST / HTTP/1.1"])).unwrap();
        Some((head, body))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_coding_is_undone_and_the_length_is_that_of_the_text() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(TEXT, ruzstd::encoding::CompressionLevel::Fastest);
        for (coding, body) in [
            ("gzip", gzip(TEXT)),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd),
            ("br", BROTLI.to_vec()),
            ("gzip, gzip", gzip(&gzip(TEXT))),
        ] {
            let fields = format!("Content-Encoding: {coding}\r\nContent-Length: {}\r\n", body.len());
            let (head, body) = pretty(&fields, &body, 100).unwrap_or_else(|| panic!("{coding}"));
            assert_eq!(body, TEXT, "{coding}");
            assert_eq!(head, "POST / HTTP/1.1\r\nContent-Length: 23\r\n\r\n");
        }
    }

    #[test]
    fn chunks_are_joined() {
        let (head, body) = pretty(
            "Transfer-Encoding: chunked\r\n",
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            100,
        )
        .unwrap();
        assert_eq!(
            (head.as_str(), &body[..]),
            ("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", &b"hello"[..])
        );
    }

    #[test]
    fn what_cannot_be_decoded_stays_as_it_is() {
        let gzip = gzip(TEXT);
        assert_eq!(pretty("Content-Length: 5\r\n", b"hello", 100), None);
        assert_eq!(pretty("Content-Encoding: gzip\r\n", b"hello", 100), None);
        assert_eq!(pretty("Content-Encoding: gzip\r\n", &gzip[..10], 100), None);
        assert_eq!(
            pretty("Content-Encoding: gzip\r\n", &gzip, TEXT.len() - 1),
            None,
            "too large"
        );
        assert_eq!(pretty("Content-Encoding: compress\r\n", &gzip, 100), None);
        assert_eq!(
            pretty("Content-Encoding: gzip, gzip, gzip, gzip, gzip\r\n", &gzip, 100),
            None
        );
    }

    proptest! {
        #[test]
        fn no_body_is_trusted(body: Vec<u8>, coding in "gzip|deflate|br|zstd") {
            let made = pretty(&format!("Content-Encoding: {coding}\r\n"), &body, 1000);
            prop_assert!(made.is_none_or(|(_, body)| body.len() <= 1000));
        }
    }
}
