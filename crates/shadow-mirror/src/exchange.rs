//! One exchange on its way to the outputs: a request, and later a response to it.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use shadow_core::time::Timestamp;
use shadow_http::{Request, Version};
use shadow_tcp::FlowKey;

use super::live::Live;
use super::message::{Message, MessageId, MessageKind};
use super::plan::PodIdentity;
use super::seen::{FlowId, Seen};

/// A whole request and where it was seen. Outputs share it by reference count.
#[derive(Debug)]
pub struct Exchange {
    /// Its name.
    pub id: MessageId,
    /// The connection it came on; requests with the same id reach an output in their order.
    pub flow: FlowId,
    /// That connection's addresses, as far as they are known.
    pub key: FlowKey,
    /// The pod that served it, where pods are watched.
    pub pod: Option<Arc<PodIdentity>>,
    /// Which copy of the request it is, from 1.
    pub copy: u32,
    /// The request.
    pub request: Rc<Request>,
    /// Production's further dealings with it, of a call of gRPC that is handed on before its end. Unless that is
    /// [whole](Live::is_whole), the request has its head and no message, and the messages are here.
    pub live: Option<Rc<Live>>,
}

impl Exchange {
    /// The exchange of a request that was read from a whole message rather than from a connection.
    pub(super) fn of_message(
        message: &Message,
        pod: Option<Arc<PodIdentity>>,
        mut request: Box<Request>,
    ) -> Self {
        request.first_byte = message.first_byte;
        request.last_byte = message.last_byte;
        Self {
            id: message.id.clone(),
            flow: FlowId(match request.version {
                // Each stream is for itself.
                Version::Http2 => message.id.exchange(),
                _ => message.id.connection(),
            }),
            key: message.id.endpoints(),
            pod,
            copy: 1,
            request: request.into(),
            live: None,
        }
    }

    /// Whether its messages come while production serves it, so that its request has its head alone.
    pub fn is_coming(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_whole())
    }

    /// The same exchange with another request in it.
    #[must_use]
    pub fn with_request(&self, request: Box<Request>) -> Self {
        Self {
            request: request.into(),
            ..self.same()
        }
    }

    /// Where its request was seen.
    pub(super) fn seen(&self) -> Seen {
        let Self {
            id,
            flow,
            key,
            pod,
            copy,
            ..
        } = self.same();
        Seen {
            id,
            flow,
            key,
            pod,
            copy,
        }
    }

    /// A whole request that was seen there.
    pub(super) fn of_seen(seen: Seen, request: Request) -> Self {
        let Seen {
            id,
            flow,
            key,
            pod,
            copy,
        } = seen;
        Self {
            id,
            flow,
            key,
            pod,
            copy,
            request: Rc::new(request),
            live: None,
        }
    }

    /// A further copy of its request, as if it had come on a connection of its own.
    #[must_use]
    pub fn copy(&self, number: u32) -> Self {
        Self {
            copy: number,
            flow: FlowId(self.flow.0 ^ (u64::from(number) << 56)),
            ..self.same()
        }
    }

    fn same(&self) -> Self {
        Self {
            id: self.id.clone(),
            flow: self.flow,
            key: self.key,
            pod: self.pod.clone(),
            copy: self.copy,
            request: Rc::clone(&self.request),
            live: self.live.clone(),
        }
    }
}

/// A response to a request that was handed to the outputs before.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeResponse<'a> {
    /// The name of its exchange.
    pub id: &'a MessageId,
    /// Whose it is: [`MessageKind::Response`] or [`MessageKind::Replayed`].
    pub kind: MessageKind,
    /// Status line and header section, up to and including the empty line.
    pub head: &'a Bytes,
    /// Body as it was on the wire.
    pub body: &'a Bytes,
    /// When whoever answered could begin: with a request that was pipelined, after the answer before it. Zero where that is not
    /// known.
    pub began: Timestamp,
    /// When its first byte was seen.
    pub first_byte: Timestamp,
    /// When its last byte was seen.
    pub last_byte: Timestamp,
}

impl Message {
    /// It as a response, of which `head` and `body` are the parts.
    pub fn response<'a>(&'a self, head: &'a Bytes, body: &'a Bytes) -> ExchangeResponse<'a> {
        ExchangeResponse {
            id: &self.id,
            kind: self.kind,
            head,
            body,
            began: Timestamp::default(),
            first_byte: self.first_byte,
            last_byte: self.last_byte,
        }
    }
}

/// Why production's answer to a whole request is not whole here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerLost {
    /// Bytes of it, or of requests before it, were not captured, or there was no room for them.
    Gap,
    /// The connection ended first.
    Closed,
    /// It is beyond a limit.
    TooLarge,
    /// It is not HTTP/1.x, or leaves it.
    NotHttp,
    /// The agent ended first.
    Shutdown,
}
