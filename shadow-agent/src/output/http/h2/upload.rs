//! The body of a copy on its way into a stream: chunked coding undone, trailers behind it, never faster than the shadow's windows
//! allow, and, where production's came in pieces, with their spacing.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::h2::SendStream;
use bytes::Bytes;
use http::HeaderMap;
use tokio::time::{Sleep, sleep_until};

use super::head::{self, Unsendable};
use crate::http::h2::Messages;
use crate::http::{ChunkedDecoder, Framing, Piece, Request};
use crate::mirror::ledger::DropReason;
use crate::mirror::{LiveReader, NextOfCall};
use crate::time::Timestamp;

/// Largest body that is handed to the connection at once: what fits into a stream's window at first (RFC 9113 section 6.9.2).
const AT_ONCE: usize = 65_535;

/// A body, or what is left of one.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Upload {
    parts: VecDeque<Part>,
    trailers: Option<HeaderMap>,
    /// When the body ends, where that is to be waited for.
    end: Option<Instant>,
    sleeping: Option<Pin<Box<Sleep>>>,
    /// Where more of it comes from, of a call that production is serving.
    coming: Option<Coming>,
}

/// The messages of a call that production is serving.
#[derive(Debug)]
struct Coming {
    reader: Rc<LiveReader>,
    /// When its head went.
    began: Instant,
}

impl Coming {
    /// When something goes that came then.
    fn due(&self, time: Timestamp) -> Instant {
        self.began + time.since(self.reader.live().began())
    }
}

/// The next part of a call that production is serving.
enum More {
    Messages,
    /// Nothing more, and no end.
    Nothing,
    Lost(DropReason),
}

#[derive(Debug)]
struct Part {
    data: Bytes,
    /// When it goes; at once without.
    due: Option<Instant>,
    /// Its share of the memory budget, where that is not the request's.
    _held: Option<Rc<Messages>>,
}

impl Upload {
    /// The body of `request`, whose head goes `now`.
    pub(in crate::output::http) fn of(request: &Request, now: Instant) -> Result<Self, Unsendable> {
        let body = &request.body;
        if body.is_empty() && request.framing != Framing::Chunked && request.pieces.is_none() {
            return Ok(Self::default());
        }
        let (mut parts, trailers) = match request.framing {
            Framing::Chunked => chunks(body)?,
            _ => (VecDeque::from([(body.clone(), body.len())]), None),
        };
        parts.retain(|(data, _)| !data.is_empty());
        let pieces = request.pieces.as_deref().unwrap_or_default();
        let after = |piece: &Piece| now + piece.time.since(request.first_byte);
        if !pieces.is_empty() && request.framing != Framing::Chunked {
            parts = cut(body, pieces);
        }
        let mut pieces_left = pieces.iter().peekable();
        let parts = parts
            .into_iter()
            .map(|(data, end)| {
                while pieces_left.next_if(|piece| (piece.end as usize) < end).is_some() {}
                let due = pieces_left.peek().map(|piece| after(piece));
                Part {
                    data,
                    due,
                    _held: None,
                }
            })
            .collect();
        Ok(Self {
            parts,
            trailers,
            end: pieces
                .last()
                .map(|_| now + request.last_byte.since(request.first_byte)),
            sleeping: None,
            coming: None,
        })
    }

    /// The messages of a call that production is serving, whose head goes `now`.
    pub(in crate::output::http) fn coming(reader: Rc<LiveReader>, now: Instant) -> Self {
        Self {
            coming: Some(Coming { reader, began: now }),
            ..Self::default()
        }
    }

