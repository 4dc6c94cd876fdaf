//! Shadows that are dead, slow, resetting, talking garbage or never answering.

use super::*;

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";

async fn nobody_listens() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn quick(settings: &mut HttpOutputSettings) {
    settings.timeout = Duration::from_millis(200);
    settings.connect_timeout = Duration::from_millis(200);
}

#[test]
fn a_shadow_that_refuses_costs_one_connect_for_all_that_wait() {
    on_a_shard(async {
        let rig = Rig::new(nobody_listens().await);
        for flow in 0..50 {
            rig.offer(flow, GET);
        }
        assert_counts(&rig.settled().await, 0, &[(DropReason::ConnectError, 50)]);
        // While the next attempt is held back, requests end at once.
        rig.offer(1, GET);
        assert_eq!(rig.counts().in_flight, 0);
        assert_eq!(rig.opened(), 0);
    });
}

#[test]
fn a_shadow_that_comes_back_is_found_again() {
    on_a_shard(async {
        let port = nobody_listens().await;
        let rig = Rig::new(port);
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 0, &[(DropReason::ConnectError, 1)]);
        let shadow = Shadow::on(
            TcpListener::bind(("127.0.0.1", port)).await.unwrap(),
            |mut peer| async move {
                while peer.request().await.is_some() {
                    peer.send(OK).await;
                }
            },
        );
        while rig.counts().delivered == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            rig.exchange(1, GET).await;
        }
        assert_eq!(shadow.requests().len(), 1);
    });
}

#[test]
fn a_shadow_that_never_accepts_ends_in_a_timeout() {
    on_a_shard(async {
        // A full accept queue lets the kernel drop SYNs.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut fillers = Vec::new();
        while let Ok(filler) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            fillers.push(filler);
        }
        let rig = Rig::with(address.port(), quick);
        rig.offer(1, GET);
        rig.offer(1, GET);
        assert_eq!(rig.settled().await.delivered, 0);
        assert!(rig.counts().dropped[&DropReason::Timeout] >= 1);
    });
}

#[test]
fn a_shadow_that_never_answers_ends_in_bounded_timeouts() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let rig = Rig::with(shadow.port, |settings| {
            quick(settings);
            settings.workers = 4;
            settings.queue_requests = Some(4);
        });
        for flow in 0..20 {
            rig.offer(flow, GET);
        }
        let status = rig.output.status();
        assert_eq!((status.active, status.queued), (4, 4));
        let dropped = [(DropReason::QueueFull, 12), (DropReason::Timeout, 8)];
        assert_counts(&rig.settled().await, 0, &dropped);
        let status = rig.output.status();
        assert_eq!((status.active, status.queued), (0, 0));
    });
}

#[test]
fn a_shadow_that_answers_too_slowly_ends_in_a_timeout() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                .await;
            loop {
                peer.send(b"x").await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let rig = Rig::with(shadow.port, quick);
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Timeout, 1)]);
    });
}

#[test]
fn garbage_is_a_bad_response() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            peer.closed().await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer(1, GET);
        rig.offer(2, POST);
        assert_counts(&rig.settled().await, 0, &[(DropReason::BadResponse, 2)]);
    });
}

#[test]
fn a_banner_before_any_request_is_no_answer() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.send(b"220 smtp ready\r\n").await;
            peer.closed().await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 0, &[(DropReason::BadResponse, 1)]);
    });
}

#[test]
fn a_reset_or_a_close_inside_the_answer_is_a_drop() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab").await;
            if peer.connection == 0 {
                peer.reset();
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 0, &[(DropReason::UpstreamClosed, 2)]);
    });
}

/// Answers once on each connection, and closes it when the next request has come.
async fn closes_on_the_second(mut peer: Peer) {
    peer.request().await;
    peer.send(OK).await;
    peer.request().await;
}

#[test]
fn an_idempotent_request_is_resent_when_its_connection_dies() {
    on_a_shard(async {
        let shadow = Shadow::start(closes_on_the_second).await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.opened(), 2);
    });
}

#[test]
fn another_request_is_not_sent_twice() {
    on_a_shard(async {
        let shadow = Shadow::start(closes_on_the_second).await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, POST).await;
        rig.exchange(1, POST).await;
        assert_counts(&rig.counts(), 1, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(shadow.requests().len(), 2);
    });
}

#[test]
fn a_request_is_sent_again_once_only() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            if peer.connection == 0 {
                peer.send(OK).await;
                peer.request().await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 1, &[(DropReason::UpstreamClosed, 1)]);
        assert_eq!(shadow.requests().len(), 3);
    });
}

#[test]
fn an_idle_connection_that_the_shadow_closed_is_not_used_again() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(OK).await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        for _ in 0..3 {
            rig.exchange(1, POST).await;
            while rig.output.status().connections_open > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_counts(&rig.counts(), 3, &[]);
        assert_eq!(rig.opened(), 3);
    });
}

