//! A message of one stream on its way from a head to a whole request or answer.

use std::mem::size_of;

use bytes::Bytes;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;

use super::body_text::{BodyText, chunk_size};
use super::messages::{Cutter, LiveCall, are_whole, data_of};
use super::origin::Origin;
use super::text::{Head, Line};
use crate::message::{Framing, HeaderField, Limits, Reject, Request, Version};
use crate::response_stream::Response;

/// A message that is not whole yet.
#[derive(Debug)]
pub(super) struct Gather {
    head: Head,
    /// The body as it will be handed on; the head is charged with it.
    body: BodyText,
    /// Bytes of data so far.
    received: u64,
    /// Whether the data of a frame has begun and not ended.
    in_frame: bool,
    /// Whether it has no body whatever its fields say.
    is_bodiless: bool,
    origin: Origin,
    last: Timestamp,
}

impl Gather {
    /// A message whose head this is. Where nothing follows it is whole at once, and charged as such.
    pub fn new(
        head: Head,
        origin: Origin,
        now: Timestamp,
        ends: bool,
        budget: &MemoryBudget,
    ) -> Result<Self, Reject> {
        let mut charge = if ends {
            budget.charge()
        } else {
            budget.held().charge()
        };
        let overhead = if ends { 0 } else { size_of::<Self>() };
        if !charge.try_grow(head.text.capacity() + overhead) {
            return Err(Reject::Memory);
        }
        Ok(Self {
            head,
            body: BodyText::new(charge),
            received: 0,
            in_frame: false,
            is_bodiless: false,
            origin,
            last: now,
        })
    }

    /// The data of a frame: a part of it, which begins a frame of `size` bytes of data where that is given, and ends it
    /// where `is_last`.
    pub fn data(
        &mut self,
        size: Option<u32>,
        data: &[u8],
        is_last: bool,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), Reject> {
        if let Some(size) = size.filter(|size| *size > 0) {
            let after = self.received.saturating_add(u64::from(size));
            if self.head.length.is_some_and(|length| after > length) {
                return Err(Reject::Malformed);
            }
            if self.is_bodiless || (self.head.length.is_none() && !self.head.is_chunked) {
                return Err(Reject::Malformed);
            }
            if after > limits.max_body as u64 {
                return Err(Reject::BodyTooLarge);
            }
            self.in_frame = true;
            if self.head.is_chunked {
                let mut line = [0; 10];
                let line = chunk_size(size, &mut line);
                self.append(line, limits)?;
            }
        }
        if !self.in_frame {
            return Ok(()); // Empty frames add nothing.
        }
        self.received += data.len() as u64;
        self.append(data, limits)?;
        self.last = now;
        if is_last {
            self.in_frame = false;
            if self.head.is_chunked {
                self.append(b"\r\n", limits)?;
            }
            if self.head.is_grpc && self.head.is_chunked {
                self.body.piece(now)?;
            }
        }
        Ok(())
    }

