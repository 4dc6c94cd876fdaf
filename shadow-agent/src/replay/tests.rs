//! Replays: the requests that are sent again, and how it is told.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use bytes::Bytes;
use clap::Parser;

use super::*;
use crate::cli::high::{answers::Answers, output_http};
use crate::cli::low::Arguments;
use crate::cli::upstream::Upstream;
use crate::compare::MappedPlaces;
use crate::compare::store::KeptPair;
use crate::compare::{Answer, CompareContext, Kind, Pair, Rules};
use crate::mirror::MessageId;
use crate::output::HttpOutputSettings;
use crate::output::exchange;

fn settings(to: &str) -> HttpOutputSettings {
    let defaults = Arguments::try_parse_from(["shadow-agent", "--output-null"]).unwrap();
    output_http::resolve(Upstream::parse(to).unwrap(), &defaults, Answers::default())
}

fn answer(head: &str, body: &str) -> Answer {
    Answer {
        head: Bytes::copy_from_slice(head.as_bytes()),
        body: Bytes::copy_from_slice(body.as_bytes()),
        times: None,
    }
}

fn kept(head: &str, body: &[u8]) -> KeptPair {
    let ok = answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok");
    KeptPair {
        of: 0,
        whole: true,
        pair: Pair {
            id: MessageId::given(b"a").unwrap(),
            at: 0,
            request_head: Bytes::copy_from_slice(head.as_bytes()),
            request_body: Bytes::copy_from_slice(body),
            production: ok.clone(),
            shadow: ok,
            control: None,
            repeat: None,
            raced: false,
        },
        mapped: MappedPlaces::default(),
        selected: None,
    }
}

fn prepared(head: &str, body: &[u8], given: &[&str]) -> Prepared {
    let given: Vec<_> = given
        .iter()
        .map(|text| GivenHeader::parse(text).unwrap())
        .collect();
    Prepared::new(&kept(head, body), &given, &settings("http://shadow:81/v2")).unwrap()
}

fn head(prepared: &Prepared) -> &str {
    std::str::from_utf8(&prepared.head).unwrap()
}

#[test]
fn a_request_is_sent_as_an_output_would_less_redactions() {
    let typed =
        "GET /a?b HTTP/1.1\r\nHost: shop\r\nAuthorization: redacted-0123456789abcdef\r\nX:  y\r\n\r\n";
    let request = prepared(typed, b"", &[]);
    assert_eq!(
        head(&request),
        "GET /v2/a?b HTTP/1.1\r\nHost: shadow:81\r\nX: y\r\nX-Shadow-Request: 1\r\n\r\n"
    );
    assert_eq!(request.left_out, ["Authorization"]);
    assert!(!request.has_hashes);
    let request = prepared(typed, b"", &["authorization: Bearer abc"]);
    assert!(
        head(&request).contains("authorization: Bearer abc\r\n"),
        "{}",
        head(&request)
    );
    assert!(request.left_out.is_empty());
    assert_eq!(
        format!("{:?}", GivenHeader::parse("A: b").unwrap()),
        "A: (secret)"
    );
}

#[test]
fn hashes_in_target_and_body_are_told() {
    let hash = b"{\"a\":\"redacted-0123456789abcdef\"}";
    let typed = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", hash.len());
    assert!(prepared(&typed, hash, &[]).has_hashes);
    let number = b"{\"pin_secret\":733228330123456789}";
    let typed = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", number.len());
    assert!(prepared(&typed, number, &[]).has_hashes);
    let target = "GET /?token=redacted-0123456789abcdef HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(prepared(target, b"", &[]).has_hashes);
}

#[test]
fn what_cannot_be_sent_again_says_why() {
    let refused = |kept: &KeptPair| {
        Prepared::new(kept, &[], &settings("http://a"))
            .unwrap_err()
            .to_string()
    };
    let mut alike = kept("GET / HTTP/1.1\r\n\r\n", b"");
    alike.whole = false;
    assert!(refused(&alike).contains("its responses were equal"));
    assert!(
        refused(&kept("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", b"")).contains("cannot send its request")
    );
    assert!(refused(&kept("GET / HTTP/1.1\r\n", b"")).contains("no complete head"));
    assert!(
        refused(&kept("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n", b"ab"))
            .contains("cannot send its request")
    );
    for header in ["a", "Content-Length: 1", "a b: c", "A: b\nc: d"] {
        assert!(GivenHeader::parse(header).is_err(), "{header}");
    }
}

