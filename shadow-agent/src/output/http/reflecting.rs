//! `--grpc-reflection`: the shadow is asked for the descriptors of its services, when the first call is sent to it.
//!
//! On a connection of its own, which is closed again, and never twice: all pairs of a run are compared by the same names. It has
//! the marker that copies have, so that an agent beside the shadow passes it over.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ::h2::client::SendRequest;
use ::h2::{RecvStream, SendStream};
use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::h2::{NotOpened, open};
use super::upstream::Upstream;
use crate::compare::Asking;
use crate::grpc::{Descriptors, REFLECTION_PATHS, Reflection};

/// How long the asking may take, with all attempts: pairs wait for it, within their bounds.
const LIMIT: Duration = Duration::from_secs(5);
/// The pause before it is tried again where there was no connection: a shadow that is just starting.
const PAUSE: Duration = Duration::from_millis(500);
/// `UNIMPLEMENTED`, as `grpc-status` has it.
const UNIMPLEMENTED: &str = "12";

/// Asks the shadow, and says in the log what came of it.
pub(super) async fn ask(upstream: Arc<Upstream>, asking: Asking) {
    let output = &upstream.settings.name;
    match timeout(LIMIT, attempts(&upstream))
        .await
        .unwrap_or_else(|_| Err(anyhow!("it took longer than {} seconds", LIMIT.as_secs())))
    {
        Ok((descriptors, lacking)) => {
            tracing::info!(
                output,
                methods = descriptors.methods(),
                services_without_descriptors = lacking,
                "the shadow has told the descriptors of its gRPC services"
            );
            asking.found(descriptors);
        }
        Err(error) => tracing::warn!(
            output,
            "--grpc-reflection: the shadow did not tell its descriptors ({error:#}); messages of gRPC are \
             compared by the numbers of their fields"
        ),
    }
}

/// Asks until there was a connection to ask on.
pub(super) async fn attempts(upstream: &Upstream) -> anyhow::Result<(Descriptors, usize)> {
    let connector = upstream.http2_connector();
    loop {
        let Ok(link) = connector.connect().await else {
            sleep(PAUSE).await;
            continue;
        };
        let (sender, connection) = match open(link, Rc::default(), false, false, LIMIT).await {
            Ok(opened) => opened,
            Err(NotOpened::Refused(why)) => bail!("it has no HTTP/2: {why}"),
            Err(NotOpened::Failed(_)) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        let _driven = Driven(spawn_local(async {
            // A stream's error says what there is to say.
            let _ = connection.await;
        }));
        return calls(upstream, sender).await;
    }
}

/// Drives a connection, until dropped.
struct Driven(JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn calls(upstream: &Upstream, mut sender: SendRequest<Bytes>) -> anyhow::Result<(Descriptors, usize)> {
    for path in REFLECTION_PATHS {
        sender = sender.ready().await?;
        let (response, stream) = sender.send_request(head(upstream, path)?, false)?;
        if let Some(reflection) = call(response, stream).await? {
            let lacking = reflection.lacking();
            return Ok((reflection.descriptors()?, lacking));
        }
    }
    bail!("it has no server reflection")
}

fn head(upstream: &Upstream, path: &str) -> anyhow::Result<Request<()>> {
    let settings = &upstream.settings;
    let uri = Uri::builder()
        .scheme(if settings.tls { Scheme::HTTPS } else { Scheme::HTTP })
        .authority(upstream.template.upstream_host())
        .path_and_query(format!("{}{path}", settings.path_prefix))
        .build()?;
    let mut head = Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    if let Some(secret) = &settings.authorization {
        let mut value = HeaderValue::from_bytes(secret.0.as_bytes())?;
        value.set_sensitive(true);
        head = head.header("authorization", value);
    }
    if let Some(marker) = &settings.marker {
        head = head.header(marker.as_str(), "1");
    }
    Ok(head.body(())?)
}

/// Asks all there is to be asked on one call; `None` where there is no such method.
async fn call(
    response: impl Future<Output = Result<Response<RecvStream>, ::h2::Error>>,
    mut stream: SendStream<Bytes>,
) -> anyhow::Result<Option<Reflection>> {
    let mut reflection = Reflection::new();
    // A server may say nothing before it was asked something.
    ask_next(&mut reflection, &mut stream)?;
    let (head, mut body) = response.await?.into_parts();
    if is_unimplemented(&head.headers) {
        return Ok(None);
    }
    if head.status != 200 {
        bail!("it answered with status {}", head.status.as_u16());
    }
    while reflection.is_waiting() {
        let Some(data) = body.data().await else {
            let trailers = body.trailers().await?.unwrap_or(head.headers);
            if is_unimplemented(&trailers) {
                return Ok(None);
            }
            return Err(ended(&trailers));
        };
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        reflection.receive(&data)?;
        ask_next(&mut reflection, &mut stream)?;
    }
    Ok(Some(reflection))
}

/// Sends the next question, if there is one; else there is nothing more to be said.
fn ask_next(reflection: &mut Reflection, stream: &mut SendStream<Bytes>) -> anyhow::Result<()> {
    if reflection.is_waiting() {
        return Ok(());
    }
    let question = reflection.question();
    let is_last = question.is_none();
    let sent = stream.send_data(question.unwrap_or_default().into(), is_last);
    sent.context("it ended the call")
}

fn is_unimplemented(fields: &HeaderMap) -> bool {
    fields
        .get("grpc-status")
        .is_some_and(|status| status == UNIMPLEMENTED)
}

fn ended(fields: &HeaderMap) -> anyhow::Error {
    let of = |name: &str| {
        let value = fields.get(name).map_or(&b"none"[..], |value| value.as_bytes());
        let value = &value[..value.len().min(200)];
        value.escape_ascii().to_string()
    };
    anyhow!(
        "the call ended with status {}, message {}",
        of("grpc-status"),
        of("grpc-message")
    )
}
