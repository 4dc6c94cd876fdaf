//! Helpers that the tests of this crate and of those above share: exchanges made from raw requests, and an output that remembers.
//! What does not hold is a fault of the test, and panics.

use std::cell::RefCell;
use std::future::{Future, ready};
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::{Framing, HeaderField, Request, Version};
use shadow_tcp::FlowKey;

use crate::ledger::{DropReason, Outcome, Ticket};
use crate::plan::{AddressScope, Plan, PlannedMirror, Selection};
use crate::{Exchange, ExchangeResponse, FlowId, LiveReader, MessageId, ShardOutput};

/// A plan of one mirror, which takes everything that is captured.
pub fn plan_of_everything() -> Plan {
    Plan {
        mirrors: vec![PlannedMirror {
            slot: 0,
            selection: Selection::Everything,
            rules: None,
            limit: None,
        }],
        addresses: vec![AddressScope {
            slots: vec![0],
            ..AddressScope::default()
        }],
        ..Plan::default()
    }
}

/// The request that `raw` is: a head, and everything behind it as its body.
pub fn request(raw: &[u8]) -> Request {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let head_len = parsed.parse(raw).unwrap().unwrap();
    let span = |part: &[u8]| {
        let start = (part.as_ptr().addr() - raw.as_ptr().addr()) as u32;
        start..start + part.len() as u32
    };
    let headers = parsed
        .headers
        .iter()
        .map(|field| HeaderField {
            name: span(field.name.as_bytes()),
            value: span(field.value),
        })
        .collect();
    let body = &raw[head_len..];
    let mut request = Request {
        head: Bytes::copy_from_slice(&raw[..head_len]),
        body: Bytes::copy_from_slice(body),
        method: span(parsed.method.unwrap().as_bytes()),
        target: span(parsed.path.unwrap().as_bytes()),
        version: if parsed.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        },
        headers,
        framing: Framing::None,
        first_byte: Timestamp(0),
        last_byte: Timestamp(0),
        acknowledgment: 0,
        incomplete: None,
        pieces: None,
        charge: MemoryBudget::new(1 << 20).charge(),
    };
    request.framing = if request.header("transfer-encoding").is_some() {
        Framing::Chunked
    } else if body.is_empty() {
        Framing::None
    } else {
        Framing::Length(body.len() as u64)
    };
    request
}

/// An exchange of connection `flow`.
pub fn exchange(flow: u64, raw: &[u8]) -> Rc<Exchange> {
    let endpoint = |text: &str| text.parse::<std::net::SocketAddr>().unwrap().into();
    let key = FlowKey {
        client: endpoint("10.1.2.3:40000"),
        server: endpoint("10.0.0.1:80"),
        scope: 0,
    };
    Rc::new(Exchange {
        id: MessageId::captured(&key, 0),
        flow: FlowId(flow),
        key,
        pod: None,
        copy: 1,
        request: Rc::new(request(raw)),
        live: None,
    })
}

/// An output that delivers at once, and remembers what it was offered: a line for each message.
#[derive(Default)]
pub struct Recorder {
    lines: RefCell<Vec<String>>,
    live: RefCell<Option<Vec<LiveTaken>>>,
}

/// A call that production was still serving when it was offered, which its test is to settle.
pub struct LiveTaken {
    /// The exchange that was offered.
    pub exchange: Rc<Exchange>,
    /// Its claim to an outcome.
    pub ticket: Ticket,
    /// The reader of it.
    pub reader: LiveReader,
}

impl Recorder {
    /// Messages offered so far.
    pub fn seen(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// From now on, it takes calls that production is still serving.
    pub fn take_live_calls(&self) {
        self.live.borrow_mut().get_or_insert_default();
    }

    /// Such calls that were offered and not taken from here.
    pub fn live(&self) -> Vec<LiveTaken> {
        self.live
            .borrow_mut()
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    fn note(&self, what: &str, head: &[u8], body: &[u8]) {
        let head = String::from_utf8_lossy(head);
        let first = head.lines().next().unwrap_or_default();
        self.lines
            .borrow_mut()
            .push(format!("{what}{first} {}", String::from_utf8_lossy(body)));
    }
}

impl ShardOutput for Recorder {
    fn offer(&self, exchange: &Rc<Exchange>, ticket: Ticket) {
        let request = &exchange.request;
        self.note(&format!("{} ", exchange.id), &request.head, &request.body);
        if let (Some(live), Some(taken)) = (&exchange.live, &mut *self.live.borrow_mut()) {
            return taken.push(LiveTaken {
                exchange: Rc::clone(exchange),
                ticket,
                reader: live.reader(),
            });
        }
        ticket.settle(Outcome::Delivered);
    }

    fn takes_live_calls(&self) -> bool {
        self.live.borrow().is_some()
    }

    fn offer_response(&self, response: &ExchangeResponse<'_>) {
        let what = format!("{} {:?} ", response.id, response.kind);
        self.note(&what, response.head, response.body);
    }

    fn production_left(&self, response: &ExchangeResponse<'_>) {
        self.note(&format!("{} left ", response.id), response.head, response.body);
    }

    fn drain(&self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }

    fn abort(&self, _: DropReason) {}
}
