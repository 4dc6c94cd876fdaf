//! One request from bytes that are all there: a payload that somebody recorded, sent or changed.

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_tcp::{Chunk, Close};

use super::message::{Limits, Reject, Request, RequestEvent};
use super::request_stream::RequestStream;

/// Reads the one request that `payload` is. Empty lines around it mean nothing (RFC 9112 section 2.2). What is no
/// request at all, or more than one, is malformed.
///
/// # Errors
///
/// The reason for which it would be rejected on a connection.
pub fn whole_request(payload: &[u8], limits: Limits, budget: &MemoryBudget) -> Result<Box<Request>, Reject> {
    let mut stream = RequestStream::of_text(limits);
    let mut read = Err(Reject::Malformed);
    let mut started = 0;
    let mut sink = |event| match event {
        RequestEvent::Started => started += 1,
        RequestEvent::Complete(request) => read = Ok(request),
        RequestEvent::Incomplete(_, reject) | RequestEvent::Rejected(reject) => read = Err(reject),
        RequestEvent::Faulty { .. } | RequestEvent::Skipped { .. } | RequestEvent::Recognised(_) => {}
    };
    if !payload.is_empty() {
        let chunk = Chunk {
            bytes: payload,
            sequence: 0,
            acknowledgment: 0,
            segment_start: true,
            time: Timestamp::default(),
        };
        stream.push(chunk, budget, &mut sink);
    }
    stream.end(Close::Finished, &mut sink);
    if started > 1 { Err(Reject::Malformed) } else { read }
}

#[cfg(test)]
mod tests {
    use crate::{Framing, Version};

    use super::*;

    const LIMITS: Limits = Limits {
        max_head: 100,
        max_body: 100,
        max_headers: 10,
    };

    fn read(payload: &str) -> Result<String, Reject> {
        let request = whole_request(payload.as_bytes(), LIMITS, &MemoryBudget::new(1 << 20))?;
        Ok(String::from_utf8_lossy(request.target()).into_owned())
    }

    #[test]
    fn one_whole_request_is_read() {
        assert_eq!(read("GET /a HTTP/1.1\r\n\r\n"), Ok("/a".to_owned()));
        assert_eq!(read("\r\nGET /a HTTP/1.1\r\n\r\n\n"), Ok("/a".to_owned()));
    }

    #[test]
    fn lines_that_end_in_lf_alone_are_read_with_crlf() {
        let text = b"POST /a HTTP/1.1\nHost: b\nContent-Length: 2\n\nhi";
        let request = whole_request(text, LIMITS, &MemoryBudget::new(1 << 20)).unwrap();
        assert_eq!(
            (&request.head[..], &request.body[..]),
            (
                &b"POST /a HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\n"[..],
                &b"hi"[..]
            )
        );
    }

    #[test]
    fn a_request_of_http_2_is_read_from_its_text() {
        let text =
            b"POST /a HTTP/2.0\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n";
        let request = whole_request(text, LIMITS, &MemoryBudget::new(1 << 20)).unwrap();
        assert_eq!(
            (request.version, request.framing),
            (Version::Http2, Framing::Chunked)
        );
        assert!(request.keep_alive());
        let edited = request.head_with(&[("X-New", Some(b"1"))]);
        assert!(edited.ends_with(b"\r\nx-new: 1\r\n\r\n"));
        let edited = request.rewritten(edited, request.body.clone()).unwrap();
        assert_eq!((edited.version, edited.target()), (Version::Http2, &b"/a"[..]));
    }

    #[test]
    fn a_request_line_that_claims_http_2_is_not_understood() {
        let mut stream = RequestStream::new(LIMITS, shadow_tcp::Start::Syn);
        let mut events = Vec::new();
        let chunk = Chunk {
            bytes: b"GET /a HTTP/2.0\r\nhost: b\r\n\r\n",
            sequence: 0,
            acknowledgment: 0,
            segment_start: true,
            time: Timestamp::default(),
        };
        stream.push(chunk, &MemoryBudget::new(1 << 20), &mut |event| {
            events.push(event);
        });
        let malformed = |event: &RequestEvent| matches!(event, RequestEvent::Rejected(Reject::Malformed));
        assert!(events.iter().any(malformed), "{events:?}");
    }

    #[test]
    fn anything_else_says_what_is_wrong() {
        assert_eq!(read(""), Err(Reject::Malformed));
        assert_eq!(read("hello"), Err(Reject::Malformed));
        assert_eq!(
            read("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"),
            Err(Reject::Truncated)
        );
        let two = "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(read(two), Err(Reject::Malformed));
        assert_eq!(
            read(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100))),
            Err(Reject::HeadTooLarge)
        );
    }
}
