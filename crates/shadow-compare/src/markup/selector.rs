//! Names of elements in places and patterns, as CSS selectors have them (Selectors Level 4): `p.price`, `#cart`,
//! `input[name=q]`, and `@href` behind one for an attribute of it, as `XPath` has that.
//!
//! A name is to be short, and the same in each answer: it has an id or classes only where these look as if somebody thought of them.
//! Siblings have no numbers, so that all prices of a list are one place.

use std::fmt::Write;

use super::super::ids::is_id;
use super::tree::Tree;

/// Longest part of a name, in bytes.
const MAX_PART: usize = 40;
/// Most classes in a name.
const MAX_CLASSES: usize = 2;
/// Classes that say in which state something is, and not what it is.
const STATES: [&str; 16] = [
    "active",
    "closed",
    "collapsed",
    "current",
    "disabled",
    "enabled",
    "even",
    "first",
    "hidden",
    "last",
    "odd",
    "open",
    "selected",
    "show",
    "shown",
    "visible",
];
/// How classes begin that say such a thing, or that a tool made up.
const STATE_PREFIXES: [&str; 8] = ["is-", "has-", "js-", "css-", "sc-", "jsx-", "svelte-", "ng-"];
/// Attributes by which elements are told apart, the first that there is, with what they are called in names.
const NAMING: [&str; 6] = ["name", "property", "http-equiv", "itemprop", "rel", "type"];
/// Elements of which they are looked at: there are many of each, and they say what they are by these alone.
const NAMED: [&str; 11] = [
    "button", "iframe", "input", "link", "meta", "object", "output", "param", "script", "select", "textarea",
];

/// The name of an element, in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector<'a> {
    /// The name of its kind; empty where it is left out.
    pub tag: &'a str,
    pub id: Option<&'a str>,
    pub classes: Vec<&'a str>,
    /// Name and value.
    pub attribute: Option<(&'a str, &'a str)>,
}

impl<'a> Selector<'a> {
    /// Describes an element of a page.
    pub(super) fn of_html(tree: &'a Tree, node: usize) -> Self {
        let mut own = Self::of_xml(tree, node);
        let name = tree.name(node).unwrap_or_default();
        let named = NAMED.contains(&name);
        let mut rank = NAMING.len();
        for (attribute, value) in tree.attributes(node) {
            match attribute {
                "id" => own.id = Some(value).filter(|id| is_thought_of(id)),
                "class" => {
                    let classes = value.split_ascii_whitespace().filter(|class| is_class(class));
                    own.classes.extend(classes.take(MAX_CLASSES * 4));
                }
                _ if named => {
                    let place = NAMING.iter().position(|known| *known == attribute);
                    if let Some(place) = place.filter(|place| *place < rank && is_value(value)) {
                        rank = place;
                        own.attribute = Some((attribute, value));
                    }
                }
                _ => {}
            }
        }
        // In whatever order they are written.
        own.classes.sort_unstable();
        own.classes.dedup();
        own
    }

    /// Describes an element of another document.
    pub(super) fn of_xml(tree: &'a Tree, node: usize) -> Self {
        let tag = tree.name(node).unwrap_or_default();
        Self {
            tag: if is_written(tag) { tag } else { "*" },
            ..Self::default()
        }
    }

    /// The part that both sides' names of one element have in common.
    pub(super) fn common(mut self, other: &Self) -> Self {
        self.id = self.id.filter(|id| other.id == Some(*id));
        self.classes.retain(|class| other.classes.contains(class));
        self.attribute = self.attribute.filter(|one| other.attribute == Some(*one));
        self
    }

    /// Whether it has more than the name of its kind.
    pub(super) fn is_special(&self) -> bool {
        self.id.is_some() || !self.classes.is_empty() || self.attribute.is_some()
    }

    /// Writes it as short as it is told apart.
    pub(super) fn write(&self, out: &mut String) {
        if let Some(id) = self.id {
            out.extend(["#", id]);
            return;
        }
        out.push_str(self.tag);
        if let Some((name, value)) = self.attribute {
            let is_plain = value
                .bytes()
                .all(|byte| !matches!(byte, b'[' | b']' | b' ' | b'@'));
            let quote = if is_plain { "" } else { "'" };
            // Writing to a string does not fail.
            let _ = write!(out, "[{name}={quote}{value}{quote}]");
            return;
        }
        for class in self.classes.iter().take(MAX_CLASSES) {
            out.extend([".", class]);
        }
    }

