//! HTTP/2 in a shard: which request goes on which connection, what its answer or the lack of one means, and how
//! connections begin and end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Request;
use tokio::task::spawn_local;

use super::Shard;
use super::lifecycle::IDLE;
use crate::compare::ProductionTime;
use crate::mirror::ledger::DropReason;
use crate::output::http::copy::Wire;
use crate::output::http::failure::Failure;
use crate::output::http::h2::{
    self, Answer, Assignment, Client, End, Exchanging, Left, Multiplexed, NotOpened, Opened, Running,
    Unsendable, Upload, Way,
};
use crate::output::http::lanes::Job;
use crate::output::http::settings::HttpVersion;

/// How much longer than its client gave it (`grpc-timeout`) an answer is waited for: a server that keeps the time says so itself,
/// and that is the answer.
const AFTER_GIVEN: Duration = Duration::from_millis(200);

/// How often a request is sent again that a shadow did not look at when it ended a connection in order: more often only where
/// many are under way on connections that last for few.
const MOST_TURNS: u8 = 16;

impl Shard {
    /// By which version of HTTP a job goes now.
    pub(super) fn way_of(&self, job: &Job) -> Way {
        let upstream = &self.upstream;
        let request = &job.exchange.request;
        Way::of(request, upstream.settings.version, &upstream.http2, || {
            upstream.now()
        })
    }

    /// Ends a job, for which a permit is held, that cannot go by the version it would have to.
    pub(super) fn has_no_way(&self, job: Job) {
        if self.upstream.http2.unsent() {
            let what = if h2::is_grpc(&job.exchange.request) {
                "gRPC needs HTTP/2, by which this shadow is not sent requests"
            } else {
                "a request cannot be sent by the HTTP version that it would have to go by"
            };
            tracing::warn!(
                output = self.upstream.settings.name,
                "{what}: such requests are dropped (http_version)"
            );
        }
        self.give_up_under_way(job, DropReason::HttpVersion);
    }

    /// Sends a job, for which a permit is held, on a stream, or lets it wait for one.
    pub(super) fn launch_on_stream(&self, job: Job) {
        let job = if self.streams.borrow().anyone_waits() {
            Some(job)
        } else {
            self.place(job, false)
        };
        if let Some(job) = job {
            self.streams.borrow_mut().wait(job, Instant::now());
        }
    }

    /// Sends a job where there is room for it, if it can be on a `fresh` connection. It comes back where there is none.
    fn place(&self, job: Job, fresh: bool) -> Option<Job> {
        let known = self.upstream.http2.is_known();
        let assignment = self
            .streams
            .borrow()
            .assign(Client::of(&job.exchange), known, fresh);
        match assignment {
            Assignment::On(connection) => self.begin(&connection, job),
            Assignment::WhenOpen(connection) => connection.wait(job),
            Assignment::New => {
                if let Some(job) = self.admit_to_connect(job, Instant::now()) {
                    self.open_for_streams(job);
                }
            }
            Assignment::Full => return Some(job),
        }
        None
    }

    fn open_for_streams(&self, job: Job) {
        let Some(shard) = self.this.upgrade() else {
            return self.give_up_under_way(job, DropReason::Shutdown);
        };
        let connection = Rc::new(Multiplexed::opening(Client::of(&job.exchange)));
        connection.wait(job);
        self.streams.borrow_mut().add(Rc::clone(&connection));
        self.wake.notify_one();
        let task = spawn_local(run(shard, Rc::clone(&connection)));
        connection.run_by(task.abort_handle());
    }

    /// Begins an exchange on a connection that has room.
    fn begin(&self, connection: &Rc<Multiplexed>, job: Job) {
        let now = Instant::now();
        let (request, mut upload) = match self.prepare(connection, &job, now) {
            Ok(prepared) => prepared,
            Err(DropReason::HttpVersion) => return self.has_no_way(job),
            Err(reason) => return self.give_up_under_way(job, reason),
        };
        let begun = connection.begin(request, upload.is_empty());
        let (response, mut stream) = match begun {
            Ok(begun) => begun,
            Err(error) if h2::is_of_request(&error) => return self.has_no_way(job),
            Err(error) => return self.turned_away(connection, job, &h2::failure(&error)),
        };
        let exchanging = Rc::new(Exchanging::new(
            job,
            now,
            stream.stream_id().as_u32(),
            &connection.seen,
        ));
        let rest = if upload.is_empty() || upload.hand_over(&mut stream) {
            connection.seen.leaves_next(exchanging.departure());
            None
        } else {
            Some(Box::new(upload))
        };
        let settings = &self.upstream.settings;
        let most = settings.max_stream.filter(|_| exchanging.is_call);
        let most = most.map(|most| match &exchanging.live {
            Some(_) => most.bytes,
            // Not known to be a stream.
            None => most.bytes.max(settings.max_response),
        });
        let answer = Answer::new(response, settings.max_response, self.keep()).of_stream(most);
        connection.add(Running {
            exchanging,
            stream,
            answer,
            upload: rest,
            seen: Rc::clone(&connection.seen),
            reused: connection.is_reused(),
        });
    }

