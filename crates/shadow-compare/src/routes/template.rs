//! Route templates that are given: `/users/{id}`, `/files/{path...}`.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::path::{Form, MAX_SEGMENTS, Path, normalize};

/// The longest template.
const MAX_TEMPLATE: usize = 1024;

/// A template of paths. A parameter (`{id}`) stands for one segment, and one with dots (`{path...}`), which can only be the last,
/// for all that is left, be it nothing. As with paths, a trailing slash makes no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// In the normal form of paths.
    Literal(String),
    Parameter(String),
    Rest(String),
}

/// Text that is no template: what is wrong, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTemplate(String);

impl RouteTemplate {
    /// Whether it stands for the path of a request's target.
    pub fn is_of(&self, target: &[u8]) -> bool {
        let mut path = Path::default();
        path.read(target);
        for (at, segment) in self.segments.iter().enumerate() {
            match (segment, path.segment(at)) {
                (Segment::Rest(_), _) => return path.form == Form::Path,
                (Segment::Parameter(_), Some(_)) => {}
                (Segment::Literal(wanted), Some(found)) if wanted == found => {}
                _ => return false,
            }
        }
        path.form == Form::Path && path.segment(self.segments.len()).is_none() && !path.is_deeper()
    }
}

impl FromStr for RouteTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let fail = |why: String| Err(InvalidTemplate(why));
        if text.len() > MAX_TEMPLATE {
            return fail(format!("a route has at most {MAX_TEMPLATE} bytes"));
        }
        let Some(path) = text.strip_prefix('/') else {
            return fail(format!("a route is a path, and begins with /: {text:?}"));
        };
        if let Some(odd) = text
            .chars()
            .find(|c| c.is_whitespace() || c.is_control() || "?#;".contains(*c))
        {
            return fail(format!("a route is only a path, without {odd:?}"));
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = Vec::new();
        for segment in path.split('/').filter(|_| !path.is_empty()) {
            if let Some(Segment::Rest(name)) = segments.last() {
                return fail(format!(
                    "nothing can come after {{{name}...}}, which matches the rest of the path"
                ));
            }
            segments.push(Segment::new(segment).map_err(InvalidTemplate)?);
        }
        if segments.len() > MAX_SEGMENTS {
            return fail(format!("a route has at most {MAX_SEGMENTS} segments"));
        }
        Ok(Self { segments })
    }
}

impl Segment {
    fn new(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            let (name, rest) = name
                .strip_suffix("...")
                .map_or((name, false), |name| (name, true));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            return if name.is_empty() || !name.chars().all(is_name) {
                Err(format!(
                    "{text:?} is no parameter: a name of letters, digits, _ and - in braces"
                ))
            } else if rest {
                Ok(Self::Rest(name.to_owned()))
            } else {
                Ok(Self::Parameter(name.to_owned()))
            };
        }
        if text.contains(['{', '}']) {
            return Err(format!("a parameter takes a whole segment of a route: {text:?}"));
        }
        if let Some(name) = text.strip_prefix(':') {
            return Err(format!("a parameter is in braces: {{{name}}} rather than {text}"));
        }
        let mut literal = String::new();
        normalize(text.as_bytes(), &mut literal);
        match literal.as_str() {
            "" => Err("a route has no empty segments".to_owned()),
            "." | ".." => Err(format!("a route has no dot segments: {text:?}")),
            "*" | "**" => Err(format!(
                "{text} is not supported here: {{name}} is one segment, {{name...}} the rest"
            )),
            _ => Ok(Self::Literal(literal)),
        }
    }
}

impl fmt::Display for RouteTemplate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Parameter(name) => write!(f, "/{{{name}}}"),
            Segment::Rest(name) => write!(f, "/{{{name}...}}"),
        })
    }
}

/// Given templates, to find the most specific one for a path: segment by segment from the left, a name before a parameter before
/// the rest. Of two that match the same paths the first is taken.
#[derive(Debug, Default)]
pub(super) struct Given {
    templates: Vec<RouteTemplate>,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<String, usize>,
    parameter: Option<usize>,
    /// The template that ends here.
    end: Option<usize>,
    /// The template whose rest begins here.
    rest: Option<usize>,
}

impl Given {
    pub fn new(templates: Vec<RouteTemplate>) -> Self {
        let mut nodes = vec![Node::default()];
        for (index, template) in templates.iter().enumerate() {
            let mut at = 0;
            let mut is_rest = false;
            for segment in &template.segments {
                let next = nodes.len();
                let child = match segment {
                    Segment::Literal(text) => *nodes[at].literals.entry(text.clone()).or_insert(next),
                    Segment::Parameter(_) => *nodes[at].parameter.get_or_insert(next),
                    Segment::Rest(_) => {
                        is_rest = true;
                        break;
                    }
                };
                if child == next {
                    nodes.push(Node::default());
                }
                at = child;
            }
            let node = &mut nodes[at];
            let slot = if is_rest { &mut node.rest } else { &mut node.end };
            slot.get_or_insert(index);
        }
        Self { templates, nodes }
    }

    /// A template's text.
    pub fn text(&self, index: usize) -> String {
        self.templates[index].to_string()
    }

    /// The template for a path. Each node is looked at once at most.
    pub fn find(&self, path: &Path) -> Option<usize> {
        if self.templates.is_empty() {
            return None;
        }
        self.find_below(0, path, 0)
    }

    /// Goes at most as deep as paths are looked at.
    fn find_below(&self, at: usize, path: &Path, depth: usize) -> Option<usize> {
        let node = &self.nodes[at];
        let found = if let Some(segment) = path.segment(depth) {
            let literal = node.literals.get(segment).copied();
            let mut children = literal.into_iter().chain(node.parameter);
            children.find_map(|child| self.find_below(child, path, depth + 1))
        } else {
            node.end.filter(|_| !path.is_deeper())
        };
        found.or(node.rest)
    }
}
