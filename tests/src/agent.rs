//! The agent under test: the binary that `cargo xtask test` builds, with its ledger in the test's folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{DEADLINE, Ledger, Netns, Place, Process, Stage, stage, until};

/// The word that the agent logs once its programs are attached.
const CAPTURING: &str = "capturing";

/// The longest a drain may take by default, and time to spare.
const DRAIN: Duration = Duration::from_mins(1);

/// A running agent. Dropping it kills it.
pub struct Agent {
    process: Process,
    ledger: PathBuf,
    stdout: PathBuf,
}

/// The agent's binary: what `cargo xtask test` built, or else what was built last.
pub(crate) fn binary() -> Option<PathBuf> {
    let built =
        ["debug", "source", "release"].map(|profile| stage::target().join(profile).join("shadow-agent"));
    std::env::var_os("SHADOW_AGENT_BIN")
        .map(PathBuf::from)
        .into_iter()
        .chain(built)
        .find(|path| path.is_file())
}

impl Agent {
    /// Starts the agent in a namespace or a container and waits until it is capturing.
    pub fn start(stage: &Stage, place: &impl Place, arguments: &[&str]) -> Self {
        let agent = Self::spawn(stage, place, arguments);
        agent.process.wait_for_line(CAPTURING);
        agent
    }

    /// Starts the agent in a namespace or a container and waits for nothing.
    pub fn spawn(stage: &Stage, place: &impl Place, arguments: &[&str]) -> Self {
        Self::spawn_with(stage, place, arguments, &[])
    }

    /// The same, with variables in its environment.
    pub fn spawn_with(stage: &Stage, place: &impl Place, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let number = stage.number();
        let ledger = stage.path(&format!("ledger-{number}.json"));
        let stdout = stage.path(&format!("agent-{number}.out"));
        let mut command = place.command(Self::path());
        command
            .args(arguments)
            .envs(env.iter().copied())
            .arg("--ledger")
            .arg(&ledger)
            .stdout(File::create(&stdout).expect("the agent's output"));
        Self {
            process: Process::start("shadow-agent", &mut command),
            ledger,
            stdout,
        }
    }

    /// Runs the agent to its end, for what needs no capture.
    pub fn output(netns: &Netns, arguments: &[&str]) -> crate::Output {
        netns.output(Self::path(), arguments)
    }

    /// Path of the binary.
    pub fn path() -> &'static str {
        static PATH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        PATH.get_or_init(|| {
            let path = binary().expect("a built agent; `cargo xtask test` builds it");
            let path = path.canonicalize().expect("the agent's path");
            path.into_os_string().into_string().expect("a path in UTF-8")
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All that it has logged so far.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Waits for a line of its log.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.process.wait_for_line(text)
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Asks for the ledger while it runs (SIGUSR1).
    pub fn ledger_now(&self) -> Ledger {
        let _ = std::fs::remove_file(&self.ledger);
        self.process.signal(Signal::SIGUSR1);
        let mut ledger = None;
        until("the ledger is written", || {
            ledger = Ledger::read(&self.ledger);
            ledger.is_some()
        });
        ledger.expect("a ledger")
    }

    /// Waits until the running ledger satisfies `condition`; it balances at every look.
    pub fn wait_for_ledger(&self, what: &str, mut condition: impl FnMut(&Ledger) -> bool) -> Ledger {
        let mut last = None;
        until(what, || {
            let ledger = self.ledger_now();
            ledger.assert_balanced();
            let done = condition(&ledger);
            last = Some(ledger);
            done
        });
        last.expect("a ledger")
    }

    /// Ends it (SIGTERM), which must succeed, and gives its ledger.
    pub fn stop(self) -> Ledger {
        self.stop_by(Signal::SIGTERM)
    }

    /// Ends it by a signal that asks, which must succeed, and gives its ledger.
    pub fn stop_by(mut self, signal: Signal) -> Ledger {
        let _ = std::fs::remove_file(&self.ledger);
        self.process.signal(signal);
        self.finish()
    }

    /// Ends it (SIGTERM), which must give this exit status, and gives its ledger.
    pub fn stop_with(mut self, status: i32) -> Ledger {
        let _ = std::fs::remove_file(&self.ledger);
        self.process.signal(Signal::SIGTERM);
        self.fail(status)
    }

    /// Ends it (SIGTERM), and gives its exit status, whatever it is, and its ledger.
    pub fn stop_to_judge(mut self) -> (Option<i32>, Ledger) {
        let _ = std::fs::remove_file(&self.ledger);
        self.process.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(!self.stderr().contains("panicked"), "{}", self.stderr());
        let ledger = Ledger::read(&self.ledger);
        let ledger = ledger.unwrap_or_else(|| panic!("no ledger was written:\n{}", self.stderr()));
        (status.code(), ledger)
    }

    /// Waits for its end by itself, which must be a success, and gives its ledger.
    pub fn finish(&mut self) -> Ledger {
        let status = self.wait();
        assert!(
            status.success(),
            "the agent ended with {status}:\n{}",
            self.stderr()
        );
        assert!(!self.stderr().contains("panicked"), "{}", self.stderr());
        Ledger::read(&self.ledger).unwrap_or_else(|| panic!("no ledger was written:\n{}", self.stderr()))
    }

    /// Waits for its end by itself, which must have this exit status, and gives its ledger.
    pub fn fail(&mut self, status: i32) -> Ledger {
        let ended = self.wait();
        assert_eq!(ended.code(), Some(status), "{}", self.stderr());
        assert!(!self.stderr().contains("panicked"), "{}", self.stderr());
        Ledger::read(&self.ledger).unwrap_or_else(|| panic!("no ledger was written:\n{}", self.stderr()))
    }

    /// Waits for its end by itself, whatever it is.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait(DRAIN)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills it by SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Where its standard output goes.
    pub fn stdout(&self) -> &Path {
        &self.stdout
    }

    /// How long a stop may take at most.
    pub fn longest_stop() -> Duration {
        DRAIN.max(DEADLINE)
    }
}
