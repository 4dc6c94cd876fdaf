//! Filters, samples, rewriting and redaction, each as a flag does it: curl asks production, and what the shadow got is
//! compared with what it should have got. The ledger accounts for all the rest.

use shadow_tests::{Agent, Finished, Ledger, Netns, Nginx, NginxSetup, Stage, stage, until};

use crate::scene::Scene;

/// The line between two records of standard output.
const SEPARATOR: &str = "\n\u{1f435}\u{1f648}\u{1f649}\n";

/// Has curl send requests on one connection, each given by what stands before its URL and its path.
fn curl(scene: &Scene<'_>, requests: &[(&[&str], &str)]) {
    let urls: Vec<String> = requests
        .iter()
        .map(|(_, path)| format!("http://{}{path}", scene.v4))
        .collect();
    let mut arguments = Vec::new();
    for ((options, _), url) in requests.iter().zip(&urls) {
        if !arguments.is_empty() {
            arguments.push("--next");
        }
        arguments.extend(["-sS", "-g", "-o", "/dev/null", "--path-as-is"]);
        arguments.extend(*options);
        arguments.push(url);
    }
    scene.client.run("curl", &arguments);
}

/// Mirrors `requests` with these flags; all that happened, with the ledger balanced.
fn mirrored(stage: &Stage, flags: &[&str], requests: &[(&[&str], &str)]) -> Finished {
    let scene = Scene::on_lo(stage);
    let agent = scene.mirror(flags);
    curl(&scene, requests);
    let finished = scene.finish(agent);
    assert_eq!(finished.production.len(), requests.len());
    assert_eq!(finished.ledger.seen(), requests.len() as u64);
    finished
}

/// Method and target of each request that the shadow got.
fn got(finished: &Finished) -> Vec<String> {
    let entries = finished.shadow.0.iter();
    entries
        .map(|entry| format!("{} {}", entry.method, entry.uri))
        .collect()
}

/// Requests of the ledger's first output: delivered, kept back by filters, left out by samples.
fn counts(ledger: &Ledger) -> [u64; 3] {
    ["delivered", "filtered", "sampled_out"].map(|count| ledger.of(0, count))
}

#[test]
fn http_allow_method() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-allow-method", "GET", "--http-allow-method", "OPTIONS"],
        &[
            (&[], "/a"),
            (&["-X", "POST"], "/b"),
            (&["-X", "OPTIONS"], "/c"),
            (&["-X", "get"], "/d"),
        ],
    );
    assert_eq!(got(&finished), ["GET /a", "OPTIONS /c"]);
    assert_eq!(counts(&finished.ledger), [2, 2, 0]);
}

#[test]
fn http_set_header() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &[
            "--http-set-header",
            "x-id: set",
            "--http-set-header",
            "Host: shadow.test",
        ],
        &[(&["-H", "X-Id: sent"], "/a"), (&[], "/b")],
    );
    let heads: Vec<_> = finished
        .shadow
        .0
        .iter()
        .map(|entry| (entry.id.as_str(), entry.host.as_str()))
        .collect();
    assert_eq!(heads, [("set", "shadow.test"), ("set", "shadow.test")]);
    assert_eq!(counts(&finished.ledger), [2, 0, 0]);
}

#[test]
fn http_set_param() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-set-param", "api_key=1"],
        &[(&[], "/a"), (&[], "/b?api_key=7&x=y"), (&[], "/c?x_api_key=2")],
    );
    assert_eq!(
        got(&finished),
        [
            "GET /a?api_key=1",
            "GET /b?api_key=1&x=y",
            "GET /c?x_api_key=2&api_key=1"
        ]
    );
    assert_eq!(counts(&finished.ledger), [3, 0, 0]);
}

#[test]
fn http_allow_url() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &[
            "--http-allow-url",
            "^/api",
            "--http-allow-url",
            "^www.example.com/b",
        ],
        &[
            (&[], "/api/a"),
            (&["-d", "GET /api"], "/upload"),
            (&["-H", "Host: www.example.com"], "/b"),
            (&[], "/b"),
        ],
    );
    assert_eq!(got(&finished), ["GET /api/a", "GET /b"]);
    assert_eq!(counts(&finished.ledger), [2, 2, 0]);
}

#[test]
fn http_disallow_url() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-disallow-url", "/admin", "--http-disallow-url", "secret="],
        &[(&[], "/a"), (&[], "/admin/b"), (&[], "/c?secret=d")],
    );
    assert_eq!(got(&finished), ["GET /a"]);
    assert_eq!(counts(&finished.ledger), [1, 2, 0]);
}

