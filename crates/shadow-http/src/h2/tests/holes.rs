//! Bytes that were lost.

use super::*;

use Direction::{Request, Response};

/// A request that inserts `x: <n>` as the newest entry of the table, and one that refers to it.
fn inserting(stream: u32, value: u8) -> Vec<u8> {
    frame(
        HEADERS,
        ALONE,
        stream,
        &[0x82, 0x86, 0x84, 0x40, 1, b'x', 1, value],
    )
}

fn referring(stream: u32) -> Vec<u8> {
    frame(HEADERS, ALONE, stream, &[0x82, 0x86, 0x84, 0xbe])
}

#[test]
fn a_hole_in_data_costs_its_stream_alone() {
    let mut feed = Feed::new();
    feed.client(&inserting(1, b'1'));
    feed.client(&frame(HEADERS, END_HEADERS, 3, &head("POST", "/3", &[])));
    feed.client(&frame(HEADERS, END_HEADERS, 5, &head("POST", "/5", &[])));
    let data = frame(DATA, END_STREAM, 3, &[b'x'; 100]);
    feed.client(&data[..50]);
    feed.gap(Request, 40);
    feed.client(&data[90..]);
    feed.client(&frame(DATA, END_STREAM, 5, b"y"));
    feed.client(&referring(7));
    let told = [
        "started 3",
        "started 5",
        "rejected 3 h2_gap",
        "complete 5 /5",
        "started 7",
        "complete 7 /",
    ];
    assert_eq!(feed.told()[2..], told);
    assert_eq!(feed.requests[2].header("x"), Some(&b"1"[..]));
}

#[test]
fn a_hole_up_to_the_end_of_a_frame_is_one_in_it() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    let data = frame(DATA, END_STREAM, 1, &[b'x'; 100]);
    feed.client(&data[..20]);
    feed.gap(Request, 89);
    feed.client(&get(3, "/3"));
    assert_eq!(
        feed.told(),
        ["started 1", "rejected 1 h2_gap", "started 3", "complete 3 /3"]
    );
}

#[test]
fn a_hole_in_padding_costs_nothing() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    let data = frame(
        DATA,
        PADDED | END_STREAM,
        1,
        &[[50, b'x'].as_slice(), &[0; 50]].concat(),
    );
    feed.client(&data[..20]);
    feed.gap(Request, 41);
    feed.client(&get(3, "/3"));
    assert_eq!(
        feed.told(),
        ["started 1", "complete 1 /", "started 3", "complete 3 /3"]
    );
}

#[test]
fn a_hole_in_a_header_block_costs_its_stream_and_the_table() {
    let mut feed = Feed::new();
    feed.client(&inserting(1, b'1'));
    let lost = inserting(3, b'3');
    feed.client(&lost[..12]);
    feed.gap(Request, 3);
    feed.client(&lost[15..]);
    feed.client(&referring(5));
    feed.client(&inserting(7, b'7'));
    feed.client(&referring(9));
    let told = [
        "started 3",
        "rejected 3 h2_gap",
        "started 5",
        "rejected 5 h2_table_unknown",
        "started 7",
        "complete 7 /",
        "started 9",
        "complete 9 /",
    ];
    assert_eq!(feed.told()[2..], told);
    assert_eq!(feed.requests[2].header("x"), Some(&b"7"[..]));
}

#[test]
fn a_hole_over_frame_headers_costs_the_open_streams() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/1", &[])));
    feed.client(&frame(DATA, 0, 1, b"abc")[..5]);
    feed.gap(Request, 1000);
    let rest = [&b"some bytes of some frame"[..], &get(5, "/5"), &get(7, "/7")].concat();
    feed.client(&rest);
    let told = [
        "started 1",
        "rejected 1 h2_gap",
        "skipped 24 AfterGap",
        "started 5",
        "complete 5 /5",
        "started 7",
        "complete 7 /7",
    ];
    assert_eq!(feed.told(), told);
}

#[test]
fn a_place_is_proved_across_chunks_cut_anywhere() {
    let rest = [
        &b"some bytes of some frame"[..],
        &frame(PING, 0, 0, &[0; 8]),
        &get(5, "/5"),
        &get(7, "/7"),
        &get(9, "/9"),
    ]
    .concat();
    for piece in 1..60 {
        let mut feed = Feed::new();
        feed.client(&get(1, "/"));
        feed.gap(Request, 1000);
        feed.told();
        rest.chunks(piece).for_each(|chunk| feed.client(chunk));
        let told = feed.told();
        let started = told.iter().filter(|line| line.starts_with("started")).count();
        assert!(
            started >= 1 && told.ends_with(&["started 9".into(), "complete 9 /9".into()]),
            "{piece}: {told:?}"
        );
    }
}

#[test]
fn requests_seen_while_a_place_is_not_proved_are_counted() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    feed.gap(Request, 1000);
    feed.told();
    for id in [5, 7, 9] {
        feed.client(&get(id, "/"));
    }
    let told = [
        "skipped 59 AfterGap",
        "started 5",
        "rejected 5 h2_gap",
        "started 7",
        "complete 7 /",
    ];
    assert_eq!(feed.told()[..5], told);
}

#[test]
fn bytes_that_look_like_a_frame_once_prove_nothing() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    feed.gap(Request, 1000);
    feed.told();
    feed.client(&[get(3, "/forged"), b"no frame here".to_vec()].concat());
    feed.client(&[0; 5000]);
    let told = feed.told();
    assert!(told.iter().all(|line| line.starts_with("skipped")), "{told:?}");
}

#[test]
fn a_wrong_place_is_left_again() {
    let mut feed = Feed::new();
    feed.client(&get(1, "/"));
    feed.gap(Request, 1000);
    feed.told();
    feed.client(
        &[
            get(5, "/5"),
            get(7, "/7"),
            b"not a frame at all, and more".to_vec(),
        ]
        .concat(),
    );
    feed.client(&[get(9, "/9"), get(11, "/11")].concat());
    let told = feed.told();
    assert!(
        told.ends_with(&["started 11".into(), "complete 11 /11".into()]),
        "{told:?}"
    );
}

#[test]
fn a_hole_in_the_servers_bytes_costs_its_answers() {
    let mut feed = Feed::new();
    feed.client(&[get(1, "/"), get(3, "/")].concat());
    feed.server(&answer(1, 0, &[(":status", "200")]));
    feed.told();
    let data = frame(DATA, END_STREAM, 1, &[0; 100]);
    feed.server(&data[..20]);
    feed.gap(Response, 89);
    assert_eq!(feed.told(), ["lost 1 h2_gap"]);
    feed.gap(Response, 500);
    assert_eq!(feed.told(), ["lost 3 h2_gap"]);
    feed.client(&[get(5, "/"), get(7, "/")].concat());
    feed.told();
    let ok = [(":status", "200")];
    feed.server(&[answer(5, END_STREAM, &ok), answer(7, END_STREAM, &ok)].concat());
    assert_eq!(feed.told(), ["answered 5 200", "answered 7 200"]);
}

#[test]
fn a_hole_of_unknown_length_loses_the_place() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, &[0; 100])[..50]);
    feed.gap(Request, crate::UNKNOWN_LENGTH);
    assert_eq!(feed.told(), ["started 1", "rejected 1 h2_gap"]);
    assert!(!feed.connection.holds());
}
