//! TCP segments from a capture file, pcap or pcapng.
//!
//! Blocking and streaming: meant for a thread of its own, holds one packet at a time. Every packet of the
//! file ends in one of the [`FileCounters`].

use std::io::Read;

use shadow_tcp::Segment;
use shadow_tls::SecretStore;

use super::frames::{FileCounters, Frames};
use super::key_log::KeyLogReader;
use super::pcap_error::PcapError;
use super::pcap_format::CaptureReader;
use super::settings::VlanScope;

/// Segments of one capture in either format.
#[derive(Debug)]
pub struct PcapReader<R> {
    capture: CaptureReader<R>,
    frames: Frames,
}

impl<R: Read> PcapReader<R> {
    /// Reads a capture's header. `ports` are the servers' ports; with none, every TCP connection is taken and its server found
    /// by itself (see `pcap_server`). Packets to clients are passed over unless `watch_responses`.
    ///
    /// # Errors
    ///
    /// Where it is no capture file.
    pub fn new(reader: R, ports: &[u16], watch_responses: bool) -> Result<Self, PcapError> {
        Ok(Self {
            capture: CaptureReader::new(reader)?,
            frames: Frames::new(ports.to_owned(), watch_responses),
        })
    }

    /// The same, of which only packets with these VLAN tags are taken.
    #[must_use]
    pub fn with_vlans(mut self, vlans: &VlanScope) -> Self {
        self.frames.vlans = vlans.clone();
        self
    }

    /// The same, whose secrets of TLS (pcapng's decryption secrets blocks) go to `secrets`.
    #[must_use]
    pub fn with_secrets(self, secrets: &SecretStore) -> Self {
        let keys = Some(KeyLogReader::new(secrets.clone()));
        Self {
            capture: self.capture.with_keys(keys),
            ..self
        }
    }

    /// The next segment; `None` at the end of the file. After an error, nothing more can be read.
    ///
    /// # Errors
    ///
    /// Where the file is corrupt or cannot be read; what came before has been returned.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_>>, PcapError> {
        if let Some(fin) = self.frames.late_fin() {
            return Ok(Some(fin));
        }
        while let Some(captured) = self.capture.next()? {
            let frame = captured.data.start;
            let bytes = self.capture.bytes(captured.data);
            let taken = self
                .frames
                .take(captured.link, bytes, captured.original_len, captured.time);
            if let Some((segment, payload)) = taken {
                let payload = frame + payload.start..frame + payload.end;
                return Ok(Some(Segment {
                    payload: self.capture.bytes(payload),
                    ..segment
                }));
            }
        }
        self.frames.counters.torn_bytes = self.capture.torn_bytes();
        Ok(None)
    }

    /// The counts so far.
    pub fn counters(&self) -> FileCounters {
        self.frames.counters
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.capture.offset()
    }
}

#[cfg(test)]
#[path = "pcap_corrupt_tests.rs"]
mod corrupt_tests;
#[cfg(test)]
#[path = "pcap_test_files.rs"]
pub(super) mod pcap_test_files;
#[cfg(test)]
#[path = "pcap_secrets_tests.rs"]
mod secrets_tests;
#[cfg(test)]
#[path = "pcap_tests.rs"]
mod tests;
