//! Exchanges: the bytes that are sent, and which answers count as whole.

use super::*;

#[test]
fn the_copy_is_production_s_request_byte_for_byte() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.host_header = crate::output::HostHeader::Original;
        });
        let raw = "PATCH /x?y HTTP/1.1\r\nhOST: a\r\nX-b:1\r\nx-B: 2 \r\nContent-Length: 5\r\n\r\nhello";
        rig.offer(1, raw.as_bytes());
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!(shadow.requests(), [raw]);
        assert!(
            rig.output
                .status()
                .latency
                .is_some_and(|counts| counts.count() > 0)
        );
    });
}

#[test]
fn chunk_sizes_extensions_and_trailers_go_through_as_they_were() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        let body = "3;a=\"b\"\r\nabc\r\n0005\r\nhello\r\n0;z\r\nX-Sum: 1\r\n\r\n";
        let raw = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n{body}");
        rig.offer(1, raw.as_bytes());
        assert_counts(&rig.settled().await, 1, &[]);
        assert!(shadow.requests()[0].ends_with(&format!("\r\n\r\n{body}")));
    });
}

#[test]
fn a_large_body_arrives_whole() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.queue_bytes = 1 << 24);
        let mut raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n".to_vec();
        let head = raw.len();
        raw.extend((0..10_000_000u32).map(|at| at as u8));
        rig.offer(1, &raw);
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 2, &[]);
        let seen = shadow.seen.borrow();
        assert!(seen[0].bytes.ends_with(&raw[head..]));
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn head_204_and_304_have_no_body_to_wait_for() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let answer: &[u8] = match &request[..5] {
                    b"HEAD " => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
                    b"GET /" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n",
                    _ => b"HTTP/1.1 204 No Content\r\n\r\n",
                };
                peer.send(answer).await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        for method in ["HEAD", "GET", "DELETE"] {
            rig.offer(1, format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        }
        assert_counts(&rig.settled().await, 3, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn interim_answers_are_passed_over() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while peer.request().await.is_some() {
                peer.send(b"HTTP/1.1 100 Continue\r\n\r\n").await;
                peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n").await;
                peer.send(OK).await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn an_answer_ended_by_the_close_is_whole() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.request().await;
            peer.send(b"HTTP/1.1 200 OK\r\n\r\nuntil the end").await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer(1, GET);
        rig.offer(1, GET);
        assert_counts(&rig.settled().await, 2, &[]);
        assert_eq!(rig.opened(), 2);
    });
}

#[test]
fn an_answer_that_trickles_in_is_whole_in_the_end() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while peer.request().await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
                for byte in answer {
                    peer.send(&[*byte]).await;
                    tokio::task::yield_now().await;
                }
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn a_large_answer_is_read_and_one_beyond_the_limit_dropped() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let length = if request.starts_with(b"GET /large") {
                    20_000_001
                } else {
                    20_000_000
                };
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
                    .await;
                peer.send(&vec![b'x'; length]).await;
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.max_response = 20_000_000);
        rig.exchange(1, GET).await;
        rig.exchange(1, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_counts(&rig.counts(), 1, &[(DropReason::BadResponse, 1)]);
    });
}

#[test]
fn an_early_answer_to_a_large_upload_is_an_answer() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            // Reads the head at most, answers, and waits without reading.
            let _ = peer.stream.read(&mut [0; 100]).await;
            peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                .await;
            let _ = peer.stream.ready(tokio::io::Interest::ERROR).await;
        })
        .await;
        let rig = Rig::new(shadow.port);
        let mut raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n".to_vec();
        raw.resize(raw.len() + 30_000_000, b'x');
        rig.offer(1, &raw);
        assert_counts(&rig.settled().await, 1, &[]);
    });
}

#[test]
fn switching_protocols_is_an_answer_and_ends_reuse() {
    on_a_shard(async {
        let shadow =
            Shadow::answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nnot http").await;
        let rig = Rig::new(shadow.port);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.opened(), 2);
    });
}

#[test]
fn a_shadow_that_says_it_closes_goes_first() {
    on_a_shard(async {
        let close = Rc::new(tokio::sync::Notify::new());
        let told = close.clone();
        let shadow = Shadow::start(move |mut peer| {
            let told = told.clone();
            async move {
                peer.request().await;
                peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                    .await;
                if peer.connection == 0 {
                    told.notified().await;
                } else {
                    peer.closed().await;
                }
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 1);
        // Delivered before the close, and the next one does not wait for it.
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
        assert_eq!(rig.output.status().connections_open, 2);
        close.notify_one();
        // The second never closes: it is given up after a second.
        while rig.output.status().connections_open > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(rig.output.status().active, 0);
    });
}

#[test]
fn an_error_status_is_a_delivery() {
    on_a_shard(async {
        let shadow = Shadow::answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await;
        let rig = Rig::with(shadow.port, |settings| settings.breaker.failures = 1);
        rig.exchange(1, GET).await;
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 2, &[]);
    });
}

#[test]
fn redirects_within_the_upstream_are_followed_up_to_the_limit() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                let answer: &[u8] = match &request[..7] {
                    b"POST /a" => b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
                    b"GET /b " => {
                        b"HTTP/1.1 307 X\r\nLocation: c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    }
                    _ => b"HTTP/1.1 302 Found\r\nLocation: /d\r\nContent-Length: 0\r\n\r\n",
                };
                peer.send(answer).await;
            }
        })
        .await;
        let raw = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
        let rig = Rig::with(shadow.port, |settings| settings.redirects = 2);
        rig.exchange(1, raw).await;
        assert_counts(&rig.counts(), 1, &[]);
        let lines = |shadow: &Shadow| -> Vec<String> {
            let first = |request: String| request.lines().next().unwrap().to_owned();
            shadow.requests().into_iter().map(first).collect()
        };
        let expected = ["POST /a HTTP/1.1", "GET /b HTTP/1.1", "GET /c HTTP/1.1"];
        assert_eq!(lines(&shadow), expected);
        assert!(shadow.requests()[1].ends_with("\r\n\r\n"));
        let rig = Rig::new(shadow.port);
        rig.exchange(1, raw).await;
        assert_counts(&rig.counts(), 1, &[]);
        assert_eq!(shadow.requests().len(), 4);
    });
}

#[test]
fn a_name_is_resolved_and_its_addresses_tried_in_turn() {
    on_a_shard(async {
        // `localhost` may be ::1 first, where nothing listens.
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.host = "localhost".to_owned());
        rig.exchange(1, GET).await;
        assert_counts(&rig.counts(), 1, &[]);
        assert!(shadow.requests()[0].contains(&format!("Host: localhost:{}\r\n", shadow.port)));
    });
}
