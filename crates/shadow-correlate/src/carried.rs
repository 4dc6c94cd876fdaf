//! Values that a request carries, each with where it stands, how it is written there, and where it would mean something.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shadow_grpc::Method;
use shadow_http::{Framing, Request, chunked_data, is_json};

use crate::exceptions::Exceptions;
use crate::json::{self, Scalar};
use crate::key::Scope;
use crate::lines;
use crate::messages;
use crate::multipart;
use crate::shape::{
    RecordName, cookie_template, is_id, is_named_token, is_own_id, is_reference, is_tag_number, is_token,
    names_token,
};
use crate::url::{self, PartKind, Within};
use crate::xml;

/// Largest body that is looked into, in bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// In which part of a request a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// The head.
    Head,
    /// The body, without chunk framing.
    Body,
    /// A message of a call, by its number, as it is on the wire.
    Message(usize),
}

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Byte for byte.
    Plain,
    /// In percent-encoding.
    Percent(Within),
    /// As a JSON string, between the quotation marks.
    JsonString,
    /// As a JSON number.
    JsonNumber,
    /// As one of the two parts of credentials in base64 (RFC 7617): the user, or the password.
    Basic {
        /// Whether it is the password.
        password: bool,
    },
}

/// A value that a request carries.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Where it stands.
    pub section: Section,
    /// Where in that.
    pub range: Range<usize>,
    /// How it is written.
    pub written: Written,
    /// The value itself.
    pub value: Cow<'a, [u8]>,
}

/// Takes the candidates: each with the scopes that it may have a meaning in, the narrowest first. Says whether it was found.
pub trait Take {
    /// Whether any value of this length is worth a look.
    fn wants(&self, length: usize) -> bool;
    /// The types of the messages of the method that a request for this target calls, if they are known.
    fn method(&self, target: &[u8]) -> Option<Method>;
    /// Takes one.
    fn take(&mut self, candidate: &Candidate<'_>, scopes: &[Scope<'_>]) -> bool;
}

/// Credentials behind their scheme (RFC 9110 section 11.4), or a value that has none.
pub fn credentials(value: &[u8]) -> &[u8] {
    let space = memchr::memchr(b' ', value);
    space.map_or(value, |space| value[space + 1..].trim_ascii())
}

/// The body of `request` as its fields say that it is; `None` where it is not looked into.
pub fn readable_body(request: &Request) -> Option<Cow<'_, [u8]>> {
    let coded = || {
        request
            .header("content-encoding")
            .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity"))
    };
    if request.body.is_empty() || request.body.len() > MAX_BODY || request.incomplete.is_some() || coded() {
        return None;
    }
    match request.framing {
        // Trailers would be lost.
        Framing::Chunked if !request.body.ends_with(b"\r\n0\r\n\r\n") => None,
        Framing::Chunked => chunked_data(&request.body).map(Cow::Owned),
        _ => Some(Cow::Borrowed(&request.body)),
    }
}

/// Gives `into` all values that `request` carries; `body` is what [`readable_body`] says.
pub fn all(request: &Request, body: Option<&[u8]>, exceptions: &Exceptions, into: &mut impl Take) {
    let resource = url::resource(request.target());
    let path = url::path_of(resource);
    let mut reader = Reader {
        exceptions,
        path,
        above: url::split_last(path).0,
        resource,
        into,
    };
    reader.url(request.target(), Section::Head, request.target.start as usize);
    let mut content_type: &[u8] = b"";
    for field in &request.headers {
        let range = field.value.start as usize..field.value.end as usize;
        let name = &request.head[field.name.start as usize..field.name.end as usize];
        let value = &request.head[range.clone()];
        if name.eq_ignore_ascii_case(b"content-type") {
            content_type = value;
        } else {
            reader.field(name, value, range.start);
        }
    }
    if messages::is_grpc(content_type) {
        reader.messages(request);
    } else if let Some(body) = body {
        reader.body(content_type, body);
    }
}

/// Fields of the connection and of the framing, and whom the request is for.
const NEVER: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "content-encoding",
];

/// The digits of an entity tag that is a number, as a query has it with its quotation marks, and how long each of these is written.
fn tag_number(raw: &[u8]) -> Option<(usize, &[u8])> {
    [b"\"".as_slice(), b"%22"].iter().find_map(|mark| {
        let number = raw.strip_prefix(*mark)?.strip_suffix(*mark)?;
        is_tag_number(number).then_some((mark.len(), number))
    })
}

