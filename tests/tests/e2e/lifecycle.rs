//! The life of the agent: its ledger on demand, its end in every way, and what it leaves behind.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::{Agent, Ledger, Netns, Wrk, load, stage, stat, until};

use crate::scene::Scene;

#[test]
fn the_ledger_can_be_had_at_any_moment_and_balances() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    assert_eq!(agent.ledger_now().assert_balanced().seen(), 0);
    let looks = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::keep_alive(&scene.client, scene.v4, 8, 500));
        let mut looks = Vec::new();
        while !load.is_finished() {
            looks.push(agent.ledger_now().assert_balanced().seen());
        }
        assert_eq!(load.join().expect("no client panicked"), 4000);
        looks
    });
    assert!(looks.is_sorted(), "{looks:?}");
    scene.finish(agent).assert_mirrored(4000);
}

#[test]
fn both_ending_signals_drain_and_succeed() {
    let stage = stage!("root", "agent", "nginx");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(&[]);
        assert_eq!(load::at_once(&scene.client, scene.v4, 200, 2), 400);
        // Asked to end at once: what is in the rings and on the way still counts.
        let ledger = agent.stop_by(signal);
        ledger.assert_all_delivered(400);
        assert_eq!(scene.shadow.finish().len(), 400);
    }
}

#[test]
fn the_drain_is_bounded_and_what_it_gives_up_is_counted() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let silent = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let (input, output) = (format!(":{}", scene.port), format!("http://{}", silent.address));
    let arguments = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--output-http-timeout",
        "60s",
        "--shutdown-timeout",
        "1s",
    ];
    let agent = Agent::start(&stage, &scene.server, &arguments);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 10), 40);
    let start = Instant::now();
    let ledger = agent.stop();
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(900) && took < Duration::from_secs(5),
        "{took:?}"
    );
    ledger.assert_closed();
    assert_eq!(
        (ledger.seen(), ledger.dropped(0, "shutdown")),
        (40, 40),
        "{ledger}"
    );
}

#[test]
fn killed_outright_it_leaves_no_program_and_production_untouched() {
    let stage = stage!("root", "agent", "nginx", "wrk", "bpftool");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::across(&stage);
        let mut agent = scene.mirror(&["--input-raw-engine", engine]);
        let programs = programs_of(agent.pid());
        assert!(!programs.is_empty(), "no program is loaded with {engine}");
        let url = format!("http://{}/page", scene.v4);
        let wrk = Wrk {
            threads: 1,
            connections: 20,
            seconds: 3,
        };
        std::thread::scope(|scope| {
            let load = scope.spawn(|| wrk.run(&scene.client, &url));
            agent.wait_for_ledger("the load is mirrored", |ledger| ledger.seen() > 1000);
            agent.kill();
            until("its programs are gone", || {
                loaded().iter().all(|id| !programs.contains(id))
            });
            assert!(!load.is_finished(), "the load should outlive the agent");
            assert_eq!(load.join().expect("wrk ran").errors, 0);
        });
        assert!(
            !scene.server.run("bpftool", &["net"]).contains("tcx/"),
            "{engine}"
        );
        // And another agent can take its place.
        let agent = scene.mirror(&["--input-raw-engine", engine]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
        agent.stop().assert_all_delivered(20);
    }
}

#[test]
fn capabilities_are_given_up_once_it_captures() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    until("the thread that opened everything has ended", || {
        stat::tasks(agent.pid()).iter().all(|task| task.name != "start")
    });
    for set in ["CapEff", "CapInh"] {
        let held = stat::capabilities(agent.pid(), set);
        assert!(held.len() > 1, "a task for each shard at least");
        assert!(
            held.iter().all(|capabilities| *capabilities == 0),
            "{set} {held:x?}"
        );
    }
    // One thread, which attaches to interfaces that come later, may take these two up again, and no others.
    let permitted = stat::capabilities(agent.pid(), "CapPrm");
    let keeps: Vec<_> = permitted
        .iter()
        .filter(|capabilities| **capabilities != 0)
        .collect();
    assert!(
        keeps.is_empty() || keeps == [&(1 << CAP_NET_ADMIN | 1 << CAP_BPF)],
        "{permitted:x?}"
    );
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    scene.finish(agent).assert_mirrored(100);
}

#[test]
fn at_its_end_it_prints_the_account_for_people() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let input = format!(":{}", scene.port);
    let mut agent = Agent::start(&stage, &scene.server, &["--input-raw", &input, "--output-null"]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 1, 17), 17);
    agent.signal(Signal::SIGTERM);
    let ledger: Ledger = agent.finish();
    ledger.assert_all_delivered(17);
    let said = agent.stderr();
    assert!(said.contains("delivered") && said.contains("17"), "{said}");
}

/// linux/capability.h
const CAP_NET_ADMIN: u32 = 12;
const CAP_BPF: u32 = 39;

/// Ids of the kernel programs that a process holds.
fn programs_of(pid: u32) -> Vec<u64> {
    let infos = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("a running process");
    infos
        .flatten()
        .filter_map(|info| std::fs::read_to_string(info.path()).ok())
        .filter_map(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
        })
        .collect()
}

/// Ids of all kernel programs on this machine.
fn loaded() -> Vec<u64> {
    let text = Netns::host().run("bpftool", &["--json", "prog", "show"]);
    let programs: serde_json::Value = serde_json::from_str(&text).expect("bpftool's JSON");
    programs
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|program| program["id"].as_u64())
        .collect()
}
