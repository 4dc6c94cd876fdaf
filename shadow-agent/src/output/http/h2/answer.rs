//! Reads the shadow's answer to one request to its end, and writes it down, where it is kept, as the text that stands for it
//! (docs/http2.md, "Text form").

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use ::h2::RecvStream;
use ::h2::client::ResponseFuture;
use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, header};

use super::watched::Seen;
use crate::mirror::ledger::DropReason;
use crate::output::http::kept::{Keep, Kept, NotKept};
use crate::output::http::response::{BadResponse, ShadowAnswer};

/// Most DATA frames of one answer that are told apart; what comes behind them becomes one chunk.
const MAX_FRAMES: usize = 4096;

/// Why there is no whole answer.
#[derive(Debug)]
pub(in crate::output::http) enum NoAnswer {
    /// It ended otherwise: the stream was reset, or the connection ended.
    Ended(::h2::Error),
    /// It is beyond a limit.
    Bad(BadResponse),
    /// It is not read any further: production's call ended so, or it is beyond the bound of a stream.
    Ends(DropReason),
}

/// An answer that is being read.
#[derive(Debug)]
pub(in crate::output::http) struct Answer {
    stage: Stage,
    max_body: u64,
    keep: Keep,
    kept: Kept,
    /// Where each DATA frame ends in the body that is kept.
    frames: Vec<usize>,
    body_bytes: u64,
    /// Most bytes of its body, where it may last.
    most_of_stream: Option<u64>,
    /// When its first byte came.
    pub first_byte: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Head(ResponseFuture),
    Body(Box<Parts>, RecvStream),
    Done,
}

/// Whether the shadow only says that it needs no more of the request: it may do so behind a whole answer (RFC 9113 section 8.1), as
/// Apache does.
fn is_whole(error: &::h2::Error) -> bool {
    error.is_remote() && error.is_reset() && error.reason() == Some(::h2::Reason::NO_ERROR)
}

impl Answer {
    /// The answer that `response` will be. `max_body`: most bytes of its body; `keep`: what is kept of it.
    pub(in crate::output::http) fn new(response: ResponseFuture, max_body: u64, keep: Keep) -> Self {
        Self {
            stage: Stage::Head(response),
            max_body,
            keep,
            kept: Kept::default(),
            frames: Vec::new(),
            body_bytes: 0,
            most_of_stream: None,
            first_byte: None,
        }
    }

    /// The same, of a call that may last, with so many bytes at most.
    pub(in crate::output::http) fn of_stream(mut self, most: Option<u64>) -> Self {
        self.most_of_stream = most;
        self
    }

    /// Whether data of it has come.
    pub(in crate::output::http) fn has_data(&self) -> bool {
        self.body_bytes > 0
    }

    /// Whether its head has come.
    pub(in crate::output::http) fn has_started(&self) -> bool {
        !matches!(self.stage, Stage::Head(_))
    }

