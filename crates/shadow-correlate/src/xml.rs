//! Texts of XML that elements hold by themselves: `<sync-token>...</sync-token>` of `WebDAV`, `<UploadId>...</UploadId>` of S3.
//!
//! Not a tree: an element is read where its start tag, its text and its end tag follow each other. What stands in a comment and looks
//! like that counts as one.

use std::ops::Range;

/// Most elements of one document that are looked at.
const MAX_ELEMENTS: usize = 1024;

/// Calls `each` for the name, without its prefix, and the text of each element that holds text alone; where it stands, without white space at its ends.
pub fn texts<'a>(document: &'a [u8], mut each: impl FnMut(&'a [u8], Range<usize>)) {
    let mut elements = 0;
    for open in memchr::memchr_iter(b'<', document) {
        let rest = &document[open + 1..];
        let Some(end) = memchr::memchr(b'>', rest) else {
            return;
        };
        let tag = &rest[..end];
        let is_start = tag
            .first()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        if !is_start || tag.ends_with(b"/") {
            continue;
        }
        let from = open + 1 + end + 1;
        let Some(length) = memchr::memchr(b'<', &document[from..]) else {
            return;
        };
        if !document[from + length..].starts_with(b"</") {
            continue;
        }
        elements += 1;
        if elements > MAX_ELEMENTS {
            return;
        }
        let text = &document[from..from + length];
        let start = from + (length - text.trim_ascii_start().len());
        let name = tag.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        let length = text.trim_ascii().len();
        // A character reference would have to be written again.
        if length > 0 && memchr::memchr(b'&', text).is_none() {
            each(name, start..start + length);
        }
    }
}

/// Whether a media type is of XML.
pub fn is_xml(media: &[u8]) -> bool {
    let ends =
        |end: &[u8]| media.len() >= end.len() && media[media.len() - end.len()..].eq_ignore_ascii_case(end);
    ends(b"/xml") || (ends(b"+xml") && !media.eq_ignore_ascii_case(b"application/xhtml+xml"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(document: &str) -> Vec<String> {
        let mut all = Vec::new();
        texts(document.as_bytes(), |name, range| {
            all.push(format!("{}={}", String::from_utf8_lossy(name), &document[range]));
        });
        all
    }

    #[test]
    fn elements_that_hold_text_alone_are_found() {
        let document = "<?xml version='1.0'?><D:multistatus xmlns:D=\"DAV:\"><D:response><D:href>/a</D:href> x </D:response>\n\
                        <sync-token>\n http://h/7f3c </sync-token><empty/><empty></empty><a>b<c/></a><d>1 &amp; 2</d></D:multistatus>";
        assert_eq!(found(document), ["href=/a", "sync-token=http://h/7f3c"]);
    }

    #[test]
    fn what_is_cut_off_has_no_text() {
        for document in ["<", "<a", "<a>", "<a>b", "<a>b<", "</a>b</a>", "<!--a>b</a>"] {
            assert_eq!(found(document), [""; 0], "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_document_is_too_strange(document in "[<>/a:& ]{0,60}") {
            texts(document.as_bytes(), |_, range| assert!(range.end <= document.len()));
        }
    }
}
