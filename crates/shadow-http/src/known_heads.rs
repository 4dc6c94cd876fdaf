//! Heads of responses that were read lately: one that comes again as it was, but for its date, says of its body what it said then.
//! A server writes a few heads again and again, and to take one apart costs more than all that becomes of it.
//!
//! What is remembered is what the bytes of a head say by themselves, whatever connection they come on, so that all connections of a
//! shard share it. Bounded: [`PLACES`] heads of at most [`MAX_HEAD`] bytes.

use std::cell::RefCell;
use std::ops::Range;

use super::head::{StatusLine, span};
use super::message_kind;

/// Heads that are remembered: those of a site's most wanted answers. Each is looked at for one that is none of them.
const PLACES: usize = 6;
/// Longest head that is remembered, in bytes.
const MAX_HEAD: usize = 1024;
/// Where no head comes again, every so many is remembered.
const SELDOM: u32 = 16;

/// The heads that one shard has read lately. Cheap to ask; nothing but time depends on what it knows.
#[derive(Debug, Default)]
pub struct KnownHeads(RefCell<Heads>);

#[derive(Debug, Default)]
struct Heads {
    /// About in the order of how often they come.
    known: Vec<KnownHead>,
    /// How many came since one that was known.
    others: u32,
}

type ReadHead = message_kind::ReadHead<StatusLine>;

#[derive(Debug)]
struct KnownHead {
    bytes: Box<[u8]>,
    /// Where the value of its first `Date` stands; empty without one.
    date: Range<usize>,
    read: ReadHead,
}

impl KnownHead {
    /// Whether `bytes` begin with it, whatever its date is.
    fn begins(&self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.get(..self.bytes.len()) else {
            return false;
        };
        let Range { start, end } = self.date;
        // Bytes that may stand in the value of any field, and end none.
        let is_value = |date: &[u8]| date.iter().all(|byte| matches!(byte, b' '..=b'~'));
        head[..start] == self.bytes[..start]
            && head[end..] == self.bytes[end..]
            && is_value(&head[start..end])
    }
}

