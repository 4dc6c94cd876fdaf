//! Many streams on few connections.

use super::*;

#[test]
fn streams_of_production_connections_keep_to_as_many() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|_, mut reply| async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ok(&mut reply);
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.workers = 1024;
            settings.queue_bytes = 64 << 20;
        });
        for stream in 0..100 {
            for port in 1..=8 {
                rig.offer_exchange(&on_stream(port, stream, ASK));
            }
        }
        assert_counts(&rig.settled().await, 800, &[]);
        assert_eq!(rig.opened(), 8);
        let on_first = shadow
            .asked()
            .iter()
            .filter(|asked| asked.connection == 0)
            .count();
        assert_eq!(on_first, 100);
        assert!(shadow.at_once.get() > 100, "{}", shadow.at_once.get());
    });
}

#[test]
fn streams_begin_in_productions_order() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 100);
        for number in 0..50 {
            rig.offer_stream(number, &get(&format!("/{number}")));
        }
        assert_counts(&rig.settled().await, 50, &[]);
        let mut asked = shadow.asked();
        asked.sort_by_key(|asked| asked.stream);
        let paths: Vec<u32> = asked
            .iter()
            .map(|asked| asked.path().rsplit('/').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(paths, (0..50).collect::<Vec<u32>>());
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn a_shadow_that_allows_one_stream_gets_one_at_a_time_on_a_connection() {
    on_a_shard(async {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(1);
        let shadow = Http2Shadow::with(builder, |_, mut reply| async move { ok(&mut reply) }).await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.workers = 200;
            settings.queue_requests = Some(1000);
        });
        for number in 0..200 {
            rig.offer_stream(number, ASK);
        }
        assert_counts(&rig.settled().await, 200, &[]);
        assert!(rig.opened() <= 64, "{}", rig.opened());
    });
}

#[test]
fn no_more_are_under_way_than_workers() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|_, mut reply| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            ok(&mut reply);
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 3);
        for number in 0..30 {
            rig.offer_stream(number, ASK);
        }
        assert_counts(&rig.settled().await, 30, &[]);
        assert_eq!(shadow.at_once.get(), 3);
    });
}

#[test]
fn requests_of_a_recording_without_addresses_share_a_connection() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::new(shadow.port);
        for stream in 0..10 {
            rig.offer_exchange(&on_stream(0, stream, ASK));
        }
        assert_counts(&rig.settled().await, 10, &[]);
        assert_eq!(rig.opened(), 1);
    });
}

#[test]
fn what_is_under_way_at_the_end_is_settled_once() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|_, reply| async move {
            let _held = reply;
            std::future::pending::<()>().await;
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.workers = 5);
        for number in 0..10 {
            rig.offer_stream(number, ASK);
        }
        while shadow.asked().len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        rig.shard.abort(DropReason::Shutdown);
        assert_counts(&rig.settled().await, 0, &[(DropReason::Shutdown, 10)]);
        assert_eq!(rig.output.upstream.in_flight.count(), 0);
    });
}

#[test]
fn requests_of_http1_are_translated_where_that_is_asked_for() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::with(shadow.port, |settings| settings.version = HttpVersion::Http2);
        rig.exchange(
            1,
            b"GET /old HTTP/1.1\r\nHost: a\r\nX-Upper: 1\r\nConnection: keep-alive\r\n\r\n",
        )
        .await;
        rig.exchange(
            1,
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n",
        )
        .await;
        assert_counts(&rig.counts(), 2, &[]);
        let asked = shadow.asked();
        assert_eq!(asked[0].fields, ["x-upper: 1"]);
        assert_eq!(
            (&asked[1].body[..], &asked[1].trailers[..]),
            (&b"hi"[..], &["x-sum: 1".to_owned()][..])
        );
        assert_eq!(rig.opened(), 1);
    });
}