    /// Reads one as it is written, and gives what is behind it.
    pub fn read(text: &'a str) -> Result<(Self, &'a str), String> {
        let part = |text: &'a str| {
            text.split_at(
                text.find(['.', '#', '[', '@', ' ', '>', '\''])
                    .unwrap_or(text.len()),
            )
        };
        let mut own = Self::default();
        let mut rest;
        (own.tag, rest) = part(text);
        loop {
            if let Some(behind) = rest.strip_prefix('#') {
                let (id, behind) = part(behind);
                own.id = Some(id).filter(|id| is_plain(id));
                own.id
                    .ok_or("an id of letters, digits, `-`, `_` and `:` stands behind `#`")?;
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix('.') {
                let (class, behind) = part(behind);
                if !is_plain(class) {
                    return Err("a class of letters, digits, `-`, `_` and `:` stands behind `.`".to_owned());
                }
                own.classes.push(class);
                rest = behind;
            } else if rest.starts_with('[') && !rest.starts_with("['") {
                let (name, value) = rest[1..]
                    .split_once('=')
                    .ok_or("`[name=value]` is what stands in brackets")?;
                let (value, behind) = match value.strip_prefix(['\'', '"']) {
                    Some(value) => value
                        .split_once("']")
                        .or_else(|| value.split_once("\"]"))
                        .ok_or("the quote that ends a value is missing")?,
                    None => value.split_once(']').ok_or("`]` is missing")?,
                };
                own.attribute = Some((name, value));
                rest = behind;
            } else {
                break;
            }
        }
        if own == Self::default() {
            return Err(format!(
                "`{}`: the name of an element is missing",
                text.chars().take(20).collect::<String>()
            ));
        }
        Ok((own, rest))
    }

    /// Whether this, of a pattern, names an element that is called `name` in places.
    pub fn fits(&self, name: &Selector<'_>) -> bool {
        let tag = self.tag.is_empty()
            || self.tag == "*"
            || self.tag == name.tag
            || (name.tag.is_empty() && self.id.is_some());
        tag && (self.id.is_none() || self.id == name.id)
            && self.classes.iter().all(|class| name.classes.contains(class))
            && (self.attribute.is_none() || self.attribute == name.attribute)
    }
}

/// The name of an attribute as it is written in places.
pub(super) fn attribute(name: &str) -> &str {
    if is_written(name) { name } else { "*" }
}

/// Whether the name of an element or of an attribute is one that somebody may have written. Any other is a star in places, and
/// so is the hash of one that is kept.
pub(super) fn is_written(name: &str) -> bool {
    is_plain(name) && name.bytes().filter(u8::is_ascii_digit).count() < 3
}

/// Whether a word in the value of an attribute may stand in a place.
pub(super) fn is_told(attribute: &str, word: &str) -> bool {
    match attribute {
        "id" => is_thought_of(word),
        "class" => is_class(word),
        _ => NAMING.contains(&attribute) && is_value(word),
    }
}

fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
    (1..=MAX_PART).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Whether an id looks as if it were the same in each answer, and no other element's: without numbers of things.
fn is_thought_of(id: &str) -> bool {
    let mut runs = id.split(['-', '_', ':']);
    is_plain(id)
        && !id.ends_with(|c: char| c.is_ascii_digit())
        && !is_id(id)
        && runs.all(|run| {
            let digits = run.bytes().filter(u8::is_ascii_digit).count();
            digits < 3 && (digits == 0 || (digits < run.len() && run.len() < 8))
        })
}

fn is_class(class: &str) -> bool {
    is_plain(class)
        && !class.contains(':')
        && !class.bytes().any(|byte| byte.is_ascii_digit())
        && !STATES.contains(&class)
        && !STATE_PREFIXES.iter().any(|prefix| class.starts_with(prefix))
}

/// Whether the value of an attribute can tell what an element is: `csrf_token`, `user[name]`, `application/ld+json`.
fn is_value(value: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:.[]/+".contains(&byte);
    let mut runs = value.split(|c: char| !c.is_ascii_alphanumeric());
    (1..=MAX_PART).contains(&value.len())
        && value.bytes().all(is_plain)
        && !is_id(value)
        && runs.all(|run| run.bytes().filter(u8::is_ascii_digit).count() < 3)
}
