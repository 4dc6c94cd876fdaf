//! `--input-tcp`: what other agents, or `GoReplay`, send with `--output-tcp`.
//!
//! A task for each connection reads records ([`connection`]) and puts them in one queue; the shard takes them from it. A
//! full queue, or a shard that waits for its outputs, makes senders wait. That the shard asks for the next message tells
//! that the one before was taken, and its sender is told where it wants to know.

mod connection;
mod counters;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{KeepAlive, TcpKeepIdle};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::connection::{Connection, Ending};
use self::counters::Counters;
use super::silence::Silences;
use super::{MessageSource, Next, tls};
use crate::budget::{Charge, MemoryBudget};
use crate::input::TcpInputSettings;
use crate::listen::bind;
use crate::mirror::{Message, MessageKind};
use crate::relay::sessions::Sessions;

/// Messages that may wait to be taken: enough for one turn of the shard.
const QUEUE: usize = 512;

/// How long connections get at the end to tell their senders what was taken.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Before another attempt to accept a connection where the last one failed: there may be no file to be had.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Silence in seconds after which the kernel asks whether the other side is still there.
const KEEPALIVE_AFTER: u32 = 60;

/// An `--input-tcp` with its connections.
pub(super) struct TcpInput {
    /// Acceptor of connections; `None` once a task has it.
    door: Option<Door>,
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Waiting>,
    /// The message that was given to the shard last, until it asks for the next.
    given: Option<Source>,
    tasks: JoinSet<()>,
    ended: watch::Sender<bool>,
}

/// Acceptor of connections.
struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    queue: mpsc::Sender<Waiting>,
}

/// A message that was read and not taken.
pub(super) struct Waiting {
    message: Message,
    source: Source,
    /// Its share of the buffer.
    _charge: Charge,
}

/// Where a message came from.
pub(super) struct Source {
    is_request: bool,
    /// The session and the sequence, where it is to be acknowledged.
    speaker: Option<(Arc<Speaker>, u64)>,
}

/// The connection of a session.
pub(super) struct Speaker {
    session: Arc<str>,
    /// Told when a message of the session was taken.
    taken: Notify,
}

/// State that the connections of an input share.
pub(super) struct Shared {
    settings: TcpInputSettings,
    state: Mutex<State>,
    budget: MemoryBudget,
    /// Messages that wait or were given to the shard.
    waiting: AtomicUsize,
    /// Told when one of them was taken.
    freed: Notify,
}

/// Mutable part of it.
pub(super) struct State {
    sessions: Sessions,
    counters: Counters,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TcpInput {
    /// Listens, and reads the certificates. Accepts nothing yet.
    pub(super) fn open(settings: &TcpInputSettings) -> anyhow::Result<Self> {
        let tls = settings
            .tls
            .as_ref()
            .map(tls::acceptor)
            .transpose()
            .context("--input-tcp-secure")?;
        let listener = bind("--input-tcp", settings.listen)?;
        let address = listener.local_addr().context("--input-tcp")?;
        tracing::info!(%address, tls = tls.is_some(), "listening for other agents");
        let (sender, queue) = mpsc::channel(QUEUE);
        let state = State {
            sessions: Sessions::new(settings.sessions),
            counters: Counters::default(),
        };
        Ok(Self {
            door: Some(Door {
                listener,
                tls,
                queue: sender,
            }),
            shared: Arc::new(Shared {
                settings: settings.clone(),
                state: Mutex::new(state),
                budget: MemoryBudget::new(settings.buffer),
                waiting: AtomicUsize::new(0),
                freed: Notify::new(),
            }),
            queue,
            given: None,
            tasks: JoinSet::new(),
            ended: watch::Sender::new(false),
        })
    }

    /// Marks everything given to the shard as taken.
    fn is_taken(&mut self) {
        let Some(source) = self.given.take() else {
            return;
        };
        self.shared.waiting.fetch_sub(1, Relaxed);
        let mut state = self.shared.lock();
        state.counters.messages += 1;
        if let Some((speaker, sequence)) = &source.speaker {
            state
                .sessions
                .taken(&speaker.session, *sequence, source.is_request);
            speaker.taken.notify_one();
        }
        drop(state);
        self.shared.freed.notify_waiters();
    }

    async fn take(&mut self) -> anyhow::Result<Option<Message>> {
        self.is_taken();
        self.start()?;
        let waiting = self.queue.recv().await;
        Ok(waiting.map(|waiting| {
            self.given = Some(waiting.source);
            waiting.message
        }))
    }

    /// Accepts connections from now on.
    fn start(&mut self) -> anyhow::Result<()> {
        if let Some(door) = self.door.take() {
            let listener = tokio::net::TcpListener::from_std(door.listener).context("--input-tcp")?;
            self.tasks.spawn_local(accept(
                listener,
                door.tls,
                door.queue,
                Arc::clone(&self.shared),
                self.ended.subscribe(),
            ));
        }
        Ok(())
    }
}

impl MessageSource for TcpInput {
    fn next(&mut self) -> Next<'_> {
        Box::pin(self.take())
    }

    fn can_wait(&self) -> bool {
        true
    }

    fn end(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(async {
            self.is_taken();
            self.door = None;
            self.ended.send_replace(true);
            self.queue.close();
            while let Ok(waiting) = self.queue.try_recv() {
                if waiting.source.speaker.is_none() {
                    self.shared.lock().counters.not_taken += 1;
                }
            }
            let ended = async { while self.tasks.join_next().await.is_some() {} };
            // Whoever does not listen to the last words gets none.
            let _ = timeout(LAST_WORDS, ended).await;
            self.tasks.shutdown().await;
        })
    }

    fn report(&self) -> Value {
        let state = self.shared.lock();
        state.counters.report(&state.sessions)
    }
}

/// Accepts connections until the input ends.
async fn accept(
    listener: tokio::net::TcpListener,
    tls: Option<TlsAcceptor>,
    queue: mpsc::Sender<Waiting>,
    shared: Arc<Shared>,
    mut ended: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let mut silences = Silences::default();
    let mut number = 0;
    let over = ended.clone();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = ended.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "--input-tcp: cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(silence) = silences.open(shared.settings.connections, "--input-tcp-max-connections") else {
            shared.lock().counters.closed(Ending::TooMany);
            continue;
        };
        number += 1;
        shared.lock().counters.connections += 1;
        let connection = Connection {
            number,
            shared: Arc::clone(&shared),
            queue: queue.clone(),
            ended: over.clone(),
            silence,
        };
        connections.spawn_local(serve(stream, tls.clone(), connection));
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, tls: Option<TlsAcceptor>, connection: Connection) {
    let shared = Arc::clone(&connection.shared);
    shared.lock().counters.open += 1;
    let ending = match prepare(&stream) {
        Err(_) => Ending::Lost,
        Ok(()) => match tls {
            None => connection.serve(stream).await,
            Some(tls) => match timeout(shared.settings.timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => connection.serve(stream).await,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "--input-tcp: TLS handshake failed");
                    Ending::Tls
                }
                Err(_) => Ending::Slow,
            },
        },
    };
    let mut state = shared.lock();
    state.counters.open -= 1;
    state.counters.closed(ending);
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    setsockopt(stream, KeepAlive, &true)?;
    setsockopt(stream, TcpKeepIdle, &KEEPALIVE_AFTER)?;
    Ok(())
}

impl Source {
    fn of(message: &Message, speaker: Option<(Arc<Speaker>, u64)>) -> Self {
        Self {
            is_request: message.kind == MessageKind::Request,
            speaker,
        }
    }
}
