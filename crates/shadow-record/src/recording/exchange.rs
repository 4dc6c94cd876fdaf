//! Puts a request and the responses to it together, for formats that have them in one place.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use shadow_mirror::{MessageId, MessageKind};

use super::Record;

/// How long a request waits for its responses: longer than most exchanges take. One that comes later stands alone.
pub const MAX_WAIT: Duration = Duration::from_secs(5);

/// Most requests that wait for their responses; the oldest goes first.
const MAX_WAITING: usize = 10_000;

/// The messages of an exchange, as far as they are there: at least one.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// The request.
    pub request: Option<Record>,
    /// Production's response.
    pub response: Option<Record>,
    /// The shadow's.
    pub replayed: Option<Record>,
}

impl From<Record> for Recorded {
    fn from(record: Record) -> Self {
        let mut recorded = Self::default();
        recorded.take(record);
        recorded
    }
}

impl Recorded {
    fn take(&mut self, record: Record) {
        let place = match record.kind {
            MessageKind::Request => &mut self.request,
            MessageKind::Response => &mut self.response,
            MessageKind::Replayed => &mut self.replayed,
        };
        *place = Some(record);
    }

    /// The messages there are: the request first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        [&self.request, &self.response, &self.replayed]
            .into_iter()
            .flatten()
    }
}

/// Which responses a request waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Production's.
    pub production: bool,
    /// The shadow's.
    pub shadow: bool,
}

impl Expected {
    /// Whether nothing is missing.
    fn are_in(self, recorded: &Recorded) -> bool {
        (recorded.response.is_some() || !self.production) && (recorded.replayed.is_some() || !self.shadow)
    }
}

/// An exchange, and the numbers that its messages came with.
pub type Numbered = (Recorded, Vec<u64>);

/// Requests that wait.
#[derive(Debug)]
pub struct Pairing {
    expected: Expected,
    by_id: HashMap<MessageId, u64>,
    /// In the order they came.
    waiting: BTreeMap<u64, (Instant, Numbered)>,
    next: u64,
}

impl Pairing {
    /// Nothing waits yet.
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            by_id: HashMap::new(),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// Takes a message, and gives what is whole with it.
    pub fn push(&mut self, record: Record, number: u64, now: Instant, out: &mut Vec<Numbered>) {
        let id = record.id.clone();
        if record.kind == MessageKind::Request {
            if let Some(before) = self.by_id.remove(&id) {
                out.extend(self.waiting.remove(&before).map(|(_, exchange)| exchange));
            }
            let exchange = (Recorded::from(record), vec![number]);
            if self.expected.are_in(&exchange.0) {
                out.push(exchange);
                return;
            }
            if self.waiting.len() >= MAX_WAITING {
                self.give_up_first(out);
            }
            self.by_id.insert(id, self.next);
            self.waiting.insert(self.next, (now, exchange));
            self.next += 1;
            return;
        }
        let waits = self.by_id.get(&id).and_then(|place| self.waiting.get_mut(place));
        let Some((_, exchange)) = waits else {
            out.push((record.into(), vec![number]));
            return;
        };
        exchange.0.take(record);
        exchange.1.push(number);
        if self.expected.are_in(&exchange.0)
            && let Some(place) = self.by_id.remove(&id)
        {
            out.extend(self.waiting.remove(&place).map(|(_, exchange)| exchange));
        }
    }

    /// When the oldest has waited long enough.
    pub fn until(&self) -> Option<Instant> {
        self.waiting.values().next().map(|(since, _)| *since + MAX_WAIT)
    }

    /// Gives up those that have waited long enough, or all.
    pub fn give_up(&mut self, now: Instant, all: bool, out: &mut Vec<Numbered>) {
        while let Some((since, _)) = self.waiting.values().next() {
            if !all && *since + MAX_WAIT > now {
                return;
            }
            self.give_up_first(out);
        }
    }

    fn give_up_first(&mut self, out: &mut Vec<Numbered>) {
        if let Some((_, (_, exchange))) = self.waiting.pop_first() {
            for record in exchange.0.records() {
                self.by_id.remove(&record.id);
            }
            out.push(exchange);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any time does")]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    fn message(kind: MessageKind, id: &str) -> Record {
        Record {
            kind,
            id: MessageId::given(id.as_bytes()).unwrap(),
            ..record(b"X", b"")
        }
    }

    fn shown(out: &mut Vec<Numbered>) -> Vec<Vec<u64>> {
        out.drain(..).map(|(_, numbers)| numbers).collect()
    }

    const PRODUCTION: Expected = Expected {
        production: true,
        shadow: false,
    };

    #[test]
    fn a_response_joins_its_request() {
        let (mut pairing, now, mut out) = (Pairing::new(PRODUCTION), Instant::now(), Vec::new());
        pairing.push(message(MessageKind::Request, "a"), 1, now, &mut out);
        pairing.push(message(MessageKind::Request, "b"), 2, now, &mut out);
        assert!(out.is_empty());
        pairing.push(message(MessageKind::Response, "b"), 3, now, &mut out);
        pairing.push(message(MessageKind::Response, "c"), 4, now, &mut out);
        assert_eq!(shown(&mut out), [vec![2, 3], vec![4]]);
        pairing.give_up(now + MAX_WAIT, false, &mut out);
        assert_eq!(shown(&mut out), [vec![1]]);
        assert_eq!(pairing.until(), None);
    }

    #[test]
    fn where_no_response_is_expected_nothing_waits() {
        let mut out = Vec::new();
        let mut pairing = Pairing::new(Expected::default());
        pairing.push(message(MessageKind::Request, "a"), 1, Instant::now(), &mut out);
        assert_eq!(shown(&mut out), [vec![1]]);
    }

    #[test]
    fn what_waits_is_bounded_and_a_name_used_again_lets_the_first_go() {
        let (mut pairing, now, mut out) = (Pairing::new(PRODUCTION), Instant::now(), Vec::new());
        for number in 0..=MAX_WAITING as u64 {
            pairing.push(
                message(MessageKind::Request, &number.to_string()),
                number,
                now,
                &mut out,
            );
        }
        assert_eq!(shown(&mut out), [vec![0]]);
        pairing.push(message(MessageKind::Request, "7"), 99_999, now, &mut out);
        assert_eq!(shown(&mut out), [vec![7]]);
    }
}
