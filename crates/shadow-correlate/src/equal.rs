//! Whether two values that differ are the same record, session or version of each side: for comparing.

use crate::key::Scope;
use crate::map::Map;
use crate::shape::{RecordName, is_own_id};
use crate::url::{self, PartKind, Within};

/// Where in an answer two values stand, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// The value of the cookie of this name.
    Cookie(&'a [u8]),
    /// The name of a cookie.
    CookieName,
    /// An entity tag.
    Tag,
    /// `Last-Modified`.
    Date,
    /// A member of JSON, or a field of a form, of this name.
    Member(&'a [u8]),
    /// A choice among records, in what is called so: `groups`.
    ChoiceOf(&'a [u8]),
    /// An attribute of an element of a page, or a field of a head that names an identifier.
    Attribute,
    /// Anywhere else.
    Elsewhere,
}

impl Map {
    /// Whether `own` in the output's answer is what `production` is in production's, both answers to a request for `target`.
    pub fn is_same(&self, target: &[u8], at: At<'_>, production: &[u8], own: &[u8]) -> bool {
        let resource = url::resource(target);
        let path = url::path(target);
        let same_token = self.is_pair(Scope::Anywhere, production, own);
        match at {
            At::Cookie(name) => same_token || self.is_pair(Scope::Cookie(name), production, own),
            At::CookieName => self.is_pair(Scope::CookieName, production, own),
            At::Tag => {
                let opaque = production.strip_prefix(b"W/").unwrap_or(production);
                self.is_pair(Scope::Tag(resource), opaque, own)
            }
            At::Date => self.is_pair(Scope::Date(resource), production, own),
            _ if same_token => true,
            At::Member(name) if is_own_id(name) => {
                let above = url::split_last(path).0;
                self.is_pair(Scope::Collection(path), production, own)
                    || self.is_pair(Scope::Collection(above), production, own)
                    || self.is_same_text(production, own)
            }
            At::Member(name) if let Some(record) = RecordName::of_member(name) => {
                self.is_pair(Scope::Record(&record), production, own)
                    || RecordName::last_of_member(name)
                        .is_some_and(|last| self.is_pair(Scope::Record(&last), production, own))
                    || self.is_same_text(production, own)
            }
            At::ChoiceOf(name) => RecordName::of_collection(name)
                .is_some_and(|record| self.is_pair(Scope::Record(&record), production, own)),
            At::Attribute if self.is_same_but_for_ids(production, own) => true,
            _ => self.is_same_url(path, (production, own)) || self.is_same_text(production, own),
        }
    }

    /// Whether two texts that nobody reads are the same but for numbers that are ids of records which were made: `cb-select-8`.
    fn is_same_but_for_ids(&self, production: &[u8], own: &[u8]) -> bool {
        let mut left = production.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
        let mut right = own.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a == b || self.is_made(a, b) => {}
                _ => return false,
            }
        }
    }

    /// Whether two URLs are the same but for identifiers in them.
    fn is_same_url(&self, asked: &[u8], (production, own): (&[u8], &[u8])) -> bool {
        // In pages a link may be to another query of the same path.
        let is_link = |text: &[u8]| url::is_url(text) || text.starts_with(b"?") || is_relative(text);
        if !is_link(production) || !is_link(own) {
            return false;
        }
        let path = match production.first() {
            Some(b'?') => asked,
            _ => url::path(production),
        };
        let collections = [path, url::split_last(path).0];
        let (mut left, mut right) = (Vec::new(), Vec::new());
        url::parts(production, |part| left.push(part));
        url::parts(own, |part| right.push(part));
        let around = |text: &[u8], parts: &[url::Part<'_>]| {
            let mut at = 0;
            let mut around = Vec::new();
            for part in parts {
                around.extend_from_slice(&text[at..part.range.start]);
                around.push(0);
                at = part.range.end;
            }
            around.extend_from_slice(&text[at..]);
            around
        };
        let same_part = |(a, b): (&url::Part<'_>, &url::Part<'_>)| {
            let (text, other) = (&production[a.range.clone()], &own[b.range.clone()]);
            let within = match a.kind {
                PartKind::Segment(_) => Within::Path,
                PartKind::Query(_) => Within::Query,
            };
            let (Some(value), Some(own_value)) = (url::decoded(text, within), url::decoded(other, within))
            else {
                return text == other;
            };
            let in_collection = || match a.kind {
                PartKind::Segment(above) => {
                    // It may be written without what all paths of an API begin with.
                    let bases = std::iter::once(&b""[..]).chain(url::bases(asked));
                    bases
                        .map(|base| [base, above].concat())
                        .any(|collection| self.is_pair(Scope::Collection(&collection), &value, &own_value))
                }
                PartKind::Query(name) if is_own_id(name) => collections
                    .iter()
                    .any(|path| self.is_pair(Scope::Collection(path), &value, &own_value)),
                PartKind::Query(name) if let Some(record) = RecordName::of_member(name) => {
                    self.is_pair(Scope::Record(&record), &value, &own_value)
                }
                PartKind::Query(name) => {
                    let collection = url::collection_of(path, name);
                    let named = RecordName::of_parameter(name);
                    self.is_pair(Scope::Collection(&collection), &value, &own_value)
                        || named
                            .is_some_and(|record| self.is_pair(Scope::Record(&record), &value, &own_value))
                }
            };
            value == own_value || self.is_pair(Scope::Anywhere, &value, &own_value) || in_collection()
        };
        left.len() == right.len()
            && around(production, &left) == around(own, &right)
            && left.iter().zip(&right).all(same_part)
    }
}

/// Whether it can be a link to what is beside or above the page that has it: `../static/app.css?v=1`, `item?id=5`.
fn is_relative(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| matches!(byte, b'/' | b'?'));
    end.is_some_and(|end| {
        text[..end]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-~%+".contains(byte))
    }) && !text.iter().any(u8::is_ascii_whitespace)
}
