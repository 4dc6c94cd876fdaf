//! Shadows that refuse, reset, fall silent and go away.

use super::*;

/// The preface of a server: empty SETTINGS, and the acknowledgement of the client's.
const BEGIN: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];

/// A shadow of frames: behind the beginning, `script` says what to send when a request's head has come on a stream.
async fn of_frames(script: fn(usize, u32) -> Frames) -> Shadow {
    Shadow::start(move |mut peer| async move {
        peer.send(BEGIN).await;
        let mut buffer = Vec::new();
        loop {
            match peer.stream.read_buf(&mut buffer).await {
                Ok(1..) => {}
                _ => return,
            }
            if buffer.starts_with(b"PRI") {
                if buffer.len() < 24 {
                    continue;
                }
                buffer.drain(..24);
            }
            while let Some(length) = frame_length(&buffer) {
                let frame: Vec<u8> = buffer.drain(..length).collect();
                if frame[3] != 1 {
                    continue;
                }
                let stream = u32::from_be_bytes(frame[5..9].try_into().unwrap());
                peer.seen.borrow_mut().push(Seen {
                    connection: peer.connection,
                    bytes: vec![],
                });
                match script(peer.connection, stream) {
                    Frames::Send(bytes) => peer.send(&bytes).await,
                    Frames::Reset => return peer.reset(),
                    Frames::SendAndClose(bytes) => return peer.send(&bytes).await,
                }
            }
        }
    })
    .await
}

enum Frames {
    Send(Vec<u8>),
    SendAndClose(Vec<u8>),
    Reset,
}

fn frame_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.first_chunk::<9>()?;
    let length = 9 + u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
    (bytes.len() >= length).then_some(length)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `:status: 200` from the static table, which ends the stream or not.
fn ok_head(stream: u32, ends: bool) -> Vec<u8> {
    frame(1, if ends { 5 } else { 4 }, stream, &[0x88])
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, &code.to_be_bytes())
}

fn go_away(last: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), 0_u32.to_be_bytes()].concat())
}

const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

#[test]
fn a_refused_stream_is_sent_once_more() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| match stream {
            1 => Frames::Send(reset(1, REFUSED_STREAM)),
            _ => Frames::Send(ok_head(stream, true)),
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post("", ""));
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!((shadow.seen.borrow().len(), rig.opened()), (2, 1));
    });
}

#[test]
fn a_stream_that_is_refused_twice_is_lost() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| Frames::Send(reset(stream, REFUSED_STREAM))).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(shadow.seen.borrow().len(), 2);
    });
}

#[test]
fn what_goaway_says_was_not_processed_goes_to_a_new_connection() {
    on_a_shard(async {
        let shadow = of_frames(|connection, stream| match connection {
            0 => Frames::SendAndClose(go_away(0)),
            _ => Frames::Send(ok_head(stream, true)),
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post("", ""));
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!((shadow.seen.borrow().len(), rig.opened()), (2, 2));
    });
}

#[test]
fn what_goaway_says_was_processed_is_waited_for() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| match stream {
            1 => Frames::Send([go_away(1), ok_head(1, true)].concat()),
            _ => Frames::Send(vec![]),
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post("", ""));
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!(shadow.seen.borrow().len(), 1);
    });
}

#[test]
fn behind_goaway_streams_begin_on_a_new_connection() {
    on_a_shard(async {
        let shadow =
            of_frames(|_, stream| Frames::Send([ok_head(stream, true), go_away(stream)].concat())).await;
        let rig = Rig::new(shadow.port);
        for stream in 0..5 {
            rig.offer_stream(stream, &post("", ""));
            assert_eq!(rig.settled().await.delivered, stream + 1);
        }
        assert_eq!(shadow.seen.borrow().len(), 5);
    });
}

#[test]
fn a_reset_inside_an_answer_loses_it_alone() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| match stream {
            1 => Frames::Send([ok_head(1, false), reset(1, INTERNAL_ERROR)].concat()),
            _ => Frames::Send(ok_head(stream, true)),
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        rig.offer_stream(3, ASK);
        assert_counts(&rig.settled().await, 1, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn a_reset_that_does_not_refuse_is_not_sent_again() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| Frames::Send(reset(stream, INTERNAL_ERROR))).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(shadow.seen.borrow().len(), 1);
    });
}

#[test]
fn a_connection_that_dies_loses_what_may_have_been_processed() {
    on_a_shard(async {
        let shadow = of_frames(|_, _| Frames::Reset).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(shadow.seen.borrow().len(), 1);
    });
}

