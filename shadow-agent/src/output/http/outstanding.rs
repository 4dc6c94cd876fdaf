//! The requests that are under way on one connection, and what becomes of them: bytes of the shadow go in, events come out.
//!
//! Sans-IO: it neither reads nor writes, and who it tells is up to the caller.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::lanes::Job;
use super::response::{ResponseReader, ShadowAnswer};
use super::sending::Sending;
use crate::compare::Times;
use crate::http::{RequestKind, Version};
use crate::mirror::ledger::DropReason;

/// News of a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// An answer is whole.
    Answered(Answered),
    /// The connection is over without an answer to what was under way.
    Lost(Loss),
}

/// An exchange that is complete.
#[derive(Debug)]
pub(super) struct Answered {
    pub job: Job,
    pub answer: ShadowAnswer,
    /// From when the request was handed over until now.
    pub took: Duration,
    /// From when the shadow could begin with it; of no meaning where the connection does not tell when bytes came.
    pub times: Times,
    pub then: Then,
}

/// How a connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The next request was sent already.
    Next,
    /// It can carry another request.
    Free,
    /// It cannot. `announced`: the shadow is about to close it, and everything was read and written.
    Close { announced: bool },
}

/// How a connection ended without an answer.
#[derive(Debug)]
pub(super) enum Loss {
    /// Nothing was under way.
    Quiet,
    /// The exchange failed.
    Failed(Job, Failure),
    /// A reused connection died under it; it may go to a fresh one.
    Retry(Job),
}

impl Loss {
    /// Whether it speaks against sending requests behind others. Not when the shadow had closed an idle connection
    /// before it saw the batch (`begun`: some of it was answered).
    pub(super) fn breaks_a_batch(&self, begun: bool) -> bool {
        match self {
            Self::Quiet => false,
            Self::Retry(_) => begun,
            Self::Failed(..) => true,
        }
    }
}

/// The request whose answer comes next, and those that were sent behind it.
#[derive(Debug)]
pub(super) struct Outstanding {
    job: Option<Job>,
    /// Requests of the same lane that were sent behind it; their answers come behind its own.
    followers: VecDeque<Job>,
    /// Requests sent together with the one under way that have been answered.
    batch_answered: usize,
    /// When the request under way began.
    since: Instant,
    /// When the shadow could begin with it.
    sent: Option<Instant>,
    /// When the first byte of its answer came.
    first_byte: Option<Instant>,
    /// When what was read last came to this host.
    arrived: Instant,
    reader: ResponseReader,
    /// Whether an exchange was completed on this connection.
    reused: bool,
}

impl Outstanding {
    /// Of a connection that is yet to be opened, for a job.
    pub(super) fn new(job: Job, reader: ResponseReader, now: Instant) -> Self {
        Self {
            job: Some(job),
            followers: VecDeque::new(),
            batch_answered: 0,
            since: now,
            sent: None,
            first_byte: None,
            arrived: now,
            reader,
            reused: false,
        }
    }

    /// A request goes under way.
    pub(super) fn begin(&mut self, job: Job, now: Instant) {
        self.reader.reset(RequestKind::of(job.exchange.request.method()));
        self.batch_answered = 0;
        self.since = now;
        self.sent = None;
        self.first_byte = None;
        self.job = Some(job);
    }

    /// A request goes behind those under way.
    pub(super) fn push_follower(&mut self, follower: Job) {
        self.followers.push_back(follower);
    }

    /// Requests behind the one under way.
    pub(super) fn followers(&self) -> usize {
        self.followers.len()
    }

    /// Takes the requests that were sent behind the one under way. And whether any that was sent
    /// with them has been answered.
    pub(super) fn take_followers(&mut self) -> (VecDeque<Job>, bool) {
        (std::mem::take(&mut self.followers), self.batch_answered > 0)
    }

    /// The request under way.
    pub(super) fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// Takes the request under way.
    pub(super) fn take_job(&mut self) -> Option<Job> {
        self.job.take()
    }

    /// The last byte of the request under way, and of those behind it, was written.
    pub(super) fn request_sent(&mut self, when: Instant) {
        self.sent = Some(when);
        for job in self.job.iter_mut().chain(&mut self.followers) {
            job.written.get_or_insert(when);
        }
    }

    /// Notes when what is fed next came to this host.
    pub(super) fn bytes_arrived(&mut self, when: Instant) {
        self.arrived = when;
    }

