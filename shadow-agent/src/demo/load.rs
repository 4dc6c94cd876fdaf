//! The demo's load: twenty clients on keep-alive connections, some of whose requests are pipelined.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Connection;
use super::requests::DemoRequest;

/// Clients, each with one connection at a time.
const CLIENTS: u64 = 20;
/// Requests on a connection after which its client opens another.
const REQUESTS_PER_CONNECTION: usize = 50;
/// Requests behind each other without waiting for an answer, at most.
const PIPELINED: usize = 3;
/// Every so many turns, a client sends so many at once.
const PIPELINES: u64 = 4;

/// The load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// So many requests.
    pub requests: u64,
    /// So many in a second.
    pub rate: u32,
}

/// Sends it to `server`; every request has its answer when this returns.
pub async fn run(server: SocketAddr, load: Load) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(ask(server, client, load, start));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// Sends every twentieth request, each at its time; late ones at once.
async fn ask(server: SocketAddr, client: u64, load: Load, start: Instant) -> anyhow::Result<()> {
    let mut connection = None;
    let mut sent = 0;
    let mut numbers = (client..load.requests).step_by(CLIENTS as usize).peekable();
    while let Some(number) = numbers.next() {
        sleep_until(start + Duration::from_secs_f64(number as f64 / f64::from(load.rate))).await;
        let mut batch = vec![DemoRequest::new(number)];
        if (number / CLIENTS).is_multiple_of(PIPELINES) && batch[0].can_be_pipelined() {
            while batch.len() < PIPELINED {
                let next = numbers.peek().map(|number| DemoRequest::new(*number));
                let Some(next) = next.filter(DemoRequest::can_be_pipelined) else {
                    break;
                };
                numbers.next();
                batch.push(next);
            }
        }
        let open = match &mut connection {
            Some(open) if sent < REQUESTS_PER_CONNECTION => open,
            _ => {
                sent = 0;
                connection.insert(Connection::open(server).await?)
            }
        };
        open.exchange(&batch).await?;
        sent += batch.len();
    }
    Ok(())
}
