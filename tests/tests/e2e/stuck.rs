//! Waits for somebody else, who does not come: files that nobody writes, outputs that nobody reads, connections that say
//! nothing. The run is ended all the same, at once and in order, and it answers whatever is asked of it.

use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use shadow_tests::fault::{Fault, FaultServer};
use shadow_tests::metrics::ask;
use shadow_tests::{Agent, DEADLINE, Ledger, Netns, Place, Process, Stage, load, stage, stat, until};

use crate::scene::Scene;

/// A pipe in the test's folder.
fn fifo(stage: &Stage, name: &str) -> String {
    let path = stage.path(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    path.display().to_string()
}

/// A record of a request to `/NUMBER`.
fn record(number: u64) -> String {
    let unix = 1_700_000_000_000_000_000_u64 + number;
    format!("1 {number:024x} {unix} 0\nGET /{number} HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n")
}

#[test]
fn a_recording_from_a_pipe_is_replayed_as_it_is_written() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let pipe = fifo(&stage, "recording.gor");
    let flags = ["--input-file", &pipe, "--output-http", &scene.shadow_url];
    let mut agent = Agent::spawn(&stage, &Netns::host(), &flags);
    // Opening it waits for the agent, and nothing else.
    let mut writer = File::options().write(true).open(&pipe).expect("the pipe");
    for number in 1..=3 {
        writer.write_all(record(number).as_bytes()).expect("a reader");
        agent.wait_for_ledger("it is replayed before the next is written", |ledger| {
            ledger.delivered(0) == number
        });
    }
    drop(writer);
    agent.finish().assert_all_delivered(3);
    assert_eq!(scene.shadow.finish().len(), 3);
}

#[test]
fn a_pipe_that_nobody_writes_is_no_reason_to_live_on() {
    let stage = stage!("root", "agent");
    let pipe = fifo(&stage, "nobody.gor");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let port = format!("127.0.0.1:{}", Netns::host().free_port());
        let flags = ["--input-file", &pipe, "--output-null", "--http-listen", &port];
        let agent = Agent::spawn(&stage, &Netns::host(), &flags);
        agent.wait_for_line("serving HTTP");
        agent.stop_by(signal).assert_closed();
    }
}

#[test]
fn a_start_that_reads_without_an_end_is_ended_by_a_signal() {
    let stage = stage!("root", "agent");
    let path = stage.path("holes.gor");
    // It begins as a recording does. No record ends in it, and reading on takes longer than anybody waits.
    let mut file = File::create(&path).expect("a file");
    let beginning = b"1 000000000000000000000001 1700000000000000000 0\nGET / HTTP/1.1\r\n";
    file.write_all(beginning).expect("a beginning");
    file.set_len(1 << 42).expect("room for nothing");
    let path = path.to_str().expect("a path in UTF-8");
    let flags = ["--input-file", path, "--output-null"];
    let mut agent = Agent::spawn(&stage, &Netns::host(), &flags);
    until("it reads", || {
        let tasks = stat::tasks(agent.pid());
        tasks.iter().any(|task| task.name == "start")
    });
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait().code(), Some(1));
    let said = agent.stderr();
    assert!(said.contains("error: SIGTERM during startup"), "{said}");
}

#[test]
fn devices_and_pipes_that_make_no_sense_are_refused_at_once() {
    let stage = stage!("root", "agent");
    let pipe = fifo(&stage, "planted");
    let html = fifo(&stage, "planted.html");
    let pcap = fifo(&stage, "planted.pcap");
    let dummy = ["--input-dummy", "x", "--output-null"];
    for (flags, why) in [
        (
            vec!["--input-file", "/dev/zero", "--output-null"],
            "this is a device, not a file",
        ),
        (
            vec!["--input-file", &pipe, "--input-file-loop", "--output-null"],
            "is a pipe, which cannot be read again",
        ),
        (
            vec!["--input-raw", &pcap, "--output-null"],
            "this is a pipe, which could block forever",
        ),
        (
            [&dummy[..], &["--ledger", &pipe]].concat(),
            "this is a pipe, and the ledger is written as a whole",
        ),
        (
            vec![
                "--input-dummy",
                "x",
                "--output-http",
                "http://127.0.0.1:9",
                "--compare",
                "--report",
                &html,
            ],
            "this is a pipe, and the report is written as a whole",
        ),
    ] {
        let output = Agent::output(&Netns::host(), &flags);
        assert!(!output.status.success(), "{flags:?}");
        assert!(output.stderr.contains(why), "{flags:?}: {}", output.stderr);
    }
}

