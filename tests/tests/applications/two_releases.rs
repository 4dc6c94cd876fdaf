//! Two releases: every difference that plain requests show is named, and nothing else.

use shadow_tests::Stage;
use shadow_tests::applications::{JSON_SERVER, Release, SITE, Trial, Tried, truth};

/// Tries the next release beside today's and holds what the report says against what both answer when asked directly.
fn named(stage: &Stage, [today, next]: [Release; 2], rounds: u32) {
    let trial = Trial {
        production: today,
        shadow: next,
        control: true,
        rounds,
        clients: 3,
        reads: 0,
        flags: &[],
    };
    let Tried { report, .. } = trial.run(stage);
    let truth = truth(stage, today, next, rounds, &report);
    assert!(truth.real > 0, "{truth:#?}");
    assert!(
        truth.missed.is_empty() && truth.invented.is_empty(),
        "{truth:#?}\n{report}"
    );
}

#[test]
fn what_differs_between_nginx_and_apache_is_named_and_nothing_else() {
    named(&stage!(), SITE, 12);
}

#[test]
fn what_differs_in_json_server_is_named_and_nothing_else() {
    named(&stage!(), JSON_SERVER, 6);
}
