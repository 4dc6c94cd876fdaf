//! The comparison while it runs: the live page, its events, and the report of this moment as data and as a file.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::events::CONTENT_TYPE as EVENTS;
use super::reader::{Reading, may_read};
use super::reply::{Reply, streaming, text, with_header, with_type};
use super::{Client, Desk};
use crate::compare::live::{LiveDocument, Published};
use crate::report::page;

/// How long a document may take to be made.
const PATIENCE: Duration = Duration::from_secs(3);

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// Not in `http` under a name of their own.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Whether there is an answer to reading this path.
pub(super) fn is_path(path: &str) -> bool {
    matches!(
        path,
        "/" | "/report" | "/report.json" | "/report.html" | "/report/events"
    )
}

/// Answers a request to read one of the paths.
pub(super) async fn read(desk: &Desk, client: &Client, request: &Parts) -> Reply {
    let Some(live) = &desk.live else {
        return text(
            StatusCode::NOT_FOUND,
            "no comparison is running: start the agent with --output-http URL --compare to get a report here; \
             available are /healthz, /readyz, /metrics, POST /pause and POST /resume\n",
        );
    };
    let reply = match may_read(desk.token.as_ref(), client.peer, request) {
        Reading::Allowed => show(live, client, request).await,
        refusal => refuse(refusal),
    };
    hardened(reply)
}

async fn show(live: &LiveDocument, client: &Client, request: &Parts) -> Reply {
    match request.uri.path() {
        "/report/events" if request.method == Method::HEAD => with_type(StatusCode::OK, "", EVENTS),
        "/report/events" => match client.streams.open(live, &client.tenure) {
            Some(stream) => streaming(stream, EVENTS),
            None => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many open pages follow this report: close one\n",
            ),
        },
        "/report.json" => made(live, JSON, Published::json).await,
        "/report.html" => {
            let make = |published: &Published| Bytes::from(page::render(&published.document));
            with_policy(
                made(live, HTML, make).await,
                &page::content_security_policy(false),
            )
        }
        _ => with_policy(
            with_type(StatusCode::OK, page::live(), HTML),
            &page::content_security_policy(true),
        ),
    }
}

/// Renders the current document by `make`, on a thread where it does not delay probes.
async fn made(live: &LiveDocument, content_type: &'static str, make: fn(&Published) -> Bytes) -> Reply {
    let Some(published) = live.look(PATIENCE).await else {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "there is no report yet: the comparison has not responded\n",
        );
    };
    let make = move || make(&published);
    match tokio::task::spawn_blocking(make).await {
        Ok(body) => with_type(StatusCode::OK, body, content_type),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot create the report\n"),
    }
}

fn refuse(reading: Reading) -> Reply {
    match reading {
        Reading::ForeignHost => text(
            StatusCode::MISDIRECTED_REQUEST,
            "request the report under an IP address, localhost or this machine's name: other names are refused \
             against DNS rebinding\n",
        ),
        Reading::ForeignPage => text(
            StatusCode::FORBIDDEN,
            "the report is not available to pages of other sites\n",
        ),
        Reading::NotLocal => text(
            StatusCode::FORBIDDEN,
            "the report is available only from this machine (kubectl port-forward and ssh -L count), or with \
             --http-token-file\n",
        ),
        Reading::BadToken | Reading::Allowed => {
            let reply = text(
                StatusCode::UNAUTHORIZED,
                "send the token as Authorization: Bearer, or as the password of any user\n",
            );
            with_header(
                reply,
                WWW_AUTHENTICATE,
                "Bearer, Basic realm=\"shadow-agent\", charset=\"UTF-8\"",
            )
        }
    }
}

/// Adds what keeps an answer that carries traffic from doing anything, and others from reading it. One without a policy of
/// its own may do nothing at all.
fn hardened(reply: Reply) -> Reply {
    let mut reply = if reply.headers().contains_key(CONTENT_SECURITY_POLICY) {
        reply
    } else {
        with_policy(reply, "default-src 'none'; frame-ancestors 'none'")
    };
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (RESOURCE_POLICY, "same-origin"),
        (OPENER_POLICY, "same-origin"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

fn with_policy(mut reply: Reply, policy: &str) -> Reply {
    if let Ok(policy) = HeaderValue::from_str(policy) {
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    reply
}
