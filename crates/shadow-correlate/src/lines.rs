//! JSON that stands in lines of text: events (`data: {"id":7}`), JSON lines, and packets of Engine.IO (`0{"sid":"..."}`, `42["pad",{}]`).
//!
//! Server-sent events are of the HTML Living Standard section 9.2.6; packets of Engine.IO 4 are separated by the record separator, and begin
//! with digits that say what they are, those of Socket.IO maybe with a namespace (`40/chat,{}`). Engine.IO 3 writes before each packet how many characters it has (`13:0{"sid":"..."}2:40`).

use std::ops::Range;

/// Most documents of one text.
const MAX_DOCUMENTS: usize = 256;
/// Most digits that a packet begins with: two types, and a number by which it is acknowledged.
const MAX_DIGITS: usize = 12;
/// Separator of packets.
const RECORD_SEPARATOR: u8 = 0x1e;

/// Whether a media type is of JSON in lines, or of events.
pub fn is_lines(media: &[u8]) -> bool {
    let known: [&[u8]; 5] = [
        b"text/event-stream",
        b"application/x-ndjson",
        b"application/ndjson",
        b"application/jsonl",
        b"application/x-jsonlines",
    ];
    known.iter().any(|known| media.eq_ignore_ascii_case(known))
}

/// Whether text that is called plain has JSON: all of it, or in packets.
pub fn has_json(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let rest = &text[digits(text)..];
    matches!(rest.first(), Some(b'{' | b'['))
        || (rest.len() < text.len() && matches!(rest.first(), Some(b'/' | b':' | &RECORD_SEPARATOR)))
}

/// Calls `each` for where a document, or a URL in place of one, stands.
pub fn documents(text: &[u8], mut each: impl FnMut(Range<usize>)) {
    let (mut at, mut left) = (0, MAX_DOCUMENTS);
    while at < text.len() && left > 0 {
        let rest = &text[at..];
        let (from, end) = counted(rest).unwrap_or_else(|| {
            let end = memchr::memchr2(b'\n', RECORD_SEPARATOR, rest);
            (0, end.unwrap_or(rest.len()))
        });
        let line = rest[from..end].trim_ascii_end();
        if let Some(start) = start(line) {
            each(at + from + start..at + from + line.len());
            left -= 1;
        }
        at += end;
        at += usize::from(matches!(text.get(at), Some(b'\n' | &RECORD_SEPARATOR)));
    }
}

/// Where in a line its document begins.
fn start(line: &[u8]) -> Option<usize> {
    let is_event = line.starts_with(b"data:");
    let rest = line.strip_prefix(b"data:").unwrap_or(line).trim_ascii_start();
    let mut at = line.len() - rest.len();
    if !is_event {
        at += digits(rest);
        if at > 0 && line[at..].starts_with(b"/") {
            at += memchr::memchr(b',', &line[at..])? + 1;
            at += digits(&line[at..]);
        }
    }
    let is_url = is_event && crate::url::is_url(&line[at..]);
    (is_url || matches!(line.get(at), Some(b'{' | b'['))).then_some(at)
}

/// Where a packet begins and ends that says how many characters it has.
fn counted(text: &[u8]) -> Option<(usize, usize)> {
    let from = digits(text) + 1;
    if from == 1 || text.get(from - 1) != Some(&b':') {
        return None;
    }
    let count: usize = std::str::from_utf8(&text[..from - 1]).ok()?.parse().ok()?;
    // Characters begin with what continues none.
    let mut starts = (from..text.len()).filter(|at| text[*at] & 0xc0 != 0x80);
    starts
        .nth(count)
        .or_else(|| (count > 0).then_some(text.len()))
        .map(|end| (from, end))
}

fn digits(text: &[u8]) -> usize {
    text.iter()
        .take(MAX_DIGITS)
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<&str> {
        let mut all = Vec::new();
        documents(text.as_bytes(), |range| all.push(&text[range]));
        all
    }

    #[test]
    fn events_lines_and_packets_have_documents() {
        assert_eq!(
            all("event: a\r\ndata: {\"a\":1}\r\n\r\ndata:/messages?id=7\n: {}\n"),
            ["{\"a\":1}", "/messages?id=7"]
        );
        assert_eq!(all("{\"a\":1}\n\n[2]\n"), ["{\"a\":1}", "[2]"]);
        assert_eq!(
            all("0{\"sid\":\"x\"}\u{1e}40/chat,{\"sid\":\"y\"}\u{1e}2\u{1e}42/chat,17[\"a\"]\u{1e}421[{}]"),
            ["{\"sid\":\"x\"}", "{\"sid\":\"y\"}", "[\"a\"]", "[{}]"]
        );
        assert_eq!(
            all("13:0{\"sid\":\"\u{e9}y\"}2:405:42[7]"),
            ["{\"sid\":\"\u{e9}y\"}", "[7]"]
        );
        assert_eq!(all("hello\n/a\n12/x{}\nid: {"), [""; 0]);
    }

    #[test]
    fn plain_text_has_json_where_it_begins_so() {
        for text in [
            "{",
            " [1]",
            "0{\"sid\"",
            "42[\"a\"]",
            "40\u{1e}42[]",
            "40/chat,{}",
            "9:0{",
        ] {
            assert!(has_json(text.as_bytes()), "{text}");
        }
        for text in ["", "ok", "42", "/a", "a{"] {
            assert!(!has_json(text.as_bytes()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(data:|[0-9:/,{\\[\n\u{1e} \u{e9}]){0,40}") {
            documents(text.as_bytes(), |range| assert!(range.end <= text.len()));
        }
    }
}