fn is_number(value: &[u8]) -> bool {
    value.len() < 10 && value.iter().all(u8::is_ascii_digit)
}

struct Reader<'a, 't, T> {
    exceptions: &'a Exceptions,
    path: &'a [u8],
    /// The path above the last segment.
    above: &'a [u8],
    resource: &'a [u8],
    into: &'t mut T,
}

impl<T: Take> Reader<'_, '_, T> {
    /// Offers what stands at `start`; whether it was taken.
    fn offer(
        &mut self,
        section: Section,
        range: Range<usize>,
        written: Written,
        value: Cow<'_, [u8]>,
        scopes: &[Scope<'_>],
    ) -> bool {
        if value.is_empty() || !self.into.wants(value.len()) {
            return false;
        }
        let candidate = Candidate {
            section,
            range,
            written,
            value,
        };
        self.into.take(&candidate, scopes)
    }

    /// Offers it as a token, if it looks like one.
    fn token(
        &mut self,
        section: Section,
        range: Range<usize>,
        written: Written,
        value: Cow<'_, [u8]>,
    ) -> bool {
        self.into.wants(value.len())
            && is_token(&value)
            && self.offer(section, range, written, value, &[Scope::Anywhere])
    }

    fn url(&mut self, text: &[u8], section: Section, start: usize) {
        url::parts(text, |part| {
            let raw = &text[part.range.clone()];
            let within = match part.kind {
                PartKind::Segment(_) => Within::Path,
                PartKind::Query(_) => Within::Query,
            };
            let Some(value) = url::decoded(raw, within).filter(|value| self.into.wants(value.len())) else {
                return;
            };
            let range = start + part.range.start..start + part.range.end;
            match part.kind {
                PartKind::Segment(above) if is_id(&value) => {
                    let scopes = [Scope::Collection(above), Scope::Anywhere];
                    let scopes = if is_token(&value) {
                        &scopes[..]
                    } else {
                        &scopes[..1]
                    };
                    let written = Written::Percent(within);
                    // Within a body a path may be written without what all of an API's begin with.
                    let is_below = section == Section::Body && text.starts_with(b"/");
                    let bases = url::bases(self.path).filter(|_| is_below);
                    let is_found = bases.map(|base| [base, above].concat()).any(|collection| {
                        let scopes = [Scope::Collection(&collection)];
                        self.offer(section, range.clone(), written, value.clone(), &scopes)
                    });
                    if !is_found {
                        self.offer(section, range, written, value, scopes);
                    }
                }
                PartKind::Segment(_) => {
                    self.token(section, range, Written::Percent(within), value);
                }
                PartKind::Query(name) => {
                    let written = Written::Percent(within);
                    if let Some((marks, number)) = tag_number(raw) {
                        let range = range.start + marks..range.end - marks;
                        let scopes = [Scope::Collection(self.path)];
                        self.offer(section, range, written, number.into(), &scopes);
                    } else {
                        self.parameter(url::path(text), name, section, range, written, value);
                    }
                }
            }
        });
    }

    /// A parameter of the query of a URL with this path, which may name a record there, whatever it is called: `/?p=104`.
    fn parameter(
        &mut self,
        path: &[u8],
        name: &[u8],
        section: Section,
        range: Range<usize>,
        written: Written,
        value: Cow<'_, [u8]>,
    ) {
        let collection = url::collection_of(path, name);
        let is_found = is_id(&value)
            && !is_reference(name)
            && self.offer(
                section,
                range.clone(),
                written,
                value.clone(),
                &[Scope::Collection(&collection)],
            );
        if is_found {
            return;
        }
        match RecordName::of_parameter(name).filter(|_| !is_reference(name) && is_number(&value)) {
            Some(record) => {
                self.offer(section, range, written, value, &[Scope::Record(&record)]);
            }
            None => self.named(name, section, range, written, value),
        }
    }

    /// A field of a form, a parameter of a query, or a member.
    fn named(
        &mut self,
        name: &[u8],
        section: Section,
        range: Range<usize>,
        written: Written,
        value: Cow<'_, [u8]>,
    ) {
        if !self.into.wants(value.len()) || self.token(section, range.clone(), written, Cow::Borrowed(&value))
        {
            return;
        }
        if names_token(name) && is_named_token(&value) {
            self.offer(section, range, written, value, &[Scope::Anywhere]);
            return;
        }
        if !is_id(&value) {
            return;
        }
        if is_own_id(name) {
            let scopes = [Scope::Collection(self.path), Scope::Collection(self.above)];
            self.offer(section, range, written, value, &scopes);
        } else if let Some(record) = RecordName::of_member(name) {
            match RecordName::last_of_member(name) {
                Some(last) => {
                    let scopes = [Scope::Record(&record), Scope::Record(&last)];
                    self.offer(section, range, written, value, &scopes);
                }
                None => {
                    self.offer(section, range, written, value, &[Scope::Record(&record)]);
                }
            }
        } else if is_tag_number(&value) {
            self.offer(section, range, written, value, &[Scope::Collection(self.path)]);
        }
    }

    /// A field of a form, which a page may have filled in.
    fn filled(&mut self, name: &[u8], range: Range<usize>, written: Written, value: Cow<'_, [u8]>) {
        let is_found = is_id(&value)
            && self.offer(
                Section::Body,
                range.clone(),
                written,
                value.clone(),
                &[Scope::Field(name)],
            );
        if !is_found {
            self.named(name, Section::Body, range, written, value);
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8], start: usize) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if NEVER.iter().any(|never| is(never)) || self.exceptions.has_header(name) {
            return;
        }
        let whole = start..start + value.len();
        let resource = self.resource;
        match name.len() {
            6 if is("cookie") => self.cookies(value, start),
            13 | 19 if is("authorization") || is("proxy-authorization") => self.authorization(value, start),
            8 | 13 if is("if-match") || is("if-none-match") || is("if-range") => {
                self.tags(value, start);
                if is("if-range") {
                    self.offer(
                        Section::Head,
                        whole,
                        Written::Plain,
                        value.into(),
                        &[Scope::Date(resource)],
                    );
                }
            }
            17 | 19 if is("if-modified-since") || is("if-unmodified-since") => {
                self.offer(
                    Section::Head,
                    whole,
                    Written::Plain,
                    value.into(),
                    &[Scope::Date(resource)],
                );
            }
            _ if url::is_url(value) => self.url(value, Section::Head, start),
            _ => {
                let found = self.token(Section::Head, whole.clone(), Written::Plain, value.into())
                    || (names_token(name)
                        && is_named_token(value)
                        && self.offer(
                            Section::Head,
                            whole.clone(),
                            Written::Plain,
                            value.into(),
                            &[Scope::Anywhere],
                        ));
                // Some have credentials in a field of their own, written as those of `Basic` are.
                if !found && names_token(name) {
                    self.basic(value, whole);
                }
            }
        }
    }

