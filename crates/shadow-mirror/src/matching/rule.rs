//! One match of a rule: what a request must have, all of it.

use shadow_http::Request;

use super::call::CallMatch;
use super::pattern::Pattern;
use super::{Location, MatchError};

/// A condition on the path.
#[derive(Clone, Debug, PartialEq)]
pub enum PathMatch {
    /// The same bytes, case and a trailing `/` included.
    Exact(Box<str>),
    /// Element by element: `/foo` matches `/foo`, `/foo/` and `/foo/x`, not `/foobar`.
    Prefix(Prefix),
    /// The whole path matches an expression.
    Regex {
        /// The expression.
        pattern: Pattern,
        /// Its length in characters, for the order of precedence.
        length: usize,
    },
    /// The request is a gRPC call, and its path names such a method.
    Call(CallMatch),
}

/// A path prefix without the `/` at its end, which means nothing; the prefix `/` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(Box<str>);

impl Prefix {
    fn new(path: &str) -> Self {
        Self(path.strip_suffix('/').unwrap_or(path).into())
    }

    /// The part of `path` that follows the prefix, if it starts with it: nothing, or something that starts with `/`.
    /// Every path starts with the prefix `/`, and so does `*`: a match that says nothing about paths has it.
    pub fn rest<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let rest = path.strip_prefix(self.0.as_bytes())?;
        (rest.is_empty() || rest[0] == b'/' || self.0.is_empty()).then_some(rest)
    }
}

impl PathMatch {
    /// The path is `path`.
    ///
    /// # Errors
    ///
    /// Where `path` is none.
    pub fn exact(path: &str) -> Result<Self, MatchError> {
        check(path)?;
        Ok(Self::Exact(path.into()))
    }

    /// The path starts with the elements of `path`.
    ///
    /// # Errors
    ///
    /// Where `path` is none.
    pub fn prefix(path: &str) -> Result<Self, MatchError> {
        check(path)?;
        Ok(Self::Prefix(Prefix::new(path)))
    }

    /// The whole path, without query, matches `expression`.
    ///
    /// # Errors
    ///
    /// Where the expression is none, or too large.
    pub fn regex(expression: &str) -> Result<Self, MatchError> {
        Ok(Self::Regex {
            pattern: Pattern::regex(expression)?,
            length: expression.chars().count(),
        })
    }

    fn matches(&self, request: &Request, path: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact.as_bytes() == path,
            Self::Prefix(prefix) => prefix.rest(path).is_some(),
            Self::Regex { pattern, .. } => pattern.matches(path),
            Self::Call(call) => call.matches(request, path),
        }
    }

    /// Kind and lengths, greater for what goes first. See [`RouteMatcher`](super::RouteMatcher) on expressions.
    pub(super) fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::Exact(path) => (2, path.chars().count(), 0),
            Self::Prefix(prefix) => (1, prefix.0.chars().count(), 0),
            Self::Regex { length, .. } => (0, *length, 0),
            Self::Call(call) => call.rank(),
        }
    }
}

fn check(path: &str) -> Result<(), MatchError> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(MatchError::Path(path.chars().take(80).collect()))
    }
}

/// One match of a rule. The default matches every request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestMatch {
    path: PathMatch,
    method: Option<Box<str>>,
    headers: Vec<(Box<str>, Pattern)>,
    query: Vec<(Box<str>, Pattern)>,
}

impl Default for RequestMatch {
    fn default() -> Self {
        Self::new(PathMatch::Prefix(Prefix::new("/")))
    }
}

impl RequestMatch {
    /// A match of the path alone.
    pub fn new(path: PathMatch) -> Self {
        Self {
            path,
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
        }
    }

    /// The method must be this one too.
    #[must_use]
    pub fn with_method(mut self, method: &str) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The header `name` must have such a value too. Of several entries with names that differ in nothing but
    /// case, the first counts.
    #[must_use]
    pub fn with_header(mut self, name: &str, pattern: Pattern) -> Self {
        if !self
            .headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(name))
        {
            self.headers.push((name.into(), pattern));
        }
        self
    }

    /// The query parameter `name` must have such a value too. Of several entries the first counts.
    #[must_use]
    pub fn with_query(mut self, name: &str, pattern: Pattern) -> Self {
        if !self.query.iter().any(|(other, _)| **other == *name) {
            self.query.push((name.into(), pattern));
        }
        self
    }

    /// The condition on the path.
    pub fn path(&self) -> &PathMatch {
        &self.path
    }

    pub(super) fn matches(&self, request: &Request, location: &Location<'_>) -> bool {
        self.path.matches(request, location.path)
            && self
                .method
                .as_deref()
                .is_none_or(|method| method.as_bytes() == request.method())
            && self
                .headers
                .iter()
                .all(|(name, pattern)| has_header(request, name, pattern))
            && self
                .query
                .iter()
                .all(|(name, pattern)| has_parameter(location.query, name, pattern))
    }

    /// The key that precedence compares, greater for what goes first.
    pub(super) fn rank(&self) -> ((u8, usize, usize), bool, usize, usize) {
        let method = self.method.is_some();
        (self.path.rank(), method, self.headers.len(), self.query.len())
    }
}

fn has_header(request: &Request, name: &str, pattern: &Pattern) -> bool {
    let values = request
        .fields()
        .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value);
    pattern.matches_joined(values)
}

/// Names and values are compared as sent, without percent-decoding, as Envoy does when it chooses a route. Of a
/// parameter that is repeated, the first value counts.
fn has_parameter(query: Option<&[u8]>, name: &str, pattern: &Pattern) -> bool {
    let Some(query) = query else { return false };
    query
        .split(|byte| *byte == b'&')
        .map(|parameter| match memchr::memchr(b'=', parameter) {
            Some(sign) => (&parameter[..sign], &parameter[sign + 1..]),
            None => (parameter, &b""[..]),
        })
        .find(|(parameter, _)| *parameter == name.as_bytes())
        .is_some_and(|(_, value)| pattern.matches(value))
}
