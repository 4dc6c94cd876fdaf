//! Properties of comparing, for any two answers.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::bodies::{chunked, deflate, gzip, zlib, zstd};
use super::{answer, compared};
use crate::comparing::compare_closely;
use crate::{Answer, Compared, Difference, Kind, Rules, compare};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..5).prop_map(|number| json!(number)),
        any::<f32>().prop_map(|number| json!(number)),
        "[ab]{0,2}|\\PC{0,8}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[abc]|id|[0-9]{1,3}|\\PC{1,4}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same value with members of objects the other way round.
fn reversed(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(reversed).collect();
            format!("[ {} ]", elements.join(" , "))
        }
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                format!("{}\n: {}", Value::String(name.clone()), reversed(value))
            };
            let members: Vec<String> = members.iter().rev().map(member).collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

fn coded(coding: usize, body: &[u8]) -> (&'static str, Vec<u8>) {
    match coding {
        0 => ("Content-Encoding: gzip", gzip(body)),
        1 => ("Content-Encoding: deflate", zlib(body)),
        2 => ("Content-Encoding: deflate", deflate(body)),
        3 => ("Content-Encoding: zstd", zstd(body)),
        4 => ("Content-Encoding: gzip, deflate", zlib(&gzip(body))),
        _ => ("", body.to_vec()),
    }
}

fn json_answer(value: &Value) -> Answer {
    super::json(&value.to_string())
}

/// The differences of a pair when its sides change places.
fn mirrored(compared: &Compared) -> Vec<Difference> {
    let mut all = compared.differences.clone();
    for one in &mut all {
        std::mem::swap(&mut one.production, &mut one.shadow);
        one.kind = match one.kind {
            Kind::Missing => Kind::Extra,
            Kind::Extra => Kind::Missing,
            kind => kind,
        };
    }
    sorted(all)
}

fn sorted(mut all: Vec<Difference>) -> Vec<Difference> {
    all.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
    all
}

fn is_bounded(compared: &Compared) -> bool {
    let by_rule = compared.by_rule.iter().map(|(difference, _)| difference);
    let all: Vec<&Difference> = compared.differences.iter().chain(by_rule).collect();
    let short = |value: &Option<String>| value.as_ref().is_none_or(|value| value.chars().count() <= 201);
    all.len() <= 201
        && all
            .iter()
            .all(|one| one.path.len() <= 512 && short(&one.production) && short(&one.shadow))
}

proptest! {
    #[test]
    fn an_answer_equals_itself_in_any_coding_chunks_and_order_of_members(
        value in value(), coding in 0..6_usize, chunk in prop::option::of(1..50_usize)
    ) {
        let (mut fields, mut body) = coded(coding, reversed(&value).as_bytes());
        let with;
        if let Some(size) = chunk {
            body = chunked(&body, size);
            with = format!("{fields}\nTransfer-Encoding: chunked");
            fields = &with;
        }
        let other = answer("200 OK", &format!("Content-Type: application/json\n{fields}"), body);
        prop_assert_eq!(compared(&json_answer(&value), &other), Compared::default());
    }

    #[test]
    fn sides_can_change_places(a in value(), b in value()) {
        let (a, b) = (json_answer(&a), json_answer(&b));
        let (there, back) = (compared(&a, &b), compared(&b, &a));
        prop_assert!(is_bounded(&there));
        prop_assert_eq!(mirrored(&there), sorted(back.differences));
        prop_assert_eq!(there.by_rule.len(), back.by_rule.len());
    }

    #[test]
    fn values_that_differ_are_never_equal(a in value(), b in value()) {
        prop_assert_eq!(compared(&json_answer(&a), &json_answer(&b)).is_equal(), worth(&a) == worth(&b));
    }

    #[test]
    fn no_answer_is_trusted(
        media in "application/json|text/plain|application/xml|application/x-www-form-urlencoded|image/png|",
        charset in "utf-8|utf-16|latin1|x",
        coding in "gzip|deflate|br|zstd|x|",
        transfer in "chunked|",
        head in prop::collection::vec("[a-cA-C:; =\\-\\r\\n]{0,12}|set-cookie: [ab;= ]{0,8}|\\PC{0,8}", 2),
        bodies in prop::collection::vec(prop_oneof![
            any::<Vec<u8>>(), "[\\[\\]{}\":,a0<>&=%+\n]{0,40}".prop_map(String::into_bytes)
        ], 2),
    ) {
        let fields = format!("Content-Type: {media}; charset={charset}\nContent-Encoding: {coding}\nTransfer-Encoding: {transfer}\n");
        let both: Vec<Answer> = head
            .iter()
            .zip(bodies)
            .map(|(head, body)| answer("200 OK", &format!("{fields}{head}"), body))
            .collect();
        let there = compared(&both[0], &both[1]);
        prop_assert!(is_bounded(&there));
        let places = |compared: &Compared| {
            let mut paths: Vec<String> = compared.differences.iter().map(|one| one.path.clone()).collect();
            paths.sort();
            paths
        };
        prop_assert_eq!(places(&there), places(&compared(&both[1], &both[0])));
        prop_assert!(compared(&both[0], &both[0]).is_equal());
    }
}

/// Lines of a head, of which two answers often have the same, and some that nobody looks at or looks at otherwise.
fn fields() -> impl Strategy<Value = Vec<&'static str>> {
    let field = prop::sample::select(vec![
        "Date: Mon, 30 Nov 2026 01:00:00 GMT",
        "date: Mon, 30 Nov 2026 02:00:00 GMT",
        "Server: a",
        "Connection: keep-alive",
        "Connection: close",
        "Connection: X-A",
        "ETag: \"1\"",
        "ETag: \"2\"",
        "X-A: 1",
        "X-A: 2",
        "x-a: 2",
        "Content-Type: application/json",
        "Content-Type: text/plain",
        "Content-Encoding: gzip",
        "Content-Length: 2",
        "Transfer-Encoding: chunked",
        "Cache-Control: a, b",
        "Set-Cookie: a=b; Path=/",
        "no field",
        ": nameless",
    ]);
    prop::collection::vec(field, 0..8)
}

proptest! {
    #[test]
    fn equal_answers_at_a_glance_are_equal_on_a_closer_look(
        common in fields(), more in prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, fields()), 0..3),
    ) {
        let mut heads = [common.clone(), common];
        for (at, side, more) in more {
            for (head, is_here) in heads.iter_mut().zip([side != 1, side != 0]) {
                if is_here && let Some(line) = more.first() {
                    head.insert(at.index(head.len() + 1), *line);
                }
            }
        }
        let both = heads.map(|head| answer("200 OK", &head.join("\n"), "{}"));
        let (question, rules) = (super::question("GET /"), Rules::default());
        let closely = compare_closely(&question, &both[0], &both[1], &rules);
        prop_assert_eq!(compare(&question, &both[0], &both[1], &rules), closely);
    }
}

/// A value with numbers by their worth.
fn worth(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(elements) => Value::Array(elements.iter().map(worth).collect()),
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .map(|(name, value)| (name.clone(), worth(value)))
                .collect();
            Value::Object(members)
        }
        other => other.clone(),
    }
}
