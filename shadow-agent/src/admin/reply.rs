//! Answers as they are written: status, type, body, and the fields that all of them have.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

/// An answer: whole, or a stream.
pub(super) type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    with_type(status, body, TEXT)
}

pub(super) fn not_allowed(allowed: &'static str) -> Reply {
    let reply = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("method not allowed; use {allowed}\n"),
    );
    with_header(reply, ALLOW, allowed)
}

pub(super) fn with_type(status: StatusCode, body: impl Into<Bytes>, content_type: &'static str) -> Reply {
    of(status, Full::new(body.into()).boxed_unsync(), content_type)
}

/// An answer that goes on.
pub(super) fn streaming(
    stream: impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send + 'static,
    content_type: &'static str,
) -> Reply {
    of(
        StatusCode::OK,
        StreamBody::new(stream).boxed_unsync(),
        content_type,
    )
}

pub(super) fn with_header(mut reply: Reply, name: HeaderName, value: &'static str) -> Reply {
    reply.headers_mut().insert(name, HeaderValue::from_static(value));
    reply
}

fn of(status: StatusCode, body: UnsyncBoxBody<Bytes, Infallible>, content_type: &'static str) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    // Each answer is of one moment.
    let reply = with_header(reply, CACHE_CONTROL, "no-store");
    with_header(reply, CONTENT_TYPE, content_type)
}
