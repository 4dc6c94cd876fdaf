//! Whom secrets are taken from, and what is left of it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use shadow_tests::tls::{Https, Stack, Version, https};
use shadow_tests::{Agent, Netns, stage, stat, until};

use crate::scene::Scene;

#[test]
fn a_process_that_is_not_selected_gives_no_secret() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    // Another server on the same library, at a port that is not captured; and the client is a process of the same library too.
    let host = Netns::host();
    let other_port = host.free_port();
    let other = Https::start(&stage, &host, Stack::Nginx, other_port);
    let agent = scene.mirror(&[]);
    for number in 0..5 {
        https::get(
            &host,
            &format!("https://127.0.0.1:{other_port}/other/{number}"),
            &[],
        );
    }
    let ledger = agent.wait_for_ledger("calls of the others are counted", |ledger| {
        ledger.capture("secrets_other_process") > 0
    });
    assert_eq!(ledger.capture("secrets_taken"), 0, "{ledger}");
    let sent = scene.load(Version::Tls13).closing(1, 5);
    let finished = scene.finish(agent);
    finished.assert_mirrored(sent);
    // One for each handshake, by the server's side alone.
    assert_eq!(finished.ledger.capture("secrets_taken"), 5, "{}", finished.ledger);
    assert_eq!(other.finish().len(), 5);
}

/// How many bytes of code a process has in memory that are not in its files: instructions that a probe stands at.
fn patched(pid: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("a running process");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("a running process");
    let mut patched = 0;
    for line in maps.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        // Address range, rights, offset, device, inode, path.
        let [range, rights, offset, _, _, path] = fields[..] else {
            continue;
        };
        let number = |hex: &str| u64::from_str_radix(hex, 16).expect("a number in hexadecimal");
        let Some((start, end)) = range.split_once('-').filter(|_| rights.contains('x')) else {
            continue;
        };
        let Ok(file) = File::open(path) else {
            continue;
        };
        let (start, end) = (number(start), number(end));
        let mut mapped = vec![0; (end - start) as usize];
        memory.read_exact_at(&mut mapped, start).expect("its memory");
        let mut stored = vec![0; mapped.len()];
        let length = file.read_at(&mut stored, number(offset)).expect("its file");
        if mapped[..length] != stored[..length] {
            let pairs = mapped[..length].iter().zip(&stored);
            patched += pairs.filter(|(one, other)| one != other).count();
        }
    }
    patched
}

#[test]
fn a_killed_agent_leaves_no_probe_behind() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    // An executable that nobody else runs: a library may be probed by another agent of this machine.
    let scene = Scene::on_lo(&stage, Stack::Go);
    let pid = scene.production.pid();
    assert_eq!(patched(pid), 0);
    let mut agent = scene.mirror(&[]);
    let sent = scene.load(Version::Tls13).closing(1, 3);
    assert!(patched(pid) > 0);
    agent.kill();
    until("the code is as it was", || patched(pid) == 0);
    assert_eq!(scene.production.finish().len() as u64, sent);
}

#[test]
fn no_probe_is_set_unless_it_is_asked_for() {
    let stage = stage!("root", "agent", "nginx", "python3", "pip3", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Go);
    let agent = scene.mirror_by(&[], &[]);
    assert_eq!(patched(scene.production.pid()), 0);
    let sent = scene.load(Version::Tls13).closing(1, 3);
    let finished = scene.finish(agent);
    assert_eq!((finished.ledger.seen(), finished.shadow.len()), (0, 0));
    assert_eq!(
        finished.ledger.connections("encrypted"),
        sent,
        "{}",
        finished.ledger
    );
}

/// A set with nothing in it, as the kernel prints it.
const NONE: &str = "0000000000000000";
/// `CAP_BPF` (39) and `CAP_NET_ADMIN` (12) of linux/capability.h: to attach to interfaces that appear.
const ATTACHES: &str = "0000008000001000";
/// `CAP_BPF`, `CAP_PERFMON` (38), `CAP_SYS_PTRACE` (19), `CAP_DAC_READ_SEARCH` (2) and `CAP_CHECKPOINT_RESTORE` (40): to find
/// processes and their libraries, and to attach there.
const FOLLOWS: &str = "000001c000080004";

#[test]
fn one_thread_keeps_the_rights_to_find_processes_and_no_other() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let agent = scene.mirror(&[]);
    let sent = scene.load(Version::Tls13).closing(1, 3);
    let mut tasks = Vec::new();
    // What it keeps it raises for moments.
    until("no thread has anything in force", || {
        tasks = stat::tasks(agent.pid());
        tasks
            .iter()
            .all(|task| task.capabilities[2] == NONE && task.name != "start")
    });
    for task in &tasks {
        let reserve = match task.name.as_str() {
            "interfaces" => ATTACHES,
            "tls-processes" => FOLLOWS,
            _ => NONE,
        };
        assert_eq!(task.capabilities, [NONE, reserve, NONE, NONE, NONE], "{task:?}");
        assert_eq!(task.no_new_privs, "1", "{task:?}");
    }
    assert!(tasks.iter().any(|task| task.name == "tls-processes"), "{tasks:?}");
    scene.finish(agent).assert_mirrored(sent);
}

/// Each file below a folder.
fn files(folder: &Path, into: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), into);
        } else {
            into.push(entry.path());
        }
    }
}

#[test]
fn secrets_stand_in_no_log_ledger_or_metric() {
    let stage = stage!("root", "agent", "nginx", "curl", "openssl");
    let scene = Scene::on_lo(&stage, Stack::Nginx);
    let key_log = stage.path("keys.log");
    let listen = format!("127.0.0.1:{}", scene.server.free_port());
    let input = format!(":{}", scene.port);
    let flags = [
        "--input-raw",
        &input,
        "--input-raw-tls",
        "auto",
        "--output-http",
        &scene.shadow_url,
    ];
    let more = ["--http-listen", &listen];
    let all = [("RUST_LOG", "trace")];
    let agent = Agent::spawn_with(&stage, &scene.server, &[&flags[..], &more].concat(), &all);
    agent.wait_for_line("capturing");
    let mut sent = 0;
    for version in Version::ALL {
        sent += scene.load(version).logging_keys(&key_log).closing(1, 3);
    }
    agent.wait_for_ledger("all is delivered", |ledger| ledger.delivered(0) == sent);
    let metrics = scene
        .server
        .run("curl", &["-sS", &format!("http://{listen}/metrics")]);
    let said = agent.stderr();
    scene.finish(agent).assert_mirrored(sent);

    let keys = std::fs::read_to_string(&key_log).expect("a key log");
    let secrets: Vec<&str> = keys
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    // One for each handshake of TLS 1.2, and five of TLS 1.3.
    assert_eq!(secrets.len(), 3 + 3 * 5);
    let mut written = Vec::new();
    files(&stage.path(""), &mut written);
    written.retain(|file| *file != key_log);
    let mut texts = vec![said.into_bytes(), metrics.into_bytes()];
    texts.extend(written.iter().map(|file| std::fs::read(file).expect("a file")));
    for secret in secrets {
        let bytes: Vec<u8> = (0..secret.len() / 2)
            .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hexadecimal"))
            .collect();
        let upper = secret.to_uppercase();
        for needle in [secret.as_bytes(), upper.as_bytes(), &bytes] {
            // Its first half is enough to tell it.
            let needle = &needle[..needle.len() / 2];
            assert!(
                texts
                    .iter()
                    .all(|text| text.windows(needle.len()).all(|part| part != needle)),
                "a secret was written"
            );
        }
    }
}
