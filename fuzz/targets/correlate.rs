//! Correlation over any bytes: production's answer and an output's, and a request that may carry what they teach. What comes of
//! the request is one whole request, and nothing in it changes where both sides answered alike.
#![no_main]

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::correlate::rewrite::Rewriting;
use shadow_agent::correlate::{Bounds, Exceptions, Exchanges, Keys, Map, Same, lock};
use shadow_agent::http::{Limits, whole_request};
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::LIMITS;

/// The line between the messages.
const BETWEEN: &[u8] = b"\n====\n";
const NOW: Timestamp = Timestamp(1);

fn parts(data: &[u8]) -> [&[u8]; 4] {
    let mut rest = data;
    let mut next = || {
        let at = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN);
        let (part, behind) = rest.split_at(at.unwrap_or(rest.len()));
        rest = behind.strip_prefix(BETWEEN).unwrap_or_default();
        part
    };
    [next(), next(), next(), next()]
}

fn split(answer: &[u8]) -> (&[u8], &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    answer.split_at(end.map_or(answer.len(), |end| end + 4))
}

fuzz_target!(|data: &[u8]| {
    let [asked, production, own, carrying] = parts(data);
    let budget = MemoryBudget::new(1 << 20);
    let read = |payload| whole_request(payload, LIMITS, &budget);
    let (Ok(asked), Ok(carrying)) = (read(asked), read(carrying)) else {
        return;
    };
    let asked: Rc<_> = asked.into();
    let exceptions = Arc::new(Exceptions::default());
    let learned = |own: &[u8]| {
        let keys = Keys::default();
        let map = Arc::new(Mutex::new(Map::new(keys.clone(), Bounds::default())));
        let mut exchanges = Exchanges::new(Arc::clone(&map), keys, Arc::clone(&exceptions));
        exchanges.open(&1, &asked);
        let (head, body) = split(production);
        exchanges.production(&1, (head, body), NOW, NOW);
        let (head, body) = split(own);
        let (production_head, production_body) = split(production);
        let same = Same::if_body(body == production_body, production_head);
        exchanges.own(&1, head, body, same, NOW);
        assert!(exchanges.is_empty());
        assert!(lock(&map).bytes() <= Bounds::default().bytes);
        map
    };
    let map = learned(own);
    let rewriting = Rewriting::of(&carrying, &exceptions, &mut lock(&map), NOW);
    assert_eq!(rewriting.pending, 0);
    if rewriting.values() > 0
        && let Ok(after) = rewriting.apply(&carrying)
    {
        assert_eq!(after.method(), carrying.method());
        let whole = [&after.head[..], &after.body[..]].concat();
        let wide = Limits {
            max_head: 1 << 16,
            max_body: 1 << 18,
            ..LIMITS
        };
        assert!(whole_request(&whole, wide, &budget).is_ok());
    }
    let map = learned(production);
    let rewriting = Rewriting::of(&carrying, &exceptions, &mut lock(&map), NOW);
    assert_eq!((rewriting.values(), rewriting.pending), (0, 0));
});
