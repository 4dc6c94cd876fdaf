//! `--input-dummy`: a request and its response each second, to see that outputs work.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{MessageSource, Next};
use crate::mirror::{Message, MessageId, MessageKind};
use crate::time::{Timestamp, unix_now};

/// From one request to the next.
const INTERVAL: Duration = Duration::from_secs(1);

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: www.w3.org\r\nUser-Agent: shadow-agent\r\nAccept: */*\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A source of a request and its response each second.
#[derive(Default)]
pub(super) struct Dummy {
    /// When the next request is due; `None` before the first, which is due at once.
    due: Option<Instant>,
    sent: u64,
    /// The response to the latest request, until it is sent.
    response: Option<Message>,
}

impl MessageSource for Dummy {
    fn next(&mut self) -> Next<'_> {
        Box::pin(async {
            if let Some(response) = self.response.take() {
                return Ok(Some(response));
            }
            let due = self.due.unwrap_or_else(Instant::now);
            sleep_until(due).await;
            self.due = Some(due + INTERVAL);
            self.sent += 1;
            let request = self.message(MessageKind::Request, REQUEST);
            self.response = Some(Message {
                kind: MessageKind::Response,
                payload: RESPONSE.into(),
                ..request.clone()
            });
            Ok(Some(request))
        })
    }
}

impl Dummy {
    fn message(&self, kind: MessageKind, payload: &'static [u8]) -> Message {
        let now = Timestamp(unix_now());
        let name = format!("{:024x}", self.sent);
        Message {
            kind,
            // Digits are visible ASCII, and few.
            id: MessageId::given(name.as_bytes()).unwrap_or_else(|| unreachable!()),
            first_byte: now,
            last_byte: now,
            payload: payload.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_second_has_a_request_and_its_response_under_one_name() {
        let mut dummy = Dummy::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for _ in 0..4 {
            let message = dummy.next().await.unwrap().unwrap();
            told.push((message.kind, message.id.to_string(), start.elapsed().as_secs()));
        }
        let id = |number: u64| format!("{number:024x}");
        assert_eq!(
            told,
            [
                (MessageKind::Request, id(1), 0),
                (MessageKind::Response, id(1), 0),
                (MessageKind::Request, id(2), 1),
                (MessageKind::Response, id(2), 1),
            ]
        );
    }
}
