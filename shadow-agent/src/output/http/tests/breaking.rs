//! The breaker at work: a sick shadow is left alone, probed, and comes back slowly.

use std::cell::Cell;

use super::*;
use crate::output::http::breaker::Admission;

/// A shadow that answers while told to, and resets otherwise.
async fn moody() -> (Shadow, Rc<Cell<bool>>) {
    let well = Rc::new(Cell::new(false));
    let mood = well.clone();
    let shadow = Shadow::start(move |mut peer| {
        let mood = mood.clone();
        async move {
            while peer.request().await.is_some() {
                if !mood.get() {
                    return peer.reset();
                }
                peer.send(OK).await;
            }
        }
    })
    .await;
    (shadow, well)
}

fn nervous(settings: &mut HttpOutputSettings) {
    settings.breaker.failures = 3;
    settings.breaker.open_for = Duration::from_millis(100);
    settings.breaker.slow_start = Duration::from_millis(100);
}

#[test]
fn after_failures_in_a_row_new_and_waiting_requests_end_at_once() {
    on_a_shard(async {
        let (shadow, _) = moody().await;
        let rig = Rig::with(shadow.port, |settings| {
            nervous(settings);
            settings.workers = 1;
        });
        for flow in 0..10 {
            rig.offer(flow, GET);
        }
        let dropped = [(DropReason::UpstreamClosed, 3), (DropReason::BreakerOpen, 7)];
        assert_counts(&rig.settled().await, 0, &dropped);
        assert!(rig.output.status().breaker_open);
        rig.offer(1, GET);
        assert_eq!(rig.counts().dropped[&DropReason::BreakerOpen], 8);
        assert_eq!(shadow.requests().len(), 3);
    });
}

#[test]
fn a_probe_that_fails_keeps_it_open_and_one_that_comes_back_closes_it() {
    on_a_shard(async {
        let (shadow, well) = moody().await;
        let rig = Rig::with(shadow.port, nervous);
        for flow in 0..3 {
            rig.offer(flow, GET);
        }
        rig.shard.drain().await;
        tokio::time::sleep(Duration::from_millis(110)).await;
        // One probe, and the others not at all.
        for flow in 0..5 {
            rig.offer(flow, GET);
        }
        let dropped = [(DropReason::UpstreamClosed, 4), (DropReason::BreakerOpen, 4)];
        assert_counts(&rig.settled().await, 0, &dropped);
        well.set(true);
        // Twice as long now.
        tokio::time::sleep(Duration::from_millis(110)).await;
        rig.exchange(1, GET).await;
        assert_counts(
            &rig.counts(),
            0,
            &[(DropReason::UpstreamClosed, 4), (DropReason::BreakerOpen, 5)],
        );
        tokio::time::sleep(Duration::from_millis(110)).await;
        rig.exchange(1, GET).await;
        assert_eq!(rig.counts().delivered, 1);
        assert!(!rig.output.status().breaker_open);
    });
}

#[test]
fn what_waits_in_a_shard_without_connections_ends_too() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move { peer.closed().await }).await;
        let rig = Rig::with(shadow.port, |settings| {
            nervous(settings);
            settings.workers = 1;
            settings.breaker.failures = 1;
            settings.breaker.open_for = Duration::from_secs(1000);
        });
        let other = rig.output.shard(0, &std::rc::Weak::new());
        // Both tend their shards, and have nothing to do.
        tokio::task::yield_now().await;
        rig.offer(1, GET);
        other.offer(&exchange(2, GET), rig.ledger.open().split().next().unwrap());
        let breaker = &rig.output.upstream.breaker;
        let Admission::Pass(pass) = breaker.admit(|| 0) else {
            panic!("refused");
        };
        breaker.failed(pass, || 0);
        other.drain().await;
        assert_eq!(rig.counts().dropped[&DropReason::BreakerOpen], 1);
        assert_eq!(rig.counts().in_flight, 1);
    });
}

#[test]
fn a_permit_freed_by_a_failure_sends_nothing_elsewhere() {
    on_a_shard(async {
        let (shadow, _) = moody().await;
        let rig = Rig::with(shadow.port, |settings| {
            nervous(settings);
            settings.workers = 1;
            settings.breaker.failures = 1;
        });
        let other = rig.output.shard(0, &std::rc::Weak::new());
        rig.offer(1, GET);
        other.offer(&exchange(2, GET), rig.ledger.open().split().next().unwrap());
        rig.shard.drain().await;
        other.drain().await;
        let dropped = [(DropReason::UpstreamClosed, 1), (DropReason::BreakerOpen, 1)];
        assert_counts(&rig.counts(), 0, &dropped);
        assert_eq!(shadow.requests().len(), 1);
    });
}

#[test]
fn slow_start_lets_one_through_first_and_all_in_the_end() {
    on_a_shard(async {
        let (shadow, well) = moody().await;
        let rig = Rig::with(shadow.port, |settings| {
            nervous(settings);
            settings.breaker.slow_start = Duration::from_secs(1000);
        });
        for flow in 0..3 {
            rig.offer(flow, GET);
        }
        rig.shard.drain().await;
        well.set(true);
        tokio::time::sleep(Duration::from_millis(110)).await;
        rig.exchange(1, GET).await;
        for flow in 0..20 {
            rig.offer(flow, GET);
        }
        assert_eq!(rig.output.status().active, 1);
        assert_eq!(rig.settled().await.delivered, 21);
    });
}

#[test]
fn a_shadow_that_refuses_opens_it_too() {
    on_a_shard(async {
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let rig = Rig::with(port, nervous);
        for flow in 0..16 {
            rig.offer(flow, GET);
        }
        let dropped = [(DropReason::ConnectError, 3), (DropReason::BreakerOpen, 13)];
        // Those that were connecting when it opened end for their own reason.
        let counts = rig.settled().await;
        assert_eq!(counts.total(), 16);
        assert!(counts.dropped[&DropReason::ConnectError] >= dropped[0].1);
        assert!(rig.output.status().breaker_open);
    });
}

#[test]
fn answers_that_never_begin_open_it() {
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(70);
    let head = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(80 * 1024)).into_bytes();
    for endless in [interim, head] {
        on_a_shard(async {
            let shadow = Shadow::start(move |mut peer| {
                let endless = endless.clone();
                async move {
                    while peer.request().await.is_some() {
                        peer.send(&endless).await;
                    }
                }
            })
            .await;
            let rig = Rig::with(shadow.port, |settings| {
                nervous(settings);
                settings.workers = 1;
            });
            for flow in 0..5 {
                rig.offer(flow, GET);
            }
            let dropped = [(DropReason::BadResponse, 3), (DropReason::BreakerOpen, 2)];
            assert_counts(&rig.settled().await, 0, &dropped);
        });
    }
}

#[test]
fn a_shadow_that_answers_before_it_is_asked_delivers_nothing() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            peer.send(OK).await;
            while peer.request().await.is_some() {}
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| {
            nervous(settings);
            settings.workers = 1;
        });
        for flow in 0..5 {
            rig.offer(flow, GET);
        }
        let dropped = [(DropReason::BadResponse, 3), (DropReason::BreakerOpen, 2)];
        assert_counts(&rig.settled().await, 0, &dropped);
        assert!(shadow.requests().is_empty());
    });
}
