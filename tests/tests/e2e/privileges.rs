//! Privileges of each thread of the agent once it runs, and of the program that it runs, in every mode: none, but for
//! what README says.

use std::net::Ipv4Addr;

use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::frames::{self, Frame};
use shadow_tests::stat::{self, Task};
use shadow_tests::{Agent, Ledger, Netns, Shop, Stage, stage, until};

use crate::cluster::{Cluster, labelled};

/// A set with nothing in it, as the kernel prints it.
const NONE: &str = "0000000000000000";
/// `CAP_NET_ADMIN` (12) and `CAP_BPF` (39) of linux/capability.h.
pub const ATTACHES: &str = "0000008000001000";
/// `CAP_KILL` (5).
const ENDS: &str = "0000000000000020";
/// Who owns nothing.
const NOBODY: &str = "65534\t65534\t65534\t65534";

/// That no thread has or can gain anything but these, by name, and the middleware nothing at all.
pub fn assert_powerless(agent: u32, reserves: &[(&str, &str)], threads: &[&str]) {
    let mut tasks = Vec::new();
    until(
        &format!("{threads:?} run, and what opens files and attaches has ended"),
        || {
            tasks = stat::tasks(agent);
            let runs = |name: &str| tasks.iter().any(|task| task.name == name);
            threads.iter().all(|name| runs(name)) && !runs("start")
        },
    );
    for task in &tasks {
        let reserve = reserves.iter().find(|(name, _)| *name == task.name);
        let permitted = reserve.map_or(NONE, |(_, set)| set);
        assert_eq!(task.capabilities, [NONE, permitted, NONE, NONE, NONE], "{task:?}");
        assert_eq!(task.no_new_privs, "1", "{task:?}");
    }
    for child in stat::children(agent) {
        let nobody = Task {
            name: "cat".to_owned(),
            capabilities: [NONE; 5].map(str::to_owned),
            no_new_privs: "1".to_owned(),
            ids: [NOBODY; 2].map(str::to_owned),
            groups: String::new(),
        };
        assert_eq!(stat::tasks(child), [nobody]);
        let mut open: Vec<_> = std::fs::read_dir(format!("/proc/{child}/fd"))
            .expect("a running process")
            .flatten()
            .map(|descriptor| descriptor.file_name().into_string().expect("a number"))
            .collect();
        open.sort();
        assert_eq!(open, ["0", "1", "2"], "the program holds what is the agent's");
    }
}

/// A recording that takes an hour.
fn recording(stage: &Stage) -> String {
    let path = stage.path("hour.gor");
    let record =
        |id: u8, unix: u64| format!("1 {id:024x} {unix} 0\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n");
    let text = record(1, 1_700_000_000_000_000_000) + &record(2, 1_700_003_600_000_000_000);
    std::fs::write(&path, text).expect("a recording");
    path.display().to_string()
}

/// A capture file with one request to port 80.
fn capture_file(stage: &Stage) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let frame = |flags: u8, sequence: u8, payload: &[u8]| {
        let length = (40 + payload.len()) as u8;
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0]);
        bytes.extend([
            0x45, 0, 0, length, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]);
        bytes.extend([
            0x9c, 0x40, 0, 80, 0, 0, 0, sequence, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
        ]);
        bytes.extend(payload);
        Frame(bytes)
    };
    let path = stage.path("request.pcap");
    // SYN, and then the request with PSH and ACK.
    frames::write(&path, &[frame(0x02, 0, b""), frame(0x18, 1, request)]);
    path.display().to_string()
}

/// Starts the agent as root with these flags and the program `cat`, waits for a line of its log, looks, and ends it.
fn look(stage: &Stage, flags: &[&str], line: &str, reserves: &[(&str, &str)], threads: &[&str]) {
    let middleware = ["--middleware", "cat"];
    let flags = [flags, &middleware].concat();
    let agent = Agent::spawn_with(stage, &Netns::host(), &flags, &[("SUDO_UID", "")]);
    agent.wait_for_line(line);
    let reserves = [&[("middleware-end", ENDS)], reserves].concat();
    assert_powerless(agent.pid(), &reserves, threads);
    assert_eq!(stat::children(agent.pid()).len(), 1);
    // Of nothing that was compared there is not enough to say anything.
    let status = if flags.contains(&"--compare") { 3 } else { 0 };
    agent.stop_with(status).assert_closed();
}

#[test]
fn no_thread_keeps_a_right_in_any_mode_nor_does_the_middleware() {
    let stage = stage!("root", "agent");
    let host = Netns::host();
    let silent = FaultServer::start(&host, Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let shadow = format!("http://{}", silent.address);
    let [listen, relay, served] = [(); 3].map(|()| format!("127.0.0.1:{}", host.free_port()));
    let port = format!(":{}", host.free_port());
    let (file, pcap) = (recording(&stage), capture_file(&stage));
    let store = stage.path("store").display().to_string();
    let common = ["--output-http", &shadow, "--shutdown-timeout", "100ms"];
    let look = |flags: &[&str], line: &str, reserves: &[(&str, &str)], threads: &[&str]| {
        look(&stage, &[flags, &common[..]].concat(), line, reserves, threads);
    };
    let attaches = [("interfaces", ATTACHES)];
    look(
        &["--input-raw", &port, "--http-listen", &listen],
        "serving HTTP",
        &attaches,
        &[
            "log",
            "interfaces",
            "shard-0",
            "http",
            "middleware-in",
            "middleware-out",
        ],
    );
    look(
        &["--input-raw", &port, "--compare", "--compare-store", &store],
        "capturing",
        &attaches,
        &["compare", "compare-store", "shard-0"],
    );
    look(
        &["--input-raw", &port, "--input-raw-engine", "cgroup"],
        "capturing",
        &[],
        &["shard-0", "log"],
    );
    look(&["--input-raw", &pcap], "another user", &[], &["shard-0", "log"]);
    look(&["--input-file", &file], "another user", &[], &["shard-0", "log"]);
    look(
        &["--input-tcp", &relay],
        "listening for other agents",
        &[],
        &["shard-0"],
    );
    look(
        &["--input-http", &served, "--http-listen", &listen],
        "serving HTTP",
        &[],
        &["shard-0", "http"],
    );
    look(
        &["--input-dummy", "x", "--output-stdout"],
        "another user",
        &[],
        &["shard-0", "writer"],
    );
}

#[test]
fn nothing_is_kept_in_a_cluster_either() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    cluster.deployment("shop", "web");
    let web = cluster.serve(labelled("shop", "web-0", "web", 80));
    let agent = cluster.agent(1, &["--input-raw", "k8s://shop/pod/web-0:80", "--output-null"]);
    assert_powerless(agent.pid(), &[], &["kubernetes", "shard-0", "log"]);
    assert_eq!(cluster.load(web.v4(), 1, 10), 10);
    agent.stop().assert_all_delivered(10);
}