#[test]
fn http_allow_header() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-allow-header", "api-version:^1\\.0\\d"],
        &[
            (&["-H", "API-Version: 1.02"], "/a"),
            (&["-H", "api-version: 2.0"], "/b"),
            (&[], "/c"),
            (&["-d", "api-version: 1.01"], "/upload"),
        ],
    );
    assert_eq!(got(&finished), ["GET /a"]);
    assert_eq!(counts(&finished.ledger), [1, 3, 0]);
}

#[test]
fn http_disallow_header() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-disallow-header", "User-Agent:(?i)bot"],
        &[
            (&["-A", "curl"], "/a"),
            (&["-A", "GoogleBot/2"], "/b"),
            (&["-A", ""], "/c"),
        ],
    );
    assert_eq!(got(&finished), ["GET /a", "GET /c"]);
    assert_eq!(counts(&finished.ledger), [2, 1, 0]);
}

#[test]
fn http_basic_auth_filter() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &["--http-basic-auth-filter", "^customer[0-9].*"],
        &[
            (&["-u", "customer3:welcome"], "/a"),
            (&["-u", "admin:secret"], "/b"),
            (&[], "/c"),
        ],
    );
    assert_eq!(got(&finished), ["GET /a", "GET /c"]);
    assert_eq!(counts(&finished.ledger), [2, 1, 0]);
}

/// Of `user-0` to `user-9`, those whose FNV-1a-32 leaves less than 50 when divided by 100: whom GoReplay chooses at 50%.
const HALF: [&str; 6] = ["user-0", "user-1", "user-3", "user-4", "user-5", "user-9"];

#[test]
fn http_header_limiter() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let headers: Vec<String> = (0..10).map(|user| format!("X-Id: user-{user}")).collect();
    let options: Vec<[&str; 2]> = headers.iter().map(|header| ["-H", header]).collect();
    let mut requests: Vec<(&[&str], &str)> = options.iter().map(|options| (&options[..], "/a")).collect();
    requests.push((&[], "/b"));
    for share in ["x-id:50%", "X-Id:1/2"] {
        let finished = mirrored(&stage, &["--http-header-limiter", share], &requests);
        let mut users: Vec<_> = finished.shadow.0.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(users.pop(), Some("-"), "without the header it passes");
        assert_eq!(users, HALF);
        assert_eq!(counts(&finished.ledger), [7, 0, 4]);
    }
}

#[test]
fn http_param_limiter() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let paths: Vec<String> = (0..10).map(|user| format!("/?x=y&id=user-{user}")).collect();
    let requests: Vec<(&[&str], &str)> = paths.iter().map(|path| (&[][..], path.as_str())).collect();
    let finished = mirrored(&stage, &["--http-param-limiter", "id:50%"], &requests);
    assert_eq!(got(&finished), HALF.map(|user| format!("GET /?x=y&id={user}")));
    assert_eq!(counts(&finished.ledger), [6, 0, 4]);
}

#[test]
fn http_rewrite_url() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &[
            "--http-rewrite-url",
            "/v1/user/([^\\/]+)/ping:/v2/user/$1/ping",
            "--http-rewrite-url",
            "^/old:/new path",
        ],
        &[(&[], "/v1/user/jo/ping?a=b"), (&[], "/a"), (&[], "/old")],
    );
    assert_eq!(got(&finished), ["GET /v2/user/jo/ping?a=b", "GET /a"]);
    assert_eq!(counts(&finished.ledger), [2, 0, 0]);
    assert_eq!(
        finished.ledger.dropped(0, "unsafe_rewrite"),
        1,
        "a space is no part of a target"
    );
}

#[test]
fn http_rewrite_header() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let finished = mirrored(
        &stage,
        &[
            "--http-original-host",
            "--http-rewrite-header",
            "X-Missing: a,b",
            "--http-rewrite-header",
            "Host: (.*).example.com,$1.beta.example.com",
        ],
        &[(&["-H", "Host: www.example.com"], "/a")],
    );
    assert_eq!(finished.shadow.0[0].host, "www.beta.example.com");
    assert_eq!(counts(&finished.ledger), [1, 0, 0]);
}

