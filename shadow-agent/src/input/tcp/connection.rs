//! One connection: what it begins with says whether records follow, or frames that are to be acknowledged.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{Shared, Source, Speaker, Waiting};
use crate::budget::Charge;
use crate::input::silence::Silence;
use crate::mirror::Message;
use crate::relay::frames::{FrameError, Frames};
use crate::relay::header::RecordError;
use crate::relay::protocol::{Lines, SAY_AGAIN, acknowledgment, answer, begins_hello, read_hello};
use crate::relay::records::Records;
use crate::relay::sessions::Offer;

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// Why a connection ended. The names are those of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// Its sender closed it between two records.
    Finished,
    /// Its sender closed it inside a record, which is lost unless it is sent again.
    Truncated,
    /// The network lost it.
    Lost,
    /// It carried something other than records.
    Malformed,
    /// A record was larger than `--input-tcp-max-record`.
    TooLarge,
    /// A record, a handshake or an acknowledgment took longer than `--input-tcp-timeout`.
    Slow,
    /// `--input-tcp-buffer-size` had no room for what was not whole.
    Memory,
    /// The TLS handshake failed.
    Tls,
    /// There were `--input-tcp-max-connections` already, none of them silent.
    TooMany,
    /// It had been silent for longest when another came and there were `--input-tcp-max-connections` already.
    Silent,
    /// There were `--input-tcp-max-sessions` already, all in use.
    TooManySessions,
    /// Another connection speaks for its session.
    Replaced,
    /// The input ended.
    Ended,
}

impl From<RecordError> for Ending {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Header => Self::Malformed,
            RecordError::TooLarge => Self::TooLarge,
        }
    }
}

impl From<FrameError> for Ending {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Record(error) => error.into(),
            FrameError::Line | FrameError::Sequence => Self::Malformed,
        }
    }
}

/// One connection of a sender, plain or acknowledged.
pub(super) struct Connection {
    pub number: u64,
    pub shared: Arc<Shared>,
    pub queue: mpsc::Sender<Waiting>,
    pub ended: watch::Receiver<bool>,
    pub silence: Rc<Silence>,
}

/// Buffer of received bytes, and since when it holds an incomplete record.
struct Reader<R> {
    from: R,
    bytes: Vec<u8>,
    began: Option<Instant>,
    silence: Rc<Silence>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads more: the count of bytes. `held`: whether something is not whole.
    async fn more(&mut self, shared: &Shared, held: bool) -> Result<usize, Ending> {
        let silence = Rc::clone(&self.silence);
        let read = silence.broken_by(self.from.read(&mut self.bytes));
        let read = if held {
            let began = *self.began.get_or_insert_with(Instant::now);
            timeout_at(began + shared.settings.timeout, read)
                .await
                .map_err(|_| Ending::Slow)?
        } else {
            self.began = None;
            read.await
        };
        match read.ok_or(Ending::Silent)? {
            Ok(0) if held => Err(Ending::Truncated),
            Ok(0) => Err(Ending::Finished),
            Ok(count) => Ok(count),
            // TLS without a farewell is how a process that was killed ends.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof && !held => Err(Ending::Finished),
            Err(_) => Err(Ending::Lost),
        }
    }
}

impl Connection {
    /// Reads it to its end.
    pub(super) async fn serve(self, stream: impl AsyncRead + AsyncWrite) -> Ending {
        let (read, write) = tokio::io::split(stream);
        let mut ended = self.ended.clone();
        let reader = Reader {
            from: Box::pin(read),
            bytes: vec![0; READ],
            began: None,
            silence: Rc::clone(&self.silence),
        };
        let (first, reader) = tokio::select! {
            biased;
            _ = ended.changed() => return Ending::Ended,
            first = self.first(reader) => match first {
                Ok(first) => first,
                Err(ending) => return ending,
            },
        };
        if begins_hello(&first) == Some(true) {
            return self.frames(first, reader, Box::pin(write)).await;
        }
        tokio::select! {
            biased;
            _ = ended.changed() => Ending::Ended,
            ending = self.records(first, reader) => ending,
        }
    }

    /// The first bytes, enough to tell what it is.
    async fn first<R: AsyncRead + Unpin>(
        &self,
        mut reader: Reader<R>,
    ) -> Result<(Vec<u8>, Reader<R>), Ending> {
        let mut first = Vec::new();
        while begins_hello(&first).is_none() {
            let count = reader.more(&self.shared, !first.is_empty()).await?;
            first.extend_from_slice(&reader.bytes[..count]);
        }
        Ok((first, reader))
    }

