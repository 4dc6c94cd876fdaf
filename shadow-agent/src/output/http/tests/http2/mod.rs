//! By HTTP/2, against shadows of the `h2` crate's server, and of frames written by hand.

mod exchanges;
mod faults;
mod live;
mod reflecting;
mod streams;
mod versions;

use std::net::SocketAddr;

use ::h2::RecvStream;
use ::h2::server::{Builder, SendResponse};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};

use super::*;
use crate::http::Version;
use crate::mirror::Exchange;
use crate::output::http::HttpVersion;

/// A request as an HTTP/2 shadow got it.
#[derive(Clone, Debug)]
struct Asked {
    connection: usize,
    stream: u32,
    head: String,
    fields: Vec<String>,
    body: Vec<u8>,
    trailers: Vec<String>,
}

impl Asked {
    fn path(&self) -> &str {
        self.head.rsplit(' ').next().unwrap()
    }
}

type Reply = SendResponse<Bytes>;

/// A shadow that speaks HTTP/2 in clear text.
struct Http2Shadow {
    port: u16,
    asked: Rc<RefCell<Vec<Asked>>>,
    /// Most streams that were open at once.
    at_once: Rc<Cell<usize>>,
}

fn pairs(fields: &HeaderMap) -> Vec<String> {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}", value.to_str().unwrap())
    };
    fields.iter().map(line).collect()
}

async fn whole(mut body: RecvStream) -> Option<(Vec<u8>, Vec<String>)> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.ok()?;
        let _ = body.flow_control().release_capacity(data.len());
        bytes.extend_from_slice(&data);
    }
    let trailers = body.trailers().await.ok()?;
    Some((bytes, trailers.as_ref().map(pairs).unwrap_or_default()))
}

impl Http2Shadow {
    /// Answers each request by `reply`.
    async fn start<F>(reply: impl Fn(Asked, Reply) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        Self::with(Builder::new(), reply).await
    }

    /// The same, with settings of its own.
    async fn with<F>(builder: Builder, reply: impl Fn(Asked, Reply) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Rc<RefCell<Vec<Asked>>> = Rc::default();
        let at_once: Rc<Cell<usize>> = Rc::default();
        let open: Rc<Cell<usize>> = Rc::default();
        let (log, most) = (Rc::clone(&asked), Rc::clone(&at_once));
        let reply = Rc::new(reply);
        spawn_local(async move {
            let mut number = 0;
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let (builder, log, reply) = (builder.clone(), Rc::clone(&log), Rc::clone(&reply));
                let (open, most) = (Rc::clone(&open), Rc::clone(&most));
                let connection = number;
                number += 1;
                spawn_local(async move {
                    let Ok(mut server) = builder.handshake(stream).await else {
                        return;
                    };
                    while let Some(Ok((request, respond))) = server.accept().await {
                        let (log, reply) = (Rc::clone(&log), Rc::clone(&reply));
                        let (open, most) = (Rc::clone(&open), Rc::clone(&most));
                        open.set(open.get() + 1);
                        most.set(most.get().max(open.get()));
                        spawn_local(async move {
                            if let Some(asked) = ask(connection, request, &respond).await {
                                log.borrow_mut().push(asked.clone());
                                reply(asked, respond).await;
                            }
                            open.set(open.get() - 1);
                        });
                    }
                });
            }
        });
        Self { port, asked, at_once }
    }

    /// Answers every request with `ok`.
    async fn answering() -> Self {
        Self::start(|_, mut reply| async move { ok(&mut reply) }).await
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.borrow().clone()
    }
}

async fn ask(connection: usize, request: Request<RecvStream>, reply: &Reply) -> Option<Asked> {
    let head = format!("{} {}", request.method(), request.uri());
    let fields = pairs(request.headers());
    let (body, trailers) = whole(request.into_body()).await?;
    Some(Asked {
        connection,
        stream: reply.stream_id().as_u32(),
        head,
        fields,
        body,
        trailers,
    })
}

fn ok(reply: &mut Reply) {
    answer(reply, 200, &[], b"ok");
}

fn answer(reply: &mut Reply, status: u16, fields: &[(&'static str, &str)], body: &'static [u8]) {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    let response = response.body(()).unwrap();
    if let Ok(mut stream) = reply.send_response(response, body.is_empty())
        && !body.is_empty()
    {
        let _ = stream.send_data(Bytes::from_static(body), true);
    }
}

/// An exchange of a stream of the production connection from this port; `raw` is HTTP/2's text form.
fn on_stream(port: u16, stream: u64, raw: &str) -> Rc<Exchange> {
    let by_http2 = raw.contains(" HTTP/2.0\r\n");
    let flow = u64::from(port) << 32 | stream;
    let mut exchange = Rc::into_inner(exchange(
        flow,
        raw.replace(" HTTP/2.0\r\n", " HTTP/1.1\r\n").as_bytes(),
    ))
    .unwrap();
    exchange.key.client = SocketAddr::from(([10, 1, 2, 3], port)).into();
    if by_http2 {
        Rc::get_mut(&mut exchange.request).unwrap().version = Version::Http2;
    }
    Rc::new(exchange)
}

impl Rig {
    fn offer_exchange(&self, exchange: &Rc<Exchange>) {
        let ticket = self.ledger.open().split().next().unwrap();
        self.shard.offer(exchange, ticket);
    }

    /// Offers a stream of one production connection.
    fn offer_stream(&self, stream: u64, raw: &str) {
        self.offer_exchange(&on_stream(40_000, stream, raw));
    }
}

const ASK: &str = "GET /a HTTP/2.0\r\nhost: shop.example\r\n\r\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/2.0\r\nhost: shop.example\r\n\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/2.0\r\nhost: shop.example\r\n{fields}\r\n{body}")
}
