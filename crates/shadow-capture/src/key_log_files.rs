//! NSS key log files and FIFOs, followed while programs write to them.
//!
//! A file is read from its beginning, and then looked at fifty times a second for more. One that is truncated is read from its
//! beginning again, and one that was put in its place is read as well as the old one, which programs may go on writing to for a
//! while. It need not be there yet.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use shadow_core::{named_file, privileges};
use shadow_tls::SecretStore;
use tracing::warn;
use zeroize::Zeroize as _;

use super::key_log::KeyLogReader;

/// How often files are looked at: a record that waits for its secret is not held for longer than it has to be.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a file is followed that another was put in the place of.
const FORMER: Duration = Duration::from_mins(1);

/// Bytes read at once: some 300 lines.
const PIECE: usize = 1 << 16;

/// Key logs that are followed. They are until this is dropped.
#[derive(Debug)]
pub struct KeyLogFiles {
    ends: Arc<AtomicBool>,
    counts: Arc<Mutex<KeyLogReport>>,
    thread: Option<JoinHandle<Option<()>>>,
}

/// Counts over all key logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyLogReport {
    /// Secrets read.
    pub secrets: u64,
    /// Lines that are none of a key log.
    pub bad_lines: u64,
}

impl KeyLogFiles {
    /// Reads what is in the files now, and follows them on a thread of its own, which `prepare` is run on first. It has no
    /// capabilities: a file that comes later must be readable without.
    ///
    /// # Errors
    ///
    /// When one of them is there and cannot be read, or is neither a file nor a FIFO.
    pub fn follow(paths: &[PathBuf], store: &SecretStore, prepare: fn()) -> io::Result<Self> {
        let mut logs = Vec::with_capacity(paths.len());
        for path in paths {
            let mut log = Log::new(path.clone(), store.clone());
            log.open()?;
            logs.push(log);
        }
        let ends = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(report(&logs)));
        let (told, tell) = (Arc::clone(&ends), Arc::clone(&counts));
        let thread = privileges::thread("key-logs", &[], move || {
            prepare();
            while !told.load(Relaxed) {
                std::thread::park_timeout(PAUSE);
                for log in &mut logs {
                    log.look();
                }
                *tell.lock().unwrap_or_else(PoisonError::into_inner) = report(&logs);
            }
        })?;
        Ok(Self {
            ends,
            counts,
            thread: Some(thread),
        })
    }

    /// Counts so far.
    pub fn counts(&self) -> KeyLogReport {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeyLogFiles {
    fn drop(&mut self) {
        self.ends.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn report(logs: &[Log]) -> KeyLogReport {
    let mut report = KeyLogReport::default();
    for log in logs {
        report.add(log.ended);
        for open in log.open.iter().chain(log.former.iter().map(|(open, _)| open)) {
            report.add(open.counts());
        }
    }
    report
}

impl KeyLogReport {
    fn add(&mut self, other: Self) {
        self.secrets += other.secrets;
        self.bad_lines += other.bad_lines;
    }
}

/// One key log.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    store: SecretStore,
    /// The file that is at the path.
    open: Option<Open>,
    /// The one that was there before, and since when it is not.
    former: Option<(Open, Instant)>,
    /// Counts of those that are not followed any more.
    ended: KeyLogReport,
    /// That something is wrong with it was said already.
    said: bool,
}

impl Log {
    fn new(path: PathBuf, store: SecretStore) -> Self {
        Self {
            path,
            store,
            open: None,
            former: None,
            ended: KeyLogReport::default(),
            said: false,
        }
    }

    /// Looks for more, and says once what is wrong with it.
    fn look(&mut self) {
        match self.go_on() {
            Ok(()) => self.said = false,
            Err(error) if !self.said => {
                self.said = true;
                warn!(file = %self.path.display(), %error, "cannot read the TLS key log");
            }
            Err(_) => {}
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        if let Some((former, since)) = &mut self.former {
            former.read_all()?;
            if since.elapsed() > FORMER {
                self.end_former();
            }
        }
        let Some(open) = &mut self.open else {
            return self.open();
        };
        open.read_all()?;
        let now = open.file.metadata()?;
        if now.file_type().is_fifo() {
            return Ok(());
        }
        match self.path.metadata() {
            Ok(at_path) if !is_same(&at_path, &now) => {
                self.end_former();
                self.former = self.open.take().map(|open| (open, Instant::now()));
                self.open()
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ if now.len() < open.offset => open.begin_again(),
            _ => Ok(()),
        }
    }

    /// Opens it, and reads what is there, if it is.
    fn open(&mut self) -> io::Result<()> {
        let file = match named_file::open_file_or_pipe(&self.path) {
            Ok((file, _)) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let open = Open {
            file,
            reader: KeyLogReader::new(self.store.clone()),
            offset: 0,
            piece: vec![0; PIECE],
        };
        self.open.insert(open).read_all()
    }

    fn end_former(&mut self) {
        if let Some((mut former, _)) = self.former.take() {
            former.reader.end();
            self.ended.add(former.counts());
        }
    }
}

/// A file that is followed.
#[derive(Debug)]
struct Open {
    file: File,
    reader: KeyLogReader,
    /// Bytes of it that were read.
    offset: u64,
    piece: Vec<u8>,
}

impl Open {
    fn counts(&self) -> KeyLogReport {
        let counts = self.reader.counts();
        KeyLogReport {
            secrets: counts.secrets,
            bad_lines: counts.bad,
        }
    }

    /// Reads all that is there now.
    fn read_all(&mut self) -> io::Result<()> {
        loop {
            match self.file.read(&mut self.piece) {
                Ok(0) => return Ok(()),
                Ok(got) => {
                    self.offset += got as u64;
                    self.reader.read(&self.piece[..got]);
                    self.piece[..got].zeroize();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// It was truncated.
    fn begin_again(&mut self) -> io::Result<()> {
        self.reader.end();
        self.file.rewind()?;
        self.offset = 0;
        self.read_all()
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
#[path = "key_log_files_tests.rs"]
mod tests;
