//! Messages of gRPC out of the data of a call under way, each with the five bytes in front of it, and what is told of a call
//! that is handed on so.

use bytes::Bytes;
use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use crate::message::{Limits, Piece, Reject, Request};

/// Charged for each piece of messages beside its bytes: what keeping it takes, however short it is.
const OVERHEAD: usize = 128;

/// Bytes in front of each message: whether it is compressed, and its length (gRPC over HTTP2, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// Whole messages of a call, one behind the other with their prefixes, as DATA had them. Where the client ended its side
/// inside a message, the last ones of a call end so.
#[derive(Debug)]
pub struct Messages {
    /// Their bytes.
    pub data: Bytes,
    /// When the last byte was seen.
    pub time: Timestamp,
    /// The bytes in the memory budget, in the part for what is not whole.
    pub charge: Charge,
}

/// The end of the request of a call that went live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Its client has ended its side, then.
    HalfClosed(Timestamp),
    /// Its client will send nothing more, and has not said so: the answer was whole before.
    Answered,
}

/// The beginning of a call that goes live.
#[derive(Debug)]
pub struct LiveCall {
    /// Its head, with a body that has no message.
    pub request: Box<Request>,
    /// Its messages so far.
    pub messages: Vec<Messages>,
}

/// The data of a call on its way to whole messages.
#[derive(Debug)]
pub(super) struct Cutter {
    /// The message under way.
    partial: Vec<u8>,
    /// For the capacity of it.
    charge: Charge,
}

impl Cutter {
    /// One that charges to the budget of `charge`, which is empty.
    pub fn new(charge: Charge) -> Self {
        let partial = Vec::new();
        Self { partial, charge }
    }

    /// Whether a message is under way.
    pub fn holds(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Takes data, and gives the messages that are whole with it.
    pub fn push(
        &mut self,
        data: &[u8],
        time: Timestamp,
        limits: &Limits,
    ) -> Result<Option<Messages>, Reject> {
        let needed = self.partial.len() + data.len();
        let capacity = self.partial.capacity();
        if needed > capacity {
            let then = capacity.saturating_mul(2).max(needed);
            if !self.charge.try_grow(then - capacity) {
                return Err(Reject::Memory);
            }
            self.partial.reserve_exact(then - self.partial.len());
        }
        self.partial.extend_from_slice(data);
        let whole = self.whole(limits)?;
        let rest = self.partial.split_off(whole);
        let messages = std::mem::replace(&mut self.partial, rest);
        if whole > 0 && !self.charge.try_grow(OVERHEAD) {
            return Err(Reject::Memory);
        }
        Ok(self.messages(messages, time))
    }

    /// The data that is left.
    pub fn rest(&mut self, time: Timestamp) -> Option<Messages> {
        let rest = std::mem::take(&mut self.partial);
        self.messages(rest, time)
    }

    fn messages(&mut self, mut data: Vec<u8>, time: Timestamp) -> Option<Messages> {
        data.shrink_to_fit();
        let charge = self.charge.split(data.len() + OVERHEAD);
        let more = self.charge.bytes().saturating_sub(self.partial.capacity());
        self.charge.shrink(more);
        let data = Bytes::from(data);
        (!data.is_empty()).then_some(Messages { data, time, charge })
    }

    /// Bytes of whole messages in front.
    fn whole(&self, limits: &Limits) -> Result<usize, Reject> {
        let mut at = 0;
        while let Some(&[_, a, b, c, d]) = self.partial[at..].first_chunk::<PREFIX>() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if length > limits.max_body {
                return Err(Reject::BodyTooLarge);
            }
            let Some(end) = at
                .checked_add(PREFIX + length)
                .filter(|end| *end <= self.partial.len())
            else {
                break;
            };
            at = end;
        }
        Ok(at)
    }
}

/// The data in a body in chunked coding as it is gathered, of which the last chunk may not be whole, each with when it came.
/// `last`: when what is behind the `pieces` came.
pub(super) fn data_of<'a>(
    mut body: &'a [u8],
    pieces: &'a [Piece],
    last: Timestamp,
) -> impl Iterator<Item = (&'a [u8], Timestamp)> {
    let (mut pieces, mut at) = (pieces.iter().peekable(), 0);
    std::iter::from_fn(move || {
        let line = memchr::memchr(b'\n', body)? + 1;
        let digits = body[..line].strip_suffix(b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let end = line.saturating_add(size).min(body.len());
        let data = &body[line..end];
        let behind = end.saturating_add(2).min(body.len());
        body = &body[behind..];
        at += behind;
        while pieces.next_if(|piece| (piece.end as usize) < at).is_some() {}
        Some((data, pieces.peek().map_or(last, |piece| piece.time)))
    })
}

/// Whether these parts of data are whole messages, one at least.
pub(super) fn are_whole<'a>(parts: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut prefix, mut read, mut left, mut any) = ([0; PREFIX], 0, 0, false);
    for mut part in parts {
        while !part.is_empty() {
            let wanted = if left > 0 { left } else { PREFIX - read };
            let (taken, rest) = part.split_at(wanted.min(part.len()));
            part = rest;
            if left > 0 {
                left -= taken.len();
                continue;
            }
            prefix[read..read + taken.len()].copy_from_slice(taken);
            read += taken.len();
            if read == PREFIX {
                let [_, length @ ..] = prefix;
                (read, left, any) = (0, u32::from_be_bytes(length) as usize, true);
            }
        }
    }
    any && read == 0 && left == 0
}

#[cfg(test)]
mod tests {
    use shadow_core::budget::MemoryBudget;

    use super::*;

    const LIMITS: Limits = Limits {
        max_head: 100,
        max_body: 100,
        max_headers: 10,
    };

    #[test]
    fn short_messages_are_charged_what_keeping_them_takes() {
        let budget = MemoryBudget::new(1 << 20);
        let mut cutter = Cutter::new(budget.charge());
        let mut push = || cutter.push(&[0; PREFIX], Timestamp(0), &LIMITS);
        let kept: Vec<_> = (0..100).map(|_| push().unwrap().unwrap()).collect();
        assert_eq!(budget.used(), 100 * (PREFIX + OVERHEAD));
        drop(kept);
        assert_eq!(budget.used(), 0);
        let narrow = MemoryBudget::new(64);
        let mut cutter = Cutter::new(narrow.charge());
        let refused = cutter.push(&[0; PREFIX], Timestamp(0), &LIMITS);
        assert_eq!(refused.unwrap_err(), Reject::Memory);
    }
}
