//! Whoever reads a head that is framed here, in whatever way, finds the same end and the same length, or refuses it.

use std::fmt::Write;

use proptest::prelude::*;

use super::super::head::{HeadReader, RequestLine, with_fields};
use super::super::message::{Framing, Limits, Version};
use super::*;

/// Where the head in `bytes` ends, and how its message is framed; `None` when it is not framed.
fn skim(bytes: &[u8]) -> Option<(usize, Framing)> {
    let mut reader = Skimmer::<RequestLine>::new();
    let end = reader.read(bytes).ok()??;
    let skimmed = reader.skimmed()?;
    let framing = skimmed.fields.request_framing(skimmed.line.version).ok()?;
    Some((end, framing))
}

#[test]
fn a_head_is_read_whatever_its_size_and_however_it_is_cut() {
    let head = format!(
        "POST /{} HTTP/1.1\r\nCookie: {}\r\ncontent-length:\t7 \r\n\r\n",
        "a".repeat(3000),
        "b".repeat(3000)
    );
    assert_eq!(skim(head.as_bytes()), Some((head.len(), Framing::Length(7))));
    let mut reader = Skimmer::<RequestLine>::new();
    for byte in &head.as_bytes()[..head.len() - 1] {
        assert_eq!(reader.read(&[*byte]), Ok(None));
        assert!(reader.line.kept.capacity() <= 2 * KEPT);
    }
    assert_eq!(reader.read(b"\nbody"), Ok(Some(1)));
    let skimmed = reader.skimmed().unwrap();
    assert_eq!(
        (&skimmed.start[..6], skimmed.line.version),
        (&b"POST /"[..], Version::Http11)
    );
    assert_eq!(skimmed.fault, None);
}

#[test]
fn a_framing_field_longer_than_needed_frames_nothing() {
    let head = |spaces: usize| format!("GET / HTTP/1.1\r\nConnection: {}a\r\n\r\n", " ".repeat(spaces));
    assert!(skim(head(230).as_bytes()).is_some());
    assert!(skim(head(260).as_bytes()).is_none());
}

#[test]
fn bare_lf_behind_a_start_line_alone_may_be_white_space_of_it() {
    assert_eq!(skim(b"POST / HTTP/1.1\n\n\r\n0\r\n\r\n"), None);
    assert_eq!(skim(b"GET / HTTP/1.0\n\n"), None);
    assert_eq!(skim(b"GET / HTTP/1.0\nHost: a\n\n"), Some((24, Framing::None)));
}

/// How a server may read heads.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states of one thing"
)]
struct Way {
    /// A bare LF ends a line; else it is a part of it.
    lf_ends_lines: bool,
    /// A bare CR ends a line.
    cr_ends_lines: bool,
    /// A line that begins with white space is a field of its own; else it goes on with the one before.
    trims_lines: bool,
    /// A line of white space alone ends the head.
    blank_ends_head: bool,
    /// Of a name that is none only letters and digits count.
    loose_names: bool,
    /// NUL ends what is read of a line.
    nul_ends: bool,
}

impl Way {
    fn all() -> impl Iterator<Item = Self> {
        (0..64_u8).map(|bits| Self {
            lf_ends_lines: bits & 1 != 0,
            cr_ends_lines: bits & 2 != 0,
            trims_lines: bits & 4 != 0,
            blank_ends_head: bits & 8 != 0,
            loose_names: bits & 16 != 0,
            nul_ends: bits & 32 != 0,
        })
    }

    /// Where the line that begins `bytes` ends, and where the next one begins.
    fn line(self, bytes: &[u8]) -> Option<(usize, usize)> {
        (0..bytes.len()).find_map(|at| match &bytes[at..] {
            [b'\r', b'\n', ..] => Some((at, at + 2)),
            [b'\n', ..] if self.lf_ends_lines => Some((at, at + 1)),
            [b'\r', _, ..] if self.cr_ends_lines => Some((at, at + 1)),
            _ => None,
        })
    }

