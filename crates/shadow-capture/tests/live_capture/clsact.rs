//! Interfaces of kernels before 6.6: filters of clsact, several agents side by side, and what a killed one leaves.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use shadow_capture::{Engine, LiveCapture, LiveInput, LiveScope, leftovers, remove_leftovers};

use crate::support::*;
use crate::{MIB, nothing_was_seen_twice, transfer_is_seen};

/// Set for a process of this binary that captures until it is killed.
const TO_BE_KILLED: &str = "SHADOW_AGENT_TEST_TO_BE_KILLED";

const PORT: u16 = 21098;

fn inputs() -> Vec<LiveInput> {
    vec![live(LiveScope::Any, PORT)]
}

fn start(host: &Namespace, inputs: Vec<LiveInput>) -> LiveCapture {
    host.spawn(move || LiveCapture::start_with_clsact(&inputs, &settings(Engine::Tc)))
        .join()
        .unwrap()
        .unwrap()
}

fn tc(host: &Namespace, arguments: &str) -> String {
    let command = format!("tc {arguments}");
    host.run(move || {
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// How many filters an interface has at its ingress.
fn filters(host: &Namespace, interface: &str) -> usize {
    tc(host, &format!("filter show dev {interface} ingress"))
        .matches("direct-action")
        .count()
}

fn has_clsact(host: &Namespace, interface: &str) -> bool {
    tc(host, &format!("qdisc show dev {interface}")).contains("clsact")
}

/// Not a test by itself: what `killed_agent` runs as a process of its own.
#[test]
fn a_process_that_captures_until_it_is_killed() {
    if std::env::var_os(TO_BE_KILLED).is_none() {
        return;
    }
    let _capture = LiveCapture::start_with_clsact(&inputs(), &settings(Engine::Tc)).unwrap();
    println!("capturing");
    loop {
        std::thread::park();
    }
}

/// Starts an agent in a process of its own, and kills it once it captures.
fn killed_agent(host: &Namespace) {
    let mut agent: Child = host.run(|| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "clsact::a_process_that_captures_until_it_is_killed"])
            .arg("--nocapture")
            .env(TO_BE_KILLED, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let mut said = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("capturing")));
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn kernels_without_tcx_are_attached_to_by_clsact_filters() {
    if !is_root("kernels_without_tcx") {
        return;
    }
    let host = Namespace::new();
    let capture = start(&host, inputs());
    assert_eq!(filters(&host, "lo"), 1);
    let capture = transfer_is_seen(capture, &host, &host, "127.0.0.1:21098", false);
    nothing_was_seen_twice(&capture, &host, MIB);
    drop(capture);
    assert_eq!(filters(&host, "lo"), 0);
    assert!(!has_clsact(&host, "lo"));
}

#[test]
fn what_a_killed_agent_left_goes_with_the_next_start() {
    if !is_root("what_a_killed_agent_left") {
        return;
    }
    let (host, other) = (Namespace::new(), Namespace::new());
    host.veth("veth-k", "10.77.9.1/24", &other, "veth-l", "10.77.9.2/24");
    killed_agent(&host);
    assert_eq!((filters(&host, "lo"), filters(&host, "veth-k")), (1, 1));
    assert_eq!(
        host.run(|| Vec::from_iter(leftovers().unwrap())),
        ["lo", "veth-k"]
    );
    // It attaches to one of them alone.
    let capture = start(&host, vec![live(interfaces("lo"), PORT)]);
    assert_eq!((filters(&host, "lo"), filters(&host, "veth-k")), (1, 0));
    assert!(!has_clsact(&host, "veth-k"));
    assert!(host.run(|| leftovers().unwrap()).is_empty());
    let capture = transfer_is_seen(capture, &host, &host, "127.0.0.1:21098", false);
    nothing_was_seen_twice(&capture, &host, MIB);
}

#[test]
fn what_killed_agents_left_can_be_removed_beside_one_that_lives() {
    if !is_root("what_killed_agents_left") {
        return;
    }
    let host = Namespace::new();
    let capture = start(&host, inputs());
    killed_agent(&host);
    assert_eq!(filters(&host, "lo"), 2);
    let removed = host.run(|| Vec::from_iter(remove_leftovers().unwrap()));
    assert_eq!((removed, filters(&host, "lo")), (vec!["lo".to_owned()], 1));
    assert!(host.run(|| remove_leftovers().unwrap()).is_empty());
    drop(transfer_is_seen(capture, &host, &host, "127.0.0.1:21098", false));
    assert!(!has_clsact(&host, "lo"));
}

#[test]
fn two_agents_on_one_interface_see_all_and_take_nothing_of_each_other() {
    if !is_root("two_agents_on_one_interface") {
        return;
    }
    let host = Namespace::new();
    let (first, second) = (start(&host, inputs()), start(&host, inputs()));
    assert_eq!(filters(&host, "lo"), 2);
    let first = transfer_is_seen(first, &host, &host, "127.0.0.1:21098", false);
    nothing_was_seen_twice(&first, &host, MIB);
    nothing_was_seen_twice(&second, &host, MIB);
    drop(first);
    assert_eq!(filters(&host, "lo"), 1);
    drop(second);
    assert!(!has_clsact(&host, "lo"));
}

#[test]
fn clsact_that_others_made_stays_with_their_filters() {
    if !is_root("clsact_that_others_made_stays") {
        return;
    }
    let host = Namespace::new();
    tc(&host, "qdisc add dev lo clsact");
    tc(
        &host,
        "filter add dev lo ingress protocol all pref 1 bpf bytecode '1,6 0 0 0' flowid 1:1",
    );
    let capture = start(&host, inputs());
    assert_eq!(filters(&host, "lo"), 1);
    drop(capture);
    assert_eq!(filters(&host, "lo"), 0);
    assert!(has_clsact(&host, "lo"));
    assert!(tc(&host, "filter show dev lo ingress").contains("bytecode"));
}
