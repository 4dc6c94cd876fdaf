//! `--output-file`: records in files, one chunk behind the other.
//!
//! A chunk is begun when the one before has enough records or bytes; a record is never split between two. What is in a
//! file can be read at every moment: a write adds whole records (and whole members of a compressed file), and what a
//! failed write left is cut off again. A disk that is full is a counted drop, tried again each second.

mod chunk;
mod settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use hashlink::LinkedHashMap;
use jiff::Zoned;

use self::chunk::{Chunk, ChunkPosition};
pub use self::settings::FileOutputSettings;
use super::writer::{Sink, Writer};
use crate::mirror::ledger::DropReason;
use crate::recording::{Format, Moment, Record, Recorded, Template, write_gor, write_har, write_json_line};

/// Bytes written at once, roughly; of a compressed file, bytes of a member before compression.
const BATCH: usize = 256 * 1024;
/// Files open at once: more are wanted only where each exchange has its own.
const MAX_OPEN: usize = 64;
/// How long writing rests after it failed.
const REST: Duration = Duration::from_secs(1);

/// Starts the writer. That nothing can be written where the files shall be is known here.
pub(super) fn start(settings: &FileOutputSettings) -> anyhow::Result<Writer> {
    let sink = FileSink::new(settings)?;
    let pairs = (settings.format != Format::Gor).then_some(settings.expected);
    Writer::start("--output-file", sink, settings.queue_bytes, pairs)
}

/// The writer of an `--output-file`: one chunk after the other.
pub(super) struct FileSink {
    settings: FileOutputSettings,
    template: Template,
    /// Eight letters that another run does not have.
    instance: String,
    /// The second of the last record, and the file that it went to.
    current: Option<(jiff::Timestamp, PathBuf)>,
    /// Chunks by their names without a number, the one that was used last behind the others.
    open: LinkedHashMap<PathBuf, Chunk>,
    /// Chunks that get nothing more, and hold what is still to be written.
    finished: Vec<Chunk>,
    /// Bytes written and to be written, before compression.
    total: u64,
    /// Bytes to be written.
    buffered: usize,
    /// When the first of them came.
    since: Option<Instant>,
    /// Until when nothing is tried, because the last write failed.
    resting: Option<Instant>,
    /// Whether it has been said that the limit of all bytes is reached.
    told_limit: bool,
}

impl FileSink {
    pub(super) fn new(settings: &FileOutputSettings) -> anyhow::Result<Self> {
        let template = Template::parse(&settings.template)
            .with_context(|| format!("--output-file '{}'", settings.name))?;
        let mut seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        let letters = (0..8).map(|_| {
            let letter = b'a' + (seed % 26) as u8;
            seed /= 26;
            char::from(letter)
        });
        let sink = Self {
            settings: settings.clone(),
            template,
            instance: letters.collect(),
            current: None,
            open: LinkedHashMap::new(),
            finished: Vec::new(),
            total: 0,
            buffered: 0,
            since: None,
            resting: None,
            told_limit: false,
        };
        chunk::try_to_write(&sink.first_path()).with_context(|| {
            format!(
                "--output-file '{}': cannot write there; name a directory that this user may write to",
                settings.name
            )
        })?;
        Ok(sink)
    }

    /// Where a first record would go.
    fn first_path(&self) -> PathBuf {
        let record = Record {
            kind: crate::mirror::MessageKind::Request,
            id: crate::mirror::MessageId::given(b"0").unwrap_or_else(|| unreachable!()),
            unix: 0,
            latency: 0,
            pod: None,
            head: bytes::Bytes::new(),
            body: bytes::Bytes::new(),
        };
        self.expand(&Zoned::now(), &record)
    }

    fn expand(&self, time: &Zoned, record: &Record) -> PathBuf {
        let moment = Moment {
            time,
            instance: &self.instance,
        };
        self.template.expand(&moment, record)
    }

    /// The file for a record, without a number.
    fn path(&mut self, record: &Record) -> PathBuf {
        let now = jiff::Timestamp::now();
        if self.template.is_of_seconds()
            && let Some((second, path)) = &self.current
            && second.as_second() == now.as_second()
        {
            return path.clone();
        }
        let path = self.expand(&now.to_zoned(jiff::tz::TimeZone::system()), record);
        self.current = Some((now, path.clone()));
        path
    }

