//! One answer for each path.

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;

use super::orders::{ask, pauses};
use super::reply::{Reply, not_allowed, text, with_type};
use super::{Client, Desk, Order, metrics, orders, report};

/// Answers one request of `client`. HEAD is answered as GET; hyper leaves its body out.
pub(super) async fn answer(desk: &Desk, client: &Client, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    match head.uri.path() {
        "/healthz" if reads => health(desk),
        "/readyz" if reads => readiness(desk),
        "/metrics" if reads => count(desk).await,
        path if report::is_path(path) && reads => report::read(desk, client, &head).await,
        path if orders::is_path(path) && head.method == Method::POST => {
            orders::obey(desk, client, &head, body).await
        }
        "/healthz" | "/readyz" | "/metrics" => not_allowed("GET, HEAD"),
        path if report::is_path(path) => not_allowed("GET, HEAD"),
        path if orders::is_path(path) => not_allowed("POST"),
        _ => text(
            StatusCode::NOT_FOUND,
            "not found; available are /healthz, /readyz, /metrics, POST /pause and POST /resume, and for a \
             comparison /, /report.json, \
             /report.html, /report/events and POST /compare/reset\n",
        ),
    }
}

fn health(desk: &Desk) -> Reply {
    let complaints = desk.health.complaints();
    if complaints.is_empty() {
        return text(StatusCode::OK, "ok\n");
    }
    text(StatusCode::SERVICE_UNAVAILABLE, complaints.join("\n") + "\n")
}

/// Paused is ready: it is what somebody wants, and no restart would change it.
fn readiness(desk: &Desk) -> Reply {
    let (status, word) = if desk.readiness.is_ready() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let body = format!("{word}\n{}{}", desk.readiness.lines(), pauses(&desk.gate));
    text(status, body)
}

async fn count(desk: &Desk) -> Reply {
    let snapshot = ask(desk, Order::Count).await;
    match snapshot.map(|snapshot| metrics::encode(*snapshot)) {
        Some(Ok(body)) => with_type(StatusCode::OK, body, metrics::CONTENT_TYPE),
        Some(Err(std::fmt::Error)) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot encode the metrics\n"),
        None => text(StatusCode::SERVICE_UNAVAILABLE, "the agent does not respond\n"),
    }
}