    /// Head and body of the copy.
    fn prepare(
        &self,
        connection: &Multiplexed,
        job: &Job,
        now: Instant,
    ) -> Result<(Request<()>, Upload), DropReason> {
        let mut text = self.head_buffer.borrow_mut();
        text.clear();
        let (exchange, hop) = (&job.exchange, job.hop.as_deref());
        let request = &exchange.request;
        self.upstream
            .template
            .write_head(
                request,
                exchange.pod.as_deref(),
                exchange.copy,
                hop,
                Wire::Http2,
                &mut text,
            )
            .map_err(|_| DropReason::Malformed)?;
        let tls = self.upstream.settings.tls;
        let head = connection.heads.borrow_mut().request(&text, tls);
        let head = head.map_err(|Unsendable| DropReason::HttpVersion)?;
        let upload = if hop.is_some_and(|hop| hop.as_get) {
            Upload::default()
        } else if let Some(reader) = job.live.as_ref().filter(|_| job.is_coming()) {
            Upload::coming(Rc::clone(reader), now)
        } else {
            Upload::of(request, now).map_err(|Unsendable| DropReason::Malformed)?
        };
        Ok((head, upload))
    }

    /// Polls the exchanges of a connection, and ends those that are over.
    fn poll_exchanges(&self, connection: &Rc<Multiplexed>, cx: &mut Context<'_>) {
        while let Poll::Ready((exchanging, end)) = connection.poll_ended(cx) {
            if let Some(end) = end {
                self.exchange_ended(connection, &exchanging, end);
            }
        }
    }

    fn exchange_ended(&self, connection: &Rc<Multiplexed>, exchanging: &Rc<Exchanging>, end: End) {
        connection.remove(exchanging);
        if let Some(job) = exchanging.take_job() {
            match end {
                End::Answered(answer, times) => {
                    connection.completed();
                    // Of a call that lasted as long as production's, what the shadow took itself.
                    let took = job
                        .live
                        .as_ref()
                        .map_or(exchanging.since.elapsed(), |_| times.last);
                    if let Some(hop) = self.next_hop(&job, &answer) {
                        let mut job = job;
                        job.follow(hop);
                        self.launch(job);
                    } else {
                        self.hand_on(&job, answer, took, times);
                        self.delivered(job, took);
                        self.give_permit_back();
                    }
                }
                End::Again(failure, left) => {
                    if left == Left::InOrder {
                        connection.was_refused(exchanging.stream);
                    }
                    self.after(connection, left, job, &failure);
                }
                End::Failed(failure) => {
                    self.give_permit_back();
                    self.failed(job, &failure);
                }
                End::Left(begun) => {
                    self.give_permit_back();
                    self.left(&job, begun);
                    self.failed(job, &h2::ends_as_production(DropReason::GrpcStreamLeft));
                }
            }
        }
        self.next_on_streams();
    }

    /// Sends a job, for which a permit is held, again, after its connection was left or its stream refused.
    fn after(&self, connection: &Multiplexed, left: Left, job: Job, failure: &Failure) {
        match left {
            Left::No => self.again(job, failure, false),
            Left::Broken => {
                connection.leave();
                self.again(job, failure, true);
            }
            Left::InOrder => self.turned_away(connection, job, failure),
        }
    }

    /// The shadow ends a connection in order, and has not looked at this job, for which a permit is held. That is how servers
    /// are behind so many requests: where it has looked at others before, that is not the one time that a job is sent again.
    fn turned_away(&self, connection: &Multiplexed, mut job: Job, failure: &Failure) {
        connection.leave();
        if connection.is_barren() || job.turned_away == MOST_TURNS || !job.begins_again() {
            return self.again(job, failure, true);
        }
        job.turned_away += 1;
        self.launch_afresh(job);
    }

