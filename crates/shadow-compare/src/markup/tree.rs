//! A page or an XML document as a tree without what means nothing: comments, white space beside tags, the order of attributes.
//!
//! Nodes stand in the order of the document, and each knows where what is below it ends. Names and values are spans of one text. Each node
//! has a hash of all that it is worth, by a random key that both trees of a comparison share, so that equal parts are found equal
//! at once.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

/// Most nodes of a tree, text and attributes among them: some 40 bytes each. The largest body that is looked into has room for
/// more, and no page has.
pub(super) const MAX_NODES: usize = 1 << 16;
/// Deepest nesting. Pages have tens; whoever walks a tree may call itself as often.
pub(super) const MAX_DEPTH: usize = 256;

/// Attributes whose being there is what they say (HTML section 2.3.2).
const BOOLEAN: [&str; 16] = [
    "allowfullscreen",
    "async",
    "autofocus",
    "autoplay",
    "checked",
    "controls",
    "default",
    "defer",
    "disabled",
    "loop",
    "multiple",
    "muted",
    "novalidate",
    "readonly",
    "required",
    "selected",
];

/// Part of the text of a tree.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

#[derive(Debug)]
struct Node {
    /// The name of an element; `None` of text.
    name: Option<Span>,
    /// Of text, what it says.
    text: Span,
    /// Where its attributes are.
    attributes: Span,
    /// The node behind all that is below this one.
    end: u32,
    hash: u64,
}

/// A tree: one document, or none, is below its top.
#[derive(Debug, Default)]
pub(super) struct Tree {
    text: String,
    nodes: Vec<Node>,
    /// Names and values, by name within each element.
    attributes: Vec<(Span, Span)>,
}

impl Tree {
    /// The nodes right below `node`, or at the top.
    pub fn children(&self, node: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        let (mut at, end) = match node {
            Some(node) => (node + 1, self.nodes[node].end as usize),
            None => (0, self.nodes.len()),
        };
        std::iter::from_fn(move || {
            let child = (at < end).then_some(at)?;
            at = self.nodes[child].end as usize;
            Some(child)
        })
    }

    /// The same for nodes that are equal, and for no others but with a chance of one in 2^64 that nobody can steer.
    pub fn hash(&self, node: usize) -> u64 {
        self.nodes[node].hash
    }

    /// The name of an element; `None` of text.
    pub fn name(&self, node: usize) -> Option<&str> {
        self.nodes[node].name.map(|name| self.at(name))
    }

    /// The content of a text; empty for an element.
    pub fn text(&self, node: usize) -> &str {
        self.at(self.nodes[node].text)
    }

    /// Names and values of its attributes, in the order of their names.
    pub fn attributes(&self, node: usize) -> impl Iterator<Item = (&str, &str)> + '_ {
        let Span { from, to } = self.nodes[node].attributes;
        let all = &self.attributes[from as usize..to as usize];
        all.iter()
            .map(move |(name, value)| (self.at(*name), self.at(*value)))
    }

    /// As it could be written, up to about `max` bytes.
    pub fn written(&self, node: usize, max: usize) -> String {
        let mut out = String::new();
        let mut open: Vec<usize> = Vec::new();
        let mut at = node;
        loop {
            while let Some(parent) = open.pop_if(|parent| self.nodes[*parent].end as usize <= at) {
                out.extend(["</", self.name(parent).unwrap_or_default(), ">"]);
            }
            if at >= self.nodes[node].end as usize || out.len() > max {
                return out;
            }
            match self.name(at) {
                Some(name) => {
                    out.extend(["<", name]);
                    for (name, value) in self.attributes(at) {
                        out.extend([" ", name, "=\"", value, "\""]);
                        if out.len() > max {
                            return out;
                        }
                    }
                    out.push('>');
                    open.push(at);
                }
                None => out.push_str(self.text(at)),
            }
            at += 1;
        }
    }

    /// An order of trees that depends on nothing but what they say: whoever compares two in it finds the same both ways round.
    pub fn is_before(&self, other: &Self) -> bool {
        let says = |tree: &Self, node: usize| tree.nodes[node].name.unwrap_or(tree.nodes[node].text);
        for node in 0..self.nodes.len().min(other.nodes.len()) {
            let (a, b) = (self.at(says(self, node)), other.at(says(other, node)));
            let shape = |tree: &Self| (tree.nodes[node].name.is_some(), tree.nodes[node].end);
            let order = a
                .cmp(b)
                .then_with(|| self.attributes(node).cmp(other.attributes(node)))
                .then_with(|| shape(self).cmp(&shape(other)));
            if order.is_ne() {
                return order.is_lt();
            }
        }
        self.nodes.len() < other.nodes.len()
    }

    fn at(&self, span: Span) -> &str {
        &self.text[span.from as usize..span.to as usize]
    }

    /// The weights of all nodes. What is below a node stands behind it.
    fn reckon(&mut self, key: &RandomState) {
        for node in (0..self.nodes.len()).rev() {
            let mut hasher = key.build_hasher();
            match self.name(node) {
                None => self.text(node).hash(&mut hasher),
                Some(name) => {
                    hasher.write_u8(1);
                    name.hash(&mut hasher);
                    for (name, value) in self.attributes(node) {
                        name.hash(&mut hasher);
                        if name == "class" {
                            let words = value.split_ascii_whitespace();
                            let all = words.fold(0_u64, |all, word| all.wrapping_add(key.hash_one(word)));
                            hasher.write_u64(all);
                        } else if !is_boolean(name) {
                            value.hash(&mut hasher);
                        }
                    }
                    hasher.write_u8(2);
                    self.children(Some(node))
                        .for_each(|child| hasher.write_u64(self.nodes[child].hash));
                }
            }
            self.nodes[node].hash = hasher.finish();
        }
    }
}

