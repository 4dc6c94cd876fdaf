//! By what requests of one URL are told apart where one endpoint would be many: a parameter of the query, a member of a JSON body
//! (`--route-by`), and the operation of a request of GraphQL.
//!
//! A value becomes a part of a name, so it is one of a few short ones or it is not used: [`MAX_VALUE`], and `Routes::select`, which
//! bounds how many there are. Names that say that their values are secrets are refused where secrets are hidden
//! ([`RouteBy::secret`]).

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shadow_mirror::rules::JsonPath;

use super::bodies::Side;
use super::head::{Head, field, lines, request_line};
use super::routes::RouteTemplate;
use super::{form, graphql, secrets};

/// The name of the operation of a request of GraphQL.
const OPERATION: &str = "operation";
/// Most ways that are given: each is looked for in each request.
const MAX_GIVEN: usize = 32;
/// Longest value that tells endpoints apart, in bytes of its normal form: longer ones are no names.
const MAX_VALUE: usize = 64;
/// Longest text of one way.
const MAX_TEXT: usize = 1024;
/// Largest body that is looked into, in bytes.
const MAX_BODY: usize = 1 << 20;

/// By what requests of one URL are told apart. By default the operations of GraphQL are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteBy {
    given: Vec<Selector>,
    graphql: bool,
}

impl Default for RouteBy {
    fn default() -> Self {
        Self {
            given: Vec::new(),
            graphql: true,
        }
    }
}

/// One way: `query.NAME` or `body.PATH`, and perhaps the requests that it is for in front: `/fixtures/{table} query._shape`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selector {
    method: Option<String>,
    route: Option<RouteTemplate>,
    /// As it is written: `query._shape`.
    by: Box<str>,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The first parameter of the query with this name.
    Query(String),
    /// The first value in a JSON body that this leads to.
    Body(JsonPath),
}

/// Text that is no way of telling requests apart: what is wrong, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRouteBy(String);

/// The value by which a request is told from others of its URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Field that has it: `query._shape`, or `operation`.
    by: Box<str>,
    /// It, in a normal form without what is not printable; `None` where it is too long to be a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Box<str>>,
}

impl Selected {
    fn new(by: &str, value: &str) -> Self {
        let value = normal(value);
        Self {
            by: by.into(),
            value: (value.len() <= MAX_VALUE).then(|| value.into()),
        }
    }

    /// Addition to the name of the endpoint of its URL; `None` where it is too long.
    pub(crate) fn label(&self) -> Option<String> {
        let value = self.value.as_ref()?;
        Some(if *self.by == *OPERATION && value.contains(graphql::BETWEEN) {
            format!("({OPERATION}s {})", value.replace(graphql::BETWEEN, ", "))
        } else if *self.by == *OPERATION {
            format!("({OPERATION} {value})")
        } else {
            format!("({}={value})", self.by)
        })
    }

    /// The same, of all values that there is no room for.
    pub(crate) fn label_of_others(&self) -> String {
        if *self.by == *OPERATION {
            format!("(other {OPERATION}s)")
        } else {
            format!("(other {})", self.by)
        }
    }
}

impl RouteBy {
    /// Adds a way, as it is typed: `query._shape`, `/api/{call} body.method`; or `none`, and operations of GraphQL are one endpoint.
    ///
    /// # Errors
    ///
    /// Where the text is none, or there are too many.
    pub fn add(&mut self, text: &str) -> Result<(), InvalidRouteBy> {
        if text == "none" {
            self.graphql = false;
            return Ok(());
        }
        if self.given.len() >= MAX_GIVEN {
            return Err(InvalidRouteBy(format!("there are at most {MAX_GIVEN} of them")));
        }
        self.given.push(text.parse()?);
        Ok(())
    }

    /// The first of them by whose name its values are secrets.
    pub fn secret(&self) -> Option<String> {
        self.given
            .iter()
            .find(|given| given.is_secret())
            .map(ToString::to_string)
    }

    /// The paths in JSON bodies that they are about, as they are written.
    pub fn body_paths(&self) -> impl Iterator<Item = &str> {
        self.given
            .iter()
            .filter_map(|given| given.by.strip_prefix("body."))
    }

    /// All of them in words.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.given.iter().map(|given| format!("by {given}"))
    }

    /// The value by which a request is told from others of its URL, if there is one: of the first way that finds one.
    pub fn read(&self, head: &[u8], body: &[u8]) -> Option<Selected> {
        self.read_again(None, head, body)
    }

    /// The same of a request that was kept, perhaps without its body, and with the value that it was told by then.
    pub fn read_again(&self, kept: Option<&Selected>, head: &[u8], body: &[u8]) -> Option<Selected> {
        if self.given.is_empty() && !self.graphql {
            return None;
        }
        let (method, target) = request_line(head);
        let query = query_of(target);
        let kept_by = |by: &str| kept.filter(|kept| *kept.by == *by);
        let again = |kept: &Selected| match &kept.value {
            Some(value) => Selected::new(&kept.by, value),
            None => kept.clone(),
        };
        for given in self.given.iter().filter(|given| given.is_for(method, target)) {
            if let Some(kept) = kept_by(&given.by) {
                return Some(again(kept));
            }
            let value = match &given.source {
                Source::Query(name) => parameter(query, name),
                Source::Body(path) => json_body(head, body).and_then(|text| member(&text, path)),
            };
            if let Some(value) = value {
                return Some(Selected::new(&given.by, &value));
            }
        }
        if !self.graphql {
            return None;
        }
        if let Some(kept) = kept_by(OPERATION) {
            return Some(again(kept));
        }
        let operation = match method {
            b"GET" => query.and_then(graphql::of_query),
            b"POST" => operation_in_body(head, body),
            _ => None,
        };
        operation.map(|name| Selected::new(OPERATION, &name))
    }
}