#[test]
fn a_plain_request_is_a_plain_command() {
    let request = prepared(
        "GET /a?b=1&c='d' HTTP/1.1\r\nHost: shop\r\nUser-Agent: it's me\r\nX-Empty:\r\n\r\n",
        b"",
        &[],
    );
    assert_eq!(
        curl(&request, &settings("http://shadow:81/v2")).unwrap(),
        "curl -q -sS -i --noproxy '*' --globoff --path-as-is --http1.1 --connect-timeout 3 --max-time 5 \
         -H 'Host: shadow:81' -H \"User-Agent: it's me\" -H 'X-Empty;' -H 'X-Shadow-Request: 1' -H Accept: \
         \"http://shadow:81/v2/a?b=1&c='d'\"\n"
    );
    let request = prepared(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n",
        b"a'b\n",
        &[],
    );
    let line = curl(&request, &settings("http://shadow")).unwrap();
    assert!(
        line.starts_with("printf '%s' \"a'b\n\" | curl ") && line.contains(" -X POST "),
        "{line}"
    );
}

#[test]
fn nothing_in_a_command_is_more_than_printable_ascii() {
    let value = "\u{202e}caf\u{e9}%s\\n'$(x)`y`";
    let request = prepared(
        &format!("GET /#\"<{{ HTTP/1.1\r\nHost: a\r\nX: {value}\r\n\r\n"),
        b"",
        &[],
    );
    let line = curl(&request, &settings("http://shadow")).unwrap();
    assert!(
        line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
        "{line}"
    );
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.contains("--request-target '/v2/#\"<{' "), "{line}");
    let body = [0, 0xff, b'\r', b'\n', b'E', b'N', b'D', b'\n'];
    let typed = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n";
    let line = curl(&prepared(typed, &body, &[]), &settings("http://shadow")).unwrap();
    assert!(
        line.starts_with("base64 -d <<'END' | curl ") && line.ends_with("\nAP8NCkVORAo=\nEND\n"),
        "{line}"
    );
}

#[test]
fn a_difference_where_a_hash_stands_cannot_be_told() {
    let json = |body: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        answer(&head, body)
    };
    let told = ReplayDifference::new(
        &CompareContext {
            endpoint: "GET /",
            method: b"GET",
            head: b"",
            host: None,
            mapped: None,
            first_host: None,
        },
        &json("{\"a\":\"redacted-0123456789abcdef\",\"b\":1}"),
        &json("{\"a\":5,\"b\":2}"),
        &Rules::default(),
    );
    assert_eq!(told.redacted.len(), 1);
    assert_eq!(told.redacted[0].path, "$.a");
    assert_eq!(told.differences.len(), 1);
    assert_eq!(
        (&*told.differences[0].path, told.differences[0].kind),
        ("$.b", Kind::Value)
    );
}

/// A server that reads one request head and answers with these pieces.
fn server(pieces: &'static [&'static [u8]]) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            request.extend_from_slice(&byte);
        }
        for piece in pieces {
            stream.write_all(piece).unwrap();
        }
        request
    });
    (url, serving)
}

async fn asked(url: &str) -> anyhow::Result<Answer> {
    let request = Prepared::new(
        &kept("GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        &[],
        &settings(url),
    )?;
    exchange(&settings(url), &request.head, &request.body, request.kind).await
}

#[tokio::test]
async fn one_exchange_gives_the_whole_answer_and_how_long_it_took() {
    let (url, serving) = server(&[
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"0\r\n\r\n",
    ]);
    let answer = asked(&url).await.unwrap();
    assert_eq!(
        &answer.head[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    assert_eq!(&answer.body[..], b"2\r\nhi\r\n0\r\n\r\n");
    let times = answer.times.unwrap();
    assert!(times.first <= times.last);
    let request = serving.join().unwrap();
    assert!(request.ends_with(b"X-Shadow-Request: 1\r\n\r\n"));
    let (url, _serving) = server(&[b"HTTP/1.0 200 OK\r\n\r\nuntil the end"]);
    assert_eq!(&asked(&url).await.unwrap().body[..], b"until the end");
}

#[tokio::test]
async fn an_answer_that_is_none_or_not_whole_says_so() {
    const SHORT: &[&[u8]] = &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"];
    const OTHER: &[&[u8]] = &[b"SSH-2.0-OpenSSH\r\n"];
    for (pieces, why) in [
        (SHORT, "ended before a complete response"),
        (OTHER, "cannot parse the response"),
    ] {
        let (url, _serving) = server(pieces);
        let error = asked(&url).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = asked(&format!("http://{closed}")).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect to it"), "{error}");
}
