//! `--input-http`: clients that send requests to the agent itself, and what they are answered.
//!
//! Reading their bytes as requests is the business of whoever has the shard: a [`Client`] is given back with each piece
//! of bytes, and takes what is to be answered.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::settings::HttpInputSettings;
use super::silence::Silence;
use crate::http::{Reject, Request, RequestEvent, Skip, Version};
use crate::listen::bind;

/// Bytes read at once.
const READ: usize = 16 * 1024;

/// How long a client that was refused may go on sending, so that it gets to read the answer.
const LINGER: Duration = Duration::from_secs(1);

/// How every answer to a whole request begins.
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n";

/// A listening port.
pub struct HttpInput {
    /// Acceptor of connections.
    pub listener: TcpListener,
    /// Its bounds.
    pub settings: HttpInputSettings,
}

impl HttpInput {
    /// Listens. Accepts nothing yet.
    pub(super) fn open(settings: &HttpInputSettings) -> anyhow::Result<Self> {
        let listener = bind("--input-http", settings.listen)?;
        let address = listener.local_addr().context("--input-http")?;
        tracing::info!(%address, "listening for requests to mirror");
        Ok(Self {
            listener,
            settings: settings.clone(),
        })
    }
}

/// Why a connection ended. The names are those of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By its client, or as its last request asked.
    Finished,
    /// The network lost it.
    Lost,
    /// A request took longer than `--input-http-timeout`, or its answer did.
    Slow,
    /// It was silent for longer than `--input-http-idle-timeout`.
    Idle,
    /// It carried something that was refused.
    Refused,
    /// There were `--input-http-max-connections` already, none of them silent.
    TooMany,
    /// It had been silent for longest when another came and there were `--input-http-max-connections` already.
    Silent,
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Responses to be sent.
    answers: Vec<u8>,
    /// Whether nothing more is read once that is answered.
    last: Option<Ending>,
    /// Since when a request has been coming.
    began: Option<Instant>,
    /// Bytes answered, as TCP would count them from where this connection began.
    answered: u32,
    silence: Rc<Silence>,
}

impl Client {
    /// A connection in its place. `begin`: what the first answer's bytes are counted from, another for each connection.
    pub fn new(stream: TcpStream, silence: Rc<Silence>, begin: u32) -> Self {
        // An answer is small and the last thing to wait for.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            bytes: vec![0; READ],
            answers: Vec::new(),
            last: None,
            began: None,
            answered: begin,
            silence,
        }
    }

    /// Both ends: the client's, and this one.
    ///
    /// # Errors
    ///
    /// Where the connection is gone.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.stream.peer_addr()?, self.stream.local_addr()?))
    }

    /// Bytes answered so far.
    pub fn answered(&self) -> u32 {
        self.answered
    }

    /// The first `count` bytes that were read last.
    pub fn read(&self, count: usize) -> &[u8] {
        &self.bytes[..count]
    }

    /// Answers what was to be answered, and reads more: the client with the count of bytes, or why it ended.
    ///
    /// # Errors
    ///
    /// The end of the connection, and why: its client closed it or was too slow, the last answer is sent, or the network lost
    /// it.
    pub async fn turn(
        mut self,
        settings: &HttpInputSettings,
        is_under_way: bool,
    ) -> Result<(Self, usize), Ending> {
        if !self.answers.is_empty() {
            match timeout(settings.timeout, self.stream.write_all(&self.answers)).await {
                Ok(Ok(())) => self.answers.clear(),
                Ok(Err(_)) => return Err(Ending::Lost),
                Err(_) => return Err(Ending::Slow),
            }
        }
        if let Some(ending) = self.last {
            // Closed with bytes that were not read, the connection would be reset and the answer lost.
            let _ = self.stream.shutdown().await;
            let rest = async {
                while self
                    .stream
                    .read(&mut self.bytes)
                    .await
                    .is_ok_and(|count| count > 0)
                {}
            };
            let _ = timeout(LINGER, rest).await;
            return Err(ending);
        }
        let (until, late) = if is_under_way {
            let began = *self.began.get_or_insert_with(Instant::now);
            (began + settings.timeout, Ending::Slow)
        } else {
            self.began = None;
            (Instant::now() + settings.idle_timeout, Ending::Idle)
        };
        let read = self.silence.broken_by(self.stream.read(&mut self.bytes));
        match timeout_at(until, read).await {
            Ok(Some(Ok(0))) => Err(Ending::Finished),
            Ok(Some(Ok(count))) => Ok((self, count)),
            Ok(Some(Err(_))) => Err(Ending::Lost),
            Ok(None) => Err(Ending::Silent),
            Err(_) => Err(late),
        }
    }

    /// Answers what became of some bytes.
    pub fn tell(&mut self, events: &[ClientReply]) {
        for told in events {
            if self.last.is_some() {
                return;
            }
            match told {
                ClientReply::Whole { has_body, keep_alive } => {
                    self.began = None;
                    let close = if *keep_alive { "" } else { "Connection: close\r\n" };
                    let body = if *has_body { "OK" } else { "" };
                    self.answer(&format!("{OK}{close}\r\n{body}"));
                    if !keep_alive {
                        self.last = Some(Ending::Finished);
                    }
                }
                ClientReply::Refused(status) => {
                    self.answer(&format!(
                        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    ));
                    self.last = Some(Ending::Refused);
                }
            }
        }
    }

    /// Lets the client go on with the body.
    pub fn go_on(&mut self) {
        self.answer("HTTP/1.1 100 Continue\r\n\r\n");
    }

    fn answer(&mut self, text: &str) {
        self.answered = self.answered.wrapping_add(text.len() as u32);
        self.answers.extend_from_slice(text.as_bytes());
    }
}