#[test]
fn what_follows_an_answer_unasked_closes_the_connection() {
    on_a_shard(async {
        let shadow =
            Shadow::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n").await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.opened(), 2);
    });
}

#[test]
fn a_full_queue_drops_by_count_and_by_bytes_at_once() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.queue_requests = Some(10));
        for _ in 0..20 {
            rig.offer(1, GET);
        }
        // One under way, ten waiting.
        assert_eq!(rig.counts().dropped[&DropReason::QueueFull], 9);
        assert_counts(&rig.settled().await, 11, &[(DropReason::QueueFull, 9)]);

        let rig = Rig::with(shadow.port, |settings| settings.queue_bytes = 3 * held(GET));
        for _ in 0..20 {
            rig.offer(1, GET);
        }
        assert_counts(&rig.settled().await, 3, &[(DropReason::QueueFull, 17)]);
    });
}

#[test]
fn small_requests_have_a_long_queue_and_large_ones_a_short_one() {
    on_a_shard(async {
        let large = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n",
            "a".repeat(100_000)
        );
        let taken = async |request: &[u8]| {
            let shadow = Shadow::answering(OK).await;
            let rig = Rig::with(shadow.port, |settings| {
                settings.queue_requests = None;
                settings.queue_bytes = 1_000_000;
            });
            for _ in 0..5_000 {
                rig.offer(1, request);
            }
            rig.settled().await.delivered
        };
        assert_eq!(taken(large.as_bytes()).await, 9);
        let small = taken(GET).await;
        assert!(
            (1_000..3_000).contains(&small),
            "{small} requests of {} bytes",
            GET.len()
        );
    });
}

#[test]
fn requests_under_way_hold_their_bytes_until_they_are_settled() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let rig = Rig::with(shadow.port, |settings| {
            quick(settings);
            settings.queue_bytes = 3 * held(GET);
        });
        for flow in 0..5 {
            rig.offer(flow, GET);
        }
        assert!(!rig.shard.has_room());
        assert_eq!(rig.counts().dropped[&DropReason::QueueFull], 2);
        rig.shard.drain().await;
        assert!(rig.shard.has_room());
        for flow in 0..5 {
            rig.offer(flow, GET);
        }
        let dropped = [(DropReason::QueueFull, 4), (DropReason::Timeout, 6)];
        assert_counts(&rig.settled().await, 0, &dropped);
    });
}

#[test]
fn a_request_larger_than_the_byte_bound_goes_alone() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.queue_bytes = 10);
        rig.offer(1, GET);
        rig.offer(2, GET);
        assert_counts(&rig.settled().await, 1, &[(DropReason::QueueFull, 1)]);
        rig.exchange(2, GET).await;
        assert_counts(&rig.settled().await, 2, &[(DropReason::QueueFull, 1)]);
    });
}

#[test]
fn an_abort_settles_everything_at_once() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 4);
        for flow in 0..20 {
            rig.offer(flow % 7, GET);
        }
        // Some connecting, then some waiting for an answer.
        while rig.output.status().connections_open < 4 {
            tokio::task::yield_now().await;
        }
        rig.offer(100, GET);
        rig.shard.abort(DropReason::Shutdown);
        assert_counts(&rig.counts(), 0, &[(DropReason::Shutdown, 21)]);
        let status = rig.output.status();
        assert_eq!((status.active, status.queued), (0, 0));
        rig.shard.drain().await;
    });
}

#[test]
fn an_abort_while_connecting_settles_too() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        rig.offer(1, GET);
        rig.shard.abort(DropReason::Shutdown);
        assert_counts(&rig.counts(), 0, &[(DropReason::Shutdown, 1)]);
        // The connection that was on its way finds nothing to do.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(rig.output.status().connections_open, 0);
    });
}

#[test]
fn a_dead_output_does_not_hold_up_another() {
    on_a_shard(async {
        let dead = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let alive = Shadow::answering(OK).await;
        let (dead, alive) = (Rig::new(dead.port), Rig::new(alive.port));
        for flow in 0..50 {
            dead.offer(flow, GET);
            alive.offer(flow, GET);
        }
        assert_counts(&alive.settled().await, 50, &[]);
        assert_eq!(dead.counts().in_flight, 50);
    });
}

#[test]
fn an_output_goes_on_after_an_abort() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        for flow in 0..20 {
            rig.offer(flow % 7, GET);
        }
        rig.shard.abort(DropReason::Paused);
        assert_counts(&rig.counts(), 0, &[(DropReason::Paused, 20)]);
        for flow in 0..20 {
            rig.offer(flow % 7, GET);
        }
        assert_counts(&rig.settled().await, 20, &[(DropReason::Paused, 20)]);
        let status = rig.output.status();
        assert_eq!((status.active, status.queued), (0, 0));
    });
}
