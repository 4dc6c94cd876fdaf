//! The demo's gRPC clients: each has one connection, and several calls under way on it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, TE};
use hyper::{Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::load::Load;
use super::protobuf::Message;
use crate::mirror::Draws;

/// Clients.
const CLIENTS: u64 = 4;
/// Calls of one that are under way at most.
const AT_ONCE: usize = 8;
/// Methods that are called, in turn.
const METHODS: [&str; 4] = ["Level", "Reserve", "Find", "Watch"];

/// Makes so many calls to `server`; each has its answer when this returns.
pub async fn run(server: SocketAddr, load: Load) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS.min(load.requests) {
        clients.spawn(make(server, client, load, start));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// Makes every fourth call, each at its time; late ones as soon as there is room.
async fn make(server: SocketAddr, client: u64, load: Load, start: Instant) -> anyhow::Result<()> {
    let stream = TcpStream::connect(server)
        .await
        .with_context(|| format!("cannot connect to {server}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut under_way = JoinSet::new();
    for number in (client..load.requests).step_by(CLIENTS as usize) {
        sleep_until(start + Duration::from_secs_f64(number as f64 / f64::from(load.rate))).await;
        if under_way.len() >= AT_ONCE
            && let Some(ended) = under_way.join_next().await
        {
            ended??;
        }
        under_way.spawn(call(sender.clone(), server, number));
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}

async fn call(mut sender: SendRequest<Full<Bytes>>, server: SocketAddr, number: u64) -> anyhow::Result<()> {
    sender.ready().await?;
    let answer = sender.send_request(request(server, number)?).await?;
    ensure!(
        answer.status().is_success(),
        "a call was answered {}",
        answer.status()
    );
    let trailers = answer.into_body().collect().await?.trailers().cloned();
    let status = trailers.and_then(|trailers| trailers.get("grpc-status").cloned());
    ensure!(
        status.is_some_and(|status| status == "0"),
        "a call failed in production"
    );
    Ok(())
}

/// Call `number` of all, which depends on that alone: every run makes the same ones.
fn request(server: SocketAddr, number: u64) -> anyhow::Result<Request<Full<Bytes>>> {
    // Each of the clients comes to every method in its turn.
    let method = METHODS[((number + number / CLIENTS) % METHODS.len() as u64) as usize];
    let mut draws = Draws::seeded(number);
    let draw = draws.draw();
    let message = Message::default().number(1, 1 + u64::from(draw % 10_000));
    let message = match method {
        "Reserve" if draw.is_multiple_of(10) => message.number(2, 12),
        "Reserve" => message.number(2, u64::from(1 + draw % 9)),
        _ => message,
    };
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{server}/shop.Stock/{method}"))
        .header(TE, "trailers")
        .header(CONTENT_TYPE, "application/grpc");
    Ok(request.body(Full::new(message.framed()))?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_method_is_called_alike_often() {
        let mut counts = BTreeMap::new();
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        for number in 0..2_000 {
            let path = request(server, number).unwrap().uri().path().to_owned();
            *counts.entry(path).or_insert(0) += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(path, count)| (path.as_str(), *count))
            .collect();
        assert_eq!(
            counts,
            [
                ("/shop.Stock/Find", 500),
                ("/shop.Stock/Level", 500),
                ("/shop.Stock/Reserve", 500),
                ("/shop.Stock/Watch", 500),
            ]
        );
    }
}
