//! Heads of one side's answers that were read lately: one that comes again as it was, but for its date, issues what it issued
//! then. Scripts, pictures and styles are most of what a page asks for, and they are the same for all.
//!
//! Only of answers whose bodies issue nothing, or only if they are JSON under another name, and which issue no more than a tag and a
//! date: no secret is kept. Bounded: [`PLACES`]
//! of no more than [`MAX_HEAD`] bytes, some 150 KiB at most. Of what is asked for once nothing is kept, and little of what is
//! answered in another way each time.

use std::hash::BuildHasher;
use std::rc::Rc;

use hashlink::DefaultHashBuilder;
use shadow_http::same_but_for_date;

use crate::fields::issue_alike;
use crate::issued::{Asked, Issued};
use crate::lines;

/// Heads that are kept, one for each place that the hash of what was asked may give.
const PLACES: usize = 64;
/// Longest head that is kept, in bytes, with what was asked.
const MAX_HEAD: usize = 2048;
/// Of answers that are never as they were before, every so many is kept.
const SELDOM: u32 = 16;

/// The answers of one side, as one shard has them.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    hasher: DefaultHashBuilder,
    places: Vec<Slot>,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// The hash of what was asked last, and how often its answers were others than what is kept.
    last: u64,
    others: u32,
    kept: Option<Kept>,
}

/// A head, and what its answer issues.
#[derive(Clone)]
struct Kept {
    method: Box<[u8]>,
    target: Box<[u8]>,
    head: Box<[u8]>,
    issued: Rc<Issued>,
}

/// Without what is in it.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

impl Kept {
    fn is(&self, asked: Asked<'_>, head: &[u8], body: &[u8]) -> bool {
        *self.target == *asked.target
            && *self.method == *asked.method
            && (same_but_for_date(&self.head, head) || issue_alike(&self.head, head))
            && !(self.issued.is_text() && lines::has_json(body))
    }

    fn new(asked: Asked<'_>, head: &[u8], issued: &Rc<Issued>) -> Option<Self> {
        let fits = head.len() + asked.method.len() + asked.target.len() <= MAX_HEAD;
        (fits && issued.is_tag_and_date()).then(|| Self {
            method: asked.method.into(),
            target: asked.target.into(),
            head: head.into(),
            issued: Rc::clone(issued),
        })
    }
}

impl Recent {
    /// The identifiers that an answer issues; `read` reads it, always in the same way.
    pub fn issued(
        &mut self,
        asked: Asked<'_>,
        (head, body): (&[u8], &[u8]),
        read: impl FnOnce() -> Issued,
    ) -> Rc<Issued> {
        if self.places.is_empty() {
            self.places.resize(PLACES, Slot::default());
        }
        let hash = self.hasher.hash_one((asked.method, asked.target));
        let place = &mut self.places[hash as usize % PLACES];
        if let Some(kept) = place.kept.as_ref().filter(|kept| kept.is(asked, head, body)) {
            return Rc::clone(&kept.issued);
        }
        let issued = Rc::new(read());
        if place.last == hash {
            place.others = place.others.saturating_add(1);
            if place.others <= 2 || place.others.is_multiple_of(SELDOM) {
                place.kept = Kept::new(asked, head, &issued);
            }
        } else {
            (place.last, place.others) = (hash, 0);
        }
        issued
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issued::Side;
    use crate::{Exceptions, Keys};

    fn head(date: u32, more: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nDate: {date}\r\n{more}\r\n")
    }

    /// Asks again and again, with the head and the body that `answer` gives each time: how often it is read.
    fn reads(answer: impl Fn(u32) -> (String, &'static str)) -> usize {
        let (keys, exceptions, mut recent) = (Keys::default(), Exceptions::default(), Recent::default());
        let asked = Asked {
            method: b"GET",
            target: b"/a?b=c",
            methods: None,
        };
        let mut all: Vec<Rc<Issued>> = Vec::new();
        for number in 0..10 {
            let (head, body) = answer(number);
            let answer = (head.as_bytes(), body.as_bytes());
            let read = || Issued::of(Side::Production, &keys, &exceptions, asked, answer);
            let issued = recent.issued(asked, answer, read);
            let read = read();
            let known = |issued: &Issued| issued.values().iter().map(|value| value.key).collect::<Vec<_>>();
            assert_eq!(known(&issued), known(&read));
            if !all.iter().any(|other| Rc::ptr_eq(other, &issued)) {
                all.push(issued);
            }
        }
        all.len()
    }

    const TAG: &str = "ETag: \"a1\"\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n";

    #[test]
    fn a_head_that_comes_again_is_read_twice() {
        assert_eq!(reads(|number| (head(number, TAG), "a")), 2);
        assert_eq!(reads(|number| (head(number, ""), "a")), 2);
    }

    #[test]
    fn another_head_is_read_again() {
        assert_eq!(
            reads(|number| (head(0, &format!("ETag: \"{number}\"\r\n")), "a")),
            10
        );
        assert_eq!(
            reads(|number| (head(0, &format!("ETag: \"{}\"\r\n", number % 2)), "a")),
            7
        );
        assert_eq!(
            reads(|number| (head(number, &"X: y\r\n".repeat(MAX_HEAD)), "a")),
            10
        );
    }

    #[test]
    fn text_is_read_again_only_where_it_may_be_json() {
        let text = |more: &str| format!("{TAG}Content-Type: text/plain\r\n{more}");
        assert_eq!(reads(|number| (head(number, &text("")), "a")), 2);
        let now_and_then = |number: u32| {
            if number.is_multiple_of(2) {
                " {\"a\":1}"
            } else {
                "a"
            }
        };
        assert_eq!(reads(|number| (head(number, &text("")), now_and_then(number))), 6);
        let chunked = text("Transfer-Encoding: chunked\r\n");
        assert_eq!(
            reads(|number| (head(number, &chunked), "1\r\na\r\n0\r\n\r\n")),
            10
        );
        let coded = text("Content-Encoding: gzip\r\n");
        assert_eq!(reads(|number| (head(number, &coded), "a")), 10);
    }

    #[test]
    fn what_issues_secrets_or_may_is_not_kept() {
        for more in [
            "Set-Cookie: session=7f3c9a1be05d42c8\r\n",
            "Content-Type: application/json\r\n",
        ] {
            assert_eq!(reads(|number| (head(number, more), r#"{"a":1}"#)), 10, "{more}");
        }
    }
}
