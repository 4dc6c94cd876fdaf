//! Which requests are kept back: by client, method, URL, headers, cookies, Basic credentials and JSON bodies.

use super::credentials::{Basic, basic, cookies};
use super::draft::Draft;
use super::expression::Expression;
use super::json::{self, JsonPath};
use super::network::Network;

/// Methods that are safe by definition (RFC 9110 section 9.2.1), but for TRACE, which servers refuse.
const SAFE: [&[u8]; 3] = [b"GET", b"HEAD", b"OPTIONS"];

/// A kind of filter: what is allowed, and what is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter<T> {
    /// Without any, everything is.
    pub allow: Vec<T>,
    /// One that matches keeps the request back.
    pub disallow: Vec<T>,
}

impl<T> Default for Filter<T> {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            disallow: Vec::new(),
        }
    }
}

impl<T> Filter<T> {
    /// Whether one of those allowed matches, and none of the others does.
    fn passes_one(&self, mut matches: impl FnMut(&T) -> bool) -> bool {
        (self.allow.is_empty() || self.allow.iter().any(&mut matches)) && !self.disallow.iter().any(matches)
    }

    /// Whether all of those allowed match, and none of the others does.
    fn passes_all(&self, mut matches: impl FnMut(&T) -> bool) -> bool {
        self.allow.iter().all(&mut matches) && !self.disallow.iter().any(matches)
    }
}

/// A name, and what its value is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Of a header or a cookie.
    pub name: Box<str>,
    /// Matches the value.
    pub expression: Expression,
}

/// A place in a JSON body, and what the value there is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonMatch {
    /// The place.
    pub path: JsonPath,
    /// Matches what a string says, and of anything else the JSON text.
    pub expression: Expression,
}

/// Only methods that change nothing, and writes to routes that are named.
#[derive(Clone, Debug, PartialEq)]
pub struct SafeMethods {
    /// A request of any method whose URL one of these matches passes.
    pub allow_url: Vec<Expression>,
}

/// All filters of a mirror, each kind empty when it is not used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// Exact and with their case: they have one.
    pub methods: Filter<Box<str>>,
    /// Where clients are.
    pub clients: Filter<Network>,
    /// URLs: the target, or host and target.
    pub urls: Filter<Expression>,
    /// The safe mode.
    pub safe_methods: Option<SafeMethods>,
    /// A field of that name whose value matches and is not empty; all that are allowed must be there.
    pub headers: Filter<Named>,
    /// The same of cookies.
    pub cookies: Filter<Named>,
    /// All must match `user:password`; without Basic credentials a request passes.
    pub basic_auth: Vec<Expression>,
    /// All that are allowed must be there.
    pub json: Filter<JsonMatch>,
    /// Largest body that is looked into, in bytes; a larger one is no JSON.
    pub max_json: usize,
}

impl Filters {
    /// Whether any of them looks into bodies.
    pub(super) fn read_bodies(&self) -> bool {
        !self.json.allow.is_empty() || !self.json.disallow.is_empty()
    }

    /// Decides what can be decided before anything is set: by method and client.
    pub(super) fn pass_origin(&self, draft: &Draft<'_>) -> bool {
        self.methods
            .passes_one(|method| method.as_bytes() == draft.method())
            && self.clients.passes_one(|network| network.has(draft.client))
    }

    /// The rest.
    pub(super) fn pass(&self, draft: &Draft<'_>) -> bool {
        self.urls.passes_one(|expression| draft.url_matches(expression))
            && self.safe_methods.as_ref().is_none_or(|safe| safe.passes(draft))
            && self.headers.passes_all(|header| header.is_header_of(draft))
            && self.cookies.passes_all(|cookie| cookie.is_cookie_of(draft))
            && self.pass_basic_auth(draft)
            && self.json.passes_all(|json| json.is_in(draft, self.max_json))
    }

    fn pass_basic_auth(&self, draft: &Draft<'_>) -> bool {
        if self.basic_auth.is_empty() {
            return true;
        }
        match draft.first("authorization").map_or(Basic::Other, basic) {
            Basic::Other => true,
            Basic::UserPass(text) => self.basic_auth.iter().all(|expression| expression.matches(&text)),
            Basic::Malformed => false,
        }
    }
}

impl SafeMethods {
    fn passes(&self, draft: &Draft<'_>) -> bool {
        SAFE.contains(&draft.method())
            || self
                .allow_url
                .iter()
                .any(|expression| draft.url_matches(expression))
    }
}

impl Named {
    fn matches(&self, value: &[u8]) -> bool {
        !value.is_empty() && self.expression.matches(value)
    }

    fn is_header_of(&self, draft: &Draft<'_>) -> bool {
        draft.any(&self.name, |value| self.matches(value))
    }

    fn is_cookie_of(&self, draft: &Draft<'_>) -> bool {
        draft.any("cookie", |field| {
            cookies(field, &self.name).any(|value| self.matches(value))
        })
    }
}

impl JsonMatch {
    fn is_in(&self, draft: &Draft<'_>, limit: usize) -> bool {
        let Some(text) = draft.json(limit) else {
            return false;
        };
        let mut matches = false;
        let read = self.path.find(text, |value| {
            matches |= self.expression.matches(json::as_text(value).as_bytes());
        });
        read.is_ok() && matches
    }
}