    /// Reads on. Room in the windows is given back as the data is taken, so that no answer holds another one up.
    pub(in crate::output::http) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        seen: &Seen,
    ) -> Poll<Result<ShadowAnswer, NoAnswer>> {
        if let Stage::Head(response) = &mut self.stage {
            let response = ready!(Pin::new(response).poll(cx)).map_err(NoAnswer::Ended)?;
            self.first_byte = Some(seen.arrived());
            let (parts, body) = response.into_parts();
            if body.is_end_stream() {
                return Poll::Ready(Ok(self.whole(&parts, false, None)));
            }
            self.stage = Stage::Body(Box::new(parts), body);
        }
        let trailers = ready!(self.poll_body(cx))?;
        let Stage::Body(parts, _) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return Poll::Pending;
        };
        Poll::Ready(Ok(self.whole(&parts, true, trailers.as_ref())))
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<HeaderMap>, NoAnswer>> {
        let Stage::Body(_, body) = &mut self.stage else {
            return Poll::Pending;
        };
        loop {
            let data = match body.poll_data(cx) {
                Poll::Ready(Some(Err(error))) if is_whole(&error) => break,
                Poll::Ready(Some(data)) => data.map_err(NoAnswer::Ended)?,
                Poll::Ready(None) => break,
                Poll::Pending => {
                    self.kept.charge(&self.keep);
                    return Poll::Pending;
                }
            };
            // It fails for a stream that is gone, which the next read tells.
            let _ = body.flow_control().release_capacity(data.len());
            self.body_bytes = self.body_bytes.saturating_add(data.len() as u64);
            if self.most_of_stream.is_some_and(|most| self.body_bytes > most) {
                return Poll::Ready(Err(NoAnswer::Ends(DropReason::GrpcStreamLimit)));
            }
            if self.most_of_stream.is_none() && self.body_bytes > self.max_body {
                return Poll::Ready(Err(NoAnswer::Bad(BadResponse::TooLarge)));
            }
            if self.keep.most.is_some() && !data.is_empty() {
                self.kept.body(&self.keep, &data);
                if self.frames.len() == MAX_FRAMES {
                    self.frames.pop();
                }
                self.frames.push(self.kept.body_length());
            }
            if body.is_end_stream() {
                return Poll::Ready(Ok(None));
            }
        }
        match body.poll_trailers(cx) {
            Poll::Ready(Err(error)) if is_whole(&error) => Poll::Ready(Ok(None)),
            trailers => trailers.map_err(NoAnswer::Ended),
        }
    }

    /// As much of it as is there, if that is kept, of one that is not read any further.
    pub(in crate::output::http) fn begun(&mut self) -> Option<(Bytes, Bytes)> {
        let Stage::Body(parts, _) = std::mem::replace(&mut self.stage, Stage::Done) else {
            return None;
        };
        self.keep.most?;
        self.written(&parts, true, None).ok()
    }

    /// The answer is whole. `has_body`: whether its head did not end it.
    fn whole(&mut self, parts: &Parts, has_body: bool, trailers: Option<&HeaderMap>) -> ShadowAnswer {
        let status = parts.status.as_u16();
        let location = (300..400)
            .contains(&status)
            .then(|| parts.headers.get(header::LOCATION))
            .flatten();
        let kept = match self.keep.most {
            None => Err(NotKept::TooLarge),
            Some(_) => self.written(parts, has_body, trailers),
        };
        ShadowAnswer {
            status,
            keep_alive: true,
            location: location.map(|value| value.as_bytes().to_vec()),
            kept,
        }
    }

    /// It as text.
    fn written(
        &mut self,
        parts: &Parts,
        has_body: bool,
        trailers: Option<&HeaderMap>,
    ) -> Result<(Bytes, Bytes), NotKept> {
        let chunked = has_body && (trailers.is_some() || !parts.headers.contains_key(header::CONTENT_LENGTH));
        let mut kept = std::mem::take(&mut self.kept);
        kept.head(&self.keep, &head(parts, chunked));
        if chunked {
            kept.replace_body(&self.keep, |body| in_chunks(body, &self.frames, trailers));
        }
        kept.into_parts()
    }
}

fn head(parts: &Parts, chunked: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    // Writing into memory does not fail.
    let _ = write!(text, "HTTP/2.0 {} \r\n", parts.status.as_u16());
    for (name, value) in &parts.headers {
        if !(chunked && name == header::CONTENT_LENGTH) {
            line(&mut text, name.as_str(), value.as_bytes());
        }
    }
    if chunked {
        line(&mut text, "transfer-encoding", b"chunked");
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn in_chunks(body: &[u8], frames: &[usize], trailers: Option<&HeaderMap>) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len() + 16 * (frames.len() + 1));
    let mut start = 0;
    for end in frames {
        let Some(data) = body.get(start..*end) else { break };
        let _ = write!(text, "{:x}\r\n", data.len());
        text.extend_from_slice(data);
        text.extend_from_slice(b"\r\n");
        start = *end;
    }
    text.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        line(&mut text, name.as_str(), value.as_bytes());
    }
    text.extend_from_slice(b"\r\n");
    text
}

