//! A control's answers, and the differences of a run that they excuse.

use super::tests::{answer, comparison, judging, lines, pair, tally};
use super::*;
use crate::document::{NoiseBy, Verdict};
use crate::simulation::Random;
use crate::{Answer, PathPattern, Rules};

/// So many pairs of `GET /`, each with the bodies that `each` gives for production, the shadow and the control.
fn pairs(count: u64, mut each: impl FnMut(u64) -> [String; 3]) -> Vec<Pair> {
    let one = |number| {
        let [production, shadow, control] = each(number);
        let mut pair = pair(number, "/", &production, &shadow);
        pair.control = Some(answer(200, &control));
        pair
    };
    (0..count).map(one).collect()
}

fn counted(judging: Judging, pairs: &[Pair]) -> Tally {
    let mut tally = tally(judging);
    for pair in pairs {
        tally.add(pair);
    }
    tally
}

fn with_hosts() -> Judging {
    Judging {
        hosts: Hosts {
            shadow: Some("127.0.0.1:22002".to_owned()),
            control: Some("127.0.0.1:22003".to_owned()),
        },
        ..judging()
    }
}

/// The same, as the three servers answer that were asked under hosts of their own.
fn of_hosts(count: u64, each: impl Fn(&str, bool) -> String) -> Vec<Pair> {
    let bodies = |_| {
        [
            ("127.0.0.1:22001", false),
            ("127.0.0.1:22002", true),
            ("127.0.0.1:22003", false),
        ]
        .map(|(host, next)| each(host, next))
    };
    let mut pairs = pairs(count, bodies);
    for pair in &mut pairs {
        pair.request_head = "GET / HTTP/1.1\r\nHost: 127.0.0.1:22001\r\n\r\n".into();
    }
    pairs
}

