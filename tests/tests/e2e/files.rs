//! Capture files, read without any privilege through the same reassembly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::Signal;
use shadow_tests::client::{Connection, noise, with_body};
use shadow_tests::{Agent, DEADLINE, Ledger, Netns, Nginx, Process, load, stage, until};

use crate::scene::Scene;

/// A folder that nobody may use, with a copy of the agent in it: the build's own may be closed to others.
struct Nobody {
    folder: PathBuf,
}

impl Nobody {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("shadow-agent-nobody-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("its mode");
        fs::copy(Agent::path(), folder.join("shadow-agent")).expect("a copy of the agent");
        Self { folder }
    }

    /// Runs the agent to its end as nobody, and gives what it said and its ledger.
    fn run(&self, arguments: &[&str]) -> (shadow_tests::Output, Option<Ledger>) {
        let ledger = self.folder.join("ledger.json");
        let _ = fs::remove_file(&ledger);
        let agent = self.folder.join("shadow-agent").display().to_string();
        let file = ledger.display().to_string();
        let as_nobody = [
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--",
            &agent,
            "--ledger",
            &file,
        ];
        let output = Netns::host().output("setpriv", &[&as_nobody, arguments].concat());
        (output, Ledger::read(&ledger))
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_file_written_by_tcpdump_or_tshark_is_replayed_without_privileges() {
    let stage = stage!("root", "agent", "nginx", "tcpdump", "tshark", "setpriv");
    let scene = Scene::on_lo(&stage);
    let nobody = Nobody::new();
    let pcap = nobody.folder.join("traffic.pcap").display().to_string();
    let pcapng = nobody.folder.join("traffic.pcapng").display().to_string();
    let mut command = scene.server.command("tcpdump");
    command.args([
        "-U",
        "--immediate-mode",
        "-Z",
        "root",
        "-B",
        "65536",
        "-s",
        "0",
        "-i",
        "lo",
        "-w",
        &pcap,
    ]);
    command
        .args(["tcp", "port", &scene.port.to_string()])
        .stdout(Stdio::null());
    let mut tcpdump = Process::start("tcpdump", &mut command);
    tcpdump.wait_for_line("listening on");
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 8, 25), 200);
    assert_eq!(load::keep_alive(&scene.client, scene.v6, 8, 25), 200);
    let mut connection = Connection::open(&scene.client, scene.v4);
    connection.send(with_body("POST", "/upload", "body", &noise(1 << 20, 5)));
    assert_eq!(connection.response().status, 200);
    drop(connection);
    // When the last request is in the file, so is all before it.
    assert_eq!(
        Connection::open(&scene.client, scene.v4)
            .get("/last", "last")
            .status,
        200
    );
    until("the file has the last request", || {
        fs::read(&pcap).is_ok_and(|bytes| bytes.windows(5).any(|window| window == b"/last"))
    });
    let production = scene.production.finish();
    tcpdump.signal(Signal::SIGINT);
    tcpdump.wait(DEADLINE);
    assert!(
        tcpdump.stderr().contains("0 packets dropped by kernel"),
        "{}",
        tcpdump.stderr()
    );
    scene
        .server
        .run("tshark", &["-r", &pcap, "-w", &pcapng, "-F", "pcapng"]);
    for file in [&pcap, &pcapng] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("the file's mode");
    }
    drop(scene.shadow);
    for input in [pcap.clone(), format!("{pcap}:{}", scene.port), pcapng] {
        let shadow = Nginx::start(&stage, &scene.other, "shadow", scene.shadow_port);
        let (output, ledger) = nobody.run(&["--input-raw", &input, "--output-http", &scene.shadow_url]);
        assert!(output.status.success(), "{}", output.stderr);
        let ledger = ledger.unwrap_or_else(|| panic!("no ledger: {}", output.stderr));
        ledger.assert_all_delivered(402);
        production.assert_same_requests(&shadow.finish());
    }
}

#[test]
fn without_privileges_live_capture_says_what_is_missing() {
    let _stage = stage!("root", "agent", "setpriv");
    let (output, _) = Nobody::new().run(&["--input-raw", ":1", "--output-null"]);
    assert!(!output.status.success());
    assert!(output.stderr.contains("CAP_BPF"), "{}", output.stderr);
    assert!(
        output.stderr.contains("root") || output.stderr.contains("sudo"),
        "{}",
        output.stderr
    );
}
