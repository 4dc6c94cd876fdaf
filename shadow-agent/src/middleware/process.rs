//! The program, the two threads that speak with it, and the queue of what it is still to read.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use super::line::{Incoming, Outgoing};
use super::settings::{MiddlewareSettings, OnExit, RunAs};
use super::user::{self, TO_END, TO_SWITCH};
use crate::http::Limits;
use crate::mirror::ledger::DropReason;
use crate::mirror::{MessageId, MessageKind};
use crate::privileges;

/// Bytes written at once, roughly.
const BATCH: usize = 256 * 1024;
/// Messages that may wait at a shard for their turn. Beyond, the program waits until the shard has taken some.
const MAX_REPLIES: usize = 1024;
/// How often a program is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Which part of the queue's size responses may have that wait for others and not for the program: so that they leave
/// room for requests.
const HELD_PART: usize = 4;
/// How long what belongs to its end may take.
const GRACE: Duration = Duration::from_secs(1);
/// Longest header line that is read from it, in bytes.
const MAX_HEADER: usize = 1024;
/// Bad lines that are logged, one by one.
const LOGGED_LINES: u64 = 5;

/// Counters of the program's messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MiddlewareCounters {
    /// Messages written to it.
    pub written: u64,
    /// Messages that came back.
    pub returned: u64,
    /// Of these, those that nobody waited for: it made them, or they came too late.
    pub unasked: u64,
    /// Lines that were no messages, or too long.
    pub bad_lines: u64,
    /// Responses left out because the queue was full; requests are counted as `queue_full`.
    pub responses_left_out: u64,
    /// The shadow's answers that were written before production's answers to the same requests, because those took too
    /// long or there was no room to hold them.
    pub replayed_early: u64,
}

/// Replies of the program to a shard.
pub(super) enum Reply {
    /// A message.
    Message(Incoming),
    /// There will be none any more.
    Ended,
}

/// The program. Clones are the same one.
#[derive(Clone)]
pub struct Middleware {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) settings: MiddlewareSettings,
    queue: Mutex<Queue>,
    more: Condvar,
    ended: watch::Sender<Option<String>>,
    group: Pid,
    /// As whom it runs, if not as the agent does.
    user: Option<RunAs>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Bytes of responses that shards hold back.
    held: usize,
    /// Which shard waits for a message, and how often.
    owners: HashMap<(MessageKind, MessageId), (usize, u32)>,
    shards: Vec<mpsc::Sender<Reply>>,
    /// Shards that will offer more.
    offering: usize,
    state: State,
    /// Whether its output has ended: what waits for it will be told so, and is not kept back by it.
    silent: bool,
    /// Whether it has exited; what it wrote before may still be read.
    exited: bool,
    /// Whether it ended, and well, because it was told that nothing more comes.
    as_told: bool,
    /// Since when it is to end, whatever it does.
    stopped: Option<Instant>,
    counters: MiddlewareCounters,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Running,
    /// Its standard input is to be closed once everything is written.
    Finishing,
    Ended,
}

