//! Requests and answers, one by one.

use super::*;

#[test]
fn a_request_goes_as_production_got_it() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::with(shadow.port, |settings| {
            settings.marker = Some("X-Shadow-Request".to_owned());
        });
        rig.offer_stream(
            1,
            "GET /a?b=c HTTP/2.0\r\nhost: shop.example\r\nx-zebra: 1\r\naccept: */*\r\nte: trailers\r\n\
             cookie: a=b; c=d\r\n\r\n",
        );
        assert_counts(&rig.settled().await, 1, &[]);
        let asked = &shadow.asked()[0];
        assert_eq!(asked.head, format!("GET http://127.0.0.1:{}/a?b=c", shadow.port));
        assert_eq!(
            asked.fields,
            [
                "x-zebra: 1",
                "accept: */*",
                "te: trailers",
                "cookie: a=b; c=d",
                "x-shadow-request: 1"
            ]
        );
        assert_eq!(asked.body, b"");
    });
}

#[test]
fn a_body_of_known_length_keeps_it() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post("content-length: 5\r\n", "hello"));
        assert_counts(&rig.settled().await, 1, &[]);
        let asked = &shadow.asked()[0];
        assert_eq!(
            (asked.fields.as_slice(), &asked.body[..]),
            (&["content-length: 5".to_owned()][..], &b"hello"[..])
        );
    });
}

#[test]
fn chunks_and_trailers_become_data_and_trailers() {
    on_a_shard(async {
        let shadow = Http2Shadow::answering().await;
        let rig = Rig::new(shadow.port);
        let body = "3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 7\r\n\r\n";
        rig.offer_stream(1, &post("transfer-encoding: chunked\r\n", body));
        assert_counts(&rig.settled().await, 1, &[]);
        let asked = &shadow.asked()[0];
        assert_eq!(asked.fields, [""; 0]);
        assert_eq!(asked.body, b"abcde");
        assert_eq!(asked.trailers, ["x-sum: 7"]);
    });
}

#[test]
fn a_large_upload_keeps_to_tiny_windows() {
    on_a_shard(async {
        let mut builder = Builder::new();
        builder.initial_window_size(100);
        let shadow = Http2Shadow::with(builder, |_, mut reply| async move { ok(&mut reply) }).await;
        let rig = Rig::new(shadow.port);
        let length = 300_000;
        let body = "x".repeat(length);
        rig.offer_stream(1, &post(&format!("content-length: {length}\r\n"), &body));
        rig.offer_stream(3, &post("content-length: 1000\r\n", &body[..1000]));
        assert_counts(&rig.settled().await, 2, &[]);
        let mut lengths: Vec<usize> = shadow.asked().iter().map(|asked| asked.body.len()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [1000, length]);
    });
}

#[test]
fn a_huge_answer_is_read_to_its_end() {
    on_a_shard(async {
        static HUGE: [u8; 40 << 20] = [b'x'; 40 << 20];
        let shadow =
            Http2Shadow::start(|_, mut reply| async move { answer(&mut reply, 200, &[], &HUGE) }).await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        rig.offer_stream(3, ASK);
        assert_counts(&rig.settled().await, 2, &[]);
    });
}

#[test]
fn an_answer_beyond_the_limit_is_a_bad_response() {
    on_a_shard(async {
        let shadow =
            Http2Shadow::start(|_, mut reply| async move { answer(&mut reply, 200, &[], &[0; 5000]) }).await;
        let rig = Rig::with(shadow.port, |settings| settings.max_response = 4999);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 0, &[(DropReason::BadResponse, 1)]);
    });
}

#[test]
fn answers_of_a_head_alone_are_answers() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|_, mut reply| async move {
            answer(&mut reply, 200, &[("grpc-status", "5")], b"");
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, &post("content-type: application/grpc\r\nte: trailers\r\n", ""));
        rig.offer_stream(3, "HEAD /a HTTP/2.0\r\nhost: a\r\n\r\n");
        assert_counts(&rig.settled().await, 2, &[]);
    });
}

#[test]
fn interim_answers_are_passed_over() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|_, mut reply| async move {
            for _ in 0..3 {
                let early = Response::builder().status(103).body(()).unwrap();
                let _ = reply.send_informational(early);
            }
            ok(&mut reply);
        })
        .await;
        let rig = Rig::new(shadow.port);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 1, &[]);
    });
}

#[test]
fn an_answer_before_the_whole_request_ends_the_exchange() {
    on_a_shard(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = ::h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_body, mut reply))) = server.accept().await {
                answer(&mut reply, 413, &[], b"");
            }
        });
        let rig = Rig::new(port);
        let body = "x".repeat(200_000);
        rig.offer_stream(1, &post("content-length: 200000\r\n", &body));
        rig.offer_stream(3, ASK);
        assert_counts(&rig.settled().await, 2, &[]);
    });
}

#[test]
fn redirects_are_followed_by_http2() {
    on_a_shard(async {
        let shadow = Http2Shadow::start(|asked, mut reply| async move {
            if asked.path().ends_with("/a") {
                answer(&mut reply, 302, &[("location", "/b")], b"");
            } else {
                ok(&mut reply);
            }
        })
        .await;
        let rig = Rig::with(shadow.port, |settings| settings.redirects = 1);
        rig.offer_stream(1, ASK);
        assert_counts(&rig.settled().await, 1, &[]);
        assert_eq!(shadow.asked().len(), 2);
        assert!(shadow.asked()[1].path().ends_with("/b"));
    });
}

#[test]
fn pieces_of_a_body_go_with_productions_spacing() {
    on_a_shard(async {
        let times: Rc<RefCell<Vec<tokio::time::Instant>>> = Rc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let noted = Rc::clone(&times);
        spawn_local(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut server = ::h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut reply))) = server.accept().await {
                let noted = Rc::clone(&noted);
                spawn_local(async move {
                    let mut body = request.into_body();
                    while body.data().await.is_some() {
                        noted.borrow_mut().push(tokio::time::Instant::now());
                    }
                    ok(&mut reply);
                });
            }
        });
        let body = "1\r\na\r\n1\r\nb\r\n0\r\n\r\n";
        let exchange = on_stream(
            40_000,
            1,
            &post(
                "content-type: application/grpc\r\ntransfer-encoding: chunked\r\n",
                body,
            ),
        );
        let mut exchange = Rc::into_inner(exchange).unwrap();
        let request = Rc::get_mut(&mut exchange.request).unwrap();
        let piece = |end, ms: u64| crate::http::Piece {
            end,
            time: crate::time::Timestamp(ms * 1_000_000),
        };
        request.pieces = Some([piece(6, 0), piece(17, 250)].into());
        request.last_byte = crate::time::Timestamp(250_000_000);
        let rig = Rig::new(port);
        rig.offer_exchange(&Rc::new(exchange));
        assert_counts(&rig.settled().await, 1, &[]);
        let times = times.borrow();
        assert!(times[1] - times[0] >= Duration::from_millis(240), "{times:?}");
    });
}
