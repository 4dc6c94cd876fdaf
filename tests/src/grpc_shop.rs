//! A service of gRPC by Python's grpcio, in two releases, and calls of every kind to it. What is served and sent is in
//! `tests/fixtures/grpc`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::applications::{Release, packages};
use crate::wait::until_within;
use crate::{Netns, Process, Stage, process};

/// Production's release: of early 2024.
const TODAY: Release = Release::pypi("grpc", "grpcio-1.62.3");
/// The next one, which clients have as well.
const NEXT: Release = Release::pypi("grpc", "grpcio-1.85.3");
/// How long a service may take to listen.
const START: Duration = Duration::from_mins(1);

/// A running service on the host's loopback. Dropping it kills it.
pub struct GrpcShop {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    log: PathBuf,
}

impl GrpcShop {
    /// The descriptors of its messages.
    pub fn descriptors() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/shadow-grpc/src/tests/shop.desc")
    }

    /// Starts production and a shadow of the next release, which has planted faults if it is `faulty`.
    pub fn both(stage: &Stage, faulty: bool) -> [Self; 2] {
        packages::install(&[TODAY, NEXT]);
        let mut both = [
            Self::start(stage, &TODAY, "production", false),
            Self::start(stage, &NEXT, "shadow", faulty),
        ];
        for one in &mut both {
            until_within(START, "the service listens", || {
                assert!(one.process.is_running(), "{}", one.process.stderr());
                TcpStream::connect(one.address).is_ok()
            });
        }
        both
    }

    fn start(stage: &Stage, release: &Release, role: &str, faulty: bool) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, Netns::host().free_port()));
        let log = stage.path(&format!("{role}-{}.log", stage.number()));
        let mut command = python(release, "serve.py", address.port());
        command
            .arg(&log)
            .args(faulty.then_some("faults"))
            .stdout(Stdio::null());
        Self {
            process: Process::start(release.name, &mut command),
            address,
            log,
        }
    }

    /// Makes calls of every kind, on a connection for each of `rounds`. Gives how many there were.
    pub fn call(&self, rounds: u32) -> u64 {
        let mut command = python(&NEXT, "drive.py", self.address.port());
        let calls = process::check(command.arg(rounds.to_string()));
        calls.trim().parse().expect("a number of calls")
    }

    /// The calls that it served, each as its method and its name, in the order of these.
    pub fn served(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut calls: Vec<String> = log.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }
}

/// A Python that finds grpcio and the fixtures, and leaves no compiled files among the sources.
fn python(release: &Release, script: &str, port: u16) -> Command {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/grpc");
    let path = std::env::join_paths([packages::folder(release), fixtures.clone()]);
    let mut command = Netns::host().command("python3");
    command
        .env("PYTHONPATH", path.expect("paths without colons"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(fixtures.join(script))
        .arg(port.to_string())
        .arg(GrpcShop::descriptors());
    command
}
