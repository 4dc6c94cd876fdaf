//! Reads the shadow's answer to one request to its end. Nothing of it is kept, unless responses are tracked or compared.
//!
//! Interim answers (1xx) are passed over. An answer is parsed where it was read; only a head that came in
//! parts is kept until it is whole.

use bytes::Bytes;

use super::kept::Kept;
pub(super) use super::kept::{Keep, NotKept};
use crate::http::{BodyDecoder, Framing, Limits, Reject, RequestKind, ResponseHeadReader, normalised};

/// Limits of an answer's head: what nginx and Node allow, several times over. The body has its own.
const LIMITS: Limits = Limits {
    max_head: 64 * 1024,
    max_body: usize::MAX,
    max_headers: 256,
};
/// Most interim answers to one request: a shadow that sends nothing else never ends.
const MAX_INTERIM: u32 = 64;

/// An answer that is not HTTP, or beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadResponse {
    /// Not HTTP/1.x.
    Malformed,
    /// A head beyond the limit, or more interim answers than make sense: it may go on so for ever.
    Endless,
    /// A body beyond the limit.
    TooLarge,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ShadowAnswer {
    pub status: u16,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
    /// The Location field of a redirect.
    pub location: Option<Vec<u8>>,
    /// Its head and its body as they came, where answers are kept; or why not.
    pub kept: Result<(Bytes, Bytes), NotKept>,
}

/// Reads one answer.
#[derive(Debug)]
pub(super) struct ResponseReader {
    max_body: u64,
    keep: Keep,
    kept: Kept,
    to: RequestKind,
    /// A head that is not whole yet, and how far it was searched.
    partial: Vec<u8>,
    head: ResponseHeadReader,
    body: Option<(ShadowAnswer, BodyDecoder)>,
    body_bytes: u64,
    until_close: bool,
    interim: u32,
    started: bool,
}

impl ResponseReader {
    /// `keep`: what is kept of answers.
    pub(super) fn new(max_body: u64, keep: Keep) -> Self {
        Self {
            max_body,
            keep,
            kept: Kept::default(),
            to: RequestKind::Other,
            partial: Vec::new(),
            head: ResponseHeadReader::new(),
            body: None,
            body_bytes: 0,
            until_close: false,
            interim: 0,
            started: false,
        }
    }

    /// Makes ready for the answer to a new request.
    pub(super) fn reset(&mut self, to: RequestKind) {
        *self = Self {
            to,
            // An allocation is worth keeping, but not one of a hostile size.
            partial: if self.partial.capacity() <= 4096 {
                std::mem::take(&mut self.partial)
            } else {
                Vec::new()
            },
            ..Self::new(self.max_body, std::mem::take(&mut self.keep))
        };
        self.partial.clear();
    }

    /// Whether any byte of the answer has come.
    pub(super) fn has_started(&self) -> bool {
        self.started
    }

