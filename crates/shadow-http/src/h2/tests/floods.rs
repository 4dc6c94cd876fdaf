//! Floods: frames by which a peer would make somebody keep or do more than they cost itself.

use super::super::limits::{MAX_BLOCK, MAX_BLOCK_FRAMES, MAX_STREAMS, RESETS_AT_ONCE};
use super::*;

#[test]
fn streams_beyond_the_limit_are_rejected_and_the_others_go_on() {
    let mut feed = Feed::new();
    feed.budget = MemoryBudget::new(1 << 24);
    let post = head("POST", "/", &[]);
    let last = 2 * MAX_STREAMS as u32 + 1;
    for id in (1..=last).step_by(2) {
        feed.client(&frame(HEADERS, END_HEADERS, id, &post));
    }
    assert_eq!(feed.told().last(), Some(&format!("rejected {last} h2_flood")));
    feed.client(&frame(DATA, END_STREAM, 1, b""));
    assert_eq!(feed.told(), ["complete 1 /"]);
}

#[test]
fn answers_that_never_come_make_room_for_new_streams() {
    let mut feed = Feed::of(Connection::new(LIMITS, false, Join::Preface));
    feed.client(&greeting());
    feed.server(&frame(SETTINGS, 0, 0, &[]));
    let last = 2 * MAX_STREAMS as u32 + 9;
    for id in (1..last).step_by(2) {
        feed.client(&get(id, "/"));
        feed.requests.clear();
    }
    feed.told();
    feed.client(&frame(HEADERS, END_HEADERS, last, &head("POST", "/", &[])));
    feed.client(&frame(DATA, END_STREAM, last, b""));
    assert_eq!(
        feed.told(),
        [format!("started {last}"), format!("complete {last} /")]
    );
}

#[test]
fn a_rapid_reset_is_not_passed_on() {
    let mut feed = Feed::new();
    for n in 0..2 * RESETS_AT_ONCE as u32 {
        feed.client(&[get(2 * n + 1, "/"), reset(2 * n + 1, 8)].concat());
    }
    let read = feed.requests.len();
    assert!((1100..1300).contains(&read), "{read}");
    let told = feed.told();
    let rejected = told.iter().filter(|line| line.ends_with("h2_flood")).count();
    assert_eq!(rejected, 2 * RESETS_AT_ONCE as usize - read);
    feed.time += 1_000_000_000;
    feed.client(&get(1_000_001, "/"));
    assert_eq!(feed.told(), ["started 1000001", "complete 1000001 /"]);
}

#[test]
fn a_head_in_too_many_frames_is_rejected() {
    let mut feed = Feed::new();
    let block = head("GET", "/", &[]);
    feed.client(&frame(HEADERS, END_STREAM, 1, &block));
    for _ in 0..MAX_BLOCK_FRAMES {
        feed.client(&frame(CONTINUATION, 0, 1, &[]));
    }
    feed.client(&frame(CONTINUATION, END_HEADERS, 1, &[]));
    feed.client(&get(3, "/"));
    let told = ["started 1", "rejected 1 h2_flood", "started 3", "complete 3 /"];
    assert_eq!(feed.told(), told);
}

#[test]
fn a_head_that_is_too_long_is_not_kept() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_STREAM, 1, &head("GET", "/", &[])));
    for _ in 0..8 {
        feed.client(&frame(CONTINUATION, 0, 1, &vec![0x82; MAX_BLOCK / 8 + 1]));
    }
    assert_eq!(feed.budget.used(), 0);
    feed.client(&frame(CONTINUATION, END_HEADERS, 1, &[]));
    assert_eq!(feed.told(), ["started 1", "rejected 1 head_too_large"]);
}

#[test]
fn a_header_bomb_is_bounded_and_the_table_is_kept() {
    let mut feed = Feed::new();
    // A field of 4,000 bytes is inserted once, and referred to a thousand times.
    let value = "v".repeat(3000);
    let insert = [&[0x40, 1, b'x', 0x7f, 0xb9, 0x16], value.as_bytes()].concat();
    let bomb = [&[0x82, 0x86, 0x84][..], &insert, &[0xbe; 1000]].concat();
    feed.client(&frame(HEADERS, ALONE, 1, &bomb));
    feed.client(&frame(HEADERS, ALONE, 3, &[0x82, 0x86, 0x84, 0xbe]));
    let told = [
        "started 1",
        "rejected 1 head_too_large",
        "started 3",
        "complete 3 /",
    ];
    assert_eq!(feed.told(), told);
    assert_eq!(feed.request().0, format!("GET / HTTP/2.0\r\nx: {value}\r\n\r\n"));
}