#[test]
fn nothing_is_kept_where_a_file_of_settings_is_followed() {
    let stage = stage!("root", "agent");
    let [production, next] = ["none", "none"].map(Shop::start);
    let config = stage.path("shadow.toml");
    let text = format!(
        "input-raw = \"{}\"\noutput-http = \"{}\"\n",
        production.address,
        next.url()
    );
    std::fs::write(&config, text).expect("a file of settings");
    let agent = Agent::start(
        &stage,
        &Netns::host(),
        &["--config", config.to_str().expect("a path in UTF-8")],
    );
    assert_powerless(agent.pid(), &[("interfaces", ATTACHES)], &["config", "shard-0"]);
    agent.stop().assert_closed();
}

/// A middleware that says who it is and what it can reach of the agent: whether it can read its memory, and its
/// environment.
const SPY: &str = "sh -c 'echo uid=$(id -u) >&2; \
                   (exec 3</proc/$PPID/mem) 2>/dev/null && echo memory open >&2; \
                   (exec 3</proc/$PPID/environ) 2>/dev/null && echo environment open >&2; \
                   (: >>/proc/$PPID/comm) 2>/dev/null && echo name open >&2; \
                   (exec 3>/proc/sys/kernel/core_pattern) 2>/dev/null && echo core pattern open >&2; \
                   echo looked >&2; exec cat'";

fn spied(stage: &Stage, more: &[&str]) -> (String, Ledger) {
    let flags = [
        &["--input-dummy", "x", "--output-null", "--middleware", SPY],
        more,
    ]
    .concat();
    let agent = Agent::spawn_with(stage, &Netns::host(), &flags, &[("SUDO_UID", "")]);
    agent.wait_for_line("looked");
    let said = agent.stderr();
    let said = said
        .lines()
        .filter(|line| line.contains("uid=") && !line.contains("INFO") || line.ends_with(" open"));
    let said = said.collect::<Vec<_>>().join(", ");
    agent.wait_for_ledger("a request is delivered", |ledger| ledger.delivered(0) > 0);
    (said, agent.stop())
}

#[test]
fn a_middleware_cannot_look_into_the_agent_whoever_it_is() {
    let stage = stage!("root", "agent");
    let (said, ledger) = spied(&stage, &[]);
    assert_eq!(said, "uid=65534");
    ledger.assert_closed();
    let (said, ledger) = spied(&stage, &["--middleware-user", "1234:5678"]);
    assert_eq!(said, "uid=1234");
    ledger.assert_closed();
    // Root without a right owns what is root's, but not what another process of root's has in its memory.
    let (said, ledger) = spied(&stage, &["--middleware-user", "root"]);
    assert_eq!(said.split(", ").next(), Some("uid=0"));
    assert!(
        !said.contains("memory") && !said.contains("environment"),
        "{said}"
    );
    ledger.assert_closed();
}

#[test]
fn a_middleware_of_another_user_that_lives_on_is_ended() {
    let stage = stage!("root", "agent");
    let stubborn = "sh -c 'trap : TERM; cat; echo told >&2; while :; do sleep 1; done'";
    let flags = ["--input-dummy", "x", "--output-null", "--middleware", stubborn];
    let agent = Agent::spawn(&stage, &Netns::host(), &flags);
    agent.wait_for_line("another user");
    agent.wait_for_ledger("a request is delivered", |ledger| ledger.delivered(0) > 0);
    let [child] = stat::children(agent.pid())[..] else {
        panic!("one program");
    };
    agent.stop().assert_closed();
    until("the program is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn a_script_that_only_root_can_read_is_named_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    let stage = stage!("root", "agent");
    let script = stage.path("closed.sh");
    std::fs::write(&script, "#!/bin/sh\nexec cat\n").expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("its mode");
    let script = script.to_str().expect("a path in UTF-8");
    let flags = ["--input-dummy", "x", "--output-null", "--middleware", script];
    let host = Netns::host();
    let mut agent = Agent::spawn_with(&stage, &host, &flags, &[("SUDO_UID", "")]);
    assert_eq!(agent.wait().code(), Some(1));
    let said = agent.stderr();
    assert!(
        said.contains("as user nobody (--middleware-user selects another): Permission denied"),
        "{said}"
    );
    let port = format!("127.0.0.1:{}", host.free_port());
    let more = ["--middleware-user", "root", "--http-listen", &port];
    let agent = Agent::spawn(&stage, &host, &[&flags[..], &more].concat());
    agent.wait_for_line("serving HTTP");
    agent.wait_for_ledger("a request is delivered", |ledger| ledger.delivered(0) > 0);
    agent.stop().assert_closed();
}
