//! The live page's events: server-sent events (HTML Living Standard, section 9.2), one for each document.
//!
//! Each event is a whole state, so a reader that is slow skips some and is never owed any: hyper asks for the next only
//! when the last is on its way. Streams have places of their own beside the port's other connections, few of them, and
//! one whose reader takes nothing for long gives its place up.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use hyper::body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::compare::live::{EVERY, LiveDocument, Published, Watcher};

/// The media type of the stream.
pub(super) const CONTENT_TYPE: &str = "text/event-stream";

/// Streams at once.
pub(super) const MAX_STREAMS: usize = 8;

/// When there is nothing to say, something is said after so long: proxies close what is silent, and a reader that has gone
/// without a word is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A reader that takes nothing for so long has gone, or is stuck.
const STALLED: Duration = Duration::from_secs(40);

/// At the end of the run, streams have so long to say so.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The first words: the browser comes back two seconds after it lost the stream.
const HELLO: &[u8] = b"retry: 2000\n\n";
const STILL_HERE: &[u8] = b": still here\n\n";
const END: &[u8] = b"event: end\ndata: the run has ended\n\n";

/// The places for streams. Clones are the same ones.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    places: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MAX_STREAMS)),
            closing: watch::Sender::new(false),
        }
    }
}

impl Streams {
    /// A stream of `live`'s documents on this connection; `None` when all places are taken.
    pub fn open(
        &self,
        live: &LiveDocument,
        tenure: &Arc<Tenure>,
    ) -> Option<impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + use<>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        tenure.is_stream.store(true, Relaxed);
        tenure.progressed();
        let telling = EventStream {
            watcher: live.watch(),
            closing: self.closing.subscribe(),
            tenure: Arc::clone(tenure),
            _place: place,
            ready: VecDeque::from([Bytes::from_static(HELLO)]),
            told: 0,
            told_at: None,
            ended: false,
        };
        Some(futures::stream::unfold(telling, EventStream::next))
    }

    /// Ends all streams, each with a last word where its reader takes it.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let all = u32::try_from(MAX_STREAMS).unwrap_or(u32::MAX);
        // Those that do not end in time are cut off.
        let _ = tokio::time::timeout(LAST_WORDS, self.places.acquire_many(all)).await;
    }
}

/// How a connection to the port stands: what answers it tells, and what watches over it asks.
#[derive(Debug)]
pub(super) struct Tenure {
    is_stream: AtomicBool,
    /// When its reader last took something.
    progress: Mutex<Instant>,
}

impl Default for Tenure {
    fn default() -> Self {
        Self {
            is_stream: AtomicBool::new(false),
            progress: Mutex::new(Instant::now()),
        }
    }
}

impl Tenure {
    /// Whether it has a place among the streams, and so none among the others.
    pub fn is_stream(&self) -> bool {
        self.is_stream.load(Relaxed)
    }

