//! One entry of a HAR file as the messages it stands for.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use shadow_http::{Codings, Undecodable, is_field_value, is_token};
use shadow_mirror::{MessageId, MessageKind};

use super::form;
use super::member::text;
use crate::recording::Record;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: jiff::Timestamp,
    #[serde(default)]
    time: Option<f64>,
    request: Request,
    #[serde(default)]
    response: Option<Response>,
    #[serde(rename = "_id", default)]
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Option<Vec<Value>>,
    #[serde(default)]
    post_data: Option<PostData>,
    #[serde(default)]
    body_size: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    params: Option<Vec<Value>>,
    #[serde(rename = "_encoding", alias = "encoding", default)]
    encoding: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(default)]
    status: i64,
    #[serde(default)]
    status_text: Option<String>,
    #[serde(default)]
    headers: Option<Vec<Value>>,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    encoding: Option<String>,
}

/// A name and its value.
struct Pair<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// Header fields as they are listed, without those that have no name or no value.
fn pairs(listed: Option<&[Value]>) -> Vec<Pair<'_>> {
    let pair = |of| {
        Some(Pair {
            name: text(of, "name")?,
            value: text(of, "value")?,
        })
    };
    listed.unwrap_or_default().iter().filter_map(pair).collect()
}

/// Largest body that is decoded to see whether it is in its coding, in bytes.
const MAX_DECODED: usize = 16 << 20;
/// Fields that say how a message was framed on its way, which the body in the file no longer is.
const REFRAMED: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
];

/// The messages of an entry: a request, and a response where it was answered. `number` names what has no name.
pub(super) fn messages(json: &[u8], number: u64) -> Result<Vec<Record>, &'static str> {
    let entry: Entry = serde_json::from_slice(json).map_err(|_| "an entry without required fields")?;
    let given = entry.id.as_deref().and_then(|id| MessageId::given(id.as_bytes()));
    let id = given.or_else(|| MessageId::given(format!("{number:024x}").as_bytes()));
    let id = id.ok_or("an entry that cannot be given an id")?;
    let unix =
        u64::try_from(entry.started_date_time.as_nanosecond()).map_err(|_| "an entry from before 1970")?;
    let (head, body) = request(&entry.request)?;
    let record = |kind, unix, head: String, body| Record {
        kind,
        id: id.clone(),
        unix,
        latency: 0,
        pod: None,
        head: head.into(),
        body: Bytes::from(body),
    };
    let mut records = vec![record(MessageKind::Request, unix, head, body)];
    if let Some(of) = &entry.response
        && let Some((head, body)) = response(of)
    {
        let took = entry
            .time
            .filter(|time| time.is_finite() && *time > 0.0)
            .unwrap_or(0.0);
        // A float is cut off where it is too large.
        #[allow(clippy::cast_sign_loss)]
        let took = (took * 1e6) as u64;
        records.push(record(
            MessageKind::Response,
            unix.saturating_add(took),
            head,
            body,
        ));
    }
    Ok(records)
}

fn request(request: &Request) -> Result<(String, Vec<u8>), &'static str> {
    let (host, target) = split_url(&request.url).ok_or("an entry whose URL is not http or https")?;
    if !is_token(request.method.as_bytes()) {
        return Err("an entry with an invalid method");
    }
    let headers = once(pairs(request.headers.as_deref()));
    let has = |name: &str| headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method);
    if has("host").is_none() {
        let _ = write!(head, "Host: {host}\r\n");
    }
    let mut body = Body::default();
    // Exporters count what they have; the field says what was sent.
    let length = has("content-length").and_then(|field| field.value.trim().parse().ok());
    let sizes = [length, request.body_size];
    if let Some(data) = &request.post_data {
        let media = has("content-type").map(|field| &*field.value);
        let media = media.or(data.mime_type.as_deref()).unwrap_or_default();
        body = posted(data, media, sizes)?;
        let is_missing = has("content-type").is_none() && !media.is_empty() && !body.bytes.is_empty();
        if is_missing && is_field_value(media.as_bytes()) {
            let _ = write!(head, "Content-Type: {media}\r\n");
        }
    }
    if body.bytes.is_empty() && sizes.into_iter().flatten().any(|size| size > 0.0) {
        return Err("an entry whose request body is missing from the HAR file");
    }
    fields(&headers, body.left_out(&headers), &mut head);
    if !body.bytes.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        let _ = write!(head, "Content-Length: {}\r\n", body.bytes.len());
    }
    head.push_str("\r\n");
    Ok((head, body.bytes))
}

