//! One answer for each path.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::oneshot;

use super::token::{Verdict, judge};
use super::{Desk, Order, metrics};
use crate::mirror::gate::{Gate, PauseCause};

/// How long the run may take to answer an order. It takes some milliseconds; whoever waits longer shall be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of an order's body; there is nothing in it that anybody reads.
const MAX_BODY: usize = 4096;

/// Shards see a pause within a tenth of a second; with this long, what waited is settled before the answer comes.
const SETTLING: Duration = Duration::from_millis(250);

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers one request of `peer`. HEAD is answered as GET; hyper leaves its body out.
pub(super) async fn answer(desk: &Desk, peer: IpAddr, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    match (head.uri.path(), reads, &head.method) {
        ("/healthz", true, _) => health(desk),
        ("/readyz", true, _) => readiness(desk),
        ("/metrics", true, _) => count(desk).await,
        ("/pause", false, &Method::POST) => match admit(desk, peer, &head.headers, body).await {
            Ok(()) => pause(desk).await,
            Err(refusal) => refusal,
        },
        ("/resume", false, &Method::POST) => match admit(desk, peer, &head.headers, body).await {
            Ok(()) => resume(desk).await,
            Err(refusal) => refusal,
        },
        ("/healthz" | "/readyz" | "/metrics", ..) => not_allowed("GET, HEAD"),
        ("/pause" | "/resume", ..) => not_allowed("POST"),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz, /metrics, POST /pause and POST /resume\n",
        ),
    }
}

fn health(desk: &Desk) -> Response<Full<Bytes>> {
    let complaints = desk.health.complaints();
    if complaints.is_empty() {
        return text(StatusCode::OK, "ok\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
}

/// Paused is ready: it is what somebody wants, and no restart would change it.
fn readiness(desk: &Desk) -> Response<Full<Bytes>> {
    let (status, word) = if desk.readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let body = format!("{word}\n{}{}", desk.readiness.lines(), pauses(&desk.gate));
    text(status, body)
}

fn pauses(gate: &Gate) -> String {
    let lines = gate.causes().map(|cause| {
        let way_out = match cause {
            PauseCause::Asked => "by POST /pause, until POST /resume",
            PauseCause::Expired => "the term of --expire-after is over; POST /resume starts a new one",
            PauseCause::Cpu => "--max-cpu is not enough to capture; it is tried again shortly",
        };
        [cause.name(), ": ", way_out].concat()
    });
    lines.fold(String::new(), |text, line| text + "paused: " + &line + "\n")
}

async fn count(desk: &Desk) -> Response<Full<Bytes>> {
    let snapshot = ask(desk, Order::Count).await;
    match snapshot.map(|snapshot| metrics::encode(*snapshot)) {
        Some(Ok(body)) => with_type(StatusCode::OK, body, metrics::CONTENT_TYPE),
        Some(Err(std::fmt::Error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics cannot be written\n",
        ),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "the run does not answer\n"),
    }
}

async fn pause(desk: &Desk) -> Response<Full<Bytes>> {
    // At once, whatever the run is busy with: nothing goes to an output from here on.
    desk.gate.pause(PauseCause::Asked);
    let told = ask(desk, Order::Pause).await;
    tokio::time::sleep(SETTLING).await;
    match told {
        Some(Ok(())) => text(StatusCode::OK, "paused: nothing is captured or sent\n"),
        Some(Err(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("paused: nothing is sent, but capture goes on: {error}\n"),
        ),
        None => text(
            StatusCode::ACCEPTED,
            "paused: nothing is sent; capture will end once the run comes to it\n",
        ),
    }
}

async fn resume(desk: &Desk) -> Response<Full<Bytes>> {
    match ask(desk, Order::Resume).await {
        Some(Ok(())) if desk.gate.is_paused() => text(StatusCode::OK, pauses(&desk.gate)),
        Some(Ok(())) => text(StatusCode::OK, "resumed\n"),
        Some(Err(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("not resumed: {error}\n"),
        ),
        None => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not resumed: the run does not answer\n",
        ),
    }
}

/// Whether an order may be obeyed, its body read and thrown away.
async fn admit(
    desk: &Desk,
    peer: IpAddr,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<(), Response<Full<Bytes>>> {
    if headers.contains_key(ORIGIN) {
        // A page in a browser on this machine is a loopback peer, too.
        return Err(text(
            StatusCode::FORBIDDEN,
            "orders are not taken from web pages\n",
        ));
    }
    match judge(desk.token.as_ref(), peer, headers) {
        Verdict::Allowed => {}
        Verdict::NotLocal => {
            return Err(text(
                StatusCode::FORBIDDEN,
                "orders are taken from this machine (kubectl port-forward is), or with --http-token-file\n",
            ));
        }
        Verdict::BadToken => {
            let refusal = text(
                StatusCode::UNAUTHORIZED,
                "send Authorization: Bearer with the token\n",
            );
            return Err(with_header(refusal, WWW_AUTHENTICATE, "Bearer"));
        }
    }
    let small = body.size_hint().lower() <= MAX_BODY as u64;
    if small && Limited::new(body, MAX_BODY).collect().await.is_ok() {
        return Ok(());
    }
    Err(text(StatusCode::PAYLOAD_TOO_LARGE, "an order needs no body\n"))
}

/// Gives an order to the run and waits for what it says; `None` when it says nothing in time.
async fn ask<T>(desk: &Desk, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    desk.orders.try_send(order(answer)).ok()?;
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let response = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}\n"));
    with_header(response, ALLOW, allowed)
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with_type(status, body, TEXT)
}

fn with_type(
    status: StatusCode,
    body: impl Into<Bytes>,
    content_type: &'static str,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    // Each answer is of one moment.
    let response = with_header(response, CACHE_CONTROL, "no-store");
    with_header(response, CONTENT_TYPE, content_type)
}

fn with_header(
    mut response: Response<Full<Bytes>>,
    name: HeaderName,
    value: &'static str,
) -> Response<Full<Bytes>> {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
    response
}
