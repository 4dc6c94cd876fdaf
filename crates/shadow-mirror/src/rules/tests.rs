//! Rules, each applied to a request. One test a flag, named after it: how flags become rules is tested where they are read.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use shadow_http::{Framing, RequestEvent, RequestStream};

use super::*;
use crate::testing::request;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));
const GET: &str = "GET /api/users?id=7&x HTTP/1.1\r\nHost: www.example.com:8080\r\nX-User: jo\r\n\r\n";

fn judge(rules: &Rules, raw: &str) -> Verdict {
    rules.judge(&request(raw.as_bytes()), CLIENT)
}

/// Whether the request goes on, whatever it became.
fn passes(rules: &Rules, raw: &str) -> bool {
    match judge(rules, raw) {
        Verdict::Unchanged | Verdict::Changed(_) => true,
        Verdict::Ends(outcome) => {
            assert!(
                matches!(outcome, Outcome::Filtered | Outcome::SampledOut),
                "{outcome:?}"
            );
            false
        }
    }
}

fn filters(set: impl FnOnce(&mut Filters)) -> Rules {
    let mut rules = Rules::default();
    rules.filters.max_json = 1 << 20;
    set(&mut rules.filters);
    rules
}

/// The bytes of the request that comes of `raw`.
fn edited(set: impl FnOnce(&mut Rewriters), raw: &str) -> String {
    let mut rules = Rules::default();
    set(&mut rules.rewriters);
    match judge(&rules, raw) {
        Verdict::Unchanged => raw.to_owned(),
        Verdict::Changed(request) => String::from_utf8([&request.head[..], &request.body].concat()).unwrap(),
        Verdict::Ends(outcome) => panic!("{outcome:?}"),
    }
}

fn expression(text: &str) -> Expression {
    Expression::new(text).unwrap()
}

fn named(name: &str, text: &str) -> Named {
    Named {
        name: name.into(),
        expression: expression(text),
    }
}

fn with(line: &str) -> String {
    GET.replace("\r\n\r\n", &["\r\n", line, "\r\n\r\n"].concat())
}

