//! Pages, read as browsers do (HTML section 13.2) by html5ever.
//!
//! A page may be made to cost its reader time: by nesting without end, by tags with very many attributes, by formatting that is opened
//! anew in each paragraph. So it is read in small pieces, and given up where it gets larger than any page is.

use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell};
use std::hash::RandomState;

use html5ever::buffer_queue::BufferQueue;
use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use html5ever::tree_builder::{TreeBuilder, TreeBuilderOpts};
use html5ever::{Attribute, QualName, TokenizerResult, local_name, ns};

use super::tree::{Builder, MAX_DEPTH, MAX_NODES, Tree};

/// Bytes that are read between two looks at how large it has become.
const PIECE: usize = 1 << 10;
/// Most bytes that separate attributes in a tag that goes on and on, and one in so many bytes more: slashes in data URLs. Each attribute
/// is looked up among those before it.
const MAX_SEPARATORS: usize = 1 << 12;
const SEPARATORS_SHARE: usize = 40;

/// The tree of a page; `None` of what is too large, or too deep, for a page.
pub(super) fn read(text: &str, key: &RandomState) -> Option<Tree> {
    let options = TreeBuilderOpts {
        // What is within `noscript` is looked into.
        scripting_enabled: false,
        ..TreeBuilderOpts::default()
    };
    let watch = Watch {
        builder: TreeBuilder::new(Sink::default(), options),
        tokens: Cell::new(0),
    };
    let tokenizer = Tokenizer::new(watch, TokenizerOpts::default());
    let input = BufferQueue::default();
    let (mut rest, mut separators, mut tag) = (text, 0, 0);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
        rest = behind;
        let before = tokenizer.sink.tokens.get();
        input.push_back(StrTendril::from_slice(piece));
        // A script that ends is no reason to stop, and nor is another character set.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
        if tokenizer.sink.tokens.get() == before {
            tag += piece.len();
            separators += piece
                .bytes()
                .filter(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'\''))
                .count();
        } else {
            (separators, tag) = (0, 0);
        }
        if separators > MAX_SEPARATORS + tag / SEPARATORS_SHARE || tokenizer.sink.builder.sink.is_too_large()
        {
            return None;
        }
    }
    tokenizer.end();
    tokenizer.sink.builder.sink.flat()?.done(key)
}

/// Counts what the tokenizer gives the builder of the tree.
struct Watch {
    builder: TreeBuilder<usize, Sink>,
    tokens: Cell<u64>,
}

impl TokenSink for Watch {
    type Handle = usize;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<usize> {
        self.tokens.set(self.tokens.get() + 1);
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder
            .adjusted_current_node_present_but_not_in_html_namespace()
    }
}

/// A node while the page is read.
enum Content {
    Document,
    Element(Vec<Attribute>),
    Text(StrTendril),
    /// A comment: it says nothing.
    Other,
}

/// Nodes by their places in the list; 0 is the document.
struct Node {
    /// Of an element; nothing of another node.
    name: QualName,
    content: Content,
    parent: usize,
    first: usize,
    last: usize,
    before: usize,
    behind: usize,
    depth: usize,
}

impl Node {
    fn new(name: QualName, content: Content) -> Self {
        Self {
            name,
            content,
            parent: NONE,
            first: NONE,
            last: NONE,
            before: NONE,
            behind: NONE,
            depth: 0,
        }
    }
}

/// No node.
const NONE: usize = usize::MAX;

/// The tree as it grows: parts of it are moved while the page is read.
struct Sink {
    nodes: RefCell<Vec<Node>>,
    too_large: Cell<bool>,
}

impl Default for Sink {
    fn default() -> Self {
        Self {
            nodes: RefCell::new(vec![Node::new(no_name(), Content::Document)]),
            too_large: Cell::new(false),
        }
    }
}

impl Sink {
    fn is_too_large(&self) -> bool {
        self.too_large.get()
    }