/// The body of a request whose media type is `media`; `sizes` say what its length was, the surest first.
fn posted(data: &PostData, media: &str, sizes: [Option<f64>; 2]) -> Result<Body, &'static str> {
    let params = data.params.as_deref().unwrap_or_default();
    let text = data.text.as_deref().unwrap_or_default();
    if text.is_empty() && !params.is_empty() {
        let is = |known: &str| {
            media
                .get(..known.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(known))
        };
        let bytes = if is("multipart/") {
            form::multipart(params, media)?
        } else if media.is_empty() || is("application/x-www-form-urlencoded") {
            form::urlencoded(params)
        } else {
            return Err("an entry with parameters instead of a body that is not a form");
        };
        return Ok(Body { bytes, as_text: true });
    }
    let body = Body::of(text, data.encoding.as_deref());
    if !body.as_text || text.is_ascii() {
        return Ok(body);
    }
    let characters = text.chars().count();
    for size in sizes.into_iter().flatten() {
        let is_size = |length: usize| (size - length as f64).abs() < 0.5;
        if is_size(text.len()) {
            return Ok(body);
        }
        // Where there is a character for each byte, it stands for it.
        if is_size(characters)
            && let Some(bytes) = text.chars().map(|c| u8::try_from(c).ok()).collect()
        {
            return Ok(Body {
                bytes,
                as_text: false,
            });
        }
    }
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err("an entry whose binary body is missing from the HAR file");
    }
    Ok(body)
}

/// Fields without those that are there before with the same value: some exporters list what they saw twice.
fn once(fields: Vec<Pair<'_>>) -> Vec<Pair<'_>> {
    let mut seen = HashSet::new();
    let mut is_new =
        |field: &Pair<'_>| seen.insert((field.name.to_ascii_lowercase(), field.value.clone().into_owned()));
    fields.into_iter().filter(|field| is_new(field)).collect()
}

/// A body as it is in the file.
#[derive(Default)]
struct Body {
    bytes: Vec<u8>,
    /// Whether it is text there, or was made of it: no content coding is text.
    as_text: bool,
}

impl Body {
    fn of(text: &str, encoding: Option<&str>) -> Self {
        let from_base64 = match encoding {
            Some("base64") => STANDARD.decode(text).ok(),
            _ => None,
        };
        Self {
            as_text: from_base64.is_none(),
            bytes: from_base64.unwrap_or_else(|| text.as_bytes().to_vec()),
        }
    }

    /// Fields that are not true of it: of a content coding that was undone before it was written to the file.
    fn left_out(&self, headers: &[Pair<'_>]) -> &'static [&'static str] {
        let mut codings = Codings::default();
        let of = headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("content-encoding"));
        of.for_each(|field| codings.read(field.value.as_bytes()));
        let is_coded = || match codings.undo(Cow::Borrowed(&self.bytes), MAX_DECODED) {
            Ok(_) | Err(Undecodable::TooLarge) => true,
            Err(Undecodable::Invalid) => false,
        };
        if !self.as_text && !codings.is_empty() && is_coded() {
            &[]
        } else {
            &["content-encoding"]
        }
    }
}

/// `None` for a request that was not answered.
fn response(response: &Response) -> Option<(String, Vec<u8>)> {
    if !(100..=999).contains(&response.status) {
        return None;
    }
    let reason = response.status_text.as_deref().unwrap_or_default();
    let reason = if is_field_value(reason.as_bytes()) {
        reason
    } else {
        ""
    };
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", response.status);
    let body = response.content.as_ref().map_or_else(Body::default, |content| {
        Body::of(
            content.text.as_deref().unwrap_or_default(),
            content.encoding.as_deref(),
        )
    });
    let headers = pairs(response.headers.as_deref());
    // The text is what the browser made of it.
    fields(&headers, body.left_out(&headers), &mut head);
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.bytes.len());
    Some((head, body.bytes))
}

/// Header fields as on the wire. Those of HTTP/2 that stand for the start line are not, nor is what could not be.
fn fields(fields: &[Pair<'_>], but: &[&str], head: &mut String) {
    for Pair { name, value } in fields {
        let left_out = REFRAMED
            .iter()
            .chain(but)
            .any(|field| name.eq_ignore_ascii_case(field));
        let is_name = is_token(name.as_bytes());
        if is_name && !left_out && is_field_value(value.as_bytes()) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
}

/// Host and target of a URL, without userinfo and fragment.
fn split_url(url: &str) -> Option<(&str, String)> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let bad = |byte: u8| byte <= b' ' || byte == 0x7f;
    if host.is_empty() || host.bytes().any(bad) {
        return None;
    }
    let mut text = String::from(if target.starts_with('/') { "" } else { "/" });
    for character in target.chars() {
        match u8::try_from(character) {
            // Some exporters decode what they show.
            Ok(byte) if bad(byte) => {
                let _ = write!(text, "%{byte:02X}");
            }
            _ => text.push(character),
        }
    }
    Some((host, text))
}
