//! One record of a segment: a pair, or a request that was not compared.

use std::io::{self, BufRead, Read};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shadow_mirror::MessageId;

use crate::{Answer, MappedPlaces, NotCompared, Pair, Selected, Times, Unpaired};

/// Largest record, in bytes of messages: those of several answers of the largest size that makes sense.
pub const MAX_RECORD: usize = 64 << 20;
/// Longest line before them: that of a pair with the longest name has less than 2 KiB, and its mapped places are twice 4 KiB, of
/// which each byte may be escaped as six.
const MAX_LINE: u64 = 64 << 10;

/// The content of a record.
#[derive(Clone, Debug)]
pub enum Kept {
    /// Both answers came.
    Pair(Box<KeptPair>),
    /// The request was not compared.
    Unpaired {
        /// The place of its comparison in `run.json`.
        of: u16,
        /// It.
        unpaired: Unpaired,
    },
}

/// A pair that was kept.
#[derive(Clone, Debug)]
pub struct KeptPair {
    /// The place of its comparison in `run.json`.
    pub of: u16,
    /// Whether the answers are there; otherwise their start lines alone, because all of them were equal.
    pub whole: bool,
    /// It.
    pub pair: Pair,
    /// The places where identifiers of its answers are mapped to each other.
    pub mapped: MappedPlaces,
    /// The value by which it was told from others of its URL.
    pub selected: Option<Selected>,
}

impl Kept {
    /// The place of its comparison in `run.json`.
    pub fn of(&self) -> u16 {
        match self {
            Self::Pair(pair) => pair.of,
            Self::Unpaired { of, .. } => *of,
        }
    }

    /// When its request was seen: Unix time in nanoseconds.
    pub fn at(&self) -> u64 {
        match self {
            Self::Pair(kept) => kept.pair.at,
            Self::Unpaired { unpaired, .. } => unpaired.at,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
enum Line {
    Pair {
        of: u16,
        id: String,
        at: u64,
        whole: bool,
        request: Lengths,
        production: Lengths,
        shadow: Lengths,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        control: Option<Lengths>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeat: Option<Lengths>,
        #[serde(default, skip_serializing_if = "MappedPlaces::is_empty")]
        mapped: Box<MappedPlaces>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        raced: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selected: Option<Selected>,
    },
    NotCompared {
        of: u16,
        at: u64,
        reason: String,
        request: Lengths,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        selected: Option<Selected>,
    },
}

/// Bytes of a message, and how long it took, in nanoseconds.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Lengths {
    head: usize,
    body: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
}

impl Lengths {
    fn of(answer: &Answer) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            head: answer.head.len(),
            body: answer.body.len(),
            first: answer.times.map(|times| nanoseconds(times.first)),
            last: answer.times.map(|times| nanoseconds(times.last)),
        }
    }

    fn total(self) -> Option<usize> {
        self.head.checked_add(self.body)
    }
}

