//! One exchange alone: a request that is sent, and its whole answer, without a queue and without a shard.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::Connector;
use super::response::{Keep, ResponseReader};
use super::settings::HttpOutputSettings;
use super::tls::Tls;
use crate::capture::OwnConnections;
use crate::compare::{Answer, Times};
use crate::http::RequestKind;

/// Bytes that are read at once.
const BUFFER: usize = 16 * 1024;

/// Sends a request to the upstream, on a connection of its own, and reads the answer; how long it took is counted from when
/// the whole request was written. No redirect is followed.
///
/// # Errors
///
/// Where it cannot be connected to, or gives no whole answer within the bounds and the time of `settings`.
pub async fn exchange(
    settings: &HttpOutputSettings,
    head: &[u8],
    body: &[u8],
    kind: RequestKind,
) -> anyhow::Result<Answer> {
    let tls = settings
        .tls
        .then(|| Tls::new(&settings.host, settings.verify))
        .transpose()?;
    let connector = Connector::new(settings, tls, OwnConnections::default());
    let link = connector.connect().await;
    let link = link.map_err(|failed| anyhow::Error::from(failed.error).context("cannot connect to it"))?;
    let asked = ask(link.transport, settings, head, body, kind);
    match timeout(settings.timeout, asked).await {
        Ok(answer) => answer,
        Err(_) => bail!("no complete response within {:?}", settings.timeout),
    }
}

async fn ask(
    transport: impl AsyncRead + AsyncWrite,
    settings: &HttpOutputSettings,
    head: &[u8],
    body: &[u8],
    kind: RequestKind,
) -> anyhow::Result<Answer> {
    let (from, mut to) = tokio::io::split(transport);
    let written = std::cell::Cell::new(None);
    let write = async {
        let all = async {
            to.write_all(head).await?;
            to.write_all(body).await?;
            to.flush().await
        };
        // A server may answer and close before it has read everything: the answer tells.
        let _ = all.await;
        written.set(Some(Instant::now()));
        std::future::pending::<()>().await;
    };
    let (answer, first, last) = tokio::select! {
        answer = read(from, settings, kind) => answer?,
        () = write => bail!("the answer was not waited for"),
    };
    // Where it was answered early, it took no time.
    let since = |when: Instant| {
        let start = written.get().unwrap_or(when);
        when.saturating_duration_since(start)
    };
    let times: [Duration; 2] = [since(first), since(last)];
    Ok(Answer {
        times: Some(Times {
            first: times[0],
            last: times[1],
        }),
        ..answer
    })
}

/// The answer, without times, and when its first and its last byte came.
async fn read(
    mut from: impl AsyncRead + Unpin,
    settings: &HttpOutputSettings,
    kind: RequestKind,
) -> anyhow::Result<(Answer, Instant, Instant)> {
    let most = usize::try_from(settings.max_response).unwrap_or(usize::MAX);
    let keep = Keep {
        most: Some(most),
        budget: None,
    };
    let mut reader = ResponseReader::new(settings.max_response, keep);
    reader.reset(kind);
    let mut buffer = vec![0; BUFFER];
    let mut first = None;
    let whole = loop {
        let read = from.read(&mut buffer).await;
        let now = Instant::now();
        let bytes = match read {
            Ok(0) => {
                break reader
                    .closed()
                    .context("the connection ended before a complete response")?;
            }
            Err(error) => match reader.closed() {
                // Some end TLS without a word.
                Some(answer) if error.kind() == std::io::ErrorKind::UnexpectedEof => break answer,
                _ => return Err(anyhow::Error::from(error).context("no complete response")),
            },
            Ok(length) => &buffer[..length],
        };
        first.get_or_insert(now);
        match reader.feed(bytes) {
            Ok(Some((answer, _))) => break answer,
            Ok(None) => {}
            Err(bad) => bail!("cannot parse the response: {bad:?}"),
        }
    };
    let last = Instant::now();
    let Ok((head, body)) = whole.kept else {
        bail!("the response is larger than {most} bytes");
    };
    let answer = Answer {
        head,
        body,
        times: None,
    };
    Ok((answer, first.unwrap_or(last), last))
}
