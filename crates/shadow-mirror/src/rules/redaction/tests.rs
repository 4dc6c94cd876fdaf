use super::*;

fn redaction(headers: &[&str], json: &[&str]) -> Redaction {
    Redaction::new(
        headers.iter().map(|name| (*name).to_owned()),
        json.iter().map(|path| JsonPath::new(path).unwrap()).collect(),
        1 << 20,
        RedactionKey::new(b"0123456789abcdef").unwrap(),
    )
    .unwrap()
}

fn redacted(redaction: &Redaction, head: &str, body: &str) -> Option<(String, Option<String>)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let message = redaction.message(head.as_bytes(), body.as_bytes()).unwrap();
    message.map(|message| (text(message.head), message.body.map(text)))
}

#[test]
fn a_hash_is_that_of_rfc_4231_and_needs_a_key_that_cannot_be_guessed() {
    let key = RedactionKey::new(&[0x0b; 20]).unwrap();
    assert_eq!(key.hash(b"Hi There"), "redacted-b0344c61d8db3853");
    assert!(RedactionKey::new(b"too short").is_err());
    assert_eq!(RedactionKey::of_run().unwrap(), RedactionKey::of_run().unwrap());
    assert_eq!(format!("{key:?}"), "(secret)");
}

#[test]
fn a_number_in_place_of_one_is_a_number_and_is_known_as_such() {
    let key = RedactionKey::new(&[0x0b; 20]).unwrap();
    let number = key.number(b"Hi There");
    // The first eight bytes of the hash of RFC 4231, modulo 10^10.
    let digits = 0xb034_4c61_d8db_3853_u64 % 10_000_000_000;
    assert_eq!(number, format!("73322833{digits:010}"));
    assert!(number.parse::<i64>().is_ok());
    assert!(has_hash(number.as_bytes()) && has_hash(format!("{{\"a\":{number}}}").as_bytes()));
    assert!(!has_hash(format!("{number}1").as_bytes()) && !has_hash(format!("1{number}").as_bytes()));
    assert!(!has_hash(&number.as_bytes()[..17]) && !has_hash(b"redacted-0123456789abcde"));
    assert!(is_hash(b"redacted-0123456789abcdef") && !is_hash(b"redacted-0123456789abcdef0"));
}

#[test]
fn http_redact_header_hides_every_field_of_a_name() {
    let redaction = redaction(&["Cookie", "set-cookie"], &[]);
    let head = "GET / HTTP/1.1\r\nHost: a\r\ncookie: sid=1\r\nCookie: sid=1\r\n\r\n";
    let (edited, body) = redacted(&redaction, head, "").unwrap();
    let hash = redaction.key.hash(b"sid=1");
    assert_eq!(
        edited,
        format!("GET / HTTP/1.1\r\nHost: a\r\ncookie: {hash}\r\nCookie: {hash}\r\n\r\n")
    );
    assert!(body.is_none() && hash.starts_with(PREFIX) && hash.len() == 25);
    let answer = "HTTP/1.1 200 OK\r\nSet-Cookie: sid=1\r\n\r\n";
    assert!(redacted(&redaction, answer, "").unwrap().0.contains(&hash));
    assert_eq!(
        redacted(&redaction, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        None
    );
}

#[test]
fn a_cookie_keeps_its_name_and_nothing_that_may_be_secret() {
    let redaction = redaction(&["set-cookie"], &[]).keeping_cookie_names();
    let hash = |text: &str| redaction.key.hash(text.as_bytes());
    for (value, expected) in [
        (
            "sid=s3cret; Path=/; HttpOnly",
            format!("sid={}; Path=/; HttpOnly", hash("s3cret")),
        ),
        ("s3cret", hash("s3cret")),
        ("=s3cret", hash("=s3cret")),
        ("a b=s3cret", hash("a b=s3cret")),
        ("a=s3=cret;SECURE", format!("a={};SECURE", hash("s3=cret"))),
        (
            "a=; s3cret; max-age=5",
            format!("a={}; {}; max-age=5", hash(""), hash(" s3cret")),
        ),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {value}\r\n\r\n");
        let expected = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {expected}\r\n\r\n");
        assert_eq!(redacted(&redaction, &head, ""), Some((expected, None)), "{value}");
    }
}

#[test]
fn http_redact_json_leaves_all_else_byte_for_byte() {
    let only = redaction(&[], &["user.email", "user.pin"]);
    let body = "{ \"user\" : {\"email\":\"a@b\", \"pin\": 1.50 } , \"a\":1e2 }";
    let head = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    let (edited, new) = redacted(&only, &head, body).unwrap();
    let (email, pin) = (only.key.hash(b"a@b"), only.key.hash(b"1.50"));
    let expected = format!("{{ \"user\" : {{\"email\":\"{email}\", \"pin\": \"{pin}\" }} , \"a\":1e2 }}");
    assert_eq!(
        edited,
        format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", expected.len())
    );
    assert_eq!(new, Some(expected));
    let whole = redacted(&redaction(&[], &["user.pin", "user"]), &head, body)
        .unwrap()
        .1
        .unwrap();
    assert!(
        !whole.contains("email") && whole.ends_with("\" , \"a\":1e2 }"),
        "{whole}"
    );
}

#[test]
fn a_chunked_body_that_changes_is_framed_by_its_length() {
    let redaction = redaction(&[], &["a"]);
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nHost: a\r\n\r\n";
    let body = "4\r\n{\"a\"\r\n6\r\n:\"1\"}\n\r\n0\r\nX: y\r\n\r\n";
    let (edited, new) = redacted(&redaction, head, body).unwrap();
    let new = new.unwrap();
    assert_eq!(new, format!("{{\"a\":\"{}\"}}\n", redaction.key.hash(b"1")));
    assert_eq!(
        edited,
        format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\nHost: a\r\n\r\n",
            new.len()
        )
    );
    let without = "9\r\n{\"b\":\"1\"}\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(redacted(&redaction, head, without), None);
}