    /// Whether there is nothing to be sent behind the head.
    pub(in crate::output::http) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.trailers.is_none() && self.end.is_none() && self.coming.is_none()
    }

    /// The data that it is, in the pieces in which it goes, and its trailers.
    pub(in crate::output::http) fn into_data(self) -> (Vec<Bytes>, Option<HeaderMap>) {
        let data = self.parts.into_iter().map(|part| part.data).collect();
        (data, self.trailers)
    }

    /// Hands all of it over, if it is small and nothing of it is to be waited for. Whether it was.
    pub(in crate::output::http) fn hand_over(&mut self, stream: &mut SendStream<Bytes>) -> bool {
        let bytes: usize = self.parts.iter().map(|part| part.data.len()).sum();
        if bytes > AT_ONCE || self.end.is_some() || self.coming.is_some() {
            return false;
        }
        while let Some(part) = self.parts.pop_front() {
            let last = self.parts.is_empty() && self.trailers.is_none();
            // Where it fails, the answer tells.
            let _ = stream.send_data(part.data, last);
        }
        self.finish(stream);
        true
    }

    /// Hands over what may go now. Ready when all of it went, or none of it will any more; with a reason where the call is to be
    /// ended.
    pub(in crate::output::http) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut SendStream<Bytes>,
    ) -> Poll<Result<(), DropReason>> {
        loop {
            let Some(part) = self.parts.front() else {
                match ready!(self.poll_coming(cx)) {
                    Some(More::Messages) => continue,
                    Some(More::Nothing) => return Poll::Ready(Ok(())),
                    Some(More::Lost(reason)) => return Poll::Ready(Err(reason)),
                    None => break,
                }
            };
            let due = part.due;
            ready!(self.poll_due(cx, due));
            let Some(part) = self.parts.front_mut() else { break };
            stream.reserve_capacity(part.data.len());
            let mut room = stream.capacity();
            while room == 0 {
                match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(capacity)) => room = capacity,
                    _ => return self.give_up(),
                }
            }
            let data = part.data.split_to(room.min(part.data.len()));
            if part.data.is_empty() {
                self.parts.pop_front();
            }
            let last = self.is_empty();
            if stream.send_data(data, last).is_err() {
                return self.give_up();
            }
            if last {
                return Poll::Ready(Ok(()));
            }
        }
        let end = self.end;
        ready!(self.poll_due(cx, end));
        self.finish(stream);
        Poll::Ready(Ok(()))
    }

    /// Polls for what comes behind the parts; `None` where nothing does, or only the end.
    fn poll_coming(&mut self, cx: &mut Context<'_>) -> Poll<Option<More>> {
        let Some(coming) = &self.coming else {
            return Poll::Ready(None);
        };
        Poll::Ready(match ready!(coming.reader.poll_next(cx)) {
            NextOfCall::Messages(messages) => {
                self.parts.push_back(Part {
                    data: messages.data.clone(),
                    due: Some(coming.due(messages.time)),
                    _held: Some(messages),
                });
                Some(More::Messages)
            }
            NextOfCall::HalfClosed(time) => {
                self.end = Some(coming.due(time));
                self.coming = None;
                None
            }
            NextOfCall::Nothing => Some(More::Nothing),
            NextOfCall::Lost(reason) => Some(More::Lost(reason)),
        })
    }

    fn poll_due(&mut self, cx: &mut Context<'_>, due: Option<Instant>) -> Poll<()> {
        let Some(due) = due.filter(|due| *due > Instant::now()) else {
            self.sleeping = None;
            return Poll::Ready(());
        };
        let due = tokio::time::Instant::from_std(due);
        let sleeping = self.sleeping.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleeping.deadline() != due {
            sleeping.as_mut().reset(due);
        }
        sleeping.as_mut().poll(cx)
    }

    /// Ends the stream where the last part did not.
    fn finish(&mut self, stream: &mut SendStream<Bytes>) {
        if let Some(trailers) = self.trailers.take() {
            let _ = stream.send_trailers(trailers);
        } else if self.end.take().is_some() {
            let _ = stream.send_data(Bytes::new(), true);
        }
    }

    fn give_up(&mut self) -> Poll<Result<(), DropReason>> {
        *self = Self::default();
        Poll::Ready(Ok(()))
    }
}

