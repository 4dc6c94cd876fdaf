//! What was learned of paths: a tree of their steps, in which a place with many names becomes one step for all of them.
//!
//! A place collapses when the number of different names that were ever seen there exceeds a bound. What is at a place depends
//! on what is above it alone, and a collapsed place stays so; so the tree depends on which paths were seen, never on the order.

use std::collections::HashMap;

use super::shape::{NAME, is_class};

/// Where every path begins.
pub(super) const ROOT: u32 = 0;

/// A place in the tree.
#[derive(Debug, Default)]
struct Node {
    parent: u32,
    step: Box<str>,
    children: HashMap<Box<str>, u32>,
    /// How many of the children are names.
    names: usize,
    /// Whether names are one step here.
    collapsed: bool,
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
    /// What merging did, until it is taken.
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
        steps.try_fold(ROOT, |at, step| {
            let node = self.node(at);
            let step = if node.collapsed && !is_class(step) {
                NAME
            } else {
                step
            };
            node.children.get(step).copied()
        })
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
            text.push_str(step);
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

    /// The child for a step.
    fn child(&mut self, at: u32, step: &str) -> Option<u32> {
        let node = self.node(at);
        let is_name = !is_class(step);
        let step = if is_name && node.collapsed { NAME } else { step };
        if let Some(child) = node.children.get(step) {
            return Some(*child);
        }
        if is_class(step) {
            return self.add(at, step);
        }
        if node.names < self.max_names {
            let child = self.add(at, step)?;
            self.node_mut(at).names += 1;
            return Some(child);
        }
        self.collapse(at);
        self.child_of_collapsed(at)
    }

    fn child_of_collapsed(&mut self, at: u32) -> Option<u32> {
        match self.node(at).children.get(NAME) {
            Some(child) => Some(*child),
            None => self.add(at, NAME),
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

    /// Makes all names at a place one step.
    fn collapse(&mut self, at: u32) {
        self.collapses += 1;
        let node = self.node_mut(at);
        node.collapsed = true;
        node.names = 0;
        let names: Vec<u32> = node
            .children
            .extract_if(|step, _| !is_class(step))
            .map(|(_, child)| child)
            .collect();
        for name in names {
            self.adopt(at, NAME.into(), name);
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
        if node.collapsed && !self.node(into).collapsed {
            self.collapse(into);
        }
        for (step, child) in node.children {
            let is_name = !is_class(&step);
            if is_name && self.node(into).collapsed {
                self.adopt(into, NAME.into(), child);
                continue;
            }
            let is_new = !self.node(into).children.contains_key(&step);
            self.adopt(into, step, child);
            if is_name && is_new {
                let node = self.node_mut(into);
                node.names += 1;
                if node.names > self.max_names {
                    self.collapse(into);
                }
            }
        }
    }
}