impl KnownHeads {
    /// The head that `bytes` begin with, if it is known.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<ReadHead> {
        let heads = &mut *self.0.borrow_mut();
        let Some(at) = heads.known.iter().position(|known| known.begins(bytes)) else {
            heads.others = heads.others.saturating_add(1);
            return None;
        };
        heads.others = 0;
        let read = heads.known[at].read;
        if at > 0 {
            heads.known.swap(at - 1, at);
        }
        Some(read)
    }

    /// Remembers a head with these fields, in place of the one that comes least often.
    pub(super) fn add(&self, head: &[u8], fields: &[httparse::Header<'_>], read: ReadHead) {
        let heads = &mut *self.0.borrow_mut();
        let is_due = heads.others as usize <= 2 * PLACES || heads.others.is_multiple_of(SELDOM);
        if head.len() > MAX_HEAD || !is_due {
            return;
        }
        let date = fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case("date"));
        let date = date.map_or(0..0, |field| span(head, field.value));
        heads.known.truncate(PLACES - 1);
        heads.known.push(KnownHead {
            bytes: head.into(),
            date: date.start as usize..date.end as usize,
            read,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::framing::{MessageFields, RequestKind};
    use crate::head::{HeadReader, with_fields};
    use crate::{Framing, Limits, Version};

    const LIMITS: Limits = Limits {
        max_head: 4096,
        max_body: 1 << 20,
        max_headers: 64,
    };

    /// Reads a head as a stream would that knows none, and has it remembered.
    fn read(heads: &KnownHeads, bytes: &[u8]) -> Option<ReadHead> {
        let found = HeadReader::<StatusLine>::new().read(bytes, &LIMITS).ok()??;
        let head = &bytes[..found.length];
        let read = |fields: &[httparse::Header<'_>]| {
            let read = ReadHead {
                line: found.line,
                length: found.length,
                fields: MessageFields::of(fields),
            };
            heads.add(head, fields, read);
            read
        };
        found.plain.then(|| with_fields(head, &LIMITS, read).ok())?
    }

    fn says(read: ReadHead) -> (StatusLine, usize, Option<Framing>, bool) {
        let framing = read
            .fields
            .response_framing(Version::Http11, read.line.status, RequestKind::Other);
        (
            read.line,
            read.length,
            framing.ok(),
            read.fields.persistent(Version::Http11),
        )
    }

    fn head(date: &str, length: usize) -> String {
        format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n")
    }

    #[test]
    fn a_head_is_known_whatever_its_date_is() {
        let heads = KnownHeads::default();
        read(&heads, head("Mon, 30 Nov 2026 10:00:00 GMT", 7).as_bytes()).unwrap();
        let again = head("Tue, 01 Dec 2026 11:11:11 GMT", 7) + "body";
        let known = heads.find(again.as_bytes()).expect("known");
        assert_eq!((known.length, known.line.status), (again.len() - 4, 200));
        assert_eq!(says(known).2, Some(Framing::Length(7)));
    }

    #[test]
    fn any_other_head_is_not_known() {
        let heads = KnownHeads::default();
        let date = "Mon, 30 Nov 2026 10:00:00 GMT";
        read(&heads, head(date, 7).as_bytes()).unwrap();
        let date_is = |date: &str| head(date, 7);
        for other in [
            head(date, 8),
            head(date, 7).replace("200", "204"),
            head(date, 7).to_lowercase(),
            date_is(""),
            date_is("Mon, 30 Nov 2026 10:00:00 GM"),
            date_is("Mon, 30 Nov 2026\r\nA: 0:00 GMT"),
            date_is("Mon, 30 Nov 2026 10:00:00\tGMT"),
            head(date, 7)[..60].to_owned(),
            String::new(),
        ] {
            assert!(heads.find(other.as_bytes()).is_none(), "{other:?}");
        }
    }

    #[test]
    fn no_more_heads_are_remembered_than_there_are_places() {
        let heads = KnownHeads::default();
        for length in 0..1000 {
            let head = head("x", length);
            assert!(heads.find(head.as_bytes()).is_none());
            read(&heads, head.as_bytes()).unwrap();
        }
        assert_eq!(heads.0.borrow().known.len(), PLACES);
        let long = head("x", 5).replace("\r\n\r\n", &format!("\r\nA: {}\r\n\r\n", "a".repeat(MAX_HEAD)));
        read(&heads, long.as_bytes()).unwrap();
        assert!(heads.find(long.as_bytes()).is_none());
    }

    #[test]
    fn heads_that_come_often_stay_known_among_those_that_come_once() {
        let heads = KnownHeads::default();
        let often = head("x", 1_000_000);
        read(&heads, often.as_bytes()).unwrap();
        for length in 0..100 {
            let once = head("x", length);
            assert!(heads.find(once.as_bytes()).is_none());
            read(&heads, once.as_bytes()).unwrap();
            assert!(heads.find(often.as_bytes()).is_some(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn what_is_known_of_a_head_is_what_reading_it_gives(
            a in "(Date: [ -~]{0,4}\r\n|Content-Length: [12]\r\n|Transfer-Encoding: chunked\r\n|A:b\r\n|date:\t?[a\t]\r\n){0,4}",
            b in "(Date: [ -~]{0,4}\r\n|Content-Length: [12]\r\n|Transfer-Encoding: chunked\r\n|A:b\r\n|date:\t?[a\t]\r\n){0,4}",
            date in "[ -~\t\r\n]{0,5}",
        ) {
            let whole = |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes();
            let with_date = |fields: &str| whole(&format!("Date: 12345\r\n{fields}"));
            for (first, second) in [
                (whole(&a), whole(&b)),
                (with_date(&a), whole(&format!("Date: {date}\r\n{a}"))),
            ] {
                let heads = KnownHeads::default();
                read(&heads, &first);
                if let Some(known) = heads.find(&second) {
                    let read = read(&KnownHeads::default(), &second);
                    prop_assert_eq!(Some(says(known)), read.map(says));
                }
            }
        }
    }
}
