//! A program under a test's control: its output is collected, its lines can be awaited, and it never outlives
//! the test.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::DEADLINE;

/// A running program. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    lines: Arc<Lines>,
}

/// The output of a program that ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, as text.
    pub stdout: String,
    /// Standard error, as text.
    pub stderr: String,
}

#[derive(Default)]
struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

/// Looks a program up as a shell would, and where system programs stand when `PATH` does not name it.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A command for a program that [`program`] finds.
pub(crate) fn command(name: &str) -> Command {
    Command::new(program(name).unwrap_or_else(|| name.into()))
}

/// Runs a command to its end and gives what it said.
pub(crate) fn output(command: &mut Command) -> Output {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Output {
        status: output.status,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs a command that must succeed and gives its standard output.
pub fn check(command: &mut Command) -> String {
    let output = output(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        output.stdout,
        output.stderr
    );
    output.stdout
}

impl Process {
    /// Starts `command` and collects its standard error line by line.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            // A group of its own, so that its workers can be killed with it.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        let lines = Arc::new(Lines::default());
        if let Some(stderr) = child.stderr.take() {
            let lines = Arc::clone(&lines);
            std::thread::spawn(move || lines.collect(stderr));
        }
        Self {
            name: name.to_owned(),
            child,
            lines,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal)
            .unwrap_or_else(|error| panic!("cannot send {signal} to {}: {error}", self.name));
    }

    /// Waits for a line on its standard error that contains `text`, and gives it. Lines that came before count.
    pub fn wait_for_line(&self, text: &str) -> String {
        self.wait_for_line_after(0, text)
    }

    /// Like [`wait_for_line`](Self::wait_for_line), passing over the first `skip` lines.
    pub fn wait_for_line_after(&self, skip: usize, text: &str) -> String {
        let find = |state: &State| {
            state
                .lines
                .iter()
                .skip(skip)
                .find(|line| line.contains(text))
                .cloned()
        };
        let state = self
            .lines
            .wait(DEADLINE, |state| state.ended || find(state).is_some());
        find(&state).unwrap_or_else(|| {
            panic!(
                "{} {} without saying {text:?}; it said:\n{}",
                self.name,
                if state.ended { "ended" } else { "ran on" },
                state.lines.join("\n")
            )
        })
    }

    /// Waits until it ends by itself; panics when it does not within `deadline`.
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        // Standard error reaches its end when the program does: an event, so nothing is polled.
        let ended = self.lines.wait(deadline, |state| state.ended).ended;
        assert!(
            ended,
            "{} still runs after {deadline:?}; it said:\n{}",
            self.name,
            self.stderr()
        );
        self.child
            .wait()
            .unwrap_or_else(|error| panic!("cannot wait for {}: {error}", self.name))
    }

    /// Kills it and what it started by SIGKILL and waits for its end.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = killpg(Pid::from_raw(self.pid().cast_signed()), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Standard error so far.
    pub fn stderr(&self) -> String {
        let state = self.lines.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for line in &state.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Shown of tests that fail alone, also of those that fail when this has ended.
        eprintln!("--- {} said:\n{}---", self.name, self.stderr());
        self.kill();
    }
}

impl Lines {
    fn collect(&self, from: impl Read) {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.change(|state| state.lines.push(text));
            line.clear();
        }
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait(&self, deadline: Duration, done: impl Fn(&State) -> bool) -> std::sync::MutexGuard<'_, State> {
        let end = Instant::now() + deadline;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed
            .wait_timeout_while(state, end.saturating_duration_since(Instant::now()), |state| {
                !done(state)
            })
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