#[test]
fn filters_that_goreplay_lacks() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let json = |body: &'static str| [["-H", "Content-Type: application/json"], ["-d", body]].concat();
    let (free, pro) = (
        json(r#"{"user":{"plan":"free"}}"#),
        json(r#"{"user":{"plan":"pro"}}"#),
    );
    let chunked = [&pro[..], &["-H", "Transfer-Encoding: chunked"]].concat();
    let beta = ["-b", "a=b; group=beta"];
    let requests: &[(&[&str], &str)] = &[
        (&[], "/get"),
        (&["-X", "DELETE"], "/delete"),
        (&beta, "/beta"),
        (&free, "/upload/free"),
        (&pro, "/upload/pro"),
        (&chunked, "/upload/chunked"),
    ];
    let all = [
        "/get",
        "/delete",
        "/beta",
        "/upload/free",
        "/upload/pro",
        "/upload/chunked",
    ];
    for (flags, left) in [
        (&["--http-disallow-method", "DELETE"][..], &[0, 2, 3, 4, 5][..]),
        (&["--http-allow-client", "127.0.0.0/8"], &[0, 1, 2, 3, 4, 5]),
        (&["--http-allow-client", "10.0.0.0/8"], &[]),
        (&["--http-disallow-client", "127.0.0.1"], &[]),
        (&["--http-allow-cookie", "group:^beta$"], &[2]),
        (&["--http-disallow-cookie", "group:^beta$"], &[0, 1, 3, 4, 5]),
        (&["--http-allow-json", "user.plan:^pro$"], &[4, 5]),
        (&["--http-disallow-json", "/user/plan:^pro$"], &[0, 1, 2, 3]),
        (&["--safe-methods"], &[0, 2]),
        (
            &["--safe-methods", "--safe-methods-allow-url", "^/upload/pro$"],
            &[0, 2, 4],
        ),
    ] {
        let finished = mirrored(&stage, flags, requests);
        let uris: Vec<_> = finished.shadow.0.iter().map(|entry| entry.uri.as_str()).collect();
        let expected: Vec<_> = left.iter().map(|index| all[*index]).collect();
        assert_eq!(uris, expected, "{flags:?}");
        let (left, all) = (left.len() as u64, all.len() as u64);
        assert_eq!(counts(&finished.ledger), [left, all - left, 0], "{flags:?}");
    }
}

#[test]
fn samples_that_goreplay_lacks() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let cookies: Vec<String> = (0..10).map(|user| format!("sid=user-{user}")).collect();
    let paths: Vec<String> = (0..10).map(|user| format!("/user-{user}")).collect();
    let options: Vec<[&str; 2]> = cookies.iter().map(|cookie| ["-b", cookie]).collect();
    let requests: Vec<(&[&str], &str)> = options
        .iter()
        .zip(&paths)
        .map(|(options, path)| (&options[..], path.as_str()))
        .collect();
    let by_cookie = mirrored(&stage, &["--http-cookie-limiter", "sid:50%"], &requests);
    assert_eq!(got(&by_cookie), HALF.map(|user| format!("GET /{user}")));
    assert_eq!(counts(&by_cookie.ledger), [6, 0, 4]);
    // The hash of 127.0.0.1 leaves 30.
    for (share, taken) in [("30%", 0), ("31%", 10)] {
        let by_client = mirrored(&stage, &["--http-client-limiter", share], &requests);
        assert_eq!(counts(&by_client.ledger), [taken, 0, 10 - taken], "{share}");
    }
}

