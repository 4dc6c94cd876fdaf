//! The same release on both sides: nothing counts, although every instance has ids, tokens, times and validators of its own.

use shadow_tests::Stage;
use shadow_tests::applications::{DATASETTE, HTTPBIN, JSON_SERVER, Release, SITE, Trial, Tried};

/// A release beside itself, with what so many of its users send.
fn beside_itself(stage: &Stage, release: Release, control: bool, (rounds, clients): (u32, u32)) -> Tried {
    let trial = Trial {
        production: release,
        shadow: release,
        control,
        rounds,
        clients,
        flags: &[],
    };
    trial.run(stage)
}

/// With enough requests for the word, at the default rules, it is GO.
fn goes(stage: &Stage, release: Release, control: bool, rounds: u32) {
    let Tried { report, .. } = beside_itself(stage, release, control, (rounds, 3));
    assert_eq!(report.differences(0), [], "{report}");
    assert_eq!(report.verdict(), "GO", "{report}");
}

/// With some hundred requests the default rules cannot say GO yet; but nothing counts.
fn agrees(stage: &Stage, release: Release, control: bool, (rounds, clients): (u32, u32)) {
    let Tried { report, .. } = beside_itself(stage, release, control, (rounds, clients));
    assert_eq!(report.differences(0), [], "{report}");
    assert_eq!(report.agreeing(0), report.compared(0), "{report}");
    assert_eq!(report.verdict(), "NOT ENOUGH DATA", "{report}");
}

#[test]
fn a_site_of_nginx_goes_with_a_control() {
    goes(&stage!(), SITE[0], true, 240);
}

#[test]
fn a_site_of_nginx_goes_without_a_control() {
    goes(&stage!(), SITE[0], false, 240);
}

#[test]
fn a_site_of_apache_agrees_with_a_control() {
    agrees(&stage!(), SITE[1], true, (12, 3));
}

#[test]
fn json_server_with_random_ids_agrees_with_a_control() {
    agrees(&stage!(), JSON_SERVER[1], true, (12, 3));
}

#[test]
fn json_server_with_random_ids_agrees_without_a_control() {
    agrees(&stage!(), JSON_SERVER[1], false, (12, 3));
}

#[test]
fn httpbin_goes_without_a_control() {
    goes(&stage!(), HTTPBIN[1], false, 110);
}

/// Records that several write at the same time are in each other's lists, or not yet: without a control nobody knows that it is no fault.
#[test]
fn datasette_agrees_without_a_control() {
    agrees(&stage!(), DATASETTE[1], false, (30, 1));
}
