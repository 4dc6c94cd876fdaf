//! Segments from capture files that are one capture: the files of a rotation (`tcpdump -C -W`, rings of `dumpcap`), whatever they
//! are called.
//!
//! Packets come in the order of their times: a file is opened when its first packet is due, so that of a rotation one is open at a
//! time, and files whose times overlap are read side by side. A connection goes on from one file into the next, and its server
//! is remembered. Blocking and streaming, as [`super::PcapReader`].

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use shadow_core::named_file;
use shadow_core::time::Timestamp;
use shadow_tcp::Segment;
use shadow_tls::SecretStore;

use super::frames::{FileCounters, Frames};
use super::key_log::KeyLogReader;
use super::pcap_error::PcapError;
use super::pcap_format::CaptureReader;
use super::pcap_input::Packet;
use super::settings::VlanScope;

/// Files that are read side by side: more at one time are no rotation, and are read one behind the other.
const MAX_OPEN: usize = 64;

/// The bytes of a capture file, read forward.
pub type Content = Box<dyn Read + Send>;

/// How a file is read: whoever does knows of compression.
pub type Unpack = fn(File) -> io::Result<Content>;

/// Files that are kept open from the start. They are opened while root may still read everything, and read when it may not any
/// more; of more files than these each is opened when its turn comes, for descriptors, too, have a bound.
const MAX_KEPT: usize = 512;

/// A source of segments from capture files that form one capture.
pub struct PcapFiles {
    unpack: Unpack,
    /// Files that are not read yet, by the time of their first packet, the earliest last.
    waiting: Vec<Waiting>,
    reading: Vec<Reading>,
    /// Which of those had the packet that was handed on last.
    latest: Option<usize>,
    /// Whether errors say which file it is.
    many: bool,
    frames: Frames,
    /// Where the files' secrets of TLS go.
    secrets: Option<SecretStore>,
    /// Whether there were any in front of the packets.
    has_secrets: bool,
}

/// A file that was looked into.
struct Waiting {
    first: Timestamp,
    path: PathBuf,
    /// Kept open, where it is one of the first.
    file: Option<File>,
}

/// A file that is read, and its next packet.
struct Reading {
    path: PathBuf,
    capture: CaptureReader<Content>,
    next: Packet,
}

impl PcapFiles {
    /// Looks into each file for its first packet. `ports` and `watch_responses` are those of
    /// [`PcapReader::new`](super::PcapReader::new). Secrets of TLS that a file has (pcapng's decryption secrets blocks) go to
    /// `secrets`, if that is given. Those in front of a file's first packet are there when this returns; if there are any, what
    /// servers send is handed on as well, for the handshakes in it.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read, or is no capture.
    pub fn open(
        paths: &[PathBuf],
        ports: &[u16],
        watch_responses: bool,
        unpack: Unpack,
        secrets: Option<&SecretStore>,
    ) -> Result<Self, PcapError> {
        let mut files = Self {
            unpack,
            waiting: Vec::with_capacity(paths.len()),
            reading: Vec::new(),
            latest: None,
            many: paths.len() > 1,
            frames: Frames::new(ports.to_owned(), watch_responses),
            secrets: secrets.cloned(),
            has_secrets: false,
        };
        let inserted = || secrets.map_or(0, |secrets| secrets.counts().inserted);
        let before = inserted();
        for (index, path) in paths.iter().enumerate() {
            let file = opened(path)?;
            let kept = (index < MAX_KEPT).then(|| file.try_clone()).transpose();
            let kept = kept.map_err(|source| PcapError::Open {
                path: path.clone(),
                source,
            })?;
            match files.begin(path.clone(), file) {
                Ok(Some(reading)) => files.waiting.push(Waiting {
                    first: reading.next.time,
                    path: reading.path,
                    file: kept,
                }),
                Ok(None) => {}
                // The newest file of a rotation may be empty still.
                Err(PcapError::TooShort { bytes }) if files.many => {
                    tracing::warn!(file = %path.display(), bytes, "a capture file ends inside its header: it \
                        contains no packets");
                }
                Err(error) => return Err(files.of(path, error)),
            }
        }
        files.has_secrets = inserted() > before;
        files.frames.watch_responses |= files.has_secrets;
        files
            .waiting
            .sort_by(|a, b| (b.first, &b.path).cmp(&(a.first, &a.path)));
        Ok(files)
    }

