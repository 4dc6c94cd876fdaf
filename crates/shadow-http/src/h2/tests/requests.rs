//! Requests, and the text they become.

use super::*;

#[test]
fn a_request_becomes_text_with_its_fields_in_their_order() {
    let mut feed = Feed::new();
    let fields = [("user-agent", "x"), ("accept", "*/*"), ("te", "trailers")];
    feed.client(&frame(HEADERS, ALONE, 1, &head("GET", "/a?b", &fields)));
    assert_eq!(feed.told(), ["started 1", "complete 1 /a?b"]);
    let head = "GET /a?b HTTP/2.0\r\nhost: a\r\nuser-agent: x\r\naccept: */*\r\nte: trailers\r\n\r\n";
    assert_eq!(feed.request(), (head.to_owned(), String::new()));
    let request = &feed.requests[0];
    assert_eq!((request.framing, request.pieces.is_none()), (Framing::None, true));
}

#[test]
fn a_body_with_its_length_stays_as_it_is() {
    let mut feed = Feed::new();
    let post = head("POST", "/", &[("content-length", "5")]);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &post));
    feed.client(&frame(DATA, 0, 1, b"he"));
    feed.client(&frame(DATA, 0, 1, b""));
    feed.client(&frame(DATA, END_STREAM, 1, b"llo"));
    assert_eq!(feed.told(), ["started 1", "complete 1 /"]);
    let head = "POST / HTTP/2.0\r\nhost: a\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(feed.request(), (head.to_owned(), "hello".to_owned()));
    assert_eq!(feed.requests[0].framing, Framing::Length(5));
}

#[test]
fn a_body_without_its_length_is_chunked_as_its_frames_are() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, b"hello"));
    feed.client(&frame(DATA, 0, 1, b""));
    feed.client(&frame(DATA, 0, 1, &[b'x'; 17]));
    feed.client(&frame(DATA, END_STREAM, 1, b""));
    assert_eq!(feed.told(), ["started 1", "complete 1 /"]);
    let head = "POST / HTTP/2.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = "5\r\nhello\r\n11\r\nxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n";
    assert_eq!(feed.request(), (head.to_owned(), body.to_owned()));
}

#[test]
fn trailers_stand_behind_the_chunks() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, b"hi"));
    feed.client(&frame(HEADERS, ALONE, 1, &block(&[("x-sum", "1"), ("y", "")])));
    assert_eq!(feed.told(), ["started 1", "complete 1 /"]);
    assert_eq!(feed.request().1, "2\r\nhi\r\n0\r\nx-sum: 1\r\ny: \r\n\r\n");
}

#[test]
fn trailers_that_a_chunked_body_cannot_have_are_malformed() {
    for field in [
        ("x", "a\x01b"),
        ("x(y)", "a"),
        (":path", "/"),
        ("X", "y"),
        ("x", "a\r\nb: c"),
    ] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
        feed.client(&frame(HEADERS, ALONE, 1, &block(&[field])));
        assert_eq!(feed.told(), ["started 1", "rejected 1 malformed"], "{field:?}");
    }
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")])));
    assert_eq!(feed.told(), ["started 1", "rejected 1 malformed"]);
}

#[test]
fn with_trailers_a_length_is_left_out() {
    let mut feed = Feed::new();
    let post = head("POST", "/", &[("content-length", "4"), ("x", "y")]);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &post));
    feed.client(&frame(DATA, 0, 1, b"he"));
    feed.client(&frame(DATA, 0, 1, b"re"));
    feed.client(&frame(HEADERS, ALONE, 1, &block(&[("z", "1")])));
    let head = "POST / HTTP/2.0\r\nhost: a\r\nx: y\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = "4\r\nhere\r\n0\r\nz: 1\r\n\r\n";
    assert_eq!(feed.request(), (head.to_owned(), body.to_owned()));
}

