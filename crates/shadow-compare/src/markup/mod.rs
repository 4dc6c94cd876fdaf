//! Pages and XML documents, compared by their trees: what an element says, its attributes, and which elements there are.
//!
//! Places are selectors: `html main > p.price` is what the element says itself, `html main a.next@href` an attribute of it,
//! `html script#state $.cart.total` JSON in it. Comments and the document type do not count, nor does white space beside tags, the order
//! of attributes and classes, or the way in which anything is written.

mod html;
pub(super) mod selector;
mod tree;
pub(super) mod values;
mod xml;

#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};

use self::selector::Selector;
use self::tree::{Tree, are_same};
use super::align::{self, MAX_CELLS, Part};
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;
use super::json::{self, Reader};
use super::{Kind, text};

/// Longest selector of a place, in bytes. What is farther up is left out.
const MAX_PLACE: usize = 240;
/// Most elements of a place.
const MAX_ELEMENTS: usize = 6;
/// Bytes of an element that are shown where one side lacks it.
const MAX_SHOWN: usize = 800;
/// Elements of a page that say where one is.
const LANDMARKS: [&str; 8] = [
    "article", "aside", "dialog", "footer", "form", "header", "main", "nav",
];
/// Elements that say nothing of what is in them, where nobody named them.
const WRAPPERS: [&str; 12] = [
    "body", "center", "colgroup", "div", "head", "html", "picture", "section", "span", "tbody", "thead",
    "template",
];

/// A language of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Html,
    Xml,
}

impl Language {
    /// The root of its places.
    pub fn root(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Xml => "xml",
        }
    }
}

/// Compares two documents; `false`, and nothing said, where one of them is none, or too large or too deep for one.
pub(super) fn compare(
    language: Language,
    production: &str,
    shadow: &str,
    findings: &mut DifferenceCollector<'_>,
) -> bool {
    let key = RandomState::new();
    let read = |text| match language {
        Language::Html => html::read(text, &key),
        Language::Xml => xml::read(text, &key),
    };
    let Some((production, shadow)) = read(production).zip(read(shadow)) else {
        return false;
    };
    // Of two ways to match that are as good, the same one whichever side is production.
    let swapped = shadow.is_before(&production);
    let (left, right) = if swapped {
        (&shadow, &production)
    } else {
        (&production, &shadow)
    };
    let mut walk = Walk {
        language,
        key: &key,
        left,
        right,
        swapped,
        cells: MAX_CELLS,
        open: Vec::new(),
        findings,
    };
    walk.children();
    true
}

/// A way through two trees at once.
struct Walk<'w, 'r> {
    language: Language,
    key: &'w RandomState,
    left: &'w Tree,
    right: &'w Tree,
    /// Whether the left one is the shadow's.
    swapped: bool,
    /// See [`align::align`].
    cells: usize,
    /// The elements that it is in, and what both sides call them.
    open: Vec<(usize, usize, Selector<'w>)>,
    findings: &'w mut DifferenceCollector<'r>,
}

impl Walk<'_, '_> {
    /// Compares the nodes right below the elements that it is in.
    fn children(&mut self) {
        let (tree, other) = (self.left, self.right);
        let (in_left, in_right) = self.open.last().map(|(a, b, _)| (*a, *b)).unzip();
        let left: Vec<usize> = tree.children(in_left).collect();
        let right: Vec<usize> = other.children(in_right).collect();
        let a: Vec<Part> = left.iter().map(|node| self.part(tree, *node)).collect();
        let b: Vec<Part> = right.iter().map(|node| self.part(other, *node)).collect();
        if is_reordered(&a, &b) {
            self.order(&left, &right);
            return;
        }
        let mut cells = self.cells;
        let steps = align::align(&a, &b, &mut cells);
        self.cells = cells;
        for (a, b) in steps {
            if self.findings.is_full() {
                return;
            }
            match (a.map(|at| left[at]), b.map(|at| right[at])) {
                (Some(a), Some(b)) if tree.hash(a) == other.hash(b) => {}
                (Some(a), Some(b)) if tree.name(a).is_some() => {
                    let name = self.selector(tree, a).common(&self.selector(other, b));
                    self.open.push((a, b, name));
                    self.element(a, b);
                    self.open.pop();
                }
                (Some(a), Some(b)) => self.says(tree.text(a), other.text(b)),
                (Some(a), None) if tree.name(a).is_none() => self.says(tree.text(a), ""),
                (None, Some(b)) if other.name(b).is_none() => self.says("", other.text(b)),
                (Some(a), None) => {
                    let (name, written) = (self.selector(tree, a), tree.written(a, MAX_SHOWN));
                    self.start(Some(&name), None);
                    self.add(Kind::Missing, DisplayValue::Text(&written), DisplayValue::Absent);
                }
                (None, Some(b)) => {
                    let (name, written) = (self.selector(other, b), other.written(b, MAX_SHOWN));
                    self.start(Some(&name), None);
                    self.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(&written));
                }
                (None, None) => {}
            }
        }
    }

