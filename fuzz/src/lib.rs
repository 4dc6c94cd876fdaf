//! The ground that the fuzz targets share: how an input is cut into chunks, and the promises every stream keeps.

use shadow_agent::http::{Limits, Reject, RequestEvent, ResponseEvent, Skip};
use shadow_agent::tcp::Chunk;
use shadow_agent::time::Timestamp;

pub mod choices;
pub mod cluster;
pub mod connection;
pub mod http_route;

/// Small limits, so that they are met.
pub const LIMITS: Limits = Limits {
    max_head: 512,
    max_body: 600,
    max_headers: 40,
};

/// Bytes of an input that say how the rest is cut.
const CUTS: usize = 8;

/// An input: one byte of choices, [`CUTS`] bytes that say how the stream is cut, and the stream.
///
/// A cut byte's low six bits are the length of a piece (0: everything), 0x40 says that the other side
/// answered before it, 0x80 that it is lost. Cut bytes are used again and again.
pub struct Input<'a> {
    /// The byte of choices.
    pub choices: u8,
    cuts: &'a [u8],
    /// The stream.
    pub stream: &'a [u8],
}

/// One piece of a stream.
pub struct Piece<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether it is to be lost.
    pub lost: bool,
    /// The acknowledgment number of its segment.
    pub acknowledgment: u32,
}

impl Piece<'_> {
    /// The same as a segment of its own.
    pub fn chunk(&self) -> Chunk<'_> {
        Chunk {
            sequence: 0,
            bytes: self.bytes,
            acknowledgment: self.acknowledgment,
            segment_start: true,
            time: Timestamp(1),
        }
    }
}

impl<'a> Input<'a> {
    /// Splits `data`; `None` when it is too short.
    pub fn new(data: &'a [u8]) -> Option<Self> {
        let (choices, rest) = data.split_first()?;
        let (cuts, stream) = rest.split_at_checked(CUTS)?;
        Some(Self {
            choices: *choices,
            cuts,
            stream,
        })
    }

    /// The stream in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = self.stream;
        let mut cuts = self.cuts.iter().cycle();
        let mut acknowledgment = 0x7fff_fff0_u32;
        std::iter::from_fn(move || {
            let cut = *cuts.next()?;
            let length = match cut & 0x3f {
                0 => rest.len(),
                length => rest.len().min(usize::from(length)),
            };
            if rest.is_empty() {
                return None;
            }
            if cut & 0x40 != 0 {
                acknowledgment = acknowledgment.wrapping_add(7);
            }
            let (bytes, behind) = rest.split_at(length);
            rest = behind;
            Some(Piece {
                bytes,
                lost: cut & 0x80 != 0,
                acknowledgment,
            })
        })
    }
}

/// An event in a form that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A message started.
    Started,
    /// It is whole: its bytes.
    Complete(Vec<u8>),
    /// An interim response is whole: its status.
    Interim(u16),
    /// It will never be whole.
    Rejected(Reject),
    /// Bytes passed over; adjacent ones for the same reason are added up.
    Skipped(u64, Skip),
    /// Something else follows.
    Recognised(Skip),
}

/// Everything a stream said.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The events.
    pub seen: Vec<Seen>,
}

impl Log {
    /// Writes down what a request stream says.
    pub fn request(&mut self, event: RequestEvent) {
        if let RequestEvent::Faulty { start, .. } = &event {
            return assert!(start.len() <= 200);
        }
        self.push(match event {
            RequestEvent::Started => Seen::Started,
            RequestEvent::Complete(request) => {
                assert_eq!(request.charge.bytes(), request.head.len() + request.body.len());
                assert!(request.head.len() <= LIMITS.max_head && request.body.len() <= LIMITS.max_body);
                assert!(request.head.ends_with(b"\r\n\r\n"));
                assert!(request.head.starts_with(request.method()) && !request.target().is_empty());
                assert!(request.fields().all(|(name, _)| !name.is_empty()));
                Seen::Complete([&request.head[..], &request.body].concat())
            }
            // Streams hand those on only where they are told to.
            RequestEvent::Incomplete(_, reject) | RequestEvent::Rejected(reject) => Seen::Rejected(reject),
            RequestEvent::Skipped { bytes, why } => Seen::Skipped(bytes, why),
            RequestEvent::Recognised(why) => Seen::Recognised(why),
            RequestEvent::Faulty { .. } => return,
        });
    }

