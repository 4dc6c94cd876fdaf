//! How connections of a shard begin and end: opened, refused, overdue, surplus.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::spawn_local;
use tokio::time::timeout;

use super::{Backoff, Shard};
use crate::compare::ProductionTime;
use crate::descriptors::is_none_left;
use crate::mirror::ledger::DropReason;
use crate::output::http::connect::{ConnectError, Link};
use crate::output::http::connection::Connection;
use crate::output::http::failure::Failure;
use crate::output::http::lanes::Job;

/// How often deadlines are looked at: one sweep instead of a timer for each request.
const SWEEP: Duration = Duration::from_millis(100);
/// An idle connection is closed after so long, so that a burst leaves nothing behind. Servers usually keep it
/// for longer (nginx 75 s); where not (Apache and Node 5 s), their close is noticed.
pub(super) const IDLE: Duration = Duration::from_secs(15);
/// How long a shadow is listened to before it is asked for the first time: longer than a packet takes to most that are
/// near enough to be a shadow, and no delay to notice once in a run.
const LISTEN: Duration = Duration::from_millis(50);
/// After a failed connect, none is tried for so long; doubled with each further failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const MAX_BACKOFF: Duration = Duration::from_secs(1);

impl Shard {
    /// Opens a connection for a job, for which a permit is held.
    pub(super) fn open(&self, job: Job) {
        let Some(shard) = self.this.upgrade() else {
            return;
        };
        let max_response = self.upstream.settings.max_response;
        let connection = Rc::new(Connection::connecting(
            job,
            max_response,
            self.keep(),
            self.pairing.is_some(),
        ));
        self.pool.borrow_mut().add(connection.clone());
        self.wake.notify_one();
        spawn_local(run(shard, connection));
    }

    fn connect_failed(&self, connection: &Rc<Connection>, error: &ConnectError) {
        self.pool.borrow_mut().remove(connection);
        self.back_off();
        if let Some(job) = connection.take_job() {
            self.was_not_connected(job, error);
        }
        self.dispatch();
    }

    /// Opens no connection for a while, after one could not be.
    pub(super) fn back_off(&self) {
        let length = self
            .backoff
            .get()
            .map_or(FIRST_BACKOFF, |backoff| (backoff.length * 2).min(MAX_BACKOFF));
        let now = Instant::now();
        // Connects that failed together count once.
        if self.backoff.get().is_none_or(|backoff| now >= backoff.until) {
            self.backoff.set(Some(Backoff {
                until: now + length,
                length,
            }));
        }
    }

    /// Ends a request, with its permit, for which no connection could be opened.
    pub(super) fn was_not_connected(&self, job: Job, error: &ConnectError) {
        self.give_permit_back();
        let failure = Failure {
            reason: error.reason,
            sick: true,
            words: error.error.to_string(),
        };
        if is_none_left(&error.error) {
            // The shadow was not even asked: nothing is known of it.
            self.upstream.log_failure("cannot send a request", &failure);
            self.lanes.borrow_mut().finished(job.flow());
            self.give_up(job, failure.reason);
        } else {
            self.failed(job, &failure);
        }
    }

    /// Whether the shadow sends something on a new connection before anything is asked. What comes a moment later cannot be
    /// told from an answer, so until a shadow was silent once, it is listened to for that moment.
    async fn is_spoken_to_first(&self, link: &Link) -> bool {
        let transport = &link.transport;
        if !self.upstream.waits_to_be_asked() && !transport.is_tls() {
            let spoken = timeout(LISTEN, transport.socket().readable()).await;
            if spoken.is_err() {
                self.upstream.waited_to_be_asked();
            }
        }
        transport.speaks_first()
    }