#[test]
fn trailers_are_hidden_as_headers_are_and_stay_where_they_were() {
    let redaction = redaction(&["Authorization", "set-cookie"], &["a"]).keeping_cookie_names();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: authorization\r\n\r\n";
    let (bearer, cookie) = (redaction.key.hash(b"Bearer x"), redaction.key.hash(b"1"));
    let data = "3;a=Authorization:\r\nabc\r\n";
    for (trailers, expected) in [
        (
            "0\r\nauthorization:Bearer x \r\nX: Bearer x\r\nSet-Cookie: sid=1; Path=/\r\n\r\n",
            format!(
                "0\r\nauthorization: {bearer}\r\nX: Bearer x\r\nSet-Cookie: sid={cookie}; Path=/\r\n\r\n"
            ),
        ),
        // Of a body that is cut off, as much as there is.
        (
            "0\r\nX: y\r\nAuthorization: Bearer x",
            format!("0\r\nX: y\r\nAuthorization: {bearer}"),
        ),
    ] {
        let body = format!("{data}{trailers}");
        // Where JSON is asked for as well: what is no JSON has its trailers hidden all the same.
        let expected = (head.to_owned(), Some(format!("{data}{expected}")));
        let only_headers = Redaction {
            json: Vec::new(),
            ..redaction.clone()
        };
        assert_eq!(redacted(&only_headers, head, &body), Some(expected), "{trailers}");
    }
    let whole = format!("{data}0\r\nauthorization: Bearer x\r\n\r\n");
    assert!(
        redacted(&redaction, head, &whole)
            .unwrap()
            .1
            .unwrap()
            .contains(&bearer)
    );
    let without = format!("{data}0\r\nX: Authorization: y\r\n\r\n");
    assert_eq!(redacted(&redaction, head, &without), None);
}

#[test]
fn a_body_that_may_hold_it_and_cannot_be_searched_is_withheld() {
    let redaction = redaction(&[], &["a"]);
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/JSON\r\n\r\n";
    let plain = "HTTP/1.1 200 OK\r\n\r\n";
    for (head, body) in [
        (json, &b"\x1f\x8b\x08"[..]),
        (json, b"{\"a\":"),
        (json, b"a=1"),
        (plain, b"  {\"a\": 1"),
        (plain, b"{\"a\":\"\xff\"}"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"{\"a\":1}",
        ),
    ] {
        assert_eq!(
            redaction.message(head.as_bytes(), body),
            Err(Unredactable),
            "{body:?}"
        );
    }
    for body in [&b"a=1"[..], b"\x1f\x8b", b"<a/>", b""] {
        assert_eq!(redaction.message(plain.as_bytes(), body), Ok(None), "{body:?}");
    }
    let small = Redaction {
        max_json: 6,
        ..redaction
    };
    assert_eq!(small.message(plain.as_bytes(), b"{\"b\":1}"), Err(Unredactable));
}

#[test]
fn headers_that_frame_a_message_are_not_redacted() {
    let key = || RedactionKey::new(&[7; 16]).unwrap();
    for name in ["Content-Length", "transfer-encoding", "Connection", "a b", ""] {
        assert!(
            Redaction::new([name.to_owned()], Vec::new(), 1, key()).is_err(),
            "{name}"
        );
    }
}
