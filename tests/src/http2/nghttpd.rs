//! The output of `nghttpd --verbose`, read as an access log.

use std::collections::BTreeMap;

use crate::{AccessLog, Entry};

/// The requests in `printed`, each at the frame that ends its fields. Trailers follow them, and are none.
pub(super) fn access_log(printed: &str) -> AccessLog {
    let mut connections: BTreeMap<u64, u64> = BTreeMap::new();
    let mut open: BTreeMap<(u64, u64), BTreeMap<String, String>> = BTreeMap::new();
    let mut log = AccessLog::default();
    for line in printed.lines() {
        let Some(connection) = between(line, "[id=", "]").and_then(|id| id.parse().ok()) else {
            continue;
        };
        if let Some((stream, name, value)) = field(line) {
            let fields = open.entry((connection, stream)).or_default();
            fields.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        } else if line.contains("] recv HEADERS frame <") {
            let stream = between(line, "stream_id=", ">").and_then(|stream| stream.parse().ok());
            let Some(fields) = stream.and_then(|stream| open.remove(&(connection, stream))) else {
                continue;
            };
            if fields.contains_key(":method") {
                let count = connections.entry(connection).or_default();
                *count += 1;
                log.0.push(entry(connection, *count, &fields));
            }
        }
    }
    log
}

fn entry(connection: u64, on_connection: u64, fields: &BTreeMap<String, String>) -> Entry {
    let of = |name: &str| fields.get(name).cloned().unwrap_or_else(|| "-".to_owned());
    Entry {
        connection,
        on_connection,
        status: 200,
        method: of(":method"),
        uri: of(":path"),
        protocol: "HTTP/2.0".to_owned(),
        host: of(":authority"),
        id: of("x-id"),
        body: None,
        client: String::new(),
    }
}

/// The field of a line such as `[id=1] [  0.699] recv (stream_id=1, sensitive) cookie: a=1`.
fn field(line: &str) -> Option<(u64, &str, &str)> {
    let (_, rest) = line.split_once("] recv (stream_id=")?;
    let (stream, field) = rest.split_once(") ")?;
    let stream = stream.split(',').next()?.parse().ok()?;
    // The name of a pseudo field begins with a colon.
    let colon = field.get(1..)?.find(": ")? + 1;
    Some((stream, &field[..colon], &field[colon + 2..]))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?
        .1
        .split_once(after)
        .map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_from_what_nghttpd_prints() {
        let log = access_log(
            "IPv4: listen 0.0.0.0:1\n\
             [id=1] [  0.649] send SETTINGS frame <length=6, flags=0x00, stream_id=0>\n\
             [id=1] [  0.699] recv (stream_id=1) :method: GET\n\
             [id=1] [  0.699] recv (stream_id=1) :path: /a?b\n\
             [id=1] [  0.699] recv (stream_id=1) :authority: h:1\n\
             [id=1] [  0.699] recv (stream_id=1, sensitive) x-id: 7\n\
             [id=1] [  0.699] recv HEADERS frame <length=52, flags=0x05, stream_id=1>\n\
             \x20         ; END_STREAM | END_HEADERS\n\
             [id=1] [  0.700] recv (stream_id=1) x-trailer: 1\n\
             [id=1] [  0.700] recv HEADERS frame <length=5, flags=0x05, stream_id=1>\n",
        );
        let [entry] = &log.0[..] else { panic!("{log:?}") };
        assert_eq!((entry.method.as_str(), entry.uri.as_str()), ("GET", "/a?b"));
        assert_eq!((entry.host.as_str(), entry.id.as_str()), ("h:1", "7"));
    }
}