    /// Sends a job, for which a permit is held, once more, if that was not done before.
    fn again(&self, mut job: Job, failure: &Failure, fresh: bool) {
        if job.retried || !job.begins_again() {
            self.give_permit_back();
            return self.failed(job, failure);
        }
        job.retried = true;
        if fresh {
            self.launch_afresh(job);
        } else {
            self.launch(job);
        }
    }

    /// Sends a job, for which a permit is held, on a connection on which nothing was asked before.
    fn launch_afresh(&self, job: Job) {
        if self.way_of(&job) != Way::Http2 {
            return self.launch(job);
        }
        if let Some(job) = self.place(job, true) {
            self.streams.borrow_mut().wait(job, Instant::now());
        }
    }

    /// Begins what waits, as far as there is room.
    fn next_on_streams(&self) {
        loop {
            let next = self.streams.borrow_mut().next_waiting();
            let Some((job, since)) = next else { break };
            if let Some(job) = self.place(job, false) {
                self.streams.borrow_mut().wait_first(job, since);
                break;
            }
        }
        self.dispatch();
    }

    fn opened(&self, connection: &Rc<Multiplexed>) {
        self.upstream.http2.accepted();
        self.backoff.set(None);
        for job in connection.take_waiting() {
            self.launch(job);
        }
        self.next_on_streams();
    }

    fn not_opened(&self, connection: &Rc<Multiplexed>, why: NotOpened) {
        connection.leave();
        self.streams.borrow_mut().remove(connection);
        let waiting = connection.take_waiting();
        match why {
            NotOpened::Refused(how) => {
                self.say_refused(how);
                // By HTTP/1.1 now, if they can.
                for job in waiting {
                    self.launch(job);
                }
            }
            NotOpened::Failed(error) => {
                self.back_off();
                for job in waiting {
                    self.was_not_connected(job, &error);
                }
            }
        }
        self.next_on_streams();
    }

    fn say_refused(&self, how: &str) {
        if !self.upstream.http2.refused(self.upstream.now()) {
            return;
        }
        let output = &self.upstream.settings.name;
        if self.upstream.settings.version == HttpVersion::Http2 {
            tracing::warn!(
                output,
                "the shadow has no HTTP/2 ({how}): requests are dropped (http_version)"
            );
        } else {
            tracing::info!(
                output,
                "the shadow has no HTTP/2 ({how}): requests are sent by HTTP/1.1"
            );
        }
    }

    fn closed(&self, connection: &Rc<Multiplexed>) {
        connection.leave();
        self.streams.borrow_mut().remove(connection);
        self.next_on_streams();
    }

    /// Gives up what is overdue, and connections that are no longer needed.
    pub(super) fn sweep_streams(&self, now: Instant) {
        let all = self.streams.borrow().all();
        for connection in all {
            for probe in connection.exchanges().iter().filter_map(|one| one.has_probed()) {
                self.upstream.answered(probe);
            }
            for exchanging in connection.due(|exchanging| self.is_overdue(exchanging, now)) {
                self.time_is_up(&connection, &exchanging, now);
            }
            if connection.is_surplus(now, IDLE) {
                connection.leave();
            } else if connection.is_stuck(now) {
                connection.close();
                self.streams.borrow_mut().remove(&connection);
            }
        }
        let timeout = self.upstream.settings.timeout;
        let overdue = |_: &Job, since| now.saturating_duration_since(since) >= timeout;
        let waited = self.streams.borrow_mut().take_waiting(overdue);
        for job in waited {
            self.give_permit_back();
            self.failed(job, &out_of_time("no stream was free in time", true));
        }
        self.next_on_streams();
    }

    fn is_overdue(&self, exchanging: &Exchanging, now: Instant) -> bool {
        if let Some(most) = self.time_of_stream(exchanging, now) {
            let given = exchanging
                .given
                .map_or(Duration::MAX, |given| given + AFTER_GIVEN);
            return now.saturating_duration_since(exchanging.since) >= most.min(given);
        }
        let since = exchanging.over.get().unwrap_or(exchanging.since);
        let lasted = now.saturating_duration_since(since);
        let timeout = self.upstream.settings.timeout;
        match exchanging.given {
            Some(given) if given < timeout => lasted >= given + AFTER_GIVEN,
            _ => {
                lasted >= timeout
                    && exchanging.with_job(|job| self.has_had_its_time(job, since, now)) != Some(false)
            }
        }
    }

