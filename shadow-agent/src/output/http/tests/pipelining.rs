//! Requests that wait in one lane and are sent one behind the other.

use super::*;

const CLOSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn numbered(number: u64) -> Vec<u8> {
    format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}

/// The bytes that came behind the last request, unasked.
fn behind(peer: &mut Peer) -> &[u8] {
    while peer
        .stream
        .try_read_buf(&mut peer.buffer)
        .is_ok_and(|read| read > 0)
    {}
    &peer.buffer
}

/// Numbers of the requests as the shadow got them, those that came twice once.
fn first_sightings(shadow: &Shadow) -> Vec<u64> {
    let mut numbers: Vec<u64> = Vec::new();
    for request in shadow.requests() {
        let number = path(&request)[1..].parse().unwrap();
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    numbers
}

#[test]
fn what_waits_is_sent_together_and_answered_in_order() {
    on_a_shard(async {
        let together = Rc::new(Cell::new(0));
        let most = together.clone();
        let shadow = Shadow::start(move |mut peer| {
            let most = most.clone();
            async move {
                while peer.request().await.is_some() {
                    let behind = behind(&mut peer);
                    let behind = behind.windows(4).filter(|end| end == b"\r\n\r\n").count();
                    most.set(behind.max(most.get()));
                    peer.send(OK).await;
                }
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.pipeline = 4);
        for number in 0..9 {
            rig.offer(1, &numbered(number));
        }
        assert_counts(&rig.settled().await, 9, &[]);
        assert_eq!(first_sightings(&shadow), (0..9).collect::<Vec<_>>());
        assert_eq!(shadow.requests().len(), 9);
        // One under way and three behind it, as the bound says.
        assert_eq!(together.get(), 3);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn a_shadow_that_says_it_closes_gets_the_rest_on_another_connection() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            for answer in [OK, OK, CLOSE] {
                if peer.request().await.is_none() {
                    return;
                }
                peer.send(answer).await;
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.pipeline = 8);
        for number in 0..9 {
            rig.offer(1, &numbered(number));
        }
        assert_counts(&rig.settled().await, 9, &[]);
        assert_eq!(first_sightings(&shadow), (0..9).collect::<Vec<_>>());
        assert_eq!(rig.opened(), 3);
    });
}

#[test]
fn a_shadow_that_breaks_off_gets_the_rest_again_one_at_a_time() {
    on_a_shard(async {
        let most = Rc::new(Cell::new(0));
        let seen = most.clone();
        let shadow = Shadow::start(move |mut peer| {
            let seen = seen.clone();
            async move {
                let first = peer.connection == 0;
                let mut answered = 0;
                while peer.request().await.is_some() {
                    if first && answered == 2 {
                        return peer.reset();
                    }
                    if !first {
                        seen.set(behind(&mut peer).len().max(seen.get()));
                    }
                    answered += 1;
                    peer.send(OK).await;
                }
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.pipeline = 8);
        for number in 0..9 {
            rig.offer(1, &numbered(number));
        }
        assert_counts(&rig.settled().await, 9, &[]);
        assert_eq!(first_sightings(&shadow), (0..9).collect::<Vec<_>>());
        assert_eq!(rig.opened(), 2);
        assert_eq!(most.get(), 0, "bytes sent ahead after the break");
    });
}

#[test]
fn what_changes_something_is_never_sent_ahead_nor_followed() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let changes = |request: &[u8]| {
                    [&b"POST "[..], b"PUT ", b"DELETE ", b"TRACE "]
                        .iter()
                        .any(|method| request.windows(method.len()).any(|start| start == *method))
                };
                let behind = behind(&mut peer);
                assert!(!changes(behind), "sent ahead");
                assert!(!changes(&request) || behind.is_empty(), "followed");
                peer.send(OK).await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        for number in 0..24 {
            match number % 6 {
                2 => rig.offer(1, b"POST /100 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
                3 => rig.offer(1, b"PUT /100 HTTP/1.1\r\nHost: a\r\n\r\n"),
                4 => rig.offer(1, b"DELETE /100 HTTP/1.1\r\nHost: a\r\n\r\n"),
                5 => rig.offer(1, b"TRACE /100 HTTP/1.1\r\nHost: a\r\n\r\n"),
                _ => rig.offer(1, &numbered(number)),
            }
        }
        assert_counts(&rig.settled().await, 24, &[]);
        assert_eq!(shadow.requests().len(), 24);
    });
}

#[test]
fn giving_up_settles_what_was_sent_ahead_too() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(OK).await;
            peer.closed().await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        for number in 0..6 {
            rig.offer(1, &numbered(number));
        }
        while rig.counts().delivered == 0 {
            tokio::task::yield_now().await;
        }
        rig.shard.abort(DropReason::Shutdown);
        assert_counts(&rig.settled().await, 1, &[(DropReason::Shutdown, 5)]);
    });
}
