//! Pairs whose answers are equal are counted alike, whether they come with their answers or without.

use shadow_http::same_but_for_date;

use super::tests::{answer, comparison, pair, tally_of};
use super::*;
use crate::Answer;

/// An answer of gRPC that ended so.
fn reply(status: &str) -> Answer {
    let head = format!("HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ngrpc-status: {status}\r\n\r\n");
    Answer {
        head: head.into(),
        ..answer(200, "")
    }
}

/// Pairs of equal answers, of all kinds that are counted differently.
fn equal_pairs() -> Vec<Pair> {
    let all = [
        ("GET /a HTTP/1.1", answer(200, "{}")),
        ("GET /users/1?page=2 HTTP/1.1", answer(200, "{}")),
        ("GET /users/2 HTTP/1.1", answer(404, "{}")),
        ("POST /users HTTP/1.1", answer(503, "{}")),
        ("OPTIONS * HTTP/1.1", answer(204, "")),
        ("CONNECT a:443 HTTP/1.1", answer(403, "")),
        (
            "POST /shop.Cart/Add HTTP/2.0\r\ncontent-type: application/grpc",
            reply("0"),
        ),
        (
            "POST /shop.Cart/Add HTTP/2.0\r\ncontent-type: application/grpc",
            reply("5"),
        ),
        (
            "POST /shop.Cart/Gone HTTP/2.0\r\ncontent-type: application/grpc",
            reply("12"),
        ),
        (
            "nonsense",
            Answer {
                head: "nonsense".into(),
                ..answer(200, "")
            },
        ),
    ];
    let all = all.into_iter().enumerate();
    all.map(|(number, (request, production))| Pair {
        request_head: format!("{request}\r\nHost: a\r\n\r\n").into(),
        shadow: Answer {
            times: (number != 1).then_some(production.times).flatten(),
            ..production.clone()
        },
        production,
        ..pair(number as u64 * 700, "/", "", "")
    })
    .collect()
}

fn equal(pair: &Pair) -> Option<EqualPair> {
    let of = |is_same| {
        EqualPair::of(
            &pair.request_head,
            pair.at,
            &pair.production,
            &pair.shadow,
            is_same,
        )
    };
    let same_body = pair.production.body == pair.shadow.body;
    if same_body && same_but_for_date(&pair.production.head, &pair.shadow.head) {
        assert_eq!(of(true), of(false));
    }
    of(false)
}

#[test]
fn equal_answers_count_alike_with_and_without_their_bytes() {
    let (mut with, mut without) = (tally_of(), tally_of());
    for pair in equal_pairs() {
        with.add(&pair);
        without.add_equal(&equal(&pair).expect("equal"));
    }
    assert_eq!(comparison(&with), comparison(&without));
    assert_eq!(with.counters.counts(), without.counters.counts());
}

#[test]
fn what_differs_in_anything_that_is_compared_is_not_equal() {
    let pair = pair(1, "/a", "{}", "{}");
    let with = |shadow: Answer| {
        equal(&Pair {
            shadow,
            ..pair.clone()
        })
    };
    let head = |more: &str| Answer {
        head: format!("HTTP/1.1 200 X\r\nContent-Type: application/json\r\n{more}\r\n").into(),
        ..pair.shadow.clone()
    };
    assert!(with(head("Date: a\r\n")).is_some());
    for other in [answer(201, "{}"), answer(200, "{ }"), head("Location: /\r\n")] {
        assert_eq!(with(other), None);
    }
}

#[test]
fn a_target_that_is_too_long_to_keep_is_looked_at_as_all_others() {
    let long = pair(1, &format!("/{}", "a".repeat(1024)), "{}", "{}");
    assert_eq!(equal(&long), None);
}
