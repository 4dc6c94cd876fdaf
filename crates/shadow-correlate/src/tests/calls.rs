//! Calls of gRPC: what an answer's message issues, and requests whose messages carry it.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use shadow_core::budget::MemoryBudget;
use shadow_grpc::{Descriptors, Method, Reply};
use shadow_http::{Limits, Request, whole_request};

use super::NOW;
use crate::rewrite::Rewriting;
use crate::{At, Bounds, Exceptions, Exchanges, Keys, Map, Methods, Same, Scope, lock};

const TOKEN: &str = "9f86d081884c7d659a2feaa0c55ad015";
const OWN: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4";
const ID: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const OWN_ID: &str = "e902893a-9d22-4c7e-a7b8-d6e313b71d9f";

fn field(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(value.len()).unwrap()], value].concat()
}

/// A message with its prefix, compressed or not.
fn framed(message: &[u8], gzip: bool) -> Vec<u8> {
    let mut payload = message.to_vec();
    if gzip {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(message).unwrap();
        payload = encoder.finish().unwrap();
    }
    [
        &[u8::from(gzip)],
        &u32::try_from(payload.len()).unwrap().to_be_bytes()[..],
        &payload,
    ]
    .concat()
}

fn chunked(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n0\r\n\r\n"].concat()
}

fn call(method: &str, more: &str, body: &[u8]) -> Box<Request> {
    let head = format!(
        "POST /orders.Orders/{method} HTTP/2.0\r\nhost: a\r\nte: trailers\r\ncontent-type: application/grpc\r\n{more}\
         transfer-encoding: chunked\r\n\r\n"
    );
    let limits = Limits {
        max_head: 1 << 16,
        max_body: 1 << 20,
        max_headers: 64,
    };
    whole_request(
        &[head.as_bytes(), body].concat(),
        limits,
        &MemoryBudget::new(1 << 24),
    )
    .unwrap()
}

/// Descriptors of the shop, whatever the method is called.
#[derive(Debug)]
struct Shop(Method);

impl Shop {
    fn new() -> Self {
        let set = include_bytes!("../../../shadow-grpc/src/tests/shop.desc");
        Self(
            Descriptors::read(set)
                .unwrap()
                .method(b"/shop.Catalog/GetBasket")
                .unwrap()
                .clone(),
        )
    }
}

impl Methods for Shop {
    fn method(&self, _: &[u8]) -> Option<&Method> {
        Some(&self.0)
    }
}

struct Sides {
    map: Arc<Mutex<Map>>,
    exchanges: Exchanges<u32>,
}

impl Sides {
    fn new(described: bool) -> Self {
        let keys = Keys::default();
        let mut map = Map::new(keys.clone(), Bounds::default());
        if described {
            map.set_methods(Arc::new(Shop::new()));
        }
        let map = Arc::new(Mutex::new(map));
        let exchanges = Exchanges::new(Arc::clone(&map), keys, Arc::default());
        Self { map, exchanges }
    }

    /// Both sides answer a call with these messages.
    fn answered(&mut self, method: &str, production: &[&[u8]], own: &[&[u8]]) {
        let head = b"HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ngrpc-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n";
        let body = |messages: &[&[u8]], gzip| {
            let frames: Vec<Vec<u8>> = messages.iter().map(|message| framed(message, gzip)).collect();
            let data = frames.concat();
            let chunk = [format!("{:x}\r\n", data.len()).as_bytes(), &data].concat();
            [&chunk[..], b"\r\n0\r\ngrpc-status: 0\r\n\r\n"].concat()
        };
        self.exchanges.open(&1, &call(method, "", b"0\r\n\r\n").into());
        self.exchanges
            .production(&1, (head, &body(production, false)), NOW, NOW);
        self.exchanges.own(&1, head, &body(own, true), Same::Nothing, NOW);
    }

    /// The messages of the request as the output gets them, and how many values are its own.
    fn sent(&self, request: &Request) -> (Vec<Vec<u8>>, usize) {
        let rewriting = Rewriting::of(request, &Exceptions::default(), &mut lock(&self.map), NOW);
        let values = rewriting.values();
        let after = rewriting.is_changed().then(|| rewriting.apply(request).unwrap());
        let after = after.as_ref().unwrap_or(request);
        let call = Reply::read(&after.head, &after.body).unwrap();
        let messages = call.messages(1 << 20).unwrap();
        (
            messages.into_iter().map(std::borrow::Cow::into_owned).collect(),
            values,
        )
    }
}

/// A request's message with a token two messages deep, and an id beside it.
fn carrying(token: &str, id: &str) -> Vec<u8> {
    let session = field(1, &field(1, token.as_bytes()));
    [session, field(2, b"tea"), vec![24, 7], field(4, id.as_bytes())].concat()
}