    /// The shadow has sent something before anything was asked: it is no answer to what would be asked now.
    fn answers_unasked(&self, connection: &Rc<Connection>) {
        self.pool.borrow_mut().remove(connection);
        if let Some(job) = connection.take_job() {
            self.give_permit_back();
            self.failed(
                job,
                &Failure {
                    reason: DropReason::BadResponse,
                    sick: true,
                    words: "it sent a response before the request".to_owned(),
                },
            );
        }
        self.dispatch();
    }

    /// Closes what is overdue or no longer needed.
    fn sweep(&self) {
        let now = Instant::now();
        if self.backoff.get().is_some_and(|backoff| {
            // Forgotten once it has been over for as long as it lasts at most.
            now >= backoff.until + MAX_BACKOFF
        }) {
            self.backoff.set(None);
        }
        let timeout = self.upstream.settings.timeout;
        let (overdue, surplus) = self.pool.borrow().due(now, timeout, IDLE);
        for connection in surplus {
            self.close(&connection);
        }
        for connection in overdue {
            if !self.is_out_of_time(&connection, now) {
                continue;
            }
            if let Some(job) = self.close(&connection) {
                let failure = Failure {
                    reason: DropReason::Timeout,
                    sick: true,
                    words: "timed out before a complete response".to_owned(),
                };
                self.failed(job, &failure);
            }
        }
        self.sweep_streams(now);
        self.dispatch();
    }

    /// Whether the exchange under way has had its time.
    fn is_out_of_time(&self, connection: &Connection, now: Instant) -> bool {
        connection.with_job(|job, since| self.has_had_its_time(job, since, now)) != Some(false)
    }

    /// Whether an exchange that is overdue has had its time, which [`allowed`] says.
    pub(super) fn has_had_its_time(&self, job: &Job, since: Instant, now: Instant) -> bool {
        let Some(pairing) = &self.pairing else { return true };
        let pairing = pairing.borrow();
        let production = job.part.and_then(|_| pairing.production_time(&job.exchange.id));
        let timeout = self.upstream.settings.timeout;
        now.saturating_duration_since(since) >= allowed(timeout, production, pairing.wait())
    }

    pub(super) async fn sweep_regularly(&self) {
        loop {
            if self.is_quiet() {
                self.wake.notified().await;
            }
            tokio::time::sleep(SWEEP).await;
            self.sweep();
        }
    }

    fn is_quiet(&self) -> bool {
        self.pool.borrow().is_empty() && self.streams.borrow().is_empty() && self.lanes.borrow().is_empty()
    }

    /// Closes a connection; a job that was under way comes back, without its permit.
    pub(super) fn close(&self, connection: &Rc<Connection>) -> Option<Job> {
        let (followers, _) = connection.take_followers();
        self.put_back(followers, true);
        let job = connection.close();
        self.pool.borrow_mut().remove(connection);
        if job.is_some() {
            self.give_permit_back();
        }
        job
    }
}

/// How long an exchange may take: as long as the timeout; one that is compared, also as long as production is answering, and twice
/// as long as that took, within the time that production's answer is waited for.
fn allowed(timeout: Duration, production: Option<ProductionTime>, wait: Duration) -> Duration {
    let longer = match production {
        None => Duration::ZERO,
        Some(ProductionTime::Answering) => wait,
        Some(ProductionTime::Took(took)) => (took * 2).min(wait),
    };
    longer.max(timeout)
}

async fn run(shard: Rc<Shard>, connection: Rc<Connection>) {
    match shard.connector.connect().await {
        Ok(link) if shard.is_spoken_to_first(&link).await => shard.answers_unasked(&connection),
        Ok(link) => {
            let _open = shard.upstream.count_open();
            if let Some(job) = connection.opened(link) {
                if !shard.send(&connection, job, Instant::now()) {
                    shard.carry_on(&connection);
                }
                if shard.backoff.take().is_some() {
                    shard.dispatch();
                }
                poll_fn(|cx| shard.poll_connection(&connection, cx)).await;
            }
        }
        Err(error) => shard.connect_failed(&connection, &error),
    }
}
