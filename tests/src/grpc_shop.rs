//! A service of gRPC by stacks that nobody here wrote, and calls of every kind to it. What is served and sent is in
//! `tests/fixtures/grpc`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::applications::{Release, packages};
use crate::grpc_talk::Talk;
use crate::wait::until_within;
use crate::{Netns, Place, Process, Stage, process};

/// How long a service may take to listen.
const START: Duration = Duration::from_mins(1);

/// A release of a stack that speaks gRPC, as a server and as a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStack {
    /// Python's grpcio of early 2024, on gRPC's core in C.
    Grpcio162,
    /// The same of 2026.
    Grpcio185,
    /// Node's, on its own `http2`, of early 2024.
    Node110,
    /// The same of 2026.
    Node114,
}

impl GrpcStack {
    const fn release(self) -> Release {
        match self {
            Self::Grpcio162 => Release::pypi("grpc", "grpcio-1.62.3"),
            Self::Grpcio185 => Release::pypi("grpc", "grpcio-1.85.3"),
            Self::Node110 => Release::npm("grpc", "@grpc/grpc-js@1.10.11"),
            Self::Node114 => Release::npm("grpc", "@grpc/grpc-js@1.14.7"),
        }
    }

    /// The program that serves, or makes calls: it finds its packages and the fixtures, and leaves no compiled files among the sources.
    fn command(self, place: &impl Place, does: &str, address: SocketAddr) -> Command {
        let mut command = match self {
            Self::Grpcio162 | Self::Grpcio185 => self.script(place, does),
            Self::Node110 | Self::Node114 => {
                let mut command = place.command("node");
                command
                    .env(
                        "NODE_PATH",
                        packages::folder(&self.release()).join("node_modules"),
                    )
                    .arg(fixtures().join("shop.js"))
                    .arg(does);
                command
            }
        };
        command.arg(address.to_string()).arg(GrpcShop::descriptors());
        command
    }

    /// One of the scripts in Python, which finds the packages and the others.
    fn script(self, place: &impl Place, name: &str) -> Command {
        let path = std::env::join_paths([packages::folder(&self.release()), fixtures()]);
        let mut command = place.command("python3");
        command
            .env("PYTHONPATH", path.expect("paths without colons"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(fixtures().join(format!("{name}.py")));
        command
    }

    /// The same on the host, once the packages are there.
    pub fn python(self, name: &str) -> Command {
        packages::install(&[self.release()]);
        self.script(&Netns::host(), name)
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/grpc")
}

/// A running service. Dropping it kills it.
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

    /// Starts production and a shadow of these stacks, which has planted faults if it is `faulty`.
    pub fn both(stage: &Stage, [production, shadow]: [GrpcStack; 2], faulty: bool) -> [Self; 2] {
        packages::install(&[production.release(), shadow.release()]);
        let host = Netns::host();
        let free = || SocketAddr::from((Ipv4Addr::LOCALHOST, host.free_port()));
        let mut both = [
            Self::begin(stage, &host, production, free(), false),
            Self::begin(stage, &host, shadow, free(), faulty),
        ];
        for one in &mut both {
            one.wait(&host);
        }
        both
    }

    /// Starts one where `place` is, at this address.
    pub fn start(stage: &Stage, place: &impl Place, stack: GrpcStack, address: SocketAddr) -> Self {
        packages::install(&[stack.release()]);
        let mut one = Self::begin(stage, place, stack, address, false);
        one.wait(place);
        one
    }

    fn wait(&mut self, place: &impl Place) {
        until_within(START, "the service listens", || {
            assert!(self.process.is_running(), "{}", self.process.stderr());
            place.netns().enter(|| TcpStream::connect(self.address)).is_ok()
        });
    }

    fn begin(stage: &Stage, place: &impl Place, stack: GrpcStack, address: SocketAddr, faulty: bool) -> Self {
        let log = stage.path(&format!("shop-{}.log", stage.number()));
        let mut command = stack.command(place, "serve", address);
        command
            .arg(&log)
            .args(faulty.then_some("faults"))
            .stdout(Stdio::null());
        Self {
            process: Process::start(stack.release().name, &mut command),
            address,
            log,
        }
    }

    /// Makes calls of every kind by this stack, on connections of their own in each of `rounds`. Gives how many there were.
    pub fn call(&self, by: GrpcStack, rounds: u32) -> u64 {
        self.call_from(&Netns::host(), by, rounds)
    }

    /// The same from elsewhere.
    pub fn call_from(&self, place: &impl Place, by: GrpcStack, rounds: u32) -> u64 {
        packages::install(&[by.release()]);
        let mut command = by.command(place, "drive", self.address);
        let calls = process::check(command.arg(rounds.to_string()));
        calls.trim().parse().expect("a number of calls")
    }

    /// Makes a call to one of its methods of streams, by grpcio, that lasts until it is [ended](Talk::end).
    pub fn talk(&self, method: &str) -> Talk {
        let by = GrpcStack::Grpcio185;
        packages::install(&[by.release()]);
        let mut command = by.command(&Netns::host(), "talk", self.address);
        command.arg(method);
        Talk::begin(command)
    }

    /// Messages of chats, and `over` at the ends of watches that last, each with when that was in seconds. Noted by grpcio alone.
    pub fn talked(&self) -> Vec<(String, f64)> {
        let log = fs::read_to_string(self.log.with_extension("log.talk")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| line.rsplit_once(' '));
        let entry = |(what, time): (&str, &str)| (what.to_owned(), time.parse().expect("a time"));
        lines.map(entry).collect()
    }

    /// The calls that it served, each as its method and its name, in the order of these.
    pub fn served(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut calls: Vec<String> = log.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }
}