/// Whether two values of an attribute say the same. Classes stand in any order.
pub(super) fn are_same(name: &str, a: &str, b: &str) -> bool {
    let within = |a: &str, b: &str| {
        a.split_ascii_whitespace()
            .all(|word| b.split_ascii_whitespace().any(|other| other == word))
    };
    a == b || is_boolean(name) || (name == "class" && within(a, b) && within(b, a))
}

fn is_boolean(name: &str) -> bool {
    BOOLEAN.contains(&name)
}

/// Makes a tree in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Builder {
    tree: Tree,
    /// Elements that are not closed yet.
    open: Vec<usize>,
    /// The text that more of it belongs to, if what comes next is text.
    last_text: Option<usize>,
    too_large: bool,
}

impl Builder {
    /// An element begins.
    pub fn open<'v>(&mut self, name: &str, attributes: impl Iterator<Item = (&'v str, &'v str)>) {
        self.end_text();
        if self.open.len() >= MAX_DEPTH {
            self.too_large = true;
        }
        let name = self.push(name);
        let from = self.tree.attributes.len();
        for (name, value) in attributes {
            let one = (self.push(name), self.push(value));
            self.tree.attributes.push(one);
        }
        let Tree {
            text,
            attributes: all,
            ..
        } = &mut self.tree;
        let text: &str = text;
        let name_of = |span: Span| &text[span.from as usize..span.to as usize];
        all[from..].sort_by(|(a, _), (b, _)| name_of(*a).cmp(name_of(*b)));
        let attributes = Span {
            from: index(from),
            to: index(self.tree.attributes.len()),
        };
        self.open.push(self.tree.nodes.len());
        self.add(Some(name), Span::default(), attributes);
    }

    /// The last element that is not closed ends.
    pub fn close(&mut self) {
        self.end_text();
        if let Some(node) = self.open.pop() {
            self.tree.nodes[node].end = index(self.tree.nodes.len());
        }
    }

    /// Text. What stands on both sides of a comment is one. Unless it is `exact`, white space is a space between words, and
    /// nothing beside tags.
    pub fn text(&mut self, text: &str, exact: bool) {
        if self.last_text.is_none() {
            self.last_text = Some(self.tree.text.len());
        }
        let from = self.last_text.unwrap_or_default();
        let out = &mut self.tree.text;
        if exact {
            out.push_str(text);
            return;
        }
        for (index, word) in text.split_ascii_whitespace().enumerate() {
            let joins = index == 0 && !text.starts_with(|c: char| c.is_ascii_whitespace());
            if out.len() > from && !joins && !out.ends_with(' ') {
                out.push(' ');
            }
            out.push_str(word);
        }
        if out.len() > from && text.ends_with(|c: char| c.is_ascii_whitespace()) && !out.ends_with(' ') {
            out.push(' ');
        }
    }

    fn end_text(&mut self) {
        let Some(from) = self.last_text.take() else { return };
        let said = self.tree.text[from..].trim_ascii_end().len();
        self.tree.text.truncate(from + said);
        if said > 0 {
            let text = Span {
                from: index(from),
                to: index(from + said),
            };
            self.add(None, text, Span::default());
        }
    }

    fn add(&mut self, name: Option<Span>, text: Span, attributes: Span) {
        let tree = &mut self.tree;
        tree.nodes.push(Node {
            name,
            text,
            attributes,
            end: index(tree.nodes.len() + 1),
            hash: 0,
        });
        self.too_large |= tree.nodes.len() + tree.attributes.len() > MAX_NODES;
    }

    fn push(&mut self, text: &str) -> Span {
        let from = index(self.tree.text.len());
        self.tree.text.push_str(text);
        Span {
            from,
            to: index(self.tree.text.len()),
        }
    }

    /// Whether it has become too large or too deep.
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// The tree, all of it closed; `None` where it is too large or too deep. Trees that are compared share a key.
    pub fn done(mut self, key: &RandomState) -> Option<Tree> {
        while !self.open.is_empty() {
            self.close();
        }
        self.end_text();
        if self.too_large || u32::try_from(self.tree.text.len()).is_err() {
            return None;
        }
        self.tree.reckon(key);
        Some(self.tree)
    }
}

/// A place in a text or in a list. What does not fit is refused at the end.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
