//! The demo's servers and load as processes of their own, for tests: what they say on standard error can be awaited.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::faults::Faults;
use super::load::{self, Load};
use super::server::{Counters, serve};

/// Serves the shop with these faults until SIGTERM or SIGINT; says where it listens, and in the end what it counted.
///
/// # Errors
///
/// Where it cannot listen at the address, or signals cannot be caught.
pub fn serve_until_told(listen: SocketAddr, faults: Faults) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        let mut term = signal(SignalKind::terminate())?;
        eprintln!("listening on {}", listener.local_addr()?);
        let counters = Arc::new(Counters::default());
        tokio::spawn(serve(listener, Arc::new(faults), Arc::clone(&counters)));
        tokio::select! {
            _ = term.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        eprintln!("served {}", serde_json::to_string(&counters.get())?);
        Ok(())
    })
}

/// Sends the load to a server; every request has its answer when this returns.
///
/// # Errors
///
/// Where the server cannot be reached, or leaves a request without its answer.
pub fn send(to: SocketAddr, load: Load) -> anyhow::Result<()> {
    runtime()?.block_on(load::run(to, load))?;
    eprintln!("sent {} requests", load.requests);
    Ok(())
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
