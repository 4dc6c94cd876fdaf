//! A value as a report shows it: short, on a bound, whatever it is.

use std::collections::VecDeque;
use std::fmt::Write;

use super::json::{Json, Node};

/// Most characters of a value; a longer one ends in `…`.
const MAX_CHARS: usize = 200;
/// Characters before the first one that is another, where a text is too long to be shown from its start.
const CONTEXT: usize = 30;

/// One side's value at a difference.
#[derive(Clone, Copy, Debug)]
pub(super) enum DisplayValue<'a> {
    /// There is none.
    Absent,
    /// Text.
    Text(&'a str),
    /// Bytes that may be text.
    Bytes(&'a [u8]),
    /// A JSON value.
    Json(&'a Node<'a>),
    /// So many.
    Count(usize),
}

impl DisplayValue<'_> {
    /// As it is shown.
    pub fn text(self) -> Option<String> {
        let mut out = Cut::default();
        match self {
            Self::Absent => return None,
            Self::Text(text) => out.push(text),
            Self::Bytes(bytes) => {
                // No more than could be shown: four bytes a character at most.
                let cut = bytes.len().min(MAX_CHARS * 4 + 4);
                out.push(&String::from_utf8_lossy(&bytes[..cut]));
                out.over |= cut < bytes.len();
            }
            Self::Json(node) => json(node, &mut out),
            Self::Count(count) => out.push(&count.to_string()),
        }
        Some(out.done())
    }

    /// As a number.
    pub fn number(self) -> Option<f64> {
        let text = match self {
            Self::Text(text) => text.trim(),
            Self::Json(Node {
                value: Json::Number(text),
                ..
            }) => text,
            Self::Json(Node {
                value: Json::String(text),
                ..
            }) => text.trim(),
            _ => return None,
        };
        text.parse::<f64>().ok().filter(|number| number.is_finite())
    }

    /// The text of a string or text; none for other values.
    pub fn string(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Json(Node {
                value: Json::String(text),
                ..
            }) => Some(text),
            _ => None,
        }
    }

    /// A number as it is written.
    pub fn digits(&self) -> Option<&str> {
        match self {
            Self::Json(Node {
                value: Json::Number(text),
                ..
            }) => Some(text),
            _ => None,
        }
    }
}

/// Both sides' values as they are shown. Of long texts, from a little before the first character that is another.
pub(super) fn both(
    production: DisplayValue<'_>,
    shadow: DisplayValue<'_>,
) -> (Option<String>, Option<String>) {
    if let (Some(a), Some(b)) = (production.string(), shadow.string())
        && a.len().max(b.len()) > MAX_CHARS
    {
        let same = a.char_indices().zip(b.chars()).take_while(|((_, a), b)| a == b);
        // Where each of the last characters that are the same begins.
        let mut before = VecDeque::with_capacity(CONTEXT + 1);
        for ((at, _), _) in same {
            before.push_back(at);
            if before.len() > CONTEXT {
                before.pop_front();
            }
        }
        if let Some(from) = before.front().filter(|from| **from > MAX_CHARS / 2) {
            let cut = |text: &str| {
                let mut out = Cut::default();
                out.push(&text[*from..]);
                Some(format!("…{}", out.done()))
            };
            return (cut(a), cut(b));
        }
    }
    (production.text(), shadow.text())
}

/// Text up to the bound.
#[derive(Default)]
struct Cut {
    text: String,
    chars: usize,
    /// Whether there was more.
    over: bool,
}

impl Cut {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.chars == MAX_CHARS {
                self.over = true;
                return;
            }
            self.text.push(c);
            self.chars += 1;
        }
    }

    fn done(mut self) -> String {
        if self.over {
            self.text.push('…');
        }
        self.text
    }
}

/// JSON without spaces. Stops where the bound is reached, so that a large value costs no more than a small one.
fn json(node: &Node<'_>, out: &mut Cut) {
    if out.over {
        return;
    }
    match &node.value {
        Json::Null => out.push("null"),
        Json::Bool(true) => out.push("true"),
        Json::Bool(false) => out.push("false"),
        Json::Number(text) => out.push(text),
        Json::String(text) => string(text, out),
        Json::Array(elements) => {
            out.push("[");
            for (index, element) in elements.iter().enumerate() {
                if out.over {
                    return;
                }
                if index > 0 {
                    out.push(",");
                }
                json(element, out);
            }
            out.push("]");
        }
        Json::Object(members) => {
            out.push("{");
            for (index, (name, value)) in members.iter().enumerate() {
                if out.over {
                    return;
                }
                if index > 0 {
                    out.push(",");
                }
                string(name, out);
                out.push(":");
                json(value, out);
            }
            out.push("}");
        }
    }
}

fn string(text: &str, out: &mut Cut) {
    out.push("\"");
    for c in text.chars() {
        if out.over {
            return;
        }
        match c {
            '"' => out.push("\\\""),
            '\\' => out.push("\\\\"),
            '\n' => out.push("\\n"),
            '\r' => out.push("\\r"),
            '\t' => out.push("\\t"),
            c if c.is_control() => {
                let mut escape = String::new();
                // Writing to a string does not fail.
                let _ = write!(escape, "\\u{:04x}", u32::from(c));
                out.push(&escape);
            }
            c => {
                out.push(c.encode_utf8(&mut [0; 4]));
            }
        }
    }
    out.push("\"");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_at_a_character() {
        assert_eq!(DisplayValue::Text("short").text().as_deref(), Some("short"));
        let long = "ä".repeat(300);
        let shown = DisplayValue::Text(&long).text().unwrap();
        assert_eq!(shown, format!("{}…", "ä".repeat(200)));
        assert_eq!(DisplayValue::Bytes(long.as_bytes()).text().unwrap(), shown);
        assert_eq!(DisplayValue::Absent.text(), None);
    }

    #[test]
    fn long_texts_are_shown_from_where_they_differ() {
        let text = |end: &str| format!("{}{end}", "ä".repeat(300));
        let (a, b) = (text("one"), text("two"));
        let (a, b) = both(DisplayValue::Text(&a), DisplayValue::Text(&b));
        assert_eq!(a.unwrap(), format!("…{}one", "ä".repeat(30)));
        assert_eq!(b.unwrap(), format!("…{}two", "ä".repeat(30)));
        let (a, b) = ("a".repeat(300), "b".repeat(300));
        let (a, _) = both(DisplayValue::Text(&a), DisplayValue::Text(&b));
        assert_eq!(a.unwrap(), format!("{}…", "a".repeat(200)));
    }
}