#[test]
fn crumbs_of_a_cookie_are_one_field_where_the_first_stands() {
    let mut feed = Feed::new();
    let fields = [
        ("cookie", "a=1"),
        ("x", "y"),
        ("cookie", "b=2"),
        ("cookie", "c=3"),
    ];
    feed.client(&frame(HEADERS, ALONE, 1, &head("GET", "/", &fields)));
    let text = "GET / HTTP/2.0\r\nhost: a\r\ncookie: a=1; b=2; c=3\r\nx: y\r\n\r\n";
    assert_eq!(feed.request().0, text);
    assert_eq!(feed.requests[0].header("cookie"), Some(&b"a=1; b=2; c=3"[..]));
    let fields = [("cookie", ""), ("cookie", "b=2"), ("cookie", "")];
    feed.client(&frame(HEADERS, ALONE, 3, &head("GET", "/", &fields)));
    assert_eq!(
        feed.request().0,
        "GET / HTTP/2.0\r\nhost: a\r\ncookie: b=2\r\n\r\n"
    );
}

#[test]
fn host_is_what_authority_says_or_stays_where_it_is() {
    let mut feed = Feed::new();
    feed.client(&frame(
        HEADERS,
        ALONE,
        1,
        &head("GET", "/", &[("x", "y"), ("host", "A")]),
    ));
    assert_eq!(feed.request().0, "GET / HTTP/2.0\r\nhost: a\r\nx: y\r\n\r\n");
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    let alone = block(&[&pseudo[..], &[("x", "y"), ("host", "b")]].concat());
    feed.client(&frame(HEADERS, ALONE, 3, &alone));
    assert_eq!(feed.request().0, "GET / HTTP/2.0\r\nx: y\r\nhost: b\r\n\r\n");
    feed.told();
    feed.client(&frame(HEADERS, ALONE, 5, &head("GET", "/", &[("host", "other")])));
    assert_eq!(feed.told(), ["started 5", "rejected 5 malformed"]);
}

#[test]
fn what_could_not_be_a_line_makes_a_request_malformed() {
    for field in [
        ("Upper", "a"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("a b", "c"),
        ("a:b", "c"),
        ("", "c"),
        ("x", "a\r\nb: c"),
        ("x", "a\nb"),
        ("x", "a\0"),
        ("x", " a"),
        ("x", "a\t"),
        (":path", "/b"),
        (":status", "200"),
        (":other", "x"),
        ("content-length", "1"),
        ("content-length", "x"),
        ("cookie", "a\rb"),
    ] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, ALONE, 1, &head("GET", "/", &[("a", "b"), field])));
        feed.client(&get(3, "/next"));
        let told = [
            "started 1",
            "rejected 1 malformed",
            "started 3",
            "complete 3 /next",
        ];
        assert_eq!(feed.told(), told, "{field:?}");
    }
}

#[test]
fn pseudo_fields_are_needed_once_each_and_in_front() {
    let method = (":method", "GET");
    let scheme = (":scheme", "http");
    let path = (":path", "/");
    for fields in [
        &[scheme, path][..],
        &[method, path],
        &[method, scheme],
        &[method, scheme, path, path],
        &[method, scheme, ("a", "b"), path],
        &[method, scheme, (":path", "")],
        &[method, scheme, (":path", "a")],
        &[method, scheme, (":path", "*")],
        &[method, scheme, (":path", "/a b")],
        &[method, scheme, (":path", "/a\r\nx: y")],
        &[(":method", "G T"), scheme, path],
        &[(":method", ""), scheme, path],
        &[],
    ] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, ALONE, 1, &block(fields)));
        assert_eq!(feed.told(), ["started 1", "rejected 1 malformed"], "{fields:?}");
    }
}

#[test]
fn connect_asks_to_leave_http() {
    let mut feed = Feed::new();
    let plain = block(&[(":method", "CONNECT"), (":authority", "a:443")]);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &plain));
    feed.client(&frame(DATA, 0, 1, b"anything"));
    let extended = head("CONNECT", "/chat", &[]);
    let extended = [block(&[(":protocol", "websocket")]), extended].concat();
    feed.client(&frame(HEADERS, END_HEADERS, 3, &extended));
    feed.client(&get(5, "/"));
    let told = [
        "started 1",
        "rejected 1 upgrade",
        "started 3",
        "rejected 3 upgrade",
        "started 5",
        "complete 5 /",
    ];
    assert_eq!(feed.told(), told);
}

#[test]
fn a_length_that_does_not_agree_is_malformed() {
    let post = head("POST", "/", &[("content-length", "3")]);
    for data in ["ab", "abcd"] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, END_HEADERS, 1, &post));
        feed.client(&frame(DATA, END_STREAM, 1, data.as_bytes()));
        assert_eq!(feed.told(), ["started 1", "rejected 1 malformed"]);
    }
}

