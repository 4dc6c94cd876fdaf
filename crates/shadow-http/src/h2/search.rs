//! Looks for a place at which a frame begins, behind a hole that took where they do.
//!
//! A frame header is proved by the one behind it: both have a type, a length, flags and a stream as its type has them and as
//! this connection may, and the second stands where the length of the first says. Nothing is kept but where the next header
//! of each candidate is expected. Two of them hardly stand so by chance; whoever writes a body can of course put
//! frames into it, so what is read behind a found place is as trustworthy as its client.

use shadow_tcp::Chunk;

use super::frame::{END_HEADERS, FrameHeader, HEADER, Kind};
use super::limits::MAX_CANDIDATES;

/// Headers in a row that prove the first.
const PROOF: u32 = 2;
/// Streams opened in frames that are passed over for the proof.
const MAX_OPENED: usize = 4;

/// A search under way.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// Bytes passed over so far.
    position: u64,
    tail: [u8; HEADER - 1],
    tail_length: usize,
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    first: u64,
    next: u64,
    headers: u32,
    /// The stream whose header block goes on.
    block: Option<u32>,
    opened: Vec<u32>,
}

enum Followed {
    /// Its next header has not come.
    Pending,
    Dead,
    /// The header at this place is a proved one.
    Proved(u64),
}

impl Candidate {
    /// Where the next frame begins, if that is proved and between these places.
    fn proved_next(&self, from: u64, to: u64) -> Option<u64> {
        let is_proved = self.headers >= PROOF && self.block.is_none();
        (is_proved && (from..=to).contains(&self.next)).then_some(self.next)
    }
}

impl Search {
    /// Bytes are missing before the next.
    pub fn start_over(&mut self) {
        self.candidates.clear();
        self.tail_length = 0;
    }

    /// How many bytes of the chunk are in front of a frame header that is proved, and the streams opened in frames before
    /// it that were passed over for the proof.
    pub fn step(
        &mut self,
        chunk: &Chunk<'_>,
        max_frame: u32,
        knows: &impl Fn(&FrameHeader) -> bool,
    ) -> Option<(usize, Vec<u32>)> {
        let bytes = chunk.bytes;
        let is_frame =
            |header: &FrameHeader| header.is_plain() && header.length <= max_frame && knows(header);
        let mut candidates = std::mem::take(&mut self.candidates);
        let mut found = None;
        candidates.retain_mut(|candidate| match self.follow(candidate, bytes, &is_frame) {
            Followed::Pending => true,
            Followed::Dead => false,
            Followed::Proved(at) => {
                found.get_or_insert((at, std::mem::take(&mut candidate.opened)));
                false
            }
        });
        let start = self.position - self.tail_length as u64;
        let end = (self.position + bytes.len() as u64).saturating_sub(HEADER as u64 - 1);
        for at in start..end {
            if found.is_some() {
                break;
            }
            if !self.header_at(at, bytes).is_some_and(|header| is_frame(&header)) {
                continue;
            }
            let mut candidate = Candidate {
                first: at,
                next: at,
                headers: 0,
                block: None,
                opened: Vec::new(),
            };
            match self.follow(&mut candidate, bytes, &is_frame) {
                Followed::Pending if candidates.len() < MAX_CANDIDATES => candidates.push(candidate),
                Followed::Proved(at) => found = Some((at, candidate.opened)),
                _ => {}
            }
        }
        if let Some((at, opened)) = found {
            return Some(((at - self.position) as usize, opened));
        }
        self.candidates = candidates;
        self.keep_tail(bytes);
        None
    }

    fn follow(
        &self,
        candidate: &mut Candidate,
        bytes: &[u8],
        is_frame: &impl Fn(&FrameHeader) -> bool,
    ) -> Followed {
        let end = self.position + bytes.len() as u64;
        if let Some(next) = candidate.proved_next(self.position, end) {
            return Followed::Proved(next);
        }
        while candidate.next + HEADER as u64 <= end {
            let at = candidate.next;
            let Some(header) = self.header_at(at, bytes).filter(is_frame) else {
                return Followed::Dead;
            };
            let fits = match candidate.block {
                Some(stream) => header.kind == Kind::Continuation && header.stream == stream,
                None => header.kind != Kind::Continuation,
            };
            if !fits {
                return Followed::Dead;
            }
            candidate.headers += 1;
            // Inside a block nothing can be read; and what was passed over does not come again.
            if candidate.headers >= PROOF && candidate.first >= self.position {
                candidate.opened.clear();
                return Followed::Proved(candidate.first);
            }
            if candidate.headers >= PROOF && candidate.block.is_none() && at >= self.position {
                return Followed::Proved(at);
            }
            if matches!(
                header.kind,
                Kind::Headers | Kind::PushPromise | Kind::Continuation
            ) {
                let ends = header.flags & END_HEADERS != 0;
                candidate.block = (!ends).then_some(header.stream);
            }
            if header.kind == Kind::Headers && candidate.opened.len() < MAX_OPENED {
                candidate.opened.push(header.stream);
            }
            candidate.next = at + HEADER as u64 + u64::from(header.length);
            // Where this one began in an earlier chunk, the next is as good as proved.
            if let Some(next) = candidate.proved_next(self.position, end) {
                return Followed::Proved(next);
            }
        }
        Followed::Pending
    }

    /// The header at this place of the direction, if its bytes are here.
    fn header_at(&self, at: u64, bytes: &[u8]) -> Option<FrameHeader> {
        if let Some(at) = at.checked_sub(self.position) {
            let at = usize::try_from(at).ok()?;
            let header: &[u8; HEADER] = bytes.get(at..)?.first_chunk()?;
            // Nearly all places are passed over with one comparison.
            return (header[3] <= 9).then(|| FrameHeader::parse(*header));
        }
        let behind = usize::try_from(self.position - at).ok()?;
        let from = self.tail_length.checked_sub(behind)?;
        let mut header = [0; HEADER];
        let old = &self.tail[from..self.tail_length];
        header[..old.len()].copy_from_slice(old);
        header[old.len()..].copy_from_slice(bytes.get(..HEADER - old.len())?);
        Some(FrameHeader::parse(header))
    }

    fn keep_tail(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        let keep = self.tail.len();
        if let Some(last) = bytes.len().checked_sub(keep) {
            self.tail.copy_from_slice(&bytes[last..]);
            self.tail_length = keep;
            return;
        }
        let old = self.tail_length.min(keep - bytes.len());
        self.tail.copy_within(self.tail_length - old..self.tail_length, 0);
        self.tail[old..old + bytes.len()].copy_from_slice(bytes);
        self.tail_length = old + bytes.len();
    }
}