impl Middleware {
    /// Starts the program, as another user where this thread may still choose: call it before the capabilities are given
    /// up. A line from it may be as long as a message of the largest head and body.
    ///
    /// # Errors
    ///
    /// Where the user is not known, or the program or a thread cannot be started.
    pub fn start(settings: &MiddlewareSettings, limits: Limits) -> anyhow::Result<Self> {
        let max_line = 2 * (MAX_HEADER + limits.max_head + limits.max_body);
        let user = user::chosen(settings.user.as_ref())?;
        let mut child = spawn(&settings.command, user.clone()).with_context(|| {
            let program = &settings.command[0];
            match &user {
                None => format!("--middleware: cannot start '{program}'"),
                Some(user) => format!(
                    "--middleware: cannot start '{program}' as user {} (--middleware-user selects another)",
                    user.name
                ),
            }
        })?;
        if let Some(RunAs { name, uid, gid }) = &user {
            tracing::info!(user = name, uid, gid, "the middleware runs as another user");
        }
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("--middleware: the program has no standard input or output");
        };
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            queue: Mutex::default(),
            more: Condvar::new(),
            ended: watch::Sender::new(None),
            group: Pid::from_raw(child.id().cast_signed()),
            user,
        });
        // All that is left of what root may do, and where the program runs as another user alone: to end it.
        let reserve: &[_] = match shared.user {
            None => &[],
            Some(_) => TO_END,
        };
        let of_thread = Arc::clone(&shared);
        privileges::thread("middleware-in", &[], move || of_thread.write(input))
            .context("--middleware: cannot start a thread")?;
        // Nothing is sent on it: that it is closed tells that all was read.
        let (done, read) = std::sync::mpsc::channel::<()>();
        let of_thread = Arc::clone(&shared);
        privileges::thread("middleware-out", &[], move || {
            let _done = done;
            of_thread.read(output, max_line);
        })
        .context("--middleware: cannot start a thread")?;
        let of_thread = Arc::clone(&shared);
        privileges::thread("middleware-end", reserve, move || of_thread.wait(child, &read))
            .context("--middleware: cannot start a thread")?;
        Ok(Self { shared })
    }

    /// How the program ended, once it has: resolves at most once.
    pub async fn ended(&self) -> String {
        let mut ended = self.shared.ended.subscribe();
        let how = ended.wait_for(Option::is_some).await;
        match how {
            Ok(how) => how.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Reaction to its exit.
    pub fn on_exit(&self) -> OnExit {
        self.shared.settings.on_exit
    }

    /// Whether it was told that nothing more will come, so that its end is as it should be.
    pub fn is_finishing(&self) -> bool {
        let queue = self.shared.lock();
        queue.state == State::Finishing || (queue.state == State::Ended && queue.as_told)
    }

    /// Ends it, once nothing waits for it any more: a program may live on although its standard input has ended, as those
    /// do that have a timer. To be called from outside of a runtime.
    pub fn stop(&self) {
        let since = Instant::now();
        self.shared.lock().stopped.get_or_insert(since);
        // Its own thread ends it: twice its grace, and the rest is for its end to be seen.
        while since.elapsed() < 4 * GRACE && self.shared.lock().state != State::Ended {
            thread::sleep(LOOK / 5);
        }
    }

    /// Whether it has exited or closed its output, so that what waits for it will soon be told.
    pub(super) fn is_ending(&self) -> bool {
        let queue = self.shared.lock();
        queue.exited || queue.silent
    }

    /// How it ended, where that ends the run.
    pub fn failure(&self) -> Option<String> {
        let queue = self.shared.lock();
        let failed = queue.exited && !queue.as_told && self.on_exit() == OnExit::Stop;
        failed.then(|| self.shared.ended.borrow().clone()).flatten()
    }

    /// Counters so far.
    pub fn counters(&self) -> MiddlewareCounters {
        self.shared.lock().counters
    }

    /// A shard's half of the channel to it: its number, and what comes back.
    pub(super) fn join(&self) -> (usize, mpsc::Receiver<Reply>) {
        let (sender, receiver) = mpsc::channel(MAX_REPLIES);
        let mut queue = self.shared.lock();
        if queue.state == State::Ended {
            // A new channel has room.
            let _ = sender.try_send(Reply::Ended);
        }
        queue.shards.push(sender);
        queue.offering += 1;
        (queue.shards.len() - 1, receiver)
    }

    /// A shard will offer no more.
    pub(super) fn leave(&self) {
        let mut queue = self.shared.lock();
        queue.offering -= 1;
        if queue.offering == 0 && queue.state == State::Running {
            queue.state = State::Finishing;
            self.shared.more.notify_one();
        }
    }

    pub(super) fn settings(&self) -> &MiddlewareSettings {
        &self.shared.settings
    }

    /// Has a message written, which `shard` waits for. `responses` are not counted in the ledger, so what is left out
    /// of them is counted here.
    pub(super) fn put(&self, shard: usize, message: &Outgoing<'_>) -> Result<(), DropReason> {
        let size: usize = message.payload.iter().map(|part| part.len()).sum();
        // Asked before the line is made: a full queue must not cost a copy of every body.
        self.shared.has_room(2 * size, message.kind)?;
        let line = message.encode();
        let mut queue = self.shared.lock();
        let (owner, times) = queue
            .owners
            .entry((message.kind, message.id.clone()))
            .or_insert((shard, 0));
        *owner = shard;
        *times += 1;
        queue.bytes += line.len();
        queue.waiting.push_back(line);
        queue.counters.written += 1;
        drop(queue);
        self.shared.more.notify_one();
        Ok(())
    }

    /// Whether there is room for a response of this size to be held back by a shard, which says when it lets it go.
    pub(super) fn hold(&self, bytes: usize) -> bool {
        let mut queue = self.shared.lock();
        let held = queue.held.saturating_add(bytes);
        let has_room = held <= self.shared.settings.queue_bytes / HELD_PART;
        if has_room {
            queue.held = held;
        }
        has_room
    }

    /// Releases memory of messages that are no longer held.
    pub(super) fn release_held(&self, bytes: usize) {
        let mut queue = self.shared.lock();
        queue.held = queue.held.saturating_sub(bytes);
    }

    /// Answers of the shadow's are written before production's.
    pub(super) fn count_early(&self, answers: u64) {
        if answers > 0 {
            self.shared.lock().counters.replayed_early += answers;
        }
    }

    /// A message is not waited for any longer.
    pub(super) fn forget(&self, kind: MessageKind, id: &MessageId) {
        self.shared.lock().disown(kind, id);
    }
}

impl Queue {
    /// The shard that waits for a message; one wait less.
    fn disown(&mut self, kind: MessageKind, id: &MessageId) -> Option<usize> {
        let key = (kind, id.clone());
        let (owner, times) = self.owners.get_mut(&key)?;
        let owner = *owner;
        *times -= 1;
        if *times == 0 {
            self.owners.remove(&key);
        }
        Some(owner)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self, bytes: usize, kind: MessageKind) -> Result<(), DropReason> {
        let mut queue = self.lock();
        if queue.state == State::Ended {
            return Err(DropReason::MiddlewareEnded);
        }
        if queue.bytes.saturating_add(bytes) > self.settings.queue_bytes {
            queue.counters.responses_left_out += u64::from(kind != MessageKind::Request);
            return Err(DropReason::QueueFull);
        }
        Ok(())
    }

    /// The life of the thread that writes.
    fn write(&self, mut input: ChildStdin) {
        let mut batch = Vec::new();
        while self.next_batch(&mut batch) {
            if let Err(error) = input.write_all(&batch) {
                // Its end is told by the thread that reads.
                tracing::debug!(%error, "the middleware has stopped reading");
                return;
            }
        }
    }

    /// Waits for lines and moves some of them into `batch`. `false` when there will be none.
    fn next_batch(&self, batch: &mut Vec<u8>) -> bool {
        let mut queue = self.lock();
        // What is being written counts until it is.
        queue.bytes = queue.bytes.saturating_sub(batch.len());
        batch.clear();
        batch.shrink_to(BATCH * 2);
        while queue.waiting.is_empty() {
            if queue.state != State::Running {
                return false;
            }
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        while batch.len() < BATCH
            && let Some(line) = queue.waiting.pop_front()
        {
            batch.extend_from_slice(&line);
        }
        true
    }

    /// The life of the thread that reads.
    fn read(&self, output: ChildStdout, max_line: usize) {
        let mut output = BufReader::with_capacity(BATCH, output);
        let mut line = Vec::new();
        loop {
            line.clear();
            match read_line(&mut output, &mut line, max_line) {
                Ok(Line::Whole) => self.take(&line),
                Ok(Line::TooLong) => self.bad_line("it is longer than the longest message"),
                Ok(Line::End) => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot read the middleware's output");
                    break;
                }
            }
        }
        self.lock().silent = true;
    }

    /// The life of the thread that sees the program end. `read` is closed once all of its output was read.
    fn wait(&self, mut child: Child, read: &std::sync::mpsc::Receiver<()>) {
        let mut signals = [Signal::SIGTERM, Signal::SIGKILL].into_iter();
        let mut patience = GRACE;
        let status = loop {
            let stopped = self.lock().stopped;
            if stopped.is_some_and(|since| since.elapsed() >= patience)
                && let Some(signal) = signals.next()
            {
                patience += GRACE;
                tracing::debug!(%signal, "the middleware is still running: killing it");
                self.signal(signal);
            }
            match child.try_wait() {
                Ok(None) if read.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) => {
                    break self.outlived(&mut child);
                }
                Ok(None) => {}
                Ok(Some(status)) => break Ok(status),
                Err(error) => break Err(error),
            }
        };
        let failed = !matches!(&status, Ok(status) if status.success());
        {
            let mut queue = self.lock();
            queue.exited = true;
            queue.as_told = queue.state == State::Finishing && !failed;
        }
        // Its output may be held open by others that it has started.
        if read.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            self.signal(Signal::SIGKILL);
            let _ = read.recv_timeout(GRACE);
        }
        let mut how = how(status);
        if let Some(user) = &self.user
            && self.lock().counters.returned == 0
        {
            // An interpreter starts, and then cannot read the script.
            let _ = write!(
                how,
                " (it returned nothing; it ran as user {}, --middleware-user selects another)",
                user.name
            );
        }
        self.end(&how);
    }

    /// Sends a signal to the program and what it has started. It leads a group of its own, whose number is nobody else's
    /// before it was waited for. To be called on the thread that ends it.
    fn signal(&self, signal: Signal) {
        let sent = if self.user.is_none() {
            killpg(self.group, signal).map_err(anyhow::Error::from)
        } else {
            let sent = privileges::with(TO_END, || killpg(self.group, signal));
            sent.map_err(anyhow::Error::from)
                .and_then(|sent| sent.map_err(anyhow::Error::from))
        };
        if let Err(error) = sent {
            // It may be gone.
            tracing::debug!(%error, %signal, "cannot send a signal to the middleware");
        }
    }

    /// Waits for a program whose output has ended: it is exiting, or is of no use any more.
    fn outlived(&self, child: &mut Child) -> io::Result<ExitStatus> {
        let since = Instant::now();
        while since.elapsed() < GRACE {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(LOOK / 10);
        }
        self.signal(Signal::SIGKILL);
        child.wait()
    }

    fn take(&self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        let message = match Incoming::decode(line) {
            Ok(message) => message,
            Err(error) => return self.bad_line(&error.to_string()),
        };
        let shard = {
            let mut queue = self.lock();
            queue.counters.returned += 1;
            let owner = queue.disown(message.kind, &message.id);
            queue.counters.unasked += u64::from(owner.is_none());
            queue.shards.get(owner.unwrap_or(0)).cloned()
        };
        if let Some(shard) = shard {
            // Waits for a shard that lags behind. One that has ended waits for nothing.
            let _ = shard.blocking_send(Reply::Message(message));
        }
    }

    fn bad_line(&self, why: &str) {
        let mut queue = self.lock();
        queue.counters.bad_lines += 1;
        let count = queue.counters.bad_lines;
        drop(queue);
        if count <= LOGGED_LINES {
            tracing::warn!("the middleware wrote an invalid line: {why}");
        }
    }

    fn end(&self, how: &str) {
        let shards = {
            let mut queue = self.lock();
            queue.state = State::Ended;
            queue.waiting.clear();
            queue.bytes = 0;
            queue.owners.clear();
            queue.shards.clone()
        };
        self.more.notify_one();
        self.ended.send_replace(Some(how.to_owned()));
        for shard in shards {
            let _ = shard.blocking_send(Reply::Ended);
        }
    }
}