#[test]
fn padding_priority_and_continuation_leave_no_trace() {
    let mut feed = Feed::new();
    let block = head("POST", "/", &[("content-length", "2")]);
    let (first, rest) = block.split_at(7);
    let first = [&[3, 0, 0, 0, 0, 9], first, &[0; 3]].concat();
    feed.client(&frame(HEADERS, PADDED | WITH_PRIORITY, 1, &first));
    feed.client(&frame(CONTINUATION, 0, 1, &rest[..4]));
    feed.client(&frame(CONTINUATION, 0, 1, &[]));
    feed.client(&frame(CONTINUATION, END_HEADERS, 1, &rest[4..]));
    feed.client(&frame(DATA, PADDED, 1, &[2, b'h', 0, 0]));
    feed.client(&frame(DATA, PADDED | END_STREAM, 1, &[1, b'i', 0]));
    assert_eq!(feed.told(), ["started 1", "complete 1 /"]);
    assert_eq!(feed.request().1, "hi");
}

#[test]
fn frames_that_say_nothing_of_requests_are_passed_over() {
    let mut feed = Feed::new();
    feed.client(&frame(SETTINGS, 1, 0, &[]));
    feed.client(&frame(
        SETTINGS,
        0,
        0,
        &[0, 1, 0, 0, 0x10, 0, 0, 4, 0, 0, 0xff, 0xff],
    ));
    feed.client(&frame(PING, 0, 0, &[7; 8]));
    feed.client(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]));
    feed.client(&frame(PRIORITY, 0, 7, &[0; 5]));
    feed.client(&frame(0x10, 0xff, 0, b"u=1, i"));
    feed.client(&frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0, b'b', b'y', b'e']));
    assert_eq!(feed.told(), <[&str; 0]>::default());
    feed.client(&get(1, "/"));
    assert_eq!(feed.told(), ["started 1", "complete 1 /"]);
}

#[test]
fn a_hundred_streams_are_read_at_once() {
    let mut feed = Feed::new();
    let post = head("POST", "/", &[]);
    let ids = || (0..100).map(|n| 2 * n + 1);
    for id in ids() {
        feed.client(&frame(HEADERS, END_HEADERS, id, &post));
    }
    for id in ids().rev() {
        feed.client(&frame(DATA, 0, id, id.to_string().as_bytes()));
    }
    for id in ids() {
        feed.client(&frame(DATA, END_STREAM, id, b"."));
    }
    assert_eq!(feed.requests.len(), 100);
    let mut bodies = feed.requests.iter().map(|request| text(&request.body));
    assert!(ids().all(|id| {
        let digits = id.to_string();
        bodies.next() == Some(format!("{}\r\n{digits}\r\n1\r\n.\r\n0\r\n\r\n", digits.len()))
    }));
}

#[test]
fn moments_of_a_grpc_call_are_kept() {
    let mut feed = Feed::new();
    let call = head("POST", "/p.S/M", &[("content-type", "application/grpc+proto")]);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &call));
    for (time, data) in [(5, "abc"), (5, "d"), (9, "e")] {
        feed.time = time;
        feed.client(&frame(DATA, 0, 1, data.as_bytes()));
    }
    feed.client(&frame(DATA, END_STREAM, 1, b""));
    let pieces = feed.requests[0].pieces.as_ref().unwrap();
    let pieces: Vec<_> = pieces.iter().map(|piece| (piece.end, piece.time.0)).collect();
    assert_eq!(pieces, [(14, 5), (20, 9)]);
    assert_eq!(&feed.request().1[..20], "3\r\nabc\r\n1\r\nd\r\n1\r\ne\r\n");
}

#[test]
fn a_reset_by_the_client_inside_a_request_rejects_it() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, b"abc"));
    assert!(feed.connection.holds());
    feed.client(&reset(1, 8));
    feed.client(&frame(DATA, END_STREAM, 1, b"def"));
    assert_eq!(feed.told(), ["started 1", "rejected 1 h2_reset"]);
    assert_eq!((feed.connection.holds(), feed.budget.used()), (false, 0));
}