    /// Writes down what a response stream says.
    pub fn response(&mut self, event: ResponseEvent) {
        self.push(match event {
            ResponseEvent::Started => Seen::Started,
            ResponseEvent::Interim(status) => Seen::Interim(status),
            ResponseEvent::Complete(response) => {
                assert_eq!(response.charge.bytes(), response.head.len() + response.body.len());
                assert!(response.head.len() <= LIMITS.max_head && response.body.len() <= LIMITS.max_body);
                Seen::Complete([&response.head[..], &response.body].concat())
            }
            ResponseEvent::Rejected(reject) => Seen::Rejected(reject),
            ResponseEvent::Skipped { bytes, why } => Seen::Skipped(bytes, why),
            ResponseEvent::Recognised(why) => Seen::Recognised(why),
        });
    }

    fn push(&mut self, seen: Seen) {
        if let (Seen::Skipped(bytes, why), Some(Seen::Skipped(before, last))) = (&seen, self.seen.last_mut())
            && why == last
        {
            *before += bytes;
        } else {
            self.seen.push(seen);
        }
    }

    /// Exactly one end for each start, and something else said at most once.
    pub fn check_order(&self) {
        let (mut open, mut left) = (false, false);
        for seen in &self.seen {
            match seen {
                Seen::Started => assert!(!std::mem::replace(&mut open, true), "{self:?}"),
                Seen::Complete(_) | Seen::Interim(_) | Seen::Rejected(_) => {
                    assert!(std::mem::replace(&mut open, false), "{self:?}");
                }
                Seen::Recognised(_) => assert!(!std::mem::replace(&mut left, true), "{self:?}"),
                Seen::Skipped(..) => {}
            }
        }
        assert!(!open, "{self:?}");
    }

    /// Bytes in messages and passed over, when all of them are in events (no interim responses). Not those of `sent` that
    /// HTTP/1.1 has in another way: then there is no telling.
    pub fn bytes(&self, sent: &[u8]) -> Option<u64> {
        let is_odd = may_be_written_anew(sent);
        let mut counted = 0_usize;
        for seen in &self.seen {
            counted += match seen {
                // What was written anew is not where the count is, though the same may stand elsewhere.
                Seen::Complete(bytes) if is_odd && !sent.get(counted..)?.starts_with(bytes) => return None,
                Seen::Complete(bytes) => bytes.len(),
                Seen::Skipped(bytes, _) => usize::try_from(*bytes).ok()?,
                Seen::Interim(_) | Seen::Rejected(Reject::BodyTooLarge | Reject::Memory) => return None,
                Seen::Started | Seen::Rejected(_) | Seen::Recognised(_) => 0,
            };
        }
        Some(counted as u64)
    }

    /// Every message lies in one run of bytes without a hole, but for white space and line ends.
    pub fn check_no_holes(&self, runs: &[Vec<u8>]) {
        let solid = |bytes: &[u8]| -> Vec<u8> {
            bytes
                .iter()
                .filter(|byte| !byte.is_ascii_whitespace())
                .copied()
                .collect()
        };
        let runs: Vec<Vec<u8>> = runs.iter().map(|run| solid(run)).collect();
        for seen in &self.seen {
            if let Seen::Complete(bytes) = seen {
                let bytes = solid(bytes);
                let whole = runs
                    .iter()
                    .any(|run| run.windows(bytes.len()).any(|window| window == bytes));
                assert!(whole, "{self:?} from {runs:?}");
            }
        }
    }

    /// Whether the place was lost, after which it matters how bytes were cut into segments.
    pub fn lost_place(&self) -> bool {
        let reject = [
            Reject::HeadTooLarge,
            Reject::Memory,
            Reject::Gap,
            Reject::MidStream,
            Reject::AfterReject,
            Reject::AfterClose,
            Reject::Malformed,
            Reject::AmbiguousFraming,
        ];
        self.seen
            .iter()
            .any(|seen| matches!(seen, Seen::Rejected(why) if reject.contains(why)))
    }
}

/// Whether there is a line end without CR, a folded line, or more white space than a start line has.
fn may_be_written_anew(sent: &[u8]) -> bool {
    let is_odd = |pair: &[u8]| match pair {
        [before, b'\n'] => *before != b'\r',
        [b' ' | b'\t' | b'\n', b' ' | b'\t'] | [b'\t', _] | [b' ', b'\r'] => true,
        _ => false,
    };
    sent.first() == Some(&b'\n') || sent.windows(2).any(is_odd)
}