    fn create(&self, name: QualName, content: Content) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node::new(name, content));
        if nodes.len() > MAX_NODES {
            self.too_large.set(true);
        }
        nodes.len() - 1
    }

    /// Puts a node among those below `parent`: before `behind`, or last where that is none.
    fn insert(&self, parent: usize, child: NodeOrText<usize>, behind: usize) {
        let before = {
            let nodes = self.nodes.borrow();
            nodes.get(behind).map_or(nodes[parent].last, |node| node.before)
        };
        let node = match child {
            NodeOrText::AppendNode(node) => {
                self.remove(node);
                node
            }
            NodeOrText::AppendText(text) => {
                if let Some(Node {
                    content: Content::Text(known),
                    ..
                }) = self.nodes.borrow_mut().get_mut(before)
                {
                    known.push_tendril(&text);
                    return;
                }
                self.create(no_name(), Content::Text(text))
            }
        };
        let nodes = &mut *self.nodes.borrow_mut();
        // It may have stood right there.
        let before = nodes.get(behind).map_or(nodes[parent].last, |node| node.before);
        let depth = nodes[parent].depth + 1;
        if depth > MAX_DEPTH {
            self.too_large.set(true);
        }
        nodes[node].parent = parent;
        nodes[node].before = before;
        nodes[node].behind = behind;
        nodes[node].depth = depth;
        match nodes.get_mut(before) {
            Some(before) => before.behind = node,
            None => nodes[parent].first = node,
        }
        match nodes.get_mut(behind) {
            Some(behind) => behind.before = node,
            None => nodes[parent].last = node,
        }
    }

    fn remove(&self, node: usize) {
        let nodes = &mut *self.nodes.borrow_mut();
        let Node {
            parent,
            before,
            behind,
            ..
        } = nodes[node];
        if parent == NONE {
            return;
        }
        match nodes.get_mut(before) {
            Some(before) => before.behind = behind,
            None => nodes[parent].first = behind,
        }
        match nodes.get_mut(behind) {
            Some(behind) => behind.before = before,
            None => nodes[parent].last = before,
        }
        nodes[node].parent = NONE;
        nodes[node].before = NONE;
        nodes[node].behind = NONE;
    }

    /// All of it in the order of the document.
    fn flat(&self) -> Option<Builder> {
        let nodes = self.nodes.borrow();
        let mut out = Builder::default();
        let mut exact = 0_usize;
        let mut at = nodes[0].first;
        while at != NONE {
            if out.is_too_large() {
                return None;
            }
            let name = &nodes[at].name;
            match &nodes[at].content {
                Content::Element(attributes) => {
                    let attributes = attributes.iter().map(|one| (&*one.name.local, &*one.value));
                    out.open(&name.local, attributes);
                    exact += usize::from(is_exact(name));
                    if nodes[at].first != NONE {
                        at = nodes[at].first;
                        continue;
                    }
                }
                Content::Text(text) => out.text(text, exact > 0),
                Content::Document | Content::Other => {}
            }
            // To the next one, out of all that ends here.
            loop {
                if let Content::Element(_) = &nodes[at].content {
                    exact -= usize::from(is_exact(&nodes[at].name));
                    out.close();
                }
                if nodes[at].behind != NONE {
                    at = nodes[at].behind;
                    break;
                }
                at = nodes[at].parent;
                if at == 0 || at == NONE {
                    return Some(out);
                }
            }
        }
        Some(out)
    }
}

fn no_name() -> QualName {
    QualName::new(None, ns!(), local_name!(""))
}

/// Whether white space within an element of this name means something.
fn is_exact(name: &QualName) -> bool {
    name.ns == ns!(html) && matches!(&*name.local, "pre" | "script" | "style" | "textarea")
}

impl TreeSink for Sink {
    type Handle = usize;
    type Output = ();
    type ElemName<'a> = Ref<'a, QualName>;

    fn finish(self) {}

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, node: &'a usize) -> Ref<'a, QualName> {
        Ref::map(self.nodes.borrow(), |nodes| &nodes[*node].name)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        self.create(name, Content::Element(attributes))
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.create(no_name(), Content::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.create(no_name(), Content::Other)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        self.insert(*parent, child, NONE);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let has_parent = self.nodes.borrow()[*element].parent != NONE;
        if has_parent {
            self.append_before_sibling(element, child);
        } else {
            self.append(previous, child);
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    /// Takes what is within a template for what is below it.
    fn get_template_contents(&self, node: &usize) -> usize {
        *node
    }

    fn same_node(&self, a: &usize, b: &usize) -> bool {
        a == b
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        let parent = self.nodes.borrow()[*sibling].parent;
        if parent != NONE {
            self.insert(parent, child, *sibling);
        }
    }

    fn add_attrs_if_missing(&self, node: &usize, attributes: Vec<Attribute>) {
        if let Content::Element(known) = &mut self.nodes.borrow_mut()[*node].content {
            for attribute in attributes {
                if known.len() < MAX_NODES && known.iter().all(|known| known.name != attribute.name) {
                    known.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, node: &usize) {
        self.remove(*node);
    }

    fn reparent_children(&self, node: &usize, parent: &usize) {
        loop {
            let child = self.nodes.borrow()[*node].first;
            if child == NONE {
                return;
            }
            self.append(parent, NodeOrText::AppendNode(child));
        }
    }
}
