//! The records of several files in the order of their times.
//!
//! A file is read once its first record is the earliest there is; from then on so many of its records as
//! `--input-file-read-depth` says are held, and the earliest of them goes first. So the chunks of one recording are read
//! one behind the other, however many they are.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::Context;

use crate::input::FileInputSettings;
use crate::input::Progress;
use crate::named_file::{self, Pipe};
use crate::recording::{GorReader, HarReader, Opened, Passed, Record, foreign, open, without_records};

/// Counts of records read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Records handed on.
    pub records: u64,
    /// Those with a time before that of a record handed on earlier.
    pub out_of_order: u64,
    /// Unreadable parts that were skipped.
    pub passed: Passed,
    /// Files whose end is not there, or cannot be read.
    pub cut_off: u64,
}

/// The records of several files, merged by time.
pub(super) struct Merge {
    files: Vec<Waiting>,
    /// Time of the earliest record of each file, with the file's index.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    open: BTreeMap<usize, Reading>,
    depth: usize,
    max_record: usize,
    latest: u64,
    counts: Counts,
    progress: Arc<Progress>,
}

/// Files that are kept open from the start. They are opened while root may still read everything, and read when it may not
/// any more; of more files than these each is opened when its turn comes, for descriptors, too, have a bound.
const MAX_KEPT: usize = 512;

/// A file that was looked into.
struct Waiting {
    path: PathBuf,
    /// Kept open, where it is one of the first, or a pipe.
    file: Option<File>,
    /// Whether it is a pipe: it is read once, as it is written, and nothing of it is read ahead.
    is_pipe: bool,
    /// The time of its first record; `None` where it has none.
    first: Option<u64>,
    /// Whether it was said what could not be read of it: a recording may be repeated for ever.
    told: bool,
}

/// A file that is read.
struct Reading {
    reader: Reader,
    /// Records read ahead, by their time and number.
    window: BTreeMap<(u64, u64), Record>,
    bytes: usize,
    number: u64,
    ended: bool,
    is_pipe: bool,
}

enum Reader {
    Gor(GorReader<Opened>),
    Har(HarReader<Opened>),
}

impl Merge {
    /// Opens each file and reads its first record.
    pub fn open(settings: &FileInputSettings) -> anyhow::Result<Self> {
        let mut files = Vec::with_capacity(settings.files.len());
        let mut total = 0;
        for (index, path) in settings.files.iter().enumerate() {
            let opened = named_file::open_file_or_pipe(path);
            let (file, metadata) = opened.with_context(|| format!("'{}'", path.display()))?;
            if !metadata.is_file() {
                anyhow::ensure!(
                    !settings.repeat,
                    "'{}' is a pipe, which cannot be read again: remove --input-file-loop",
                    path.display()
                );
                files.push(Waiting {
                    path: path.clone(),
                    file: Some(file),
                    is_pipe: true,
                    first: Some(0),
                    told: false,
                });
                continue;
            }
            total += metadata.len();
            let kept = (index < MAX_KEPT).then(|| file.try_clone()).transpose()?;
            let (reader, start) = Reader::new(file, settings.max_record, index)
                .with_context(|| format!("'{}'", path.display()))?;
            let first = first_record(reader, &start)
                .with_context(|| format!("'{}' is not a recording", path.display()))?;
            files.push(Waiting {
                path: path.clone(),
                file: kept,
                is_pipe: false,
                first,
                told: false,
            });
        }
        if let [only] = &files[..] {
            let nothing = || {
                format!(
                    "'{}' is not a recording: {}",
                    only.path.display(),
                    without_records(b"")
                )
            };
            anyhow::ensure!(only.first.is_some(), nothing());
        }
        anyhow::ensure!(
            files.iter().any(|file| file.first.is_some()),
            "there is no request in any of the files of '{}': all are empty",
            settings.pattern
        );
        let mut merge = Self {
            files,
            heads: BinaryHeap::new(),
            open: BTreeMap::new(),
            depth: settings.read_depth,
            max_record: settings.max_record,
            latest: 0,
            counts: Counts::default(),
            progress: Arc::new(Progress {
                total,
                read: AtomicU64::new(0),
            }),
        };
        merge.restart();
        Ok(merge)
    }

