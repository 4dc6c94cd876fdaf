//! `--ui`: a run on the whole of a terminal, in place of the status line.
//!
//! A thread of its own reads keys and draws, ten times a second at most and only what changed; no shard waits for it. It is
//! told of the run once a second ([`Moment`]), reads the comparison as every other reader does ([`LiveDocument`]), and
//! orders as the HTTP port does ([`Order`]). Log lines are kept off the screen meanwhile: they are in a pane, and on
//! standard error once the screen is given back.

mod backend;
mod cause;
mod draw;
mod example;
mod look;
mod marks;
mod model;
mod panes;
mod sanitize;
mod terminal;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossterm::event::{self, Event, KeyEventKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{mpsc, oneshot};

use self::look::Look;
use self::model::{Action, Model};
pub use self::terminal::is_possible;
use self::terminal::{Terminal, is_taken};
use crate::admin::Order;
use crate::compare::live::{LiveDocument, Watcher};
use crate::status::{self, RunStats};

/// How long a key may wait for nothing: how often the thread looks for something new to show.
const LOOK: Duration = Duration::from_millis(100);

/// How long the end of a run waits for a terminal that may be held.
const PATIENCE: Duration = Duration::from_secs(2);

/// The screen while it is taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Ui {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Closed when the thread has given the screen back.
    ended: Receiver<()>,
}

/// A run at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When that was.
    pub at: Instant,
    /// Counts of the run.
    pub stats: RunStats,
    /// Whether mirroring is paused.
    pub paused: bool,
    /// The part of a replay that is done, from 0 to 1, where there is an end.
    pub progress: Option<f64>,
}

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<Option<Moment>>,
    stop: AtomicBool,
}

impl Ui {
    /// Takes the screen. The thread calls `first` once it runs.
    ///
    /// # Errors
    ///
    /// Where the terminal cannot be set up, or no thread be started.
    pub fn start(
        live: Option<LiveDocument>,
        orders: mpsc::Sender<Order>,
        first: fn(),
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::default());
        let terminal = Terminal::take().context("--ui: cannot set up the terminal")?;
        // Nothing is sent on it.
        let (running, ended) = channel::<()>();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ui".to_owned())
            .spawn(move || {
                let _running = running;
                first();
                let desk = Desk {
                    live,
                    orders,
                    answer: None,
                };
                if let Err(error) = follow(terminal, &theirs, desk) {
                    tracing::warn!(%error, "cannot draw on the terminal any more; the agent continues");
                }
            })
            .context("cannot start a thread for --ui")?;
        Ok(Self {
            shared,
            thread: Some(thread),
            ended,
        })
    }

    /// Shows this from now on.
    pub fn tell(&self, moment: Moment) {
        *self.shared.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(moment);
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            // The terminal takes nothing: it cannot be given back, and the run ends all the same.
            return;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of --ui panicked: please report this bug");
        }
    }
}

/// Where keys lead.
struct Desk {
    live: Option<LiveDocument>,
    orders: mpsc::Sender<Order>,
    /// Pending reply of the run to an order.
    answer: Option<(Action, oneshot::Receiver<Result<(), String>>)>,
}

/// Draws what there is and does what keys ask for, until the run ends or the screen is lost.
fn follow(mut terminal: Terminal, shared: &Shared, mut desk: Desk) -> std::io::Result<()> {
    let mut model = Model::new(Look::of_environment());
    let mut watcher = desk.live.as_ref().map(LiveDocument::watch);
    let mut changed = true;
    while !shared.stop.load(Relaxed) && is_taken() {
        let moment = shared.now.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(moment) = moment {
            model.tell(moment);
            changed = true;
        }
        if let Some(published) = watcher.as_mut().and_then(Watcher::newest) {
            changed |= model.show(published);
        }
        if let Some(kept) = status::kept_lines(model.logged()) {
            model.log(&kept);
            changed = true;
        }
        if let Some(message) = desk.heard() {
            model.say(message);
            changed = true;
        }
        if std::mem::take(&mut changed) {
            terminal.draw(|frame| draw::draw(&mut model, frame))?;
        }
        if event::poll(LOOK)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let action = model.key(key);
                    if let Some(message) = desk.act(action) {
                        model.say(message);
                    }
                    changed = true;
                }
                Event::Resize(..) => changed = true,
                _ => {}
            }
        }
    }
    Ok(())
}

impl Desk {
    /// Does what a key asks for; what there is to say of it at once.
    fn act(&mut self, action: Action) -> Option<String> {
        match action {
            Action::None => None,
            Action::Quit => {
                // The run answers this signal, the first time and the second, whoever sends it.
                let sent = kill(Pid::this(), Signal::SIGINT);
                Some(match sent {
                    Ok(()) => "stopping: requests in flight may finish; again to stop at once".to_owned(),
                    Err(error) => format!("cannot stop: {error}"),
                })
            }
            Action::Reset => Some(match &self.live {
                Some(live) => {
                    live.reset();
                    "the comparison was restarted".to_owned()
                }
                None => "no comparison is running (--compare)".to_owned(),
            }),
            Action::Pause | Action::Resume => {
                let (answer, answered) = oneshot::channel();
                let order = match action {
                    Action::Pause => Order::Pause(answer),
                    _ => Order::Resume(answer),
                };
                if self.orders.try_send(order).is_err() {
                    return Some("the agent does not respond".to_owned());
                }
                self.answer = Some((action, answered));
                None
            }
        }
    }

    /// Takes the reply of the run to the last order, once it is there.
    fn heard(&mut self) -> Option<String> {
        let (action, answer) = self.answer.as_mut()?;
        let told = match answer.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => Err("the agent does not respond".to_owned()),
            Ok(told) => told,
        };
        let message = match (told, action) {
            (Ok(()), Action::Pause) => "paused: nothing is captured or sent".to_owned(),
            (Ok(()), _) => "resumed".to_owned(),
            (Err(error), Action::Pause) => format!("paused, but capture continues: {error}"),
            (Err(error), _) => format!("not resumed: {error}"),
        };
        self.answer = None;
        Some(message)
    }
}

#[cfg(test)]
mod tests;
