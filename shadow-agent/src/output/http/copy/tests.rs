use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::budget::MemoryBudget;
use crate::http::{Limits, whole_request};
use crate::mirror::Edit;
use crate::mirror::matching::{PathMatch, RequestMatch, RouteMatcher};
use crate::mirror::testing::request;
use crate::output::BreakerSettings;
use crate::secret::Secret;

pub(in crate::output::http) fn settings() -> HttpOutputSettings {
    HttpOutputSettings {
        endpoints: None,
        name_pod: false,
        name: "http://shadow:8082".to_owned(),
        tls: false,
        verify: true,
        host: "shadow".to_owned(),
        port: 8082,
        path_prefix: String::new(),
        authorization: None,
        version: crate::output::HttpVersion::AsProduction,
        host_header: HostHeader::Upstream,
        marker: Some("X-Shadow-Mirror".to_owned()),
        edits: None,
        pipeline: 16,
        workers: 16,
        queue_requests: Some(100),
        queue_bytes: 1 << 20,
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        redirects: 0,
        track_response: None,
        compare: None,
        correlate: None,
        control: None,
        max_response: 64 << 20,
        max_stream: None,
        breaker: BreakerSettings {
            failures: 0,
            open_for: Duration::from_secs(1),
            slow_start: Duration::ZERO,
        },
    }
}

fn copy_of(settings: &HttpOutputSettings, request: &Request) -> String {
    let mut out = Vec::new();
    let template = CopyTemplate::new(settings).unwrap();
    template
        .write_head(request, None, 1, None, Wire::Http1, &mut out)
        .unwrap();
    String::from_utf8(out).unwrap()
}

fn copy_with(settings: &HttpOutputSettings, raw: &str) -> String {
    copy_of(settings, &request(raw.as_bytes()))
}

fn copy(raw: &str) -> String {
    copy_with(&settings(), raw)
}

fn copy_with_host(host_header: HostHeader, raw: &str) -> String {
    copy_with(
        &HttpOutputSettings {
            host_header,
            marker: None,
            ..settings()
        },
        raw,
    )
}

#[test]
fn fields_keep_their_order_case_and_spacing() {
    let copied = copy(
        "PURGE /a%20b?c=%ff HTTP/1.1\r\nx-FIRST:1\r\nHOST: production\r\nAccept:  */*  \r\nx-first: 2\r\n\r\n",
    );
    let expected = "PURGE /a%20b?c=%ff HTTP/1.1\r\nx-FIRST:1\r\nHOST: shadow:8082\r\nAccept:  */*  \r\n\
                    x-first: 2\r\nX-Shadow-Mirror: 1\r\n\r\n";
    assert_eq!(copied, expected);
}

#[test]
fn hop_by_hop_fields_and_those_that_connection_names_are_left_out() {
    let copied = copy(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         X-Hop: 1\r\nX-End: 2\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nconnection: x-Other\r\nX-OTHER: 3\r\n\
         Proxy-Authorization: Basic eA==\r\n\r\n",
    );
    let expected = "GET / HTTP/1.1\r\nHost: shadow:8082\r\nX-End: 2\r\nProxy-Authorization: Basic eA==\r\n\
                    X-Shadow-Mirror: 1\r\n\r\n";
    assert_eq!(copied, expected);
}

#[test]
fn the_handshake_of_another_protocol_is_sent_as_one() {
    let copied = copy(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade, X-Hop\r\nUpgrade: websocket\r\nX-Hop: 1\r\n\
         Sec-WebSocket-Key: x\r\n\r\n",
    );
    let expected = "GET /chat HTTP/1.1\r\nHost: shadow:8082\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\
                    Connection: Upgrade\r\nX-Shadow-Mirror: 1\r\n\r\n";
    assert_eq!(copied, expected);
    let copied = copy("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!(
        copied,
        "GET / HTTP/1.1\r\nHost: shadow:8082\r\nX-Shadow-Mirror: 1\r\n\r\n"
    );
}

