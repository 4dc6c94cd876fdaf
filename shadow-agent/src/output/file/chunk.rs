//! One file of a recording, and where it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::directory;
use crate::named_file::is_foreign_link;
use crate::recording::{
    Compression, Format, HAR_FOOTER, HAR_HEADER, SEPARATOR, indexed, last_index, open, torn_end,
};

/// For its owner alone: recordings hold what production's users sent.
const MODE: u32 = 0o600;

/// How long a file that somebody else writes to is waited for; what comes meanwhile waits in the queue.
const MAX_BUSY: Duration = Duration::from_secs(2);
/// How often it is tried.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Where a chunk shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkPosition {
    /// In the file of this very name, behind what is there.
    Append,
    /// Behind the chunks that are there.
    Next,
    /// At this number, or behind the chunks that are there where it is taken.
    Number(u64),
}

/// One file of a recording while it is written.
pub(super) struct Chunk {
    /// Its name without a number.
    base: PathBuf,
    place: ChunkPosition,
    format: Format,
    compression: Compression,
    /// Records encoded and not written.
    pub buffer: Vec<u8>,
    /// Records in it, those in the buffer included.
    pub records: u64,
    file: Option<Written>,
}

/// A file that is open.
struct Written {
    file: Flock<File>,
    path: PathBuf,
    /// Behind the last whole record.
    end: u64,
    /// Whether this run made it.
    is_new: bool,
    /// Whether it can be written anywhere and cut off.
    is_regular: bool,
    number: u64,
}

impl Chunk {
    pub fn new(base: PathBuf, place: ChunkPosition, format: Format, compression: Compression) -> Self {
        Self {
            base,
            place,
            format,
            compression,
            buffer: Vec::new(),
            records: 0,
            file: None,
        }
    }

    /// Bytes in the file, and those to be written.
    pub fn size(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.end) + self.buffer.len() as u64
    }

    /// Where the chunk behind this one shall be.
    pub fn next(&self) -> ChunkPosition {
        match (&self.file, self.place) {
            (Some(file), ChunkPosition::Next | ChunkPosition::Number(_)) => {
                ChunkPosition::Number(file.number + 1)
            }
            (None, ChunkPosition::Number(number)) => ChunkPosition::Number(number + 1),
            (_, place) => place,
        }
    }

    /// Writes what is in the buffer: all of it or nothing.
    pub fn write(&mut self) -> anyhow::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut bytes = std::mem::take(&mut self.buffer);
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut footer = Vec::new();
        if self.format == Format::Har {
            if file.end == 0 {
                // In the place of the comma between two entries.
                bytes.splice(0..1, HAR_HEADER.iter().copied());
            }
            footer = self.compression.encode(HAR_FOOTER.to_vec());
        }
        bytes = self.compression.encode(bytes);
        let length = bytes.len() as u64;
        bytes.extend_from_slice(&footer);
        file.append(&bytes, length)
            .with_context(|| format!("'{}'", file.path.display()))
    }

    fn open(&self) -> anyhow::Result<Written> {
        let directory = directory(&self.base);
        std::fs::create_dir_all(directory).with_context(|| format!("'{}'", directory.display()))?;
        match self.place {
            ChunkPosition::Append => self.open_to_append(),
            ChunkPosition::Number(number) => match self.create(number) {
                Err(error) if is_taken(&error) => self.create_behind_others(),
                created => created,
            },
            ChunkPosition::Next => self.create_behind_others(),
        }
    }

    fn create_behind_others(&self) -> anyhow::Result<Written> {
        loop {
            let mut names = Vec::new();
            for entry in std::fs::read_dir(directory(&self.base))? {
                names.extend(entry?.file_name().into_string());
            }
            let last = last_index(&self.base, names.iter().map(String::as_str));
            let number = last.map_or(Some(0), |last| last.checked_add(1));
            match self.create(number.context("the last file already has the highest number")?) {
                // Another agent was faster.
                Err(error) if is_taken(&error) => {}
                created => return created,
            }
        }
    }

    /// Never through a link, nor over a file that is there.
    fn create(&self, number: u64) -> anyhow::Result<Written> {
        let path = indexed(&self.base, number);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&path);
        let file = file.with_context(|| format!("'{}'", path.display()))?;
        Ok(Written {
            file: alone(file, &path)?,
            path,
            end: 0,
            is_new: true,
            is_regular: true,
            number,
        })
    }

    fn open_to_append(&self) -> anyhow::Result<Written> {
        let path = &self.base;
        if is_foreign_link(path) {
            bail!(
                "'{}' is a symbolic link made by another user in a world-writable directory",
                path.display()
            );
        }
        let is_new = !path.exists();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(path)
            .or_else(|error| match error.kind() {
                // A pipe or a device that cannot be read.
                io::ErrorKind::PermissionDenied if !is_new => OpenOptions::new().write(true).open(path),
                _ => Err(error),
            });
        let file = file.with_context(|| format!("'{}'", path.display()))?;
        let is_regular = file.metadata()?.is_file();
        let mut written = Written {
            file: alone(file, path)?,
            path: path.clone(),
            end: 0,
            is_new,
            is_regular,
            number: 0,
        };
        if is_regular {
            written.end = written.file.metadata()?.len();
            if !self.mend(&mut written)? {
                tracing::warn!(
                    file = %path.display(),
                    "its end is cut off, and nothing appended could be read: starting a new file"
                );
                return self.create_behind_others();
            }
        }
        Ok(written)
    }

    /// Makes sure that what is written next begins a record. `false` where that cannot be.
    fn mend(&self, written: &mut Written) -> anyhow::Result<bool> {
        if written.end == 0 {
            return Ok(true);
        }
        if self.format == Format::Har {
            let footer = self.compression.encode(HAR_FOOTER.to_vec());
            let mut tail = vec![0; footer.len()];
            let start = written.end.saturating_sub(footer.len() as u64);
            let read = written.file.read_exact_at(&mut tail, start);
            if read.is_err() || tail != footer {
                return Ok(false);
            }
            written.end = start;
            return Ok(true);
        }
        let Ok(tail) = content_tail(&written.file, &written.path) else {
            return Ok(false);
        };
        let mending: &[u8] = match self.format {
            Format::JsonLines if tail.ends_with(b"\n") || tail.is_empty() => b"",
            Format::JsonLines => b"\n",
            _ => torn_end(&tail),
        };
        if !mending.is_empty() {
            tracing::warn!(file = %written.path.display(), "its last record is cut off; new records start after it");
            let bytes = self.compression.encode(mending.to_vec());
            written.append(&bytes, bytes.len() as u64)?;
        }
        Ok(true)
    }
}