#[test]
fn a_reused_connection_that_dies_is_no_loss_to_what_may_be_done_twice() {
    on_a_shard(async {
        let shadow = of_frames(|connection, stream| match (connection, stream) {
            (0, 3) => Frames::Reset,
            _ => Frames::Send(ok_head(stream, true)),
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_eq!(rig.settled().await.delivered, 1);
        rig.offer_stream(3, ASK);
        assert_counts(&rig.settled().await, 2, &[]);
        assert_eq!((shadow.seen.borrow().len(), rig.opened()), (3, 2));
    });
}

#[test]
fn an_answer_that_is_not_http2_is_a_bad_response() {
    on_a_shard(async {
        let shadow = of_frames(|_, stream| Frames::Send(frame(0, 0, stream, b"data before a head"))).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::BadResponse, 1)]);
    });
}

#[test]
fn a_shadow_that_never_answers_is_a_timeout() {
    on_a_shard(async {
        let shadow = of_frames(|_, _| Frames::Send(vec![])).await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.timeout = Duration::from_millis(150);
        });
        rig.offer_stream(1, ASK);
        rig.offer_stream(3, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 2)]);
        assert_eq!(rig.output.upstream.in_flight.count(), 0);
    });
}

#[test]
fn a_shadow_that_is_silent_at_the_preface_is_a_timeout() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.connect_timeout = Duration::from_millis(100);
        });
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
    });
}

#[test]
fn a_call_has_the_time_that_its_client_gave_it() {
    on_a_shard(async {
        let shadow = of_frames(|_, _| Frames::Send(vec![])).await;
        let rig = Rig::new(shadow.port);
        let before = std::time::Instant::now();
        rig.offer_stream(
            1,
            &post("content-type: application/grpc\r\ngrpc-timeout: 50m\r\n", ""),
        );
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
        assert!(
            before.elapsed() < Duration::from_secs(2),
            "{:?}",
            before.elapsed()
        );
    });
}

#[test]
fn a_shadow_that_is_not_there_is_a_connect_error() {
    on_a_shard(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let rig = Rig::new(port);
        for stream in 0..4 {
            rig.offer_stream(stream, ASK);
        }
        assert_counts(&rig.settled().await, 0, &[(DropReason::ConnectError, 4)]);
    });
}

#[test]
fn wherever_a_connection_ends_each_request_is_settled_once() {
    on_a_shard(async {
        // Answers of 40 bytes; the connection ends behind so many of them.
        for end in 0..60 {
            let shadow = Shadow::start(move |mut peer| async move {
                peer.send(BEGIN).await;
                let _ = peer.stream.read_buf(&mut Vec::new()).await;
                let mut bytes = Vec::new();
                for stream in [1, 3, 5] {
                    bytes.extend(ok_head(stream, false));
                    bytes.extend(frame(0, 1, stream, b"ok"));
                }
                bytes.truncate(end);
                // As soon as the requests are there.
                let mut asked = Vec::new();
                while asked.len() < 60 && peer.connection == 0 {
                    if !matches!(peer.stream.read_buf(&mut asked).await, Ok(1..)) {
                        break;
                    }
                }
                peer.send(&bytes).await;
            })
            .await;
            let rig = Rig::with(shadow.port, |settings| {
                settings.timeout = Duration::from_millis(300);
            });
            for stream in [1, 3, 5] {
                rig.offer_stream(stream, ASK);
            }
            let counts = rig.settled().await;
            let dropped: u64 = counts.dropped.values().sum();
            assert_eq!(counts.delivered + dropped, 3, "{end}: {counts:?}");
        }
    });
}

#[test]
fn a_shadow_that_ends_each_connection_after_some_requests_loses_none() {
    on_a_shard(async {
        // As nginx does behind keepalive_requests: what comes behind is not processed.
        let shadow = of_frames(|_, stream| match stream {
            ..19 => Frames::Send(ok_head(stream, true)),
            19 => Frames::Send([go_away(19), ok_head(19, true)].concat()),
            _ => Frames::Send(vec![]),
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.workers = 200;
            settings.queue_requests = Some(1000);
        });
        for stream in 0..500 {
            rig.offer_exchange(&on_stream(40_000 + stream as u16 % 4, stream, &post("", "")));
        }
        assert_counts(&rig.settled().await, 500, &[]);
    });
}
