//! The same release on both sides, at the default rules: GO, although every instance has ids, tokens, times and validators of its
//! own.
//!
//! The rules ask for 5,000 pairs: behind the traffic of an application's users come as many reads of a small page of it.

use shadow_tests::Stage;
use shadow_tests::applications::{DATASETTE, DJANGO, HTTPBIN, JSON_SERVER, Release, SITE, Trial, Tried};

/// Rounds of the traffic, clients that send it, and reads behind that.
type Traffic = (u32, u32, u32);

/// A release beside itself, with what so many of its users send.
fn beside_itself(stage: &Stage, release: Release, control: bool, traffic: Traffic) -> Tried {
    let (rounds, clients, reads) = traffic;
    let trial = Trial {
        production: release,
        shadow: release,
        control,
        rounds,
        clients,
        reads,
        flags: &[],
    };
    trial.run(stage)
}

/// With enough requests for the word it is GO: so many were seen, and all of them compared.
fn goes(stage: &Stage, release: Release, control: bool, traffic: Traffic, requests: u64) {
    let Tried { report, ledger } = beside_itself(stage, release, control, traffic);
    assert_eq!(report.differences(0), [], "{report}");
    assert_eq!(report.verdict(), "GO", "{report}");
    assert_eq!((ledger.seen(), report.compared(0)), (requests, requests));
}

/// With some hundred requests the default rules cannot say GO yet; but nothing counts.
fn agrees(stage: &Stage, release: Release, control: bool, rounds: u32) {
    let Tried { report, .. } = beside_itself(stage, release, control, (rounds, 3, 0));
    assert_eq!(report.differences(0), [], "{report}");
    assert_eq!(report.agreeing(0), report.compared(0), "{report}");
    assert_eq!(report.verdict(), "NOT ENOUGH DATA", "{report}");
}

#[test]
fn a_site_of_nginx_goes_with_a_control() {
    goes(&stage!(), SITE[0], true, (240, 3, 0), 5_280);
}

#[test]
fn a_site_of_nginx_goes_without_a_control() {
    goes(&stage!(), SITE[0], false, (240, 3, 0), 5_280);
}

#[test]
fn a_site_of_apache_agrees_with_a_control() {
    agrees(&stage!(), SITE[1], true, 12);
}

#[test]
fn httpbin_goes_without_a_control() {
    goes(&stage!(), HTTPBIN[1], false, (110, 3, 0), 5_359);
}

/// One client, as below: what several write at the same time is in each other's lists, or not yet. Without a control nobody knows that
/// it is no fault, and in a dozen pages a control does not show it either.
#[test]
fn json_server_with_random_ids_goes_with_a_control() {
    goes(&stage!(), JSON_SERVER[1], true, (12, 1, 4_750), 5_034);
}

#[test]
fn json_server_with_numbers_goes_without_a_control() {
    goes(&stage!(), JSON_SERVER[0], false, (12, 1, 4_700), 5_032);
}

#[test]
fn datasette_goes_with_a_control() {
    goes(&stage!(), DATASETTE[0], true, (10, 1, 4_790), 5_010);
}

#[test]
fn datasette_goes_without_a_control() {
    goes(&stage!(), DATASETTE[0], false, (22, 1, 4_520), 5_004);
}

#[test]
fn django_goes_with_a_control() {
    goes(&stage!(), DJANGO[1], true, (6, 1, 4_880), 5_003);
}

#[test]
fn django_goes_without_a_control() {
    goes(&stage!(), DJANGO[1], false, (6, 1, 4_880), 5_003);
}
