//! A service of gRPC with planted faults: each is named, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use shadow_mirror::MessageId;

use super::tests::{comparison, judging, lines, tally};
use crate::tests::grpc::{basket, by_names, reply, request, trailers_only};
use crate::{Answer, Judging, Pair, Times};

fn took(answer: Answer, milliseconds: u64) -> Answer {
    let took = Duration::from_millis(milliseconds);
    Answer {
        times: Some(Times {
            first: took,
            last: took,
        }),
        ..answer
    }
}

fn pair(number: u64, method: &str, production: Answer, shadow: Answer) -> Pair {
    Pair {
        id: MessageId::given(format!("{method}-{number}").as_bytes()).unwrap(),
        at: (1_700_000_000_000 + number) * super::MILLISECOND,
        request_head: request(method),
        request_body: Bytes::new(),
        production,
        shadow,
        control: None,
        repeat: None,
        raced: false,
    }
}

#[test]
fn planted_faults_of_a_service_are_named_and_nothing_else() {
    let mut tally = tally(Judging {
        rules: by_names(),
        ..judging()
    });
    let plain = |price| {
        took(
            reply(&[&basket("b", &[("tea", price)])], "x-sum: 1\ngrpc-status: 0"),
            2,
        )
    };
    for number in 0..200 {
        let shadow = if number % 10 == 0 { plain(751) } else { plain(750) };
        tally.add(&pair(number, "GetBasket", plain(750), shadow));
        let shadow = match number % 20 {
            0 => took(trailers_only("grpc-status: 14\ngrpc-message: gone"), 2),
            _ => plain(1),
        };
        tally.add(&pair(number, "Watch", plain(1), shadow));
        let lost = took(reply(&[&basket("b", &[("tea", 1)])], "grpc-status: 0"), 2);
        tally.add(&pair(number, "Put", plain(1), lost));
        let slow = took(plain(1), 50);
        tally.add(&pair(number, "Slow", plain(1), slow));
        // Errors that both have, and methods that are not there.
        let same = took(trailers_only("grpc-status: 5"), 2);
        tally.add(&pair(number, "Find", same.clone(), same));
        let none = took(trailers_only("grpc-status: 12"), 2);
        tally.add(&pair(number, &format!("No{number}"), none.clone(), none));
    }
    let found = comparison(&tally);
    assert_eq!(
        lines(&found.differences),
        [
            "shop.Catalog/Put trailer.x-sum missing 200",
            "shop.Catalog/GetBasket $.items[*].price value 20",
            "shop.Catalog/Watch grpc-status status 10",
        ]
    );
    let what: Vec<_> = found.causes.iter().map(|cause| cause.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "grpc-status UNAVAILABLE in place of OK in 10 of 200 responses of shop.Catalog/Watch",
            "$.items[*].price is different in 20 of 200 responses of shop.Catalog/GetBasket: 750 -> 751",
            "trailer.x-sum is missing in every response of shop.Catalog/Put (200): 1 -> (none)",
        ]
    );
    assert_eq!(found.new_5xx.count, 10);
    let slower: Vec<_> = found
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.shadow.p50.value > 3.0 * endpoint.production.p50.value)
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    assert_eq!(slower, ["shop.Catalog/Slow"]);
    let mut names: Vec<_> = found
        .endpoints
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "gRPC (not served)",
            "shop.Catalog/Find",
            "shop.Catalog/GetBasket",
            "shop.Catalog/Put",
            "shop.Catalog/Slow",
            "shop.Catalog/Watch"
        ]
    );
}

#[test]
fn an_example_shows_messages_by_their_names_and_hides_secrets() {
    let mut tally = tally(Judging {
        rules: by_names(),
        ..judging()
    });
    let with = |token: &[u8]| {
        let message = [basket("b", &[]), crate::tests::grpc::bytes(15, token)].concat();
        reply(&[&message], "grpc-status: 0\nx-sum: 1")
    };
    tally.add(&pair(1, "GetBasket", with(b"t0p"), with(b"0ther")));
    let found = comparison(&tally);
    let example = &found.examples[0];
    assert_eq!(
        example.production.body.text.as_deref(),
        Some("{\n  \"access_token\": \"(hidden)\",\n  \"id\": \"b\",\n  \"state\": \"PAID\"\n}")
    );
    assert!(
        example.production.head.ends_with("\ngrpc-status: 0\nx-sum: 1"),
        "{}",
        example.production.head
    );
    let difference = &example.differences[0];
    assert_eq!(difference.path, "$.access_token");
    assert_eq!(difference.production.as_deref(), Some("(hidden)"));
}

#[test]
fn places_below_numbers_are_said_to_be_guesses() {
    let mut tally = tally(judging());
    let with = |price| reply(&[&basket("b", &[("tea", price)])], "grpc-status: 0");
    tally.add(&pair(1, "GetBasket", with(1), with(2)));
    let found = comparison(&tally);
    assert_eq!(
        found.causes[0].what,
        "$.3.2 is different in every response of shop.Catalog/GetBasket (1): 1 -> 2"
    );
    let advice = found.causes[0].advice.as_deref().unwrap();
    assert!(advice.contains("--grpc-descriptors"), "{advice}");
}