/// Data of a body, each with where it ends in the text of the body.
type Data = VecDeque<(Bytes, usize)>;

/// A body cut where its pieces end.
fn cut(body: &Bytes, pieces: &[Piece]) -> Data {
    let mut start = 0;
    let mut parts = Data::new();
    for end in pieces.iter().map(|piece| piece.end as usize).chain([body.len()]) {
        let end = end.min(body.len());
        if end > start {
            parts.push_back((body.slice(start..end), end));
            start = end;
        }
    }
    parts
}

/// The data of each chunk of a chunked body, and its trailers.
fn chunks(body: &Bytes) -> Result<(Data, Option<HeaderMap>), Unsendable> {
    let behind = ChunkedDecoder::trailers_of(body).map_err(|_| Unsendable)?;
    let behind = behind.ok_or(Unsendable)?;
    let mut parts = Data::new();
    let mut at = 0;
    loop {
        let line = memchr::memchr(b'\n', &body[at..]).ok_or(Unsendable)?;
        let start = at + line + 1;
        let digits = body[at..start]
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let size = std::str::from_utf8(&body[at..at + digits]).ok();
        let size = size
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .ok_or(Unsendable)?;
        if size == 0 {
            break;
        }
        let end = start
            .checked_add(size)
            .filter(|end| *end < behind)
            .ok_or(Unsendable)?;
        at = end + 2;
        parts.push_back((body.slice(start..end), at));
    }
    Ok((parts, head::trailers(&body.slice(behind..))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::request;

    fn upload(body: &str, pieces: &[(u32, u64)]) -> Upload {
        let head = if body.contains("\r\n") {
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        } else {
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )
        };
        let mut request = request(format!("{head}{body}").as_bytes());
        let piece = |(end, time): &(u32, u64)| Piece {
            end: *end,
            time: Timestamp(*time),
        };
        if !pieces.is_empty() {
            request.pieces = Some(pieces.iter().map(piece).collect());
            request.last_byte = Timestamp(1000);
        }
        Upload::of(&request, Instant::now()).unwrap()
    }

    fn data(upload: &Upload) -> Vec<&[u8]> {
        upload.parts.iter().map(|part| &part.data[..]).collect()
    }

    #[test]
    fn chunks_become_the_data_that_they_were() {
        let upload = upload("3\r\nabc\r\n0A;ext=1\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n", &[]);
        assert_eq!(data(&upload), [&b"abc"[..], b"0123456789"]);
        assert_eq!(upload.trailers.unwrap()["x-sum"], "1");
    }

    #[test]
    fn a_body_without_data_and_trailers_is_none() {
        assert!(upload("0\r\n\r\n", &[]).is_empty());
        assert!(upload("", &[]).is_empty());
        assert!(!upload("0\r\nA: b\r\n\r\n", &[]).is_empty());
    }

    #[test]
    fn a_body_that_is_not_whole_cannot_be_sent() {
        for body in ["3\r\nab", "3\r\nabc\r\n", "x\r\n", ""] {
            assert!(chunks(&Bytes::from_static(body.as_bytes())).is_err(), "{body:?}");
        }
    }

    #[test]
    fn pieces_go_with_productions_spacing() {
        for (body, pieces) in [
            (
                "3\r\nabc\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n",
                [(8, 100), (21, 300)],
            ),
            ("abcdef", [(3, 100), (6, 300)]),
        ] {
            let upload = upload(body, &pieces);
            assert_eq!(data(&upload).concat(), b"abcdef");
            let end = upload.end.unwrap();
            let before_end = |part: &Part| (end - part.due.unwrap()).as_nanos();
            let due: Vec<u128> = upload.parts.iter().map(before_end).collect();
            assert_eq!(due[0], 900, "{body}");
            assert!(due[1..].iter().all(|due| *due == 700), "{body}");
        }
    }
}