    /// Resolves when a stream's reader has taken nothing for long.
    pub async fn stalled(&self) {
        loop {
            let end = *self.progress.lock().unwrap_or_else(PoisonError::into_inner) + STALLED;
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }

    fn progressed(&self) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// One stream.
struct EventStream {
    watcher: Watcher,
    closing: watch::Receiver<bool>,
    tenure: Arc<Tenure>,
    _place: OwnedSemaphorePermit,
    /// Events to be sent next.
    ready: VecDeque<Bytes>,
    /// Number of the last document told.
    told: u64,
    /// And when it was.
    told_at: Option<Instant>,
    ended: bool,
}

impl EventStream {
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        self.tenure.progressed();
        if self.ready.is_empty() {
            if self.ended {
                return None;
            }
            self.prepare().await;
        }
        let bytes = self.ready.pop_front()?;
        Some((Ok(Frame::data(bytes)), self))
    }

    /// Waits for something to say.
    async fn prepare(&mut self) {
        let heartbeat = Instant::now() + HEARTBEAT;
        // A second after the last one at the earliest, but for the last of all.
        let due = self.told_at.map_or_else(Instant::now, |at| at + EVERY);
        loop {
            let newest = self.watcher.newest().filter(|newest| newest.number > self.told);
            if let Some(newest) = newest.filter(|newest| newest.last || Instant::now() >= due) {
                return self.tell(newest).await;
            }
            tokio::select! {
                () = closed(&mut self.closing) => return self.end(),
                _ = self.watcher.next() => {}
                () = tokio::time::sleep_until(due), if Instant::now() < due => {}
                () = tokio::time::sleep_until(heartbeat) => {
                    return self.ready.push_back(Bytes::from_static(STILL_HERE));
                }
            }
        }
    }

    /// The document is written by another thread, once for all readers: a large one takes longer than a probe should wait.
    async fn tell(&mut self, published: Arc<Published>) {
        self.told = published.number;
        self.told_at = Some(Instant::now());
        let (number, last) = (published.number, published.last);
        if let Ok(json) = tokio::task::spawn_blocking(move || published.json()).await {
            let head = format!("id: {number}\ndata: ");
            self.ready
                .extend([Bytes::from(head), json, Bytes::from_static(b"\n\n")]);
        }
        if last {
            self.end();
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.ready.push_back(Bytes::from_static(END));
    }
}

/// Resolves when the port closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // It fails when the port has gone, which is an end, too.
    let _ = closing.wait_for(|closing| *closing).await;
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use futures::StreamExt as _;
    use futures::stream::LocalBoxStream;

    use super::*;
    use crate::compare::example::document;

    struct Rig {
        live: LiveDocument,
        streams: Streams,
        tenure: Arc<Tenure>,
        stream: LocalBoxStream<'static, Result<Frame<Bytes>, Infallible>>,
    }

    impl Rig {
        fn new() -> Self {
            let (live, streams, tenure) = (LiveDocument::default(), Streams::default(), Arc::default());
            let stream = streams.open(&live, &tenure).unwrap().boxed_local();
            Self {
                live,
                streams,
                tenure,
                stream,
            }
        }

        /// The next block of the stream, with a document's JSON told as `JSON`.
        async fn next(&mut self) -> Option<String> {
            let json = serde_json::to_string(&document()).unwrap();
            let mut text = String::new();
            while !text.ends_with("\n\n") {
                let frame = self.stream.next().await?.unwrap().into_data().unwrap();
                text += std::str::from_utf8(&frame).unwrap();
            }
            Some(text.replace(&json, "JSON"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_gets_each_state_once_and_at_most_one_a_second() {
        let mut rig = Rig::new();
        assert_eq!(rig.next().await.unwrap(), "retry: 2000\n\n");
        rig.live.publish(document());
        assert_eq!(rig.next().await.unwrap(), "id: 1\ndata: JSON\n\n");
        let told = Instant::now();
        for _ in 0..5 {
            rig.live.publish(document());
        }
        assert_eq!(rig.next().await.unwrap(), "id: 6\ndata: JSON\n\n");
        assert_eq!(told.elapsed(), EVERY);
    }

    #[tokio::test]
    async fn a_large_document_is_written_once_for_all_readers() {
        let (live, streams) = (LiveDocument::default(), Streams::default());
        let mut large = document();
        let row = large.comparisons[0].differences[0].clone();
        large.comparisons[0].differences = vec![row; 10_000];
        let mut all = Vec::new();
        for _ in 0..MAX_STREAMS {
            let mut stream = streams.open(&live, &Arc::default()).unwrap().boxed_local();
            stream.next().await.unwrap().unwrap();
            all.push(stream);
        }
        live.publish(large);
        for stream in &mut all {
            // Asked, and not yet there: meanwhile this thread, the port's, does whatever else it has to.
            let asked = poll_fn(|context| Poll::Ready(stream.poll_next_unpin(context))).await;
            assert!(asked.is_pending());
        }
        let mut texts = Vec::new();
        for stream in &mut all {
            stream.next().await.unwrap().unwrap();
            texts.push(stream.next().await.unwrap().unwrap().into_data().unwrap());
        }
        assert!(texts[0].len() > 1_000_000);
        // The same bytes, not others like them.
        assert!(texts.iter().all(|text| text.as_ptr() == texts[0].as_ptr()));
    }

    #[tokio::test(start_paused = true)]
    async fn when_there_is_nothing_to_say_a_comment_keeps_the_stream_open() {
        let mut rig = Rig::new();
        rig.next().await;
        let start = Instant::now();
        assert_eq!(rig.next().await.unwrap(), ": still here\n\n");
        assert_eq!(start.elapsed(), HEARTBEAT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_state_comes_at_once_and_then_the_end() {
        let mut rig = Rig::new();
        rig.next().await;
        rig.live.publish(document());
        rig.next().await;
        let told = Instant::now();
        rig.live.end(document());
        assert_eq!(rig.next().await.unwrap(), "id: 2\ndata: JSON\n\n");
        assert_eq!(
            rig.next().await.unwrap(),
            "event: end\ndata: the run has ended\n\n"
        );
        assert_eq!(rig.next().await, None);
        assert_eq!(told.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_closes_tells_its_streams_and_waits_for_them_a_moment() {
        let mut rig = Rig::new();
        rig.next().await;
        let streams = rig.streams.clone();
        let closing = tokio::spawn(async move { streams.close().await });
        assert_eq!(
            rig.next().await.unwrap(),
            "event: end\ndata: the run has ended\n\n"
        );
        assert_eq!(rig.next().await, None);
        closing.await.unwrap();
        // Nobody reads this one.
        let rig = Rig::new();
        let start = Instant::now();
        rig.streams.close().await;
        assert_eq!(start.elapsed(), LAST_WORDS);
    }

    #[tokio::test(start_paused = true)]
    async fn places_are_few_and_free_again_once_a_stream_is_dropped() {
        let rig = Rig::new();
        let open = || rig.streams.open(&rig.live, &rig.tenure);
        let more: Vec<_> = std::iter::from_fn(open).collect();
        assert_eq!(more.len(), MAX_STREAMS - 1);
        assert!(rig.live.is_wanted());
        drop((more, rig.stream));
        assert!(!rig.live.is_wanted());
        assert!(rig.streams.open(&rig.live, &rig.tenure).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let mut rig = Rig::new();
        assert!(rig.tenure.is_stream());
        tokio::time::sleep(Duration::from_secs(30)).await;
        rig.next().await;
        let start = Instant::now();
        rig.tenure.stalled().await;
        assert_eq!(start.elapsed(), STALLED);
    }
}
