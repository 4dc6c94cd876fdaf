//! One release on both sides, whose instances issue ids, tokens and validators of their own: what production's clients send back is
//! sent to the shadow as the shadow issued it, so that every request has the same status there.

use shadow_tests::Stage;
use shadow_tests::applications::{DJANGO, JSON_SERVER, Release, SITE, Trial};

/// Pairs with another status, and how many requests were sent with values of the shadow's own.
fn other_status(stage: &Stage, release: Release, flags: &[&str]) -> (u64, u64) {
    let trial = Trial {
        production: release,
        shadow: release,
        control: false,
        rounds: 12,
        flags,
    };
    let report = trial.run(stage).report.0;
    let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    let comparison = &report["comparisons"][0];
    (
        count(&comparison["other_status"]["count"]),
        count(&comparison["correlated"]["requests"]),
    )
}

fn every_status_is_the_same(stage: &Stage, release: Release) {
    let (other, correlated) = other_status(stage, release, &[]);
    assert_eq!(other, 0);
    assert!(correlated > 100, "{correlated} requests");
}

#[test]
fn sessions_and_forms_of_django_go_on_in_the_shadow() {
    every_status_is_the_same(&stage!(), DJANGO[0]);
}

#[test]
fn records_of_json_server_are_found_in_the_shadow() {
    every_status_is_the_same(&stage!(), JSON_SERVER[0]);
    every_status_is_the_same(&stage!(), JSON_SERVER[1]);
}

#[test]
fn conditions_on_files_of_nginx_hold_in_the_shadow() {
    every_status_is_the_same(&stage!(), SITE[0]);
}

#[test]
fn what_was_issued_is_sent_as_it_is_where_nobody_maps_it() {
    let (other, correlated) = other_status(&stage!(), JSON_SERVER[0], &["--no-correlate"]);
    assert!(other > 20, "{other} other statuses");
    assert_eq!(correlated, 0);
}
