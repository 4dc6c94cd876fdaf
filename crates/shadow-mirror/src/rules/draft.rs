//! A request while the rules look at it and change it: nothing is copied before something changes.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use bytes::Bytes;
use shadow_http::{Framing, Request, RewriteError, absolute_form, chunked_data};

use super::expression::Expression;
use super::json;
use super::lines::Lines;
use super::prettify::Prettifier;
use super::redaction::{Redaction, Unredactable};
use super::{Unsafe, query};
use crate::re2::TooLong;

/// Room for edits in a head, in bytes: what all rules together may add to it.
const MAX_GROWTH: usize = 256 << 10;

/// A request and what has been changed of it.
pub(super) struct Draft<'a> {
    request: &'a Request,
    /// Where the client is.
    pub client: IpAddr,
    target: Cow<'a, [u8]>,
    lines: Option<Lines<'a>>,
    body: Option<Bytes>,
    /// The body without chunk framing, once it was asked for.
    payload: OnceCell<Option<Cow<'a, [u8]>>>,
}

impl<'a> Draft<'a> {
    pub fn new(request: &'a Request, client: IpAddr) -> Self {
        Self {
            request,
            client,
            target: request.target().into(),
            lines: None,
            body: None,
            payload: OnceCell::new(),
        }
    }

    pub fn method(&self) -> &[u8] {
        self.request.method()
    }

    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// Whether a field called `name` has a value that passes `test`.
    pub fn any(&self, name: &str, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        match &self.lines {
            Some(lines) => lines.any(name, test),
            None => self
                .request
                .fields()
                .any(|(field, value)| field.eq_ignore_ascii_case(name.as_bytes()) && test(value)),
        }
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        match &self.lines {
            Some(lines) => lines.first(name),
            None => self.request.header(name),
        }
    }

    /// The value of the query parameter called `name`, as sent.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        query::value(&self.target, name.as_bytes())
    }

    /// Whether an expression matches the target as sent, or the host with path and query behind it.
    pub fn url_matches(&self, expression: &Expression) -> bool {
        if expression.matches(&self.target) {
            return true;
        }
        let (host, rest) = match absolute_form(&self.target) {
            Some((authority, rest)) => (Some(authority), rest),
            None if self.has_path() => (self.first("host"), &*self.target),
            None => (None, &*self.target),
        };
        host.is_some_and(|host| expression.matches(&[host, rest].concat()))
    }

    /// The body as text without chunk framing, where it has at most `limit` bytes and begins as JSON does.
    pub fn json(&self, limit: usize) -> Option<&str> {
        let payload = self.payload.get_or_init(|| match self.request.framing {
            Framing::Chunked => chunked_data(&self.request.body).map(Cow::Owned),
            _ => Some(Cow::Borrowed(&self.request.body[..])),
        });
        let payload = payload.as_deref()?;
        if payload.len() > limit || !json::begins_as_json(payload) {
            return None;
        }
        json::text(payload)
    }

    /// The header lines, to be edited.
    pub fn lines(&mut self) -> &mut Lines<'a> {
        let request = self.request;
        self.lines
            .get_or_insert_with(|| Lines::of(&request.head, &request.headers))
    }

    /// Gives the first field called `name` this value; others of that name stay, as in `GoReplay`. A Host that is set counts,
    /// also where the target names another: then that becomes a path.
    pub fn set_header(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("host")
            && let Some((_, rest)) = absolute_form(&self.target)
        {
            let path = match rest.first() {
                Some(b'/') => rest.to_vec(),
                _ => [b"/", rest].concat(),
            };
            self.target = path.into();
        }
        self.lines().set_first(name, value);
    }

    /// Gives a query parameter this value; a target that is no path has none.
    pub fn set_parameter(&mut self, name: &str, value: &str) {
        if self.has_path() || absolute_form(&self.target).is_some() {
            self.target = query::set(&self.target, name.as_bytes(), value.as_bytes()).into();
        }
    }

    /// Puts another target in place of this one, if it is one: visible characters, and a path or an absolute form.
    pub fn set_target(&mut self, target: Vec<u8>) -> Result<(), Unsafe> {
        let visible = |byte: &u8| *byte > b' ' && *byte != 0x7f && *byte != b'#';
        let is_target = target.first() == Some(&b'/') || absolute_form(&target).is_some();
        if !is_target || !target.iter().all(visible) {
            return Err(Unsafe);
        }
        self.target = target.into();
        Ok(())
    }

    /// Makes the body readable.
    pub fn prettify(&mut self, prettifier: Prettifier) {
        let request = self.request;
        let chunked = request.framing == Framing::Chunked;
        let body = prettifier.edit(self.lines(), chunked, &request.body);
        self.body = body.map(Bytes::from);
    }

    /// Hides what must not leave.
    pub fn redact(&mut self, redaction: &Redaction) -> Result<(), Unredactable> {
        let request = self.request;
        let chunked = self.body.is_none() && request.framing == Framing::Chunked;
        let body = self.body.clone().unwrap_or_else(|| request.body.clone());
        if let Some(body) = redaction.edit(self.lines(), chunked, &body)? {
            self.body = Some(body.into());
        }
        Ok(())
    }

    /// The request that it became; `None` where it is what it was.
    pub fn finish(self) -> Result<Option<Request>, RewriteError> {
        let request = self.request;
        let target_end = request.target.end as usize;
        let Some(line_end) = memchr::memchr(b'\r', &request.head[target_end..]) else {
            return Ok(None);
        };
        if self.lines.is_none() && *self.target == *request.target() {
            return Ok(None);
        }
        let version = &request.head[target_end..target_end + line_end];
        let lines = self
            .lines
            .unwrap_or_else(|| Lines::of(&request.head, &request.headers));
        let head = lines.head(&[request.method(), b" ", &self.target, version]);
        if head == request.head && self.body.is_none() {
            return Ok(None);
        }
        if head.len() > request.head.len() + MAX_GROWTH {
            return Err(RewriteError::Invalid);
        }
        let body = self.body.unwrap_or_else(|| request.body.clone());
        request.rewritten(head, body).map(Some)
    }

    fn has_path(&self) -> bool {
        self.target.first() == Some(&b'/')
    }
}

impl From<TooLong> for Unsafe {
    fn from(_: TooLong) -> Self {
        Self
    }
}
