//! An exchange as one line of JSON, for shippers of logs (Filebeat, Vector, Fluent Bit).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::json_parts::{Parts, milliseconds, rfc3339, took};
use super::{Record, Recorded};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(flatten)]
    request: Option<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadow_response: Option<Message<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    method: Cow<'a, str>,
    url: Cow<'a, str>,
    host: String,
    http_version: &'static str,
    #[serde(flatten)]
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    headers: BTreeMap<String, Values<'a>>,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
    body_bytes: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
}

/// Adds an exchange to `out`, with the end of its line.
pub fn write_json_line(recorded: &Recorded, out: &mut Vec<u8>) {
    let Some(first) = recorded.records().next() else {
        return;
    };
    let request = recorded.request.as_ref();
    let response = recorded.response.as_ref().map(Parts::of);
    let replayed = recorded.replayed.as_ref().map(Parts::of);
    let kind = match (request, &response, &replayed) {
        (Some(_), None, None) => "request",
        (None, Some(_), _) => "response",
        (None, None, _) => "shadow_response",
        _ => "exchange",
    };
    let latency = request.zip(recorded.response.as_ref());
    let line = Line {
        timestamp: rfc3339(first.unix),
        id: first.id.to_string(),
        kind,
        pod: first
            .pod
            .as_ref()
            .map(|pod| format!("{}/{}", pod.namespace, pod.name)),
        request: request.map(of_request),
        status: response.as_ref().map(|response| response.status),
        latency_ms: latency.map(|(request, response)| milliseconds(took(request, response))),
        response: response.map(message),
        shadow_status: replayed.as_ref().map(|response| response.status),
        shadow_latency_ms: recorded
            .replayed
            .as_ref()
            .map(|record| milliseconds(record.latency)),
        shadow_response: replayed.map(message),
    };
    // Writing to a `Vec` does not fail, and all keys are texts.
    let _ = serde_json::to_writer(&mut *out, &line);
    out.push(b'\n');
}

fn of_request(record: &Record) -> Request<'_> {
    let mut parts = Parts::of(record);
    Request {
        method: std::mem::take(&mut parts.method),
        url: std::mem::take(&mut parts.target),
        host: parts.field("host").unwrap_or_default().to_owned(),
        http_version: parts.version,
        message: message(parts),
    }
}

fn message(parts: Parts<'_>) -> Message<'_> {
    let (text, body_encoding) = parts.text();
    let (body, body_bytes) = (text.into_owned(), parts.body.len());
    let mut headers: BTreeMap<String, Values<'_>> = BTreeMap::new();
    for (name, value) in parts.fields {
        match headers.entry(name.to_ascii_lowercase()) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Values::One(value));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => match entry.get_mut() {
                Values::Many(values) => values.push(value),
                Values::One(before) => {
                    let before = std::mem::take(before);
                    entry.insert(Values::Many(vec![before, value]));
                }
            },
        }
    }
    Message {
        headers,
        body,
        body_encoding,
        body_bytes,
    }
}

#[cfg(test)]
mod tests {
    use shadow_mirror::MessageKind;

    use super::super::record::tests::record;
    use super::*;

    fn written(recorded: &Recorded) -> String {
        let mut out = Vec::new();
        write_json_line(recorded, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_message_of_http_2_shows_no_field_that_its_text_alone_has() {
        let recorded = Recorded {
            request: Some(record(
                b"POST /a HTTP/2.0\r\nhost: shop\r\ntransfer-encoding: chunked\r\n\r\n",
                b"2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n",
            )),
            response: None,
            replayed: None,
        };
        assert!(
            written(&recorded)
                .contains(r#""http_version":"HTTP/2","headers":{"host":"shop"},"body":"hi","body_bytes":2}"#)
        );
    }

    #[test]
    fn an_exchange_is_one_object_on_one_line() {
        let recorded = Recorded {
            request: Some(record(
                b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nA: 1\r\na: 2\r\n\r\n",
                b"line\nline",
            )),
            response: Some(Record {
                kind: MessageKind::Response,
                unix: 1_700_000_000_001_000_005,
                latency: 500_000,
                ..record(
                    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"2\r\n\xff\xfe\r\n0\r\n\r\n",
                )
            }),
            replayed: None,
        };
        assert_eq!(
            written(&recorded),
            concat!(
                r#"{"@timestamp":"2023-11-14T22:13:20.000000005Z","id":"9c4000500a010203deadbeef","type":"exchange","#,
                r#""method":"POST","url":"/a?b=c","host":"shop","http_version":"HTTP/1.1","#,
                r#""headers":{"a":["1","2"],"host":"shop"},"body":"line\nline","body_bytes":9,"#,
                r#""status":201,"latency_ms":1.5,"response":{"headers":{"transfer-encoding":"chunked"},"#,
                r#""body":"//4=","body_encoding":"base64","body_bytes":2}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn what_is_no_http_is_shown_as_a_body() {
        let line = written(&record(b"nonsense", b"").into());
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&value["type"], &value["method"], &value["body"]),
            (&"request".into(), &"".into(), &"nonsense".into())
        );
    }
}