    /// When the request under way began.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Whether an exchange was completed on this connection.
    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Takes from `bytes` what belongs to the answer under way. Without an event, they are all taken.
    pub(super) fn feed(&mut self, bytes: &mut &[u8], sending: &Sending) -> Option<Event> {
        let Some(job) = self.job.take() else {
            // Nobody asked for this: whatever it is, it is no answer.
            return Some(Event::Lost(Loss::Quiet));
        };
        self.first_byte.get_or_insert(self.arrived);
        let (answer, used) = match self.reader.feed(bytes) {
            Ok(Some(whole)) => whole,
            Ok(None) => {
                self.job = Some(job);
                *bytes = &[];
                return None;
            }
            Err(bad) => return Some(Event::Lost(self.failed(job, Failure::from(bad), sending))),
        };
        *bytes = &bytes[used..];
        let clean = bytes.is_empty() && sending.is_whole() && !sending.has_failed();
        Some(self.answered(job, answer, clean, sending))
    }

    /// The shadow closed the connection, or, with an error, reset it.
    pub(super) fn closed(&mut self, error: Option<&io::Error>, sending: &Sending) -> Event {
        let Some(job) = self.job.take() else {
            return Event::Lost(Loss::Quiet);
        };
        if error.is_none()
            && let Some(answer) = self.reader.closed()
        {
            return self.answered(job, answer, false, sending);
        }
        let words = match error {
            Some(error) => error.to_string(),
            None => "it closed the connection before its response was complete".to_owned(),
        };
        let failure = Failure {
            reason: DropReason::UpstreamClosed,
            sick: true,
            words,
        };
        Event::Lost(self.failed(job, failure, sending))
    }

    /// The whole answer is there. `clean`: nothing is left over on either side.
    fn answered(&mut self, job: Job, answer: ShadowAnswer, clean: bool, sending: &Sending) -> Event {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.since);
        let times = self.measured();
        self.reused = true;
        let goes_on = answer.keep_alive && answer.status != 101 && !sending.has_failed();
        let then = if goes_on && let Some(follower) = self.followers.pop_front() {
            self.promote(follower, now);
            Then::Next
        } else if clean && answer.keep_alive && asks_for_more(&job) {
            Then::Free
        } else {
            Then::Close {
                announced: clean && answer.status != 101,
            }
        };
        Event::Answered(Answered {
            job,
            answer,
            took,
            times,
            then,
        })
    }

    /// The next request, which has been sent already, is under way from now on.
    fn promote(&mut self, follower: Job, now: Instant) {
        self.reader
            .reset(RequestKind::of(follower.exchange.request.method()));
        self.batch_answered += 1;
        self.job = Some(follower);
        self.since = now;
        // The shadow could begin with it when it was done with the one before; what is not written yet counts once it is.
        self.sent = Some(self.arrived);
        self.first_byte = None;
    }

    /// How long the answer that is whole now took. One that came before its request was sent took no time.
    fn measured(&self) -> Times {
        let took = |until: Instant| {
            let since = self.sent.unwrap_or(until);
            until.saturating_duration_since(since)
        };
        Times {
            first: took(self.first_byte.unwrap_or(self.arrived)),
            last: took(self.arrived),
        }
    }

    /// A failure under way. A reused connection may have been closed by the shadow before the request came;
    /// then nothing was lost but time, and doing it again does no harm if it is idempotent or never left.
    fn failed(&self, mut job: Job, failure: Failure, sending: &Sending) -> Loss {
        let stale = self.reused && !self.reader.has_started();
        if stale && !job.retried && (job.is_idempotent() || !sending.has_begun()) {
            job.retried = true;
            return Loss::Retry(job);
        }
        Loss::Failed(job, failure)
    }
}

