//! One entry of a HAR file as the messages it stands for.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use crate::http::{is_field_value, is_token};
use crate::mirror::{MessageId, MessageKind};
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
    headers: Vec<Pair>,
    #[serde(default)]
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    params: Option<Vec<Pair>>,
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
    headers: Vec<Pair>,
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

/// Fields that say how a message was framed or compressed on its way, which the body in the file no longer is.
const REFRAMED: [&str; 5] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
];

/// The messages of an entry: a request, and a response where it was answered. `number` names what has no name.
pub(super) fn messages(json: &[u8], number: u64) -> Result<Vec<Record>, &'static str> {
    let entry: Entry =
        serde_json::from_slice(json).map_err(|_| "an entry without what a HAR entry must have")?;
    let given = entry.id.as_deref().and_then(|id| MessageId::given(id.as_bytes()));
    let id = given.or_else(|| MessageId::given(format!("{number:024x}").as_bytes()));
    let id = id.ok_or("an entry that cannot be named")?;
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
        return Err("an entry whose method is none");
    }
    let mut body = Vec::new();
    if let Some(data) = &request.post_data {
        body = match (&data.text, &data.params) {
            (Some(text), _) => decoded(text, data.encoding.as_deref()),
            (None, Some(params)) => form(params),
            (None, None) => Vec::new(),
        };
    }
    let mut head = format!("{} {target} HTTP/1.1\r\n", request.method);
    if !request
        .headers
        .iter()
        .any(|field| field.name.eq_ignore_ascii_case("host"))
    {
        let _ = write!(head, "Host: {host}\r\n");
    }
    fields(&request.headers, &[], &mut head);
    if !body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT" | "PATCH") {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    Ok((head, body))
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
    // The text is what the browser made of it.
    fields(&response.headers, &["content-encoding"], &mut head);
    let mut body = Vec::new();
    if let Some(content) = &response.content {
        body = decoded(
            content.text.as_deref().unwrap_or_default(),
            content.encoding.as_deref(),
        );
    }
    let _ = write!(head, "Content-Length: {}\r\n\r\n", body.len());
    Some((head, body))
}

/// Header fields as on the wire. Those of HTTP/2 that stand for the start line are not, nor is what could not be.
fn fields(fields: &[Pair], but: &[&str], head: &mut String) {
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

fn decoded(text: &str, encoding: Option<&str>) -> Vec<u8> {
    let from_base64 = match encoding {
        Some("base64") => STANDARD.decode(text).ok(),
        _ => None,
    };
    from_base64.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// Parameters of a form: as they stand, or `name=value` joined by `&` and encoded.
fn form(params: &[Pair]) -> Vec<u8> {
    let mut text = String::new();
    for Pair { name, value } in params {
        if !text.is_empty() {
            text.push('&');
        }
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text.into_bytes()
}

fn encode(part: &str, text: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' | b'%' | b'+' => {
                text.push(char::from(byte));
            }
            b' ' => text.push('+'),
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
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
    if host.is_empty() || host.bytes().any(bad) || target.bytes().any(bad) {
        return None;
    }
    let target = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("/{target}")
    };
    Some((host, target))
}
