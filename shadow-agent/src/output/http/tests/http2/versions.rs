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

/// A shadow behind TLS that offers these protocols, and answers by the one that was agreed on.
async fn over_tls(protocols: &[&str]) -> (u16, Rc<RefCell<Vec<&'static str>>>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen: Rc<RefCell<Vec<&'static str>>> = Rc::default();
    let log = Rc::clone(&seen);
    spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, log) = (acceptor.clone(), Rc::clone(&log));
            spawn_local(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    let mut server = ::h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, mut reply))) = server.accept().await {
                        log.borrow_mut().push("h2");
                        assert_eq!(request.uri().scheme_str(), Some("https"));
                        ok(&mut reply);
                    }
                    return;
                }
                let mut buffer = Vec::new();
                while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                    while let Some(length) = request_len(&buffer) {
                        buffer.drain(..length);
                        log.borrow_mut().push("http/1.1");
                        let _ = stream.write_all(OK).await;
                        let _ = stream.flush().await;
                    }
                }
            });
        }
    });
    (port, seen)
}

/// Copies that a shadow behind TLS with these protocols gets of a request by HTTP/2, one by HTTP/1.1, and a gRPC call.
fn agreed_on(protocols: &'static [&'static str], dropped: u64) -> Vec<&'static str> {
    let all: Rc<RefCell<Vec<&'static str>>> = Rc::default();
    let result = Rc::clone(&all);
    on_a_shard(async move {
        let (port, seen) = over_tls(protocols).await;
        let rig = Rig::with(port, |settings| {
            settings.tls = true;
            settings.verify = false;
            settings.host = "localhost".to_owned();
        });
        rig.offer_stream(1, ASK);
        rig.shard.drain().await;
        rig.offer(1, GET);
        rig.shard.drain().await;
        rig.offer_stream(3, &post(GRPC, ""));
        let counts = rig.settled().await;
        assert_eq!(
            (
                counts.delivered,
                counts.dropped.get(&DropReason::HttpVersion).copied()
            ),
            (3 - dropped, (dropped > 0).then_some(dropped))
        );
        result.borrow_mut().append(&mut seen.borrow_mut());
    });
    all.take()
}

#[test]
fn behind_tls_http2_is_agreed_on() {
    assert_eq!(agreed_on(&["h2", "http/1.1"], 0), ["h2", "http/1.1", "h2"]);
}

#[test]
fn behind_tls_without_http2_requests_go_by_http1() {
    assert_eq!(agreed_on(&["http/1.1"], 1), ["http/1.1", "http/1.1"]);
    assert_eq!(agreed_on(&[], 1), ["http/1.1", "http/1.1"]);
    // One that would rather not.
    assert_eq!(agreed_on(&["http/1.1", "h2"], 1), ["http/1.1", "http/1.1"]);
}