/// Whether the request itself leaves the connection open: one of HTTP/1.0 says so or means the opposite
/// (RFC 9112 section 9.3).
fn asks_for_more(job: &Job) -> bool {
    let request = &job.exchange.request;
    request.version != Version::Http10
        || request.header("connection").is_some_and(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"keep-alive"))
        })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;
    use crate::mirror::ledger::ShardLedger;
    use crate::mirror::testing::exchange;
    use crate::output::http::breaker::{Admission, Breaker};
    use crate::output::http::copy::tests::settings;
    use crate::output::http::response::Keep;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n";
    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const LAST: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

    fn job(raw: &[u8]) -> Job {
        let Admission::Pass(pass) = Breaker::new(settings().breaker).admit(|| 0) else {
            panic!("a closed breaker admits");
        };
        Job {
            exchange: exchange(1, raw),
            ticket: ShardLedger::new(1).open().split().next().unwrap(),
            part: None,
            pass,
            written: None,
            retried: false,
            turned_away: 0,
            redirects: 0,
            hop: None,
            live: None,
        }
    }

    /// A connection on which a request is under way, with so many behind it.
    fn under_way(raw: &[u8], followers: usize) -> Outstanding {
        let now = Instant::now();
        let reader = ResponseReader::new(1000, Keep::default());
        let mut outstanding = Outstanding::new(job(raw), reader, now);
        for _ in 0..followers {
            outstanding.push_follower(job(raw));
        }
        let first = outstanding.take_job().unwrap();
        outstanding.begin(first, now);
        outstanding
    }

    /// Names an event in a word.
    fn word(event: Event) -> String {
        match event {
            Event::Answered(answered) => format!("{:?}", answered.then),
            Event::Lost(Loss::Quiet) => "quiet".to_owned(),
            Event::Lost(Loss::Retry(_)) => "retry".to_owned(),
            Event::Lost(Loss::Failed(_, failure)) => failure.words,
        }
    }

    /// The events that are in some bytes, with where each leaves off.
    fn fed(outstanding: &mut Outstanding, bytes: &[u8]) -> Vec<(String, usize)> {
        let mut rest = bytes;
        let mut events = Vec::new();
        while !rest.is_empty() {
            let Some(event) = outstanding.feed(&mut rest, &Sending::default()) else {
                break;
            };
            events.push((word(event), bytes.len() - rest.len()));
            if outstanding.job.is_none() {
                break;
            }
        }
        events
    }

    #[test]
    fn an_answer_leaves_the_connection_free() {
        let mut outstanding = under_way(GET, 0);
        assert_eq!(fed(&mut outstanding, &OK[..20]), []);
        assert_eq!(fed(&mut outstanding, &OK[20..]), [("Free".to_owned(), 20)]);
    }

    #[test]
    fn answers_in_one_read_are_an_event_each() {
        let mut outstanding = under_way(GET, 2);
        let length = OK.len();
        assert_eq!(
            fed(&mut outstanding, &OK.repeat(3)),
            [
                ("Next".to_owned(), length),
                ("Next".to_owned(), 2 * length),
                ("Free".to_owned(), 3 * length)
            ]
        );
    }

    #[test]
    fn an_announced_close_leaves_followers_to_be_taken() {
        let mut outstanding = under_way(GET, 1);
        let close = "Close { announced: true }".to_owned();
        assert_eq!(fed(&mut outstanding, LAST), [(close, LAST.len())]);
        assert_eq!(outstanding.followers(), 1);
    }

    #[test]
    fn bytes_behind_the_last_answer_close_the_connection() {
        let mut outstanding = under_way(GET, 0);
        let close = "Close { announced: false }".to_owned();
        assert_eq!(
            fed(&mut outstanding, &[OK, b"HTTP"].concat()),
            [(close, OK.len())]
        );
        assert_eq!(fed(&mut outstanding, b"more"), [("quiet".to_owned(), 0)]);
    }

    #[test]
    fn a_close_is_a_retry_only_on_a_reused_connection_without_harm() {
        let early = "it closed the connection before its response was complete";
        let end = |raw: &[u8], answered: Range<usize>| {
            let mut outstanding = under_way(raw, 1);
            let _ = fed(&mut outstanding, &OK.repeat(2)[answered]);
            word(outstanding.closed(None, &Sending::sent()))
        };
        assert_eq!(end(GET, 0..0), early, "the first on it");
        assert_eq!(end(GET, 0..OK.len()), "retry");
        assert_eq!(end(POST, 0..OK.len()), early, "one that changes something");
        assert_eq!(end(GET, 0..OK.len() + 1), early, "one whose answer has begun");
    }

    #[test]
    fn a_request_behind_a_slow_one_is_not_blamed_for_it() {
        let mut outstanding = under_way(GET, 1);
        let sent = Instant::now();
        outstanding.request_sent(sent);
        let took = |outstanding: &mut Outstanding, after: u64| {
            outstanding.bytes_arrived(sent + Duration::from_millis(after));
            match outstanding.feed(&mut &*OK, &Sending::sent()) {
                Some(Event::Answered(answered)) => answered.times.last,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(took(&mut outstanding, 407), Duration::from_millis(407));
        assert_eq!(took(&mut outstanding, 409), Duration::from_millis(2));
    }
}
