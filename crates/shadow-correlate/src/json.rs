//! Walks over JSON (RFC 8259) without building it: where each string and number stands, and what it is called.

use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting that is walked into.
const MAX_DEPTH: usize = 64;

/// A string or a number.
#[derive(Clone, Debug)]
pub struct Scalar<'a> {
    /// Where it stands: of a string, what is between the quotation marks.
    pub range: Range<usize>,
    /// Whether it is a string.
    pub is_string: bool,
    /// The member that it is, as it is written; `None` of an element.
    pub name: Option<&'a [u8]>,
    /// How many objects and arrays it is in.
    pub depth: usize,
}

/// A visitor, which is told of the parts in the order of the text.
pub trait Visitor<'a> {
    /// A string, a number or a word (`true`, `false`, `null`).
    fn scalar(&mut self, scalar: Scalar<'a>);
    /// An object or array begins: the member of this name, or an element.
    fn enter(&mut self, name: Option<&'a [u8]>);
    /// It ends.
    fn leave(&mut self);
}

/// Walks over `text`. `None` when it is not JSON up to its end, or too deep; what was told before that was there.
pub fn walk<'a>(text: &'a [u8], visitor: &mut impl Visitor<'a>) -> Option<()> {
    let mut walker = Walker { text, at: 0 };
    walker.value(None, 0, visitor)?;
    walker.space();
    (walker.at == text.len()).then_some(())
}

struct Walker<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, name: Option<&'a [u8]>, depth: usize, visitor: &mut impl Visitor<'a>) -> Option<()> {
        self.space();
        let (range, is_string) = match self.peek()? {
            b'{' | b'[' if depth == MAX_DEPTH => return None,
            open @ (b'{' | b'[') => {
                self.at += 1;
                visitor.enter(name);
                self.inside(open == b'{', depth + 1, visitor)?;
                visitor.leave();
                return Some(());
            }
            b'"' => (self.string()?, true),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => (self.plain(), false),
            _ => return None,
        };
        visitor.scalar(Scalar {
            range,
            is_string,
            name,
            depth,
        });
        Some(())
    }

    fn inside(&mut self, is_object: bool, depth: usize, visitor: &mut impl Visitor<'a>) -> Option<()> {
        let close = if is_object { b'}' } else { b']' };
        if self.take(close) {
            return Some(());
        }
        loop {
            let name = if is_object {
                self.space();
                let name = self.string()?;
                if !self.take(b':') {
                    return None;
                }
                Some(&self.text[name])
            } else {
                None
            };
            self.value(name, depth, visitor)?;
            if self.take(close) {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    /// The place of the text between quotation marks.
    fn string(&mut self) -> Option<Range<usize>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.text.get(at..)?)?;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Some(start..at);
            }
            at += 2;
        }
    }

    /// A number or a word: up to what ends it.
    fn plain(&mut self) -> Range<usize> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        let length = rest.iter().take_while(|byte| is_part(byte)).count();
        let range = self.at..self.at + length;
        self.at = range.end;
        range
    }
}

/// A string without its escapes; `None` where one is no escape.
pub fn unescaped(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    if memchr::memchr(b'\\', text).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let escape = *text.get(at + 1)?;
        at += 2;
        out.push(match escape {
            b'"' | b'\\' | b'/' => escape,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let mut unit = hex(text.get(at..at + 4)?)?;
                at += 4;
                if (0xd800..0xdc00).contains(&unit) {
                    let low = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
                    let low = hex(low)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    unit = 0x1_0000 + ((unit - 0xd800) << 10) + low;
                    at += 6;
                }
                let character = char::from_u32(unit)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        });
    }
    Some(Cow::Owned(out))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        Some(number * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// Appends `value` with the escapes that it needs between quotation marks.
pub fn escape(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen<'a>(Vec<Scalar<'a>>);

    impl<'a> Visitor<'a> for Seen<'a> {
        fn scalar(&mut self, scalar: Scalar<'a>) {
            self.0.push(scalar);
        }
        fn enter(&mut self, _: Option<&'a [u8]>) {}
        fn leave(&mut self) {}
    }

    fn seen(text: &str) -> Option<Vec<String>> {
        let mut seen = Seen::default();
        walk(text.as_bytes(), &mut seen)?;
        let name = |name: Option<&[u8]>| String::from_utf8_lossy(name.unwrap_or(b"-")).into_owned();
        let shown = seen.0.into_iter();
        Some(
            shown
                .map(|one| format!("{} {}={}", one.depth, name(one.name), &text[one.range]))
                .collect(),
        )
    }

    #[test]
    fn scalars_are_told_with_their_names() {
        assert_eq!(
            seen(r#" {"a": "x\"y", "b":[1,{"c":-2.5e3}], "d":{}, "e":null} "#).unwrap(),
            [r#"1 a=x\"y"#, "2 -=1", "3 c=-2.5e3", "1 e=null"]
        );
        assert_eq!(seen("\"a\"").unwrap(), ["0 -=a"]);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{a:1}",
            "[1,]",
            "{\"a\" 1}",
            "\"a",
            "\"a\\\"",
            "1 2",
            &"[".repeat(100),
        ] {
            assert_eq!(seen(text), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_read_and_written() {
        assert_eq!(
            *unescaped(br"a\/b\u00e9\ud83d\ude00\n").unwrap(),
            *"a/bé😀\n".as_bytes()
        );
        for bad in [
            r"\x",
            r"\u12",
            r"\ud83d",
            r"\ud83dabcdef",
            r"\ud83d\u0041",
            r"\u+123x",
        ] {
            assert_eq!(unescaped(bad.as_bytes()), None, "{bad}");
        }
        let mut out = Vec::new();
        escape(b"a\"\\\n", &mut out);
        assert_eq!(out, br#"a\"\\\u000a"#);
        assert_eq!(*unescaped(&out).unwrap(), *b"a\"\\\n");
    }
}
