use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Tolerance;
use crate::tests::{answer, json as json_answer, question};

/// `path kind standing` of each difference between the first two answers that no rule takes away.
fn standings(rules: &Rules, answers: [&Answer; 3]) -> Vec<String> {
    let question = question("GET /");
    let witness = Witness::new([&question, &question], (rules, true), answers);
    let compared = compare(&question, answers[0], answers[1], rules);
    let differences = compared.differences.iter();
    differences
        .map(|one| format!("{} {} {:?}", one.path, one.kind.name(), witness.standing(one)))
        .collect()
}

fn of_json(production: &str, shadow: &str, control: &str) -> Vec<String> {
    let [production, shadow, control] = [production, shadow, control].map(json_answer);
    standings(&Rules::default(), [&production, &shadow, &control])
}

#[test]
fn each_place_of_a_pair_is_judged_by_itself() {
    assert_eq!(
        of_json(
            r#"{"id":"a1","price":10,"zone":"a","gone":1}"#,
            r#"{"id":"b2","price":12,"zone":"b"}"#,
            r#"{"id":"c3","price":10,"zone":"b"}"#
        ),
        [
            "$.gone missing LikeControl",
            "$.id value Unstable",
            "$.price value Alone",
            "$.zone value LikeControl",
        ]
    );
}

#[test]
fn a_list_is_one_place_of_which_each_element_must_be_the_same() {
    let items = |prices: [u32; 2]| {
        json!({"items": [{"id": 1, "price": prices[0]}, {"id": 2, "price": prices[1]}]}).to_string()
    };
    assert_eq!(
        of_json(&items([1, 2]), &items([5, 6]), &items([5, 6])),
        ["$.items[*].price value LikeControl"]
    );
    assert_eq!(
        of_json(&items([1, 2]), &items([5, 6]), &items([5, 7])),
        ["$.items[*].price value Unstable"]
    );
}

#[test]
fn a_not_modified_that_neither_of_the_others_gives_is_excused() {
    let production = answer("304 Not Modified", "", "");
    let whole = answer("200 OK", "Content-Type: application/json", "{\"a\":1}");
    assert_eq!(
        standings(&Rules::default(), [&production, &whole, &whole]),
        [
            "status status LikeControl",
            "header.content-type extra LikeControl",
            "$ extra LikeControl"
        ]
    );
}

#[test]
fn behind_another_status_of_the_control_nothing_is_known() {
    let [production, shadow] = ["{\"a\":1}", "{\"a\":2}"].map(json_answer);
    let error = answer("503 Busy", "Content-Type: application/json", "{\"a\":2}");
    assert_eq!(
        standings(&Rules::default(), [&production, &shadow, &error]),
        ["$.a value Unknown"]
    );
    // A place above the one in question tells as little.
    assert_eq!(
        of_json(r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, r#"{"a":[]}"#),
        ["$.a.b value Unknown"]
    );
}

#[test]
fn a_tolerance_excuses_nothing_that_production_and_control_agree_in() {
    let near = Tolerance {
        path: crate::PathPattern::parse("$.a").unwrap(),
        within: crate::Within::Absolute(1.0),
    };
    let rules = Rules::default().with_tolerance(near);
    let [production, control, shadow] = ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"].map(json_answer);
    assert_eq!(
        standings(&rules, [&production, &shadow, &control]),
        ["$.a value Alone"]
    );
}

#[test]
fn what_rules_take_for_the_same_excuses_as_what_is_the_same() {
    let of = |time: &str, host: &str, version: u32| {
        json_answer(&format!(r#"{{"at":"{time}","self":"http://{host}/v{version}"}}"#))
    };
    let production = of("2026-01-01T00:00:00Z", "shop.example", 1);
    let shadow = of("2026-11-29T22:00:00Z", "next:1", 2);
    let control = of("2026-11-29T22:00:03Z", "other:2", 2);
    let question = CompareContext {
        head: b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        host: Some("next:1"),
        ..question("GET /")
    };
    let of_control = CompareContext {
        host: Some("other:2"),
        ..question
    };
    let rules = Rules::default();
    let witness = Witness::new(
        [&question, &of_control],
        (&rules, true),
        [&production, &shadow, &control],
    );
    let compared = compare(&question, &production, &shadow, &rules);
    let standings: Vec<_> = compared
        .differences
        .iter()
        .map(|one| (one.path.as_str(), witness.standing(one)))
        .collect();
    assert_eq!(
        standings,
        [("$.at", Standing::LikeControl), ("$.self", Standing::LikeControl)]
    );
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3).prop_map(|number| json!(number)),
        "[ab]{0,1}".prop_map(Value::String),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[abc]|id", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let status = prop::sample::select(vec!["200 OK", "201 Created", "304 Not Modified", "500 Oops"]);
    let media = prop::sample::select(vec!["application/json", "text/plain"]);
    let body = prop_oneof![4 => value().prop_map(|value| value.to_string()), 1 => "[{}a1]{0,3}"];
    (status, media, "[ab]", body).prop_map(|(status, media, x, body)| {
        answer(status, &format!("Content-Type: {media}\nX-A: {x}"), body)
    })
}

proptest! {
    #[test]
    fn what_production_and_control_agree_in_is_never_excused(
        production in any_answer(), shadow in any_answer(), control in any_answer()
    ) {
        let (question, rules) = (question("GET /"), Rules::default());
        let witness = Witness::new([&question, &question], (&rules, true), [&production, &shadow, &control]);
        let to_control = compare(&question, &production, &control, &rules);
        let apart = compare(&question, &shadow, &control, &rules);
        for one in compare(&question, &production, &shadow, &rules).differences {
            if witness.standing(&one) == Standing::LikeControl {
                prop_assert!(to_control.differences.iter().any(|other| other.path == one.path && other.kind == one.kind));
                prop_assert!(apart.differences.iter().all(|other| other.path != one.path));
            }
        }
    }

    #[test]
    fn a_control_like_production_excuses_nothing(production in any_answer(), shadow in any_answer()) {
        let all = standings(&Rules::default(), [&production, &shadow, &production]);
        prop_assert!(all.iter().all(|line| line.ends_with(" Alone") || line.ends_with(" more Unknown")), "{all:?}");
    }

    #[test]
    fn a_control_like_the_shadow_excuses_everything(production in any_answer(), shadow in any_answer()) {
        let all = standings(&Rules::default(), [&production, &shadow, &shadow]);
        prop_assert!(all.iter().all(|line| line.ends_with(" LikeControl") || line.ends_with(" more Unknown")), "{all:?}");
    }
}
