//! Reading the rings: records in, segments out, and waiting without being woken for each packet.
//!
//! A wake-up costs several times what reading a record does. So a busy ring is drained on a short timer, and its
//! producer stays quiet; a ring that is found empty is looked at less often, since clients that send several requests at once are
//! silent for milliseconds in between; one that has been empty for a while is put to sleep in [`READERS`], and its producer wakes it
//! with the next record.
//!
//! [`READERS`]: shadow_common::SLEEPING

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aya::maps::{Array, MapData};
use shadow_common::{MARK_CONTINUATION, MARK_RESPONSE, RecordHeader, SLEEPING};
use shadow_core::time::{ReadSoFar, Timestamp};
use shadow_tcp::{Direction, Endpoint, FlowKey, Segment, TcpFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::{Instant, sleep_until};

use super::ring::{Positions, Ring};

/// How long records gather while the ring is busy, unless [`RingReader::set_interval`] says otherwise.
const INTERVAL: Duration = Duration::from_millis(1);

/// Times the ring is found empty before it is put to sleep: some 11 intervals.
const EMPTY_BEFORE_SLEEP: u32 = 4;

/// How often the interval doubles at most while the ring is found empty.
const MAX_DOUBLINGS: u32 = 2;

/// How often a sleeping ring is looked at all the same. A producer that saw the reader awake a moment before it
/// went to sleep wakes nobody; the look after one more interval finds that record, and this one is for the case
/// that the producer was held up longer than that.
const SAFETY: Duration = Duration::from_millis(200);

/// The reader of one ring. It belongs to one thread.
pub struct RingReader {
    shard: u32,
    ring: Ring,
    reading: Reading,
    readers: Arc<Mutex<Array<MapData, u32>>>,
    malformed: Arc<AtomicU64>,
    interval: Duration,
    /// Registered with the runtime at the first wait.
    readiness: Option<AsyncFd<OwnedFd>>,
    state: State,
    /// Until when it waits, also when the wait was cancelled.
    waits_until: Option<Instant>,
    /// Records since the last wait.
    drained: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Drained on the timer; found empty so many times.
    Polling { empty: u32 },
    /// Told the producer to wake it; looks once more.
    Dozing,
    /// Waits for the producer.
    Sleeping,
}

impl RingReader {
    pub(super) fn new(
        shard: u32,
        ring: Ring,
        readers: Arc<Mutex<Array<MapData, u32>>>,
        malformed: Arc<AtomicU64>,
    ) -> Self {
        Self {
            shard,
            ring,
            reading: Reading::default(),
            readers,
            malformed,
            interval: INTERVAL,
            readiness: None,
            // The map starts with zeros, which is SLEEPING.
            state: State::Sleeping,
            waits_until: None,
            drained: 0,
        }
    }

    /// Which ring this is, from 0.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// How far it is, for other threads.
    fn progress(&self) -> RingProgress {
        RingProgress {
            positions: self.ring.positions(),
            handing_on: Arc::clone(&self.reading.handing_on),
        }
    }

    /// Sets how long records gather while the ring is busy. More than a quarter of the ring does not gather.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Hands the records that are there to `each`, `most` at most; how many there were. Never waits.
    ///
    /// The segments are borrowed from the ring: what is to be kept must be copied.
    pub fn drain(&mut self, most: usize, mut each: impl FnMut(Segment<'_>)) -> usize {
        let mut count = 0;
        while count < most {
            let read = self.ring.next(|record| match RecordHeader::read(record) {
                Some((header, payload)) => {
                    // Before it is: whatever was captured before it is by then.
                    self.reading.handing_on.store(header.time, Release);
                    each(segment(&header, payload));
                }
                None => {
                    self.malformed.fetch_add(1, Relaxed);
                }
            });
            if read.is_none() {
                break;
            }
            count += 1;
        }
        self.drained += count;
        count
    }

    /// Waits until draining is worth while: call it when [`RingReader::drain`] gave less than was asked for. It may
    /// return with nothing there. When it is cancelled, the next call goes on waiting for the same moment.
    ///
    /// Must run inside a tokio runtime with IO and time, always the same one.
    ///
    /// # Errors
    ///
    /// Where the ring cannot be watched: no file descriptor is left, or the runtime has no IO.
    pub async fn readable(&mut self) -> io::Result<()> {
        let until = match self.waits_until {
            Some(until) if self.drained == 0 => until,
            _ => Instant::now() + self.next_wait()?,
        };
        self.waits_until = Some(until);
        let readiness = match &mut self.readiness {
            Some(readiness) => readiness,
            empty => empty.insert(watch(self.ring.as_fd().try_clone_to_owned()?)?),
        };
        tokio::select! {
            ready = readiness.readable() => ready?.clear_ready(),
            () = sleep_until(until) => {}
        }
        self.waits_until = None;
        Ok(())
    }

    /// Goes on from what the last drain found; how long to wait for the next.
    fn next_wait(&mut self) -> io::Result<Duration> {
        self.state = match (std::mem::take(&mut self.drained), self.state) {
            (1.., _) => State::Polling { empty: 0 },
            (0, State::Polling { empty }) if empty < EMPTY_BEFORE_SLEEP => {
                State::Polling { empty: empty + 1 }
            }
            (0, State::Polling { .. }) => {
                self.tell_producer_to_wake()?;
                State::Dozing
            }
            (0, State::Dozing | State::Sleeping) => State::Sleeping,
        };
        Ok(match self.state {
            State::Polling { empty } => self.interval * (1 << empty.min(MAX_DOUBLINGS)),
            State::Dozing => self.interval,
            State::Sleeping => SAFETY,
        })
    }

    fn tell_producer_to_wake(&self) -> io::Result<()> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.set(self.shard, SLEEPING, 0).map_err(io::Error::other)
    }
}

/// The time of the record that is being handed on, or was last. Whoever waits for a reader that is gone waits no longer.
#[derive(Default)]
struct Reading {
    handing_on: Arc<AtomicU64>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.handing_on.store(u64::MAX, Release);
    }
}

