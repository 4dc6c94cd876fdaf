//! `Upgrade: h2c`, as curl and nghttp offer it and Apache takes it: the request that offers it is HTTP/1.1's, and its answer is stream 1's.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Stdio;

use nix::sys::signal::Signal;
use shadow_tests::{Agent, DEADLINE, Ledger, Netns, Nginx, Process, Report, Stage, stage, until};

/// An Apache that takes the offer, and answers everything with a page like the shadow's.
fn apache(stage: &Stage, netns: &Netns, port: u16) -> Process {
    let folder = stage.path("apache");
    std::fs::create_dir_all(&folder).expect("Apache's folder");
    std::fs::write(folder.join("page"), "x".repeat(1024)).expect("a page");
    let modules: String = ["mpm_event", "authz_core", "alias", "http2"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let at = folder.display();
    let configuration = format!(
        "{modules}
ServerName production.test
Listen {port}
PidFile {at}/pid
ErrorLog /dev/stderr
DefaultRuntimeDir {at}
Protocols h2c http/1.1
KeepAliveTimeout 60
AliasMatch ^/ {at}/page
<Location />
Require all granted
</Location>
"
    );
    let file = folder.join("apache2.conf");
    std::fs::write(&file, configuration).expect("Apache's configuration");
    let mut command = netns.command("apache2");
    command
        .arg("-f")
        .arg(&file)
        .args(["-D", "FOREGROUND"])
        .stdout(Stdio::null());
    let mut server = Process::start("production", &mut command);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    until("Apache listens", || {
        assert!(server.is_running(), "{}", server.stderr());
        TcpStream::connect(address).is_ok()
    });
    server
}

/// The requests that Apache has not processed, as nghttp says: it may say goodbye to a connection while they are on their way.
fn unprocessed(said: &str) -> u64 {
    let Some((_, counts)) = said.split_once("requests were not processed. total=") else {
        return 0;
    };
    let mut counts = counts.trim().split(", processed=").map(str::parse::<u64>);
    match (counts.next(), counts.next()) {
        (Some(Ok(total)), Some(Ok(processed))) => total - processed,
        _ => panic!("not understood: {said}"),
    }
}

/// Mirrors 20 requests that clients send by way of upgrades, with these flags. Gives the shadow's requests, the ledger, and how
/// many Apache has not processed.
fn upgraded(stage: &Stage, flags: &[&str]) -> (Vec<String>, Ledger, u64) {
    let host = Netns::host();
    let (port, shadow_port) = (host.free_port(), host.free_port());
    let mut production = apache(stage, &host, port);
    let shadow = Nginx::start(stage, &host, "shadow", shadow_port);
    let input = format!(":{port}");
    let url = format!("http://127.0.0.1:{shadow_port}");
    let agent = Agent::start(
        stage,
        &host,
        &[
            &[
                "--input-raw",
                &input,
                "--output-http",
                &url,
                "--output-http-version",
                "1.1",
            ],
            flags,
        ]
        .concat(),
    );
    let mut refused = 0;
    for connection in 0..5 {
        let target = |request: u32| format!("http://127.0.0.1:{port}/upgraded/{connection}/{request}");
        let out = stage.path("answer").display().to_string();
        let arguments = [
            "-q",
            "-sS",
            "--http2",
            "--max-time",
            "60",
            "-w",
            "%{http_version}",
            "-o",
            &out,
        ];
        assert_eq!(host.run("curl", &[&arguments[..], &[&target(0)]].concat()), "2");
        // The second and the third over the connection that has changed.
        let arguments = [
            "--upgrade",
            "--null-out",
            "--no-dep",
            &target(1),
            &target(2),
            &target(3),
        ];
        let said = host.output("nghttp", &arguments);
        refused += unprocessed(&(said.stdout + &said.stderr));
    }
    production.signal(Signal::SIGWINCH);
    production.wait(DEADLINE);
    let (_, ledger) = agent.stop_to_judge();
    let shadow = shadow.finish();
    ledger.assert_closed();
    assert_eq!(ledger.seen(), 20, "{ledger}");
    (
        shadow.0.into_iter().map(|entry| entry.uri).collect(),
        ledger,
        refused,
    )
}

#[test]
fn a_request_that_offers_h2c_is_mirrored_and_so_are_those_behind_it() {
    let stage = stage!("root", "agent", "nginx", "apache2", "curl", "nghttp");
    let (mut got, ..) = upgraded(&stage, &[]);
    got.sort_unstable();
    let sent: Vec<String> = (0..5)
        .flat_map(|connection| (0..4).map(move |request| format!("/upgraded/{connection}/{request}")))
        .collect();
    assert_eq!(got, sent);
}

#[test]
fn the_answer_behind_a_101_belongs_to_the_request_that_offered_h2c() {
    let stage = stage!("root", "agent", "nginx", "apache2", "curl", "nghttp");
    let file = stage.path("report.json");
    let (_, ledger, refused) = upgraded(&stage, &["--compare", "--report", &file.to_string_lossy()]);
    assert_eq!(ledger.dropped(0, "h2_refused"), refused, "{ledger}");
    assert_eq!(ledger.delivered(0), 20 - refused, "{ledger}");
    let report = Report::read(&file);
    assert_eq!(report.compared(0), 20 - refused, "{report}");
}
