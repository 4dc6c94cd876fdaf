//! The place of a difference, as it is written: a template, the same for all differences of one origin.
//!
//! A path is a root (`status`, `header`, `$`, `form`, `html`, `xml`, `text`, `body`; of gRPC `grpc-status`, `grpc-message`, `trailer`)
//! and steps: `.name`, `['a name']` where the name would not read as one, `.3` for the third field of a message whose names nobody
//! knows, `.*` for a name that is an id, `[*]` for any element of an array, `[id=*]` for one that was found
//! by its key. Below `html` and `xml` stand a selector of an element, `@name` for an attribute of it, and behind ` $` what is
//! below the top of JSON in it: `html main > p.price`, `html a.next@href`, `html #state $.cart[*].price`.

use std::borrow::Cow;

use super::ids::{is_field_number, is_id};
use super::markup::selector::Selector;

/// Longest path, in bytes. What is deeper is told at the last place that fits.
const MAX_PATH: usize = 512;
/// The beginning of the paths of cookies.
pub(super) const OF_COOKIES: &str = "header.set-cookie.";

/// Where in an answer the comparison is.
#[derive(Debug, Default)]
pub(super) struct Path {
    text: String,
    /// Where each step begins.
    steps: Vec<usize>,
    /// Steps behind the last one that fits.
    beyond: usize,
    /// Whether names may be numbers of fields.
    numbered: bool,
}

impl Path {
    /// At the top of messages whose fields have numbers in place of names.
    pub fn start_numbered(&mut self, root: &str) {
        self.start(root);
        self.numbered = true;
    }

    /// At the top of one part of the answer.
    pub fn start(&mut self, root: &str) {
        self.numbered = false;
        self.text.clear();
        self.text.push_str(root);
        self.steps.clear();
        self.beyond = 0;
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path above the last step.
    pub fn parent(&self) -> &str {
        match self.steps.last() {
            Some(step) if self.beyond == 0 => &self.text[..*step],
            _ => &self.text,
        }
    }

    /// Goes into the member called `name`.
    pub fn name(&mut self, name: &str) {
        let is_number = self.numbered && is_field_number(name);
        self.enter(|text| {
            if is_id(name) && !is_number {
                text.push_str(".*");
            } else if is_bare(name) {
                text.push('.');
                text.push_str(name);
            } else if name.len() <= MAX_PATH {
                quote(name, text);
            } else {
                return false;
            }
            true
        });
    }

    /// Goes into what stands behind these words.
    pub fn label(&mut self, words: &str) {
        self.enter(|text| {
            quote(words, text);
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

/// Writes a name between quotes.
fn quote(name: &str, out: &mut String) {
    out.push_str("['");
    for c in name.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out.push_str("']");
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
    /// An element of a page or an XML document.
    Tag(Selector<'a>),
    /// An attribute of one; `*` for one whose name cannot be written.
    Attribute(&'a str),
    /// The top of JSON in one.
    Json,
    /// Any number of steps; in patterns alone.
    Any,
}

/// Root and steps of a path as it is written. `Err` says what cannot be read.
pub(super) fn steps(text: &str) -> Result<(&str, Vec<Step<'_>>), String> {
    let (root, mut steps) = pattern_steps(text)?;
    // What stands between two elements of a place says nothing.
    if matches!(root, "html" | "xml") {
        steps.retain(|step| *step != Step::Any);
    }
    Ok((root, steps))
}

/// Root and steps of a pattern as it is written.
pub(super) fn pattern_steps(text: &str) -> Result<(&str, Vec<Step<'_>>), String> {
    let mut steps = Vec::new();
    let of_elements = ["html", "xml"].into_iter().find_map(|root| {
        let rest = text.strip_prefix(root)?;
        (rest.is_empty() || rest.starts_with([' ', '>', '@', '['])).then_some((root, rest))
    });
    let (root, mut rest) = match of_elements {
        Some((root, rest)) => (root, elements(rest, &mut steps)?),
        None => text.split_at(text.find(['.', '[']).unwrap_or(text.len())),
    };
    while !rest.is_empty() {
        let (step, behind) = step(rest)?;
        steps.push(step);
        rest = behind;
    }
    Ok((root, steps))
}

/// A selector and an attribute, and what is behind them.
fn elements<'t>(text: &'t str, steps: &mut Vec<Step<'t>>) -> Result<&'t str, String> {
    let mut rest = text;
    loop {
        if let Some(name) = rest.strip_prefix('@') {
            let end = name.find([' ', '[', '@']).unwrap_or(name.len());
            if end == 0 {
                return Err("a name is missing after `@`".to_owned());
            }
            steps.push(Step::Attribute(&name[..end]));
            rest = &name[end..];
            if !rest.is_empty() && !rest.starts_with(" $") {
                return Err("nothing but ` $` stands behind an attribute".to_owned());
            }
        }
        let next = rest.trim_start_matches(' ');
        if let Some(json) = next.strip_prefix('$') {
            steps.push(Step::Json);
            return Ok(json);
        }
        if next.is_empty() || next.starts_with("['") {
            return Ok(next);
        }
        let (selector, behind) = match next.strip_prefix('>') {
            Some(next) => Selector::read(next.trim_start_matches(' '))?,
            None if next.len() < rest.len() => {
                steps.push(Step::Any);
                Selector::read(next)?
            }
            None => return Err(format!("`{}`: a space or `>` stands before an element", &next)),
        };
        steps.push(Step::Tag(selector));
        rest = behind;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
