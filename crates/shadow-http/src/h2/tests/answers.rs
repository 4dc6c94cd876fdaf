//! Answers, and what tells that there is none.

use super::*;

#[test]
fn an_answer_becomes_text_and_belongs_to_its_stream() {
    let mut feed = Feed::new();
    feed.client(&[get(1, "/1"), get(3, "/3")].concat());
    feed.server(&answer(
        3,
        0,
        &[(":status", "200"), ("content-length", "2"), ("x", "y")],
    ));
    feed.server(&answer(1, END_STREAM, &[(":status", "404")]));
    feed.server(&frame(DATA, END_STREAM, 3, b"hi"));
    let told = [
        "started 1",
        "complete 1 /1",
        "started 3",
        "complete 3 /3",
        "answered 1 404",
        "answered 3 200",
    ];
    assert_eq!(feed.told(), told);
    let head = "HTTP/2.0 200 \r\ncontent-length: 2\r\nx: y\r\n\r\n";
    assert_eq!(feed.response(), (head.to_owned(), "hi".to_owned()));
    assert_eq!(feed.responses[1].framing, Framing::Length(2));
    assert_eq!(text(&feed.responses[0].head), "HTTP/2.0 404 \r\n\r\n");
    assert!(crate::head_fields(head.as_bytes()).is_some());
}

#[test]
fn trailers_of_an_answer_are_kept() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    feed.server(&answer(
        1,
        0,
        &[(":status", "200"), ("content-type", "application/grpc")],
    ));
    feed.server(&frame(DATA, 0, 1, b"abc"));
    feed.server(&answer(1, END_STREAM, &[("grpc-status", "0")]));
    let head = "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(
        feed.response(),
        (
            head.to_owned(),
            "3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n".to_owned()
        )
    );
}

#[test]
fn interim_answers_are_passed_over() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    feed.server(&answer(1, 0, &[(":status", "103"), ("link", "x")]));
    feed.server(&answer(1, 0, &[(":status", "100")]));
    feed.server(&answer(1, END_STREAM, &[(":status", "200")]));
    assert_eq!(feed.told()[2..], ["answered 1 200"]);
    for broken in [
        answer(3, END_STREAM, &[(":status", "100")]),
        answer(3, 0, &[(":status", "101")]),
    ] {
        let mut feed = Feed::new();
        feed.client(&get(3, "/"));
        feed.server(&broken);
        assert_eq!(feed.told()[2..], ["lost 3 malformed"]);
    }
}

#[test]
fn an_answer_to_head_has_no_body_whatever_its_fields_say() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, ALONE, 1, &head("HEAD", "/", &[])));
    feed.server(&answer(
        1,
        END_STREAM,
        &[(":status", "200"), ("content-length", "5")],
    ));
    assert_eq!(feed.told()[2..], ["answered 1 200"]);
    assert_eq!(feed.responses[0].framing, Framing::None);
    feed.client(&frame(HEADERS, ALONE, 3, &head("HEAD", "/", &[])));
    feed.server(&answer(3, 0, &[(":status", "200")]));
    feed.server(&frame(DATA, END_STREAM, 3, b""));
    assert_eq!(feed.told()[2..], ["answered 3 200"]);
}

#[test]
fn an_early_answer_waits_for_its_request() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.server(&answer(1, END_STREAM, &[(":status", "413")]));
    assert_eq!(feed.told(), ["started 1"]);
    feed.client(&frame(DATA, END_STREAM, 1, b"x"));
    assert_eq!(feed.told(), ["complete 1 /", "answered 1 413"]);
}

#[test]
fn an_answer_that_comes_before_its_request_waits_too() {
    let mut feed = Feed::new();
    feed.server(&answer(1, 0, &[(":status", "200")]));
    feed.server(&frame(DATA, END_STREAM, 1, b"x"));
    feed.server(&answer(3, 0, &[(":status", "200")]));
    feed.client(&[get(1, "/1"), get(3, "/3")].concat());
    feed.server(&frame(DATA, END_STREAM, 3, b"y"));
    let told = [
        "started 1",
        "complete 1 /1",
        "answered 1 200",
        "started 3",
        "complete 3 /3",
        "answered 3 200",
    ];
    assert_eq!(feed.told(), told);
}

#[test]
fn streams_that_were_not_processed_are_told() {
    let mut feed = Feed::new();
    feed.client(&[get(1, "/"), get(3, "/"), get(5, "/"), get(7, "/")].concat());
    feed.told();
    feed.server(&goaway(0x7fff_ffff));
    feed.server(&reset(1, 7));
    feed.server(&goaway(3));
    feed.client(&get(9, "/"));
    feed.server(&answer(3, END_STREAM, &[(":status", "200")]));
    let told = [
        "unprocessed 1",
        "unprocessed 5",
        "unprocessed 7",
        "started 9",
        "complete 9 /",
        "unprocessed 9",
        "answered 3 200",
    ];
    assert_eq!(feed.told(), told);
}