    fn part(&self, tree: &Tree, node: usize) -> Part {
        let hash = tree.hash(node);
        let Some(tag) = tree.name(node) else {
            return Part {
                hash,
                name: 0,
                kind: 0,
                is_special: false,
            };
        };
        let selector = self.selector(tree, node);
        Part {
            hash,
            name: self
                .key
                .hash_one((selector.id, selector.attribute, &selector.classes)),
            kind: self.key.hash_one(tag),
            is_special: selector.id.is_some() || selector.attribute.is_some(),
        }
    }

    fn selector<'t>(&self, tree: &'t Tree, node: usize) -> Selector<'t> {
        match self.language {
            Language::Html => Selector::of_html(tree, node),
            Language::Xml => Selector::of_xml(tree, node),
        }
    }

    /// The same nodes in another order.
    fn order(&mut self, left: &[usize], right: &[usize]) {
        let (tree, other) = (self.left, self.right);
        let mut pairs = left.iter().zip(right);
        let Some((a, b)) = pairs.find(|(a, b)| tree.hash(**a) != other.hash(**b)) else {
            return;
        };
        let named = tree.name(*a).is_some() && tree.name(*a) == other.name(*b);
        let last = named.then(|| self.selector(tree, *a).common(&self.selector(other, *b)));
        self.start(last.as_ref(), None);
        let (a, b) = (tree.written(*a, MAX_SHOWN), other.written(*b, MAX_SHOWN));
        self.add(Kind::Order, DisplayValue::Text(&a), DisplayValue::Text(&b));
    }

    /// Two elements of one kind, which it is in.
    fn element(&mut self, a: usize, b: usize) {
        self.attributes(a, b);
        let is_code =
            self.language == Language::Html && matches!(self.left.name(a), Some("script" | "style"));
        if is_code {
            let (a, b) = (code(self.left, a), code(self.right, b));
            if a != b {
                self.code(a, b);
            }
        } else {
            self.children();
        }
    }

    fn attributes(&mut self, a: usize, b: usize) {
        let (tree, other) = (self.left, self.right);
        let (mut left, mut right) = (tree.attributes(a).peekable(), other.attributes(b).peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            let a = if order.is_le() { left.next() } else { None };
            let b = if order.is_ge() { right.next() } else { None };
            match (a, b) {
                (Some((name, a)), Some((_, b))) => {
                    if !are_same(name, a, b) && !self.json(Some(name), a, b) {
                        self.start(None, Some(name));
                        self.add(Kind::Value, DisplayValue::Text(a), DisplayValue::Text(b));
                    }
                }
                (Some((name, a)), None) => {
                    self.start(None, Some(name));
                    self.add(Kind::Missing, DisplayValue::Text(a), DisplayValue::Absent);
                }
                (None, Some((name, b))) => {
                    self.start(None, Some(name));
                    self.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(b));
                }
                (None, None) => return,
            }
        }
    }

    /// Compares what the element itself says.
    fn says(&mut self, a: &str, b: &str) {
        self.start(None, None);
        self.add(Kind::Value, DisplayValue::Text(a), DisplayValue::Text(b));
    }

    /// A script or a style sheet: JSON, or lines.
    fn code(&mut self, a: &str, b: &str) {
        if !self.json(None, a, b) {
            self.start(None, None);
            let (a, b) = if self.swapped { (b, a) } else { (a, b) };
            text::compare(a, b, self.findings);
        }
    }

    /// Compares both sides as JSON, if they are that.
    fn json(&mut self, attribute: Option<&str>, a: &str, b: &str) -> bool {
        let may_be = |text: &str| text.trim_ascii_start().starts_with(['{', '[']);
        if !may_be(a) || !may_be(b) {
            return false;
        }
        let reader = Reader::default();
        let Some((a, b)) = reader.read(a).zip(reader.read(b)) else {
            return false;
        };
        let mut place = self.place(None, attribute);
        place.push_str(" $");
        self.findings.path.start(&place);
        let (a, b) = if self.swapped { (&b, &a) } else { (&a, &b) };
        json::compare(a, b, self.findings);
        true
    }

    fn add(&mut self, kind: Kind, left: DisplayValue<'_>, right: DisplayValue<'_>) {
        if self.swapped {
            self.findings.add(kind.mirrored(), right, left);
        } else {
            self.findings.add(kind, left, right);
        }
    }

    /// Goes to the element that it is in, or to `last` in it, or to an attribute.
    fn start(&mut self, last: Option<&Selector<'_>>, attribute: Option<&str>) {
        let place = self.place(last, attribute);
        self.findings.path.start(&place);
    }

    /// The selector of that place: from the nearest element that says where it is, without those that say nothing.
    fn place(&self, last: Option<&Selector<'_>>, attribute: Option<&str>) -> String {
        let mut parts: Vec<(String, bool)> = Vec::new();
        let (mut length, mut is_direct) = (0, true);
        for selector in last
            .into_iter()
            .chain(self.open.iter().rev().map(|(_, _, name)| name))
        {
            let is_page = self.language == Language::Html;
            if is_page && !parts.is_empty() && WRAPPERS.contains(&selector.tag) && !selector.is_special() {
                is_direct = false;
                continue;
            }
            let mut text = String::new();
            selector.write(&mut text);
            length += text.len() + 3;
            if length > MAX_PLACE || parts.len() == MAX_ELEMENTS {
                break;
            }
            parts.push((text, is_direct));
            is_direct = true;
            if is_page && (selector.id.is_some() || LANDMARKS.contains(&selector.tag)) {
                break;
            }
        }
        let mut place = self.language.root().to_owned();
        for (at, (text, _)) in parts.iter().enumerate().rev() {
            // Whether the one above stands right above is known with this one.
            let is_child = parts.get(at + 1).is_some() && parts[at + 1].1;
            place.push_str(if is_child { " > " } else { " " });
            place.push_str(text);
        }
        if let Some(attribute) = attribute {
            place.extend(["@", selector::attribute(attribute)]);
        }
        place
    }
}

/// The text of a script or a style sheet.
fn code(tree: &Tree, node: usize) -> &str {
    let text = tree.children(Some(node)).next();
    text.map_or("", |text| tree.text(text))
}

/// Whether these are the same nodes in another order.
fn is_reordered(a: &[Part], b: &[Part]) -> bool {
    let sorted = |parts: &[Part]| {
        let mut hashes: Vec<u64> = parts.iter().map(|part| part.hash).collect();
        hashes.sort_unstable();
        hashes
    };
    a.len() == b.len() && a.iter().zip(b).any(|(a, b)| a.hash != b.hash) && sorted(a) == sorted(b)
}