/// The agent with its standard error, or output, in a pipe that is full: nobody reads what it says.
fn unread(stage: &Stage, flags: &[&str]) -> (Unread, PathBuf, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    fill(&writer);
    let ledger = stage.path("unread.json");
    let child = Netns::host()
        .command(Agent::path())
        .args(flags)
        .arg("--ledger")
        .arg(&ledger)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(writer)
        .process_group(0)
        .spawn()
        .expect("the agent");
    (Unread(child), ledger, reader)
}

/// An agent that does not outlive the test.
struct Unread(Child);

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes to a pipe until it takes no more.
fn fill(writer: &PipeWriter) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a flag");
    let mut writer = writer;
    while writer.write(&[b'.'; 4096]).is_ok() {}
    fcntl(writer, FcntlArg::F_SETFL(OFlag::empty())).expect("a flag");
}

#[test]
fn a_log_that_nobody_reads_keeps_nobody_from_ending_the_run() {
    let stage = stage!("root", "agent");
    let host = Netns::host();
    let port = format!("127.0.0.1:{}", host.free_port());
    let flags = [
        "--input-dummy",
        "x",
        "--output-null",
        "--http-listen",
        &port,
        "--verbose",
        "--verbose",
    ];
    let (mut agent, ledger, reader) = unread(&stage, &flags);
    let agent = &mut agent.0;
    let port: SocketAddr = port.parse().expect("an address");
    until("it runs", || TcpStream::connect(port).is_ok());
    until("it is ready", || ask(&host, port, "GET", "/readyz").0 == 200);
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(agent.id().cast_signed()),
        Signal::SIGTERM,
    )
    .expect("a running agent");
    until("it has ended", || agent.try_wait().expect("a child").is_some());
    assert_eq!(agent.wait().expect("a child").code(), Some(0));
    Ledger::read(&ledger).expect("a ledger").assert_closed();
    drop(reader);
}

#[test]
fn a_hangup_without_a_file_of_settings_ends_the_run_in_order() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&[]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 10), 20);
    agent.stop_by(Signal::SIGHUP).assert_all_delivered(20);
    assert_eq!(scene.shadow.finish().len(), 20);
}

#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let stage = stage!("root", "agent", "nohup");
    let ledger = stage.path("nohup.json");
    let mut command = Netns::host().command("nohup");
    let port = format!("127.0.0.1:{}", Netns::host().free_port());
    command
        .args([Agent::path(), "--input-dummy", "x", "--output-null"])
        .args(["--http-listen", &port, "--ledger"])
        .arg(&ledger)
        .stdout(Stdio::null());
    let mut agent = Process::start("shadow-agent", &mut command);
    let now = |agent: &Process| {
        let _ = std::fs::remove_file(&ledger);
        agent.signal(Signal::SIGUSR1);
        let mut read = None;
        until("the ledger is written", || {
            read = Ledger::read(&ledger);
            read.is_some()
        });
        read.expect("a ledger")
    };
    agent.wait_for_line("serving HTTP");
    now(&agent);
    agent.signal(Signal::SIGHUP);
    now(&agent).assert_balanced();
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(DEADLINE).success());
}

#[test]
fn a_run_whose_standard_output_nobody_reads_ends_with_its_ledger() {
    let stage = stage!("root", "agent");
    let ledger = stage.path("head.json");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = Command::new(Agent::path());
    command
        .args(["--input-dummy", "x", "--output-stdout", "--ledger"])
        .arg(&ledger)
        .stdout(writer);
    let mut agent = Process::start("shadow-agent", &mut command);
    drop(command);
    // As `head -c 2` does.
    reader.read_exact(&mut [0; 2]).expect("the first record");
    drop(reader);
    let status = agent.wait(DEADLINE);
    assert_eq!(status.code(), Some(141), "{}", agent.stderr());
    let ledger = Ledger::read(&ledger).expect("a ledger");
    ledger.assert_closed();
    assert!(ledger.delivered(0) >= 1, "{ledger}");
    assert_eq!(
        ledger.seen(),
        ledger.delivered(0) + ledger.dropped(0, "write_error")
    );
}

