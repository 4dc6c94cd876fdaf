//! Lines of text: templates of routes, rules of verdicts, and requests. What can be read is read again as it is written, and
//! every request has an endpoint with a name of printable characters, the same whoever came before it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::compare::fail_on::FailRule;
use shadow_agent::compare::routes::{EndpointId, RouteTemplate, Routes};

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let texts = || lines.iter().filter_map(|line| std::str::from_utf8(line).ok());
    for rule in texts().filter_map(|text| text.parse::<FailRule>().ok()) {
        let written = rule.to_string();
        let again: FailRule = written.parse().expect(&written);
        assert_eq!(again.to_string(), written);
    }
    let given: Vec<RouteTemplate> = texts().filter_map(|text| text.parse().ok()).collect();
    for template in &given {
        assert_eq!(template.to_string().parse().as_ref(), Ok(template));
    }
    // Bounds that are met, and ones that are not.
    named(Routes::new(given.clone(), 3), lines.iter());
    let forth = named(Routes::new(given.clone(), 1 << 20), lines.iter());
    let mut back = named(Routes::new(given, 1 << 20), lines.iter().rev());
    back.reverse();
    assert_eq!(forth, back, "the order of requests does not matter");
});

/// The names of the endpoints of all lines, `METHOD TARGET`, once all are known.
fn named<'a>(mut routes: Routes, lines: impl Iterator<Item = &'a &'a [u8]>) -> Vec<String> {
    let mut ids: Vec<EndpointId> = Vec::new();
    for line in lines {
        let space = line.iter().position(|byte| *byte == b' ');
        let (method, target) = line.split_at(space.unwrap_or(0));
        let target = target.strip_prefix(b" ").unwrap_or(target);
        let id = routes.endpoint(method, target);
        assert_eq!(routes.canonical(id), id);
        ids.push(id);
    }
    let names: Vec<String> = ids.into_iter().map(|id| routes.name(id)).collect();
    for name in &names {
        assert!(name.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{name:?}");
    }
    names
}