impl Selector {
    fn is_for(&self, method: &[u8], target: &[u8]) -> bool {
        self.method
            .as_ref()
            .is_none_or(|wanted| wanted.as_bytes() == method)
            && self.route.as_ref().is_none_or(|route| route.is_of(target))
    }

    fn is_secret(&self) -> bool {
        let (_, name) = self.by.split_once('.').unwrap_or_default();
        match &self.source {
            Source::Query(_) => secrets::is_secret_parameter(name.as_bytes()),
            Source::Body(_) => name.split(['.', '/']).any(secrets::is_secret_member),
        }
    }
}

impl FromStr for Selector {
    type Err = InvalidRouteBy;

    fn from_str(text: &str) -> Result<Self, InvalidRouteBy> {
        let fail = |why: &str| Err(InvalidRouteBy(why.to_owned()));
        if text.len() > MAX_TEXT {
            return fail("it is longer than 1024 bytes");
        }
        let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
        let by = words.pop().unwrap_or_default();
        if by
            .bytes()
            .any(|byte| !byte.is_ascii_graphic() || b"()=".contains(&byte))
        {
            return fail("a name has only printable ASCII, and no parentheses and =");
        }
        let source = match by.split_once('.') {
            Some(("query", name)) if !name.is_empty() => Source::Query(name.to_owned()),
            Some(("body", path)) if !path.is_empty() => {
                Source::Body(JsonPath::new(path).map_err(|error| InvalidRouteBy(error.to_string()))?)
            }
            _ => return fail("it is query.NAME, or body.PATH of a value in JSON"),
        };
        let route = match words.last() {
            Some(path) if path.starts_with('/') => {
                let path = words.pop().unwrap_or_default();
                Some(
                    path.parse()
                        .map_err(|error: super::routes::InvalidTemplate| InvalidRouteBy(error.to_string()))?,
                )
            }
            _ => None,
        };
        let method = words.pop().map(str::to_owned);
        let is_method = |method: &String| {
            method
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        };
        if !words.is_empty() || !method.iter().all(is_method) || (method.is_some() && route.is_none()) {
            return fail("only a route may stand in front of it, as in '/fixtures/{table} query._shape'");
        }
        Ok(Self {
            method,
            route,
            by: by.into(),
            source,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        if let Some(route) = &self.route {
            write!(f, "{route} ")?;
        }
        f.write_str(&self.by)
    }
}

/// The query of a target, if it is text.
fn query_of(target: &[u8]) -> Option<&str> {
    let start = memchr::memchr(b'?', target)? + 1;
    let query = &target[start..];
    let end = memchr::memchr(b'#', query).unwrap_or(query.len());
    std::str::from_utf8(&query[..end]).ok()
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name || form::decoded(found) == name).then(|| form::decoded(value))
    })
}

/// The first string, number or truth value that the path leads to.
fn member(text: &str, path: &JsonPath) -> Option<String> {
    let mut found = None;
    path.find(text, |value| {
        if found.is_none() {
            found = Some(value.get());
        }
    })
    .ok()?;
    let found = found?;
    match found.as_bytes().first()? {
        b'{' | b'[' | b'n' => None,
        b'"' => serde_json::from_str(found).ok(),
        _ => Some(found.to_owned()),
    }
}

/// The operation of GraphQL that a body asks for, as JSON or as the document itself.
fn operation_in_body(head: &[u8], body: &[u8]) -> Option<String> {
    if body.is_empty() || body.len() > MAX_BODY {
        return None;
    }
    let (mut is_document, mut is_json, mut is_coded) = (false, false, false);
    for (name, value) in lines(head).skip(1).map(field) {
        if name.eq_ignore_ascii_case(b"content-type") {
            let media = value.split(|byte| *byte == b';').next().unwrap_or_default();
            is_document = media.trim_ascii().eq_ignore_ascii_case(b"application/graphql");
            is_json = ends_as(media.trim_ascii(), b"json");
        } else if name.eq_ignore_ascii_case(b"content-encoding")
            || name.eq_ignore_ascii_case(b"transfer-encoding")
        {
            is_coded = true;
        }
    }
    if !is_document && !is_json {
        return None;
    }
    let body = if is_coded {
        decoded(head, body)?
    } else {
        Cow::Borrowed(body)
    };
    let text = std::str::from_utf8(&body).ok()?;
    if is_document {
        graphql::operation(text, None)
    } else {
        graphql::of_json(text)
    }
}

fn ends_as(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().saturating_sub(end.len());
    text[start..].eq_ignore_ascii_case(end)
}

/// The text of a body that is JSON by its type, or has none and begins like it.
fn json_body(head: &[u8], body: &[u8]) -> Option<String> {
    if body.is_empty() || body.len() > MAX_BODY {
        return None;
    }
    let side = Side::there(&Head::new(head), body);
    let decoded = side.decoded(MAX_BODY).ok()?;
    if !side.is_json(&decoded) {
        return None;
    }
    String::from_utf8(decoded.into_owned()).ok()
}

fn decoded<'a>(head: &[u8], body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let decoded = Side::there(&Head::new(head), body).decoded(MAX_BODY).ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

/// A value as it stands in a name: what is not printable, or would end it, is percent-encoded. The same once more.
fn normal(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if text.len() > MAX_VALUE {
            break;
        }
        if byte.is_ascii_graphic() && !b"(){}\"\\`<>".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    text
}

#[cfg(test)]
mod tests;
