//! Hiding by name in calls of gRPC.

use bytes::Bytes;
use shadow_mirror::MessageId;
use shadow_mirror::rules::{OF_RECORDINGS, Redaction, RedactionKey};

use crate::store::Hidden;
use crate::tests::grpc::{basket, by_names, bytes, number, reply, request};
use crate::{Answer, CompareContext, Pair, Rules, Secrets, compare};

fn hidden(rules: &Rules) -> Hidden {
    let key = RedactionKey::new(b"0123456789abcdef").unwrap();
    let headers = OF_RECORDINGS.map(str::to_owned);
    let redaction = Redaction::new(headers, Vec::new(), 1 << 20, key).unwrap();
    Hidden::new(&redaction, Secrets::Hidden).with_descriptors(rules.descriptors().cloned())
}

fn pair(production: Answer, shadow: Answer) -> Pair {
    Pair {
        id: MessageId::given(b"1").unwrap(),
        at: 0,
        request_head: request("GetBasket"),
        request_body: Bytes::new(),
        production,
        shadow,
        control: None,
        repeat: None,
        raced: false,
    }
}

/// Differences of two answers once they are kept, and how many bodies are hidden as a whole.
fn kept(production: Answer, shadow: Answer, rules: &Rules) -> (Vec<String>, u64, Pair) {
    let redacted = hidden(rules).redacted(&pair(production, shadow)).unwrap();
    let pair = redacted.pair;
    let question = CompareContext {
        endpoint: "shop.Catalog/GetBasket",
        method: b"POST",
        head: &pair.request_head,
        host: None,
        mapped: None,
        first_host: None,
    };
    let compared = compare(&question, &pair.production, &pair.shadow, rules);
    let places = compared.differences.into_iter().map(|one| one.path).collect();
    (places, redacted.bodies_as_a_whole, pair)
}

fn with(token: &[u8], price: u64) -> Answer {
    let message = [basket("b", &[("tea", price)]), bytes(15, token)].concat();
    reply(&[&message], "x-session: s3cret\ngrpc-status: 0")
}

fn has(pair: &Pair, text: &[u8]) -> bool {
    let all = [&pair.production.body, &pair.shadow.body];
    all.iter().any(|body| memchr::memmem::find(body, text).is_some())
}

#[test]
fn fields_of_messages_are_hidden_by_their_names_and_still_compared() {
    let rules = by_names();
    let (places, whole, pair) = kept(with(b"t0p", 1), with(b"0ther", 2), &rules);
    assert_eq!(
        (places, whole),
        (
            vec!["$.access_token".to_owned(), "$.items[*].price".to_owned()],
            0
        )
    );
    assert!(!has(&pair, b"t0p") && !has(&pair, b"0ther") && !has(&pair, b"s3cret"));
    assert!(has(&pair, b"tea") && has(&pair, b"redacted-"));
    assert_eq!(pair.production.counted_status(), 200);
    let (places, _, pair) = kept(with(b"t0p", 1), with(b"t0p", 2), &rules);
    assert_eq!(places, ["$.items[*].price"]);
    // What is hidden once is hidden.
    let again = hidden(&rules).redacted(&pair).unwrap().pair;
    assert_eq!(again.production, pair.production);
}

#[test]
fn without_names_a_suspicious_message_is_hidden_whole() {
    let with = |text: &[u8]| reply(&[&[number(2, 1), bytes(1, text)].concat()], "grpc-status: 5");
    let rules = Rules::default();
    let (places, whole, pair) = kept(with(b"password=abc"), with(b"b"), &rules);
    assert_eq!((places.len(), whole), (1, 2));
    assert!(!has(&pair, b"abc"));
    assert_eq!(
        (pair.production.counted_status(), pair.shadow.counted_status()),
        (404, 404)
    );
    let (places, whole, _) = kept(with(b"a"), with(b"b"), &rules);
    assert_eq!((places, whole), (vec!["$.1".to_owned()], 0));
}

#[test]
fn an_answer_that_is_equal_keeps_how_its_call_ended() {
    let answer = reply(&[b"\x0a\x01b"], "grpc-status: 14\nx-a: 1");
    let kept = crate::store::redacted::start_lines(&pair(answer.clone(), answer));
    assert_eq!(
        &kept.production.head[..],
        b"HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ngrpc-status: 14\r\n\r\n"
    );
    assert_eq!(kept.production.counted_status(), 503);
    assert_eq!(crate::called(&kept.request_head).0, b"gRPC");
}
