//! Every request of an application's users reaches the shadow, and its answer is compared with production's: reads, writes,
//! logins, conditional requests, redirects, ranges, streams, server-sent events, a long poll and errors.

use shadow_tests::Stage;
use shadow_tests::applications::{DATASETTE, DJANGO, HTTPBIN, JSON_SERVER, Release, SITE, Trial};

/// A trial checks this in each run: all that the client sent was delivered, and the report accounts for every request.
fn whole(stage: &Stage, [today, next]: [Release; 2], rounds: u32) {
    let trial = Trial {
        production: today,
        shadow: next,
        control: true,
        rounds,
        clients: 3,
        reads: 0,
        flags: &[],
    };
    trial.run(stage);
}

#[test]
fn each_request_to_httpbin_is_delivered_and_compared() {
    whole(&stage!(), HTTPBIN, 9);
}

#[test]
fn each_request_to_datasette_is_delivered_and_compared() {
    whole(&stage!(), DATASETTE, 9);
}

#[test]
fn each_request_to_django_is_delivered_and_compared() {
    whole(&stage!(), DJANGO, 9);
}

#[test]
fn each_request_to_json_server_is_delivered_and_compared() {
    whole(&stage!(), JSON_SERVER, 9);
}

#[test]
fn each_request_to_a_static_site_is_delivered_and_compared() {
    whole(&stage!(), SITE, 9);
}
