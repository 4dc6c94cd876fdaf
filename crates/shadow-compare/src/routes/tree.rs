//! The tree of what was learned of paths: a tree of their steps, in which a place with many names becomes one step for all of them.
//!
//! Names at a place become one step in two ways, each by a count of different ones that were ever seen there:
//!
//! - names that are the same but for their numbers, beyond [`MAX_NUMBERED`]: `page0.html` to `page29.html` are
//!   `page{number}.html`. They are one name from the first on, as far as others are counted;
//! - all names, beyond a bound, are `{name}`. Names that something is below and names that paths end with are counted apart, and
//!   so are the server's own ([`is_reserved`]): what there are many of takes none of the others with it. `/-/whoami` and
//!   `/products/{id}` stay beside `/{name}`.
//!
//! A step that something is below ends with a slash here.
//!
//! What is at a place depends on what is above it alone, and what became one step stays so; so the tree depends on which paths were
//! seen, never on the order.

use std::collections::HashMap;

use super::shape::{NAME, NAMES_ABOVE, is_class, is_numbered, is_reserved, numbered};

/// Names that are the same but for their numbers and are told apart: versions of an interface are no more.
const MAX_NUMBERED: usize = 8;

/// Where every path begins.
pub(super) const ROOT: u32 = 0;

/// Sorts of names that are counted apart: those that something is below and those that paths end with, the server's own and
/// all others.
const SORTS: usize = 4;

/// The sort of a name, or of a step for names with numbers.
fn sort(name: &str) -> usize {
    2 * usize::from(name.ends_with('/')) + usize::from(is_reserved(name))
}

/// The step that stands for all names of a sort.
fn all_of(sort: usize) -> &'static str {
    if sort < 2 { NAME } else { NAMES_ABOVE }
}

/// Whether a step is a name, or stands for names with numbers.
fn is_of_names(step: &str) -> bool {
    !is_class(step) || is_numbered(step)
}

/// A place in the tree.
#[derive(Debug, Default)]
struct Node {
    parent: u32,
    step: Box<str>,
    children: HashMap<Box<str>, u32>,
    /// How many different names there are by their sort: those that differ in numbers alone are one.
    names: [usize; SORTS],
    /// Whether names of a sort are one step here.
    collapsed: [bool; SORTS],
    /// How many names are the same but for their numbers, by what they are without.
    numbered: HashMap<Box<str>, usize>,
    /// Endpoints here, by method.
    ends: Vec<(u8, u32)>,
}

/// Endpoints of one place that became one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    /// One of them, which stands for both now.
    pub into: u32,
    /// The other.
    pub from: u32,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Names of a place that are told apart.
    max_names: usize,
    max_nodes: usize,
    collapses: u64,
    /// Results of merging, until they are taken.
    merged: Vec<Merged>,
    /// Endpoints that have another place now.
    moved: Vec<(u32, u32)>,
}