/// Starts the program from a thread of its own that can hand on nothing: neither by what it has, nor by what the program's
/// file says.
fn spawn(command: &[String], user: Option<RunAs>) -> io::Result<Child> {
    let mut program = Command::new(&command[0]);
    program
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C on the terminal is for the agent, which then ends it in order.
        .process_group(0);
    privileges::keep_files();
    let started = match user {
        None => privileges::thread("middleware", &[], move || program.spawn()),
        Some(user) => privileges::thread("middleware", TO_SWITCH, move || {
            // Other groups of root's go with it.
            program.uid(user.uid).gid(user.gid);
            privileges::with(TO_SWITCH, || program.spawn()).map_err(io::Error::other)?
        }),
    };
    let spawned = started?.join().ok().flatten();
    spawned.unwrap_or_else(|| Err(io::Error::other("its thread panicked")))
}

fn how(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("it exited with status {code}"),
            (None, Some(signal)) => format!("it was killed by signal {signal}"),
            (None, None) => "it ended".to_owned(),
        },
        Err(error) => format!("its exit status is unknown ({error})"),
    }
}

enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads a line into `line`, without its end; of a longer one than `max` nothing is kept. A last line without an end
/// is a line, too.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>, max: usize) -> io::Result<Line> {
    let mut too_long = false;
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(match (too_long, line.is_empty()) {
                (true, _) => Line::TooLong,
                (false, true) => Line::End,
                (false, false) => Line::Whole,
            });
        }
        let end = memchr::memchr(b'\n', available);
        let part = &available[..end.unwrap_or(available.len())];
        if !too_long && line.len() + part.len() <= max {
            line.extend_from_slice(part);
        } else {
            too_long = true;
            line.clear();
        }
        let read = end.map_or(available.len(), |end| end + 1);
        input.consume(read);
        if end.is_some() {
            return Ok(if too_long { Line::TooLong } else { Line::Whole });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_longer_than_the_bound_are_passed_over_whole() {
        let mut input = BufReader::with_capacity(4, &b"ab\n0123456789\n\nlast"[..]);
        let mut told = Vec::new();
        loop {
            let mut line = Vec::new();
            match read_line(&mut input, &mut line, 5).unwrap() {
                Line::Whole => told.push(String::from_utf8(line).unwrap()),
                Line::TooLong => told.push("(too long)".to_owned()),
                Line::End => break,
            }
        }
        assert_eq!(told, ["ab", "(too long)", "", "last"]);
    }
}