fn post(content_type: &str, body: &str) -> String {
    format!(
        "POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn without_rules_a_request_is_unchanged() {
    assert!(matches!(judge(&Rules::default(), GET), Verdict::Unchanged));
}

#[test]
fn http_allow_method_is_exact_and_any_is_enough() {
    let rules = filters(|filters| filters.methods.allow = vec!["GET".into(), "HEAD".into()]);
    assert!(passes(&rules, GET) && passes(&rules, "HEAD / HTTP/1.1\r\n\r\n"));
    assert!(!passes(&rules, "POST / HTTP/1.1\r\n\r\n") && !passes(&rules, "get / HTTP/1.1\r\n\r\n"));
}

#[test]
fn http_disallow_method_keeps_that_one_back() {
    let rules = filters(|filters| filters.methods.disallow = vec!["DELETE".into()]);
    assert!(passes(&rules, GET) && !passes(&rules, "DELETE / HTTP/1.1\r\n\r\n"));
}

#[test]
fn http_allow_client_and_http_disallow_client_are_networks() {
    let network = |text: &str| Network::new(text).unwrap();
    assert!(passes(
        &filters(|filters| filters.clients.allow = vec![network("::/0"), network("10.0.0.0/8")]),
        GET
    ));
    assert!(!passes(
        &filters(|filters| filters.clients.allow = vec![network("192.0.2.0/24")]),
        GET
    ));
    assert!(!passes(
        &filters(|filters| filters.clients.disallow = vec![network("10.1.2.3")]),
        GET
    ));
}

#[test]
fn http_allow_url_matches_the_target_or_the_host_and_target() {
    let allows = |text: &str, raw: &str| {
        passes(
            &filters(|filters| filters.urls.allow = vec![expression(text)]),
            raw,
        )
    };
    for text in [
        "/api",
        "^/api/users",
        "id=7&x$",
        "^www.example.com:8080/api",
        "^www.",
    ] {
        assert!(allows(text, GET), "{text}");
    }
    assert!(!allows("/admin", GET) && !allows("^/users", GET));
    let absolute = "GET http://www.example.com/a HTTP/1.1\r\nHost: other\r\n\r\n";
    assert!(
        allows("^www.example.com/a$", absolute)
            && allows("^http://www", absolute)
            && !allows("other", absolute)
    );
    assert!(!allows("hidden", &post("text/plain", "GET /hidden HTTP/1.1")));
}

#[test]
fn http_disallow_url_keeps_back_what_any_matches() {
    let rules = filters(|filters| filters.urls.disallow = vec![expression("/admin"), expression("/api")]);
    assert!(!passes(&rules, GET) && passes(&rules, "GET / HTTP/1.1\r\n\r\n"));
}

#[test]
fn http_allow_header_needs_all_and_a_missing_or_empty_one_is_none() {
    let rules =
        filters(|filters| filters.headers.allow = vec![named("x-user", "^j"), named("X-Version", "")]);
    assert!(passes(&rules, &with("x-version: 1")));
    assert!(!passes(&rules, GET) && !passes(&rules, &with("X-Version:")));
    let in_body = with("Content-Length: 14").replace("\r\n\r\n", "\r\n\r\nX-Version: 1\r\n");
    assert!(!passes(&rules, &in_body), "text of a body is no header");
}

#[test]
fn http_disallow_header_keeps_back_what_any_matches() {
    let rules = filters(|filters| filters.headers.disallow = vec![named("User-Agent", "(?i)bot")]);
    assert!(passes(&rules, GET) && passes(&rules, &with("User-Agent: curl")));
    assert!(!passes(
        &rules,
        &with("user-agent: curl\r\nUser-Agent: GoogleBot")
    ));
}

#[test]
fn http_allow_cookie_and_http_disallow_cookie_are_about_one_cookie() {
    let allow = filters(|filters| filters.cookies.allow = vec![named("group", "^beta$")]);
    assert!(passes(&allow, &with("Cookie: a=b; group=beta")));
    assert!(!passes(&allow, &with("Cookie: xgroup=beta")) && !passes(&allow, GET));
    let disallow = filters(|filters| filters.cookies.disallow = vec![named("group", "beta")]);
    assert!(passes(&disallow, GET) && !passes(&disallow, &with("Cookie: a=b\r\nCookie: group=beta")));
}

#[test]
fn http_basic_auth_filter_lets_those_without_basic_credentials_pass() {
    let rules =
        filters(|filters| filters.basic_auth = vec![expression("^customer[0-9]+:"), expression("s$")]);
    assert!(passes(&rules, GET) && passes(&rules, &with("Authorization: Bearer x")));
    let basic = |credentials: &str| {
        with(&format!(
            "Authorization: Basic {}",
            BASE64_STANDARD.encode(credentials)
        ))
    };
    assert!(passes(&rules, &basic("customer3:welcomes")));
    assert!(!passes(&rules, &basic("customer3:welcome")) && !passes(&rules, &basic("admin:pass")));
    assert!(!passes(&rules, &with("Authorization: Basic !")), "no base64");
}

#[test]
fn http_allow_json_and_http_disallow_json_look_into_bodies() {
    let matches = |path: &str, text: &str| JsonMatch {
        path: JsonPath::new(path).unwrap(),
        expression: expression(text),
    };
    let allow = filters(|filters| filters.json.allow = vec![matches("user.plan", "^pro$")]);
    assert!(passes(
        &allow,
        &post("application/json", r#"{"user":{"plan":"pro"}}"#)
    ));
    assert!(!passes(
        &allow,
        &post("application/json", r#"{"user":{"plan":"free"}}"#)
    ));
    assert!(
        !passes(&allow, &post("application/json", r#"{"user":{"plan":"pro"}"#)),
        "no JSON"
    );
    assert!(!passes(&allow, GET));
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{\"user\":{\"\r\nd\r\nplan\":\"pro\"}}\r\n0\r\n\r\n";
    assert!(passes(&allow, chunked));
    let disallow = filters(|filters| filters.json.disallow = vec![matches("n", "^-1$")]);
    assert!(!passes(&disallow, &post("text/plain", r#"{"n":-1}"#)) && passes(&disallow, GET));
    let mut small = disallow;
    small.filters.max_json = 4;
    assert!(
        passes(&small, &post("text/plain", r#"{"n":-1}"#)),
        "too large to be looked into"
    );
}

#[test]
fn safe_methods_let_writes_pass_by_route_alone() {
    let safe = |allow: &[&str]| {
        let allow_url = allow.iter().map(|text| expression(text)).collect();
        filters(|filters| filters.safe_methods = Some(SafeMethods { allow_url }))
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(passes(&safe(&[]), &format!("{method} / HTTP/1.1\r\n\r\n")));
    }
    for method in ["POST", "DELETE", "TRACE", "get", "PURGE"] {
        assert!(!passes(
            &safe(&["^/search$"]),
            &format!("{method} / HTTP/1.1\r\n\r\n")
        ));
        assert!(passes(
            &safe(&["^/search$"]),
            &format!("{method} /search HTTP/1.1\r\n\r\n")
        ));
    }
}

#[test]
fn limiters_choose_users_by_the_hash_of_what_they_send() {
    let limiter = |user: User, share: &str| Rules {
        limiters: vec![Limiter {
            user,
            share: HashShare::new(share).unwrap(),
        }],
        ..Rules::default()
    };
    let percent = |value: &str| fnv1a_32(value.as_bytes()) % 100;
    for (user, value) in [
        (User::Header("x-user".into()), "jo"),
        (User::Parameter("id".into()), "7"),
        (User::Cookie("sid".into()), "abc"),
        (User::Client, "10.1.2.3"),
    ] {
        let raw = with("Cookie: a=b; sid=abc");
        let (out, taken) = (format!("{}%", percent(value)), format!("{}%", percent(value) + 1));
        assert!(!passes(&limiter(user.clone(), &out), &raw), "{user:?}");
        assert!(passes(&limiter(user.clone(), &taken), &raw), "{user:?}");
    }
    for user in [
        User::Header("missing".into()),
        User::Parameter("x".into()),
        User::Cookie("sid".into()),
    ] {
        assert!(passes(&limiter(user, "0%"), GET), "without a value it passes");
    }
    // Empty is a value of a parameter: FNV-1a of nothing leaves 61, as in GoReplay.
    let empty = "GET /?id= HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(!passes(&limiter(User::Parameter("id".into()), "61%"), empty));
    assert!(passes(&limiter(User::Parameter("id".into()), "62%"), empty));
    let twice = "GET /?id=x&id=7 HTTP/1.1\r\nHost: a\r\n\r\n";
    let share = format!("{}%", percent("7"));
    assert!(
        !passes(&limiter(User::Parameter("id".into()), &share), twice),
        "the one behind the &"
    );
    let left_out = limiter(User::Client, "0%").judge(&request(GET.as_bytes()), CLIENT);
    assert!(matches!(left_out, Verdict::Ends(Outcome::SampledOut)));
}

#[test]
fn http_set_header_replaces_or_comes_first() {
    let set = |name: &str, raw: &str| {
        let header = SetHeader::new(name, "new").unwrap();
        edited(|rewriters| rewriters.set_headers = vec![header], raw)
    };
    assert_eq!(set("X-USER", GET), GET.replace("X-User: jo", "X-User: new"));
    assert_eq!(set("X-New", GET), GET.replace("Host:", "X-New: new\r\nHost:"));
    let twice = "GET / HTTP/1.1\r\nX-A: 1\r\nHost: a\r\nx-a: 2\r\n\r\n";
    assert_eq!(
        set("X-A", twice),
        twice.replace("X-A: 1", "X-A: new"),
        "the first one"
    );
    assert_eq!(
        set("Host", "GET http://a:80?q HTTP/1.1\r\nHost: a\r\n\r\n"),
        "GET /?q HTTP/1.1\r\nHost: new\r\n\r\n",
        "a host that is set counts"
    );
    for name in [
        "Content-Length",
        "transfer-encoding",
        "Connection",
        "Upgrade",
        "a b",
        "",
        "a:",
    ] {
        assert!(SetHeader::new(name, "x").is_err(), "{name}");
    }
    assert!(SetHeader::new("X-A", "b\r\nX-C: d").is_err());
}

#[test]
fn http_set_param_replaces_or_comes_last() {
    let set = |raw: &str| {
        let parameter = SetParameter::new("id", "9").unwrap();
        edited(|rewriters| rewriters.set_parameters = vec![parameter], raw)
    };
    assert_eq!(set(GET), GET.replace("id=7", "id=9"));
    assert_eq!(set("GET /a HTTP/1.1\r\n\r\n"), "GET /a?id=9 HTTP/1.1\r\n\r\n");
    assert_eq!(set("GET /?id HTTP/1.1\r\n\r\n"), "GET /?id&id=9 HTTP/1.1\r\n\r\n");
    assert_eq!(
        set("GET /?id=1&id=2&id=3 HTTP/1.1\r\n\r\n"),
        "GET /?id=1&id=9&id=3 HTTP/1.1\r\n\r\n"
    );
    assert_eq!(set("OPTIONS * HTTP/1.1\r\n\r\n"), "OPTIONS * HTTP/1.1\r\n\r\n");
    for (name, value) in [
        ("", "1"),
        ("a b", "1"),
        ("a", "b c"),
        ("a", "b#"),
        ("a&b", "1"),
        ("a", "\r\n"),
    ] {
        assert!(SetParameter::new(name, value).is_err(), "{name}={value}");
    }
}

#[test]
fn http_rewrite_url_is_the_first_rule_that_matches_alone() {
    let rewrite = |rules: &[(&str, &str)], raw: &str| {
        let urls = rules
            .iter()
            .map(|(from, to)| Rewrite::new(from, to).unwrap())
            .collect();
        edited(|rewriters| rewriters.urls = urls, raw)
    };
    assert_eq!(
        rewrite(&[("^/v0", "/x"), ("/api/([^?]+)", "/v2/$1"), ("/v2", "/v3")], GET),
        GET.replace("/api/users", "/v2/users")
    );
    assert_eq!(
        rewrite(&[("www.example.com", "x")], GET),
        GET,
        "the host is not the target"
    );
    let mut rules = Rules::default();
    for (from, to) in [
        ("/api", "/a b"),
        ("/api", "/a#"),
        ("^/.*", ""),
        ("^/", ""),
        ("^.*$", "x"),
    ] {
        rules.rewriters.urls = vec![Rewrite::new(from, to).unwrap()];
        assert!(
            matches!(
                judge(&rules, GET),
                Verdict::Ends(Outcome::Dropped(DropReason::UnsafeRewrite))
            ),
            "{from} {to}"
        );
    }
}

#[test]
fn http_rewrite_header_goes_on_behind_a_header_that_is_missing() {
    let rewrite = |name: &str, from: &str, to: &str| RewriteHeader {
        name: name.into(),
        rewrite: Rewrite::new(from, to).unwrap(),
    };
    let headers = vec![
        rewrite("Missing", "a", "b"),
        rewrite("host", r"^(www)\.", "$1.staging."),
        rewrite("X-User", "j", "J"),
    ];
    assert_eq!(
        edited(|rewriters| rewriters.headers = headers, GET),
        GET.replace("www.", "www.staging.").replace("jo", "Jo")
    );
}

#[test]
fn filters_see_what_was_set_and_rewriting_comes_behind_them() {
    let mut rules = filters(|filters| {
        filters.headers.allow = vec![named("X-New", "^1$")];
        filters.urls.allow = vec![expression("added=1$")];
        filters.urls.disallow = vec![expression("^/v2")];
    });
    rules.rewriters = Rewriters {
        set_headers: vec![SetHeader::new("X-New", "1").unwrap()],
        set_parameters: vec![SetParameter::new("added", "1").unwrap()],
        urls: vec![Rewrite::new("^/api", "/v2").unwrap()],
        headers: Vec::new(),
    };
    assert!(passes(&rules, GET));
    rules.filters.methods.disallow = vec!["GET".into()];
    assert!(!passes(&rules, GET));
}

#[test]
fn http_redact_header_and_http_redact_json_come_last() {
    let key = RedactionKey::new(&[1; 16]).unwrap();
    let redaction = Redaction::new(
        ["X-User".to_owned()],
        vec![JsonPath::new("pin").unwrap()],
        64,
        key.clone(),
    );
    let rules = Rules {
        limiters: vec![Limiter {
            user: User::Header("X-User".into()),
            share: HashShare::new(&format!("{}%", fnv1a_32(b"jo") % 100 + 1)).unwrap(),
        }],
        redaction: Some(redaction.unwrap()),
        ..Rules::default()
    };
    let Verdict::Changed(hidden) = judge(&rules, GET) else {
        panic!()
    };
    assert_eq!(hidden.header("x-user"), Some(key.hash(b"jo").as_bytes()));
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"pin\":1}\r\n0\r\n\r\n";
    let Verdict::Changed(hidden) = judge(&rules, chunked) else {
        panic!()
    };
    assert_eq!(hidden.framing, Framing::Length(hidden.body.len() as u64));
    assert_eq!(hidden.body, format!("{{\"pin\":\"{}\"}}", key.hash(b"1")));
    let broken = post("application/json", "{\"pin\":1");
    assert!(matches!(
        judge(&rules, &broken),
        Verdict::Ends(Outcome::Dropped(DropReason::Unredactable))
    ));
    assert!(passes(&rules, "GET / HTTP/1.1\r\n\r\n"));
}

#[test]
fn a_request_of_http_2_is_changed_as_any_other_and_stays_one() {
    let key = RedactionKey::new(&[1; 16]).unwrap();
    let redaction = Redaction::new(
        ["Authorization".to_owned()],
        vec![JsonPath::new("pin").unwrap()],
        64,
        key.clone(),
    );
    let rules = Rules {
        rewriters: Rewriters {
            set_headers: vec![
                SetHeader::new("X-Tenant", "1").unwrap(),
                SetHeader::new("Host", "b").unwrap(),
            ],
            set_parameters: vec![SetParameter::new("added", "1").unwrap()],
            urls: vec![Rewrite::new("^/api", "/v2").unwrap()],
            headers: Vec::new(),
        },
        redaction: Some(redaction.unwrap()),
        ..Rules::default()
    };
    let budget = shadow_core::budget::MemoryBudget::new(1 << 20);
    let limits = shadow_http::Limits {
        max_head: 4096,
        max_body: 4096,
        max_headers: 16,
    };
    let head = "POST /api?a=b HTTP/2.0\r\nhost: a\r\nauthorization: x\r\n";
    let changed = |fields: &str, body: &str| {
        let text = format!("{head}{fields}\r\n{body}");
        let request = shadow_http::whole_request(text.as_bytes(), limits, &budget).unwrap();
        match rules.judge(&request, CLIENT) {
            Verdict::Changed(request) => {
                assert_eq!(request.version, shadow_http::Version::Http2);
                String::from_utf8([&request.head[..], &request.body].concat()).unwrap()
            }
            _ => panic!("not changed"),
        }
    };
    let hidden = key.hash(b"x");
    let expected =
        format!("POST /v2?a=b&added=1 HTTP/2.0\r\nx-tenant: 1\r\nhost: b\r\nauthorization: {hidden}\r\n");
    let chunked = "transfer-encoding: chunked\r\n";
    assert_eq!(
        changed(chunked, "2\r\nhi\r\n0\r\nauthorization: x\r\n\r\n"),
        format!("{expected}{chunked}\r\n2\r\nhi\r\n0\r\nauthorization: {hidden}\r\n\r\n")
    );
    let body = format!("{{\"pin\":\"{}\"}}", key.hash(b"1"));
    assert_eq!(
        changed(chunked, "9\r\n{\"pin\":1}\r\n0\r\n\r\n"),
        format!(
            "POST /v2?a=b&added=1 HTTP/2.0\r\ncontent-length: {}\r\n{}\r\n{body}",
            body.len(),
            &expected["POST /v2?a=b&added=1 HTTP/2.0\r\n".len()..]
        )
    );
}

#[test]
fn a_changed_request_shares_its_body_and_keeps_its_place() {
    let before = request(post("text/plain", "hello").as_bytes());
    let mut rules = Rules::default();
    rules.rewriters.set_headers = vec![SetHeader::new("X-A", "b").unwrap()];
    let Verdict::Changed(after) = rules.judge(&before, CLIENT) else {
        panic!()
    };
    assert_eq!(after.body.as_ptr(), before.body.as_ptr());
    assert_eq!(after.acknowledgment, before.acknowledgment);
    assert_eq!(after.charge.bytes(), after.head.len() + after.body.len());
}

#[test]
fn names_and_values_that_may_be_secrets_are_not_printed() {
    let mut rules = Rules::default();
    rules.rewriters.set_headers = vec![SetHeader::new("Authorization", "s3cret").unwrap()];
    rules.rewriters.set_parameters = vec![SetParameter::new("token", "s3cret").unwrap()];
    assert!(!format!("{rules:?}").contains("s3cret"));
}

/// The requests that a captured stream of these bytes has.
fn captured(bytes: &[u8]) -> Vec<Request> {
    let limits = shadow_http::Limits {
        max_head: 1 << 20,
        max_body: 1 << 20,
        max_headers: 1 << 12,
    };
    let chunk = shadow_tcp::Chunk {
        sequence: 0,
        bytes,
        acknowledgment: 1,
        segment_start: true,
        time: shadow_core::time::Timestamp(1),
    };
    let mut requests = Vec::new();
    let budget = shadow_core::budget::MemoryBudget::new(1 << 22);
    RequestStream::new(limits, shadow_tcp::Start::Syn).push(chunk, &budget, &mut |event| {
        if let RequestEvent::Complete(request) = event {
            requests.push(*request);
        }
    });
    requests
}

proptest! {
    #[test]
    fn a_changed_request_is_one_request_to_whoever_reads_it(
        target in "/[a-z?&=/%#*\u{e9}]{0,20}|http://[a-z:@]{0,8}[/?#a-z]{0,8}|\\*",
        fields in proptest::collection::vec(("(Host|X-User|Cookie|Content-Type|Authorization|x-[a-z]{1,3})", "[ -~\t]{0,20}"), 0..6),
        body in "[{}\":a-c0-9,\\[\\]]{0,30}",
        chunked: bool,
        set in "[!-~ ]{0,10}", replacement in "[ -~]{0,12}",
    ) {
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        let body = match (chunked, body.is_empty()) {
            (false, _) => body,
            (true, true) => "0\r\n\r\n".to_owned(),
            (true, false) => format!("{:x}\r\n{body}\r\n0\r\nX-T: u\r\n\r\n", body.len()),
        };
        let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
        let fields = lines.concat();
        let raw = format!("POST {target} HTTP/1.1\r\n{fields}{framing}\r\n\r\n{body}");
        let key = RedactionKey::new(&[1; 16]).unwrap();
        let paths = vec![JsonPath::new("a").unwrap(), JsonPath::new("*.b").unwrap()];
        let mut rules = Rules {
            redaction: Some(Redaction::new(["Cookie".to_owned()], paths, 1000, key).unwrap()),
            ..Rules::default()
        };
        rules.rewriters.set_headers.extend(SetHeader::new("X-User", &set).ok());
        rules.rewriters.set_headers.extend(SetHeader::new("Host", &set).ok());
        rules.rewriters.set_parameters.extend(SetParameter::new("a", &set).ok());
        rules.rewriters.urls.extend(Rewrite::new("^(/[a-z]*)", &replacement).ok());
        rules.rewriters.headers.extend(Rewrite::new("[a-z]+", &replacement).ok().map(|rewrite| RewriteHeader {
            name: "x-user".into(),
            rewrite,
        }));
        for request in captured(raw.as_bytes()) {
            if let Verdict::Changed(changed) = rules.judge(&request, CLIENT) {
                let wire = [&changed.head[..], &changed.body].concat();
                let read = captured(&wire);
                prop_assert_eq!(read.len(), 1);
                prop_assert_eq!(&read[0].head, &changed.head);
                prop_assert_eq!(&read[0].body, &changed.body);
                prop_assert_eq!(read[0].target(), changed.target());
                prop_assert_eq!(&read[0].headers, &changed.headers);
                prop_assert_eq!(read[0].framing, changed.framing);
            }
        }
    }
}
