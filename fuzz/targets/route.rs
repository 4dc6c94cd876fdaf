//! Routes, as text or made from choices, against a cluster made from choices: compiling them and merging their status
//! never panics, and what a mirror makes of a captured request is a request again, with the framing and body it had.
#![no_main]

use std::sync::LazyLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{Limits, Request, RequestEvent, RequestStream};
use shadow_agent::kubernetes::routes::{MAX_MIRRORS, RouteMirror, compile, merge_status};
use shadow_agent::output::copy_head;
use shadow_agent::settings::{BreakerSettings, HttpOutputSettings};
use shadow_agent::tcp::{Chunk, Start};
use shadow_agent::time::Timestamp;
use shadow_agent_fuzz::choices::Choices;
use shadow_agent_fuzz::cluster::Cluster;
use shadow_agent_fuzz::http_route::http_route;

/// More than an input can fill: what is tried is not the limits.
const LIMITS: Limits = Limits {
    max_head: 64 << 10,
    max_body: 64 << 10,
    max_headers: 512,
};

/// Requests that every route meets.
const SAMPLES: &[u8] =
    b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com:8000\r\nX-Tenant: a\r\nx-tenant: b\r\n\r\n\
    POST http://example.com?a HTTP/1.1\r\nhost:\r\nConnection: x-hop\r\nX-Hop: 1\r\n\
    Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-End: 1\r\n\r\n\
    OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 1\r\n\r\nx\
    GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\
    GET / HTTP/1.1\r\nHost: a\r\nX(Y): \x01\r\nA:\r\nB: \t\r\n\r\n";

/// The time that is put in statuses.
const NOW: &str = "2026-01-01T00:00:00Z";

fuzz_target!(|data: &[u8]| {
    // Choices, requests, and then routes as text, with zeros between them.
    let mut parts = data.splitn(3, |byte| *byte == 0);
    let mut choices = Choices::new(parts.next().unwrap_or_default());
    let requests = parts.next().unwrap_or_default();
    let mut routes = Vec::new();
    if let Some(Ok(route)) = parts.next().map(serde_json::from_slice::<Value>) {
        routes.push(route);
    }
    let cluster = Cluster::of(&mut choices);
    if routes.is_empty() || choices.once_in(2) {
        routes.push(http_route(&mut choices));
    }
    let compiled = compile(&routes, &cluster);
    assert!(compiled.mirrors.len() <= MAX_MIRRORS && compiled.passed_over == 0);
    for status in &compiled.statuses {
        let same = |route: &&Value| route["metadata"]["name"] == *status.name;
        let before = routes.iter().find(same).and_then(|route| route.get("status"));
        if let Some(merged) = merge_status(before, status, NOW) {
            assert_eq!(
                merge_status(Some(&merged), status, NOW),
                None,
                "it is never written"
            );
        }
    }
    // Compiled again, nothing has changed.
    assert_eq!(compile(&routes, &cluster).mirrors, compiled.mirrors);
    for request in captured(requests).into_iter().chain(captured(SAMPLES)) {
        for mirror in &compiled.mirrors {
            mirror.covers(&request);
            check_copy(mirror, &request);
        }
    }
});

fn captured(bytes: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    if bytes.is_empty() {
        return requests;
    }
    let budget = MemoryBudget::new(1 << 20);
    let chunk = Chunk {
        sequence: 0,
        bytes,
        acknowledgment: 1,
        segment_start: true,
        time: Timestamp(1),
    };
    RequestStream::new(LIMITS, Start::Syn).push(chunk, &budget, &mut |event| {
        if let RequestEvent::Complete(request) = event {
            requests.push(*request);
        }
    });
    requests
}

fn check_copy(mirror: &RouteMirror, request: &Request) {
    let settings = HttpOutputSettings {
        host: "shadow".to_owned(),
        host_header: mirror.host.clone(),
        edits: mirror.edits.clone(),
        ..SETTINGS.clone()
    };
    let head = copy_head(&settings, request).expect("what a route asks for can be sent");
    let shown = String::from_utf8_lossy(&head);
    let copies = captured(&[&head[..], &request.body].concat());
    let [copy] = copies.as_slice() else {
        panic!("{} requests come of {shown:?}", copies.len());
    };
    assert_eq!(copy.head, head, "{shown:?}");
    assert_eq!(copy.body, request.body, "{shown:?}");
    assert_eq!(copy.framing, request.framing, "{shown:?}");
    assert_eq!(copy.method(), request.method(), "{shown:?}");
    let hosts = |request: &Request| {
        let fields = request.fields();
        fields
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"host"))
            .count()
    };
    assert!(hosts(copy) <= hosts(request).max(1), "{shown:?}");
}

static SETTINGS: LazyLock<HttpOutputSettings> = LazyLock::new(|| HttpOutputSettings {
    name: "mirror".to_owned(),
    tls: false,
    verify: true,
    host: String::new(),
    port: 80,
    endpoints: None,
    path_prefix: String::new(),
    authorization: None,
    version: shadow_agent::settings::HttpVersion::AsProduction,
    host_header: shadow_agent::settings::HostHeader::Original,
    marker: Some("X-Shadow-Mirror".to_owned()),
    edits: None,
    max_stream: None,
    name_pod: false,
    workers: 1,
    pipeline: 1,
    queue_requests: Some(1),
    queue_bytes: 1,
    timeout: Duration::from_secs(1),
    connect_timeout: Duration::from_secs(1),
    redirects: 0,
    track_response: None,
    compare: None,
    correlate: None,
    control: None,
    max_response: 1,
    breaker: BreakerSettings {
        failures: 0,
        open_for: Duration::from_secs(1),
        slow_start: Duration::ZERO,
    },
});
