//! The place of a difference, as it is written: a template, the same for all differences of one origin.
//!
//! A path is a root (`status`, `header`, `$`, `form`, `text`, `xml`, `body`) and steps: `.name`, `['a name']` where the name
//! would not read as one, `.*` for a name that is an id, `[*]` for any element of an array, `[id=*]` for one that was found by
//! its key.

use std::borrow::Cow;

/// Longest path, in bytes. What is deeper is told at the last place that fits.
const MAX_PATH: usize = 512;

/// Where in an answer the comparison is.
#[derive(Debug, Default)]
pub(super) struct Path {
    text: String,
    /// Where each step begins.
    steps: Vec<usize>,
    /// Steps behind the last one that fits.
    beyond: usize,
}

impl Path {
    /// At the top of one part of the answer.
    pub fn start(&mut self, root: &str) {
        self.text.clear();
        self.text.push_str(root);
        self.steps.clear();
        self.beyond = 0;
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is above the last step.
    pub fn parent(&self) -> &str {
        match self.steps.last() {
            Some(step) if self.beyond == 0 => &self.text[..*step],
            _ => &self.text,
        }
    }

    /// Goes into the member called `name`.
    pub fn name(&mut self, name: &str) {
        self.enter(|text| {
            if is_id(name) {
                text.push_str(".*");
            } else if is_bare(name) {
                text.push('.');
                text.push_str(name);
            } else if name.len() <= MAX_PATH {
                text.push_str("['");
                for c in name.chars() {
                    match c {
                        '\'' | '\\' => text.extend(['\\', c]),
                        c if c.is_control() => text.push(char::REPLACEMENT_CHARACTER),
                        c => text.push(c),
                    }
                }
                text.push_str("']");
            } else {
                return false;
            }
            true
        });
    }

    /// Goes into any element of an array.
    pub fn element(&mut self) {
        self.enter(|text| {
            text.push_str("[*]");
            true
        });
    }

    /// Goes into an element that was found by the member `key`.
    pub fn keyed(&mut self, key: &str) {
        self.enter(|text| {
            text.extend(["[", key, "=*]"]);
            true
        });
    }

    /// Comes back from the last step.
    pub fn back(&mut self) {
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if let Some(step) = self.steps.pop() {
            self.text.truncate(step);
        }
    }

    /// Takes a step that `write` writes; `false` for one that cannot be written.
    fn enter(&mut self, write: impl FnOnce(&mut String) -> bool) {
        let before = self.text.len();
        if self.beyond == 0 && write(&mut self.text) && self.text.len() <= MAX_PATH {
            self.steps.push(before);
        } else {
            self.text.truncate(before);
            self.beyond += 1;
        }
    }
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A name.
    Name(Cow<'a, str>),
    /// A name that is an id; in a pattern, any name.
    AnyName,
    /// An element of an array.
    Element,
    /// An element that was found by this member.
    Keyed(&'a str),
    /// Any number of steps; in patterns alone.
    Any,
}

/// Root and steps of a path or a pattern as it is written. `Err` says what cannot be read.
pub(super) fn steps(text: &str) -> Result<(&str, Vec<Step<'_>>), String> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (root, mut rest) = text.split_at(end);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        steps.push(step);
        rest = behind;
    }
    Ok((root, steps))
}

fn step(text: &str) -> Result<(Step<'_>, &str), String> {
    if let Some(behind) = text.strip_prefix("..") {
        return match behind.as_bytes().first() {
            None | Some(b'.') => Err("a name must follow `..`".to_owned()),
            // What follows is a step of its own: a name needs its dot for that, an element does not.
            Some(b'[') => Ok((Step::Any, behind)),
            Some(_) => Ok((Step::Any, &text[1..])),
        };
    }
    if let Some(name) = text.strip_prefix('.') {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        return match &name[..end] {
            "" => Err("a name is missing after `.`".to_owned()),
            "*" => Ok((Step::AnyName, &name[end..])),
            _ => Ok((Step::Name(name[..end].into()), &name[end..])),
        };
    }
    let Some(inner) = text.strip_prefix('[') else {
        return Err(format!("`{text}`: a step begins with `.` or `[`"));
    };
    if let Some(quote @ ('\'' | '"')) = inner.chars().next() {
        return quoted(&inner[1..], quote);
    }
    let (inside, behind) = inner.split_once(']').ok_or("`]` is missing")?;
    match inside.strip_suffix("=*") {
        _ if inside == "*" => Ok((Step::Element, behind)),
        Some(key) if !key.is_empty() => Ok((Step::Keyed(key), behind)),
        _ => Err(format!(
            "`[{inside}]`: elements of arrays are `[*]`, or `[key=*]` where they are matched by a key"
        )),
    }
}

/// A name up to the quote that ends it, and what is behind its bracket.
fn quoted(text: &str, quote: char) -> Result<(Step<'_>, &str), String> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            c if c == quote => {
                let behind = text[at + 1..]
                    .strip_prefix(']')
                    .ok_or("`]` is missing after a name")?;
                return Ok((Step::Name(name.into()), behind));
            }
            c => name.push(c),
        }
    }
    Err("the quote that ends a name is missing".to_owned())
}