/// Responses to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientReply {
    /// A request is whole.
    Whole {
        /// Whether the answer may have a body (RFC 9110 section 9.3.2).
        has_body: bool,
        /// Whether the connection stays open.
        keep_alive: bool,
    },
    /// Something is none, with the status line that says so.
    Refused(&'static str),
}

impl ClientReply {
    /// Response to an event, if any.
    pub fn of(event: &RequestEvent) -> Option<Self> {
        match event {
            RequestEvent::Complete(request) => Some(Self::whole(request)),
            RequestEvent::Incomplete(_, reject) | RequestEvent::Rejected(reject) => {
                Some(Self::Refused(status(*reject)))
            }
            // An offer of another protocol, which is not taken up here.
            RequestEvent::Recognised(Skip::Upgraded) => None,
            RequestEvent::Recognised(_) => Some(Self::Refused("400 Bad Request")),
            RequestEvent::Skipped { why, .. } if *why != Skip::EmptyLine => {
                Some(Self::Refused("400 Bad Request"))
            }
            RequestEvent::Started | RequestEvent::Faulty { .. } | RequestEvent::Skipped { .. } => None,
        }
    }

    fn whole(request: &Request) -> Self {
        Self::Whole {
            has_body: request.method() != b"HEAD",
            keep_alive: request.version == Version::Http11 && request.keep_alive(),
        }
    }
}

/// The status of an answer to what was rejected.
fn status(reject: Reject) -> &'static str {
    match reject {
        Reject::HeadTooLarge => "431 Request Header Fields Too Large",
        Reject::BodyTooLarge => "413 Content Too Large",
        Reject::Memory => "503 Service Unavailable",
        Reject::Upgrade => "501 Not Implemented",
        _ => "400 Bad Request",
    }
}

/// Counters of an `--input-http`, besides requests.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    closed: BTreeMap<Ending, u64>,
}

impl Counters {
    /// A connection ended.
    pub fn closed(&mut self, ending: Ending) {
        *self.closed.entry(ending).or_default() += 1;
    }

    /// All of it, as the ledger shows it.
    pub fn report(&self) -> Value {
        json!({"connections": self.connections, "open": self.open, "closed": self.closed})
    }
}