    /// Begins at the first record again.
    pub fn restart(&mut self) {
        self.latest = 0;
        self.open.clear();
        let first = |(index, file): (usize, &Waiting)| file.first.map(|first| Reverse((first, index)));
        self.heads = self.files.iter().enumerate().filter_map(first).collect();
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Whether some of it comes by a pipe.
    pub fn has_pipe(&self) -> bool {
        self.files.iter().any(|file| file.is_pipe)
    }

    /// The earliest record; `None` behind the last.
    pub fn next_record(&mut self) -> Option<Record> {
        loop {
            let Reverse((_, index)) = self.heads.pop()?;
            let record = if let Some(reading) = self.open.get_mut(&index) {
                reading.take()
            } else {
                let reading = self.begin(index);
                self.open.insert(index, reading);
                None
            };
            match &record {
                // The next one is waited for when it is its turn.
                Some(record) if self.files[index].is_pipe => self.heads.push(Reverse((record.unix, index))),
                _ => self.fill(index),
            }
            if let Some(record) = record {
                self.counts.records += 1;
                self.counts.out_of_order += u64::from(record.unix < self.latest);
                self.latest = self.latest.max(record.unix);
                return Some(record);
            }
        }
    }

    fn begin(&mut self, index: usize) -> Reading {
        let Waiting {
            path, file, is_pipe, ..
        } = &mut self.files[index];
        let is_pipe = *is_pipe;
        let opened = if is_pipe {
            let pipe = file.take().ok_or(io::ErrorKind::NotFound.into());
            pipe.and_then(|pipe| Ok(Reader::new(Pipe::new(pipe), self.max_record, index)?.0))
        } else {
            again(path, file.as_ref()).and_then(|file| {
                let counted = Counted {
                    file,
                    progress: self.progress.clone(),
                };
                Ok(Reader::new(counted, self.max_record, index)?.0)
            })
        };
        Reading {
            is_pipe,
            ended: opened.is_err(),
            reader: opened.unwrap_or_else(|error| {
                self.counts.cut_off += 1;
                tracing::error!(%error, file = %path.display(), "cannot read a recording any further");
                Reader::nothing()
            }),
            window: BTreeMap::new(),
            bytes: 0,
            number: 0,
        }
    }

    /// Reads ahead, and notes the earliest of what is held. A file that has ended and holds nothing is closed.
    fn fill(&mut self, index: usize) {
        let Some(reading) = self.open.get_mut(&index) else {
            return;
        };
        let depth = if reading.is_pipe { 1 } else { self.depth.max(1) };
        // Also bounded in bytes: one record of the largest size, or many small ones.
        while !reading.ended && reading.window.len() < depth && reading.bytes < self.max_record {
            match reading.reader.next_record() {
                Ok(Some(record)) => {
                    reading.bytes += record.size();
                    reading.window.insert((record.unix, reading.number), record);
                    reading.number += 1;
                }
                ended => {
                    reading.ended = true;
                    note_end(
                        &mut self.files[index],
                        &reading.reader,
                        ended.err().as_ref(),
                        &mut self.counts,
                    );
                }
            }
        }
        match reading.window.keys().next() {
            Some((time, _)) => self.heads.push(Reverse((*time, index))),
            None => {
                self.open.remove(&index);
            }
        }
    }
}

/// The file from its start on. One that is kept open is read by one reader at a time: clones share their place in it.
fn again(path: &Path, kept: Option<&File>) -> io::Result<File> {
    match kept {
        None => named_file::open(path),
        Some(file) => {
            let mut file = file.try_clone()?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        }
    }
}

/// Counts what a file had that could not be read, and says it once.
fn note_end(of: &mut Waiting, reader: &Reader, error: Option<&io::Error>, counts: &mut Counts) {
    let passed = reader.passed();
    counts.passed.malformed += passed.malformed;
    counts.passed.too_large += passed.too_large;
    counts.passed.like_separators += passed.like_separators;
    counts.cut_off += u64::from(passed.unterminated.is_some() || error.is_some());
    if std::mem::replace(&mut of.told, true) {
        return;
    }
    let file = of.path.display();
    if let Some((offset, why)) = passed.first {
        let in_all = passed.malformed + passed.too_large;
        tracing::warn!(%file, offset, in_all, "skipped in a recording: {why}");
    }
    if let Some(behind) = passed.first_like_separator {
        let in_all = passed.like_separators;
        tracing::warn!(
            %file, behind, in_all,
            "a record separator without a record after it: treated as part of a message"
        );
    }
    if let Some(error) = error {
        let offset = reader.offset();
        tracing::warn!(%file, offset, %error, "cannot read the rest of a recording");
    } else if let Some(offset) = passed.unterminated {
        tracing::warn!(%file, offset, "the last record has no terminator: it may be cut off");
    }
}

impl Reading {
    fn take(&mut self) -> Option<Record> {
        let (_, record) = self.window.pop_first()?;
        self.bytes -= record.size();
        Some(record)
    }
}

/// The time of the first record of a file that begins with `start`; `None` where the file has none and is none but empty. Fails
/// where it is something else.
fn first_record(mut reader: Reader, start: &[u8]) -> anyhow::Result<Option<u64>> {
    if let Some(what) = foreign(start) {
        anyhow::bail!(what);
    }
    match reader.next_record() {
        Ok(Some(record)) => Ok(Some(record.unix)),
        Ok(None) if *reader.passed() != Passed::default() => anyhow::bail!(without_records(start)),
        // A HAR file may have no entries.
        Ok(None) => Ok(matches!(reader, Reader::Har(_)).then_some(0)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData && matches!(reader, Reader::Har(_)) => {
            Err(error.into())
        }
        // Said, and counted, when its turn comes.
        Err(error) => {
            tracing::debug!(%error, "cannot read the first record");
            Ok(Some(0))
        }
    }
}

impl Reader {
    /// Tells by the first bytes what it is, and gives those too; `index` of the file keeps the names of its entries apart from
    /// others'.
    fn new(file: impl Read + Send + 'static, max_record: usize, index: usize) -> io::Result<(Self, Vec<u8>)> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        let mut content = open(file)?;
        let start = match content.fill_buf() {
            Ok(start) => start[..start.len().min(1024)].to_vec(),
            // Said when its records are read.
            Err(_) => Vec::new(),
        };
        let text = start.strip_prefix(MARK).unwrap_or(&start);
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        let reader = if first == Some(&b'{') {
            Self::Har(HarReader::new(content, max_record, (index as u64) << 40))
        } else {
            // With the mark of UTF-8 that some editors put first.
            content.consume(start.len() - text.len());
            Self::Gor(GorReader::new(content, max_record))
        };
        Ok((reader, start))
    }

    fn nothing() -> Self {
        Self::Gor(GorReader::new(Opened::new(Box::new(io::empty())), 0))
    }

    fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Self::Gor(reader) => reader.next_record(),
            Self::Har(reader) => reader.next_record(),
        }
    }

    fn passed(&self) -> &Passed {
        match self {
            Self::Gor(reader) => reader.passed(),
            Self::Har(reader) => reader.passed(),
        }
    }

    fn offset(&self) -> u64 {
        match self {
            Self::Gor(reader) => reader.offset(),
            Self::Har(reader) => reader.offset(),
        }
    }
}

/// A file whose bytes are counted while they are read.
struct Counted {
    file: File,
    progress: Arc<Progress>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.progress.read.fetch_add(read as u64, Relaxed);
        Ok(read)
    }
}
