//! Messages of gRPC in Protocol Buffers: what an answer's issues, and what a request's carry.
//!
//! An answer of one message is read as JSON is: with the names of its fields where their types are known, else with their numbers and by
//! guesses, so that its values are found at the same place on both sides. In a request the same values are looked for as they are
//! on the wire: a string, or bytes, that is the value and nothing else, in however many messages.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use shadow_grpc::{Codec, Method, Reply, guessed, shown_as, values, with_values};
use shadow_http::{Request, RewriteError};

use crate::shape::is_token;
use crate::url;

/// The types of messages, where somebody has descriptors of them.
pub trait Methods: fmt::Debug + Send + Sync {
    /// The method that a request for this target calls.
    fn method(&self, target: &[u8]) -> Option<&Method>;
}

/// Whether a content type is of gRPC, or gRPC-Web.
pub(crate) fn is_grpc(content_type: &[u8]) -> bool {
    shadow_grpc::format(content_type).is_some()
}

/// Whether the method called makes a record, by its name: the standard one that does is called so (<https://google.aip.dev/133>).
pub(crate) fn creates(target: &[u8]) -> bool {
    url::split_last(url::path(target)).1.starts_with(b"Create")
}

/// The message of an answer, of `max` bytes at most, as JSON; `None` where it has none or several, and where nothing in it can be
/// anybody's identifier.
pub(crate) fn issuing(
    (head, body): (&[u8], &[u8]),
    max: usize,
    methods: Option<&dyn Methods>,
    target: &[u8],
) -> Option<String> {
    let reply = Reply::read(head, body)?;
    let messages = reply.messages(max).ok()?;
    let [message] = &messages[..] else { return None };
    match reply.codec {
        Codec::Json => String::from_utf8(message.to_vec()).ok(),
        Codec::Other => None,
        Codec::Protobuf => {
            let method = methods.and_then(|methods| methods.method(target));
            if method.is_some_and(|method| method.server_streaming) {
                return None;
            }
            let of = method.map(|method| &method.output);
            let mut any = creates(target);
            values(message, of, |place| {
                any |= is_token(&message[place]);
                any
            });
            match of {
                _ if !any => None,
                Some(of) => shown_as(message, of),
                None => guessed(message),
            }
        }
    }
}

/// A request's call, without what HTTP wraps it in.
pub(crate) fn call(request: &Request) -> Option<Reply<'_>> {
    if request.incomplete.is_some() {
        return None;
    }
    Reply::read(&request.head, &request.body).filter(|call| call.codec == Codec::Protobuf)
}

/// Gives `take` each string, or bytes, of a message of a call, with where it stands there; it says whether it was taken.
pub(crate) fn carried<'m>(
    message: &'m [u8],
    method: Option<&Method>,
    mut take: impl FnMut(Range<usize>, &'m [u8]) -> bool,
) {
    let of = method.map(|method| &method.input);
    values(message, of, |place| take(place.clone(), &message[place]));
}

/// A value that takes the place of another: the number of its message, and where in that it stands.
pub(crate) type Other = (usize, Range<usize>, Vec<u8>);

/// The body of `request` with others in the place of values; they are in order, and the messages have `max` bytes at most. No message of it is
/// compressed then, which each says of itself.
pub(crate) fn with_others(request: &Request, others: &[Other], max: usize) -> Result<Vec<u8>, RewriteError> {
    let call = call(request).ok_or(RewriteError::Invalid)?;
    let before = call.messages(max).map_err(|_| RewriteError::Invalid)?;
    let mut messages: Vec<Vec<u8>> = before.into_iter().map(Cow::into_owned).collect();
    for same in others.chunk_by(|a, b| a.0 == b.0) {
        let message = messages.get_mut(same[0].0).ok_or(RewriteError::Invalid)?;
        let others: Vec<_> = same
            .iter()
            .map(|(_, place, value)| (place.clone(), value.clone()))
            .collect();
        *message = with_values(message, &others).ok_or(RewriteError::Invalid)?;
    }
    Ok(call.rewritten(&messages, call.sent_trailers()))
}