#[test]
fn resets_of_either_side_lose_the_answer() {
    let mut feed = Feed::new();
    feed.client(&[get(1, "/"), get(3, "/")].concat());
    feed.server(&answer(1, 0, &[(":status", "200")]));
    feed.told();
    feed.server(&reset(1, 2));
    feed.client(&reset(3, 8));
    assert_eq!(feed.told(), ["lost 1 h2_reset", "lost 3 h2_reset"]);
    assert_eq!(
        feed.budget.used(),
        feed.requests.iter().map(|one| one.charge.bytes()).sum::<usize>()
    );
}

#[test]
fn a_server_that_has_answered_may_break_the_request_off() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.server(&answer(1, END_STREAM, &[(":status", "413")]));
    feed.server(&reset(1, 0));
    assert_eq!(feed.told(), ["started 1", "rejected 1 h2_reset"]);
}

#[test]
fn pushed_streams_are_counted_and_passed_over() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    let promise = [&[0, 0, 0, 2][..], &head("GET", "/pushed", &[])].concat();
    feed.server(&frame(PUSH_PROMISE, END_HEADERS, 1, &promise));
    feed.server(&answer(2, 0, &[(":status", "200")]));
    feed.server(&frame(DATA, END_STREAM, 2, b"pushed"));
    feed.server(&answer(1, END_STREAM, &[(":status", "200")]));
    assert_eq!(feed.told()[2..], ["pushed 2", "answered 1 200"]);
}

#[test]
fn fields_of_a_promise_fill_the_table_of_later_answers() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    // `x: y` is inserted by the promise, and referred to by the answer.
    let promise = [&[0, 0, 0, 2, 0x82, 0x86, 0x84, 0x40, 1, b'x', 1, b'y'][..]].concat();
    feed.server(&frame(PUSH_PROMISE, END_HEADERS, 1, &promise));
    feed.server(&frame(HEADERS, ALONE, 1, &[0x88, 0xbe]));
    assert_eq!(feed.response().0, "HTTP/2.0 200 \r\nx: y\r\n\r\n");
}

#[test]
fn half_closed_connections_are_read_on() {
    let mut feed = Feed::new();
    feed.client(&[get(1, "/"), get(3, "/")].concat());
    feed.end(Direction::Request, Close::Finished);
    feed.server(&answer(1, END_STREAM, &[(":status", "200")]));
    feed.end(Direction::Response, Close::Finished);
    assert_eq!(feed.told()[4..], ["answered 1 200", "lost 3 truncated"]);
}

#[test]
fn malformed_answers_are_lost_alone() {
    for broken in [
        answer(1, END_STREAM, &[]),
        answer(1, END_STREAM, &[(":status", "20")]),
        answer(1, END_STREAM, &[(":status", "200"), ("connection", "close")]),
        answer(1, END_STREAM, &[(":status", "200"), ("content-length", "1")]),
        frame(DATA, END_STREAM, 1, b"x"),
    ] {
        let mut feed = Feed::new();
        feed.client(&[get(1, "/"), get(3, "/")].concat());
        feed.server(&broken);
        feed.server(&answer(3, END_STREAM, &[(":status", "200")]));
        assert_eq!(feed.told()[4..], ["lost 1 malformed", "answered 3 200"]);
    }
}

#[test]
fn without_answers_only_what_was_not_processed_is_told() {
    let mut feed = Feed::of(Connection::new(LIMITS, false, Join::Preface));
    feed.client(&greeting());
    feed.server(&frame(SETTINGS, 0, 0, &[]));
    feed.client(&[get(1, "/"), get(3, "/"), get(5, "/")].concat());
    feed.told();
    feed.server(&answer(1, END_STREAM, &[(":status", "200")]));
    feed.server(&reset(3, 7));
    feed.client(&frame(HEADERS, END_HEADERS, 7, &head("POST", "/", &[])));
    feed.server(&answer(7, END_STREAM, &[(":status", "200")]));
    feed.client(&frame(DATA, END_STREAM, 7, b""));
    feed.server(&goaway(1));
    let told = ["unprocessed 3", "started 7", "complete 7 /", "unprocessed 5"];
    assert_eq!(feed.told(), told);
    feed.end(Direction::Response, Close::Finished);
    assert_eq!(feed.told(), <[&str; 0]>::default());
}