#[test]
fn redaction_hides_values_and_keeps_equal_ones_equal() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let setup = NginxSetup {
        server: "location /login { add_header Set-Cookie sid=s3cret; return 200 '{\"pin\": \"s3cret\", \"a\": 1}'; }
                 location /broken { return 200 '{\"pin\": \"s3cret\"'; }"
            .to_owned(),
        ..NginxSetup::default()
    };
    let scene = Scene::on_lo_with(&stage, &setup);
    let key = stage.path("key");
    std::fs::write(&key, "0123456789abcdef\n").expect("a key");
    let agent = scene.mirror(&[
        "--output-stdout",
        "--input-raw-track-response",
        "--http-redact-header",
        "X-Id",
        "--http-redact-header",
        "Set-Cookie",
        "--http-redact-json",
        "pin",
        "--http-redact-key-file",
        key.to_str().expect("a path in UTF-8"),
    ]);
    let stdout = agent.stdout().to_owned();
    let body = [["-H", "X-Id: s3cret"], ["-d", r#"{"pin":"s3cret"}"#]].concat();
    let broken = [&body[..], &["-d", "}"]].concat();
    let chunked = [&body[..], &["-H", "Transfer-Encoding: chunked"]].concat();
    curl(
        &scene,
        &[
            (&body, "/login"),
            (&chunked, "/upload"),
            (&broken, "/upload"),
            (&[], "/broken"),
        ],
    );
    let finished = scene.finish(agent);
    assert_eq!(got(&finished), ["POST /login", "POST /upload", "GET /broken"]);
    // From each of the two outputs.
    assert_eq!(finished.ledger.0["connections"]["answers"]["withheld"], 2);
    assert_eq!(
        finished.ledger.dropped(0, "unredactable"),
        1,
        "{}",
        finished.ledger
    );
    // printf s3cret | openssl dgst -sha256 -hmac 0123456789abcdef
    let hash = "redacted-8448ea517196bc2b";
    assert!(finished.shadow.0[..2].iter().all(|entry| entry.id == hash));
    let size = format!("{{\"pin\":\"{hash}\"}}").len() as u64;
    assert_eq!(finished.shadow.0[1].body.map(|(size, _)| size), Some(size));
    let printed = std::fs::read_to_string(stdout).expect("text");
    assert!(!printed.contains("s3cret"), "{printed}");
    let records: Vec<_> = printed
        .split(SEPARATOR)
        .filter(|record| !record.is_empty())
        .collect();
    assert_eq!(
        records.len(),
        5,
        "three requests, and responses to two: {printed}"
    );
    assert!(
        printed.contains("Set-Cookie: redacted-728091478bef41f5"),
        "of sid=s3cret: {printed}"
    );
    assert!(
        printed.contains(&format!("{{\"pin\": \"{hash}\", \"a\": 1}}")),
        "{printed}"
    );
}

#[test]
fn a_response_shares_the_fate_of_its_request() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let scene = Scene::on_lo(&stage);
    let input = format!(":{}", scene.port);
    let agent = Agent::start(
        &stage,
        &scene.server,
        &[
            "--input-raw",
            &input,
            "--input-raw-track-response",
            "--output-stdout",
            "--http-allow-url",
            "/keep",
            "--http-header-limiter",
            "X-Id:50%",
        ],
    );
    let stdout = agent.stdout().to_owned();
    // user-2 is in the half that is left out.
    curl(
        &scene,
        &[
            (&[], "/keep/1"),
            (&[], "/drop"),
            (&["-H", "X-Id: user-2"], "/keep/2"),
            (&["-H", "X-Id: user-0"], "/keep/3"),
        ],
    );
    let finished = scene.finish(agent);
    assert_eq!(counts(&finished.ledger), [2, 1, 1]);
    let printed = std::fs::read_to_string(stdout).expect("text");
    let header = |record: &str| -> (String, String) {
        let mut fields = record.split(' ').map(str::to_owned);
        (fields.next().expect("a type"), fields.next().expect("an id"))
    };
    let records: Vec<_> = printed
        .split(SEPARATOR)
        .filter(|record| !record.is_empty())
        .map(header)
        .collect();
    let of = |kind: &str| -> Vec<&str> {
        let of_kind = records.iter().filter(|(found, _)| found == kind);
        of_kind.map(|(_, id)| id.as_str()).collect()
    };
    assert_eq!(of("1").len(), 2, "{printed}");
    assert_eq!(of("1"), of("2"), "{printed}");
}

#[test]
fn named_mirrors_have_filters_of_their_own_which_follow_the_file() {
    let stage = stage!("root", "agent", "nginx", "curl");
    let scene = Scene::on_lo(&stage);
    let host = Netns::host();
    let second_port = host.free_port();
    let second = Nginx::start(&stage, &host, "second", second_port);
    let config = stage.path("shadow.toml");
    let text = |api: &str| {
        format!(
            "input-raw = ':{}'\n\
             [mirror.reads]\noutput-http = '{}'\nsafe-methods = true\n\
             [mirror.api]\noutput-http = 'http://127.0.0.1:{second_port}'\n{api}\nhttp-set-header = 'X-Id: api'\n",
            scene.port, scene.shadow_url
        )
    };
    std::fs::write(&config, text("http-allow-url = ['^/api']")).expect("the configuration file");
    let agent = Agent::start(
        &stage,
        &scene.server,
        &["--config", config.to_str().expect("a path in UTF-8")],
    );
    let requests: [(&[&str], &str); 3] = [(&[], "/a"), (&["-X", "POST"], "/api/b"), (&[], "/api/c")];
    curl(&scene, &requests);
    agent.wait_for_ledger("all is delivered", |ledger| {
        ledger.delivered(0) == 2 && ledger.delivered(1) == 2
    });
    std::fs::write(&config, text("http-disallow-url = '^/api'")).expect("the configuration file");
    agent.signal(nix::sys::signal::Signal::SIGHUP);
    until("the file is in force", || {
        agent.stderr().contains("configuration file applied")
    });
    curl(&scene, &requests);
    let finished = scene.finish(agent);
    assert_eq!(
        got(&finished),
        ["GET /a", "GET /api/c", "GET /a", "GET /api/c"],
        "the first mirror is as it was"
    );
    let second = second.finish();
    let uris: Vec<_> = second.0.iter().map(|entry| entry.uri.as_str()).collect();
    assert_eq!(uris, ["/api/b", "/api/c", "/a"]);
    assert!(second.0.iter().all(|entry| entry.id == "api"));
    let of_mirror = |output| ["seen", "delivered", "filtered"].map(|count| finished.ledger.of(output, count));
    assert_eq!((of_mirror(0), of_mirror(1)), ([6, 4, 2], [6, 3, 3]));
}