impl Tree {
    pub fn new(max_names: usize, max_nodes: usize) -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
            max_names,
            max_nodes,
            collapses: 0,
            merged: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// The place of a path, learned if it is new; `None` if there is no room for it.
    pub fn enter<'a>(&mut self, steps: impl Iterator<Item = &'a str>) -> Option<u32> {
        let mut at = ROOT;
        for step in steps {
            at = self.child(at, step)?;
        }
        Some(at)
    }

    /// The place of a path, if it is known.
    pub fn find<'a>(&self, mut steps: impl Iterator<Item = &'a str>) -> Option<u32> {
        steps.try_fold(ROOT, |at, step| self.known(at, step))
    }

    /// The endpoint of a method at a place.
    pub fn end(&self, at: u32, method: u8) -> Option<u32> {
        let ends = &self.node(at).ends;
        ends.iter().find(|(of, _)| *of == method).map(|(_, id)| *id)
    }

    /// Puts an endpoint at a place that has none for the method.
    pub fn set_end(&mut self, at: u32, method: u8, id: u32) {
        self.node_mut(at).ends.push((method, id));
    }

    /// Endpoints that became one since the last time, in order.
    pub fn take_merged(&mut self) -> Vec<Merged> {
        std::mem::take(&mut self.merged)
    }

    /// Endpoints with another place since the last time: endpoint, place.
    pub fn take_moved(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.moved)
    }

    /// The template of a place.
    pub fn template(&self, at: u32) -> String {
        let mut steps = Vec::new();
        let mut at = at;
        while at != ROOT {
            let node = self.node(at);
            steps.push(&*node.step);
            at = node.parent;
        }
        if steps.is_empty() {
            return "/".to_owned();
        }
        let mut text = String::new();
        for step in steps.iter().rev() {
            text.push('/');
            text.push_str(step.trim_end_matches('/'));
        }
        text
    }

    /// How often a place collapsed.
    pub fn collapses(&self) -> u64 {
        self.collapses
    }

    /// Places there are.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        self.nodes.len()
    }

    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    fn node_mut(&mut self, at: u32) -> &mut Node {
        &mut self.nodes[at as usize]
    }

    /// The child that stands for a step, if it is known.
    fn known(&self, at: u32, step: &str) -> Option<u32> {
        let node = self.node(at);
        if let Some(child) = node.children.get(step) {
            return Some(*child);
        }
        if !is_of_names(step) {
            return None;
        }
        if node.collapsed[sort(step)] {
            return node.children.get(all_of(sort(step))).copied();
        }
        let numbered = numbered(step)?;
        node.children.get(&*numbered).copied()
    }

    /// The child for a step.
    fn child(&mut self, at: u32, step: &str) -> Option<u32> {
        if let Some(child) = self.known(at, step) {
            return Some(child);
        }
        if !is_class(step) && self.node(at).collapsed[sort(step)] {
            return self.add(at, all_of(sort(step)));
        }
        let Some(child) = self.add(at, step) else {
            // No room for one more name: there may be for one step for all of them.
            let of = sort(step);
            if !is_class(step) && self.node(at).names[of] >= self.max_names {
                self.collapse(at, of);
            }
            return self.known(at, step);
        };
        if is_class(step) {
            return Some(child);
        }
        self.count_name(at, step);
        // It may be a part of another now, which is known.
        self.known(at, step)
    }

    /// Counts a new name of a place, and makes steps of names one where there are too many.
    fn count_name(&mut self, at: u32, name: &str) {
        let max_names = self.max_names;
        let node = self.node_mut(at);
        let numbered = numbered(name);
        let members = match &numbered {
            None => 1,
            Some(numbered) => {
                let members = node.numbered.entry(numbered.as_str().into()).or_default();
                *members += 1;
                *members
            }
        };
        if members == 1 {
            node.names[sort(name)] += 1;
        }
        if node.names[sort(name)] > max_names {
            self.collapse(at, sort(name));
        } else if members > MAX_NUMBERED
            && let Some(numbered) = numbered
        {
            self.collapse_numbered(at, &numbered);
        }
    }

    /// Makes names that are the same but for their numbers one step.
    fn collapse_numbered(&mut self, at: u32, step: &str) {
        self.collapses += 1;
        let children = &mut self.node_mut(at).children;
        let same = children.extract_if(|name, _| !is_class(name) && numbered(name).as_deref() == Some(step));
        let same: Vec<u32> = same.map(|(_, child)| child).collect();
        for child in same {
            self.adopt(at, step.into(), child);
        }
    }

    fn add(&mut self, parent: u32, step: &str) -> Option<u32> {
        let node = Node {
            parent,
            step: step.into(),
            ..Node::default()
        };
        let at = if let Some(free) = self.free.pop() {
            *self.node_mut(free) = node;
            free
        } else if self.nodes.len() < self.max_nodes {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        } else {
            return None;
        };
        self.node_mut(parent).children.insert(step.into(), at);
        Some(at)
    }

    /// Makes all names of a sort at a place one step.
    fn collapse(&mut self, at: u32, of: usize) {
        self.collapses += 1;
        let node = self.node_mut(at);
        node.collapsed[of] = true;
        node.names[of] = 0;
        node.numbered.retain(|step, _| sort(step) != of);
        let names: Vec<u32> = node
            .children
            .extract_if(|step, _| is_of_names(step) && sort(step) == of)
            .map(|(_, child)| child)
            .collect();
        for name in names {
            self.adopt(at, all_of(of).into(), name);
        }
    }

    /// Gives a place another's child: as a new one, or as a part of the one it has for the step.
    fn adopt(&mut self, at: u32, step: Box<str>, child: u32) {
        if let Some(existing) = self.node(at).children.get(&step).copied() {
            self.merge(existing, child);
            return;
        }
        let node = self.node_mut(child);
        node.parent = at;
        node.step.clone_from(&step);
        self.node_mut(at).children.insert(step, child);
    }

    /// Makes one place of two. As deep as paths are at most.
    fn merge(&mut self, into: u32, from: u32) {
        let node = std::mem::take(self.node_mut(from));
        self.free.push(from);
        for (method, id) in node.ends {
            if let Some(stays) = self.end(into, method) {
                self.merged.push(Merged {
                    into: stays,
                    from: id,
                });
            } else {
                self.set_end(into, method, id);
                self.moved.push((id, into));
            }
        }
        for of in 0..SORTS {
            if node.collapsed[of] && !self.node(into).collapsed[of] {
                self.collapse(into, of);
            }
        }
        for (step, child) in node.children {
            self.take_over(into, step, child);
        }
    }

    /// Gives a place a child of one that has become a part of it.
    fn take_over(&mut self, into: u32, step: Box<str>, child: u32) {
        if !is_of_names(&step) {
            return self.adopt(into, step, child);
        }
        let of = sort(&step);
        if self.node(into).collapsed[of] {
            return self.adopt(into, all_of(of).into(), child);
        }
        if is_numbered(&step) {
            // There are too many of them there, so there are here.
            let node = self.node_mut(into);
            let members = node.numbered.entry(step.clone()).or_default();
            let is_new = *members == 0;
            *members = MAX_NUMBERED + 1;
            if is_new {
                node.names[of] += 1;
            }
            self.collapse_numbered(into, &step);
            self.adopt(into, step, child);
            if self.node(into).names[of] > self.max_names {
                self.collapse(into, of);
            }
            return;
        }
        let numbered = numbered(&step).filter(|numbered| self.node(into).children.contains_key(&**numbered));
        if let Some(numbered) = numbered {
            return self.adopt(into, numbered.into(), child);
        }
        let is_new = !self.node(into).children.contains_key(&step);
        let name = step.clone();
        self.adopt(into, step, child);
        if is_new {
            self.count_name(into, &name);
        }
    }
}
