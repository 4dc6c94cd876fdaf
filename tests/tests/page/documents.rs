//! Documents to show: an ordinary one, one in which everything is an attack, and a large one.

mod pieces;

use shadow_agent::compare::Kind;
use shadow_agent::compare::document::{Comparison, Document, Latency, Rate, RuleOutcome, SCHEMA, Verdict};

use self::pieces::{BEGIN, SECOND, comparison, difference, endpoint, latency, rate};

/// Text as a hostile client would send it.
pub const ATTACKS: [&str; 8] = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "javascript:alert(1)",
    "user\u{202e}gnp.exe",
    "\u{0}\u{1b}[31m\r\nSet-Cookie: a=b",
    "<!--<script>{{constructor.constructor('alert(1)')()}}${alert(1)}",
    "a\u{200b}b\u{2028}c\u{feff}",
];

/// A release with a few faults, and a control.
pub fn ordinary() -> Document {
    of(vec![comparison("http://release-42.shadow:8080", Verdict::NoGo)])
}

/// A release that would have survived, and one of which nobody can say.
pub fn several() -> Document {
    let mut go = comparison("http://release-41.shadow:8080", Verdict::Go);
    go.verdict.why = vec!["Every rule is met, with 95% confidence.".to_owned()];
    for rule in &mut go.verdict.rules {
        rule.outcome = RuleOutcome::Passed;
    }
    let mut unsure = comparison("http://release-43.shadow:8080", Verdict::NotEnoughData);
    unsure.verdict.why = vec!["50 pairs were compared, and 5,000 are asked for.".to_owned()];
    unsure.endpoints.clear();
    unsure.differences.clear();
    unsure.statuses.clear();
    unsure.timeline.steps.clear();
    unsure.production_latency = Latency::default();
    unsure.shadow_latency = Latency::default();
    unsure.agreement = Rate::default();
    unsure.ended_ms = Some(BEGIN + 600 * SECOND);
    let mut document = of(vec![go, unsure]);
    document.notes = vec!["3 comparisons of outputs that ended are not listed any more.".to_owned()];
    document
}

/// The ordinary one with an attack wherever traffic or a peer has a say.
pub fn hostile() -> Document {
    let mut document = ordinary();
    let attack = ATTACKS.join(" ");
    attack.clone_into(&mut document.version);
    document.notes = ATTACKS.map(str::to_owned).to_vec();
    let comparison = &mut document.comparisons[0];
    attack.clone_into(&mut comparison.shadow);
    comparison.production = ATTACKS.map(str::to_owned).to_vec();
    comparison.control = Some(attack.clone());
    comparison.verdict.why = ATTACKS.map(str::to_owned).to_vec();
    for rule in &mut comparison.verdict.rules {
        attack.clone_into(&mut rule.rule);
        attack.clone_into(&mut rule.text);
    }
    comparison.coverage.failed.insert(attack.clone(), 1);
    comparison.coverage.not_compared.insert("__proto__".to_owned(), 1);
    comparison.coverage.endpoints_not_compared = ATTACKS.map(str::to_owned).to_vec();
    for (endpoint, attack) in comparison.endpoints.iter_mut().zip(ATTACKS.iter().cycle()) {
        (*attack).clone_into(&mut endpoint.name);
        endpoint.failed.insert((*attack).to_owned(), 1);
    }
    for (row, attack) in comparison.differences.iter_mut().zip(ATTACKS.iter().cycle()) {
        (*attack).clone_into(&mut row.endpoint);
        (*attack).clone_into(&mut row.path);
        row.production = Some((*attack).to_owned());
        row.shadow = Some(format!("{attack}{attack}"));
        if let Some(noise) = &mut row.noise {
            (*attack).clone_into(&mut noise.why);
        }
    }
    for example in &mut comparison.examples {
        attack.clone_into(&mut example.endpoint);
        example.request_head = ATTACKS.join("\n");
        example.shadow.head = ATTACKS.join("\n");
        example.shadow.body.text = Some(ATTACKS.join("\n"));
        for difference in &mut example.differences {
            attack.clone_into(&mut difference.path);
        }
    }
    comparison.extra[0].lost.insert(attack.clone(), 1);
    let force = &mut comparison.in_force;
    for list in [
        &mut force.fail_on,
        &mut force.ignored,
        &mut force.protected,
        &mut force.routes,
        &mut force.noise,
        &mut force.selection,
        &mut force.notes,
    ] {
        *list = ATTACKS.map(str::to_owned).to_vec();
    }
    document
}

/// 500 endpoints and 10,000 differences.
pub fn large() -> Document {
    let mut comparison = comparison("http://release-42.shadow:8080", Verdict::NoGo);
    comparison.endpoints = (0..500)
        .map(|at| {
            endpoint(
                &format!("GET /service-{}/resource-{at}/{{id}}", at % 20),
                100_000 - at * 150,
            )
        })
        .collect();
    comparison.differences = (0..10_000)
        .map(|at| {
            let mut row = difference(
                &comparison.endpoints[at % 500].name,
                &format!("$.items[*].field_{at}"),
                [Kind::Value, Kind::Missing, Kind::Extra, Kind::Type][at % 4],
                (10_000 - at) as u64,
            );
            row.first_ms = BEGIN + (at as u64 * 7919) % 3600 * SECOND;
            row
        })
        .collect();
    comparison.differences_beyond = 1234;
    of(vec![comparison])
}

/// The document of another run of the same release: one difference gone, one new, and faster.
pub fn later() -> Document {
    let mut document = ordinary();
    document.made_at_ms += 86_400_000;
    document.verdict = Verdict::Go;
    let comparison = &mut document.comparisons[0];
    comparison.verdict.word = Verdict::Go;
    comparison.verdict.why = vec!["Every rule is met, with 95% confidence.".to_owned()];
    comparison.differences.remove(0);
    comparison
        .differences
        .insert(0, difference("GET /orders/{id}", "$.currency", Kind::Missing, 12));
    comparison.new_5xx = rate(2, 98_700);
    comparison.shadow_latency = latency(3_000.0, 0.9);
    document
}

fn of(comparisons: Vec<Comparison>) -> Document {
    Document {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        made_at_ms: BEGIN + 3_601 * SECOND,
        verdict: comparisons
            .iter()
            .map(|comparison| comparison.verdict.word)
            .max()
            .unwrap_or(Verdict::NotEnoughData),
        comparisons,
        notes: Vec::new(),
    }
}