/// How far the reader of one ring is.
struct RingProgress {
    positions: Positions,
    handing_on: Arc<AtomicU64>,
}

impl RingProgress {
    /// A packet is in its ring before it goes on its way. So what somebody did because of it was captured later, and stands behind
    /// it where it is in the same ring.
    fn is_read(&self, time: Timestamp) -> bool {
        self.handing_on.load(Acquire) >= time.0 || self.positions.is_empty()
    }
}

/// How far the readers of all rings of a capture are.
pub struct RingsProgress {
    rings: Vec<RingProgress>,
}

impl RingsProgress {
    pub(super) fn of(readers: &[RingReader]) -> Self {
        Self {
            rings: readers.iter().map(RingReader::progress).collect(),
        }
    }
}

impl std::fmt::Debug for RingsProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rings = self.rings.len();
        f.debug_struct("RingsProgress").field("rings", &rings).finish()
    }
}

impl ReadSoFar for RingsProgress {
    fn is_read(&self, time: Timestamp) -> bool {
        self.rings.iter().all(|ring| ring.is_read(time))
    }
}

/// Asks the runtime to tell when the ring's producer wakes its reader.
#[allow(
    unsafe_code,
    reason = "tokio cannot know that the descriptor stays open; here it plainly does"
)]
fn watch(ring: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open until it is dropped, and it is moved into the `AsyncFd`, which gives no way to
    // exchange it.
    unsafe { AsyncFd::register(ring) }.map_err(io::Error::from)
}

/// A record as reassembly wants it.
fn segment<'a>(header: &RecordHeader, payload: &'a [u8]) -> Segment<'a> {
    Segment {
        flow: FlowKey {
            client: Endpoint {
                address: header.client.octets(),
                port: header.client_port,
            },
            server: Endpoint {
                address: header.server.octets(),
                port: header.server_port,
            },
            scope: header.scope,
        },
        direction: if header.marks & MARK_RESPONSE == 0 {
            Direction::Request
        } else {
            Direction::Response
        },
        sequence: header.sequence,
        acknowledgment: header.acknowledgment,
        flags: TcpFlags(header.flags),
        continuation: header.marks & MARK_CONTINUATION != 0,
        payload,
        time: Timestamp(header.time),
    }
}
