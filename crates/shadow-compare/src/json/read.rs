//! Reads JSON (RFC 8259) for comparing: nothing is rounded, and no member is lost to another of its name.
//!
//! Each value has a hash of all that it is worth, by a random key of its reader, so that equal parts, however large, are found
//! equal at once. Members of objects are put in the order of their names.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use super::number;

/// Deepest nesting that is read.
pub(super) const MAX_DEPTH: usize = 128;
/// Most values that are read: each takes 40 bytes, and a byte or two of a text can be one.
const MAX_VALUES: usize = 1 << 18;

/// A value.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    /// The same for values that are equal, and for no others but with a chance of one in 2^64 that nobody can steer.
    pub hash: u64,
    pub value: Json<'a>,
}

/// A JSON value.
#[derive(Debug)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// As it is written.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// By name; members of the same name in the order of the text.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl Json<'_> {
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// Reads values whose hashes can be compared.
#[derive(Debug, Default)]
pub(crate) struct Reader(RandomState);

impl Reader {
    /// The value that `text` is, white space around it aside; `None` when it is not one, too deep, or of too many parts.
    pub fn read<'a>(&self, text: &'a str) -> Option<Node<'a>> {
        let mut reading = self.reading(text);
        let node = reading.value(0)?;
        reading.space();
        (reading.at == text.len()).then_some(node)
    }

    /// The values that `text` is, one behind the other, as an array.
    pub fn read_lines<'a>(&self, text: &'a str) -> Option<Node<'a>> {
        let mut reading = self.reading(text);
        let mut elements = Vec::new();
        reading.space();
        while reading.at < text.len() {
            elements.push(reading.value(1)?);
            reading.space();
        }
        Some(reading.node(Json::Array(elements)))
    }

    pub(super) fn reading<'a>(&self, text: &'a str) -> Reading<'a, '_> {
        Reading {
            text,
            at: 0,
            values: 0,
            key: &self.0,
            scratch: Vec::new(),
        }
    }
}

pub(super) struct Reading<'a, 'k> {
    text: &'a str,
    pub at: usize,
    /// How many were read.
    values: usize,
    key: &'k RandomState,
    scratch: Vec<u8>,
}

impl<'a> Reading<'a, '_> {
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes over white space and this byte.
    pub fn take(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self, depth: usize) -> Option<Node<'a>> {
        self.space();
        self.values += 1;
        let value = match self.peek()? {
            _ if self.values > MAX_VALUES => return None,
            b'{' | b'[' if depth == MAX_DEPTH => return None,
            b'{' => self.object(depth)?,
            b'[' => self.array(depth)?,
            b'"' => Json::String(self.string()?),
            b'-' | b'0'..=b'9' => Json::Number(self.number()?),
            b't' => self.word("true", Json::Bool(true))?,
            b'f' => self.word("false", Json::Bool(false))?,
            b'n' => self.word("null", Json::Null)?,
            _ => return None,
        };
        Some(self.node(value))
    }

    fn node(&mut self, value: Json<'a>) -> Node<'a> {
        let hash = self.hash(&value);
        Node { hash, value }
    }

    fn hash(&mut self, value: &Json<'a>) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write(value.type_name().as_bytes());
        match value {
            Json::Null => {}
            Json::Bool(value) => value.hash(&mut hasher),
            Json::Number(text) => {
                number::canonical(text, &mut self.scratch);
                self.scratch.hash(&mut hasher);
            }
            Json::String(text) => text.hash(&mut hasher),
            Json::Array(elements) => elements.iter().for_each(|element| element.hash.hash(&mut hasher)),
            Json::Object(members) => {
                for (name, value) in members {
                    name.hash(&mut hasher);
                    value.hash.hash(&mut hasher);
                }
            }
        }
        hasher.finish()
    }

    pub fn word<T>(&mut self, word: &str, value: T) -> Option<T> {
        self.text.as_bytes()[self.at..]
            .starts_with(word.as_bytes())
            .then(|| {
                self.at += word.len();
                value
            })
    }

    fn array(&mut self, depth: usize) -> Option<Json<'a>> {
        let mut elements = Vec::new();
        self.at += 1;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Some(Json::Array(elements));
                }
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Json<'a>> {
        let mut members: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        self.at += 1;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek()? != b'"' {
                return None;
            }
            let name = self.string()?;
            self.take(b':')?;
            members.push((name, self.value(depth + 1)?));
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    members.sort_by(|(a, _), (b, _)| a.cmp(b));
                    return Some(Json::Object(members));
                }
                _ => return None,
            }
        }
    }

    pub fn number(&mut self) -> Option<&'a str> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.peek().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.peek().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        Some(&self.text[from..self.at])
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    /// A string, from its first quote. Copied only where it has escapes.
    pub fn string(&mut self) -> Option<Cow<'a, str>> {
        self.at += 1;
        let from = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Borrowed(&self.text[from..self.at - 1]));
                }
                b'\\' => break,
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let mut out = self.text[from..self.at].to_owned();
        loop {
            let plain = self.at;
            while !matches!(self.peek()?, b'"' | b'\\' | 0..0x20) {
                self.at += 1;
            }
            out.push_str(&self.text[plain..self.at]);
            match bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Owned(out));
                }
                b'\\' => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return None,
            }
        }
    }

    /// Reads what stands behind a backslash. Half of a surrogate pair becomes U+FFFD.
    fn escape(&mut self) -> Option<char> {
        let byte = self.peek()?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                if (0xd800..0xdc00).contains(&first) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let second = self.unit()?;
                    if (0xdc00..0xe000).contains(&second) {
                        let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                        return char::from_u32(code);
                    }
                    self.at = back;
                }
                char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return None,
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        let reader = Reader::default();
        reader.read(a).unwrap().hash == reader.read(b).unwrap().hash
    }

    #[test]
    fn what_is_written_in_another_way_is_the_same() {
        assert!(same(
            r#"{"a":1,"b":[true,null]}"#,
            " { \"b\" : [ true , null ] ,\n\"a\" : 1.0 } "
        ));
        assert!(same(r#""\u00e4\n\/""#, "\"ä\\n/\""));
        assert!(same(r#""\ud83d\ude00""#, "\"😀\""));
        assert!(!same(r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same("[]", "{}"));
        assert!(!same("\"1\"", "1"));
        assert!(!same("[[],[]]", "[[[]]]"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(Reader::default().read(&deep(128)).is_some());
        assert!(Reader::default().read(&deep(129)).is_none());
        assert!(Reader::default().read(&"[".repeat(1_000_000)).is_none());
    }

    #[test]
    fn values_are_bounded() {
        let many = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(Reader::default().read(&many(1 << 18)).is_some());
        assert!(Reader::default().read(&many((1 << 18) + 1)).is_none());
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in "[\\[\\]{}\":,a0-9eE.+\\\\ u\\-tfn]{0,12}|\\PC{0,12}|[\"{\\[]\\PC{0,8}[\"}\\]]") {
            let known = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(Reader::default().read(&text).is_some(), known, "{}", text);
        }
    }
}
