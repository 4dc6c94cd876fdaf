//! Connections that are not HTTP/1, or leave it.

use super::*;

#[test]
fn tls_is_recognised_by_its_first_record() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_eq!(
        said(hello),
        [
            Seen::Recognised(Skip::Encrypted),
            Seen::Skipped(11, Skip::Encrypted)
        ]
    );
}

#[test]
fn http2_with_prior_knowledge_is_recognised_by_its_preface() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert_eq!(
        said(preface),
        [Seen::Recognised(Skip::Http2), Seen::Skipped(33, Skip::Http2)]
    );
}

#[test]
fn what_is_no_request_is_not_http() {
    assert_eq!(
        said(b"\x00\x01binary"),
        [Seen::Recognised(Skip::NotHttp), Seen::Skipped(8, Skip::NotHttp)]
    );
    assert_eq!(
        said("QUIT\r\n"),
        [Seen::Recognised(Skip::NotHttp), Seen::Skipped(6, Skip::NotHttp)]
    );
    let long = "A".repeat(70);
    assert_eq!(
        said(&long),
        [Seen::Recognised(Skip::NotHttp), Seen::Skipped(70, Skip::NotHttp)]
    );
}

#[test]
fn garbage_behind_good_requests_is_not_http() {
    assert_eq!(
        said(format!("{GET}\x16\x03\x01{GET}")),
        [
            Seen::Started,
            complete(GET),
            Seen::Recognised(Skip::NotHttp),
            Seen::Skipped(30, Skip::NotHttp),
        ]
    );
}

#[test]
fn another_protocol_in_text_is_malformed_by_its_first_line() {
    assert_eq!(
        said("EHLO mail.example.com\r\nMAIL FROM:<a>\r\n"),
        [
            Seen::Started,
            Seen::Rejected(Reject::Malformed),
            Seen::Skipped(38, Skip::AfterReject),
        ]
    );
}

#[test]
fn connect_is_rejected_and_the_tunnel_not_parsed() {
    let connect = "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    assert_eq!(
        said(format!("{connect}{GET}")),
        [
            Seen::Started,
            Seen::Rejected(Reject::Upgrade),
            Seen::Skipped(39, Skip::AfterReject),
            Seen::Recognised(Skip::Upgraded),
            Seen::Skipped(27, Skip::Upgraded),
        ]
    );
}

const H2C: &str = "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";

#[test]
fn an_offer_of_h2c_that_the_server_ignores_costs_nothing() {
    assert_eq!(
        said(format!("{H2C}{H2C}{GET}")),
        [
            Seen::Started,
            complete(H2C),
            Seen::Started,
            complete(H2C),
            Seen::Started,
            complete(GET)
        ]
    );
}

#[test]
fn behind_an_offer_of_h2c_the_preface_ends_http_1() {
    assert_eq!(
        said(format!("{H2C}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        [
            Seen::Started,
            complete(H2C),
            Seen::Recognised(Skip::Upgraded),
            Seen::Skipped(24, Skip::Upgraded),
        ]
    );
}

const WEBSOCKET: &str =
    "GET /chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

#[test]
fn a_websocket_handshake_is_a_request_and_its_frames_are_not() {
    let bytes = [WEBSOCKET.as_bytes(), b"\x81\x85\x01\x02\x03\x04GET /"].concat();
    assert_eq!(
        said(bytes),
        [
            Seen::Started,
            complete(WEBSOCKET),
            Seen::Recognised(Skip::Upgraded),
            Seen::Skipped(11, Skip::Upgraded),
        ]
    );
}

#[test]
fn requests_behind_a_refused_websocket_handshake_are_parsed() {
    let seen = said(format!("{WEBSOCKET}{GET}"));
    assert_eq!(seen[2..], [Seen::Started, complete(GET)]);
}

#[test]
fn an_upgrade_to_something_unknown_is_a_request_and_ends_http() {
    let head = "POST /attach HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(
        said(format!("{head}{{}}{GET}")),
        [
            Seen::Started,
            complete_with(head, "{}"),
            Seen::Recognised(Skip::Upgraded),
            Seen::Skipped(27, Skip::Upgraded),
        ]
    );
}

#[test]
fn an_upgrade_without_the_connection_option_means_nothing() {
    let head = "GET / HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
    assert_eq!(
        said(format!("{head}{GET}")),
        [Seen::Started, complete(head), Seen::Started, complete(GET)]
    );
}

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Pushes `bytes`, cut behind `cut` of them, to a stream that leaves HTTP/2: what it says, and all bytes from where it left.
fn left(bytes: &str, cut: usize) -> (Vec<Seen>, String, bool) {
    let mut feed = Feed::new(Start::Syn);
    feed.stream = RequestStream::new(LIMITS, Start::Syn).leaving_http2();
    let parts: Vec<&str> = [&bytes[..cut], &bytes[cut..]]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    for (index, part) in parts.iter().enumerate() {
        feed.push(part);
        if feed.stream.has_left() {
            let start = feed.stream.take_left().unwrap();
            let mut rest = String::from_utf8(start.before).unwrap() + &part[start.at..];
            rest.push_str(&parts[index + 1..].concat());
            return (feed.seen, rest, start.behind_upgrade);
        }
    }
    (feed.seen, String::new(), false)
}

#[test]
fn http2_is_left_from_its_first_byte_on_however_it_is_cut() {
    let bytes = format!("{PREFACE}and more");
    for cut in 0..bytes.len() {
        assert_eq!(left(&bytes, cut), (Vec::new(), bytes.clone(), false), "{cut}");
    }
    let bytes = format!("{H2C}{PREFACE}and more");
    for cut in 0..bytes.len() {
        let (seen, rest, behind_upgrade) = left(&bytes, cut);
        assert_eq!(seen, [Seen::Started, complete(H2C)], "{cut}");
        assert_eq!(
            (rest, behind_upgrade),
            (format!("{PREFACE}and more"), true),
            "{cut}"
        );
    }
    // And only where it may begin.
    let (_, rest, _) = left(&format!("{GET}{PREFACE}"), 0);
    assert_eq!(rest, "");
}

#[test]
fn http2_that_nobody_reads_is_passed_over_after_all() {
    let mut feed = Feed::new(Start::Syn);
    feed.stream = RequestStream::new(LIMITS, Start::Syn).leaving_http2();
    feed.push(&PREFACE[..5]);
    feed.push(&PREFACE[5..]);
    let mut seen = Vec::new();
    feed.stream.stay(&PREFACE.as_bytes()[5..], &mut |event| {
        seen.push(format!("{event:?}"));
    });
    assert_eq!(seen, ["Recognised(Http2)", "Skipped { bytes: 24, why: Http2 }"]);
    feed.push("more");
    assert_eq!(feed.seen, [Seen::Skipped(4, Skip::Http2)]);
}
