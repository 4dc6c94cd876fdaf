//! The whole request of a call that went live, gathered beside for those who cannot take it message by message: the text that it
//! would have been, with a chunk for the messages that came together.

use bytes::Bytes;
use shadow_core::budget::Charge;
use shadow_core::time::Timestamp;

use super::body_text::{BodyText, chunk_size};
use super::messages::Messages;
use crate::message::{Limits, Reject, Request};

/// The messages so far of a call that went live ([`super::LiveCall`]), as a body.
#[derive(Debug)]
pub struct WholeCall {
    body: BodyText,
}

impl WholeCall {
    /// One without messages. What is kept is charged to the budget of `charge`, which is empty.
    pub fn new(charge: Charge) -> Self {
        Self {
            body: BodyText::new(charge),
        }
    }

    /// Adds messages.
    ///
    /// # Errors
    ///
    /// [`Reject::BodyTooLarge`] where the body would be beyond `limits`, [`Reject::Memory`] where the budget has no room. It is of no use
    /// then.
    pub fn push(&mut self, messages: &Messages, limits: &Limits) -> Result<(), Reject> {
        let size = u32::try_from(messages.data.len()).map_err(|_| Reject::BodyTooLarge)?;
        let mut line = [0; 10];
        for part in [chunk_size(size, &mut line), &messages.data, b"\r\n"] {
            self.body.append(part, usize::MAX, limits)?;
        }
        self.body.piece(messages.time)
    }

    /// The request, whole. `head`: it as it went live; `last`: when its last byte was seen.
    ///
    /// # Errors
    ///
    /// As for [`push`](Self::push).
    pub fn into_request(
        mut self,
        head: &Request,
        last: Timestamp,
        limits: &Limits,
    ) -> Result<Request, Reject> {
        self.body.append(b"0\r\n\r\n", usize::MAX, limits)?;
        if !self.body.charge.try_grow(head.head.len()) {
            return Err(Reject::Memory);
        }
        Ok(Request {
            charge: self.body.settle(head.head.len()),
            head: head.head.clone(),
            pieces: self.body.take_pieces(),
            body: Bytes::from(self.body.bytes),
            method: head.method.clone(),
            target: head.target.clone(),
            version: head.version,
            headers: head.headers.clone(),
            framing: head.framing,
            first_byte: head.first_byte,
            last_byte: last,
            acknowledgment: head.acknowledgment,
            incomplete: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use shadow_core::budget::MemoryBudget;

    use super::*;
    use crate::message::Piece;

    const LIMITS: Limits = Limits {
        max_head: 1000,
        max_body: 100,
        max_headers: 10,
    };

    fn messages(text: &'static str, time: u64, budget: &MemoryBudget) -> Messages {
        Messages {
            data: Bytes::from_static(text.as_bytes()),
            time: Timestamp(time),
            charge: budget.held_charge(),
        }
    }

    fn head(budget: &MemoryBudget) -> Box<Request> {
        let text = b"POST /a.A/B HTTP/2.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        crate::whole_request(text, LIMITS, budget).unwrap()
    }

    #[test]
    fn the_messages_of_a_call_become_the_chunks_of_a_body() {
        let budget = MemoryBudget::new(10_000);
        let head = head(&budget);
        let before = budget.used();
        let mut call = WholeCall::new(budget.held_charge());
        for (text, time) in [("one", 5), ("two", 5), ("0123456789abcdef", 7)] {
            call.push(&messages(text, time, &budget), &LIMITS).unwrap();
        }
        let request = call.into_request(&head, Timestamp(9), &LIMITS).unwrap();
        assert_eq!(
            &request.body[..],
            b"3\r\none\r\n3\r\ntwo\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
        );
        assert_eq!(
            (request.head, request.last_byte),
            (head.head.clone(), Timestamp(9))
        );
        let piece = |end, time| Piece {
            end,
            time: Timestamp(time),
        };
        assert_eq!(request.pieces.unwrap()[..], [piece(16, 5), piece(38, 7)]);
        assert_eq!(request.charge.bytes(), head.head.len() + request.body.len());
        drop(request.charge);
        assert_eq!(budget.used(), before);
    }

    #[test]
    fn a_call_beyond_a_limit_is_refused_with_its_reason() {
        let budget = MemoryBudget::new(10_000);
        let mut call = WholeCall::new(budget.held_charge());
        let text = "0123456789012345678901234567890123456789";
        for _ in 0..2 {
            call.push(&messages(text, 0, &budget), &LIMITS).unwrap();
        }
        let refused = call.push(&messages(text, 0, &budget), &LIMITS);
        assert_eq!(refused, Err(Reject::BodyTooLarge));
        let narrow = MemoryBudget::new(40);
        let mut call = WholeCall::new(narrow.held_charge());
        let refused = call.push(&messages(text, 0, &budget), &LIMITS);
        assert_eq!(refused, Err(Reject::Memory));
        drop(call);
        assert_eq!(narrow.used(), 0);
    }
}
