//! Order within a production connection, parallelism between them, and how many connections that takes.

use super::*;

fn numbered(flow: u64, number: u64) -> Vec<u8> {
    format!("GET /{flow}/{number} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// Flow and number of a request made by [`numbered`].
fn numbers(request: &str) -> (u64, u64) {
    let mut parts = request.split(['/', ' ']).skip(2);
    let mut next = || parts.next().unwrap().parse().unwrap();
    (next(), next())
}

#[test]
fn requests_of_one_connection_arrive_in_their_order_one_at_a_time() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.queue_requests = Some(200));
        for number in 0..50 {
            for flow in 0..4 {
                if number % (flow + 1) == 0 {
                    rig.offer(flow, &numbered(flow, number));
                }
            }
        }
        let offered: u64 = 50 + 25 + 17 + 13;
        assert_counts(&rig.settled().await, offered, &[]);
        for flow in 0..4 {
            let of_flow: Vec<u64> = shadow
                .requests()
                .iter()
                .map(|request| numbers(request))
                .filter(|(of, _)| *of == flow)
                .map(|(_, number)| number)
                .collect();
            let expected: Vec<u64> = (0..50).filter(|number| number % (flow + 1) == 0).collect();
            assert_eq!(of_flow, expected);
        }
    });
}

#[test]
fn different_connections_run_in_parallel() {
    on_a_shard(async {
        // Nobody is answered before all four are there.
        let barrier = Rc::new(tokio::sync::Barrier::new(4));
        let shadow = Shadow::start(move |mut peer| {
            let barrier = barrier.clone();
            async move {
                while peer.request().await.is_some() {
                    barrier.wait().await;
                    peer.send(OK).await;
                }
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        for flow in 0..4 {
            rig.offer(flow, GET);
        }
        assert_counts(&rig.settled().await, 4, &[]);
        assert_eq!(rig.opened(), 4);
    });
}

#[test]
fn no_more_than_the_workers_are_under_way_and_lanes_take_turns() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.workers = 2;
            settings.pipeline = 1;
        });
        for number in 0..10 {
            for flow in 0..5 {
                rig.offer(flow, &numbered(flow, number));
            }
        }
        assert_counts(&rig.settled().await, 50, &[]);
        assert_eq!(rig.opened(), 2);
        // No lane is more than two requests ahead of another at any time.
        let mut at = [0i64; 5];
        for request in shadow.requests() {
            at[numbers(&request).0 as usize] += 1;
            assert!(at.iter().max().unwrap() - at.iter().min().unwrap() <= 2, "{at:?}");
        }
    });
}

#[test]
fn a_thousand_requests_of_ten_connections_use_ten_connections_at_most() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 100);
        for number in 0..100 {
            for flow in 0..10 {
                rig.offer(flow, &numbered(flow, number));
            }
            rig.shard.drain().await;
        }
        assert_counts(&rig.counts(), 1000, &[]);
        assert!(rig.opened() <= 10, "{}", rig.opened());
    });
}

#[test]
fn short_connections_share_the_pool() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        for flow in 0..1000 {
            rig.exchange(flow, GET).await;
        }
        assert_counts(&rig.counts(), 1000, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn shards_share_the_workers_and_none_starves() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 1);
        let second = rig.output.shard(0, &std::rc::Weak::new());
        for flow in 0..40 {
            rig.offer(flow, GET);
            let ticket = rig.ledger.open().split().next().unwrap();
            second.offer(
                &exchange(flow, b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"),
                ticket,
            );
        }
        second.drain().await;
        rig.shard.drain().await;
        assert_counts(&rig.counts(), 80, &[]);
        // Both got their turns: half of the second's were served within the first three quarters.
        let requests = shadow.requests();
        let early = &requests[..60];
        let seconds = early
            .iter()
            .filter(|request| request.starts_with("GET /second"))
            .count();
        assert!((20..=40).contains(&seconds), "{seconds}");
    });
}

#[test]
fn surplus_connections_are_used_last_so_that_they_grow_old() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        for flow in 0..5 {
            rig.offer(flow, GET);
        }
        rig.shard.drain().await;
        shadow.seen.borrow_mut().clear();
        for _ in 0..10 {
            rig.exchange(1, GET).await;
        }
        let seen = shadow.seen.borrow();
        let first = seen[0].connection;
        assert!(seen.iter().all(|seen| seen.connection == first));
    });
}

#[test]
fn shards_share_few_workers_without_losing_a_wake_up() {
    let (port_sender, port) = std::sync::mpsc::channel();
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let shadow = std::thread::spawn(move || {
        on_a_shard(async {
            let shadow = Shadow::answering(OK).await;
            port_sender.send(shadow.port).unwrap();
            let _ = stop.await;
        });
    });
    let mut settings = crate::output::http::copy::tests::settings();
    settings.host = "127.0.0.1".to_owned();
    settings.port = port.recv().unwrap();
    settings.workers = 2;
    settings.queue_requests = None;
    settings.queue_bytes = 64 << 20;
    let output = HttpOutput::new(&settings, &OwnConnections::default(), &Comparer::default()).unwrap();
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                on_a_shard(async {
                    let shard = output.shard(0, &std::rc::Weak::new());
                    let ledger = ShardLedger::new(1);
                    for round in 0..20 {
                        for flow in 0..50 {
                            let ticket = ledger.open().split().next().unwrap();
                            shard.offer(&exchange(flow % (round + 1), GET), ticket);
                        }
                        shard.drain().await;
                    }
                    let counts = ledger.snapshot();
                    assert!(counts.balanced());
                    assert_counts(&counts.outputs[0], 1000, &[]);
                });
            });
        }
    });
    let status = output.status();
    assert_eq!((status.active, status.queued), (0, 0));
    done.send(()).unwrap();
    shadow.join().unwrap();
}
