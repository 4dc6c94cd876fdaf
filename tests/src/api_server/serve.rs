//! The server's thread: it takes connections while it is up, and cuts them all when it goes away.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::answer::answer;
use super::state::{Ending, Mode, Shared};

/// Serves until the state says stop.
pub(super) async fn serve(shared: Arc<Shared>, address: SocketAddr) {
    let mut news = shared.subscribe();
    loop {
        let mode = shared.read(|state| state.mode);
        match mode {
            Mode::Up => up(&shared, address).await,
            Mode::Away => {
                let _ = news.changed().await;
            }
            Mode::Stopped => return,
        }
    }
}

/// Takes connections until the state says otherwise; none of them is left then.
async fn up(shared: &Arc<Shared>, address: SocketAddr) {
    let listener = TcpListener::bind(address)
        .await
        .unwrap_or_else(|error| panic!("the API server cannot listen on {address}: {error}"));
    let mut news = shared.subscribe();
    let mut connections = JoinSet::new();
    shared.change(|state| state.running = Mode::Up);
    while shared.read(|state| state.mode) == Mode::Up {
        tokio::select! {
            _ = news.changed() => {}
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(connection(Arc::clone(shared), stream));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
    shared.change(|state| {
        state.end_watches(Ending::Cut);
        state.running = Mode::Away;
    });
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Events are to be seen when they happen.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let shared = &shared;
        async move { Ok::<_, Infallible>(answer(shared, request).await) }
    });
    // Ends with an error when the client goes away or a test wants it cut.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