    /// Whether a file has secrets of TLS in front of its packets.
    pub fn has_secrets(&self) -> bool {
        self.has_secrets
    }

    /// The same, of which only packets with these VLAN tags are taken.
    #[must_use]
    pub fn with_vlans(mut self, vlans: &VlanScope) -> Self {
        self.frames.vlans = vlans.clone();
        self
    }

    /// The next segment; `None` at the end of the last file. After an error, nothing more can be read.
    ///
    /// # Errors
    ///
    /// Where a file is corrupt or cannot be read: the error names it.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_>>, PcapError> {
        if let Some(fin) = self.frames.late_fin() {
            return Ok(Some(fin));
        }
        loop {
            self.go_on()?;
            let Some(index) = self.earliest()? else {
                return Ok(None);
            };
            self.latest = Some(index);
            let Reading { capture, next, .. } = &self.reading[index];
            let frame = next.data.start;
            let bytes = capture.bytes(next.data.clone());
            let taken = self.frames.take(next.link, bytes, next.original_len, next.time);
            if let Some((segment, payload)) = taken {
                let payload = frame + payload.start..frame + payload.end;
                return Ok(Some(Segment {
                    payload: self.reading[index].capture.bytes(payload),
                    ..segment
                }));
            }
        }
    }

    /// The counts so far, of all files.
    pub fn counters(&self) -> FileCounters {
        self.frames.counters
    }

    /// Goes on behind the packet that was handed on last.
    fn go_on(&mut self) -> Result<(), PcapError> {
        let Some(index) = self.latest.take() else {
            return Ok(());
        };
        let reading = &mut self.reading[index];
        match reading.capture.next() {
            Ok(Some(packet)) => reading.next = packet,
            Ok(None) => {
                let reading = self.reading.swap_remove(index);
                self.frames.counters.torn_bytes += reading.capture.torn_bytes();
            }
            Err(error) => {
                let path = reading.path.clone();
                return Err(self.of(&path, error));
            }
        }
        Ok(())
    }

    /// Which of the open files has the earliest packet, once those that are due are open.
    fn earliest(&mut self) -> Result<Option<usize>, PcapError> {
        loop {
            let times = self.reading.iter().map(|reading| reading.next.time).enumerate();
            let earliest = times.min_by_key(|(_, time)| *time);
            let due = |waiting: &mut Waiting| {
                earliest.is_none_or(|(_, time)| waiting.first <= time) && self.reading.len() < MAX_OPEN
            };
            let Some(Waiting { path, file, .. }) = self.waiting.pop_if(due) else {
                return Ok(earliest.map(|(index, _)| index));
            };
            let file = match file {
                Some(mut file) => match file.rewind() {
                    Ok(()) => file,
                    Err(source) => return Err(PcapError::Open { path, source }),
                },
                None => opened(&path)?,
            };
            match self.begin(path.clone(), file) {
                Ok(reading) => self.reading.extend(reading),
                Err(error) => return Err(self.of(&path, error)),
            }
        }
    }

    /// Reads a file's first packet; `None` where it has none: what it has is counted.
    fn begin(&mut self, path: PathBuf, file: File) -> Result<Option<Reading>, PcapError> {
        let content = match (self.unpack)(file) {
            Ok(content) => content,
            Err(source) => return Err(PcapError::Open { path, source }),
        };
        let keys = self.secrets.clone().map(KeyLogReader::new);
        let mut capture = CaptureReader::new(content)?.with_keys(keys);
        let Some(next) = capture.next()? else {
            self.frames.counters.torn_bytes += capture.torn_bytes();
            return Ok(None);
        };
        Ok(Some(Reading { path, capture, next }))
    }

    fn of(&self, path: &Path, error: PcapError) -> PcapError {
        if !self.many || matches!(error, PcapError::Open { .. }) {
            return error;
        }
        PcapError::Of {
            path: path.to_owned(),
            error: Box::new(error),
        }
    }
}

fn opened(path: &Path) -> Result<File, PcapError> {
    named_file::open(path).map_err(|source| PcapError::Open {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
#[path = "pcap_files_tests.rs"]
mod tests;
