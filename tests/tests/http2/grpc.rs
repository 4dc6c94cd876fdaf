//! gRPC by Python's grpcio and Node's grpc-js: unary calls, streams either way and both ways, errors, compression.

use shadow_tests::{Agent, GrpcShop, GrpcStack, Ledger, Netns, Report, Stage, stage};

/// Two releases of grpcio. Clients have the second.
const GRPCIO: [GrpcStack; 2] = [GrpcStack::Grpcio162, GrpcStack::Grpcio185];

/// The planted faults by the names of fields.
const FAULTS: [&str; 3] = [
    "shop.Catalog/GetBasket $.items[*].price value",
    "shop.Catalog/Put trailer.x-checksum missing",
    "shop.Catalog/Watch grpc-status status",
];

/// Makes calls to production with the agent beside it. Gives how many, the ledger and the report.
fn compared(
    stage: &Stage,
    stacks: [GrpcStack; 2],
    faulty: bool,
    rounds: u32,
    more: &[&str],
) -> (u64, Ledger, Report) {
    let [production, shadow] = GrpcShop::both(stage, stacks, faulty);
    let file = stage.path("report.json");
    let report = file.to_string_lossy();
    let (input, output) = (
        production.address.to_string(),
        format!("http://{}", shadow.address),
    );
    let common = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--compare",
        "--report",
    ];
    let arguments = [&common[..], &[&*report], more].concat();
    let agent = Agent::start(stage, &Netns::host(), &arguments);
    let calls = production.call(stacks[1], rounds);
    agent.wait_for_ledger("every call has an end", |ledger| {
        ledger.seen() >= calls && ledger.delivered(0) >= calls
    });
    let (_, ledger) = agent.stop_to_judge();
    ledger.assert_closed();
    assert_eq!((ledger.seen(), ledger.delivered(0)), (calls, calls), "{ledger}");
    assert_eq!(production.served(), shadow.served());
    (calls, ledger, Report::read(&file))
}

fn names(report: &Report) -> Vec<String> {
    let differences = report.differences(0).into_iter();
    let mut names: Vec<String> = differences
        .map(|(endpoint, path, kind)| format!("{endpoint} {path} {kind}"))
        .collect();
    names.sort();
    names
}

#[test]
fn calls_of_every_kind_agree_between_two_releases() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let descriptors = GrpcShop::descriptors();
    let descriptors = descriptors.to_string_lossy();
    let (calls, ledger, report) = compared(&stage, GRPCIO, false, 10, &["--grpc-descriptors", &descriptors]);
    assert_eq!(calls, 60);
    report.assert_accounts_for(0, &ledger);
    assert_eq!((report.compared(0), report.agreeing(0)), (60, 60), "{report}");
}

#[test]
fn planted_faults_of_a_service_are_named_and_nothing_else() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let descriptors = GrpcShop::descriptors();
    let descriptors = descriptors.to_string_lossy();
    let (_, _, report) = compared(&stage, GRPCIO, true, 60, &["--grpc-descriptors", &descriptors]);
    assert_eq!(names(&report), FAULTS, "{report}");
}

#[test]
fn names_are_asked_from_the_shadow_by_reflection() {
    let stage = stage!("root", "agent", "python3", "pip3");
    let (_, _, report) = compared(&stage, GRPCIO, true, 5, &["--grpc-reflection"]);
    assert_eq!(names(&report), FAULTS, "{report}");
}

#[test]
fn calls_of_every_kind_agree_between_two_releases_of_node() {
    let stage = stage!("root", "agent", "node", "npm");
    let descriptors = GrpcShop::descriptors();
    let stacks = [GrpcStack::Node110, GrpcStack::Node114];
    let flags = ["--grpc-descriptors", &descriptors.to_string_lossy()];
    let (calls, ledger, report) = compared(&stage, stacks, false, 10, &flags);
    assert_eq!(calls, 60);
    report.assert_accounts_for(0, &ledger);
    assert_eq!((report.compared(0), report.agreeing(0)), (60, 60), "{report}");
}

#[test]
fn without_descriptors_faults_are_named_by_numbers() {
    let stage = stage!("root", "agent", "python3", "pip3");
    // Nobody can tell that the tenth field is a time, and the fourth a map.
    let (_, _, report) = compared(
        &stage,
        GRPCIO,
        true,
        5,
        &["--compare-ignore", "$..10", "--compare-array", "$.4=set"],
    );
    assert_eq!(
        names(&report),
        [
            "shop.Catalog/GetBasket $.3[*].2 value",
            "shop.Catalog/Put trailer.x-checksum missing",
            "shop.Catalog/Watch grpc-status status",
        ],
        "{report}"
    );
}
