//! Flags of rules: the rules that they come to, and those that are refused.

use clap::Parser;

use super::*;
use crate::cli::high;
use crate::cli::low::Arguments;
use crate::cli::machine::TestMachine;
use crate::mirror::rules::fnv1a_32;
use crate::settings::{HostHeader, MirrorSettings, OutputSettings};

fn mirror(flags: &[&str]) -> Result<MirrorSettings, String> {
    let begin = ["shadow-agent", "--input-raw=:80", "--output-http=staging:8080"];
    let arguments = Arguments::try_parse_from([&begin, flags].concat()).map_err(|error| error.to_string())?;
    match high::resolve(&arguments, &TestMachine) {
        Ok(resolved) => Ok(resolved.settings.mirrors.into_iter().next().unwrap()),
        Err(error) => Err(error.to_string()),
    }
}

fn rules(flags: &[&str]) -> Rules {
    let mirror = mirror(flags).unwrap();
    (**mirror.rules.for_live().expect("rules")).clone()
}

fn named(name: &str, expression: &str) -> Named {
    Named {
        name: name.into(),
        expression: Expression::new(expression).unwrap(),
    }
}

#[test]
fn without_flags_there_are_no_rules_but_for_what_recordings_hide() {
    let rules = mirror(&[]).unwrap().rules;
    assert!(rules.for_live().is_none());
    assert!(
        rules
            .for_recording()
            .is_some_and(|rules| rules.redaction.is_some())
    );
    assert!(
        mirror(&["--http-redact-none"])
            .unwrap()
            .rules
            .for_recording()
            .is_none()
    );
    let limit = mirror(&["--http-json-limit=1kb"]).unwrap();
    assert!(limit.rules.for_live().is_none());
}

#[test]
fn names_and_values_are_told_apart_at_the_first_separator() {
    let all = rules(&[
        "--http-allow-header=api-version: ^1:0$",
        "--http-disallow-cookie=group:a:b",
        "--http-set-header=X-A: b:c",
        "--http-set-param=a=b=c",
        "--http-rewrite-url=/v1:/v2:3",
        "--http-rewrite-header=Host: (.*).a,$1,b",
        "--http-allow-json=user.plan:^a:b$",
    ]);
    assert_eq!(all.filters.headers.allow, [named("api-version", "^1:0$")]);
    assert_eq!(all.filters.cookies.disallow, [named("group", "a:b")]);
    assert_eq!(all.rewriters.set_headers, [SetHeader::new("X-A", "b:c").unwrap()]);
    assert_eq!(
        all.rewriters.set_parameters,
        [SetParameter::new("a", "b=c").unwrap()]
    );
    assert_eq!(all.rewriters.urls, [Rewrite::new("/v1", "/v2:3").unwrap()]);
    assert_eq!(
        all.rewriters.headers[0].rewrite,
        Rewrite::new("(.*).a", "$1,b").unwrap()
    );
    assert_eq!(
        all.filters.json.allow[0].path,
        JsonPath::new("user.plan").unwrap()
    );
    assert_eq!(all.filters.max_json, 1 << 20);
}

#[test]
fn limiters_are_percentages_of_something_that_is_named() {
    let all = rules(&[
        "--http-client-limiter=1%",
        "--http-cookie-limiter=sid:2%",
        "--http-param-limiter=id:1/2",
        "--http-header-limiter=X-User:2.5%",
    ]);
    let users: Vec<User> = all.limiters.iter().map(|limiter| limiter.user.clone()).collect();
    assert_eq!(
        users,
        [
            User::Header("X-User".into()),
            User::Parameter("id".into()),
            User::Cookie("sid".into()),
            User::Client
        ]
    );
    assert_eq!(all.limiters[1].share, HashShare::new("50%").unwrap());
}

#[test]
fn a_copy_has_the_host_that_is_set() {
    let host = |flags: &[&str]| match &mirror(flags).unwrap().outputs[0] {
        OutputSettings::Http(http) => http.host_header.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(host(&["--http-set-header=X-A: b"]), HostHeader::Upstream);
    assert_eq!(host(&["--http-set-header=host: a"]), HostHeader::Original);
    assert_eq!(host(&["--http-rewrite-header=Host: a,b"]), HostHeader::Upstream);
}

#[test]
fn what_cannot_be_used_is_refused_without_secrets() {
    for (flag, what) in [
        ("--http-allow-method=GET POST", "not a method"),
        ("--http-allow-client=10.0.0.0/33", "CIDR"),
        ("--http-set-header=Authorization s3cret", "there is no ':'"),
        (
            "--http-set-header=Content-Length: s3cret",
            "part of the message framing",
        ),
        ("--http-set-header=X-A: s3cret\r\nX-B: c", "control character"),
        ("--http-set-param=s3cret", "there is no '='"),
        ("--http-set-param=a=s3cret b", "has no spaces"),
        ("--http-allow-url=(", "invalid regular expression"),
        ("--http-allow-header=^v1", "there is no ':'"),
        ("--http-allow-cookie=a b:c", "not a name"),
        ("--http-allow-json=a..b:c", "empty step"),
        ("--http-header-limiter=X-User:200%", "not a share"),
        ("--http-param-limiter=10%", "there is no ':'"),
        ("--http-client-limiter=x", "not a share"),
        ("--http-rewrite-url=(?:a)/b", "\\x3a is a ':'"),
        ("--http-rewrite-header=Host: a", "there is no ','"),
        (
            "--http-rewrite-header=Transfer-Encoding: a,b",
            "part of the message framing",
        ),
        (
            "--http-redact-header=Content-Length",
            "part of the message framing",
        ),
        ("--http-redact-json=", "empty step"),
        ("--http-redact-key-file=/proc/nowhere", "cannot read the key"),
        ("--http-redact-key-file=/dev/null", "could be guessed"),
        ("--http-redact-key-file=/dev/zero", "longer than 4096"),
        ("--safe-methods-allow-url=/x", "--safe-methods"),
    ] {
        let error = mirror(&[flag]).unwrap_err();
        assert!(
            error.contains(what) && !error.contains("s3cret"),
            "{flag}: {error}"
        );
        assert!(error.contains(flag.split_once('=').unwrap().0), "{error}");
    }
    let many = vec!["--http-allow-url=a"; MAX_RULES + 1];
    assert!(mirror(&many).unwrap_err().contains("65 are more than 64"));
}

#[test]
fn recordings_hide_credentials_besides_what_is_named() {
    let head = b"GET / HTTP/1.1\r\nCookie: a=b\r\nX-Api-Key: k\r\nX-User: u\r\n\r\n";
    let hidden = |rules: &Rules| {
        let redacted = rules.redaction.as_ref().unwrap().message(head, b"").unwrap();
        String::from_utf8(redacted.unwrap().head)
            .unwrap()
            .matches("redacted-")
            .count()
    };
    let rules = mirror(&["--http-redact-header=X-User"]).unwrap().rules;
    assert_eq!(hidden(rules.for_live().unwrap()), 1);
    assert_eq!(hidden(rules.for_recording().unwrap()), 3);
    let rules = mirror(&["--http-redact-header=X-User", "--http-redact-none"])
        .unwrap()
        .rules;
    assert_eq!(hidden(rules.for_recording().unwrap()), 1);
}

#[test]
fn the_examples_of_goreplay_choose_the_same_users() {
    let limiter = rules(&["--http-header-limiter=user-id:25%"]).limiters[0].share;
    for user in 0..200 {
        let user = user.to_string();
        assert_eq!(
            limiter.takes(user.as_bytes()),
            fnv1a_32(user.as_bytes()) % 100 < 25
        );
    }
}
