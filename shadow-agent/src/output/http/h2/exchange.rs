//! One exchange on a stream: its request is sent, and its answer read, at the same time.
//!
//! It is no task of its own: the one of its connection polls it ([`super::connection`]), which is where all that it waits for
//! comes from.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use ::h2::{Reason, SendStream};
use bytes::Bytes;

use super::answer::{Answer, NoAnswer};
use super::upload::Upload;
use super::watched::{Departure, Seen};
use super::way::is_grpc;
use crate::compare::Times;
use crate::http::Request;
use crate::mirror::LiveReader;
use crate::mirror::ledger::DropReason;
use crate::output::http::breaker::Pass;
use crate::output::http::failure::Failure;
use crate::output::http::lanes::Job;
use crate::output::http::response::ShadowAnswer;

/// An exchange that is under way: what others may know of it, and take from it.
#[derive(Debug)]
pub(in crate::output::http) struct Exchanging {
    /// `None` once it was given up.
    job: RefCell<Option<Job>>,
    /// The number of its stream.
    pub stream: u32,
    /// When it began.
    pub since: Instant,
    /// The time that its client gave the server (`grpc-timeout`).
    pub given: Option<Duration>,
    /// Bytes that had been read from the connection by then.
    pub read_before: u64,
    /// Writes to the connection by then.
    writes_before: u64,
    /// When its last byte was written.
    left: Departure,
    /// Production's further dealings with it, of a call that it is serving.
    pub live: Option<Rc<LiveReader>>,
    /// Whether it is a call of gRPC, which may be a stream.
    pub is_call: bool,
    /// Whether data of the answer has come.
    pub has_data: Cell<bool>,
    /// Since when production is known to be done with the call.
    pub over: Cell<Option<Instant>>,
    given_up: Cell<bool>,
    /// Has it polled, once it has been.
    waker: RefCell<Option<Waker>>,
}

/// The fate of the connection of a request that is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) enum Left {
    /// It goes on.
    No,
    /// It broke.
    Broken,
    /// The shadow ends it in order, and has said that it did not process the request.
    InOrder,
}

/// How an exchange ended.
#[derive(Debug)]
pub(in crate::output::http) enum End {
    /// With an answer.
    Answered(ShadowAnswer, Times),
    /// The shadow provably did not process the request, or it does no harm to ask again.
    Again(Failure, Left),
    /// Without an answer.
    Failed(Failure),
    /// Production's client left the call: head and body as far as they had come, where they are kept.
    Left(Option<(Bytes, Bytes)>),
}

impl Exchanging {
    /// One of `job`, which begins `now`, on a connection with these notes.
    pub(in crate::output::http) fn new(job: Job, now: Instant, stream: u32, seen: &Seen) -> Self {
        Self {
            stream,
            since: now,
            given: grpc_timeout(&job.exchange.request),
            read_before: seen.read(),
            writes_before: seen.writes(),
            left: Departure::default(),
            live: job.live.clone(),
            is_call: is_grpc(&job.exchange.request),
            has_data: Cell::new(false),
            over: Cell::new(None),
            given_up: Cell::new(false),
            waker: RefCell::default(),
            job: RefCell::new(Some(job)),
        }
    }

    /// Where it is told when the last byte of its request was written.
    pub(in crate::output::http) fn departure(&self) -> Departure {
        Rc::clone(&self.left)
    }

    /// Gives what `look` makes of its job.
    pub(in crate::output::http) fn with_job<T>(&self, look: impl FnOnce(&Job) -> T) -> Option<T> {
        self.job.borrow().as_ref().map(look)
    }

    /// The pass of its probe, if it is one that the shadow has begun to answer: what lasts need not end to show that the shadow
    /// is alive. It is a probe no longer.
    pub(in crate::output::http) fn has_probed(&self) -> Option<Pass> {
        let mut job = self.job.borrow_mut();
        let pass = &mut job
            .as_mut()
            .filter(|job| job.pass.probe && self.has_data.get())?
            .pass;
        let probed = *pass;
        pass.probe = false;
        Some(probed)
    }

    /// Takes its job: it ends, or is given up.
    pub(in crate::output::http) fn take_job(&self) -> Option<Job> {
        let mut job = self.job.take()?;
        job.written = job.written.or(self.left.get());
        Some(job)
    }

