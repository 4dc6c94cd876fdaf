//! Heads of any bytes on their way into HTTP/2: what comes of one is a list of fields that HTTP/2 may have (RFC 9113 section 8.2),
//! none is made up, and written as text again it comes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::output::http2_head;

/// Fields of a connection of HTTP/1.1 (RFC 9113 section 8.2.2).
const OF_HTTP1: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

fuzz_target!(|data: &[u8]| {
    let Some(head) = http2_head(data) else { return };
    let mut again = Vec::new();
    let target = head.uri().path_and_query().expect("there is a target").as_str();
    again.extend_from_slice(format!("{} {target} HTTP/1.1\r\n", head.method()).as_bytes());
    if let Some(authority) = head.uri().authority() {
        assert_eq!(head.uri().scheme_str(), Some("https"));
        again.extend_from_slice(format!("Host: {authority}\r\n").as_bytes());
    }
    for (name, value) in head.headers() {
        let (name, value) = (name.as_str(), value.as_bytes());
        assert!(!OF_HTTP1.contains(&name) && name == name.to_ascii_lowercase());
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
        // It is a line of the text.
        assert!(data.split(|byte| *byte == b'\n').any(|line| {
            let colon = line.iter().position(|byte| *byte == b':');
            colon.is_some_and(|at| {
                line[..at].eq_ignore_ascii_case(name.as_bytes()) && line[at + 1..].trim_ascii() == value
            })
        }));
        again.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\n");
    let second = http2_head(&again).expect("it can be sent again");
    assert_eq!(second.method(), head.method());
    // As text, where no target at all reads as `/`.
    let (one, other) = (second.uri().path_and_query(), head.uri().path_and_query());
    assert_eq!(
        one.map(|target| target.as_str()),
        other.map(|target| target.as_str())
    );
    assert_eq!(second.uri().authority(), head.uri().authority());
    assert_eq!(second.headers(), head.headers());
});
