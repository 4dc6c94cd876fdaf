//! WebSocket (RFC 6455): each binary message is a header line and a payload, without the separator of files. A record is
//! delivered when the socket has taken it, as in the plain form.

use std::io;
use std::pin::pin;

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::plain::in_time;
use super::worker::{BATCH, Worker, closed};
use crate::output::http::connect::Link;
use crate::secret::Secret;

/// Largest message that the other side may send: nobody asks it for any.
const MAX_ANSWER: usize = 64 * 1024;

/// Carries records over a WebSocket. `url` is without userinfo.
pub(super) async fn carry(
    worker: &Worker,
    mut link: Link,
    url: &str,
    authorization: Option<&Secret>,
) -> io::Result<()> {
    let mut request = url.into_client_request().map_err(error)?;
    if let Some(Secret(authorization)) = authorization {
        let mut value = HeaderValue::from_str(authorization).map_err(io::Error::other)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_ANSWER))
        .max_frame_size(Some(MAX_ANSWER));
    let shaking = async {
        client_async_with_config(request, &mut link.transport, Some(config))
            .await
            .map_err(error)
    };
    let (socket, _) = in_time(worker, shaking).await?;
    let (mut sink, mut stream) = socket.split();
    let mut ended = pin!(async {
        loop {
            match stream.next().await {
                Some(Ok(_)) => {}
                Some(Err(lost)) => return error(lost),
                None => return closed(),
            }
        }
    });
    loop {
        tokio::select! {
            biased;
            lost = &mut ended => return Err(lost),
            more = worker.lanes.wait(worker.lane, 0) => if !more {
                return in_time(worker, async { sink.close().await.map_err(error) }).await;
            }
        }
        for (sequence, record) in worker.lanes.batch(worker.lane, 0, BATCH) {
            let sending = in_time(worker, async {
                sink.send(Message::Binary(record)).await.map_err(error)
            });
            tokio::select! {
                biased;
                lost = &mut ended => return Err(lost),
                sent = sending => sent?,
            }
            worker.lanes.delivered(worker.lane, sequence);
        }
    }
}

fn error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        tungstenite::Error::Http(response) => {
            io::Error::other(format!("the handshake was refused with {}", response.status()))
        }
        other => io::Error::other(other),
    }
}