    fn append(&mut self, more: &[u8], limits: &Limits) -> Result<(), Reject> {
        let most = match self.head.length {
            Some(length) if !self.head.is_chunked => usize::try_from(length).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        self.body.append(more, most, limits)
    }

    /// The message has ended; with these trailers, as text, if there were any.
    pub fn finish(mut self, trailers: Option<&[u8]>, limits: &Limits) -> Result<Self, Reject> {
        if self.head.length.is_some_and(|length| length != self.received) {
            return Err(Reject::Malformed);
        }
        if let Some(trailers) = trailers.filter(|_| !self.is_bodiless) {
            if !self.head.is_chunked {
                self.make_chunked(limits)?;
            }
            self.append(b"0\r\n", limits)?;
            self.append(trailers, limits)?;
            self.append(b"\r\n", limits)?;
        } else if self.head.is_chunked {
            self.append(b"0\r\n\r\n", limits)?;
        }
        Ok(self)
    }

    /// Puts the body, which came with `content-length`, into one chunk, so that trailers can follow.
    fn make_chunked(&mut self, limits: &Limits) -> Result<(), Reject> {
        let body = std::mem::take(&mut self.body.bytes);
        // Both are there for a moment.
        if !self.body.charge.try_grow(self.head.text.len() + 64) {
            return Err(Reject::Memory);
        }
        if let Ok(size @ 1..) = u32::try_from(body.len()) {
            let mut line = [0; 10];
            let line = chunk_size(size, &mut line);
            self.append(line, limits)?;
            self.append(&body, limits)?;
            self.append(b"\r\n", limits)?;
        }
        let empty = Head {
            text: Vec::new(),
            headers: Vec::new(),
            length: None,
            is_chunked: true,
            is_grpc: false,
            line: Line::Status(0),
        };
        self.head = std::mem::replace(&mut self.head, empty).into_chunked();
        self.body.pieces = Vec::new();
        Ok(())
    }

    /// Whether it is the request of a call of gRPC, which may have several messages. Those of gRPC-Web have one.
    pub fn is_call(&self) -> bool {
        let text = &self.head.text;
        let is_named = |field: &HeaderField| text[place(&field.name)] == *b"content-type";
        self.head.is_grpc
            && self.head.is_chunked
            && text.starts_with(b"POST ")
            && self.head.headers.iter().any(|field| {
                is_named(field) && !text[place(&field.value)].starts_with(b"application/grpc-web")
            })
    }

    /// When the last of it was seen, if it is a call of gRPC whose messages so far are whole. What it lacks then is that its
    /// client says so.
    pub fn whole_call(&self) -> Option<Timestamp> {
        let parts = data_of(&self.body.bytes, &self.body.pieces, self.last).map(|(data, _)| data);
        (self.is_call() && !self.in_frame && are_whole(parts)).then_some(self.last)
    }

    /// When its first byte was seen.
    pub fn since(&self) -> Timestamp {
        self.origin.time
    }

    /// The request as far as it is there, of a call that is handed on from here on message by message.
    pub fn go_live(mut self, limits: &Limits) -> Result<(LiveCall, Cutter), Reject> {
        let body = std::mem::replace(&mut self.body.bytes, b"0\r\n\r\n".to_vec());
        let pieces = std::mem::take(&mut self.body.pieces);
        let last = self.last;
        let mut held = self.body.charge.take();
        self.body.charge = held.split(self.head.text.len() + self.body.bytes.len());
        // What is gathered stays charged until its messages are.
        let mut cutter = Cutter::new(held.split(0));
        let mut messages = Vec::new();
        for (data, time) in data_of(&body, &pieces, last) {
            messages.extend(cutter.push(data, time, limits)?);
        }
        drop(held);
        let since = self.origin.time;
        let request = self.into_request(since, None);
        Ok((LiveCall { request, messages }, cutter))
    }

    fn framing(&self) -> Framing {
        match self.head.length {
            _ if self.head.is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::None,
        }
    }

    /// The part of it that is there, as a request; whole, unless `incomplete`.
    pub fn into_request(mut self, now: Timestamp, incomplete: Option<Reject>) -> Box<Request> {
        let framing = self.framing();
        let charge = self.body.settle(self.head.text.len());
        let pieces = self.body.take_pieces();
        let (method, target) = match self.head.line {
            Line::Request { method, target } => (method, target),
            Line::Status(_) => (0..0, 0..0),
        };
        Box::new(Request {
            head: Bytes::from(self.head.text),
            body: Bytes::from(self.body.bytes),
            method,
            target,
            version: Version::Http2,
            headers: self.head.headers,
            framing,
            first_byte: self.origin.time,
            last_byte: if incomplete.is_some() { self.last } else { now },
            acknowledgment: self.origin.acknowledgment,
            incomplete,
            pieces,
            charge,
        })
    }

    /// As much of an answer as is there, of one of gRPC, where that is wanted though it will never be whole.
    pub fn begun(self) -> Option<Box<Response>> {
        let last = self.last;
        (self.head.is_grpc && self.head.is_chunked).then(|| self.into_response(last))
    }

    /// The whole answer.
    pub fn into_response(mut self, now: Timestamp) -> Box<Response> {
        let framing = self.framing();
        let charge = self.body.settle(self.head.text.len());
        let status = match self.head.line {
            Line::Status(status) => status,
            Line::Request { .. } => 0,
        };
        Box::new(Response {
            head: Bytes::from(self.head.text),
            body: Bytes::from(self.body.bytes),
            status,
            version: Version::Http2,
            headers: self.head.headers,
            framing,
            first_byte: self.origin.time,
            last_byte: now,
            sequence: self.origin.sequence,
            charge,
        })
    }

    /// Takes its length, if it has one, for that of a body that does not come.
    pub fn expect_no_body(&mut self) {
        self.is_bodiless = true;
        self.head.length = None;
    }
}

fn place(range: &std::ops::Range<u32>) -> std::ops::Range<usize> {
    range.start as usize..range.end as usize
}
