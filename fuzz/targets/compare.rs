//! Two answers of any bytes against each other: what comes of it is bounded, an answer is equal to itself, and both ways round
//! the same places differ.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use shadow_agent::compare::{
    Answer, ArrayMatch, ArrayRule, CompareContext, Compared, PathPattern, Rules, RulesFile, compare,
};

/// The line that stands between the two answers.
const BETWEEN: &[u8] = b"\n====\n";

fn answer(bytes: &[u8]) -> Answer {
    let at = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, body) = bytes.split_at(at.map_or(0, |at| at + 4));
    Answer {
        head: Bytes::copy_from_slice(head),
        body: Bytes::copy_from_slice(body),
        times: None,
    }
}

fn check(compared: &Compared) -> Vec<&str> {
    let by_rule = compared.by_rule.iter().map(|(difference, _)| difference);
    let all: Vec<_> = compared.differences.iter().chain(by_rule).collect();
    assert!(all.len() <= 201);
    for one in &all {
        assert!(one.path.len() <= 512);
        let values = [&one.production, &one.shadow].into_iter().flatten();
        assert!(values.into_iter().all(|value| value.chars().count() <= 201));
        // Whatever is told can be written into a rule, but for a header whose name is too long for a path.
        if one.path != "header" {
            PathPattern::parse(&one.path).unwrap();
        }
    }
    let mut places: Vec<&str> = compared.differences.iter().map(|one| one.path.as_str()).collect();
    places.sort_unstable();
    places
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    if choice == b'#' {
        let _ = std::str::from_utf8(data).map(RulesFile::parse);
        return;
    }
    let matched = [
        ArrayMatch::Order,
        ArrayMatch::Set,
        ArrayMatch::Key("id".to_owned()),
    ];
    let rules = Rules::default()
        .with_max_structured(10_000)
        .with_array(ArrayRule {
            path: PathPattern::parse("$.a").unwrap(),
            matched: matched[usize::from(choice) % 3].clone(),
        });
    let method: &[u8] = if choice & 0x80 == 0 { b"GET" } else { b"HEAD" };
    let between = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (production, shadow) = match between {
        Some(at) => (answer(&data[..at]), answer(&data[at + BETWEEN.len()..])),
        None => (answer(data), answer(b"HTTP/1.1 200 OK\r\n\r\n{}")),
    };
    // Under the host that stands in production's answer, and another.
    let question = CompareContext {
        endpoint: "GET /",
        method,
        head: &production.head,
        host: Some("next:8080"),
        first_host: None,
        mapped: None,
    };
    let there = compare(&question, &production, &shadow, &rules);
    let back = compare(&question, &shadow, &production, &rules);
    assert_eq!(check(&there), check(&back));
    assert!(compare(&question, &production, &production, &rules).is_equal());
});