    /// How long a call may last as long as it is a stream under way: one that production is serving, or one that the shadow is
    /// in the middle of answering while production is not known to be done with it. `None` for every other exchange.
    fn time_of_stream(&self, exchanging: &Exchanging, now: Instant) -> Option<Duration> {
        let most = self.upstream.settings.max_stream?.time;
        if exchanging.with_job(|job| job.pass.probe) == Some(true) {
            return None; // Its answer begins in the time of an exchange, or the shadow is still sick.
        }
        let lasts = match &exchanging.live {
            Some(reader) if reader.live().is_over() => {
                if exchanging.over.get().is_none() {
                    exchanging.over.set(Some(now));
                }
                false
            }
            Some(_) => true,
            None => {
                let answered = exchanging.with_job(|job| self.has_production_answered(job));
                exchanging.is_call && exchanging.has_data.get() && answered == Some(false)
            }
        };
        lasts.then_some(most)
    }

    /// Whether production is known to have answered it.
    fn has_production_answered(&self, job: &Job) -> bool {
        let time = self.pairing.as_ref().and_then(|pairing| {
            job.part?;
            pairing.borrow().production_time(&job.exchange.id)
        });
        matches!(time, Some(ProductionTime::Took(_)))
    }

    fn time_is_up(&self, connection: &Rc<Multiplexed>, exchanging: &Rc<Exchanging>, now: Instant) {
        let ends_as = self.ends_as(exchanging, now);
        exchanging.cancel();
        connection.remove(exchanging);
        if connection.seen.read() == exchanging.read_before {
            // Nothing came in all that time: whoever was there may be gone.
            connection.leave();
        }
        if let Some(job) = exchanging.take_job() {
            // A client that gave it less time says nothing of the shadow.
            let sick = exchanging
                .given
                .is_none_or(|given| given >= self.upstream.settings.timeout);
            self.give_permit_back();
            let failure = match ends_as {
                Some(reason) => h2::ends_as_production(reason),
                None => out_of_time("timed out before a complete response", sick),
            };
            self.failed(job, &failure);
        }
    }

    /// The outcome of a call that is overdue, where that is not the shadow's fault: it is a stream that lasted for as long as one
    /// may, or production's ended without an answer.
    fn ends_as(&self, exchanging: &Exchanging, now: Instant) -> Option<DropReason> {
        let lasted = now.saturating_duration_since(exchanging.since);
        match self.time_of_stream(exchanging, now) {
            Some(most) if lasted >= most => Some(DropReason::GrpcStreamLimit),
            Some(_) => None,
            None => exchanging.live.as_ref().and_then(|live| live.lost()),
        }
    }

    /// Gives up everything that goes by HTTP/2.
    pub(super) fn abort_streams(&self, reason: DropReason) {
        let streams = self.streams.take();
        for connection in streams.all() {
            for job in connection.take_waiting() {
                self.give_up_under_way(job, reason);
            }
            for exchanging in connection.exchanges() {
                exchanging.cancel();
                connection.remove(&exchanging);
                if let Some(job) = exchanging.take_job() {
                    self.give_up_under_way(job, reason);
                }
            }
            connection.close();
        }
        for job in { streams }.take_waiting(|_, _| true) {
            self.give_up_under_way(job, reason);
        }
    }
}

fn out_of_time(words: &str, sick: bool) -> Failure {
    Failure {
        reason: DropReason::Timeout,
        sick,
        words: words.to_owned(),
    }
}

/// The task of a connection.
async fn run(shard: Rc<Shard>, connection: Rc<Multiplexed>) {
    let (known, timed) = (shard.upstream.http2.is_known(), shard.pairing.is_some());
    let limit = shard.upstream.settings.connect_timeout;
    let link = match shard.http2_connector.connect().await {
        Ok(link) => link,
        Err(error) => return shard.not_opened(&connection, NotOpened::Failed(error)),
    };
    let _open = shard.upstream.count_open();
    let (sender, mut driven): Opened =
        match h2::open(link, Rc::clone(&connection.seen), known, timed, limit).await {
            Ok(opened) => opened,
            Err(why) => return shard.not_opened(&connection, why),
        };
    connection.opened(sender);
    shard.opened(&connection);
    let over = poll_fn(|cx| {
        let over = Pin::new(&mut driven).poll(cx);
        if over.is_pending() {
            shard.poll_exchanges(&connection, cx);
        }
        over
    });
    if let Err(error) = over.await {
        tracing::debug!(output = shard.upstream.settings.name, %error, "a connection by HTTP/2 ended");
    }
    drop(driven);
    shard.closed(&connection);
    // What is under way ends with it.
    poll_fn(|cx| {
        shard.poll_exchanges(&connection, cx);
        if connection.is_done() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
