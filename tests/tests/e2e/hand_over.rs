//! A rollout on one node: a new agent takes over from the old one, and each request is mirrored by one of them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::sys::signal::Signal;
use shadow_tests::client::Connection;
use shadow_tests::metrics::ask;
use shadow_tests::{AccessLog, Agent, Ledger, stage};

use crate::cluster::{Cluster, Served, labelled};

/// Clients that keep their connections all the while, and clients that take a new one for every tenth request.
const KEEPING: usize = 4;
const COMING: usize = 4;

/// Production and its shadow on one node, and what agents are started with.
struct Rollout<'a> {
    cluster: Cluster<'a>,
    web: Served,
    shadow: Served,
    file: String,
}

impl<'a> Rollout<'a> {
    fn new(stage: &'a shadow_tests::Stage) -> Self {
        let cluster = Cluster::new(stage);
        let (web, shadow) = (
            cluster.serve(labelled("shop", "web-0", "web", 80)),
            cluster.serve(labelled("shop", "shadow-0", "shadow", 80)),
        );
        let file = stage.path("claims").display().to_string();
        Self {
            cluster,
            web,
            shadow,
            file,
        }
    }

    fn agent(&self, more: &[&str]) -> Agent {
        let output = format!("http://{}", self.shadow.v4());
        let mut arguments = vec!["--input-raw", "k8s://shop/labelSelector/app=web:80"];
        arguments.extend(["--output-http", &output, "--hand-over", &self.file]);
        // The clients' connections are older than the agent that takes over.
        arguments.push("--input-raw-resume");
        arguments.extend(more);
        self.cluster.agent(1, &arguments)
    }

    /// Has requests in flight all the while that `meanwhile` takes.
    fn under_load<R>(&self, meanwhile: impl FnOnce() -> R) -> R {
        let done = AtomicBool::new(false);
        let (done, netns, to) = (&done, self.cluster.node.netns(), self.web.v4());
        let client = move |name: String, each: usize| {
            let mut number = 0;
            while !done.load(Relaxed) {
                let mut connection = Connection::open(netns, to);
                for _ in 0..each {
                    let id = format!("{name}-{number}");
                    assert_eq!(connection.get(&format!("/{id}"), &id).status, 200);
                    number += 1;
                    if done.load(Relaxed) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        };
        std::thread::scope(|scope| {
            for index in 0..KEEPING {
                scope.spawn(move || client(format!("keeps-{index}"), usize::MAX));
            }
            for index in 0..COMING {
                scope.spawn(move || client(format!("comes-{index}"), 10));
            }
            // However it ends.
            let _ends = Ends(done);
            meanwhile()
        })
    }

    fn finish(self) -> (AccessLog, AccessLog) {
        (self.web.nginx.finish(), self.shadow.nginx.finish())
    }
}

/// Ends the load, also when a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn of_another(ledger: &Ledger) -> u64 {
    ledger.connections("requests_of_another_agent")
}

/// Waits until a waiting agent has passed over so many requests: by then it knows every connection.
fn knows_the_connections(agent: &Agent) {
    agent.wait_for_ledger("it follows the connections", |ledger| of_another(ledger) >= 400);
}

#[test]
fn while_a_new_agent_takes_over_each_request_is_mirrored_once() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let rollout = Rollout::new(&stage);
    let (old, new) = rollout.under_load(|| {
        let first = rollout.agent(&[]);
        first.wait_for_ledger("it mirrors", |ledger| ledger.delivered(0) > 100);
        // Twice: who has taken over hands over, too.
        let second = rollout.agent(&[]);
        second.wait_for_line("another agent on this node is mirroring");
        knows_the_connections(&second);
        assert_eq!(second.ledger_now().seen(), 0, "it waits");
        let first = first.stop();
        second.wait_for_line("took over");
        let third = rollout.agent(&[]);
        knows_the_connections(&third);
        let second = second.stop();
        third.wait_for_line("took over");
        third.wait_for_ledger("the last one mirrors", |ledger| ledger.delivered(0) > 100);
        ([first, second], third)
    });
    let [first, second] = old;
    let third = new.stop();
    for ledger in [&first, &second, &third] {
        ledger.assert_closed();
    }
    // When the first one came, clients had connections: what it could not begin with is its own.
    let began_without = first.seen() - first.delivered(0);
    assert_eq!(first.dropped(0, "mid_stream"), began_without, "{first}");
    for ledger in [&second, &third] {
        assert_eq!(ledger.delivered(0), ledger.seen(), "{ledger}");
    }
    let (production, shadow) = rollout.finish();
    let mut copies: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &shadow.0 {
        *copies.entry(entry.id.as_str()).or_default() += 1;
    }
    let twice: Vec<_> = copies.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "mirrored twice: {twice:?}");
    // From the first copy of each client on, all of its requests.
    let missing: Vec<_> = production
        .0
        .iter()
        .filter(|entry| !copies.contains_key(entry.id.as_str()))
        .filter(|entry| begun(&copies, &entry.id))
        .map(|entry| entry.id.as_str())
        .collect();
    assert!(missing.is_empty(), "mirrored by none: {missing:?}");
    let delivered = [&first, &second, &third].map(|ledger| ledger.delivered(0));
    println!("mirrored by the three agents: {delivered:?}");
    assert_eq!(
        delivered.iter().sum::<u64>(),
        shadow.len() as u64,
        "{delivered:?}"
    );
}

/// Whether an earlier request of the same client was mirrored.
fn begun(copies: &BTreeMap<&str, u32>, id: &str) -> bool {
    let (client, number) = id.rsplit_once('-').expect("the client and a number");
    let number: u64 = number.parse().expect("a number");
    copies.keys().any(|copy| {
        copy.rsplit_once('-').is_some_and(|(other, earlier)| {
            other == client && earlier.parse().is_ok_and(|earlier: u64| earlier < number)
        })
    })
}

#[test]
fn an_agent_that_is_killed_is_taken_over_from_too() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let rollout = Rollout::new(&stage);
    let mut first = rollout.agent(&[]);
    let second = rollout.agent(&[]);
    second.wait_for_line("another agent on this node is mirroring");
    first.kill();
    second.wait_for_line("took over");
    assert_eq!(rollout.cluster.load(rollout.web.v4(), 2, 20), 40);
    second.stop().assert_all_delivered(40);
}

#[test]
fn an_agent_that_waits_is_ready_says_so_and_ends_at_once() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let rollout = Rollout::new(&stage);
    let first = rollout.agent(&[]);
    let port = std::net::SocketAddr::from(([127, 0, 0, 1], rollout.cluster.node.netns().free_port()));
    let second = rollout.agent(&["--http-listen", &port.to_string()]);
    let (status, body) = ask(rollout.cluster.node.netns(), port, "GET", "/readyz");
    assert_eq!(status, 200, "{body}");
    let line = "hand-over: ok, another agent on this node is mirroring; this one takes over when it stops\n";
    assert!(body.contains(line), "{body}");
    assert_eq!(rollout.cluster.load(rollout.web.v4(), 2, 20), 40);
    let waited = second.wait_for_ledger("it passes over them", |ledger| of_another(ledger) == 40);
    assert_eq!(waited.seen(), 0);
    second.stop_by(Signal::SIGINT).assert_closed();
    assert!(!first.stderr().contains("handed over"));
    first.stop().assert_all_delivered(40);
}
