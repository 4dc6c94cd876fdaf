//! Properties of correlation, whatever is issued, carried, and in which order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Sides, json, with_body};
use crate::fields::issue_alike;
use crate::issued::{Asked, Issued, Side};
use crate::{Exceptions, Keys};

/// A token, told from others by its number.
fn token(side: &str, number: usize) -> String {
    format!(
        "{side}{:016x}",
        (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

/// The events, one after the other.
#[derive(Clone, Debug)]
enum Step {
    Login(usize),
    Production(usize),
    Own(usize),
    Lost(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0..4_usize, 0..8_usize).prop_map(|(what, number)| match what {
        0 => Step::Login(number),
        1 => Step::Production(number),
        2 => Step::Own(number),
        _ => Step::Lost(number),
    });
    proptest::collection::vec(step, 0..60)
}

#[derive(Clone, Copy, Default)]
struct Login {
    exchange: u32,
    production: bool,
    own: Option<bool>,
}

proptest! {
    #[test]
    fn mapping_is_what_was_issued_in_whatever_order(steps in steps()) {
        let mut sides = Sides::new();
        let mut logins: BTreeMap<usize, Login> = BTreeMap::new();
        let answer = |token: &str| json("200", &format!(r#"{{"token":"{token}"}}"#));
        for step in steps {
            match step {
                Step::Login(number) if !logins.contains_key(&number) => {
                    let exchange = sides.sent("POST /login HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
                    logins.insert(number, Login { exchange, ..Login::default() });
                }
                Step::Production(number) => if let Some(login) = logins.get_mut(&number) {
                    sides.production(login.exchange, &answer(&token("a", number)));
                    login.production = true;
                },
                Step::Own(number) => if let Some(login) = logins.get_mut(&number) {
                    sides.own(login.exchange, &answer(&token("b", number)));
                    login.own = login.own.or(Some(true));
                },
                Step::Lost(number) => if let Some(login) = logins.get_mut(&number) {
                    sides.exchanges.own_lost(&login.exchange);
                    login.own = login.own.or(Some(false));
                },
                Step::Login(_) => {}
            }
        }
        for number in 0..8 {
            let carried = format!("GET /a HTTP/1.1\r\nX-Token: {}\r\n\r\n", token("a", number));
            let found = sides.looked_up(&carried);
            let expected = match logins.get(&number) {
                Some(Login { production: true, own: Some(true), .. }) => (1, 0, 0),
                Some(Login { production: true, own: None, .. }) => (0, 1, 0),
                Some(Login { production: true, own: Some(false), .. }) => (0, 0, 1),
                _ => (0, 0, 0),
            };
            prop_assert_eq!((found.values(), found.pending, found.missing), expected);
            if expected.0 == 1 {
                prop_assert_eq!(sides.rewritten(&carried), carried.replace(&token("a", number), &token("b", number)));
            }
        }
    }

    #[test]
    fn mapping_there_and_back_is_nothing(
        ids in proptest::collection::vec((1_u32..300, 300_u32..600), 1..10),
        carried in proptest::collection::vec((0_usize..3, 1_u32..600), 0..20),
    ) {
        // Two outputs that stand to each other as each does to production.
        let (mut there, mut back) = (Sides::new(), Sides::new());
        let mut known = BTreeMap::new();
        for (a, b) in ids {
            if known.values().any(|other| *other == b) || known.contains_key(&a) {
                continue;
            }
            known.insert(a, b);
            let created = |id: u32| json("201", &format!(r#"{{"id":{id}}}"#));
            let post = "POST /todos HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
            there.answered(post, &created(a), &created(b));
            back.answered(post, &created(b), &created(a));
        }
        for (place, id) in carried {
            let write = |id: u32| match place {
                0 => format!("GET /todos/{id} HTTP/1.1\r\n\r\n"),
                1 => format!("GET /notes?todo_id={id}&n=1 HTTP/1.1\r\n\r\n"),
                _ => with_body("PUT /todos HTTP/1.1\r\nContent-Type: application/json", &format!(r#"{{"id":{id}}}"#)),
            };
            let sent = there.rewritten(&write(id));
            prop_assert_eq!(&sent, &write(known.get(&id).copied().unwrap_or(id)));
            if known.contains_key(&id) {
                prop_assert_eq!(back.rewritten(&sent), write(id));
            }
        }
    }

    #[test]
    fn nothing_that_was_not_issued_is_touched(
        target in "/[a-z0-9/%?=&.-]{0,40}",
        value in "[ -~]{0,60}",
        body in "[ -~\\r\\n]{0,200}",
        kind in 0_usize..4,
    ) {
        let mut sides = Sides::new();
        let answer = |token: &str| json("201", &format!(r#"{{"id":"{token}","token":"{token}"}}"#));
        sides.answered("POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", &answer(&token("a", 1)), &answer(&token("b", 1)));
        let media = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html"];
        let head = format!("POST {target} HTTP/1.1\r\nCookie: {value}\r\nAuthorization: Basic {value}\r\n\
            If-Match: {value}\r\nX: {value}\r\nContent-Type: {}", media[kind]);
        let found = sides.looked_up(&with_body(&head, &body));
        prop_assert_eq!((found.values(), found.pending, found.missing), (0, 0, 0));
    }

    #[test]
    fn any_answers_are_read_and_any_rewritten_request_is_whole(
        production in "[ -~\\r\\n]{0,200}",
        own in "[ -~\\r\\n]{0,200}",
        carried in "[a-zA-Z0-9=;\", /-]{0,100}",
        html in any::<bool>(),
    ) {
        let mut sides = Sides::new();
        let answer = |body: &str, token: &str| {
            let media = if html { "text/html" } else { "application/json" };
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: s={token}\r\nContent-Type: {media}\r\n\r\n{body}")
        };
        let post = "POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        sides.answered(post, &answer(&production, &token("a", 1)), &answer(&own, &token("b", 1)));
        sides.rewritten(&format!("GET /a HTTP/1.1\r\nCookie: {carried}; s={}\r\n\r\n", token("a", 1)));
    }
}

/// Answers to one request: a head each, and the body of both.
fn heads_and_body() -> impl Strategy<Value = (String, String, String)> {
    let media = prop_oneof![
        Just("application/json"),
        Just("text/html; charset=utf-8"),
        Just("text/plain")
    ];
    let head = (
        200..204_u16,
        media,
        proptest::option::of("[a-f0-9]{8,20}"),
        any::<bool>(),
    )
        .prop_map(|(status, media, tag, chunked)| {
            let tag = tag.map_or(String::new(), |tag| {
                format!("ETag: \"{tag}\"\r\nSet-Cookie: session={tag}; Path=/\r\n")
            });
            let chunked = if chunked {
                "Transfer-Encoding: chunked\r\n"
            } else {
                ""
            };
            format!("HTTP/1.1 {status} X\r\nContent-Type: {media}\r\n{tag}{chunked}\r\n")
        });
    let part = prop_oneof![
        "[a-f0-9]{8,12}".prop_map(|token| format!(r#"{{"token":"{token}"}}"#)),
        "[0-9]{1,4}".prop_map(|id| format!(r#"{{"id":{id},"url":"/todos/{id}","list":[{{"id":1}}]}}"#)),
        "[a-f0-9]{9}".prop_map(|token| format!(r#"<input type=hidden name=csrf value="{token}">"#)),
        "[a-z ]{0,9}",
    ];
    let body = proptest::collection::vec(part, 1..4).prop_map(|parts| match &parts[..] {
        [one] => one.clone(),
        parts => format!("[{}]", parts.join(",")),
    });
    let body = prop_oneof![
        body.clone(),
        body.prop_map(|body| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
    ];
    (head.clone(), head, body)
}

/// Everything that an answer issues, but the keys, which the output's has not.
fn all(issued: &Issued) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let value = |value: &crate::issued::Value| {
        let text = issued.text(value).to_vec();
        (
            value.place,
            text,
            value.length,
            value.sure,
            value.owner,
            value.anew,
        )
    };
    issued.values().iter().map(value).collect()
}

proptest! {
    #[test]
    fn a_body_that_is_the_same_issues_what_reading_it_again_gives((production, own, body) in heads_and_body()) {
        let (keys, exceptions) = (Keys::default(), Exceptions::default());
        let asked = Asked { method: b"POST", target: b"/todos?a=b", methods: None };
        let of = |side, head: &str| Issued::of(side, &keys, &exceptions, asked, (head.as_bytes(), body.as_bytes()));
        let production = of(Side::Production, &production);
        let shared = Issued::of_same_body(&keys, &exceptions, asked, (own.as_bytes(), body.as_bytes()), &production);
        prop_assert_eq!(all(&shared), all(&of(Side::Output, &own)));
    }

    #[test]
    fn answers_that_issue_alike_issue_what_reading_both_gives((production, own, body) in heads_and_body(), same: bool) {
        let dated = |head: &str, date: &str| head.replacen("\r\n", &format!("\r\nDate: {date}\r\n"), 1);
        let (production, own) = (dated(&production, "1"), dated(if same { &production } else { &own }, "22"));
        let (keys, exceptions) = (Keys::default(), Exceptions::default());
        let asked = Asked { method: b"POST", target: b"/todos?a=b", methods: None };
        let of = |side, head: &str| Issued::of(side, &keys, &exceptions, asked, (head.as_bytes(), body.as_bytes()));
        let alike = issue_alike(production.as_bytes(), own.as_bytes());
        prop_assert!(alike || !same);
        prop_assert!(!alike || all(&of(Side::Production, &production)) == all(&of(Side::Output, &own)));
    }
}
