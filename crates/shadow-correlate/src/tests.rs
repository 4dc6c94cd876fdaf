//! Two answers, and what becomes of a later request.

mod again;
mod applications;
mod calls;
mod learning;
mod named;
mod properties;
mod rewriting;
mod turns;

use std::sync::{Arc, Mutex};

use shadow_core::budget::MemoryBudget;
use shadow_core::time::Timestamp;
use shadow_http::{Limits, Request, whole_request};

use crate::rewrite::Rewriting;
use crate::{Bounds, Exceptions, Exchanges, Keys, Map, Same, lock};

/// One output, and production beside it.
struct Sides {
    map: Arc<Mutex<Map>>,
    exchanges: Exchanges<u32>,
    exceptions: Arc<Exceptions>,
    exchange: u32,
}

/// When everything happens that is not about time.
const NOW: Timestamp = Timestamp(1_000_000_000);

fn request(raw: &str) -> Box<Request> {
    let limits = Limits {
        max_head: 1 << 16,
        max_body: 1 << 20,
        max_headers: 64,
    };
    whole_request(raw.as_bytes(), limits, &MemoryBudget::new(1 << 24)).unwrap()
}

/// A request with a body, and how long it is.
fn with_body(head: &str, body: &str) -> String {
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn json(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{body}")
}

fn split(answer: &str) -> (&[u8], &[u8]) {
    let end = answer.find("\r\n\r\n").unwrap() + 4;
    (&answer.as_bytes()[..end], &answer.as_bytes()[end..])
}

impl Sides {
    fn new() -> Self {
        Self::with(Bounds::default(), Exceptions::default())
    }

    fn with(bounds: Bounds, exceptions: Exceptions) -> Self {
        let keys = Keys::default();
        let map = Arc::new(Mutex::new(Map::new(keys.clone(), bounds)));
        let exceptions = Arc::new(exceptions);
        Self {
            exchanges: Exchanges::new(Arc::clone(&map), keys, Arc::clone(&exceptions)),
            map,
            exceptions,
            exchange: 0,
        }
    }

    /// A request is under way; its number.
    fn sent(&mut self, raw: &str) -> u32 {
        self.exchange += 1;
        self.exchanges.open(&self.exchange, &request(raw).into());
        self.exchange
    }

    fn production(&mut self, exchange: u32, answer: &str) {
        let (head, body) = split(answer);
        self.exchanges.production(&exchange, (head, body), NOW, NOW);
    }

    fn own(&mut self, exchange: u32, answer: &str) {
        let (head, body) = split(answer);
        self.exchanges.own(&exchange, head, body, Same::Nothing, NOW);
    }

    /// Both sides answer a request.
    fn answered(&mut self, raw: &str, production: &str, own: &str) {
        let exchange = self.sent(raw);
        self.production(exchange, production);
        let ((head, body), (other_head, other)) = (split(own), split(production));
        let same = Same::if_body(body == other, other_head);
        self.exchanges.own(&exchange, head, body, same, NOW);
    }

    fn looked_up(&self, raw: &str) -> Rewriting {
        Rewriting::of(&request(raw), &self.exceptions, &mut lock(&self.map), NOW)
    }

    /// The request as the output gets it.
    fn rewritten(&self, raw: &str) -> String {
        let request = request(raw);
        let rewriting = Rewriting::of(&request, &self.exceptions, &mut lock(&self.map), NOW);
        if !rewriting.is_changed() {
            return raw.to_owned();
        }
        let after = rewriting.apply(&request).unwrap();
        String::from_utf8([&after.head[..], &after.body[..]].concat()).unwrap()
    }
}
