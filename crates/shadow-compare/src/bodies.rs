//! Bodies of answers, as they read: without chunks and codings, each by its type.
//!
//! JSON is compared by structure (JSON lines, and several documents in a row, as one array), forms by names, pages and XML by their trees, text by lines, anything
//! else by its bytes. What is larger than [`super::Rules::with_max_structured`] is compared by its bytes whatever it is.

use std::borrow::Cow;

use shadow_http::{Codings, Undecodable, chunked_data, is_json};

use super::charset;
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;
use super::head::Head;
use super::json::{self, Reader};
use super::markup::{self, Language};
use super::{Kind, form, text};

/// Largest decoded body that is compared by its bytes, where the bound of those that are looked into is not above it.
pub(super) const MAX_DECODED: usize = 8 << 20;

/// One side's body, and what its head says of it.
#[derive(Debug)]
pub(super) struct Side<'a> {
    /// As it was on the wire; empty where there is none by definition.
    raw: &'a [u8],
    chunked: bool,
    codings: Codings,
    /// The media type in lower case, without parameters.
    media: String,
    pub charset: Option<String>,
    /// The boundary between the parts of a `multipart` body (RFC 2046 section 5.1.1): each server makes up its own.
    pub boundary: Option<String>,
}

impl<'a> Side<'a> {
    pub fn new(method: &[u8], head: &Head<'a>, body: &'a [u8]) -> Self {
        // RFC 9112 section 6.3, rule 1.
        let none = method == b"HEAD" || matches!(head.status, [b'1', _, _] | b"204" | b"304");
        Self::there(head, if none { &[] } else { body })
    }

    /// Whatever bytes are there, of a request or of an answer.
    pub fn there(head: &Head<'a>, body: &'a [u8]) -> Self {
        let mut codings = Codings::default();
        for value in head.values("content-encoding") {
            codings.read(value);
        }
        let content_type = String::from_utf8_lossy(head.first("content-type").unwrap_or_default());
        let mut parts = content_type.split(';');
        let media = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let (mut charset, mut boundary) = (None, None);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = || Some(value.trim().trim_matches('"').to_owned());
            match name.trim().to_ascii_lowercase().as_str() {
                "charset" if charset.is_none() => charset = value(),
                "boundary" if media.starts_with("multipart/") => boundary = value(),
                _ => {}
            }
        }
        Self {
            raw: body,
            chunked: head.lists("transfer-encoding", "chunked"),
            codings,
            media,
            charset,
            boundary: boundary.filter(|boundary| (1..=70).contains(&boundary.len())),
        }
    }

    /// Without chunks, and still in its codings.
    fn data(&self) -> Result<Cow<'a, [u8]>, Undecodable> {
        if self.chunked && !self.raw.is_empty() {
            chunked_data(self.raw).map(Cow::Owned).ok_or(Undecodable::Invalid)
        } else {
            Ok(Cow::Borrowed(self.raw))
        }
    }

    /// Without codings, at most `max` bytes of it.
    fn undone<'d>(&self, data: Cow<'d, [u8]>, max: usize) -> Result<Cow<'d, [u8]>, Undecodable> {
        if data.is_empty() {
            return Ok(data);
        }
        self.codings.undo(data, max)
    }

    /// The body without chunks and codings, at most `max` bytes of it where it has codings.
    pub fn decoded(&self, max: usize) -> Result<Cow<'a, [u8]>, Undecodable> {
        self.undone(self.data()?, max)
    }

    /// Whether the body is JSON by its type, or looks like it where it has none.
    pub fn is_json(&self, body: &[u8]) -> bool {
        match self.media.as_str() {
            "" => matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')),
            media => is_json(media.as_bytes()) || self.is_json_lines(),
        }
    }

    /// Whether the body is called plain text or a page and is JSON all the same: `CouchDB` calls it so for whoever takes all types, and many
    /// a program says nothing of what it sends, for which its server puts `text/html`.
    fn is_plain_json(&self, body: &[u8]) -> bool {
        let body = body.trim_ascii();
        let looks = matches!(
            (body.first(), body.last()),
            (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))
        );
        let reads = |body| std::str::from_utf8(body).is_ok_and(|text| Reader::default().read(text).is_some());
        matches!(&*self.media, "text/plain" | "text/html") && looks && reads(body)
    }

    fn is_json_lines(&self) -> bool {
        let known = [
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonlines",
        ];
        known.contains(&self.media.as_str())
    }

    /// The language of a document, by its type, or by how it begins where it has none.
    pub fn language(&self, body: &[u8]) -> Option<Language> {
        match self.media.as_str() {
            "text/html" | "application/xhtml+xml" => Some(Language::Html),
            "" => {
                let start = body.trim_ascii_start();
                let begins = |with: &[u8]| {
                    start
                        .get(..with.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(with))
                };
                if begins(b"<!doctype html") || begins(b"<html") {
                    Some(Language::Html)
                } else {
                    begins(b"<?xml ").then_some(Language::Xml)
                }
            }
            media => (media.ends_with("/xml") || media.ends_with("+xml")).then_some(Language::Xml),
        }
    }

    /// The body as text. A page may name its character set in itself.
    pub fn text<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, str>> {
        match &self.charset {
            None if self.language(body) == Some(Language::Html) => {
                charset::text(body, charset::of_page(body).as_deref())
            }
            charset => charset::text(body, charset.as_deref()),
        }
    }

    pub fn is_form(&self) -> bool {
        self.media == "application/x-www-form-urlencoded"
    }
}