    /// `None` when it refuses the head, or waits for more of it.
    fn read(self, bytes: &[u8]) -> Option<(usize, Framing)> {
        let (end, mut at) = self.line(bytes)?;
        let line = bytes[..end].trim_ascii_end();
        let is_version = line.ends_with(b" HTTP/1.1") || line.ends_with(b"\tHTTP/1.1");
        if !is_version || line.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        let mut lines: Vec<Vec<u8>> = Vec::new();
        loop {
            let (end, next) = self.line(&bytes[at..])?;
            let mut line = &bytes[at..at + end];
            at += next;
            let blank = line.iter().all(|byte| *byte <= b' ' || *byte == 0x7f);
            if line.is_empty() || (blank && self.blank_ends_head) {
                break;
            }
            if self.nul_ends {
                line = line.split(|byte| *byte == 0).next().unwrap_or_default();
            }
            match lines.last_mut() {
                Some(last) if !self.trims_lines && matches!(line.first(), Some(b' ' | b'\t')) => {
                    last.extend_from_slice(line);
                }
                _ => lines.push(line.trim_ascii().to_vec()),
            }
        }
        let (mut length, mut chunked) = (None, false);
        for line in lines {
            // One that reads a bare LF as a part of a value may as well pass it on to one that does not.
            let (name, value) = match line.iter().position(|byte| *byte == b':') {
                Some(colon) => (&line[..colon], line[colon + 1..].trim_ascii()),
                None => continue,
            };
            let name: Vec<u8> = if self.loose_names && !is_token(name) {
                name.iter()
                    .filter(|byte| byte.is_ascii_alphanumeric())
                    .copied()
                    .collect()
            } else {
                name.iter().filter(|byte| **byte != b'-').copied().collect()
            };
            if name.eq_ignore_ascii_case(b"contentlength") {
                let text = std::str::from_utf8(value).ok()?;
                length = Some(text.parse().ok()?);
            } else if name.eq_ignore_ascii_case(b"transferencoding") {
                chunked = value.eq_ignore_ascii_case(b"chunked").then_some(true)?;
            }
        }
        let framing = match (chunked, length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::None,
        };
        Some((at, framing))
    }
}

/// A head of lines that are as they should be, or not, and what comes behind it.
fn odd_head() -> impl Strategy<Value = Vec<u8>> {
    let names = prop::sample::select(vec![
        "Host",
        "X",
        "Content-Length",
        "Transfer-Encoding",
        "content-length",
        "Transfer_Encoding",
        "X(Y)",
        "Connection",
        "Content-Length ",
        " Transfer-Encoding",
        "\tX",
        "X\0Content-Length",
        "",
    ]);
    let colons = prop::sample::select(vec![":", ": ", " :", "", ":\x0b", "\0:"]);
    let values = prop::sample::select(vec![
        "5",
        "40",
        "chunked",
        "a",
        "",
        "a\x01b",
        "a\0b",
        "a\x0bTransfer-Encoding: chunked",
        "close",
    ]);
    let ends = prop::sample::select(vec![
        "\r\n",
        "\r\n",
        "\r\n",
        "\r\n",
        "\n",
        "\r\n ",
        "\r\n\t",
        "\r",
        "\r\n \r\n",
    ]);
    let line = (names, colons, values, ends.clone())
        .prop_map(|(name, colon, value, end)| format!("{name}{colon}{value}{end}"));
    let start = prop::sample::select(vec![
        "POST / HTTP/1.1",
        "POST  /a  HTTP/1.1 ",
        "POST /a b HTTP/1.1",
        "POST\t/\tHTTP/1.1",
        "GET /",
    ]);
    let lf_only = any::<bool>();
    (start, ends, prop::collection::vec(line, 0..5), lf_only).prop_map(|(start, end, lines, lf_only)| {
        let mut head = format!("{start}{end}{}\r\n", lines.concat());
        if lf_only {
            head = head.replace('\r', "");
        }
        let _ = write!(
            head,
            "0\r\n\r\nContent-Length: 7\r\n\r\nGET / HTTP/1.1\r\n\r\n\n\n"
        );
        head.into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whoever_takes_a_head_that_is_framed_here_frames_it_alike(head in odd_head()) {
        if let Some(here) = skim(&head) {
            for way in Way::all() {
                if let Some(there) = way.read(&head) {
                    prop_assert_eq!(there, here, "{:?} of {:?}", way, head.escape_ascii().to_string());
                }
            }
        }
    }

    #[test]
    fn a_head_that_is_as_it_should_be_is_framed_as_the_strict_parser_does(head in odd_head()) {
        let limits = Limits { max_head: 8192, max_body: 0, max_headers: 64 };
        if let Ok(Some(found)) = HeadReader::<RequestLine>::new().read(&head, &limits)
            && found.plain
            && let Ok(Ok(framing)) = with_fields(&head[..found.length], &limits, |fields| {
                MessageFields::of(fields).request_framing(found.line.version)
            })
        {
            prop_assert_eq!(skim(&head), Some((found.length, framing)));
        }
    }
}
