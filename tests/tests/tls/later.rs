//! Processes that start while the agent runs.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shadow_tests::tls::{Stack, Version, https};
use shadow_tests::{AccessLog, Stage, stage, until};

use crate::scene::Scene;

/// Connections of which each worker gets some.
const EARLY: u64 = 16;

/// Rolls a release out: production ends and starts anew on another stack. From some moment on every request is mirrored.
fn rolled_out(stage: &Stage, before: Stack, after: Stack) {
    let scene = Scene::on_lo(stage, before);
    let agent = scene.mirror(&["--input-raw-tls-wait", "200ms"]);
    let scene = scene.restarted(after);
    // When exactly each of its processes is found nobody is told, so requests are sent until all of some are seen.
    until("the new processes are read", || {
        let before = agent.ledger_now().seen();
        for _ in 0..EARLY {
            https::get(&scene.client, &format!("https://{}/early", scene.to), &[]);
        }
        agent.ledger_now().seen() == before + EARLY
    });
    let sent = scene.load(Version::Tls12).mixed() + scene.load(Version::Tls13).mixed();
    let finished = scene.finish(agent);
    let later = |log: &AccessLog| log.filter(|entry| entry.uri != "/early");
    assert_eq!(later(&finished.production).len() as u64, sent);
    later(&finished.production).assert_same_requests(&later(&finished.shadow));
    finished.ledger.assert_all_delivered(finished.shadow.len() as u64);
}

#[test]
fn a_new_executable_is_read() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    rolled_out(&stage, Stack::Go, Stack::GoStripped);
}

#[test]
fn no_handshake_of_a_reload_is_lost() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&[]);
    let master = Pid::from_raw(scene.production.pid().cast_signed());
    for _ in 0..5 {
        kill(master, Signal::SIGHUP).expect("a signal for nginx");
        for _ in 0..20 {
            https::get(&scene.client, &format!("https://{}/reload", scene.to), &[]);
        }
    }
    scene.finish(agent).assert_mirrored(100);
}
