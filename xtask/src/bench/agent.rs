//! The agent under measurement.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::Value;

use super::process::Running;
use super::stage::Stage;
use super::stat;

/// How long it may take to load its programs and attach them.
const START: Duration = Duration::from_secs(20);

/// A running agent.
pub struct Agent {
    process: Running,
    ledger: PathBuf,
}

/// The agent's account of its run, as it wrote it.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Ledger(Value);

impl Agent {
    /// Starts one that captures from `input`, and waits until it does.
    pub fn start(stage: &Stage, input: &str, output: &[String]) -> anyhow::Result<Self> {
        let ledger = stage.folder.path().join("ledger.json");
        let mut command = Command::new(&stage.agent);
        command
            .args(["--input-raw", input])
            .args(output)
            .args(&stage.agent_arguments);
        command.arg("--ledger").arg(&ledger).arg("--no-status");
        let mut process = Running::start("the agent", &mut command)?;
        process.wait_for_line("capturing", START)?;
        Ok(Self { process, ledger })
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// Processor time it has used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        stat::cpu(self.pid())
    }

    /// Ends it as users do, and gives its ledger, which must balance.
    pub fn stop(self) -> anyhow::Result<Ledger> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.finish()?;
        let ledger: Value =
            serde_json::from_str(&stat::read(&self.ledger)?).context("the ledger is not JSON")?;
        if ledger["balanced"] != Value::Bool(true) {
            bail!("the agent's ledger does not balance: {ledger}");
        }
        Ok(Ledger(ledger))
    }
}

impl Ledger {
    /// One that was read from its file.
    pub fn read(value: Value) -> Self {
        Self(value)
    }

    /// Requests whose start was seen.
    pub fn seen(&self) -> u64 {
        self.0["seen"].as_u64().unwrap_or(0)
    }

    /// Requests delivered to the output.
    pub fn delivered(&self) -> u64 {
        self.0["outputs"][0]["delivered"].as_u64().unwrap_or(0)
    }

    /// Requests seen and not delivered, with the reasons.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        let reasons = self.0["outputs"][0]["dropped"].as_object().into_iter().flatten();
        reasons.filter_map(|(reason, count)| Some((reason.as_str(), count.as_u64()?)))
    }

    /// A counter of the kernel programs.
    pub fn capture(&self, counter: &str) -> u64 {
        self.0["capture"][counter].as_u64().unwrap_or(0)
    }

    /// A counter of the connection table.
    pub fn connections(&self, counter: &str) -> u64 {
        self.0["connections"][counter].as_u64().unwrap_or(0)
    }

    /// Packets that the kernel programs could not copy.
    pub fn lost_packets(&self) -> u64 {
        self.capture("ring_full_packets") + self.capture("load_error_packets")
    }
}