    /// The chunk for a record: the one that is open, or the next one.
    fn chunk(&mut self, path: PathBuf) -> &mut Chunk {
        let settings = &self.settings;
        let is_full = |chunk: &Chunk| {
            !settings.append
                && (chunk.size() >= settings.size_limit
                    || (settings.queue_limit > 0 && chunk.records >= settings.queue_limit))
        };
        let mut place = match (settings.append, self.template.is_of_requests()) {
            (true, _) => ChunkPosition::Append,
            (false, true) => ChunkPosition::Number(0),
            (false, false) => ChunkPosition::Next,
        };
        if self.open.get(&path).is_some_and(is_full)
            && let Some(full) = self.open.remove(&path)
        {
            place = full.next();
            self.finished.push(full);
        }
        if self.open.len() >= MAX_OPEN
            && !self.open.contains_key(&path)
            && let Some((_, oldest)) = self.open.pop_front()
        {
            self.finished.push(oldest);
        }
        self.open.to_back(&path);
        let format = self.settings.format;
        let compression = self.settings.compression;
        self.open
            .entry(path.clone())
            .or_insert_with(|| Chunk::new(path, place, format, compression))
    }

    fn write_all(&mut self) -> anyhow::Result<()> {
        for mut chunk in self.finished.drain(..) {
            chunk.write()?;
        }
        for chunk in self.open.values_mut() {
            chunk.write()?;
        }
        Ok(())
    }

    /// After a write that failed: what was written is in good order, and the next record begins a new chunk.
    fn rest(&mut self, error: &anyhow::Error) {
        if self.resting.is_none() {
            tracing::error!(
                error = format!("{error:#}"),
                file = %self.settings.name,
                "cannot write a recording: requests are dropped and counted until writing works again"
            );
        }
        self.resting = Some(Instant::now() + REST);
        self.open.clear();
        self.finished.clear();
        self.current = None;
    }
}

impl Sink for FileSink {
    fn add(&mut self, recorded: &Recorded) -> Result<(), DropReason> {
        if self.resting.is_some_and(|until| Instant::now() < until) {
            return Err(DropReason::WriteError);
        }
        if self.total >= self.settings.max_size {
            if !self.told_limit {
                self.told_limit = true;
                tracing::warn!(
                    file = %self.settings.name,
                    "--output-file-max-size-limit reached: all further records are dropped and counted"
                );
            }
            return Err(DropReason::WriteError);
        }
        let Some(first) = recorded.records().next() else {
            return Ok(());
        };
        let path = self.path(first);
        let format = self.settings.format;
        let chunk = self.chunk(path);
        let before = chunk.buffer.len();
        match format {
            Format::Gor => recorded
                .records()
                .for_each(|record| write_gor(record, &mut chunk.buffer)),
            Format::JsonLines => write_json_line(recorded, &mut chunk.buffer),
            Format::Har => write_har(recorded, &mut chunk.buffer),
        }
        chunk.records += recorded.records().count() as u64;
        let added = chunk.buffer.len() - before;
        self.total += added as u64;
        self.buffered += added;
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn due(&self) -> Option<Instant> {
        let waits = match self.settings.compression {
            crate::recording::Compression::None => Duration::ZERO,
            _ => self.settings.flush_interval,
        };
        self.since.map(|since| since + waits)
    }

    fn is_full(&self) -> bool {
        self.buffered >= BATCH
    }

    fn commit(&mut self) -> Result<(), DropReason> {
        self.since = None;
        let waited = std::mem::take(&mut self.buffered) as u64;
        match self.write_all() {
            Ok(()) => {
                if self.resting.take().is_some() {
                    tracing::info!(file = %self.settings.name, "writing the recording works again");
                }
                Ok(())
            }
            Err(error) => {
                // What is not there takes nothing of what may be written in all.
                self.total = self.total.saturating_sub(waited);
                self.rest(&error);
                Err(DropReason::WriteError)
            }
        }
    }
}

/// The directory of a file, `.` where none is named.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
