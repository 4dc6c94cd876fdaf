//! Calls of gRPC of any bytes: messages are the same however they are cut, no larger than allowed, and written again they read the same.
//!
//! The first byte says what the head says, and where the body is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_grpc::{FrameReader, Reply, decoded_message};

const MAX: usize = 1 << 16;
const MEDIA: [&str; 4] = [
    "application/grpc",
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc+json",
];

fn frames(pieces: &[&[u8]]) -> (Vec<(bool, bool, Vec<u8>)>, bool) {
    let mut reader = FrameReader::new(MAX);
    let mut all = Vec::new();
    for piece in pieces {
        let pushed = reader.push(piece, |frame| {
            assert!(frame.payload.len() <= MAX);
            all.push((frame.compressed, frame.trailers, frame.payload.into_owned()));
        });
        if pushed.is_err() {
            return (all, false);
        }
    }
    (all, reader.end().is_ok())
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let at = usize::from(choice) % (data.len() + 1);
    let each: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(frames(&[data]), frames(&[&data[..at], &data[at..]]));
    assert_eq!(frames(&[data]), frames(&each));

    let chunked = if choice & 4 == 0 { "" } else { "transfer-encoding: chunked\r\n" };
    let coding = if choice & 8 == 0 { "" } else { "grpc-encoding: gzip\r\n" };
    let media = MEDIA[usize::from(choice) % 4];
    let head = format!("HTTP/2.0 200 \r\ncontent-type: {media}\r\n{chunked}{coding}\r\n");
    let reply = Reply::read(head.as_bytes(), data).unwrap();
    let Ok(messages) = reply.messages(MAX) else { return };
    assert!(messages.iter().map(|message| message.len()).sum::<usize>() <= MAX);
    let messages: Vec<Vec<u8>> = messages.into_iter().map(|message| message.into_owned()).collect();
    let body = reply.rewritten(&messages, reply.sent_trailers());
    let again = Reply::read(head.as_bytes(), &body).unwrap();
    assert_eq!(again.messages(MAX).unwrap(), messages);
    decoded_message(data);
});