/// Adds a record to `out`.
pub fn write(kept: &Kept, out: &mut Vec<u8>) {
    let (line, parts): (Line, Vec<&[u8]>) = match kept {
        Kept::Pair(kept) => {
            let KeptPair {
                of,
                whole,
                pair,
                mapped,
                selected,
            } = &**kept;
            let line = Line::Pair {
                of: *of,
                id: pair.id.to_string(),
                at: pair.at,
                whole: *whole,
                request: Lengths {
                    head: pair.request_head.len(),
                    body: pair.request_body.len(),
                    ..Lengths::default()
                },
                production: Lengths::of(&pair.production),
                shadow: Lengths::of(&pair.shadow),
                control: pair.control.as_ref().map(Lengths::of),
                repeat: pair.repeat.as_ref().map(Lengths::of),
                mapped: Box::new(mapped.clone()),
                raced: pair.raced,
                selected: selected.clone(),
            };
            let answers = [Some(&pair.production), Some(&pair.shadow)].into_iter();
            let answers = answers.chain([pair.control.as_ref(), pair.repeat.as_ref()]);
            let mut parts = vec![&*pair.request_head, &*pair.request_body];
            parts.extend(
                answers
                    .flatten()
                    .flat_map(|answer| [&*answer.head, &*answer.body]),
            );
            (line, parts)
        }
        Kept::Unpaired { of, unpaired } => {
            let line = Line::NotCompared {
                of: *of,
                at: unpaired.at,
                reason: unpaired.why.name(),
                request: Lengths {
                    head: unpaired.request_line.len(),
                    ..Lengths::default()
                },
                selected: unpaired.selected.clone(),
            };
            (line, vec![&unpaired.request_line])
        }
    };
    // Numbers and text always can be written.
    let _ = serde_json::to_writer(&mut *out, &line);
    out.push(b'\n');
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

/// Why no more can be read.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file cannot be read, or decompressed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It ends within a record.
    #[error("it ends inside a record")]
    Cut,
    /// It is no record.
    #[error("invalid record: {0}")]
    NoRecord(&'static str),
}

/// Reads records from the first byte of one.
#[derive(Debug)]
pub struct RecordReader<R> {
    source: R,
    line: Vec<u8>,
}

impl<R: BufRead> RecordReader<R> {
    /// Reads from here.
    pub fn new(source: R) -> Self {
        Self {
            source,
            line: Vec::new(),
        }
    }

    /// The next record; `None` at the end. After an error there is nothing more to be read: where the next record begins
    /// is not known, and looking for it would let a body pass itself off as one.
    ///
    /// # Errors
    ///
    /// Where the source cannot be read, the record is cut short, or it is none.
    pub fn next_record(&mut self) -> Result<Option<Kept>, Broken> {
        self.line.clear();
        let read = (&mut self.source)
            .take(MAX_LINE)
            .read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            return Err(if read as u64 == MAX_LINE {
                Broken::NoRecord("its line is too long")
            } else {
                Broken::Cut
            });
        }
        let line =
            serde_json::from_slice(&self.line).map_err(|_| Broken::NoRecord("its line is not known"))?;
        match line {
            Line::Pair {
                of,
                id,
                at,
                whole,
                request,
                production,
                shadow,
                control,
                repeat,
                mapped,
                raced,
                selected,
            } => {
                let id = MessageId::given(id.as_bytes()).ok_or(Broken::NoRecord("its id is invalid"))?;
                let answers = [Some(production), Some(shadow), control, repeat];
                let mut bytes = self.bytes([Some(request)].into_iter().chain(answers).flatten())?;
                Ok(Some(Kept::Pair(Box::new(KeptPair {
                    of,
                    whole,
                    pair: Pair {
                        id,
                        at,
                        request_head: bytes.split_to(request.head),
                        request_body: bytes.split_to(request.body),
                        production: answer(production, &mut bytes),
                        shadow: answer(shadow, &mut bytes),
                        control: control.map(|lengths| answer(lengths, &mut bytes)),
                        repeat: repeat.map(|lengths| answer(lengths, &mut bytes)),
                        raced,
                    },
                    mapped: *mapped,
                    selected,
                }))))
            }
            Line::NotCompared {
                of,
                at,
                reason,
                request,
                selected,
            } => {
                let why = NotCompared::named(&reason).ok_or(Broken::NoRecord("its reason is not known"))?;
                let line = self.bytes([request].into_iter())?;
                let unpaired = Unpaired {
                    request_line: line[..request.head].into(),
                    selected,
                    at,
                    why,
                };
                Ok(Some(Kept::Unpaired { of, unpaired }))
            }
        }
    }

    /// The bytes of messages with these lengths, and the line end behind them.
    fn bytes(&mut self, lengths: impl Iterator<Item = Lengths>) -> Result<Bytes, Broken> {
        let mut total = 0_usize;
        for lengths in lengths {
            total = lengths
                .total()
                .and_then(|length| total.checked_add(length))
                .filter(|total| *total <= MAX_RECORD)
                .ok_or(Broken::NoRecord("it is too large"))?;
        }
        // It grows with what is there, not with what the line claims.
        let mut bytes = Vec::new();
        (&mut self.source)
            .take(total as u64 + 1)
            .read_to_end(&mut bytes)?;
        match bytes.pop() {
            Some(b'\n') if bytes.len() == total => Ok(bytes.into()),
            Some(_) if bytes.len() == total => Err(Broken::NoRecord("its lengths are not true")),
            _ => Err(Broken::Cut),
        }
    }
}

/// Takes an answer off the front of `bytes`, which has as many.
fn answer(lengths: Lengths, bytes: &mut Bytes) -> Answer {
    Answer {
        head: bytes.split_to(lengths.head),
        body: bytes.split_to(lengths.body),
        times: lengths.first.zip(lengths.last).map(|(first, last)| Times {
            first: Duration::from_nanos(first),
            last: Duration::from_nanos(last),
        }),
    }
}
