//! Orders: who may give them, and what comes of each.

use std::time::Duration;

use http::StatusCode;
use http::header::{ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use tokio::sync::oneshot;

use super::reader::is_same_origin;
use super::reply::{Reply, text, with_header};
use super::token::{Verdict, judge};
use super::{Client, Desk, Order};
use crate::mirror::gate::{Gate, PauseCause};

/// How long the run may take to answer an order. It takes some milliseconds; whoever waits longer shall be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of an order's body; there is nothing in it that anybody reads.
const MAX_BODY: usize = 4096;

/// Shards see a pause within a tenth of a second; with this long, what waited is settled before the answer comes.
const SETTLING: Duration = Duration::from_millis(250);

/// Begins the comparison's counts anew. What it has found so far is gone then, so that it takes the token always.
const RESET: &str = "/compare/reset";

/// Whether there is an order by this name.
pub(super) fn is_path(path: &str) -> bool {
    matches!(path, "/pause" | "/resume" | RESET)
}

/// Obeys an order, if it may be obeyed.
pub(super) async fn obey(desk: &Desk, client: &Client, request: &Parts, body: Incoming) -> Reply {
    if let Err(refusal) = admit(desk, client, request, body).await {
        return refusal;
    }
    match request.uri.path() {
        "/pause" => pause(desk).await,
        "/resume" => resume(desk).await,
        _ => reset(desk).await,
    }
}

async fn pause(desk: &Desk) -> Reply {
    // At once, whatever the run is busy with: nothing goes to an output from here on.
    desk.gate.pause(PauseCause::Asked);
    let told = ask(desk, Order::Pause).await;
    tokio::time::sleep(SETTLING).await;
    match told {
        Some(Ok(())) => text(StatusCode::OK, "paused: nothing is captured or sent\n"),
        Some(Err(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("paused: nothing is sent, but capture continues: {error}\n"),
        ),
        None => text(
            StatusCode::ACCEPTED,
            "paused: nothing is sent; capture stops shortly\n",
        ),
    }
}

async fn resume(desk: &Desk) -> Reply {
    match ask(desk, Order::Resume).await {
        Some(Ok(())) if desk.gate.is_paused() => text(StatusCode::OK, pauses(&desk.gate)),
        Some(Ok(())) => text(StatusCode::OK, "resumed\n"),
        Some(Err(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("not resumed: {error}\n"),
        ),
        None => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not resumed: the agent does not respond\n",
        ),
    }
}

/// Begins the comparison's counts anew.
async fn reset(desk: &Desk) -> Reply {
    let Some(live) = &desk.live else {
        return text(
            StatusCode::NOT_FOUND,
            "no comparison is running: start the agent with --output-http URL --compare\n",
        );
    };
    live.reset();
    match tokio::time::timeout(PATIENCE, live.obeyed()).await {
        Ok(()) => text(StatusCode::OK, "the comparison was restarted\n"),
        Err(_) => text(StatusCode::ACCEPTED, "the comparison restarts shortly\n"),
    }
}

/// One line for each cause.
pub(super) fn pauses(gate: &Gate) -> String {
    let lines = gate.causes().map(|cause| {
        let way_out = match cause {
            PauseCause::Asked => "by POST /pause, until POST /resume",
            PauseCause::Expired => "the period of --expire-after has ended; POST /resume starts a new one",
            PauseCause::Cpu => "--max-cpu is not enough to capture; capture is retried shortly",
        };
        [cause.name(), ": ", way_out].concat()
    });
    lines.fold(String::new(), |text, line| text + "paused: " + &line + "\n")
}

/// Whether an order may be obeyed, its body read and thrown away.
async fn admit(desk: &Desk, client: &Client, request: &Parts, body: Incoming) -> Result<(), Reply> {
    let headers = &request.headers;
    // A page in a browser on this machine is a loopback peer, too: it must be the agent's own, and have the token, which
    // the page of a name that was pointed here cannot know.
    if headers.contains_key(ORIGIN) && (desk.token.is_none() || !is_same_origin(headers)) {
        return Err(text(
            StatusCode::FORBIDDEN,
            "commands are not accepted from web pages, except from the agent's own page with the token of \
             --http-token-file\n",
        ));
    }
    match judge(desk.token.as_ref(), client.peer, headers) {
        Verdict::Allowed if desk.token.is_none() && request.uri.path() == RESET => {
            return Err(text(
                StatusCode::FORBIDDEN,
                "a reset discards results, and requires the token of --http-token-file, which is not set\n",
            ));
        }
        Verdict::Allowed => {}
        Verdict::NotLocal => {
            return Err(text(
                StatusCode::FORBIDDEN,
                "commands are accepted only from this machine (kubectl port-forward counts), or with \
                 --http-token-file\n",
            ));
        }
        Verdict::BadToken => {
            let refusal = text(
                StatusCode::UNAUTHORIZED,
                "send the token as Authorization: Bearer\n",
            );
            return Err(with_header(refusal, WWW_AUTHENTICATE, "Bearer"));
        }
    }
    let small = body.size_hint().lower() <= MAX_BODY as u64;
    if small && Limited::new(body, MAX_BODY).collect().await.is_ok() {
        return Ok(());
    }
    Err(text(StatusCode::PAYLOAD_TOO_LARGE, "commands have no body\n"))
}

/// Gives an order to the run and waits for what it says; `None` when it says nothing in time.
pub(super) async fn ask<T>(desk: &Desk, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    desk.orders.try_send(order(answer)).ok()?;
    tokio::time::timeout(PATIENCE, answered).await.ok()?.ok()
}
