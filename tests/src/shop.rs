//! The pair of servers with planted faults: the shop of `shadow-agent demo`, each release a process of its own, and the load
//! that knows it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{Agent, DEADLINE, Netns, Process};

/// The longest that a load may take beyond what it was asked to.
const SLACK: Duration = Duration::from_mins(2);

/// A release of the shop that serves. Dropping it kills it.
pub struct Shop {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Counts of a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Requests answered.
    pub requests: u64,
    /// Those answered 500.
    pub errors: u64,
    /// Those whose connection was closed inside the answer.
    pub closed: u64,
}

impl Shop {
    /// Starts one on a free port of the host's loopback, with these faults: `all`, `none`, or names with commas.
    pub fn start(faults: &str) -> Self {
        let mut command = Netns::host().command(Agent::path());
        command
            .args(["demo-server", "--faults", faults])
            .stdout(Stdio::null());
        let process = Process::start("shop", &mut command);
        let line = process.wait_for_line("listening on ");
        let address = line.trim_start_matches("listening on ").parse();
        Self {
            process,
            address: address.expect("the shop's address"),
        }
    }

    /// As an output names it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it, and gives what it counted.
    pub fn finish(mut self) -> Served {
        self.process.signal(Signal::SIGTERM);
        assert!(self.process.wait(DEADLINE).success(), "{}", self.process.stderr());
        let line = self.process.wait_for_line("served ");
        let counts: Value = serde_json::from_str(line.trim_start_matches("served ")).expect("counts");
        let count = |name: &str| counts[name].as_u64().expect("a count");
        Served {
            requests: count("requests"),
            errors: count("errors"),
            closed: count("closed"),
        }
    }
}

/// Sends the first `requests` of the shop's load to `to`, `rate` a second: the same ones in every run. Each has its answer
/// when this returns.
pub fn load(to: SocketAddr, requests: u64, rate: u32) {
    let mut command = Netns::host().command(Agent::path());
    command
        .args(["demo-load", "--to", &to.to_string()])
        .args(["--requests", &requests.to_string(), "--rate", &rate.to_string()])
        .stdout(Stdio::null());
    let mut process = Process::start("the load", &mut command);
    let planned = Duration::from_secs_f64(requests as f64 / f64::from(rate));
    let status = process.wait(planned + SLACK);
    assert!(
        status.success(),
        "the load ended with {status}:\n{}",
        process.stderr()
    );
}