#[test]
fn what_is_there_of_a_request_is_handed_on_where_that_is_asked_for() {
    let connection = Connection::new(LIMITS, false, Join::Preface).with_incomplete();
    let mut feed = Feed::of(connection);
    feed.client(&greeting());
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, b"abc"));
    feed.client(&reset(1, 8));
    assert_eq!(feed.told(), ["started 1", "incomplete 1 h2_reset"]);
    let cut = feed.requests[0].cut_short(Reject::H2Reset).unwrap();
    assert_eq!(
        (&cut.body[..], cut.header("content-length")),
        (&b"abc"[..], Some(&b"3"[..]))
    );
    assert_eq!(cut.header("x-shadow-incomplete"), Some(&b"h2_reset"[..]));
}

#[test]
fn what_ends_inside_requests_rejects_them() {
    for (close, word) in [
        (Close::Finished, "truncated"),
        (Close::Reset, "reset"),
        (Close::Shutdown, "shutdown"),
    ] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
        feed.client(&frame(HEADERS, 0, 3, &head("GET", "/", &[])));
        feed.end(Direction::Request, close);
        feed.end(Direction::Request, close);
        let told = [
            "started 1".to_owned(),
            "started 3".to_owned(),
            format!("rejected 3 {word}"),
            format!("rejected 1 {word}"),
        ];
        assert_eq!(feed.told(), told);
        assert_eq!(feed.budget.used(), 0);
    }
}

#[test]
fn what_stalls_is_freed_and_what_follows_is_read() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, b"abc"));
    let block = head("GET", "/", &[]);
    feed.client(&frame(HEADERS, END_STREAM, 3, &block[..9]));
    feed.stalled(Stall::Memory);
    assert_eq!((feed.budget.used(), feed.connection.streams.hold()), (0, false));
    feed.client(&frame(CONTINUATION, END_HEADERS, 3, &block[9..]));
    feed.client(&frame(DATA, END_STREAM, 1, b"def"));
    feed.client(&get(5, "/5"));
    let told = [
        "started 1",
        "started 3",
        "rejected 3 memory",
        "rejected 1 memory",
        "started 5",
        "complete 5 /5",
    ];
    assert_eq!(feed.told(), told);
}

#[test]
fn what_breaks_the_protocol_ends_the_direction() {
    let headers = |id: u32| frame(HEADERS, 0, id, &head("GET", "/", &[]));
    for broken in [
        frame(HEADERS, ALONE, 0, &head("GET", "/", &[])),
        frame(HEADERS, ALONE, 2, &head("GET", "/", &[])),
        frame(CONTINUATION, END_HEADERS, 1, &[]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]),
        frame(PING, 0, 0, &[0; 7]),
        frame(RST_STREAM, 0, 1, &[0; 5]),
        frame(DATA, PADDED, 1, &[5, 0]),
        frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]),
        [headers(3), frame(PING, 0, 0, &[0; 8])].concat(),
        [headers(3), frame(CONTINUATION, 0, 5, &[])].concat(),
        frame(HEADERS, ALONE, 3, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let mut feed = Feed::new();
        feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
        feed.client(&broken);
        feed.client(&get(9, "/"));
        let told = feed.told();
        let count = |line: &str| told.iter().filter(|told| *told == line).count();
        assert_eq!(
            (count("rejected 1 malformed"), count("recognised NotHttp")),
            (1, 1),
            "{told:?}"
        );
        assert_eq!((count("started 9"), feed.budget.used()), (0, 0));
    }
}

#[test]
fn other_bytes_than_the_preface_are_not_http_2() {
    let mut feed = Feed::of(Connection::new(LIMITS, true, Join::Preface));
    feed.client(b"PRI * HTTP/2.0\r\n\r\nXX");
    assert_eq!(feed.told(), ["recognised NotHttp", "skipped 20 NotHttp"]);
}

#[test]
fn an_upgraded_connection_answers_the_request_before_it() {
    let join = Join::Upgraded(RequestKind::Other);
    let mut feed = Feed::of(Connection::new(LIMITS, true, join));
    feed.client(&greeting());
    feed.server(&frame(SETTINGS, 0, 0, &[]));
    feed.server(&answer(1, END_STREAM, &[(":status", "204")]));
    feed.client(&get(3, "/3"));
    assert_eq!(feed.told(), ["answered 1 204", "started 3", "complete 3 /3"]);
}
