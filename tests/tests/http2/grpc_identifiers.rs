//! Identifiers that a service of gRPC issues in its messages, each side its own: later calls carry the shadow's to the shadow.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;

use shadow_tests::process::check;
use shadow_tests::{Agent, GrpcStack, Netns, Process, Report, Stage, stage, until};

/// Calls of a round, and the values of production's that they carry: a token in three, and two ids.
const CALLS: u64 = 4;
const VALUES: u64 = 5;

/// A running service of orders.
struct Orders {
    _process: Process,
    address: SocketAddr,
    log: PathBuf,
    descriptors: PathBuf,
}

impl Orders {
    fn start(stage: &Stage, stack: GrpcStack) -> Self {
        let number = stage.number();
        let (log, descriptors) = (
            stage.path(&format!("orders-{number}.log")),
            stage.path(&format!("orders-{number}.pb")),
        );
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, Netns::host().free_port()));
        let mut command = stack.python("orders");
        command
            .args(["serve", &address.to_string()])
            .arg(&log)
            .arg(&descriptors);
        let mut process = Process::start("orders", command.stdout(Stdio::null()));
        until("the service listens", || {
            assert!(process.is_running(), "{}", process.stderr());
            TcpStream::connect(address).is_ok()
        });
        Self {
            _process: process,
            address,
            log,
            descriptors,
        }
    }

    fn served(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

fn compared(gzip: bool, described: bool) {
    let stage = stage!("root", "agent", "python3", "pip3");
    let rounds = 25;
    let production = Orders::start(&stage, GrpcStack::Grpcio162);
    let shadow = Orders::start(&stage, GrpcStack::Grpcio185);
    let file = stage.path("report.json");
    let (input, output) = (
        production.address.to_string(),
        format!("http://{}", shadow.address),
    );
    let (report, descriptors) = (file.to_string_lossy(), production.descriptors.to_string_lossy());
    let mut arguments = vec![
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--compare",
        "--report",
        &report,
    ];
    if described {
        arguments.extend(["--grpc-descriptors", &descriptors]);
    }
    let agent = Agent::start(&stage, &Netns::host(), &arguments);
    let mut client = GrpcStack::Grpcio185.python("orders");
    client.args(["call", &production.address.to_string(), &rounds.to_string()]);
    let calls: u64 = check(client.args(gzip.then_some("gzip"))).trim().parse().unwrap();
    assert_eq!(calls, CALLS * rounds);
    agent.wait_for_ledger("every call has an end", |ledger| {
        ledger.seen() >= calls && ledger.delivered(0) >= calls
    });
    let (_, ledger) = agent.stop_to_judge();
    ledger.assert_closed();
    assert_eq!((ledger.seen(), ledger.delivered(0)), (calls, calls), "{ledger}");
    assert_eq!(shadow.served(), production.served());
    assert_eq!(ledger.of(0, "correlated_values"), VALUES * rounds, "{ledger}");
    assert!(!ledger.to_string().contains("uncorrelated"), "{ledger}");
    let report = Report::read(&file);
    assert_eq!(report.compared(0), calls, "{report}");
    // Without names, what nobody carried yet only looks like an identifier.
    if described {
        assert_eq!(report.agreeing(0), calls, "{report}");
    }
}

#[test]
fn what_each_side_issues_in_messages_goes_back_to_it() {
    compared(false, true);
}

#[test]
fn what_is_issued_goes_back_in_messages_that_are_compressed() {
    compared(true, true);
}

#[test]
fn without_descriptors_identifiers_go_back_by_their_numbers() {
    compared(false, false);
}
