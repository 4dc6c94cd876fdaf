//! Live capture of real connections, in network namespaces that the tests make. Needs root.

mod clsact;
mod life;
mod secrets;
mod selection;
mod support;
mod transfers;

use shadow_capture::{CaptureSettings, LiveCapture, LiveInput};
use shadow_common::Counter;
use support::*;

const MIB: usize = 1 << 20;
/// Bytes of a segment, whatever the device.
const LARGEST_SEGMENT: u64 = 65_536;

/// Starts a capture in a namespace, on a thread of its own (it gives up its capabilities).
fn start(namespace: &Namespace, inputs: Vec<LiveInput>, settings: CaptureSettings) -> LiveCapture {
    namespace
        .spawn(move || LiveCapture::start(&inputs, &settings))
        .join()
        .unwrap()
        .unwrap()
}

/// A transfer of `question` and `answer` arrives byte-exact in the rings, the answer where it is asked for.
fn transfer_is_seen(
    mut capture: LiveCapture,
    clients: &Namespace,
    servers: &Namespace,
    server: &str,
    track_response: bool,
) -> LiveCapture {
    let (question, answer) = (body(MIB), body(MIB / 2));
    let serving = serve(servers, server, answer.clone());
    let (client, answered) = ask(clients, server, question.clone());
    assert!(answered == answer && serving.join().unwrap() == question);

    let mut readers = capture.take_readers();
    let streams = collect(&mut readers, |streams| {
        let answers = responses(streams, client, server);
        requests(streams, client, server).is_some_and(|stream| stream.whole().is_some())
            && answers.is_some_and(|stream| {
                stream.accepts_and_ends() && (!track_response || stream.whole().is_some())
            })
    });
    assert!(requests(&streams, client, server).unwrap().whole().unwrap() == question);
    if track_response {
        assert!(responses(&streams, client, server).unwrap().whole().unwrap() == answer);
    }
    assert_eq!(streams.len(), 2, "{:?}", streams.keys());
    let counts = capture.counters().read().unwrap();
    assert!(counts.balanced(), "{counts:?}");
    assert_eq!(counts.get(Counter::RingFullPackets), 0);
    assert_eq!(counts.malformed_records, 0);
    let copied = if track_response {
        question.len() + answer.len()
    } else {
        question.len()
    };
    assert!(counts.get(Counter::BytesCopied) >= copied as u64);
    capture
}

/// That each segment which was sent with these bytes was copied once only. A busy machine sends some of them again, also over
/// loopback.
fn nothing_was_seen_twice(capture: &LiveCapture, sender: &Namespace, bytes: usize) {
    let copied = capture.counters().read().unwrap().get(Counter::BytesCopied);
    let sent_again = sender.segments_sent_again() * LARGEST_SEGMENT;
    let sent = bytes as u64..=bytes as u64 + sent_again;
    assert!(sent.contains(&copied), "{copied} bytes of {sent:?}");
}