/// Whether a name can be written as it is.
fn is_bare(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_PATH
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@' | ':' | '/'))
}

/// Whether a name is an id, which there is another of in each answer: a number, a UUID, 16 or more hexadecimal digits, a date.
pub(super) fn is_id(name: &str) -> bool {
    let bytes = name.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    match bytes.len() {
        0 => false,
        length if digits == length => true,
        36 if shaped(bytes, b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") => true,
        16.. if digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) => true,
        10 => shaped(bytes, b"dddd-dd-dd"),
        11.. => shaped(&bytes[..11], b"dddd-dd-ddT"),
        _ => false,
    }
}

/// `d` stands for a digit, `x` for a hexadecimal one, all else for itself.
fn shaped(bytes: &[u8], shape: &[u8]) -> bool {
    bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_hexdigit(),
            shape => byte == shape,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_ids_become_a_star() {
        for id in [
            "7",
            "000123",
            "123e4567-e89b-12d3-a456-426614174000",
            "507f1f77bcf86cd799439011",
            "2026-11-24",
            "2026-11-24T10:00:00Z",
        ] {
            assert!(is_id(id), "{id}");
        }
        for name in [
            "",
            "name",
            "a1",
            "deadbeef",
            "accededaccededacceded",
            "2026-11-2x",
            "v2-11-24ab",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }

    #[test]
    fn a_path_reads_as_it_was_gone() {
        let mut path = Path::default();
        path.start("$");
        path.name("byUser");
        path.name("42");
        path.name("a b");
        path.element();
        path.keyed("id");
        path.name("it's");
        assert_eq!(path.as_str(), r"$.byUser.*['a b'][*][id=*]['it\'s']");
        let (root, read) = steps(path.as_str()).unwrap();
        assert_eq!(root, "$");
        assert_eq!(
            read,
            [
                Step::Name("byUser".into()),
                Step::AnyName,
                Step::Name("a b".into()),
                Step::Element,
                Step::Keyed("id"),
                Step::Name("it's".into()),
            ]
        );
        assert_eq!(path.parent(), "$.byUser.*['a b'][*][id=*]");
        (0..4).for_each(|_| path.back());
        assert_eq!(path.as_str(), "$.byUser.*");
    }

    #[test]
    fn a_path_that_is_too_long_stays_at_the_last_place_that_fits() {
        let mut path = Path::default();
        path.start("$");
        path.name(&"n".repeat(300));
        path.name(&"n".repeat(300));
        path.name("short");
        assert_eq!(path.as_str().len(), 302);
        path.back();
        path.back();
        assert_eq!(path.as_str().len(), 302);
        path.back();
        assert_eq!(path.as_str(), "$");
        path.name(&" ".repeat(1 << 20));
        assert_eq!(path.as_str(), "$");
    }
}