    async fn records<R: AsyncRead + Unpin>(&self, first: Vec<u8>, mut reader: Reader<R>) -> Ending {
        let mut records = Records::new(self.max_record());
        let mut charge = self.shared.budget.held().charge();
        let mut pending = first;
        loop {
            if let Err(ending) = self.hold(&mut charge, pending.len()).await {
                return ending;
            }
            records.push(&pending);
            loop {
                match records.next_record() {
                    Ok(Some(message)) => {
                        reader.began = None;
                        let whole = charge.bytes() - records.held();
                        if let Err(ending) = self.wait_in_line(&mut charge, whole, message, None).await {
                            return ending;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return error.into(),
                }
            }
            match reader.more(&self.shared, records.held() > 0).await {
                Ok(count) => {
                    pending.clear();
                    pending.extend_from_slice(&reader.bytes[..count]);
                }
                Err(ending) => return ending,
            }
        }
    }

    /// Reads frames, and acknowledges what was taken.
    async fn frames<R, W>(self, first: Vec<u8>, mut reader: Reader<R>, mut write: W) -> Ending
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut ended = self.ended.clone();
        let hello = tokio::select! {
            biased;
            _ = ended.changed() => return Ending::Ended,
            hello = self.hello(first, &mut reader) => hello,
        };
        let (session, rest) = match hello {
            Ok(hello) => hello,
            Err(ending) => return ending,
        };
        let speaker = Arc::new(Speaker {
            session: Arc::clone(&session),
            taken: Notify::new(),
        });
        let greeted = self.shared.lock().sessions.hello(&session, self.number);
        let Some(taken) = greeted else {
            return Ending::TooManySessions;
        };
        let ending = tokio::select! {
            biased;
            ending = self.acknowledge(&speaker, taken, &mut write, &mut ended) => ending,
            ending = self.read_frames(&speaker, rest, reader) => ending,
        };
        self.shared.lock().sessions.closed(&session, self.number);
        ending
    }

    /// Reads the hello: its session, and what came behind it.
    async fn hello<R: AsyncRead + Unpin>(
        &self,
        first: Vec<u8>,
        reader: &mut Reader<R>,
    ) -> Result<(Arc<str>, Vec<u8>), Ending> {
        let mut lines = Lines::default();
        lines.push(&first);
        loop {
            if let Some(line) = lines.next_line().map_err(|_| Ending::Malformed)? {
                let session = read_hello(&line).map_err(|_| Ending::Malformed)?;
                reader.began = None;
                return Ok((session.into(), lines.into_rest()));
            }
            let count = reader.more(&self.shared, true).await?;
            lines.push(&reader.bytes[..count]);
        }
    }

    async fn read_frames<R: AsyncRead + Unpin>(
        &self,
        speaker: &Arc<Speaker>,
        first: Vec<u8>,
        mut reader: Reader<R>,
    ) -> Ending {
        let mut frames = Frames::new(self.max_record());
        let mut charge = self.shared.budget.held().charge();
        let mut pending = first;
        loop {
            if let Err(ending) = self.hold(&mut charge, pending.len()).await {
                return ending;
            }
            frames.push(&pending);
            loop {
                match frames.next_frame() {
                    Ok(Some((sequence, message))) => {
                        reader.began = None;
                        let whole = charge.bytes() - frames.held();
                        let source = Some((speaker, sequence));
                        if let Err(ending) = self.wait_in_line(&mut charge, whole, message, source).await {
                            return ending;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return error.into(),
                }
            }
            match reader.more(&self.shared, frames.held() > 0).await {
                Ok(count) => {
                    pending.clear();
                    pending.extend_from_slice(&reader.bytes[..count]);
                }
                Err(ending) => return ending,
            }
        }
    }

    /// Says what was taken, first at once and then whenever it is more; a last time when the input ends.
    async fn acknowledge<W: AsyncWrite + Unpin>(
        &self,
        speaker: &Speaker,
        mut told: u64,
        write: &mut W,
        ended: &mut watch::Receiver<bool>,
    ) -> Ending {
        if let Err(ending) = self.say(write, &answer(told)).await {
            return ending;
        }
        loop {
            let mut again = false;
            let is_over = tokio::select! {
                biased;
                () = speaker.taken.notified() => false,
                _ = ended.changed() => true,
                () = sleep(SAY_AGAIN) => {
                    again = self.shared.lock().sessions.waits(&speaker.session);
                    false
                }
            };
            let Some(taken) = self.shared.lock().sessions.last(&speaker.session, self.number) else {
                return Ending::Replaced;
            };
            if taken > told || again {
                told = taken;
                if let Err(ending) = self.say(write, &acknowledgment(told)).await {
                    return ending;
                }
            }
            if is_over {
                // It has been said: whether the other side hears it is up to the network.
                let _ = timeout(self.shared.settings.timeout, write.shutdown()).await;
                return Ending::Ended;
            }
        }
    }

    async fn say<W: AsyncWrite + Unpin>(&self, write: &mut W, line: &str) -> Result<(), Ending> {
        let said = async {
            write.write_all(line.as_bytes()).await?;
            write.flush().await
        };
        match timeout(self.shared.settings.timeout, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Ending::Lost),
            Err(_) => Err(Ending::Slow),
        }
    }

    /// Puts a whole message in the queue, unless it was there before. `whole`: the bytes it took of `held`.
    async fn wait_in_line(
        &self,
        held: &mut Charge,
        whole: usize,
        message: Message,
        speaker: Option<(&Arc<Speaker>, u64)>,
    ) -> Result<(), Ending> {
        let place = self.queue.reserve().await.map_err(|_| Ending::Ended)?;
        if let Some((speaker, sequence)) = speaker {
            let mut state = self.shared.lock();
            match state.sessions.offer(&speaker.session, self.number, sequence) {
                Offer::Take => {}
                Offer::Duplicate => {
                    held.shrink(whole);
                    return Ok(());
                }
                Offer::Stale => return Err(Ending::Replaced),
            }
        }
        let source = Source::of(
            &message,
            speaker.map(|(speaker, sequence)| (Arc::clone(speaker), sequence)),
        );
        let mut charge = held.split(whole);
        charge.is_whole_now();
        self.shared.waiting.fetch_add(1, Relaxed);
        place.send(Waiting {
            message,
            source,
            _charge: charge,
        });
        Ok(())
    }

    /// Charges bytes of what is not whole; waits while messages that will be taken are in the way.
    async fn hold(&self, charge: &mut Charge, bytes: usize) -> Result<(), Ending> {
        loop {
            let freed = self.shared.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if charge.try_grow(bytes) {
                return Ok(());
            }
            if self.shared.waiting.load(Relaxed) == 0 {
                return Err(Ending::Memory);
            }
            freed.await;
        }
    }

    /// The largest payload: the buffer must be able to hold it before it is whole.
    fn max_record(&self) -> usize {
        let settings = &self.shared.settings;
        settings.max_record.min(settings.buffer / 2)
    }
}
