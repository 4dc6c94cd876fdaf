//! Comparing two answers: heads, bodies, JSON, gRPC, host names, rules.

mod bodies;
pub(crate) mod grpc;
mod heads;
mod hosts;
mod issued;
mod json;
mod properties;
mod rules;

use bytes::Bytes;

use super::{Answer, CompareContext, Compared, Rules, compare};

/// An answer with this status line and these fields, one a line.
pub fn answer(status: &str, fields: &str, body: impl Into<Vec<u8>>) -> Answer {
    let mut head = format!("HTTP/1.1 {status}\r\n");
    for field in fields.lines().map(str::trim).filter(|field| !field.is_empty()) {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    Answer {
        head: head.into(),
        body: Bytes::from(body.into()),
        times: None,
    }
}

pub fn json(body: &str) -> Answer {
    answer("200 OK", "Content-Type: application/json", body)
}

/// A request of which no more is known.
pub fn question(endpoint: &str) -> CompareContext<'_> {
    CompareContext {
        endpoint,
        method: b"GET",
        head: b"",
        host: None,
        mapped: None,
        first_host: None,
    }
}

pub fn compared(production: &Answer, shadow: &Answer) -> Compared {
    compare(&question("GET /"), production, shadow, &Rules::default())
}

/// Differences that count, each as `path kind: production -> shadow`.
pub fn lines(compared: &Compared) -> Vec<String> {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    let differences = compared.differences.iter();
    differences
        .map(|one| {
            let (production, shadow) = (value(&one.production), value(&one.shadow));
            format!("{} {}: {production} -> {shadow}", one.path, one.kind.name())
        })
        .collect()
}

/// Those of two answers.
pub fn differences(production: &Answer, shadow: &Answer) -> Vec<String> {
    let compared = compared(production, shadow);
    assert_eq!(compared.by_rule, []);
    lines(&compared)
}