#[test]
fn frames_that_carry_nothing_keep_nothing() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    let used = feed.budget.used();
    for _ in 0..10_000 {
        feed.client(&frame(DATA, 0, 1, b""));
        feed.client(&frame(DATA, PADDED, 1, &[3, 0, 0, 0]));
        feed.client(&frame(PING, 0, 0, &[0; 8]));
        feed.client(&frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]));
        feed.client(&frame(PRIORITY, 0, 1, &[0; 5]));
    }
    assert_eq!(feed.budget.used(), used);
    feed.client(&frame(DATA, END_STREAM, 1, b""));
    assert_eq!(feed.request().1, "0\r\n\r\n");
}

#[test]
fn bodies_beyond_the_limit_are_rejected_before_they_are_kept() {
    let mut feed = Feed::new();
    let post = head("POST", "/", &[("content-length", "200000")]);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &post));
    for _ in 0..20 {
        feed.client(&frame(DATA, 0, 1, &[0; 10_000]));
    }
    assert_eq!(feed.told(), ["started 1", "rejected 1 body_too_large"]);
    assert_eq!(feed.budget.used(), 0);
}

#[test]
fn what_the_budget_refuses_costs_one_stream() {
    let mut feed = Feed::new();
    feed.budget = MemoryBudget::new(4000);
    feed.client(&frame(HEADERS, END_HEADERS, 1, &head("POST", "/", &[])));
    feed.client(&frame(DATA, 0, 1, &[0; 3000]));
    feed.client(&get(3, "/"));
    let told = ["started 1", "rejected 1 memory", "started 3", "complete 3 /"];
    assert_eq!(feed.told(), told);
}

#[test]
fn heads_beyond_the_limits_are_rejected() {
    let mut feed = Feed::new();
    let long = "x".repeat(9000);
    feed.client(&frame(HEADERS, ALONE, 1, &head("GET", "/", &[("x", &long)])));
    let many = vec![("a", "b"); 70];
    feed.client(&frame(HEADERS, ALONE, 3, &head("GET", "/", &many)));
    let told = [
        "started 1",
        "rejected 1 head_too_large",
        "started 3",
        "rejected 3 head_too_large",
    ];
    assert_eq!(feed.told(), told);
}

/// A block that fills a table of 64 KiB.
fn table_filler() -> Vec<u8> {
    let value = "v".repeat(3000);
    let insert = [&[0x40, 1, b'x', 0x7f, 0xb9, 0x16], value.as_bytes()].concat();
    [
        &[0x3f, 0xe1, 0xff, 0x03, 0x82, 0x86, 0x84][..],
        &insert.repeat(15),
    ]
    .concat()
}

#[test]
fn tables_beyond_the_usual_are_charged() {
    let mut feed = Feed::new();
    feed.client(&frame(HEADERS, END_STREAM, 1, &table_filler()[..16_000]));
    feed.client(&frame(CONTINUATION, 0, 1, &table_filler()[16_000..32_000]));
    feed.client(&frame(CONTINUATION, END_HEADERS, 1, &table_filler()[32_000..]));
    assert_eq!(feed.told(), ["started 1", "rejected 1 head_too_large"]);
    let used = feed.budget.used();
    assert!((40_000..140_000).contains(&used), "{used}");
    // Still known, and not charged twice.
    feed.client(&frame(HEADERS, ALONE, 3, &[0x82, 0x86, 0x84, 0xbe]));
    assert_eq!(feed.told(), ["started 3", "complete 3 /"]);
    feed.requests.clear();
    assert_eq!(feed.budget.used(), used);
    feed.client(&frame(HEADERS, ALONE, 5, &[0x20, 0x82, 0x86, 0x84]));
    feed.requests.clear();
    assert!(feed.budget.used() <= used);
    feed.end(Direction::Request, Close::Finished);
    assert_eq!(feed.budget.used(), 0);
}

#[test]
fn a_table_that_the_budget_refuses_is_forgotten() {
    let mut feed = Feed::new();
    feed.budget = MemoryBudget::new(110_000);
    let block = table_filler();
    feed.client(&frame(HEADERS, END_STREAM, 1, &block[..16_000]));
    feed.client(&frame(CONTINUATION, 0, 1, &block[16_000..32_000]));
    feed.budget = MemoryBudget::new(10_000);
    feed.client(&frame(CONTINUATION, END_HEADERS, 1, &block[32_000..]));
    feed.told();
    feed.client(&frame(HEADERS, ALONE, 3, &[0x82, 0x86, 0x84, 0xbe]));
    feed.client(&get(5, "/"));
    let told = [
        "started 3",
        "rejected 3 h2_table_unknown",
        "started 5",
        "complete 5 /",
    ];
    assert_eq!(feed.told(), told);
    feed.requests.clear();
    assert_eq!(feed.budget.used(), 0);
}
