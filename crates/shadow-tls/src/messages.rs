//! Handshake messages out of records: one may span several records, and one record may have several (RFC 8446 section 5.1).

use shadow_core::budget::{Charge, MemoryBudget};

use super::hello::MESSAGE_HEADER;

/// Longest message: OpenSSL takes 100 KiB of certificates by default (`SSL_CTX_set_max_cert_list`).
const MAX_MESSAGE: usize = 128 * 1024;

/// Puts messages together. What is not whole yet is kept and charged.
#[derive(Debug, Default)]
pub(crate) struct Messages(Option<Box<Partial>>);

#[derive(Debug)]
struct Partial {
    bytes: Vec<u8>,
    charge: Charge,
}

/// Why a message cannot be put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLong,
    Memory,
}

/// A whole message with its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a>(pub &'a [u8]);

impl<'a> Message<'a> {
    pub fn kind(self) -> u8 {
        self.0[0]
    }

    pub fn body(self) -> &'a [u8] {
        &self.0[MESSAGE_HEADER..]
    }
}

impl Messages {
    /// Hands each message that `payload` makes whole to `take`, until that returns `false`: then the rest is not looked at,
    /// and nothing is kept.
    pub fn push(
        &mut self,
        mut payload: &[u8],
        budget: &MemoryBudget,
        mut take: impl FnMut(Message<'_>) -> bool,
    ) -> Result<(), Refused> {
        while !payload.is_empty() {
            let Some(mut partial) = self.0.take() else {
                let len = message_len(payload)?;
                let Some((message, rest)) = len.and_then(|len| payload.split_at_checked(len)) else {
                    return self.keep(payload, budget);
                };
                payload = rest;
                if !take(Message(message)) {
                    return Ok(());
                }
                continue;
            };
            let wanted = message_len(&partial.bytes)?.unwrap_or(MESSAGE_HEADER);
            let (more, rest) = payload.split_at(payload.len().min(wanted - partial.bytes.len()));
            payload = rest;
            if !partial.charge.try_grow(more.len()) {
                return Err(Refused::Memory);
            }
            partial.bytes.extend_from_slice(more);
            if message_len(&partial.bytes)? != Some(partial.bytes.len()) {
                self.0 = Some(partial);
            } else if !take(Message(&partial.bytes)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether a message is under way.
    pub fn holds(&self) -> bool {
        self.0.is_some()
    }

    /// Forgets what is under way.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    fn keep(&mut self, payload: &[u8], budget: &MemoryBudget) -> Result<(), Refused> {
        let mut charge = budget.held().charge();
        if !charge.try_grow(payload.len()) {
            return Err(Refused::Memory);
        }
        let bytes = payload.to_vec();
        self.0 = Some(Box::new(Partial { bytes, charge }));
        Ok(())
    }
}

/// Length of the message that begins so, with its header. `None` when its header is not whole.
fn message_len(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    let Some(&[_, high, middle, low]) = bytes.first_chunk::<MESSAGE_HEADER>() else {
        return Ok(None);
    };
    let body = u32::from_be_bytes([0, high, middle, low]) as usize;
    if body > MAX_MESSAGE {
        return Err(Refused::TooLong);
    }
    Ok(Some(MESSAGE_HEADER + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let budget = MemoryBudget::new(1 << 20);
        let mut messages = Messages::default();
        let mut seen = Vec::new();
        for piece in pieces {
            let pushed = messages.push(piece, &budget, |message| {
                seen.push(message.0.to_vec());
                true
            });
            assert_eq!(pushed, Ok(()));
        }
        assert!(!messages.holds());
        assert_eq!(budget.used(), 0);
        seen
    }

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let stream = [8, 0, 0, 2, 7, 7, 14, 0, 0, 0, 20, 0, 0, 1, 9];
        let expected = [vec![8, 0, 0, 2, 7, 7], vec![14, 0, 0, 0], vec![20, 0, 0, 1, 9]];
        assert_eq!(messages_of(&[&stream]), expected);
        for size in 1..stream.len() {
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(messages_of(&pieces), expected);
        }
    }

    #[test]
    fn a_message_too_long_or_without_room_is_refused() {
        let budget = MemoryBudget::new(16);
        let mut messages = Messages::default();
        let long = messages.push(&[11, 2, 0, 1, 0], &budget, |_| true);
        assert_eq!(long, Err(Refused::TooLong));
        assert_eq!(messages.push(&[11, 0, 0, 200, 0], &budget, |_| true), Ok(()));
        assert_eq!(messages.push(&[0; 20], &budget, |_| true), Err(Refused::Memory));
        assert!(!messages.holds());
        assert_eq!(budget.used(), 0);
    }
}
