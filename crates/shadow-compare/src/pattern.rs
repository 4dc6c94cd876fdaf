//! Patterns of paths, for rules: `$.items[*].id`, `$..updatedAt`, `header.x-foo`, `html p.price`, `GET /users/{id} $.seen`.

use std::fmt;

use super::ids::{is_field_number, is_id};
use super::markup::selector::Selector;
use super::path::{self, Step};

/// Longest pattern as typed, in bytes.
const MAX_PATTERN: usize = 1024;
/// Most steps of a pattern.
const MAX_STEPS: usize = 200;

/// Which paths a rule is about, and of which endpoint.
///
/// A root (`$`, `header`, `form`, `html`, `xml`, `text`, `body`, `status`) and steps: `.name` or `['a name']`, `.*` for any name,
/// `[*]` for elements of an array, `..name` for a name at any depth. `.*` at the end is everything below. Below `html` and `xml`
/// stands a CSS selector of elements with their names, ids, classes and one attribute, where a space is any number of elements
/// and `>` none; `@name` is an attribute. In front, there may be an endpoint, `GET /users/{id} `, as reports write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    endpoint: Option<String>,
    root: String,
    steps: Vec<PatternStep>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternStep {
    Name(String),
    AnyName,
    Element,
    Keyed(String),
    Tag(Box<Compound>),
    /// By its name; `*` for any.
    Attribute(String),
    Json,
    /// Any one step: `.*` at the end.
    One,
    /// Any number of steps.
    Any,
}

/// The parts of a [`Selector`].
#[derive(Clone, Debug, PartialEq, Eq)]
struct Compound {
    tag: String,
    id: Option<String>,
    classes: Vec<String>,
    attribute: Option<(String, String)>,
}

impl Compound {
    fn fits(&self, name: &Selector<'_>) -> bool {
        let own = Selector {
            tag: &self.tag,
            id: self.id.as_deref(),
            classes: self.classes.iter().map(String::as_str).collect(),
            attribute: self.attribute.as_ref().map(|(name, value)| (&**name, &**value)),
        };
        own.fits(name)
    }
}

impl From<Selector<'_>> for Compound {
    fn from(selector: Selector<'_>) -> Self {
        Self {
            tag: selector.tag.to_owned(),
            id: selector.id.map(str::to_owned),
            classes: selector.classes.into_iter().map(str::to_owned).collect(),
            attribute: selector
                .attribute
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        }
    }
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a path: {why}")]
pub struct BadPattern {
    pattern: String,
    why: String,
}

impl BadPattern {
    pub(super) fn new(pattern: &str, why: impl Into<String>) -> Self {
        Self {
            pattern: pattern.chars().take(200).collect(),
            why: why.into(),
        }
    }
}

const ROOTS: [&str; 11] = [
    "$",
    "header",
    "form",
    "html",
    "status",
    "text",
    "xml",
    "body",
    "grpc-status",
    "grpc-message",
    "trailer",
];

impl PathPattern {
    /// Reads a pattern as it is typed.
    ///
    /// # Errors
    ///
    /// For text that is too long, begins with no root of the syntax, has a step that cannot be read or too many, or names
    /// something below what has nothing below it.
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        let text = text.trim();
        let bad = |why: String| BadPattern::new(text, why);
        if text.len() > MAX_PATTERN {
            return Err(bad(format!("it is longer than {MAX_PATTERN} bytes")));
        }
        let (endpoint, path) = split_endpoint(text);
        let (root, steps) = path::pattern_steps(path).map_err(bad)?;
        if !ROOTS.contains(&root) {
            return Err(bad(
                "it begins with `$` (JSON, and messages of gRPC), `header.`, `trailer.`, `form`, `html`, `xml`, `text`, `status`, \
                 `grpc-status`, `grpc-message` or `body`; an endpoint may stand before that, as in `GET /users/{id} $.seen`"
                    .to_owned(),
            ));
        }
        if steps.len() > MAX_STEPS {
            return Err(bad(format!("it has more than {MAX_STEPS} steps")));
        }
        let takes_steps = matches!(
            root,
            "$" | "header" | "trailer" | "form" | "html" | "xml" | "text"
        );
        if !takes_steps && !steps.is_empty() {
            return Err(bad(format!("nothing is below `{root}`")));
        }
        let is_field = matches!(root, "header" | "trailer");
        if is_field && steps.is_empty() {
            return Err(bad(format!(
                "a name is missing: `{root}.NAME`, or `{root}.*` for all"
            )));
        }
        let last = steps.len().saturating_sub(1);
        let mut own = Vec::with_capacity(steps.len());
        for (index, step) in steps.into_iter().enumerate() {
            own.push(match step {
                Step::Name(name) if is_field && index == 0 => PatternStep::Name(name.to_ascii_lowercase()),
                Step::Name(name) if is_id(&name) && !is_field_number(&name) => {
                    return Err(bad(format!(
                        "`{name}` reads as an id, and paths have `*` in the place of ids: write `.*`"
                    )));
                }
                Step::Name(name) => PatternStep::Name(name.into_owned()),
                Step::AnyName if index == last && index > 0 => PatternStep::One,
                Step::AnyName => PatternStep::AnyName,
                Step::Element => PatternStep::Element,
                Step::Keyed(key) => PatternStep::Keyed(key.to_owned()),
                Step::Tag(selector) => PatternStep::Tag(Box::new(selector.into())),
                Step::Attribute(name) => PatternStep::Attribute(name.to_owned()),
                Step::Json => PatternStep::Json,
                Step::Any => PatternStep::Any,
            });
        }
        Ok(Self {
            text: text.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            root: root.to_owned(),
            steps: own,
        })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The endpoint that it holds for; `None` for all.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Whether it is about the status code, of HTTP or of gRPC.
    pub fn is_status(&self) -> bool {
        is_status(&self.root)
    }