#[test]
fn a_name_that_is_none_is_heard_of_at_the_start() {
    let stage = stage!("root", "agent");
    let flags = [
        "--input-dummy",
        "x",
        "--output-http",
        "http://no-such-shadow.invalid",
    ];
    let agent = Agent::spawn(&stage, &Netns::host(), &flags);
    let line = agent.wait_for_line("cannot resolve the host name");
    assert!(
        line.contains("WARN") && line.contains("no-such-shadow.invalid"),
        "{line}"
    );
    agent.stop().assert_closed();
}

#[test]
fn silent_connections_do_not_shut_the_input_for_others() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let address = format!("127.0.0.1:{}", Netns::host().free_port());
    let flags = [
        "--input-tcp",
        &address,
        "--input-tcp-max-connections",
        "4",
        "--output-http",
        &scene.shadow_url,
    ];
    let receiver = Agent::spawn(&stage, &Netns::host(), &flags);
    receiver.wait_for_line("listening for other agents");
    let silent: Vec<_> = (0..4)
        .map(|_| TcpStream::connect(&address).expect("the input"))
        .collect();
    let input = format!(":{}", scene.port);
    let flags = [
        "--input-raw",
        &input,
        "--output-tcp",
        &address,
        "--output-tcp-workers",
        "2",
        "--output-tcp-ack",
    ];
    let sender = Agent::start(&stage, &scene.server, &flags);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    sender.wait_for_ledger("all are acknowledged", |ledger| ledger.delivered(0) == 100);
    sender.stop().assert_all_delivered(100);
    let ledger = receiver.stop();
    ledger.assert_all_delivered(100);
    let closed = &ledger.0["capture"]["inputs"][format!("tcp {address}")]["closed"];
    assert!(closed["silent"].as_u64() >= Some(1), "{ledger}");
    drop(silent);
    assert_eq!(scene.shadow.finish().len(), 100);
}

/// A place where a program may have so many files.
struct FewFiles(Netns, u32);

impl Place for FewFiles {
    fn command(&self, program: &str) -> Command {
        let mut command = self.0.command("prlimit");
        command.arg(format!("--nofile={0}:{0}", self.1)).arg(program);
        command
    }

    fn netns(&self) -> &Netns {
        &self.0
    }
}

#[test]
fn with_all_descriptors_in_use_health_metrics_and_ledger_are_there() {
    let stage = stage!("root", "agent", "nginx", "prlimit");
    let scene = Scene::on_lo(&stage);
    let silent = FaultServer::start(&Netns::host(), Ipv4Addr::LOCALHOST.into(), Fault::NeverAnswers);
    let host = Netns::host();
    let port = format!("127.0.0.1:{}", host.free_port());
    let (input, output) = (format!(":{}", scene.port), format!("http://{}", silent.address));
    let flags = [
        "--input-raw",
        &input,
        "--output-http",
        &output,
        "--output-http-workers",
        "1000",
        "--output-http-timeout",
        "60s",
        "--output-http-breaker-failures",
        "0",
        "--shutdown-timeout",
        "1s",
        "--http-listen",
        &port,
    ];
    let agent = Agent::start(&stage, &FewFiles(Netns::host(), 256), &flags);
    // Each client's request has a connection to the shadow, as long as there are any.
    assert_eq!(load::at_once(&scene.client, scene.v4, 300, 1), 300);
    agent.wait_for_ledger("no more connections can be had", |ledger| {
        ledger.dropped(0, "connect_error") > 0
    });
    let port = port.parse().expect("an address");
    for path in ["/healthz", "/metrics"] {
        assert_eq!(ask(&host, port, "GET", path).0, 200, "{path}");
    }
    let ledger = agent.ledger_now();
    ledger.assert_balanced();
    assert!(ledger.of(0, "in_flight") > 20, "{ledger}");
    let said = agent.stderr();
    assert!(
        said.contains("out of file descriptors: raise the limit on open files (ulimit -n)"),
        "{said}"
    );
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(ledger.seen(), 300, "{ledger}");
}