#[test]
fn what_a_message_issued_is_mapped_in_messages_however_deep_it_stands() {
    let mut sides = Sides::new(false);
    let answer = |token: &str, id: &str| {
        [
            field(1, b"ann"),
            field(2, token.as_bytes()),
            field(3, &field(1, id.as_bytes())),
        ]
        .concat()
    };
    sides.answered("Login", &[&answer(TOKEN, ID)], &[&answer(OWN, OWN_ID)]);
    for gzip in [false, true] {
        let body = [
            framed(&carrying(TOKEN, ID), gzip),
            framed(&carrying(ID, "other"), gzip),
        ]
        .concat();
        let request = call("CreateOrder", "grpc-encoding: gzip\r\n", &chunked(&body));
        let (messages, values) = sides.sent(&request);
        assert_eq!(values, 3);
        assert_eq!(
            messages,
            [carrying(OWN, OWN_ID), carrying(OWN_ID, "other")],
            "gzip {gzip}"
        );
    }
}

#[test]
fn a_call_without_known_values_stays_byte_for_byte() {
    let mut sides = Sides::new(false);
    sides.answered(
        "Login",
        &[&field(1, TOKEN.as_bytes())],
        &[&field(1, OWN.as_bytes())],
    );
    let inside = format!("{TOKEN} and more");
    for message in [carrying("other", &inside), b"\xff\xff".to_vec(), Vec::new()] {
        let request = call("GetOrders", "", &chunked(&framed(&message, false)));
        let rewriting = Rewriting::of(&request, &Exceptions::default(), &mut lock(&sides.map), NOW);
        assert!(!rewriting.is_changed());
    }
    // A message that is cut off, and one that is compressed by nobody knows what.
    let whole = framed(&carrying(TOKEN, ID), false);
    for body in [&whole[..whole.len() - 1], &framed(&carrying(TOKEN, ID), true)] {
        let request = call("GetOrders", "", &chunked(body));
        let rewriting = Rewriting::of(&request, &Exceptions::default(), &mut lock(&sides.map), NOW);
        assert!(!rewriting.is_changed());
    }
}

#[test]
fn metadata_carry_what_messages_issued_and_the_reverse() {
    let mut sides = Sides::new(false);
    sides.answered(
        "Login",
        &[&field(1, TOKEN.as_bytes())],
        &[&field(1, OWN.as_bytes())],
    );
    let request = call(
        "GetOrders",
        &format!("authorization: Bearer {TOKEN}\r\n"),
        &chunked(&framed(b"", false)),
    );
    let rewriting = Rewriting::of(&request, &Exceptions::default(), &mut lock(&sides.map), NOW);
    let after = rewriting.apply(&request).unwrap();
    assert_eq!(
        after.header("authorization"),
        Some(format!("Bearer {OWN}").as_bytes())
    );
}

#[test]
fn lists_and_streams_pair_no_record_with_another() {
    let mut sides = Sides::new(false);
    let record = |name: &[u8], id: &str| field(1, &[field(2, name), field(1, id.as_bytes())].concat());
    let list = |ids: &[(&[u8], &str)]| {
        ids.iter()
            .flat_map(|(name, id)| record(name, id))
            .collect::<Vec<u8>>()
    };
    let (production, own) = (
        list(&[(b"tea", ID), (b"cup", TOKEN)]),
        list(&[(b"cup", OWN), (b"pot", OWN_ID)]),
    );
    sides.answered("ListOrders", &[&production], &[&own]);
    assert_eq!(
        lock(&sides.map).find(Scope::Anywhere, TOKEN.as_bytes(), NOW),
        crate::Known::Own(OWN.as_bytes())
    );
    assert_eq!(
        lock(&sides.map).find(Scope::Anywhere, ID.as_bytes(), NOW),
        crate::Known::Missing
    );
    let mut sides = Sides::new(false);
    let (one, other) = (field(1, TOKEN.as_bytes()), field(1, OWN.as_bytes()));
    sides.answered("Watch", &[&one, &one], &[&other, &other]);
    assert!(lock(&sides.map).is_empty());
}

#[test]
fn names_say_which_values_are_identifiers_of_either_side() {
    for (method, described, sure) in [
        ("GetBasket", false, false),
        ("GetBasket", true, false),
        ("CreateBasket", false, false),
        ("CreateBasket", true, true),
    ] {
        let mut sides = Sides::new(described);
        sides.answered(
            method,
            &[&field(1, ID.as_bytes())],
            &[&field(1, OWN_ID.as_bytes())],
        );
        let target = format!("/orders.Orders/{method}");
        let is_same = lock(&sides.map).is_same(
            target.as_bytes(),
            At::Member(b"id"),
            ID.as_bytes(),
            OWN_ID.as_bytes(),
        );
        assert_eq!(is_same, sure, "{method}, described {described}");
        let request = call(
            "GetOrders",
            "",
            &chunked(&framed(&field(1, ID.as_bytes()), false)),
        );
        assert_eq!(sides.sent(&request), (vec![field(1, OWN_ID.as_bytes())], 1));
    }
}