#[test]
fn the_controls_own_host_hides_no_other_path_in_links() {
    let link = |host: &str, next: bool| {
        let version = if next { "v2" } else { "v1" };
        format!(r#"{{"self":"http://{host}/api/{version}/items/1"}}"#)
    };
    let tally = counted(with_hosts(), &of_hosts(1284, link));
    let comparison = comparison(&tally);
    assert_eq!(lines(&comparison.differences), ["GET / $.self value 1284"]);
    assert_eq!(comparison.agreement.count, 0);
}

#[test]
fn a_bare_host_is_each_sides_own() {
    let echo = |host: &str, _| format!(r#"{{"headers":{{"Host":"{host}"}},"url":"http://{host}/"}}"#);
    let comparison = comparison(&counted(with_hosts(), &of_hosts(100, echo)));
    assert_eq!(
        lines(&comparison.differences),
        [
            "GET / $.headers.Host value 100 rule",
            "GET / $.url value 100 rule"
        ]
    );
    assert_eq!(comparison.agreement.count, 100);
}

#[test]
fn a_constant_of_the_instance_is_named_once_and_not_suspicious() {
    let served = |name: &str| format!(r#"{{"servedBy":"{name}"}}"#);
    let pairs = pairs(1000, |_| ["pod-1", "pod-7", "pod-3"].map(served));
    let comparison = comparison(&counted(judging(), &pairs));
    assert_eq!(
        lines(&comparison.differences),
        ["GET / $.servedBy value 1000 control"]
    );
    let row = &comparison.differences[0];
    assert_eq!(row.suspicious, 0);
    let why = row.noise.as_ref().map(|noise| &*noise.why).unwrap_or_default();
    assert!(why.starts_with("a constant of the instance: "), "{why}");
    assert_eq!(comparison.agreement.count, 1000);
}

#[test]
fn a_not_modified_of_production_alone_is_excused_and_told() {
    let mut pairs = pairs(1000, |_| ["{}", "{}", "{}"].map(str::to_owned));
    for pair in pairs.iter_mut().take(650) {
        pair.production = Answer {
            head: "HTTP/1.1 304 X\r\n\r\n".into(),
            body: bytes::Bytes::new(),
            times: None,
        };
    }
    let tally = counted(judging(), &pairs);
    let comparison = comparison(&tally);
    assert_eq!(
        lines(&comparison.differences),
        [
            "GET / $ extra 650 excused",
            "GET / header.content-type extra 650 excused",
            "GET / status status 650 excused"
        ]
    );
    assert_eq!((comparison.agreement.count, comparison.excused), (1000, 650));
    assert_eq!(
        (comparison.other_status.count, comparison.agreement_raw.count),
        (0, 350)
    );
    let status = comparison.statuses.iter().find(|pair| pair.production == 304);
    assert_eq!(status.map(|pair| (pair.count, pair.excused)), Some((650, 650)));
    assert_eq!(tally.counters.counts().other_status, 0);
}

#[test]
fn new_5xx_that_the_control_has_too_are_excused_unless_protected() {
    let mut pairs = pairs(1000, |_| ["{}", "{}", "{}"].map(str::to_owned));
    for pair in pairs.iter_mut().take(100) {
        pair.shadow = answer(500, "{}");
        pair.control = Some(answer(500, "{}"));
    }
    let excused = comparison(&counted(judging(), &pairs));
    assert_eq!((excused.new_5xx.count, excused.agreement.count), (0, 1000));
    let mut judging = judging();
    judging.rules = Rules::default().with_protected(PathPattern::parse("status").unwrap());
    let protected = comparison(&counted(judging, &pairs));
    assert_eq!((protected.new_5xx.count, protected.agreement.count), (100, 900));
    assert_eq!(lines(&protected.differences), ["GET / status status 100"]);
    assert_eq!(protected.excused, 0);
}

#[test]
fn a_protected_place_is_not_excused() {
    let pairs = pairs(100, |_| {
        [r#"{"total":1}"#, r#"{"total":2}"#, r#"{"total":2}"#].map(str::to_owned)
    });
    let mut judging = judging();
    judging.rules = Rules::default().with_protected(PathPattern::parse("$.total").unwrap());
    let comparison = comparison(&counted(judging, &pairs));
    assert_eq!(lines(&comparison.differences), ["GET / $.total value 100"]);
    assert_eq!(comparison.agreement.count, 0);
}

#[test]
fn a_few_pairs_of_the_shadow_alone_count_where_all_else_is_noise() {
    // Ids that are new in each answer, but for some in which production and the control agree.
    let few = |alone: u64| {
        move |number: u64| {
            let id = |side: &str| format!(r#"{{"id":"{side}{number}"}}"#);
            if number < alone {
                [id("p"), id("wrong"), id("p")]
            } else {
                [id("p"), id("s"), id("c")]
            }
        }
    };
    let judged = |alone| comparison(&counted(judging(), &pairs(1000, few(alone))));
    // One side or the other is alone by chance as often: seven times out of seven is none.
    let chance = judged(6);
    assert_eq!(lines(&chance.differences), ["GET / $.id value 1000 control"]);
    let fault = judged(7);
    assert_eq!(lines(&fault.differences), ["GET / $.id value 7"]);
    let aside = &fault.differences[0].aside;
    assert_eq!((aside[0].count, aside[0].noise.by), (993, NoiseBy::Control));
    assert_eq!(fault.agreement.count, 993);
}

#[test]
fn where_the_control_never_differs_the_first_pair_counts() {
    let price = |number: u64| {
        [10, if number == 77 { 12 } else { 10 }, 10].map(|price| format!(r#"{{"price":{price}}}"#))
    };
    let comparison = comparison(&counted(judging(), &pairs(10_000, price)));
    assert_eq!(lines(&comparison.differences), ["GET / $.price value 1"]);
}

#[test]
fn a_release_against_itself_agrees_whoever_is_alone() {
    // Each of the three has one of two values, by chance.
    let zone = |number: u64| {
        let mut random = Random(number);
        [0; 3].map(|_| format!(r#"{{"zone":"{}"}}"#, if random.happens(0.3) { "a" } else { "b" }))
    };
    let comparison = comparison(&counted(judging(), &pairs(5000, zone)));
    assert_eq!(
        comparison.agreement.count,
        5000,
        "{:?}",
        lines(&comparison.differences)
    );
    assert_eq!(comparison.differences.len(), 1);
    assert_eq!(comparison.verdict.word, Verdict::Go);
}

#[test]
fn each_pair_of_status_codes_has_a_row() {
    let mut pairs = Vec::new();
    for (number, production) in std::iter::repeat_n(200, 42)
        .chain(std::iter::repeat_n(400, 47))
        .enumerate()
    {
        let mut pair = pair(number as u64, "/", "{}", "{}");
        pair.production = answer(production, "{}");
        pair.shadow = answer(302, "{}");
        pairs.push(pair);
    }
    let comparison = comparison(&counted(judging(), &pairs));
    let codes = comparison.differences.iter().map(|row| {
        let code = |value: &Option<String>| value.clone().unwrap_or_default();
        format!("{} {} -> {}", row.count, code(&row.production), code(&row.shadow))
    });
    assert_eq!(codes.collect::<Vec<_>>(), ["47 400 -> 302", "42 200 -> 302"]);
}

#[test]
fn pairs_of_status_codes_beyond_a_few_share_a_row() {
    let mut pairs = Vec::new();
    for number in 0..40_u16 {
        let mut pair = pair(u64::from(number), "/", "{}", "{}");
        pair.shadow = answer(510 + number, "{}");
        pairs.push(pair);
    }
    let comparison = comparison(&counted(judging(), &pairs));
    let counts: Vec<u64> = comparison.differences.iter().map(|row| row.count).collect();
    assert_eq!(counts, [vec![24], vec![1; 16]].concat());
}

#[test]
fn metrics_say_what_the_document_says() {
    let pairs = pairs(1000, |number| {
        let body = |id: &str, price: u32| format!(r#"{{"id":"{id}{number}","price":{price}}}"#);
        match number {
            0..100 => [body("a", 1), body("a", 1), body("a", 1)],
            100..150 => [body("a", 1), body("a", 2), body("a", 1)],
            150..300 => [body("a", 1), body("a", 2), body("a", 2)],
            _ => [body("a", 1), body("b", 1), body("c", 1)],
        }
    });
    let outcomes = comparison(&counted(judging(), &pairs)).outcomes();
    assert_eq!(
        outcomes.named(),
        [
            ("equal", 100),
            ("excused", 150),
            ("noise", 700),
            ("not_learned", 0),
            ("different", 50)
        ]
    );
}

#[test]
fn an_example_shows_the_controls_answer_beside_the_others() {
    let pairs = pairs(1, |_| {
        [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#].map(str::to_owned)
    });
    let comparison = comparison(&counted(judging(), &pairs));
    let control = comparison.examples[0].control.as_ref();
    let text = control.and_then(|control| control.body.text.as_deref());
    assert_eq!(text, Some("{\n  \"a\": 3\n}"));
}

/// The differences that runs of a release against itself name: of 200 pairs with 24 values each, all of which vary by chance in
/// one way, a control's as well.
fn named_by_chance(runs: u64, value: impl Fn(&mut Random) -> u64) -> Vec<String> {
    let body = |random: &mut Random| {
        let values = (0..24).map(|place| format!(r#""v{place}":{}"#, value(random)));
        format!("{{{}}}", values.collect::<Vec<_>>().join(","))
    };
    let named = |run: u64| {
        let mut random = Random(run);
        let rows = comparison(&counted(
            judging(),
            &pairs(200, |_| [(); 3].map(|()| body(&mut random))),
        ))
        .differences;
        lines(
            &rows
                .into_iter()
                .filter(|row| row.noise.is_none())
                .collect::<Vec<_>>(),
        )
    };
    (0..runs).flat_map(named).collect()
}

#[test]
fn of_many_places_that_vary_none_is_named_by_chance() {
    let either = |random: &mut Random| u64::from(random.happens(0.05));
    assert_eq!(named_by_chance(3, either), [""; 0]);
    let mostly_one = |random: &mut Random| if random.happens(0.05) { random.number() } else { 0 };
    assert_eq!(named_by_chance(3, mostly_one), [""; 0]);
}

#[test]
fn a_rare_value_is_no_fault_where_the_control_has_rare_ones_too() {
    let one_of_twelve = |random: &mut Random| {
        if random.happens(0.12) {
            random.number() % 12
        } else {
            12
        }
    };
    assert_eq!(named_by_chance(3, one_of_twelve), [""; 0]);
}