impl Written {
    /// Writes `bytes` where the last record ends; `length` of them are records.
    fn append(&mut self, bytes: &[u8], length: u64) -> io::Result<()> {
        if !self.is_regular {
            self.file.write_all(bytes)?;
            self.end += length;
            return Ok(());
        }
        let written = self.file.write_all_at(bytes, self.end);
        if written.is_err() {
            // What a full disk took of it would be a record that was cut off. What closes a HAR file had its place there
            // before.
            if self.is_new && self.end == 0 {
                let _ = std::fs::remove_file(&self.path);
            } else {
                let closing = &bytes[length as usize..];
                let _ = self.file.write_all_at(closing, self.end);
                let _ = self.file.set_len(self.end + closing.len() as u64);
            }
        } else {
            self.end += length;
        }
        written
    }
}

fn is_taken(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::AlreadyExists)
}

/// Two agents that write to one file would write over each other's records. The output that a changed setting replaces
/// may still be about to end.
fn alone(mut file: File, path: &Path) -> anyhow::Result<Flock<File>> {
    let deadline = Instant::now() + MAX_BUSY;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => {
                file = back;
                std::thread::sleep(BUSY_PAUSE);
            }
            Err((_, error)) => {
                return Err(error)
                    .with_context(|| format!("'{}': another process is writing to it", path.display()));
            }
        }
    }
}

/// The last bytes of a file's content: as many as a separator has, or all there are.
fn content_tail(file: &File, path: &Path) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    let length = file.metadata()?.len();
    let mut magic = [0; 4];
    let read = file.read_at(&mut magic, 0)?;
    let compressed = matches!(magic[..read], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]);
    if !compressed {
        let start = length.saturating_sub(SEPARATOR.len() as u64);
        tail.resize((length - start) as usize, 0);
        file.read_exact_at(&mut tail, start)?;
        return Ok(tail);
    }
    // To know that it is whole, all of it must be read.
    let mut content = open(File::open(path)?)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(tail),
            read => {
                tail.extend_from_slice(&buffer[..read]);
                tail.drain(..tail.len().saturating_sub(SEPARATOR.len()));
            }
        }
    }
}

/// Fails where no file could be made beside `path`.
pub(super) fn try_to_write(path: &Path) -> anyhow::Result<()> {
    if path
        .metadata()
        .is_ok_and(|file| !file.is_file() && !file.is_dir())
    {
        // A device or a pipe.
        return Ok(());
    }
    let directory = directory(path);
    std::fs::create_dir_all(directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let trial = directory.join(format!(".{name:.100}.{}", std::process::id()));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&trial);
    made?;
    std::fs::remove_file(&trial)?;
    Ok(())
}
