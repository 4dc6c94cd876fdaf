//! Hostile requests and a fixed set of rules, which do all that rules can: nothing panics, and a request that was changed
//! is one request again to whoever reads it.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shadow_agent::budget::MemoryBudget;
use shadow_agent::http::{Limits, Request, RequestEvent, RequestStream};
use shadow_agent::mirror::rules::{
    Expression, Filter, Filters, HashShare, JsonMatch, JsonPath, Limiter, Named, Network, Redaction,
    RedactionKey, Rewrite, RewriteHeader, Rewriters, Rules, SafeMethods, SetHeader, SetParameter, User,
    Verdict, header_name,
};
use shadow_agent::tcp::{Chunk, Start};
use shadow_agent::time::Timestamp;

/// More than an input can fill: what is tried is not the limits.
const LIMITS: Limits = Limits {
    max_head: 1 << 20,
    max_body: 1 << 20,
    max_headers: 1 << 12,
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fuzz_target!(|data: &[u8]| {
    let redaction = REWRITING.redaction.as_ref().expect("it redacts");
    for request in captured(data) {
        // Whatever they decide.
        FILTERING.judge(&request, CLIENT);
        if let Verdict::Changed(changed) = REWRITING.judge(&request, CLIENT) {
            let wire = [&changed.head[..], &changed.body].concat();
            let read = captured(&wire);
            let [read] = read.as_slice() else {
                panic!(
                    "{} requests come of {:?}",
                    read.len(),
                    String::from_utf8_lossy(&wire)
                );
            };
            assert_eq!((&read.head, &read.body), (&changed.head, &changed.body));
            assert_eq!((read.framing, &read.headers), (changed.framing, &changed.headers));
            assert_eq!(read.method(), request.method());
        }
    }
    // As the head and body of a response, too.
    let head = end_of_head(data);
    if let Ok(Some(redacted)) = redaction.message(&data[..head], &data[head..]) {
        assert!(redacted.head.ends_with(b"\r\n\r\n"));
    }
});

/// Where the first empty line ends.
fn end_of_head(data: &[u8]) -> usize {
    data.windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map_or(data.len(), |at| at + 4)
}

fn captured(bytes: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    if bytes.is_empty() {
        return requests;
    }
    let budget = MemoryBudget::new(1 << 26);
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

fn expression(text: &str) -> Expression {
    Expression::new(text).expect("an expression")
}

fn path(text: &str) -> JsonPath {
    JsonPath::new(text).expect("a path")
}

/// Every filter and limiter.
static FILTERING: LazyLock<Rules> = LazyLock::new(|| {
    let named = |name: &str| Named {
        name: name.into(),
        expression: expression("^[a-m]*"),
    };
    let json = |text| JsonMatch {
        path: path(text),
        expression: expression("x|1"),
    };
    let filters = Filters {
        methods: Filter {
            allow: Vec::new(),
            disallow: vec!["DELETE".into()],
        },
        clients: Filter {
            allow: vec![Network::new("127.0.0.0/8").expect("a network")],
            disallow: Vec::new(),
        },
        urls: Filter {
            allow: vec![expression("a"), expression("^/")],
            disallow: vec![expression("zz$")],
        },
        safe_methods: Some(SafeMethods {
            allow_url: vec![expression("o")],
        }),
        headers: Filter {
            allow: Vec::new(),
            disallow: vec![named("X-A")],
        },
        cookies: Filter {
            allow: Vec::new(),
            disallow: vec![named("a")],
        },
        basic_auth: vec![expression(":")],
        json: Filter {
            allow: Vec::new(),
            disallow: vec![json("a.*.0"), json("/b/~1")],
        },
        max_json: 1000,
    };
    let user = |user| Limiter {
        user,
        share: HashShare::new("97.5%").expect("a share"),
    };
    Rules {
        filters,
        limiters: vec![
            user(User::Header("X-B".into())),
            user(User::Parameter("b".into())),
            user(User::Cookie("b".into())),
            user(User::Client),
        ],
        ..Rules::default()
    }
});

/// Everything that changes a request, with replacements that put odd bytes anywhere.
static REWRITING: LazyLock<Rules> = LazyLock::new(|| {
    let rewrite = |from: &str, to: &str| Rewrite::new(from, to).expect("a rewrite");
    let header = |name: &str, from: &str, to: &str| RewriteHeader {
        name: header_name(name).expect("a name"),
        rewrite: rewrite(from, to),
    };
    let key = RedactionKey::new(&[1; 16]).expect("a key");
    let redaction = Redaction::new(["Cookie".to_owned()], vec![path("a"), path("*.b")], 1000, key);
    Rules {
        rewriters: Rewriters {
            set_headers: vec![
                SetHeader::new("Host", "shadow").expect("a header"),
                SetHeader::new("X-C", " a ,").expect("a header"),
            ],
            set_parameters: vec![SetParameter::new("c", "1&d=%2f").expect("a parameter")],
            urls: vec![rewrite("^/(.)(.*)", "/$2$1${1}$2"), rewrite("(.)", "$1$1")],
            headers: vec![header("X-A", "(.*)", "$1$1"), header("Cookie", "a", " ")],
        },
        redaction: Some(redaction.expect("a redaction")),
        ..Rules::default()
    }
});
