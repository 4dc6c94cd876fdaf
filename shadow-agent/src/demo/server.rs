//! Serves the demo's shop over HTTP/1.1 and its gRPC service over HTTP/2, on one port, and counts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, StreamBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::Serialize;
use tokio::net::TcpListener;

use super::faults::Faults;
use super::noise::Noise;
use super::shop::{Asked, Page, page};
use super::stock::{Reply, reply};

/// Counts of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Requests answered, the answers that were broken off among them.
    pub requests: u64,
    /// Those answered 500, or that a call failed with.
    pub errors: u64,
    /// Those whose connection was closed inside the answer.
    pub closed: u64,
}

/// A server's counters.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
    closed: AtomicU64,
}

impl Counters {
    /// The counts at this moment.
    pub fn get(&self) -> Count {
        Count {
            requests: self.requests.load(Relaxed),
            errors: self.errors.load(Relaxed),
            closed: self.closed.load(Relaxed),
        }
    }
}

impl Counters {
    fn count(&self, error: bool, closed: bool) {
        self.requests.fetch_add(1, Relaxed);
        self.errors.fetch_add(error.into(), Relaxed);
        self.closed.fetch_add(closed.into(), Relaxed);
    }
}

/// Serves connections for ever.
pub async fn serve(listener: TcpListener, faults: Arc<Faults>, counters: Arc<Counters>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others will close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (faults, counters) = (Arc::clone(&faults), Arc::clone(&counters));
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&faults), Arc::clone(&counters)));
            // A client that goes away is no news.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// A page of the shop, or the reply to a call.
type Answered = Either<Answer, Frames>;

/// The messages of a reply and its trailers.
type Frames = StreamBody<futures::stream::Iter<std::vec::IntoIter<io::Result<Frame<Bytes>>>>>;

async fn answer(
    request: Request<Incoming>,
    faults: Arc<Faults>,
    counters: Arc<Counters>,
) -> Result<Response<Answered>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let content = head.headers.get(CONTENT_TYPE);
    if content.is_some_and(|content| content.as_bytes().starts_with(b"application/grpc")) {
        let reply = reply(head.uri.path(), &body, &faults, &mut Noise::new());
        wait(reply.delay).await;
        counters.count(!reply.is_ok(), false);
        return Ok(called(&reply).map(Either::Right));
    }
    let asked = Asked {
        method: &head.method,
        uri: &head.uri,
        headers: &head.headers,
        body: &body,
    };
    let page = page(&asked, &faults, &mut Noise::new());
    wait(page.delay).await;
    counters.count(
        page.status == StatusCode::INTERNAL_SERVER_ERROR,
        page.closes_after.is_some(),
    );
    Ok(response(page).map(Either::Left))
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

/// The reply to a call, with its status in the trailers.
fn called(reply: &Reply) -> Response<Frames> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", reply.code.into());
    if let Some(checksum) = reply.checksum {
        trailers.insert("checksum", checksum.into());
    }
    let mut frames: Vec<_> = reply
        .messages
        .iter()
        .map(|message| Ok(Frame::data(message.framed())))
        .collect();
    frames.push(Ok(Frame::trailers(trailers)));
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn response(page: Page) -> Response<Answer> {
    let whole = page.body.len();
    let mut response = Response::new(Answer {
        rest: page.body,
        breaks: page.closes_after.map(|_| Breaks::NotYet),
    });
    *response.status_mut() = page.status;
    for (name, value) in page.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    if let Some(sent) = page.closes_after {
        // Its length is that of all of it.
        response.headers_mut().insert(CONTENT_LENGTH, whole.into());
        response.body_mut().rest.truncate(sent);
    }
    response
}

/// A body that is sent at once, or one that breaks off.
struct Answer {
    rest: Bytes,
    breaks: Option<Breaks>,
}

/// How far a body is that breaks off.
#[derive(Clone, Copy)]
enum Breaks {
    NotYet,
    /// Its response is being written.
    Writing,
    Now,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.breaks {
            Some(Breaks::Writing) => {
                // Come back when what there was has been written.
                self.breaks = Some(Breaks::Now);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Breaks::Now) => return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            Some(Breaks::NotYet) => self.breaks = Some(Breaks::Writing),
            None => {}
        }
        let rest = std::mem::take(&mut self.rest);
        Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.breaks.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.breaks.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(faults: Faults, request: &str) -> (String, Count) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let counters = Arc::new(Counters::default());
        tokio::spawn(serve(listener, Arc::new(faults), Arc::clone(&counters)));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await.unwrap();
        (String::from_utf8(text).unwrap(), counters.get())
    }

    fn length_and_body(text: &str) -> (usize, &str) {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        let (_, length) = fields.find(|(name, _)| *name == "content-length").unwrap();
        (length.parse().unwrap(), body)
    }

    #[tokio::test]
    async fn a_head_has_the_length_of_the_body_that_it_leaves_out() {
        let request = "HEAD /products/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let (text, count) = ask(Faults::none(), request).await;
        let (length, body) = length_and_body(&text);
        assert!(length > 100 && body.is_empty(), "{text}");
        assert_eq!((count.requests, count.errors, count.closed), (1, 0, 0));
    }

    #[tokio::test]
    async fn a_connection_that_closes_inside_an_answer_has_sent_half_of_it() {
        let closed = (0..100)
            .find(|id| {
                let uri = format!("/pictures/{id}").parse().unwrap();
                let asked = Asked {
                    method: &hyper::Method::PUT,
                    uri: &uri,
                    headers: &hyper::HeaderMap::new(),
                    body: b"",
                };
                page(&asked, &Faults::all(), &mut Noise::new())
                    .closes_after
                    .is_some()
            })
            .unwrap();
        let request = format!("PUT /pictures/{closed} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
        let (text, count) = ask(Faults::all(), &request).await;
        let (length, body) = length_and_body(&text);
        assert_eq!(body.len(), length / 2, "{text}");
        assert_eq!((count.requests, count.errors, count.closed), (1, 0, 1));
    }
}
