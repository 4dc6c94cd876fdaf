//! A program under the benchmark's control: what it says is collected, what it used is known when it ends, and
//! it never outlives the benchmark, whether that ends well, by an error, or by a signal.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// The process groups that run, and whether a signal has ended the benchmark.
struct Children {
    interrupted: bool,
    groups: Vec<Pid>,
}

static CHILDREN: Mutex<Children> = Mutex::new(Children {
    interrupted: false,
    groups: Vec::new(),
});

fn children() -> MutexGuard<'static, Children> {
    CHILDREN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On SIGINT, SIGTERM or SIGHUP, kills every child. Whatever waits for one then fails, and the way out of the
/// error cleans up the rest.
pub fn end_children_on_signals() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime that listens for signals")?;
    let mut signals = {
        let _context = runtime.enter();
        let on = |kind| signal(kind).context("cannot listen for signals");
        (
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = signals.0.recv() => {}
                _ = signals.1.recv() => {}
                _ = signals.2.recv() => {}
            }
        });
        let mut children = children();
        children.interrupted = true;
        for group in &children.groups {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    });
    Ok(())
}

/// Whether a signal has ended the benchmark.
pub fn interrupted() -> bool {
    children().interrupted
}

/// A running program. Dropping it kills it and all that it started.
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
    reaped: bool,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Standard output.
    pub stdout: String,
    /// Processor time of it and of the children it waited for.
    pub cpu: Duration,
}

impl Running {
    /// Starts it, with pipes to all its standard streams.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own, so that its workers can be killed with it.
        command.process_group(0);
        let mut children = children();
        if children.interrupted {
            bail!("not starting {name}");
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {name} ({command:?})"))?;
        children.groups.push(pid(&child));
        drop(children);
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
                }
            });
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
            said: Vec::new(),
            reaped: false,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        pid(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.name))
    }

    /// Waits for a line on its standard error that contains `text`.
    pub fn wait_for_line(&mut self, text: &str, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    let found = line.contains(text);
                    self.said.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(error) => {
                    let state = match error {
                        RecvTimeoutError::Disconnected => "ended",
                        RecvTimeoutError::Timeout => "ran on",
                    };
                    let said = self.said();
                    bail!("{} {state} without saying {text:?}; it said:\n{said}", self.name);
                }
            }
        }
    }

    /// Its standard output, to be read while it runs.
    pub fn stdout(&mut self) -> anyhow::Result<BufReader<ChildStdout>> {
        let stdout = self.child.stdout.take();
        Ok(BufReader::new(
            stdout.with_context(|| format!("{}'s output is taken", self.name))?,
        ))
    }

    /// Reads its output to the end, waits for its end, which must be a success, and gives what it said and used.
    pub fn finish(mut self) -> anyhow::Result<Ended> {
        drop(self.child.stdin.take());
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout)
                .with_context(|| format!("cannot read from {}", self.name))?;
        }
        let (status, cpu) = self.reap()?;
        if !status.success() {
            let said = self.said();
            bail!("{} ended with {status}; it said:\n{stdout}{said}", self.name);
        }
        Ok(Ended { stdout, cpu })
    }

    /// Reads standard error so far.
    pub fn said(&mut self) -> String {
        self.said.extend(self.lines.try_iter());
        self.said.join("\n")
    }

    /// Waits for its end. Children are reaped one at a time under the lock: the difference of what all ended
    /// children have used is this one's, and a signal never goes to a process id that is free again.
    fn reap(&mut self) -> anyhow::Result<(ExitStatus, Duration)> {
        let pid = self.pid();
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
            .with_context(|| format!("cannot wait for {}", self.name))?;
        let mut children = children();
        let before = ended_children()?;
        let status = self
            .child
            .wait()
            .with_context(|| format!("cannot wait for {}", self.name))?;
        self.reaped = true;
        let cpu = ended_children()?.saturating_sub(before);
        children.groups.retain(|group| *group != pid);
        Ok((status, cpu))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            let _ = killpg(self.pid(), Signal::SIGKILL);
            let _ = self.reap();
        }
    }
}

/// Runs a command that must succeed.
pub fn run(name: &str, command: &mut Command) -> anyhow::Result<Ended> {
    Running::start(name, command)?.finish()
}

/// Says what is being done, on standard error.
pub fn progress(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// Processor time of all children that ended and were waited for.
fn ended_children() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("getrusage")?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}
