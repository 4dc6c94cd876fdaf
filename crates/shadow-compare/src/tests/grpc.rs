//! Answers of gRPC, in the text form that HTTP/2 has here.

use bytes::Bytes;
use proptest::prelude::*;
use shadow_grpc::Descriptors;

use super::lines;
use crate::{
    Answer, CompareContext, Compared, GrpcDescriptors, PathPattern, Rules, Tolerance, Within, compare,
};

/// `shadow-grpc/src/tests/make.py` says how it was made.
const SHOP: &[u8] = include_bytes!("../../../shadow-grpc/src/tests/shop.desc");

pub fn by_names() -> Rules {
    let shop = Descriptors::read(SHOP).unwrap();
    Rules::default().with_descriptors(Some(GrpcDescriptors::new(shop)))
}

pub fn request(method: &str) -> Bytes {
    format!("POST /shop.Catalog/{method} HTTP/2.0\r\nhost: a\r\ncontent-type: application/grpc\r\nte: trailers\r\n\r\n").into()
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field of bytes.
pub fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

/// A field with a number in it.
pub fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value, &mut out);
    out
}

/// `{id, state: PAID, items: [{sku, price}]}`.
pub fn basket(id: &str, items: &[(&str, u64)]) -> Vec<u8> {
    let mut out = [bytes(1, id.as_bytes()), number(2, 1)].concat();
    for (sku, price) in items {
        let item = [bytes(1, sku.as_bytes()), number(2, *price)].concat();
        out.extend_from_slice(&bytes(3, &item));
    }
    out
}

fn framed<'m>(messages: impl IntoIterator<Item = &'m [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        out.push(0);
        out.extend_from_slice(&(message.len() as u32).to_be_bytes());
        out.extend_from_slice(message);
    }
    out
}