    fn cookies(&mut self, value: &[u8], start: usize) {
        let mut at = 0;
        while at < value.len() {
            let end = memchr::memchr(b';', &value[at..]).map_or(value.len(), |found| at + found);
            let pair = &value[at..end];
            if let Some(equals) = memchr::memchr(b'=', pair) {
                let name = pair[..equals].trim_ascii();
                let text = pair[equals + 1..].trim_ascii_end();
                let from = start + at + equals + 1;
                if *cookie_template(name) != *name {
                    let begin = start + at + (equals - pair[..equals].trim_ascii_start().len());
                    let whole = begin..begin + name.len();
                    self.offer(
                        Section::Head,
                        whole,
                        Written::Plain,
                        name.into(),
                        &[Scope::CookieName],
                    );
                }
                self.cookie(name, text, from..from + text.len());
            }
            at = end + 1;
        }
    }

    fn cookie(&mut self, name: &[u8], text: &[u8], range: Range<usize>) {
        let head = Section::Head;
        if self.offer(
            head,
            range.clone(),
            Written::Plain,
            text.into(),
            &[Scope::Cookie(name)],
        ) || self.token(head, range.clone(), Written::Plain, text.into())
        {
            return;
        }
        if let Some(Cow::Owned(value)) = url::decoded(text, Within::Cookie) {
            self.token(head, range, Written::Percent(Within::Cookie), value.into());
        }
    }

    fn authorization(&mut self, value: &[u8], start: usize) {
        let credentials = credentials(value);
        let from = start + value.len() - credentials.len();
        let range = from..from + credentials.len();
        let scheme = &value[..value.len() - credentials.len()];
        if !scheme.trim_ascii().eq_ignore_ascii_case(b"basic") {
            self.token(Section::Head, range, Written::Plain, credentials.into());
            return;
        }
        self.basic(credentials, range);
    }

    /// User and password in base64.
    fn basic(&mut self, credentials: &[u8], range: Range<usize>) {
        let Ok(decoded) = STANDARD.decode(credentials) else {
            return;
        };
        let Some(colon) = memchr::memchr(b':', &decoded) else {
            return;
        };
        for (password, part) in [(false, &decoded[..colon]), (true, &decoded[colon + 1..])] {
            self.token(
                Section::Head,
                range.clone(),
                Written::Basic { password },
                part.into(),
            );
        }
    }

