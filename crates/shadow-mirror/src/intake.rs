//! Whole messages that did not come from a connection, taken as if they had been captured.

use std::sync::atomic::Ordering::Relaxed;

use shadow_http::{RequestEvent, RequestStream};
use shadow_tcp::{Chunk, Close, FlowKey};

use super::exchange::Exchange;
use super::ledger::{DropReason, Outcome};
use super::message::{Message, MessageKind};
use super::mirrors::Targets;
use super::shard::Shard;

impl Shard {
    /// Takes a message: a request is read, counted and forwarded to the outputs, a response goes to those that have a use
    /// for it. A payload that is no request counts as malformed; one that holds several counts as so many.
    pub fn take(&mut self, message: &Message) {
        let key = message.id.endpoints();
        self.pipeline.dispatcher.expect_responses();
        match message.kind {
            MessageKind::Request => self.take_request(message, &key),
            MessageKind::Response | MessageKind::Replayed => {
                let (head, body) = message.split();
                let response = message.response(&head, &body);
                if message.kind == MessageKind::Response {
                    self.pipeline.dispatcher.production_answered(&response);
                }
                self.pipeline.dispatcher.response(&key, &response);
            }
        }
    }

    fn take_request(&mut self, message: &Message, key: &FlowKey) {
        let mut stream = RequestStream::of_text(self.limits);
        let pipeline = &mut self.pipeline;
        let Targets { slots, pod } = pipeline.dispatcher.mirrors_mut().targets_in_turn(key);
        let mut opened = None;
        let mut started = false;
        let mut read = |event| match event {
            RequestEvent::Started => {
                started = true;
                if let Some(pod) = &pod {
                    pod.seen.fetch_add(1, Relaxed);
                }
                opened = Some(pipeline.ledger.open_for(&slots));
            }
            RequestEvent::Complete(request) => {
                if let Some(opened) = opened.take() {
                    pipeline.forward(Exchange::of_message(message, pod.clone(), request), opened);
                }
            }
            // A stream hands those on only where it is told to; what is read here is as whole as it was sent.
            RequestEvent::Incomplete(_, reject) | RequestEvent::Rejected(reject) => {
                if let Some(opened) = opened.take() {
                    pipeline.dispatcher.not_taken(&message.id);
                    opened.settle(Outcome::Dropped(pipeline.reason(reject)));
                }
            }
            RequestEvent::Faulty { fault, start } => {
                pipeline.counters.not_understood.tell(&fault, &start, key);
            }
            RequestEvent::Skipped { bytes, why } => pipeline.counters.skip(bytes, why),
            RequestEvent::Recognised(what) => pipeline.counters.recognise(what),
        };
        if !message.payload.is_empty() {
            let chunk = Chunk {
                bytes: &message.payload,
                sequence: 0,
                acknowledgment: 0,
                segment_start: true,
                time: message.first_byte,
            };
            stream.push(chunk, &self.budget, &mut read);
        }
        stream.end(Close::Finished, &mut read);
        if !started {
            let opened = self.pipeline.ledger.open_for(&slots);
            self.pipeline.dispatcher.not_taken(&message.id);
            opened.settle(Outcome::Dropped(DropReason::Malformed));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use shadow_core::budget::MemoryBudget;
    use shadow_core::time::Timestamp;
    use shadow_http::Limits;

    use super::*;
    use crate::MessageId;
    use crate::ledger::ShardLedger;
    use crate::testing::{Recorder, plan_of_everything};

    fn take(messages: &[(MessageKind, &str)]) -> (Rc<Recorder>, crate::ledger::RequestCounts) {
        let ledger = ShardLedger::new(1);
        let limits = Limits {
            max_head: 1000,
            max_body: 1000,
            max_headers: 10,
        };
        let mut shard = Shard::new(
            ledger.clone(),
            MemoryBudget::new(1 << 20),
            limits,
            Some("x-mark"),
            false,
        );
        let recorder = Rc::new(Recorder::default());
        let plan = plan_of_everything();
        let output = Rc::clone(&recorder);
        shard
            .mirrors_mut()
            .apply(&plan, Timestamp(0), move |_| Rc::clone(&output) as Rc<_>);
        for (kind, payload) in messages {
            shard.take(&Message {
                kind: *kind,
                id: MessageId::given(b"id").unwrap(),
                first_byte: Timestamp(5),
                last_byte: Timestamp(7),
                payload: payload.as_bytes().to_vec().into(),
            });
        }
        (recorder, ledger.snapshot())
    }

    #[test]
    fn a_recorded_exchange_reaches_the_outputs_under_its_name() {
        let (output, counts) = take(&[
            (
                MessageKind::Request,
                "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
            ),
            (MessageKind::Response, "HTTP/1.1 200 OK\r\n\r\nok"),
        ]);
        assert_eq!(
            output.seen(),
            ["id POST /a HTTP/1.1 hi", "id Response HTTP/1.1 200 OK ok"]
        );
        assert_eq!((counts.seen, counts.outputs[0].delivered), (1, 1));
        assert!(counts.balanced());
    }

    #[test]
    fn a_recorded_request_of_http_2_is_read_from_its_text() {
        let text =
            "POST /a HTTP/2.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n\n";
        let (output, counts) = take(&[
            (MessageKind::Request, text),
            (MessageKind::Response, "HTTP/2.0 200 \r\n\r\nok"),
        ]);
        assert_eq!(
            output.seen(),
            [
                "id POST /a HTTP/2.0 2\r\nhi\r\n0\r\nx: y\r\n\r\n",
                "id Response HTTP/2.0 200  ok"
            ]
        );
        assert_eq!((counts.seen, counts.outputs[0].delivered), (1, 1));
    }

    #[test]
    fn what_is_no_whole_request_is_counted_with_its_reason() {
        let (output, counts) = take(&[
            (
                MessageKind::Request,
                "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi",
            ),
            (MessageKind::Request, "nonsense"),
            (MessageKind::Request, ""),
            (MessageKind::Request, "GET / HTTP/1.1\r\nX-Mark: 1\r\n\r\n"),
        ]);
        assert_eq!(output.seen(), [""; 0]);
        let dropped = &counts.outputs[0].dropped;
        assert_eq!(dropped[&DropReason::Truncated], 1);
        assert_eq!(dropped[&DropReason::Malformed], 2);
        assert_eq!(dropped[&DropReason::LoopGuard], 1);
        assert_eq!(counts.seen, 4);
        assert!(counts.balanced());
    }

    #[test]
    fn a_response_shares_the_fate_of_its_request() {
        for request in [
            "GET / HTTP/1.1\r\nX-Mark: 1\r\n\r\n",
            "GET / HTTP/1.1\r\n",
            "nonsense",
        ] {
            let (output, counts) = take(&[
                (MessageKind::Request, request),
                (MessageKind::Response, "HTTP/1.1 200 OK\r\n\r\n"),
                (MessageKind::Replayed, "HTTP/1.1 200 OK\r\n\r\n"),
            ]);
            assert_eq!(output.seen(), [""; 0]);
            assert_eq!((counts.seen, counts.outputs[0].delivered), (1, 0));
        }
    }

    #[test]
    fn a_line_end_behind_a_request_is_no_request() {
        // A relay of GoReplay's leaves one behind every payload.
        let (output, counts) = take(&[(MessageKind::Request, "GET /a HTTP/1.1\r\n\r\n\n")]);
        assert_eq!(output.seen(), ["id GET /a HTTP/1.1 "]);
        assert_eq!((counts.seen, counts.outputs[0].delivered), (1, 1));
    }
}