/// An answer with these messages, one DATA frame each, and trailers, one a line.
pub fn reply(messages: &[&[u8]], trailers: &str) -> Answer {
    let mut body = Vec::new();
    for message in messages {
        let framed = framed([*message]);
        body.extend_from_slice(format!("{:x}\r\n", framed.len()).as_bytes());
        body.extend_from_slice(&framed);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    for trailer in trailers.lines() {
        body.extend_from_slice(format!("{}\r\n", trailer.trim()).as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    Answer {
        head: "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n".into(),
        body: body.into(),
        times: None,
    }
}

/// One of trailers only.
pub fn trailers_only(fields: &str) -> Answer {
    let mut head = "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\n".to_owned();
    for field in fields.lines() {
        head.extend([field.trim(), "\r\n"]);
    }
    head.push_str("\r\n");
    Answer {
        head: head.into(),
        body: Bytes::new(),
        times: None,
    }
}

fn compared(method: &str, production: &Answer, shadow: &Answer, rules: &Rules) -> Compared {
    let question = CompareContext {
        endpoint: &format!("shop.Catalog/{method}"),
        method: b"POST",
        head: &request(method),
        host: None,
        mapped: None,
        first_host: None,
    };
    compare(&question, production, shadow, rules)
}

fn named(production: &Answer, shadow: &Answer) -> Vec<String> {
    lines(&compared("GetBasket", production, shadow, &by_names()))
}

fn numbered(production: &Answer, shadow: &Answer) -> Vec<String> {
    lines(&compared("GetBasket", production, shadow, &Rules::default()))
}

const OK: &str = "grpc-status: 0";

#[test]
fn messages_are_compared_field_by_field() {
    let one = reply(&[&basket("b", &[("tea", 750), ("cup", 5)])], OK);
    let other = reply(&[&basket("b", &[("tea", 751), ("cup", 5)])], OK);
    assert_eq!(named(&one, &other), ["$.items[*].price value: 750 -> 751"]);
    assert_eq!(numbered(&one, &other), ["$.3[*].2 value: 750 -> 751"]);
    assert_eq!(named(&one, &one), [""; 0]);
    let fewer = reply(&[&basket("b", &[("tea", 750)])], OK);
    assert_eq!(named(&one, &fewer), ["$.items length: 2 -> 1"]);
    assert_eq!(numbered(&one, &fewer), ["$.3 length: 2 -> 1"]);
}

#[test]
fn what_means_the_same_is_no_difference() {
    let one = reply(&[&bytes(1, b"b")], OK);
    let more = [number(2, 0), bytes(1, b"b"), number(99, 1)].concat();
    assert_eq!(named(&one, &reply(&[&more], OK)), [""; 0]);
    assert_eq!(
        numbered(&one, &reply(&[&more], OK)),
        ["$.2 extra: nothing -> 0", "$.99 extra: nothing -> 1"]
    );
}

#[test]
fn the_message_of_a_call_that_went_well_is_no_difference() {
    // As Node's servers have it, and as Go's have it.
    let node = reply(&[&basket("b", &[])], "grpc-status: 0\ngrpc-message: OK");
    let go = reply(&[&basket("b", &[])], OK);
    assert_eq!(named(&node, &go), [""; 0]);
    assert_eq!(named(&go, &node), [""; 0]);
}

#[test]
fn the_status_of_a_call_takes_the_place_of_https() {
    let ok = reply(&[&basket("b", &[])], OK);
    let internal = trailers_only("grpc-status: 13\ngrpc-message: no%20database");
    assert_eq!(named(&ok, &internal), ["grpc-status status: OK -> INTERNAL"]);
    assert_eq!((ok.counted_status(), internal.counted_status()), (200, 500));
    let lost = reply(&[&basket("b", &[])], "");
    assert_eq!(named(&ok, &lost), ["grpc-status status: OK -> missing"]);
    assert_eq!((lost.counted_status(), lost.route_status()), (500, 200));
    let not_found = |message| trailers_only(&format!("grpc-status: 5\ngrpc-message: {message}"));
    assert_eq!(
        named(&not_found("no basket 1"), &not_found("no%20basket%202")),
        ["grpc-message value: no basket 1 -> no basket 2"]
    );
    assert_eq!(
        (not_found("").counted_status(), not_found("").route_status()),
        (404, 200)
    );
    let unimplemented = trailers_only("grpc-status: 12");
    assert_eq!(
        (unimplemented.counted_status(), unimplemented.route_status()),
        (501, 501)
    );
    let other = trailers_only("grpc-status: 99");
    assert_eq!(named(&internal, &other), ["grpc-status status: INTERNAL -> 99"]);
}

#[test]
fn the_answer_of_a_proxy_is_compared_as_http() {
    let ok = reply(&[&basket("b", &[])], OK);
    let gone = super::answer("502 Bad Gateway", "Content-Type: text/html", "<html>");
    assert_eq!(
        named(&ok, &gone),
        [
            "status status: 200 -> 502",
            "header.content-type value: application/grpc -> text/html"
        ]
    );
}

#[test]
fn a_trailer_that_is_lost_is_named() {
    let with = reply(&[&basket("b", &[])], "x-checksum: 7\ngrpc-status: 0");
    let without = reply(&[&basket("b", &[])], OK);
    assert_eq!(
        named(&with, &without),
        ["trailer.x-checksum missing: 7 -> nothing"]
    );
    assert_eq!(named(&without, &with), ["trailer.x-checksum extra: nothing -> 7"]);
    let padded = reply(&[], "x-a-bin: YQ==\ngrpc-status: 0");
    let plain = reply(&[], "grpc-status: 0\nX-A-Bin: YQ");
    assert_eq!(named(&padded, &plain), [""; 0]);
}

#[test]
fn trailers_only_and_trailers_say_the_same() {
    let behind = reply(&[], "grpc-status: 5\ngrpc-message: no\nx-retry: 1");
    let before = trailers_only("x-retry: 1\ngrpc-message: no\ngrpc-status: 5");
    assert_eq!(named(&behind, &before), [""; 0]);
    assert_eq!(named(&before, &behind), [""; 0]);
    let other = trailers_only("x-retry: 2\ngrpc-message: no\ngrpc-status: 5");
    assert_eq!(named(&behind, &other), ["trailer.x-retry value: 1 -> 2"]);
}

#[test]
fn the_way_of_messages_is_no_difference() {
    let message = basket("b", &[("tea", 1)]);
    let whole = reply(&[&message], OK);
    // Another cut, HTTP/1.1 in the start line, other names and cases of fields.
    let data = framed([&message[..]]);
    let mut body = Vec::new();
    for piece in data.chunks(3) {
        body.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\nGrpc-Status: 0\r\n\r\n");
    let cut = Answer {
        head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/grpc+proto\r\nGRPC-Encoding: gzip\r\n\r\n"
            .into(),
        body: body.into(),
        times: None,
    };
    assert_eq!(named(&whole, &cut), [""; 0]);
    assert_eq!(numbered(&cut, &whole), [""; 0]);
    let plain = |head: &str, body: &str| Answer {
        head: head.to_owned().into(),
        body: body.to_owned().into(),
        times: None,
    };
    let old = plain(
        "HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n",
        "ab",
    );
    let new = plain(
        "HTTP/2.0 200 \r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "2\r\nab\r\n0\r\n\r\n",
    );
    assert_eq!(super::differences(&old, &new), [""; 0]);
}

#[test]
fn messages_of_a_stream_are_a_list() {
    let (one, two) = (basket("b", &[("tea", 1)]), basket("b", &[("tea", 2)]));
    let rules = by_names();
    let watch = |production: &[&[u8]], shadow: &[&[u8]], rules: &Rules| {
        lines(&compared(
            "Watch",
            &reply(production, OK),
            &reply(shadow, OK),
            rules,
        ))
    };
    assert_eq!(
        watch(&[&one], &[&two], &rules),
        ["$[*].items[*].price value: 1 -> 2"]
    );
    assert_eq!(watch(&[&one, &two], &[&one], &rules), ["$ length: 2 -> 1"]);
    assert_eq!(
        watch(&[&one, &one], &[&one, &two], &Rules::default()),
        ["$[*].3.2 value: 1 -> 2"]
    );
    assert_eq!(
        watch(&[&one], &[], &Rules::default()),
        [r#"$ missing: {"1":"b","2":1,"3":{"1":"tea","2":1}} -> nothing"#]
    );
    assert_eq!(watch(&[], &[&one], &rules), ["$ length: 0 -> 1"]);
}

#[test]
fn messages_that_cannot_be_read_say_so() {
    let fine = reply(&[&basket("b", &[])], OK);
    let broken = reply(&[b"\x0a\x7f"], OK);
    assert!(named(&fine, &broken)[0].starts_with("$ unreadable: nothing -> "));
    assert!(named(&broken, &fine)[0].starts_with("$ type: "));
    let other = reply(&[b"\x0a\x7e"], OK);
    assert_eq!(named(&broken, &other).len(), 1);
    assert_eq!(named(&broken, &broken), [""; 0]);
    let cut = Answer {
        body: Bytes::from_static(b"2\r\n\0\0\r\n0\r\ngrpc-status: 0\r\n\r\n"),
        ..fine.clone()
    };
    assert!(named(&fine, &cut)[0].starts_with("$ unreadable: "));
}

#[test]
fn rules_hold_for_messages_as_for_json() {
    let one = reply(&[&basket("b", &[("tea", 750)])], OK);
    let other = reply(&[&basket("b", &[("tea", 751)])], OK);
    let near = |path: &str, rules: Rules| {
        let path = PathPattern::parse(path).unwrap();
        let within = Within::Absolute(1.0);
        let rules = rules.with_tolerance(Tolerance { path, within });
        let compared = compared("GetBasket", &one, &other, &rules);
        (compared.differences.len(), compared.by_rule.len())
    };
    assert_eq!(near("$.items[*].price", by_names()), (0, 1));
    assert_eq!(near("shop.Catalog/GetBasket $..price", by_names()), (0, 1));
    assert_eq!(near("$.3.2", Rules::default()), (0, 1));
    assert_eq!(near("$.3.1", Rules::default()), (1, 0));
    // Times of messages are times.
    let made = |seconds| reply(&[&bytes(10, &number(1, seconds))], OK);
    let close = compared(
        "GetBasket",
        &made(1_795_994_870),
        &made(1_795_994_871),
        &by_names(),
    );
    assert_eq!((close.differences.len(), close.by_rule.len()), (0, 1));
    assert_eq!(
        named(&made(1_795_994_870), &made(1_795_995_870)),
        [r#"$.made value: "2026-11-29T23:27:50Z" -> "2026-11-29T23:44:30Z""#]
    );
}

#[test]
fn large_messages_are_compared_by_their_bytes() {
    let large = |last: u8| reply(&[&bytes(1, &[&[b'a'; 2000][..], &[last]].concat())], OK);
    let rules = by_names().with_max_structured(1000);
    let compared = compared("GetBasket", &large(b'a'), &large(b'b'), &rules);
    assert_eq!(compared.differences[0].path, "body");
}

proptest! {
    #[test]
    fn one_changed_field_is_named_at_its_place_and_nothing_else(
        items in proptest::collection::vec(("[a-z]{1,8}", 1..1_000_000_u64), 1..6),
        at in any::<prop::sample::Index>(),
        gain in 1..1_000_000_u64,
    ) {
        let items: Vec<(&str, u64)> = items.iter().map(|(sku, price)| (sku.as_str(), *price)).collect();
        let mut others = items.clone();
        others[at.index(items.len())].1 += gain;
        let (one, other) = (reply(&[&basket("b", &items)], OK), reply(&[&basket("b", &others)], OK));
        let found = named(&one, &other);
        prop_assert!(found.iter().all(|line| line.starts_with("$.items[*].price ") || line.starts_with("$.items order")), "{:?}", found);
        let found = numbered(&one, &other);
        let place = if items.len() == 1 { "$.3.2 " } else { "$.3[*].2 " };
        prop_assert!(found.iter().all(|line| line.starts_with(place) || line.starts_with("$.3 order")), "{:?}", found);
        prop_assert!(!found.is_empty());
        prop_assert_eq!(numbered(&one, &one), Vec::<String>::new());
    }
}
