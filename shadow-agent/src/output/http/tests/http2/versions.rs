//! Which version of HTTP requests go by, and what becomes of those that cannot.

use super::*;

const GRPC: &str = "content-type: application/grpc\r\nte: trailers\r\n";

#[test]
fn each_request_goes_by_the_version_it_came_by() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 1, &[]);
        // An HTTP/2 server does not understand the other one.
        rig.exchange(7, GET).await;
        assert_eq!(rig.counts().delivered, 1);
        assert_eq!(shadow.asked().len(), 1);
    });
}

#[test]
fn a_shadow_that_answers_the_preface_by_http1_gets_http1() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"PRI") {
                    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                        .await;
                    return;
                }
                peer.send(OK).await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        rig.offer_stream(
            3,
            &post(
                "te: trailers\r\ntransfer-encoding: chunked\r\n",
                "2\r\nhi\r\n0\r\n\r\n",
            ),
        );
        assert_counts(&rig.settled().await, 2, &[]);
        rig.offer_stream(5, ASK);
        assert_counts(&rig.settled().await, 3, &[]);
        let mut requests = shadow.requests();
        requests.retain(|request| !request.starts_with("PRI"));
        requests.sort_unstable();
        let host = format!("host: 127.0.0.1:{}", shadow.port);
        assert_eq!(requests[0], format!("GET /a HTTP/1.1\r\n{host}\r\n\r\n"));
        assert_eq!(
            requests[2],
            format!("POST /a HTTP/1.1\r\n{host}\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        );
        let prefaces = shadow.requests().len() - requests.len();
        assert_eq!((prefaces, requests.len()), (1, 3), "it is asked for HTTP/2 once");
    });
}

#[test]
fn a_shadow_that_closes_at_the_preface_gets_http1() {
    on_a_shard(async {
        let shadow = Shadow::start(|mut peer| async move {
            while let Some(request) = peer.request().await {
                if request.starts_with(b"PRI") {
                    return peer.reset();
                }
                peer.send(OK).await;
            }
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 1, &[]);
    });
}

#[test]
fn grpc_is_not_sent_to_a_shadow_without_http2() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post(GRPC, ""));
        assert_counts(&rig.settled().await, 0, &[(DropReason::HttpVersion, 1)]);
        rig.offer_stream(3, &post(GRPC, ""));
        rig.offer_stream(5, &post("content-type: application/grpc-web\r\n", ""));
        assert_counts(&rig.settled().await, 1, &[(DropReason::HttpVersion, 2)]);
    });
}

#[test]
fn with_http1_alone_no_preface_is_sent() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.version = HttpVersion::Http1);
        rig.offer_stream(1, ASK);
        rig.offer_stream(3, &post(GRPC, ""));
        assert_counts(&rig.settled().await, 1, &[(DropReason::HttpVersion, 1)]);
        assert_eq!(shadow.requests().len(), 1);
    });
}

#[test]
fn with_http2_alone_nothing_goes_to_a_shadow_without_it() {
    on_a_shard(async {
        let shadow = Shadow::answering(OK).await;
        let rig = Rig::with(shadow.port, |settings| settings.version = HttpVersion::Http2);
        rig.offer(1, GET);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::HttpVersion, 2)]);
    });
}

#[test]
fn a_handshake_of_another_protocol_does_not_go_by_http2() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::with(shadow.port, |settings| settings.version = HttpVersion::Http2);
        rig.offer(
            1,
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        );
        assert_counts(&rig.settled().await, 0, &[(DropReason::HttpVersion, 1)]);
    });
}

#[test]
fn a_target_that_http2_has_no_form_for_is_not_sent() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &get("/a<b>"));
        assert_counts(&rig.settled().await, 0, &[(DropReason::HttpVersion, 1)]);
    });
}