    /// Entity tags in quotation marks, each with what weakens it.
    fn tags(&mut self, value: &[u8], start: usize) {
        let mut at = 0;
        while let Some(open) = memchr::memchr(b'"', &value[at..]).map(|found| at + found) {
            let Some(close) = memchr::memchr(b'"', &value[open + 1..]).map(|found| open + 1 + found) else {
                return;
            };
            let weak = value[..open].ends_with(b"W/");
            let from = if weak { open - 2 } else { open };
            let opaque = &value[open..=close];
            let scopes = [Scope::Tag(self.resource)];
            self.offer(
                Section::Head,
                start + from..start + close + 1,
                Written::Plain,
                opaque.into(),
                &scopes,
            );
            at = close + 1;
        }
    }

    /// The messages of a call.
    fn messages(&mut self, request: &Request) {
        let Some(call) = messages::call(request).filter(|_| request.body.len() <= MAX_BODY) else {
            return;
        };
        let Ok(all) = call.messages(MAX_BODY) else { return };
        let method = self.into.method(request.target());
        for (number, message) in all.iter().enumerate() {
            messages::carried(message, method.as_ref(), |place, value| {
                self.token(Section::Message(number), place, Written::Plain, value.into())
            });
        }
    }

    /// JSON that stands at `start` of the body.
    fn json(&mut self, text: &[u8], start: usize) {
        let mut members = Members {
            reader: self,
            text,
            start,
        };
        // What is no JSON has been offered up to there; that is as good as it gets.
        let _ = json::walk(text, &mut members);
    }

    fn body(&mut self, content_type: &[u8], body: &[u8]) {
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        let media = content_type[..end].trim_ascii();
        // Some clients do not say what they send.
        let begins = |with: &[u8]| media.is_empty() && body.trim_ascii_start().starts_with(with);
        let is_plain = media.eq_ignore_ascii_case(b"text/plain");
        if is_json(media) || begins(b"{") || begins(b"[") {
            self.json(body, 0);
        } else if lines::is_lines(media) || (is_plain && lines::has_json(body)) {
            lines::documents(body, |document| {
                self.json(&body[document.clone()], document.start);
            });
        } else if xml::is_xml(media) || begins(b"<?xml") {
            xml::texts(body, |_, range| {
                let text = &body[range.clone()];
                if url::is_url(text) {
                    self.url(text, Section::Body, range.start);
                } else {
                    self.token(Section::Body, range, Written::Plain, text.into());
                }
            });
        } else if media.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            url::fields(body, |name, range| {
                if let Some(value) = url::decoded(&body[range.clone()], Within::Query) {
                    self.filled(name, range, Written::Percent(Within::Query), value);
                }
            });
        } else if media.eq_ignore_ascii_case(b"multipart/form-data")
            && let Some(boundary) = multipart::boundary(content_type)
        {
            multipart::fields(body, boundary, |name, range| {
                let value = &body[range.clone()];
                self.filled(name, range, Written::Plain, value.into());
            });
        }
    }
}

struct Members<'r, 'a, 't, 'b, T> {
    reader: &'r mut Reader<'a, 't, T>,
    text: &'b [u8],
    start: usize,
}

impl<'b, T: Take> json::Visitor<'b> for Members<'_, '_, '_, 'b, T> {
    fn scalar(&mut self, scalar: Scalar<'b>) {
        let raw = &self.text[scalar.range.clone()];
        let (value, written) = if scalar.is_string {
            (json::unescaped(raw), Written::JsonString)
        } else {
            (Some(Cow::Borrowed(raw)), Written::JsonNumber)
        };
        let Some(value) = value else { return };
        // A word is no value: `null` is not the id of a record called so.
        if !scalar.is_string && !value.first().is_some_and(u8::is_ascii_digit) {
            return;
        }
        let range = self.start + scalar.range.start..self.start + scalar.range.end;
        match (&value, scalar.name) {
            (Cow::Borrowed(text), _) if scalar.is_string && url::is_url(text) => {
                self.reader.url(text, Section::Body, range.start);
            }
            (_, Some(name)) => self.reader.named(name, Section::Body, range, written, value),
            (_, None) => {
                self.reader.token(Section::Body, range, written, value);
            }
        }
    }

    fn enter(&mut self, _: Option<&'b [u8]>) {}

    fn leave(&mut self) {}
}