/// Compares two bodies. Where `within` is false, only whether both are of the same type.
pub(super) fn compare(
    production: &Side<'_>,
    shadow: &Side<'_>,
    within: bool,
    findings: &mut DifferenceCollector<'_>,
) {
    let same_codings = production.codings == shadow.codings;
    if findings.is_full()
        || (same_codings && production.chunked == shadow.chunked && production.raw == shadow.raw)
    {
        return;
    }
    findings.path.start("body");
    let (a, b) = match (production.data(), shadow.data()) {
        (Ok(a), Ok(b)) => (a, b),
        (Ok(_), Err(_)) => {
            return findings.add(
                Kind::Unreadable,
                DisplayValue::Absent,
                DisplayValue::Bytes(shadow.raw),
            );
        }
        (Err(_), Ok(_)) => {
            return findings.add(
                Kind::Type,
                DisplayValue::Bytes(production.raw),
                DisplayValue::Absent,
            );
        }
        (Err(_), Err(_)) => return bytes(production.raw, shadow.raw, findings),
    };
    if same_codings && a == b {
        return;
    }
    let most = findings.rules.max_structured().max(MAX_DECODED);
    match (
        production.undone(Cow::Borrowed(&a), most),
        shadow.undone(Cow::Borrowed(&b), most),
    ) {
        (Ok(a), Ok(b)) => {
            if a != b {
                decoded(production, &a, shadow, &b, within, findings);
            }
        }
        (Ok(_), Err(Undecodable::Invalid)) => {
            findings.add(Kind::Unreadable, DisplayValue::Absent, DisplayValue::Bytes(&b));
        }
        (Err(Undecodable::Invalid), Ok(_)) => {
            findings.add(Kind::Type, DisplayValue::Bytes(&a), DisplayValue::Absent);
        }
        // There is nothing to look at but what was sent.
        _ => bytes(&a, &b, findings),
    }
}

/// Two bodies that are not the same.
fn decoded(
    production: &Side<'_>,
    a: &[u8],
    shadow: &Side<'_>,
    b: &[u8],
    within: bool,
    findings: &mut DifferenceCollector<'_>,
) {
    let same_parts = match (&production.boundary, &shadow.boundary) {
        (Some(own), Some(other)) if own != other => Some(with_boundary(a, own, other)),
        _ => None,
    };
    let a = same_parts.as_deref().unwrap_or(a);
    if a == b {
        return;
    }
    let is_json = (!a.is_empty() && production.is_json(a))
        || (!b.is_empty() && shadow.is_json(b))
        || (production.is_plain_json(a) && shadow.is_plain_json(b));
    let is_lines = production.is_json_lines() && shadow.is_json_lines();
    let is_form = production.is_form() && shadow.is_form();
    let language = production
        .language(a)
        .filter(|language| shadow.language(b) == Some(*language));
    let max = findings.rules.max_structured();
    let fits = a.len() <= max && b.len() <= max;
    let (left, right) = (
        production.text(a).filter(|_| fits),
        shadow.text(b).filter(|_| fits),
    );
    findings.path.start(match (&left, &right) {
        (Some(_), _) | (_, Some(_)) if is_json => "$",
        (Some(_), Some(_)) if is_form => "form",
        (Some(_), Some(_)) => language.map_or("text", Language::root),
        _ => "body",
    });
    match (a.is_empty(), b.is_empty()) {
        (false, true) => return findings.add(Kind::Missing, DisplayValue::Bytes(a), DisplayValue::Absent),
        (true, false) => return findings.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Bytes(b)),
        _ => {}
    }
    if is_json && (left.is_some() || right.is_some()) {
        let reader = Reader::default();
        let read = |text| {
            if is_lines {
                reader.read_lines(text)
            } else {
                // Several documents one behind the other, as some servers stream them, are lines by another name.
                reader.read(text).or_else(|| reader.read_lines(text))
            }
        };
        match (left.as_deref().and_then(read), right.as_deref().and_then(read)) {
            (Some(a), Some(b)) if within => return json::compare(&a, &b, findings),
            (Some(_), Some(_)) => return,
            (Some(_), None) => {
                return findings.add(Kind::Unreadable, DisplayValue::Bytes(a), DisplayValue::Bytes(b));
            }
            (None, Some(_)) => {
                return findings.add(Kind::Type, DisplayValue::Bytes(a), DisplayValue::Bytes(b));
            }
            (None, None) => {}
        }
    }
    if !within {
        return;
    }
    match (left, right) {
        (Some(a), Some(b)) if is_form => form::compare(&a, &b, findings),
        (Some(a), Some(b)) => {
            if !language.is_some_and(|language| markup::compare(language, &a, &b, findings)) {
                findings.path.start("text");
                text::compare(&a, &b, findings);
            }
        }
        _ => {
            findings.path.start("body");
            bytes(a, b, findings);
        }
    }
}

/// The body with `other` between its parts.
fn with_boundary(body: &[u8], own: &str, other: &str) -> Vec<u8> {
    let delimiter = ["--", own].concat();
    let mut out = Vec::with_capacity(body.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(body, &delimiter) {
        out.extend_from_slice(&body[from..at]);
        out.extend_from_slice(b"--");
        out.extend_from_slice(other.as_bytes());
        from = at + delimiter.len();
    }
    out.extend_from_slice(&body[from..]);
    out
}

/// Two bodies that are not the same: by their length, or else by their bytes.
pub(super) fn bytes(production: &[u8], shadow: &[u8], findings: &mut DifferenceCollector<'_>) {
    if production.len() == shadow.len() {
        findings.add(
            Kind::Value,
            DisplayValue::Bytes(production),
            DisplayValue::Bytes(shadow),
        );
    } else {
        let (a, b) = (
            DisplayValue::Count(production.len()),
            DisplayValue::Count(shadow.len()),
        );
        findings.add(Kind::Length, a, b);
    }
}
