//! One release on both sides, whose instances issue ids, tokens and validators of their own: what production's clients send back is
//! sent to the shadow as the shadow issued it, so that requests have the same status there.

use shadow_tests::Stage;
use shadow_tests::applications::{DJANGO, JSON_SERVER, Release, SITE, Trial};

/// Of the pairs: all, those with another status, and the requests that were sent with values of the shadow's own.
fn statuses(stage: &Stage, release: Release, flags: &[&str]) -> [u64; 3] {
    let trial = Trial {
        production: release,
        shadow: release,
        control: false,
        rounds: 12,
        clients: 3,
        reads: 0,
        flags,
    };
    let report = trial.run(stage).report.0;
    let count = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    let comparison = &report["comparisons"][0];
    [
        count(&comparison["other_status"]["total"]),
        count(&comparison["other_status"]["count"]),
        count(&comparison["correlated"]["requests"]),
    ]
}

#[test]
fn sessions_and_forms_of_django_go_on_in_the_shadow() {
    let [all, other, correlated] = statuses(&stage!(), DJANGO[0], &[]);
    // Order is kept within a connection: a logout on a client's next one may overtake the last pages of the one before. Where
    // nothing is mapped, it is three in five.
    assert!(other * 10 <= all, "{other} other statuses of {all}");
    assert!(correlated > 50, "{correlated} requests");
}

#[test]
fn a_shadow_that_nobody_compares_answers_as_production_does() {
    let trial = Trial {
        production: DJANGO[0],
        shadow: DJANGO[0],
        control: false,
        rounds: 9,
        clients: 1,
        reads: 0,
        flags: &["--correlate"],
    };
    let mirrored = trial.mirror(&stage!());
    assert_eq!(mirrored.shadow, mirrored.production);
    assert!(mirrored.correlated > 50, "{} requests", mirrored.correlated);
}

#[test]
fn records_of_json_server_are_found_in_the_shadow() {
    for release in JSON_SERVER {
        let [all, other, correlated] = statuses(&stage!(), release, &[]);
        // It gives the id of a deleted record again: whose it is then is a matter of moments. Where nothing is mapped, it is one
        // in two.
        assert!(other * 50 <= all, "{other} other statuses of {all}");
        assert!(correlated > 50, "{correlated} requests");
    }
}

#[test]
fn conditions_on_files_of_nginx_hold_in_the_shadow() {
    let [_, other, correlated] = statuses(&stage!(), SITE[0], &[]);
    assert_eq!(other, 0);
    assert!(correlated > 50, "{correlated} requests");
}

#[test]
fn what_was_issued_is_sent_as_it_is_where_nobody_maps_it() {
    let [all, other, correlated] = statuses(&stage!(), JSON_SERVER[0], &["--no-correlate"]);
    assert!(other * 10 > all, "{other} other statuses of {all}");
    assert_eq!(correlated, 0);
}
