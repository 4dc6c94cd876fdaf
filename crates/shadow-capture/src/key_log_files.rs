//! NSS key log files and FIFOs, followed while programs write to them.
//!
//! A file is read from its beginning, and then looked at fifty times a second for more. One that is truncated is read from its
//! beginning again, and one that was put in its place is read once all of the old one was. It need not be there yet.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use shadow_core::named_file;
use shadow_tls::SecretStore;
use tracing::warn;
use zeroize::Zeroize as _;

use super::key_log::KeyLogReader;

/// How often files are looked at: a record that waits for its secret is not held for longer than it has to be.
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes read at once: some 300 lines.
const PIECE: usize = 1 << 16;

/// Key logs that are followed. They are until this is dropped.
#[derive(Debug)]
pub struct KeyLogFiles {
    ends: Arc<AtomicBool>,
    counts: Arc<Mutex<KeyLogReport>>,
    thread: Option<JoinHandle<()>>,
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
    /// Reads what is in the files now, and follows them on a thread of its own, which `prepare` is run on first.
    ///
    /// # Errors
    ///
    /// When one of them is there and cannot be read, or is neither a file nor a FIFO.
    pub fn follow(paths: &[PathBuf], store: &SecretStore, prepare: fn()) -> io::Result<Self> {
        let mut logs = Vec::with_capacity(paths.len());
        for path in paths {
            let mut log = Log::new(path.clone(), store.clone());
            log.open()?;
            log.read_all()?;
            logs.push(log);
        }
        let ends = Arc::new(AtomicBool::new(false));
        let counts = Arc::new(Mutex::new(report(&logs)));
        let (told, tell) = (Arc::clone(&ends), Arc::clone(&counts));
        let thread = std::thread::Builder::new()
            .name("key-logs".to_owned())
            .spawn(move || {
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
        report.secrets += log.counts.secrets + log.reader.counts().secrets;
        report.bad_lines += log.counts.bad_lines + log.reader.counts().bad;
    }
    report
}

/// One key log.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    store: SecretStore,
    reader: KeyLogReader,
    /// Counts of files that were read before, at this path.
    counts: KeyLogReport,
    file: Option<File>,
    /// Bytes of the file that were read.
    offset: u64,
    /// That something is wrong with it was said already.
    said: bool,
    piece: Vec<u8>,
}

impl Log {
    fn new(path: PathBuf, store: SecretStore) -> Self {
        Self {
            path,
            reader: KeyLogReader::new(store.clone()),
            store,
            counts: KeyLogReport::default(),
            file: None,
            offset: 0,
            said: false,
            piece: vec![0; PIECE],
        }
    }

    /// Opens it, if it is there.
    fn open(&mut self) -> io::Result<()> {
        let file = match named_file::open_file_or_pipe(&self.path) {
            Ok((file, _)) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        self.counts = report(std::slice::from_ref(self));
        self.reader = KeyLogReader::new(self.store.clone());
        self.file = Some(file);
        self.offset = 0;
        Ok(())
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
        if self.file.is_none() {
            self.open()?;
        }
        self.read_all()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        let now = file.metadata()?;
        if now.file_type().is_fifo() {
            return Ok(());
        }
        match self.path.metadata() {
            Ok(at_path) if !is_same(&at_path, &now) => {
                // What was written to the old one meanwhile was read above, and is no more than what stands there.
                self.reader.end();
                self.open()?;
                self.read_all()
            }
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ if now.len() < self.offset => {
                file.rewind()?;
                self.reader.end();
                self.offset = 0;
                self.read_all()
            }
            _ => Ok(()),
        }
    }

    /// Reads all that is there now.
    fn read_all(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        loop {
            match file.read(&mut self.piece) {
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
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
#[path = "key_log_files_tests.rs"]
mod tests;
