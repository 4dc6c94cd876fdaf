//! Heads: what is accepted here, httparse accepts and reads alike, or its fields can be sent though they are odd; and a response's head is the same
//! however it arrives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{
    RequestEvent, RequestKind, RequestStream, ResponseHeadReader, can_be_sent, parse_response_head,
};
use shadow_agent::tcp::{Chunk, Start};
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::LIMITS;

fuzz_target!(|data: &[u8]| {
    request(data);
    response(data);
});

fn request(data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let budget = MemoryBudget::new(1 << 20);
    let chunk = Chunk {
        sequence: 0,
        bytes: data,
        acknowledgment: 1,
        segment_start: true,
        time: Timestamp(1),
    };
    RequestStream::new(LIMITS, Start::Syn).push(chunk, &budget, &mut |event| {
        let RequestEvent::Complete(request) = event else {
            return;
        };
        let mut headers = [httparse::EMPTY_HEADER; LIMITS.max_headers];
        let mut theirs = httparse::Request::new(&mut headers);
        let parsed = theirs.parse(&request.head);
        assert!(request.fields().all(|(name, value)| can_be_sent(name, value)));
        if let Ok(target) = std::str::from_utf8(request.target())
            && let Ok(status) = parsed
        {
            assert_eq!(status, httparse::Status::Complete(request.head.len()));
            assert_eq!(theirs.method.unwrap().as_bytes(), request.method());
            assert_eq!(theirs.path.unwrap(), target);
            assert_eq!(theirs.headers.len(), request.headers.len());
            for (header, (name, value)) in theirs.headers.iter().zip(request.fields()) {
                assert_eq!((header.name.as_bytes(), header.value), (name, value));
            }
        }
    });
}

fn response(data: &[u8]) {
    let whole = parse_response_head(data, &LIMITS, RequestKind::Other);
    let mut reader = ResponseHeadReader::new();
    let mut cut = Ok(None);
    for seen in 1..=data.len() {
        cut = reader.read(&data[..seen], &LIMITS, RequestKind::Other);
        if cut != Ok(None) {
            break;
        }
    }
    assert_eq!(cut, whole);
    if let Ok(Some(head)) = whole {
        let mut headers = [httparse::EMPTY_HEADER; LIMITS.max_headers];
        let mut theirs = httparse::Response::new(&mut headers);
        if !head.plain || theirs.parse(data) != Ok(httparse::Status::Complete(head.length)) {
            return;
        }
        assert_eq!(theirs.code, Some(head.status));
        if let Some(location) = head.location {
            let value = &data[location.start as usize..location.end as usize];
            let theirs = theirs
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("location"));
            assert_eq!(theirs.unwrap().value, value);
        }
    }
}