    /// Gives it up, which resets the stream.
    pub(in crate::output::http) fn cancel(&self) {
        self.given_up.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// How long an answer took that is whole now. One that came before its request was sent took no time.
    fn times(&self, first: Option<Instant>, last: Instant) -> Times {
        let took = |until: Instant| until.saturating_duration_since(self.left.get().unwrap_or(until));
        Times {
            first: took(first.unwrap_or(last)),
            last: took(last),
        }
    }
}

/// An exchange that is polled to its end: that is `None` where it was given up. With it go the handles of its stream.
#[derive(Debug)]
pub(in crate::output::http) struct Running {
    pub exchanging: Rc<Exchanging>,
    pub stream: SendStream<Bytes>,
    pub answer: Answer,
    /// Rest of its request; boxed, since there is hardly ever anything.
    pub upload: Option<Box<Upload>>,
    pub seen: Rc<Seen>,
    /// Whether an exchange was completed before on this connection.
    pub reused: bool,
}

impl Future for Running {
    type Output = (Rc<Exchanging>, Option<End>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.exchanging.given_up.get() {
            return Poll::Ready((Rc::clone(&this.exchanging), None));
        }
        let end = match ready!(this.poll_answer(cx)) {
            Ok(whole) => {
                let times = this.exchanging.times(this.answer.first_byte, this.seen.arrived());
                End::Answered(whole, times)
            }
            Err(why) => this.unanswered(why),
        };
        Poll::Ready((Rc::clone(&this.exchanging), Some(end)))
    }
}

impl Running {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<ShadowAnswer, NoAnswer>> {
        let exchanging = &self.exchanging;
        let mut ends = None;
        if let Some(uploading) = &mut self.upload
            && let Poll::Ready(sent) = uploading.poll(cx, &mut self.stream)
        {
            self.seen.leaves_next(exchanging.departure());
            self.upload = None;
            ends = sent.err();
        }
        if let Poll::Ready(ended) = self.answer.poll(cx, &self.seen) {
            return Poll::Ready(ended);
        }
        exchanging.has_data.set(self.answer.has_data());
        if let (None, None, Some(live)) = (&ends, &self.upload, &exchanging.live)
            && let Poll::Ready(reason) = live.poll_lost(cx)
        {
            ends = Some(reason);
        }
        if let Some(reason) = ends {
            return Poll::Ready(Err(NoAnswer::Ends(reason)));
        }
        // The same as long as it lasts.
        let mut waker = exchanging.waker.borrow_mut();
        waker.get_or_insert_with(|| cx.waker().clone());
        Poll::Pending
    }

    fn unanswered(&mut self, why: NoAnswer) -> End {
        match why {
            NoAnswer::Ends(DropReason::GrpcStreamLeft) => End::Left(self.answer.begun()),
            NoAnswer::Bad(bad) => End::Failed(Failure::from(bad)),
            // With the handles of its stream goes a reset, by CANCEL: what a client does that gives a call up.
            NoAnswer::Ends(reason) => End::Failed(ends_as_production(reason)),
            NoAnswer::Ended(error) => {
                let failure = failure(&error);
                let exchanging = &self.exchanging;
                let unsent = self.seen.writes() == exchanging.writes_before;
                let stale =
                    self.reused && error.is_io() && exchanging.with_job(Job::is_idempotent) == Some(true);
                if !self.answer.has_started() && (is_unprocessed(&error) || unsent || stale) {
                    End::Again(failure, left(&error))
                } else {
                    End::Failed(failure)
                }
            }
        }
    }
}

/// A call that was ended because production's was, or because it lasted for too long: that says nothing of the shadow.
pub(in crate::output::http) fn ends_as_production(reason: DropReason) -> Failure {
    Failure {
        reason,
        sick: false,
        words: "the call was ended here".to_owned(),
    }
}

/// Whether the shadow says that it did not process the request: GOAWAY with an earlier last stream (the `h2` crate fails only
/// those behind it so), or `REFUSED_STREAM` (RFC 9113 section 8.7).
fn is_unprocessed(error: &::h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM))
}

fn left(error: &::h2::Error) -> Left {
    if error.is_reset() {
        Left::No
    } else if is_unprocessed(error) {
        Left::InOrder
    } else {
        Left::Broken
    }
}

/// The failure of the shadow that an error of a stream or a connection means.
pub(in crate::output::http) fn failure(error: &::h2::Error) -> Failure {
    let (reason, words) = if error.is_library() {
        (
            DropReason::BadResponse,
            format!("its response is not HTTP/2: {error}"),
        )
    } else {
        (DropReason::UpstreamClosed, error.to_string())
    };
    Failure {
        reason,
        sick: true,
        words,
    }
}

/// The time that a gRPC call has: `grpc-timeout`, up to eight digits and a unit (gRPC over HTTP2, "Requests").
fn grpc_timeout(request: &Request) -> Option<Duration> {
    if request.method() != b"POST" {
        return None;
    }
    let (unit, digits) = request.header("grpc-timeout")?.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::request;

    #[test]
    fn a_grpc_timeout_is_digits_and_a_unit() {
        let of = |value: &str| {
            grpc_timeout(&request(
                format!("POST / HTTP/1.1\r\ngrpc-timeout: {value}\r\n\r\n").as_bytes(),
            ))
        };
        assert_eq!(of("1H"), Some(Duration::from_hours(1)));
        assert_eq!(of("2M"), Some(Duration::from_mins(2)));
        assert_eq!(of("3S"), Some(Duration::from_secs(3)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(of("5n"), Some(Duration::from_nanos(5)));
        for odd in ["", "S", "1", "100000000S", "-1S", "1s", "1 S"] {
            assert_eq!(of(odd), None, "{odd:?}");
        }
    }
}