#[test]
fn connection_cannot_name_away_what_frames_or_routes_the_message() {
    let copied =
        copy("POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length\r\nContent-Length: 2\r\n\r\nab");
    let expected = "POST / HTTP/1.1\r\nHost: shadow:8082\r\nContent-Length: 2\r\nX-Shadow-Mirror: 1\r\n\r\n";
    assert_eq!(copied, expected);
    let copied = copy(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    assert!(copied.contains("\r\nTransfer-Encoding: chunked\r\n"), "{copied}");
}

#[test]
fn the_prefix_goes_before_paths_only() {
    let settings = HttpOutputSettings {
        path_prefix: "/v2".to_owned(),
        marker: None,
        ..settings()
    };
    let line = |raw: &str| copy_with(&settings, raw).lines().next().unwrap().to_owned();
    assert_eq!(line("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"), "GET /v2/a HTTP/1.1");
    assert_eq!(
        line("GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n"),
        "GET /v2/b HTTP/1.1"
    );
    assert_eq!(
        line("GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n"),
        "GET /v2/?q HTTP/1.1"
    );
    assert_eq!(
        line("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        "OPTIONS * HTTP/1.1"
    );
}

#[test]
fn the_host_is_the_upstreams_the_clients_or_the_clients_with_a_suffix() {
    let raw = "GET / HTTP/1.1\r\nhost: a:8080\r\n\r\n";
    let host = |host_header| copy_with_host(host_header, raw);
    assert_eq!(
        host(HostHeader::Upstream),
        "GET / HTTP/1.1\r\nhost: shadow:8082\r\n\r\n"
    );
    assert_eq!(
        host(HostHeader::Original),
        "GET / HTTP/1.1\r\nhost: a:8080\r\n\r\n"
    );
    let suffix = HostHeader::Suffix("-shadow".to_owned());
    assert_eq!(host(suffix), "GET / HTTP/1.1\r\nhost: a-shadow:8080\r\n\r\n");
}

#[test]
fn the_authority_of_an_absolute_target_outranks_the_host_field() {
    let raw = "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n";
    let copied = copy_with_host(HostHeader::Original, raw);
    assert_eq!(copied, "GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    let copied = copy_with_host(HostHeader::Original, "GET http://b/ HTTP/1.0\r\n\r\n");
    assert_eq!(copied, "GET / HTTP/1.0\r\nHost: b\r\n\r\n");
}

#[test]
fn a_request_without_host_gets_the_upstreams() {
    let raw = "GET / HTTP/1.0\r\n\r\n";
    let copied = copy_with_host(HostHeader::Upstream, raw);
    assert_eq!(copied, "GET / HTTP/1.0\r\nHost: shadow:8082\r\n\r\n");
    let copied = copy_with_host(HostHeader::Original, raw);
    assert_eq!(copied, "GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn http_1_0_keeps_its_version_and_its_wish_to_persist() {
    let copied = copy_with_host(
        HostHeader::Original,
        "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nA: b\r\n\r\n",
    );
    assert_eq!(copied, "GET / HTTP/1.0\r\nA: b\r\nConnection: keep-alive\r\n\r\n");
    let copied = copy_with_host(
        HostHeader::Original,
        "GET / HTTP/1.0\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(copied, "GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn userinfo_replaces_the_clients_credentials() {
    let settings = HttpOutputSettings {
        authorization: Some(Secret("Basic c2hhZG93".to_owned())),
        marker: None,
        host_header: HostHeader::Original,
        ..settings()
    };
    let copied = copy_with(
        &settings,
        "GET / HTTP/1.1\r\nAUTHORIZATION: Bearer secret\r\nA: b\r\nAuthorization: x\r\n\r\n",
    );
    assert_eq!(
        copied,
        "GET / HTTP/1.1\r\nAUTHORIZATION: Basic c2hhZG93\r\nA: b\r\n\r\n"
    );
    let copied = copy_with(&settings, "GET / HTTP/1.1\r\nA: b\r\n\r\n");
    assert_eq!(
        copied,
        "GET / HTTP/1.1\r\nA: b\r\nAuthorization: Basic c2hhZG93\r\n\r\n"
    );
}

#[test]
fn a_redirected_get_leaves_the_body_and_what_describes_it_behind() {
    let raw = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: x/y\r\nContent-Length: 2\r\nExpect: 100-continue\r\nA: b\r\n\r\nab";
    let hop = Hop {
        target: bytes::Bytes::from_static(b"/elsewhere"),
        as_get: true,
    };
    let mut out = Vec::new();
    let template = CopyTemplate::new(&settings()).unwrap();
    template
        .write_head(
            &request(raw.as_bytes()),
            None,
            1,
            Some(&hop),
            Wire::Http1,
            &mut out,
        )
        .unwrap();
    let expected = "GET /elsewhere HTTP/1.1\r\nHost: shadow:8082\r\nA: b\r\nX-Shadow-Mirror: 1\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn blank_fields_are_copied_beside_odd_ones() {
    let limits = Limits {
        max_head: 1000,
        max_body: 0,
        max_headers: 10,
    };
    let raw = b"GET / HTTP/1.1\r\nHost: a\r\nX(Y): \x01\r\nA:\r\nB: \t\r\n\r\n";
    let request = whole_request(raw, limits, &MemoryBudget::new(1 << 20)).unwrap();
    assert_eq!(
        copy_of(&settings(), &request),
        "GET / HTTP/1.1\r\nHost: shadow:8082\r\nX(Y): \x01\r\nA:\r\nB: \t\r\nX-Shadow-Mirror: 1\r\n\r\n"
    );
}

#[test]
fn a_field_that_smuggles_a_line_is_refused_whatever_parsed_it() {
    let mut request = request(b"GET / HTTP/1.1\r\nA: bbbb\r\n\r\n");
    request.head = bytes::Bytes::from_static(b"GET / HTTP/1.1\r\nA: b\r\nb\r\n\r\n");
    let template = CopyTemplate::new(&settings()).unwrap();
    assert_eq!(
        template.write_head(&request, None, 1, None, Wire::Http1, &mut Vec::new()),
        Err(Unsafe)
    );
}

#[test]
fn settings_that_would_inject_a_header_are_errors() {
    let refused = |change: fn(&mut HttpOutputSettings)| {
        let mut settings = settings();
        change(&mut settings);
        CopyTemplate::new(&settings).is_err()
    };
    assert!(refused(|settings| settings.marker = Some("A: b\r\nC".to_owned())));
    assert!(refused(|settings| settings.marker = Some(String::new())));
    assert!(refused(|settings| settings.path_prefix = "/a b".to_owned()));
    assert!(refused(|settings| settings.host = "a\r\nb".to_owned()));
    assert!(refused(|settings| {
        settings.host_header = HostHeader::Suffix("\r\n".to_owned());
    }));
    assert!(refused(|settings| {
        settings.authorization = Some(Secret("Basic \n".to_owned()));
    }));
}

proptest! {
    /// Whatever the client sends, the copy is one well-formed head with the framing of the original, and what
    /// is end-to-end comes through in its order.
    #[test]
    fn a_copy_is_one_head_with_the_same_framing(
        names in proptest::collection::vec("(connection|content-length|transfer-encoding|host|te|X-[A-Za-z]{1,3})", 0..12),
        values in proptest::collection::vec("(keep-alive|close|host, content-length|x-a, te|[!-~]{0,8})", 12),
        target in "(/[!-~]{0,10}|\\*|http://[a-z]{1,5}(/[a-z]{0,3})?)",
    ) {
        let mut raw = format!("GET {target} HTTP/1.1\r\n");
        for (name, value) in names.iter().zip(&values) {
            raw = raw + name + ": " + value + "\r\n";
        }
        raw.push_str("\r\n");
        let copied = copy(&raw);
        prop_assert!(copied.ends_with("\r\nX-Shadow-Mirror: 1\r\n\r\n"));
        prop_assert_eq!(copied.matches("\r\n\r\n").count(), 1);
        let kept = |head: &str, wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            head.lines()
                .skip(1)
                .filter(|line| wanted(line.split(':').next().unwrap()))
                .map(str::to_owned)
                .collect()
        };
        let framing = |name: &str| name == "content-length" || name == "transfer-encoding";
        prop_assert_eq!(kept(&raw, &framing), kept(&copied, &framing));
        let custom = |name: &str| name.starts_with("X-") && name != "X-Shadow-Mirror";
        let (before, after) = (kept(&raw, &custom), kept(&copied, &custom));
        let mut before = before.iter();
        prop_assert!(after.iter().all(|line| before.any(|other| other == line)));
        let hosts = kept(&copied, &|name| name.eq_ignore_ascii_case("host"));
        prop_assert_eq!(hosts.len(), 1);
        prop_assert!(hosts[0].ends_with(": shadow:8082"));
    }
}

#[test]
fn thousands_of_connection_options_leave_one_name_to_look_for() {
    let options = "x-a,X-A,close,te,host,b,".repeat(2_000);
    let raw = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {options}\r\nX-a: 1\r\nX-End: 2\r\n\r\n");
    let request = request(raw.as_bytes());
    let nominated = Nominated::of(&request);
    assert_eq!(nominated.names.len(), 1);
    assert!(nominated.has(b"x-A"));
    assert!(!nominated.has(b"X-End"));
}

#[test]
fn the_usual_connection_options_cost_no_list() {
    for value in ["keep-alive", "close", "Upgrade", "keep-alive, TE", ""] {
        let raw = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {value}\r\nAccept: */*\r\n\r\n");
        let request = request(raw.as_bytes());
        assert_eq!(Nominated::of(&request).names.capacity(), 0, "{value}");
    }
}

#[test]
fn credentials_are_not_printed() {
    let with_credentials = HttpOutputSettings {
        authorization: Some(Secret("Basic c2VjcmV0".to_owned())),
        ..settings()
    };
    let template = CopyTemplate::new(&with_credentials).unwrap();
    let bytes = format!("{:?}", b"Basic c2VjcmV0");
    let printed = format!("{template:?}");
    assert!(printed.contains("(secret)"), "{printed}");
    assert!(
        !printed.contains(&bytes) && !printed.contains("c2VjcmV0"),
        "{printed}"
    );
}

/// Names that are often equal, or equal but for their case.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abAB-]{1,3}",
        prop::sample::select(vec![
            "close",
            "Close",
            "x-hop",
            "X-HOP",
            "Content-Type",
            "Authorization"
        ])
        .prop_map(str::to_owned)
    ]
}

proptest! {
    /// A list finds exactly what a look at every option for every field finds.
    #[test]
    fn a_field_is_left_out_exactly_when_an_option_names_it(
        options in prop::collection::vec(name(), 0..40),
        others in prop::collection::vec(name(), 0..10),
        names in prop::collection::vec(name(), 0..40),
    ) {
        let mut raw = format!("GET / HTTP/1.1\r\nConnection: {}\r\n", options.join(" ,"));
        for name in &names {
            raw += &[name.as_str(), ": 1\r\n"].concat();
        }
        raw += &["CONNECTION:", &others.join(","), "\r\n\r\n"].concat();
        let request = request(raw.as_bytes());
        let nominated = Nominated::of(&request);
        for name in names {
            let named = options.iter().chain(&others).any(|option| option.eq_ignore_ascii_case(&name));
            prop_assert_eq!(nominated.has(name.as_bytes()), named);
        }
    }
}

/// The copy of `raw` with `steps`, by a rule for the prefix `/foo`.
fn edited(host_header: HostHeader, steps: Vec<Edit>, raw: &str) -> String {
    let found = RequestMatch::new(PathMatch::prefix("/foo").unwrap());
    let matcher = Arc::new(RouteMatcher::new(Vec::new(), vec![vec![found]]).unwrap());
    let settings = HttpOutputSettings {
        host_header,
        marker: None,
        edits: Some(Arc::new(Edits::new(steps, &matcher, 0).unwrap())),
        ..settings()
    };
    copy_with(&settings, raw)
}

fn set(name: &str, value: &str) -> Edit {
    let (name, value) = (name.to_owned(), value.to_owned());
    Edit::SetHeader { name, value }
}

fn add(name: &str, value: &str) -> Edit {
    let (name, value) = (name.to_owned(), value.to_owned());
    Edit::AddHeader { name, value }
}

#[test]
fn edits_change_their_fields_and_leave_all_others_byte_for_byte() {
    let copied = edited(
        HostHeader::Original,
        vec![
            set("X-Set", "new"),
            add("X-Add", "two"),
            Edit::RemoveHeader("x-gone".to_owned()),
        ],
        "GET /foo HTTP/1.1\r\nhost: a\r\nx-SET:  old \r\nX-add: one\r\nAccept:*/*\r\nX-Gone: 1\r\nx-set: older\r\nEnd: 1\r\n\r\n",
    );
    let expected = "GET /foo HTTP/1.1\r\nhost: a\r\nX-add: one\r\nAccept:*/*\r\nEnd: 1\r\nX-Set: new\r\nX-Add: two\r\n\r\n";
    assert_eq!(copied, expected);
}

#[test]
fn an_edited_host_counts_as_the_one_the_client_sent() {
    let steps = || vec![Edit::Hostname("new".to_owned())];
    let suffix = || HostHeader::Suffix("-shadow".to_owned());
    let raw = "GET /foo HTTP/1.1\r\nHOST: old:80\r\n\r\n";
    let host = |host_header| edited(host_header, steps(), raw);
    assert_eq!(
        host(HostHeader::Original),
        "GET /foo HTTP/1.1\r\nHOST: new\r\n\r\n"
    );
    assert_eq!(host(suffix()), "GET /foo HTTP/1.1\r\nHOST: new-shadow\r\n\r\n");
    assert_eq!(
        host(HostHeader::Upstream),
        "GET /foo HTTP/1.1\r\nHOST: shadow:8082\r\n\r\n"
    );
    let absolute = edited(
        suffix(),
        steps(),
        "GET http://old/foo HTTP/1.1\r\nHost: old\r\n\r\n",
    );
    assert_eq!(absolute, "GET /foo HTTP/1.1\r\nHost: new-shadow\r\n\r\n");
    let none = edited(HostHeader::Original, steps(), "GET /foo HTTP/1.0\r\n\r\n");
    assert_eq!(none, "GET /foo HTTP/1.0\r\nHost: new\r\n\r\n");
}

#[test]
fn an_edited_path_keeps_the_query_in_both_forms_of_a_target() {
    let line = |target: &str| {
        let raw = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let copied = edited(
            HostHeader::Original,
            vec![Edit::PrefixMatch("/xyz".to_owned())],
            &raw,
        );
        copied.lines().next().unwrap().to_owned()
    };
    assert_eq!(line("/foo/bar?q=1"), "GET /xyz/bar?q=1 HTTP/1.1");
    assert_eq!(line("http://a/foo?q"), "GET /xyz?q HTTP/1.1");
    assert_eq!(line("/foobar"), "GET /foobar HTTP/1.1");
}

#[test]
fn a_full_path_replaces_the_missing_one_of_an_absolute_target() {
    let steps = || vec![Edit::FullPath("/new".to_owned())];
    let copied = edited(
        HostHeader::Original,
        steps(),
        "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(copied.starts_with("GET /new?q HTTP/1.1\r\n"), "{copied}");
    let copied = edited(
        HostHeader::Original,
        steps(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    assert!(copied.starts_with("OPTIONS * HTTP/1.1\r\n"), "{copied}");
}

#[test]
fn an_edited_authorization_and_userinfo_are_an_error() {
    let matcher = Arc::new(RouteMatcher::new(Vec::new(), vec![Vec::new()]).unwrap());
    let edits = Edits::new([set("authorization", "Bearer a")], &matcher, 0).unwrap();
    let settings = HttpOutputSettings {
        authorization: Some(Secret("Basic eA==".to_owned())),
        edits: Some(Arc::new(edits)),
        ..settings()
    };
    assert!(CopyTemplate::new(&settings).is_err());
}

#[test]
fn a_copy_names_the_pod_where_that_is_asked_for() {
    let pod = PodIdentity {
        namespace: "shop".to_owned(),
        name: "web-0".to_owned(),
        tag: "app=web".to_owned(),
        ..PodIdentity::default()
    };
    let raw = request(b"GET / HTTP/1.1\r\nHost: a\r\nx-shadow-source-pod: forged\r\n\r\n");
    let head = |name_pod| {
        let template = CopyTemplate::new(&HttpOutputSettings {
            name_pod,
            host_header: HostHeader::Original,
            marker: None,
            ..settings()
        })
        .unwrap();
        let mut out = Vec::new();
        template
            .write_head(&raw, Some(&pod), 1, None, Wire::Http1, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        head(true),
        "GET / HTTP/1.1\r\nHost: a\r\nX-Shadow-Source-Pod: shop/web-0\r\nX-Shadow-Source-Labels: app=web\r\n\r\n"
    );
    assert_eq!(
        head(false),
        "GET / HTTP/1.1\r\nHost: a\r\nx-shadow-source-pod: forged\r\n\r\n"
    );
}

proptest! {
    /// Whatever is edited, the copy is one well-formed head with the framing of the original.
    #[test]
    fn an_edited_copy_is_one_head_with_the_same_framing(
        names in prop::collection::vec("(content-length|host|X-[A-C]|accept)", 0..8),
        edits in prop::collection::vec(("(X-[A-D]|accept|host|x b)", "[ -~\r\n]{0,6}", 0..5_u8), 0..6),
    ) {
        let steps = edits.into_iter().map(|(name, value, kind)| match kind {
            0 => Edit::SetHeader { name, value },
            1 => Edit::AddHeader { name, value },
            2 => Edit::RemoveHeader(name),
            3 => Edit::Hostname(value),
            _ => Edit::PrefixMatch(value),
        });
        let found = RequestMatch::new(PathMatch::prefix("/foo").unwrap());
        let matcher = Arc::new(RouteMatcher::new(Vec::new(), vec![vec![found]]).unwrap());
        let Ok(edits) = Edits::new(steps, &matcher, 0) else { return Ok(()) };
        let lines = names.iter().map(|name| [name.as_str(), ": 1\r\n"].concat());
        let raw = format!("GET /foo/a HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
        let settings = HttpOutputSettings { edits: Some(Arc::new(edits)), ..settings() };
        let copied = copy_with(&settings, &raw);
        prop_assert!(copied.starts_with("GET /"));
        prop_assert!(copied.ends_with("X-Shadow-Mirror: 1\r\n\r\n"));
        prop_assert_eq!(copied.matches("\r\n\r\n").count(), 1);
        prop_assert_eq!(copied.matches('\r').count(), copied.matches('\n').count());
        let framing = |head: &str| head.matches("content-length: 1\r\n").count();
        prop_assert_eq!(framing(&copied), framing(&raw));
        prop_assert_eq!(copied.to_ascii_lowercase().matches("\nhost: ").count(), 1);
    }
}