    /// Whether it names the place `path` of `endpoint`, or one above it.
    pub fn covers(&self, endpoint: &str, path: &str) -> bool {
        let read = path::steps(path);
        read.is_ok_and(|(root, steps)| self.fits(endpoint, root, &steps, true))
    }

    /// The same of a path that is read already; with `below` false, whether it names the very place.
    pub(super) fn fits(&self, endpoint: &str, root: &str, steps: &[Step<'_>], below: bool) -> bool {
        self.endpoint.as_deref().is_none_or(|wanted| wanted == endpoint)
            && root == self.root
            && fits(&self.steps, steps, below)
    }
}

/// Whether differences of status codes, of HTTP or of gRPC, are at this root.
pub(super) fn is_status(root: &str) -> bool {
    matches!(root, "status" | "grpc-status")
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PatternStep {
    fn fits(&self, step: &Step<'_>) -> bool {
        match (self, step) {
            (Self::One, _)
            | (Self::AnyName, Step::Name(_) | Step::AnyName)
            | (Self::Element, Step::Element | Step::Keyed(_))
            | (Self::Json, Step::Json) => true,
            (Self::Tag(wanted), Step::Tag(name)) => wanted.fits(name),
            (Self::Attribute(wanted), Step::Attribute(name)) => wanted == "*" || wanted == name,
            (Self::Name(wanted), Step::Name(name)) => wanted == name,
            (Self::Keyed(wanted), Step::Keyed(key)) => wanted == key,
            _ => false,
        }
    }
}

/// Whether the pattern takes all steps, or, with `below`, the first of them. Goes back to the last `..` alone, so it takes no
/// more than the product of both lengths.
fn fits(pattern: &[PatternStep], steps: &[Step<'_>], below: bool) -> bool {
    let (mut at, mut step) = (0, 0);
    let mut again = None;
    loop {
        match pattern.get(at) {
            None if below || step == steps.len() => return true,
            Some(PatternStep::Any) => {
                again = Some((at + 1, step));
                at += 1;
                continue;
            }
            Some(wanted) if steps.get(step).is_some_and(|step| wanted.fits(step)) => {
                at += 1;
                step += 1;
                continue;
            }
            _ => {}
        }
        match again {
            Some((from, skipped)) if skipped < steps.len() => {
                again = Some((from, skipped + 1));
                (at, step) = (from, skipped + 1);
            }
            _ => return false,
        }
    }
}

/// `METHOD /route ` in front of a path.
fn split_endpoint(text: &str) -> (Option<&str>, &str) {
    let mut spaces = text.match_indices(' ').map(|(at, _)| at);
    let Some(first) = spaces.next() else {
        return (None, text);
    };
    let method = &text[..first];
    if is_grpc_method(method) {
        return (Some(method), text[first + 1..].trim_start());
    }
    let is_method = !method.is_empty()
        && method
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match spaces.next() {
        Some(second) if is_method && text[first + 1..].starts_with('/') => {
            // The value by which it is told from others of its URL: `(operation GetUser)`.
            let told = Some(&text[second + 1..]).filter(|rest| rest.starts_with('('));
            let end = told
                .and_then(|rest| rest.find(") "))
                .map_or(second, |end| second + 1 + end + 1);
            (Some(&text[..end]), text[end + 1..].trim_start())
        }
        _ => (None, text),
    }
}

/// Whether it is `package.Service/Method`.
fn is_grpc_method(word: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
    };
    word.split_once('/')
        .is_some_and(|(service, method)| is_name(service) && is_name(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().covers("GET /a", path)
    }

    #[test]
    fn a_pattern_covers_its_place_and_what_is_below() {
        for (pattern, path) in [
            ("$.a", "$.a"),
            ("$.a", "$.a.b[*].c"),
            ("$", "$.a"),
            ("$.items[*].id", "$.items[*].id"),
            ("$.items[*].id", "$.items[id=*].id"),
            ("$.items[id=*].x", "$.items[id=*].x"),
            ("$..updatedAt", "$.updatedAt"),
            ("$..updatedAt", "$.a[*].b.updatedAt"),
            ("$..updatedAt", "$.a.updatedAt.x"),
            ("$.a..b.c", "$.a.b.b.c"),
            ("$..[*].id", "$.a[*].id"),
            ("$.meta.*", "$.meta.x"),
            ("$.meta.*", "$.meta[*]"),
            ("$.*.id", "$.name.id"),
            ("$.byUser.*.name", "$.byUser.*.name"),
            ("$['a b']", "$['a b'].c"),
            ("$[\"a b\"]", "$['a b'].c"),
            ("header.X-Foo", "header.x-foo"),
            ("header.*", "header.x-foo"),
            ("header.set-cookie.sid", "header.set-cookie.sid"),
            ("header.set-cookie", "header.set-cookie.sid"),
            ("form.token", "form.token"),
            ("body", "body"),
            ("GET /a $.b", "$.b"),
            ("html", "html main > p.price@title"),
            ("html main > p.price", "html main > p.price"),
            ("html p.price", "html main p.card.price"),
            ("html main > *", "html main > p"),
            ("html #cart .price", "html #cart > ul > li.price"),
            ("html div#cart", "html #cart"),
            ("html main p", "html main > p@title"),
            ("html p@*", "html main > p@title"),
            ("html [name=q]@value", "html form > input[name=q]@value"),
            ("html input[name=\"a[b]\"]", "html input[name='a[b]']@value"),
            ("html script $..total", "html script#state $.cart[*].total"),
            ("html script['var csrf']", "html script['var csrf']"),
            ("GET /a html p", "html p"),
            ("xml feed > updated", "xml feed > updated"),
            ("text.took", "text['took']"),
        ] {
            assert!(covers(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("$.a", "$.ab"),
            ("$.a", "$"),
            ("$.a.*", "$.a"),
            ("$.*.id", "$[*].id"),
            ("$.items[id=*].x", "$.items[*].x"),
            ("$..b.c", "$.b.d"),
            ("header.x", "$.x"),
            ("text", "$"),
            ("POST /a $.b", "$.b"),
            ("GET /a/b $.b", "$.b"),
            ("html p.price", "html main > p"),
            ("html main > p", "html main > ul > p"),
            ("html > p", "html main > p"),
            ("html p@title", "html p"),
            ("html p $.a", "html p['a']"),
            ("html p#a", "html p"),
            ("xml p", "html p"),
        ] {
            assert!(!covers(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_may_be_about_requests_of_a_url_that_are_told_apart() {
        let pattern = PathPattern::parse("POST /graphql (operation GetUser)  $.b").unwrap();
        assert_eq!(pattern.endpoint(), Some("POST /graphql (operation GetUser)"));
        assert!(pattern.covers("POST /graphql (operation GetUser)", "$.b"));
        assert!(!pattern.covers("POST /graphql", "$.b"));
        assert!(PathPattern::parse("POST /graphql (operation GetUser").is_err());
    }

    #[test]
    fn a_pattern_names_no_place_below_its_own() {
        let pattern = PathPattern::parse("$.a").unwrap();
        let names = |path| {
            let (root, steps) = path::steps(path).unwrap();
            pattern.fits("", root, &steps, false)
        };
        assert!(names("$.a"));
        assert!(!names("$.a.b"));
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        for (pattern, why) in [
            ("", "it begins with"),
            ("timestamp", "it begins with"),
            ("GET /a", "it begins with"),
            ("$.", "a name is missing after `.`"),
            ("$..", "a name must follow `..`"),
            ("$...a", "a name must follow `..`"),
            ("$.a[0]", "`[0]`: elements of arrays are `[*]`"),
            ("$.a[*", "`]` is missing"),
            ("$['a]", "the quote that ends a name is missing"),
            ("$['a'", "`]` is missing after a name"),
            ("$.a[*]b", "`b`: a step begins with `.` or `[`"),
            ("$.users.4711.name", "`4711` reads as an id"),
            ("header", "a name is missing: `header.NAME`"),
            ("status.x", "nothing is below `status`"),
            ("html p.", "a class of letters"),
            ("html p#", "an id of letters"),
            ("html p[x", "`[name=value]`"),
            ("html p[x='y]", "the quote that ends a value is missing"),
            ("html p@", "a name is missing after `@`"),
            ("html p@a b", "nothing but ` $` stands behind"),
            ("html > > p", "the name of an element is missing"),
            ("htmlx p", "it begins with"),
        ] {
            let error = PathPattern::parse(pattern).unwrap_err().to_string();
            assert!(error.contains(why), "{pattern}: {error}");
        }
        assert!(PathPattern::parse(&format!("$.{}", "a".repeat(1100))).is_err());
        assert!(PathPattern::parse(&format!("${}", ".a".repeat(201))).is_err());
    }
}
