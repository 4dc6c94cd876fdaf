//! Writes exchanges as entries of a HAR file.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::recording::json_parts::{Parts, milliseconds, rfc3339, took};
use crate::recording::{Record, Recorded};

/// Start of a file: it stands in the place of the comma before the first entry.
pub const HAR_HEADER: &[u8] = concat!(
    r#"{"log":{"version":"1.2","creator":{"name":"shadow-agent","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"entries":["#
)
.as_bytes();

/// End of a file.
pub const HAR_FOOTER: &[u8] = b"\n]}}\n";

/// Adds an exchange to `out`, with a comma before it.
pub fn write_har(recorded: &Recorded, out: &mut Vec<u8>) {
    let Some(first) = recorded.records().next() else {
        return;
    };
    let request = recorded.request.as_ref();
    // The shadow's where production's is not there.
    let response = recorded.response.as_ref().or(recorded.replayed.as_ref());
    let time = match (request, response) {
        (Some(request), Some(response)) if response.unix >= request.unix => {
            milliseconds(took(request, response))
        }
        (_, Some(response)) => milliseconds(response.latency),
        _ => 0.0,
    };
    let send = request
        .map_or(0.0, |request| milliseconds(request.latency))
        .min(time);
    let receive = response
        .map_or(0.0, |response| milliseconds(response.latency))
        .min(time - send);
    let mut entry = json!({
        "startedDateTime": rfc3339(first.unix),
        "time": time,
        "request": request.map_or_else(no_request, of_request),
        "response": response.map_or_else(no_response, of_response),
        "cache": {},
        "timings": { "send": send, "wait": (time - send - receive).max(0.0), "receive": receive },
        "_id": first.id.to_string(),
    });
    if let Some(pod) = &first.pod {
        entry["_pod"] = format!("{}/{}", pod.namespace, pod.name).into();
    }
    out.extend_from_slice(b",\n");
    // Writing to a `Vec` does not fail.
    let _ = serde_json::to_writer(&mut *out, &entry);
}

fn pairs<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Value {
    pairs
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect()
}

fn fields(parts: &Parts<'_>) -> Value {
    pairs(parts.fields.iter().cloned())
}

/// The parameters of a target, as written: nothing is decoded.
fn query(target: &str) -> Value {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    pairs(parameters.map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (name.into(), value.into())
    }))
}

fn of_request(record: &Record) -> Value {
    let parts = Parts::of(record);
    let url = if parts.target.starts_with('/') || parts.target == "*" {
        let host = parts.field("host").unwrap_or("unknown.invalid");
        format!("http://{host}{}", parts.target)
    } else {
        parts.target.to_string()
    };
    let mut request = json!({
        "method": parts.method,
        "url": url,
        "httpVersion": parts.version,
        "cookies": [],
        "headers": fields(&parts),
        "queryString": query(&parts.target),
        "headersSize": record.head.len(),
        "bodySize": record.body.len(),
    });
    if !parts.body.is_empty() {
        let (text, encoding) = parts.text();
        request["postData"] = json!({
            "mimeType": parts.field("content-type").unwrap_or_default(),
            "params": [],
            "text": text,
        });
        if let Some(encoding) = encoding {
            // HAR has it for responses only.
            request["postData"]["_encoding"] = encoding.into();
        }
    }
    request
}

fn of_response(record: &Record) -> Value {
    let parts = Parts::of(record);
    let (text, encoding) = parts.text();
    let mut content = json!({
        "size": parts.body.len(),
        "mimeType": parts.field("content-type").unwrap_or_default(),
        "text": text,
    });
    if let Some(encoding) = encoding {
        content["encoding"] = encoding.into();
    }
    json!({
        "status": parts.status,
        "statusText": parts.reason,
        "httpVersion": parts.version,
        "cookies": [],
        "headers": fields(&parts),
        "content": content,
        "redirectURL": parts.field("location").unwrap_or_default(),
        "headersSize": record.head.len(),
        "bodySize": record.body.len(),
    })
}

fn no_request() -> Value {
    json!({
        "method": "", "url": "", "httpVersion": "", "cookies": [], "headers": [], "queryString": [],
        "headersSize": -1, "bodySize": -1,
    })
}

/// As browsers write a request that was not answered.
fn no_response() -> Value {
    json!({
        "status": 0, "statusText": "", "httpVersion": "", "cookies": [], "headers": [],
        "content": { "size": 0, "mimeType": "" }, "redirectURL": "", "headersSize": -1, "bodySize": -1,
    })
}
