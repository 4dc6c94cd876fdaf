//! Finds the text fields of `multipart/form-data` (RFC 7578): forms that may carry files are sent so.

use std::ops::Range;

use crate::url::MAX_PARTS;

const DISPOSITION: &[u8] = b"content-disposition:";

/// The boundary that a `Content-Type` names.
pub fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    parameter(content_type, b"boundary").filter(|boundary| !boundary.is_empty() && boundary.len() <= 70)
}

/// The value of a parameter of a field, without its quotation marks.
fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    value.split(|byte| *byte == b';').skip(1).find_map(|part| {
        let part = part.trim_ascii();
        let equals = memchr::memchr(b'=', part)?;
        let text = &part[equals + 1..];
        let text = text
            .strip_prefix(b"\"")
            .and_then(|text| text.strip_suffix(b"\""))
            .unwrap_or(text);
        part[..equals].eq_ignore_ascii_case(name).then_some(text)
    })
}

/// Calls `each` for the name of each field that is no file, and where its value stands.
pub fn fields<'a>(body: &'a [u8], boundary: &[u8], mut each: impl FnMut(&'a [u8], Range<usize>)) {
    let delimiter = [b"--", boundary].concat();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let mut ends = finder.find_iter(body).take(MAX_PARTS).peekable();
    while let Some(start) = ends.next() {
        let Some(&end) = ends.peek() else {
            return;
        };
        let start = start + delimiter.len();
        let Some(part) = body.get(start..end).and_then(|part| part.strip_suffix(b"\r\n")) else {
            continue;
        };
        let Some(head) = memchr::memmem::find(part, b"\r\n\r\n") else {
            continue;
        };
        let mut lines = part[..head].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let disposition = lines.find(|line| {
            line.get(..DISPOSITION.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(DISPOSITION))
        });
        if let Some(disposition) = disposition
            && parameter(disposition, b"filename").is_none()
            && let Some(name) = parameter(disposition, b"name")
        {
            each(name, start + head + 4..start + part.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_fields_are_found_and_files_are_not() {
        let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x\r\ncontent-disposition: form-data; \
            name=f; filename=\"f\"\r\n\r\n2\r\n--x\r\nContent-Disposition: form-data; name=b\r\nX: y\r\n\r\n34\r\n--x--\r\n";
        let mut all = Vec::new();
        fields(
            body.as_bytes(),
            boundary(b"multipart/form-data; boundary=\"x\"").unwrap(),
            |name, range| {
                all.push((name, &body[range]));
            },
        );
        assert_eq!(all, [(&b"a"[..], "1"), (&b"b"[..], "34")]);
    }

    #[test]
    fn what_is_no_multipart_has_no_fields() {
        assert_eq!(boundary(b"text/plain"), None);
        for body in [
            "",
            "--x",
            "--x--x--x",
            "--x\r\n\r\n\r\n--x",
            "--x\r\nA: b\r\n\r\n1\r\n--x",
        ] {
            fields(body.as_bytes(), b"x", |_, _| panic!("{body}"));
        }
    }
}
