//! Finds the entries of a HAR file in a stream of JSON, one at a time, without holding more than one.

use std::io::{self, BufRead};

/// Why the entries cannot be found.
fn not_har(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("this is not a HAR file: {what}"),
    )
}

/// An entry that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// One entry's bytes.
    Whole(Vec<u8>),
    /// One that is larger than the bound, passed over.
    TooLarge,
}

/// Longest key that is looked at.
const MAX_KEY: usize = 64;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 256;

/// Reads `source` byte by byte.
#[derive(Debug)]
pub(super) struct Scanner<R> {
    source: R,
    offset: u64,
    inside: bool,
    ended: bool,
}

impl<R: BufRead> Scanner<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            offset: 0,
            inside: false,
            ended: false,
        }
    }

    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next entry, and where it begins; `None` behind the last.
    pub fn next_element(&mut self, most: usize) -> io::Result<Option<(u64, Element)>> {
        if !self.inside && !self.ended {
            self.enter()?;
            self.inside = true;
        }
        if self.ended {
            return Ok(None);
        }
        let mut byte = self.token()?;
        if byte == b',' {
            byte = self.token()?;
        }
        if byte == b']' {
            self.ended = true;
            return Ok(None);
        }
        let start = self.offset - 1;
        let mut bytes = Vec::new();
        let whole = self.value(byte, &mut |byte| {
            if bytes.len() < most {
                bytes.push(byte);
                true
            } else {
                false
            }
        })?;
        Ok(Some((
            start,
            if whole {
                Element::Whole(bytes)
            } else {
                Element::TooLarge
            },
        )))
    }

    /// Goes to the first of `{"log": {"entries": [`, whatever stands before.
    fn enter(&mut self) -> io::Result<()> {
        self.member("log", b'{')?;
        self.member("entries", b'[')
    }

    /// Behind the first byte of the value of `key` in the object that begins here.
    fn member(&mut self, key: &str, opens: u8) -> io::Result<()> {
        let missing = || not_har(&format!("\"{key}\" is missing (JSON lines cannot be replayed)"));
        if key == "log" && self.token()? != b'{' {
            return Err(missing());
        }
        loop {
            let mut byte = self.token()?;
            if byte == b',' {
                byte = self.token()?;
            }
            if byte != b'"' {
                return Err(missing());
            }
            let mut name = Vec::new();
            self.value(byte, &mut |byte| {
                if name.len() < MAX_KEY {
                    name.push(byte);
                }
                true
            })?;
            if self.token()? != b':' {
                return Err(missing());
            }
            let first = self.token()?;
            if name == format!("\"{key}\"").as_bytes() {
                return if first == opens { Ok(()) } else { Err(missing()) };
            }
            self.value(first, &mut |_| true)?;
        }
    }

    /// Reads one value to its end; `first` is its first byte. Tells whether every byte was kept.
    fn value(&mut self, first: u8, keep: &mut impl FnMut(u8) -> bool) -> io::Result<bool> {
        let mut kept = keep(first);
        let mut open: Vec<u8> = Vec::new();
        let (mut in_text, mut escaped) = (false, false);
        match first {
            b'"' => in_text = true,
            b'{' | b'[' => open.push(first),
            b'}' | b']' | b':' | b',' => return Err(not_har("a value is missing")),
            _ => {}
        }
        let is_plain = !in_text && open.is_empty();
        loop {
            let Some(byte) = self.peek()? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            if is_plain && (byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']')) {
                return Ok(kept);
            }
            self.advance();
            kept &= keep(byte);
            if in_text {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_text = false,
                    _ => {}
                }
                if in_text || !open.is_empty() {
                    continue;
                }
                return Ok(kept);
            }
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' if open.len() >= MAX_DEPTH => return Err(not_har("it is nested too deeply")),
                b'{' | b'[' => open.push(byte),
                b'}' | b']' => {
                    let opened = open.pop();
                    if opened != Some(if byte == b'}' { b'{' } else { b'[' }) {
                        return Err(not_har("its brackets do not match"));
                    }
                    if open.is_empty() {
                        return Ok(kept);
                    }
                }
                _ => {}
            }
        }
    }

    /// The next byte that is no white space.
    fn token(&mut self) -> io::Result<u8> {
        loop {
            let Some(byte) = self.peek()? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            self.advance();
            // With the mark of UTF-8 that some editors put first.
            let is_mark = self.offset <= 3 && matches!(byte, 0xef | 0xbb | 0xbf);
            if !byte.is_ascii_whitespace() && !is_mark {
                return Ok(byte);
            }
        }
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.source.fill_buf() {
                Ok(available) => return Ok(available.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&mut self) {
        self.source.consume(1);
        self.offset += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, most: usize) -> Result<Vec<String>, String> {
        let mut scanner = Scanner::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some((offset, element)) = scanner.next_element(most).map_err(|error| error.to_string())? {
            found.push(match element {
                Element::Whole(bytes) => format!("{offset} {}", String::from_utf8(bytes).unwrap()),
                Element::TooLarge => format!("{offset} too large"),
            });
        }
        Ok(found)
    }

    #[test]
    fn entries_are_found_behind_whatever_stands_before_them() {
        let text = r#" {"x": [{"log": 1}], "log": {"pages": [], "n": 1.5, "s": "\"]}", "entries": [ {"a": "}"} , {"b": [{}]}, 7 ] }}"#;
        assert_eq!(
            all(text, 100).unwrap(),
            [r#"78 {"a": "}"}"#, r#"91 {"b": [{}]}"#, "104 7"]
        );
        assert_eq!(all(r#"{"log":{"entries":[]}}"#, 100).unwrap(), [""; 0]);
    }

    #[test]
    fn an_entry_beyond_the_bound_is_passed_over() {
        let text = r#"{"log":{"entries":[{"a":"xxxxxxxxxxxxxxxx"},{"b":1}]}}"#;
        assert_eq!(all(text, 8).unwrap(), ["19 too large", r#"44 {"b":1}"#]);
    }

    #[test]
    fn what_is_no_har_is_an_error_that_says_so() {
        for text in [
            r#"{"log":[]}"#,
            r#"{"log":{"version":1}}"#,
            "[]",
            r#"{"log":{"entries":{}}}"#,
            "{log:1}",
        ] {
            assert!(all(text, 9).unwrap_err().contains("not a HAR"), "{text}");
        }
        let deep = format!(r#"{{"log":{{"entries":[{}"#, "[".repeat(1000));
        assert!(all(&deep, 9).unwrap_err().contains("deeply"));
    }
}