    /// Takes the next bytes. With the answer, when it is whole, comes how many bytes belonged to it.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<(ShadowAnswer, usize)>, BadResponse> {
        self.started = true;
        let mut used = 0;
        while self.body.is_none() {
            match self.feed_head(&bytes[used..])? {
                Some(consumed) => used += consumed,
                None => return Ok(None),
            }
        }
        let Some((_, decoder)) = &mut self.body else {
            return Ok(None);
        };
        let (consumed, done) = decoder
            .advance(&bytes[used..])
            .map_err(|_| BadResponse::Malformed)?;
        self.kept.body(&self.keep, &bytes[used..used + consumed]);
        self.body_bytes = self.body_bytes.saturating_add(consumed as u64);
        if self.body_bytes > self.max_body {
            return Err(BadResponse::TooLarge);
        }
        if !done {
            self.kept.charge(&self.keep);
            return Ok(None);
        }
        Ok(self.take_answer().map(|answer| (answer, used + consumed)))
    }

    /// The shadow closed the connection: the answer, if that is how it ends.
    pub(super) fn closed(&mut self) -> Option<ShadowAnswer> {
        if !self.until_close {
            return None;
        }
        self.take_answer()
    }

    fn take_answer(&mut self) -> Option<ShadowAnswer> {
        let (mut answer, _) = self.body.take()?;
        if self.keep.most.is_some() {
            answer.kept = std::mem::take(&mut self.kept).into_parts();
        }
        Some(answer)
    }

    /// Parses a head, in place if it is all there. How many of `bytes` it took; `None` when it is not whole.
    fn feed_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, BadResponse> {
        let before = self.partial.len();
        let parsed = if before == 0 {
            self.head = ResponseHeadReader::new();
            self.head.read(bytes, &LIMITS, self.to)
        } else {
            self.partial.extend_from_slice(bytes);
            self.head.read(&self.partial, &LIMITS, self.to)
        };
        let parsed = parsed.map_err(|reject| match reject {
            Reject::HeadTooLarge => BadResponse::Endless,
            _ => BadResponse::Malformed,
        })?;
        let Some(head) = parsed else {
            if before == 0 {
                self.partial.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        let location = head.location.and_then(|location| {
            let head = if before == 0 { bytes } else { &self.partial[..] };
            head.get(location.start as usize..location.end as usize)
        });
        let location = location
            .filter(|_| (300..400).contains(&head.status))
            .map(<[u8]>::to_vec);
        let is_final = !(100..200).contains(&head.status) || head.status == 101;
        if self.keep.most.is_some() && is_final {
            let whole = if before == 0 { bytes } else { &self.partial[..] };
            let whole = &whole[..head.length];
            if head.plain {
                self.kept.head(&self.keep, whole);
            } else {
                self.kept.head(&self.keep, &normalised(whole));
            }
        }
        self.partial.clear();
        let consumed = head.length - before;
        // 101 ends HTTP on this connection (RFC 9110 section 15.2.2): that is the answer.
        if !is_final {
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(BadResponse::Endless);
            }
            return Ok(Some(consumed));
        }
        self.until_close = head.framing == Framing::Close;
        let answer = ShadowAnswer {
            status: head.status,
            keep_alive: head.keep_alive,
            location,
            kept: Err(NotKept::TooLarge),
        };
        self.body = Some((answer, BodyDecoder::new(head.framing)));
        Ok(Some(consumed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::MemoryBudget;

    /// Feeds `stream` whole, and again byte by byte: both must give the same.
    fn read(to: RequestKind, stream: &[u8]) -> Result<Option<(ShadowAnswer, usize)>, BadResponse> {
        let whole = {
            let mut reader = ResponseReader::new(100, Keep::default());
            reader.reset(to);
            reader.feed(stream)
        };
        let mut reader = ResponseReader::new(100, Keep::default());
        reader.reset(to);
        let mut by_bytes = Ok(None);
        for (at, byte) in stream.iter().enumerate() {
            by_bytes = reader.feed(std::slice::from_ref(byte));
            if let Ok(Some((_, used))) = &mut by_bytes {
                *used += at;
                break;
            }
            if by_bytes.is_err() {
                break;
            }
        }
        assert_eq!(whole, by_bytes);
        whole
    }

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let (answer, used) = read(
            RequestKind::Other,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP",
        )
        .unwrap()
        .unwrap();
        assert_eq!((answer.status, answer.keep_alive, used), (200, true, 40));
    }

    #[test]
    fn head_and_304_have_no_body_whatever_their_length_says() {
        let (_, used) = read(RequestKind::Head, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(used, 38);
        let answer = read(
            RequestKind::Other,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        )
        .unwrap();
        assert_eq!(answer.unwrap().0.status, 304);
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let (answer, used) = read(RequestKind::Other, stream).unwrap().unwrap();
        assert_eq!((answer.status, used), (204, stream.len()));
        let endless = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(65);
        assert_eq!(read(RequestKind::Other, &endless), Err(BadResponse::Endless));
    }

    #[test]
    fn folded_fields_and_padded_chunk_sizes_are_read() {
        let stream =
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nTransfer-Encoding: chunked\r\n\r\n3   \r\nabc\r\n0\r\n\r\n";
        let (_, used) = read(RequestKind::Other, stream).unwrap().unwrap();
        assert_eq!(used, stream.len());
    }

    #[test]
    fn chunks_and_trailers_are_read_to_the_end() {
        let stream =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n";
        let (answer, used) = read(RequestKind::Other, stream).unwrap().unwrap();
        assert_eq!((answer.keep_alive, used), (true, stream.len()));
    }

    #[test]
    fn the_close_ends_an_answer_that_has_no_other_end() {
        let mut reader = ResponseReader::new(100, Keep::default());
        assert_eq!(reader.feed(b"HTTP/1.0 200 OK\r\n\r\nabc"), Ok(None));
        let answer = reader.closed().unwrap();
        assert!(!answer.keep_alive);
        let mut reader = ResponseReader::new(100, Keep::default());
        assert_eq!(
            reader.feed(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nabc"),
            Ok(None)
        );
        assert_eq!(reader.closed(), None);
    }

    #[test]
    fn http_1_0_persists_only_when_it_says_so() {
        let keep = |head: &str| {
            let stream = format!("{head}\r\nContent-Length: 0\r\n\r\n");
            read(RequestKind::Other, stream.as_bytes())
                .unwrap()
                .unwrap()
                .0
                .keep_alive
        };
        assert!(!keep("HTTP/1.0 200 OK"));
        assert!(keep("HTTP/1.0 200 OK\r\nConnection: Keep-Alive"));
        assert!(keep("HTTP/1.1 200 OK"));
        assert!(!keep("HTTP/1.1 200 OK\r\nConnection: close"));
    }

    #[test]
    fn switching_protocols_is_an_answer_that_ends_the_connection() {
        let (answer, _) = read(
            RequestKind::Other,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        )
        .unwrap()
        .unwrap();
        assert_eq!((answer.status, answer.keep_alive), (101, false));
    }

    #[test]
    fn what_is_not_http_or_too_large_is_bad() {
        assert_eq!(
            read(RequestKind::Other, b"SSH-2.0-OpenSSH\r\n"),
            Err(BadResponse::Malformed)
        );
        let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n".to_vec();
        let mut reader = ResponseReader::new(100, Keep::default());
        assert_eq!(reader.feed(&huge), Ok(None));
        assert_eq!(reader.feed(&[0; 101]), Err(BadResponse::TooLarge));
        let mut reader = ResponseReader::new(100, Keep::default());
        let mut head = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        head.resize(LIMITS.max_head, b'x');
        assert_eq!(reader.feed(&head), Err(BadResponse::Endless));
    }

    #[test]
    fn an_answer_that_is_kept_is_kept_as_it_came_or_not_at_all() {
        let stream = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let keep = |most: usize, piece: usize| {
            let mut reader = ResponseReader::new(
                100,
                Keep {
                    most: Some(most),
                    budget: None,
                },
            );
            reader.reset(RequestKind::Other);
            let mut pieces = stream.chunks(piece).map(|piece| reader.feed(piece).unwrap());
            pieces.find_map(|answer| answer).unwrap().0.kept
        };
        let head = &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..];
        let body = &b"2\r\nok\r\n0\r\n\r\n"[..];
        for piece in [1, 7, stream.len()] {
            assert_eq!(
                keep(head.len() + body.len(), piece),
                Ok((head.into(), body.into()))
            );
            assert_eq!(keep(head.len() + body.len() - 1, piece), Err(NotKept::TooLarge));
            assert_eq!(keep(1, piece), Err(NotKept::TooLarge));
        }
    }

    #[test]
    fn an_answer_in_parts_is_kept_while_the_budget_has_room() {
        let part = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nab".as_slice();
        let keep = |room: usize| {
            let budget = MemoryBudget::new(room);
            let mut reader = ResponseReader::new(
                100,
                Keep {
                    most: Some(1000),
                    budget: Some(budget.clone()),
                },
            );
            reader.reset(RequestKind::Other);
            assert_eq!(reader.feed(part), Ok(None));
            let held = budget.used();
            let (answer, _) = reader.feed(&[b'c'; 88]).unwrap().unwrap();
            assert_eq!(budget.used(), 0);
            (held, answer.kept.map(|(head, body)| head.len() + body.len()))
        };
        assert_eq!(keep(part.len()), (part.len(), Ok(part.len() + 88)));
        assert_eq!(keep(part.len() - 1), (0, Err(NotKept::Memory)));
    }
}
