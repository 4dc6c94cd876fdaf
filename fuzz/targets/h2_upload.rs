//! Bodies of any bytes on their way into HTTP/2: the data that goes is the body's without its chunked coding, however it is cut
//! into pieces; trailers are those of its trailer section; and what is no whole body does not go.
//!
//! The first byte says how the body is framed, the second how many of the next are the ends of pieces.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{ChunkedDecoder, Framing, Piece, Request, chunked_data, whole_request};
use shadow_agent::output::http2_body;
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::LIMITS;

/// A request with this body, whatever is in that.
fn request(chunked: bool, body: &[u8], ends: &[u8]) -> Request {
    let budget = MemoryBudget::new(1 << 20);
    let mut request = whole_request(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", LIMITS, &budget).unwrap();
    request.framing = if chunked {
        Framing::Chunked
    } else {
        Framing::Length(body.len() as u64)
    };
    request.body = Bytes::copy_from_slice(body);
    let mut end = 0;
    let pieces: Vec<Piece> = ends
        .iter()
        .map(|length| {
            end += u32::from(*length);
            let time = Timestamp(u64::from(end));
            Piece { end, time }
        })
        .collect();
    request.pieces = (!pieces.is_empty()).then(|| pieces.into());
    *request
}

fuzz_target!(|data: &[u8]| {
    let &[framing, cuts, ref rest @ ..] = data else {
        return;
    };
    let (ends, body) = rest.split_at(usize::from(cuts % 8).min(rest.len()));
    let chunked = framing & 1 == 0;
    let sent = http2_body(&request(chunked, body, ends));
    if !chunked {
        let (pieces, trailers) = sent.expect("bytes can always be sent");
        assert_eq!(pieces.concat(), body);
        return assert!(trailers.is_none());
    }
    let Some((pieces, trailers)) = sent else { return };
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    let section = ChunkedDecoder::trailers_of(body).unwrap().unwrap();
    // What stands behind a body is not looked at: whoever read the request left none.
    if let Some(expected) = chunked_data(body) {
        assert_eq!(pieces.concat(), expected);
    }
    for (name, value) in trailers.iter().flatten() {
        assert!(body[section..].split(|byte| *byte == b'\n').any(|line| {
            let colon = line.iter().position(|byte| *byte == b':');
            colon.is_some_and(|at| {
                line[..at].eq_ignore_ascii_case(name.as_str().as_bytes())
                    && line[at + 1..].trim_ascii() == value.as_bytes()
            })
        }));
    }
});