fn line(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        text.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::{Request, Response};
    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    /// The text of an answer of which a server sends these fields, frames of data, and trailers.
    fn text(
        fields: &str,
        frames: &'static [&'static str],
        trailers: &str,
        most: usize,
    ) -> Result<String, NotKept> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (fields, trailers) = (map(fields), map(trailers));
        LocalSet::new().block_on(&runtime, async move {
            let (near, far) = tokio::io::duplex(1 << 20);
            spawn_local(async move {
                let mut server = ::h2::server::handshake(far).await.unwrap();
                while let Some(Ok((_, mut reply))) = server.accept().await {
                    let mut response = Response::new(());
                    *response.headers_mut() = fields.clone();
                    let ends = frames.is_empty() && trailers.is_empty();
                    let mut stream = reply.send_response(response, ends).unwrap();
                    for (number, data) in frames.iter().enumerate() {
                        let last = number + 1 == frames.len() && trailers.is_empty();
                        stream
                            .send_data(Bytes::from_static(data.as_bytes()), last)
                            .unwrap();
                    }
                    if !trailers.is_empty() {
                        stream.send_trailers(trailers.clone()).unwrap();
                    }
                }
            });
            let (mut sender, connection) = ::h2::client::handshake(near).await.unwrap();
            spawn_local(connection);
            let request = Request::get("http://a/").body(()).unwrap();
            let (response, _stream) = sender.send_request(request, true).unwrap();
            let keep = Keep {
                most: Some(most),
                budget: None,
            };
            let mut answer = Answer::new(response, 1 << 20, keep);
            let whole = poll_fn(|cx| answer.poll(cx, &Seen::default())).await.unwrap();
            whole
                .kept
                .map(|(head, body)| String::from_utf8([head, body].concat()).unwrap())
        })
    }

    fn map(fields: &str) -> HeaderMap {
        let fields = fields.lines().map(|line| line.split_once(": ").unwrap());
        let field =
            |(name, value): (&str, &str)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        fields.map(field).collect()
    }

    #[test]
    fn an_answer_of_known_length_is_written_as_it_is() {
        assert_eq!(
            text("content-length: 4\nx-a: b", &["ab", "cd"], "", 1000).unwrap(),
            "HTTP/2.0 200 \r\ncontent-length: 4\r\nx-a: b\r\n\r\nabcd"
        );
    }

    #[test]
    fn an_answer_of_unknown_length_is_written_in_chunks() {
        assert_eq!(
            text("x-a: b", &["ab", "0123456789abcdef"], "", 1000).unwrap(),
            "HTTP/2.0 200 \r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\nab\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
        );
    }

    #[test]
    fn trailers_take_the_place_of_a_length() {
        assert_eq!(
            text(
                "content-length: 2\nx-a: b",
                &["ab"],
                "grpc-status: 0\ngrpc-message: ok",
                1000
            )
            .unwrap(),
            "HTTP/2.0 200 \r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n\
             2\r\nab\r\n0\r\ngrpc-status: 0\r\ngrpc-message: ok\r\n\r\n"
        );
    }

    #[test]
    fn a_head_that_ends_the_answer_is_all_of_it() {
        assert_eq!(
            text("grpc-status: 12", &[], "", 1000).unwrap(),
            "HTTP/2.0 200 \r\ngrpc-status: 12\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_beyond_the_bound_is_not_kept() {
        let whole = text("x-a: b", &["abcd"], "", 1000).unwrap().len();
        assert!(text("x-a: b", &["abcd"], "", whole).is_ok());
        assert_eq!(text("x-a: b", &["abcd"], "", whole - 1), Err(NotKept::TooLarge));
        assert_eq!(text("x-a: b", &["abcd"], "", 3), Err(NotKept::TooLarge));
    }
}
