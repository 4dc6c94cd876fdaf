//! Hiding by name: what is hidden, what stays, and that neither changes what a comparison finds.

mod properties;

use bytes::Bytes;
use shadow_record::recording::Compression;

use super::*;

fn key() -> RedactionKey {
    RedactionKey::new(b"0123456789abcdef").unwrap()
}

fn hash(value: &str) -> String {
    key().hash(value.as_bytes())
}

fn hidden(head: &str, body: &[u8]) -> Message {
    let head = Bytes::copy_from_slice(head.as_bytes());
    let body = Bytes::copy_from_slice(body);
    ByName::new(&key()).message(&head, &body, None, false).unwrap()
}

/// Head and body of a message with these fields, as text.
fn redacted(fields: &str, body: &str) -> (String, String) {
    let message = hidden(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), body.as_bytes());
    let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    (text(message.head), text(message.body))
}

#[test]
fn a_target_keeps_its_path_its_names_and_what_is_no_secret() {
    let line = |line: &str| {
        let line = ByName::new(&key()).start_line(line.as_bytes());
        String::from_utf8(line).unwrap()
    };
    for same in [
        "GET /token/session HTTP/1.1",
        "GET /a?page=2&tokens HTTP/1.1",
        "GET /a?access_token=&code=&q=a%26b HTTP/1.1",
        "GET /a?sort=token HTTP/1.1",
        "HTTP/1.1 200 OK",
        "GET /a?token=redacted-0123456789abcdef HTTP/1.1",
        "",
        "x",
    ] {
        assert_eq!(line(same), same);
    }
    for (typed, name, value, behind) in [
        ("GET /a?token=x HTTP/1.1", "GET /a?token=", "x", " HTTP/1.1"),
        (
            "GET /a?b=1&Access_Token=x=y&c=2 HTTP/1.1",
            "GET /a?b=1&Access_Token=",
            "x=y",
            "&c=2 HTTP/1.1",
        ),
        ("GET /a?code=x;y HTTP/1.1", "GET /a?code=", "x;y", " HTTP/1.1"),
        ("GET /a?b;sid=x HTTP/1.1", "GET /a?b;sid=", "x", " HTTP/1.1"),
        (
            "GET /a?%74oken=x%20y HTTP/1.1",
            "GET /a?%74oken=",
            "x%20y",
            " HTTP/1.1",
        ),
        ("GET /a?x=token=y HTTP/1.1", "GET /a?x=token=", "y", " HTTP/1.1"),
        ("GET /a?token=x y HTTP/1.1", "GET /a?token=", "x y", " HTTP/1.1"),
    ] {
        assert_eq!(line(typed), format!("{name}{}{behind}", hash(value)));
    }
}

#[test]
fn fields_and_links_in_fields_are_hidden_by_their_names() {
    let fields = "X-Auth-Token:  abc\r\nLocation: https://a/cb#access_token=abc&state=1\r\n\
                  Access-Control-Allow-Credentials: true\r\nX-Session-Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: token\r\n";
    let (head, _) = redacted(fields, "");
    let abc = hash("abc");
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 200 OK\r\nX-Auth-Token: {abc}\r\nLocation: https://a/cb#access_token={abc}&state=1\r\n\
             Access-Control-Allow-Credentials: true\r\nX-Session-Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-A: token\r\n\r\n"
        )
    );
}

#[test]
fn users_of_links_and_what_links_hold_are_hidden_wherever_a_link_is() {
    let (user, x) = (hash("ann:pw"), hash("x"));
    let fields = "Location: https://ann:pw@b/\r\nRefresh: 0; url=//ann:pw@b/?sid=x\r\nLink: </a;jsessionid=x>\r\n\
                  WWW-Authenticate: NTLM, Negotiate x\r\nX-Original-Authorization: x\r\n";
    let (head, _) = redacted(fields, "");
    let cookie = "Set-Cookie: sid=redacted-0123456789abcdef; Path=/\r\n";
    assert!(redacted(cookie, "").0.contains(cookie));
    assert_eq!(
        head,
        format!(
            "HTTP/1.1 200 OK\r\nLocation: https://{user}@b/\r\nRefresh: 0; url=//{user}@b/?sid={x}\r\n\
             Link: </a;jsessionid={}\r\nWWW-Authenticate: NTLM, Negotiate {x}\r\nX-Original-Authorization: {x}\r\n\r\n",
            hash("x>")
        )
    );
    let line = ByName::new(&key()).start_line(b"GET http://ann:pw@b/?next=%2Fa%3Fcode%3Dx&q=a%26b HTTP/1.1");
    assert_eq!(
        String::from_utf8(line).unwrap(),
        format!(
            "GET http://{user}@b/?next={}&q=a%26b HTTP/1.1",
            hash("%2Fa%3Fcode%3Dx")
        )
    );
    let (_, text) = redacted(
        "Content-Type: text/html\r\n",
        "<a href=\"https://ann:pw@b/\">a@b</a>",
    );
    assert_eq!(text, format!("<a href=\"https://{user}@b/\">a@b</a>"));
    let (_, json) = redacted(
        "Content-Type: application/json\r\n",
        r#"{"at":"https://ann:pw@b/","by":"a@b"}"#,
    );
    assert_eq!(
        json,
        format!(r#"{{"at":"{}","by":"a@b"}}"#, hash("https://ann:pw@b/"))
    );
}

#[test]
fn a_value_beside_the_name_of_a_secret_is_hidden() {
    let body = r#"[{"value":"x","name":"password"},{"key":"COOKIE","value":7},{"name":"a b token","value":"x"},{"Cookie":"x"}]"#;
    let (_, new) = redacted("Content-Type: application/json\r\n", body);
    let x = hash("x");
    let seven = key().number(&Scalar::Number("7").worth());
    assert_eq!(
        new,
        format!(
            r#"[{{"value":"{x}","name":"password"}},{{"key":"COOKIE","value":{seven}}},{{"name":"a b token","value":"x"}},{{"Cookie":"{x}"}}]"#
        )
    );
}

#[test]
fn trailers_with_a_secret_are_taken_off_whatever_the_body_says() {
    let fields = "Transfer-Encoding: chunked\r\n";
    let (head, body) = redacted(fields, "5\r\ntoken\r\n0\r\nX-Token: x\r\n\r\n");
    assert!(!head.contains("chunked") && !body.contains('x'), "{head}{body}");
    let (head, body) = redacted(fields, "1\r\na\r\n0\r\nLocation: //ann:pw@b\r\n\r\n");
    assert_eq!(
        (head.as_str(), body.as_str()),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "a")
    );
}

#[test]
fn members_of_json_are_hidden_where_they_stand_and_keep_their_types() {
    let body = r#"{ "user": {"Password" : "a\u0062c", "name":"Ada"}, "a":1e2,
 "session": {"id": 7, "ids": [7.0, "", null, true], "expires_at": 1700000000, "at": "2026-11-24T10:00:00Z"},
 "t\u006fken": "abc", "next": "/a?code=abc", "sent": "{\"token\":\"abc\"}", "why": "no token?" }"#;
    let (head, new) = redacted("Content-Type: application/json\r\nContent-Length: 0\r\n", body);
    let (abc, seven) = (hash("abc"), {
        let mut worth = Vec::new();
        worth.extend_from_slice(&Scalar::Number("7").worth());
        key().number(&worth)
    });
    let (next, sent) = (hash("/a?code=abc"), hash("{\"token\":\"abc\"}"));
    let expected = format!(
        r#"{{ "user": {{"Password" : "{abc}", "name":"Ada"}}, "a":1e2,
 "session": {{"id": {seven}, "ids": [{seven}, "", null, true], "expires_at": 1700000000, "at": "2026-11-24T10:00:00Z"}},
 "t\u006fken": "{abc}", "next": "{next}", "sent": "{sent}", "why": "no token?" }}"#
    );
    assert_eq!(new, expected);
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", expected.len())),
        "{head}"
    );
}

#[test]
fn forms_are_hidden_by_what_their_values_say() {
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let (_, new) = redacted(form, "user=a&pass%77ord=a+b&otp=&next=%2Fa%3Fcode%3Dx&x");
    assert_eq!(
        new,
        format!(
            "user=a&pass%77ord={}&otp=&next={}&x",
            hash("a b"),
            hash("/a?code=x")
        )
    );
    assert_eq!(redacted(form, "a=1&b=2&token").1, "a=1&b=2&token");
    let times = "a=1&session_expires_at=1700000000";
    assert_eq!(redacted(form, times).1, times);
    let quoted = "a=1&secret=\"2026-11-24T10:00:00Z\"";
    assert_eq!(redacted(form, quoted).1, quoted);
}

#[test]
fn what_is_cut_off_or_broken_is_hidden_from_there() {
    for (body, kept) in [
        (r#"{"token":"abc","b":"s3cret"#, r#"{"token":"HASH""#),
        (r#"{"a":1,"token":"s3c"#, r#"{"a":1,"token""#),
        (r#"{"a":1,"token" "s3cret"}"#, r#"{"a":1,"token""#),
        (r#"{"a":1,"token":s3cret}"#, r#"{"a":1,"token""#),
        (r#"{"token":"abc"}} "s3cret""#, r#"{"token":"HASH""#),
    ] {
        let message = hidden("HTTP/1.1 200 OK\r\n\r\n", body.as_bytes());
        let new = std::str::from_utf8(&message.body).unwrap();
        let kept = kept.replace("HASH", &hash("abc"));
        assert!(
            message.as_a_whole && new.starts_with(&kept) && !new.contains("s3c"),
            "{new}"
        );
        assert!(serde_json::from_str::<serde_json::Value>(new).is_err(), "{new}");
    }
    let broken = r#"{"a":1,"b":"cut"#;
    assert_eq!(hidden("HTTP/1.1 200 OK\r\n\r\n", broken.as_bytes()).body, broken);
}

#[test]
fn other_text_with_a_secrets_name_is_hidden_piece_by_piece() {
    let (_, new) = redacted(
        "Content-Type: text/xml\r\n",
        "<a>\n <password>s3cret</password>\n</a>",
    );
    assert_eq!(
        new,
        format!("<a>\n <password>{}</password>\n</a>", hash("s3cret"))
    );
    let (_, new) = redacted(
        "Content-Type: text/html\r\n",
        "<form id=in><input name=token value='s3cret'><p class='price'> 10\n 00 <script>{\"a\":1,\"token\":\"x\"}</script>",
    );
    assert_eq!(
        new,
        format!(
            "<form id=in><input name=token value='{}'><p class='price'> {} <script>{{\"a\":1,\"token\":\"{}\"}}</script>",
            hash("s3cret"),
            hash("10 00"),
            hash("x")
        )
    );
    let (_, new) = redacted("Content-Type: text/plain\r\n", "password:\ns3cret");
    assert_eq!(new, format!("{}\n{}", hash("password:"), hash("s3cret")));
    let message = hidden(
        "HTTP/1.1 200 OK\r\n\r\n",
        b"\xff\xfe\xfd token s3cret ................",
    );
    assert!(message.as_a_whole && message.body.len() == 33, "{message:?}");
    assert!(message.body.starts_with(b"redacted-") && message.body.ends_with(b"\xff\xff"));
    // In UTF-16, with a byte order mark.
    let wide = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [vec![0xff, 0xfe], units.collect()].concat()
    };
    let message = hidden("HTTP/1.1 200 OK\r\n\r\n", &wide("{\"token\":\"abc\"}"));
    let expected = format!("\u{feff}{{\"token\":\"{}\"}}", hash("abc"));
    assert_eq!(message.body, expected);
    // And without one.
    let message = hidden("HTTP/1.1 200 OK\r\n\r\n", &wide("token s3cret")[2..]);
    assert!(message.as_a_whole);
}

#[test]
fn secrets_in_single_bytes_are_hidden_in_any_charset() {
    let html = "Content-Type: text/html\r\n";
    let json = "Content-Type: application/json\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    for (fields, text) in [
        (html, "<a href=\"https://Pl4ntedS3cret@b/\">"),
        (html, "api_key: Pl4ntedS3cret"),
        ("", "https://Pl4ntedS3cret@b/"),
        ("", "{\"a\":\"?session=Pl4ntedS3cret\"}"),
        (json, "{\"a\":\"?code=Pl4ntedS3cret\"}"),
        (json, "{\"a\":\"//Pl4ntedS3cret@b/\"}"),
        (json, "{\"value\":\"Pl4ntedS3cret\",\"name\":\"token\"}"),
        (json, "{\"value\":\"Pl4ntedS3cret\",\"name\":\"cookie\"}"),
        (json, "{\"Authorization\":\"Pl4ntedS3cret\"}"),
        (json, "{\"\\u0074oken\":\"Pl4ntedS3cret\"}"),
        (form, "otp=Pl4ntedS3cret&b=c"),
        (form, "a=%3Fcode%3DPl4ntedS3cret"),
    ] {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (how, body) in [
            ("behind a mark", [b"\xfe\xff", text.as_bytes()].concat()),
            ("behind the other mark", [b"\xff\xfe", text.as_bytes()].concat()),
            ("before what is no text", [text.as_bytes(), b"\xff"].concat()),
            ("beside zeros", units.clone()),
            (
                "beside zeros, behind the wrong mark",
                [b"\xfe\xff", &units[..]].concat(),
            ),
        ] {
            // An even number of bytes, and no half of a surrogate pair: text of two bytes a character where there is a mark.
            let body = if body.len() % 2 == 1 {
                [&body[..], b"\n"].concat()
            } else {
                body
            };
            let message = hidden(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), &body);
            let narrow: Vec<u8> = message.body.iter().copied().filter(|byte| *byte != 0).collect();
            let is_there = String::from_utf8_lossy(&narrow).contains("Pl4nted");
            assert!(message.as_a_whole && !is_there, "{text:?} {how}: {message:?}");
        }
    }
}

#[test]
fn text_of_two_bytes_without_secrets_stays_as_it_is() {
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
    for text in [
        r#"{"token":"","next":"/a?b=1","at":"https://b/","by":"a@b"}"#,
        r#"{"name":"\u00e9","key":"日本","value":"https://b/#c"}"#,
        "<a href=\"https://b/?c=d\">a@b</a>",
        "日本語",
    ] {
        let body = [b"\xfe\xff", &wide(text)[..]].concat();
        let message = hidden("HTTP/1.1 200 OK\r\n\r\n", &body);
        assert_eq!(
            (&message.body[..], message.as_a_whole),
            (&body[..], false),
            "{text}"
        );
    }
}

#[test]
fn codings_and_chunks_are_undone_only_to_hide_something() {
    let json = br#"{"token":"abc"}"#;
    let coded = Compression::Gzip.encode(json.to_vec());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nX: y\r\n\r\n",
        coded.len()
    );
    let message = hidden(&head, &coded);
    let expected = format!(r#"{{"token":"{}"}}"#, hash("abc"));
    assert_eq!(message.body, expected);
    let length = expected.len();
    assert_eq!(
        message.head,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX: y\r\n\r\n")
    );
    let harmless = Compression::Gzip.encode(b"{\"a\":1}".to_vec());
    let message = hidden(&head, &harmless);
    assert_eq!(
        (&*message.head, &message.body[..]),
        (head.as_bytes(), &harmless[..])
    );
    // Cut off: nobody knows what is in it.
    let cut = &coded[..coded.len() - 9];
    let message = hidden(&head, cut);
    assert!(message.as_a_whole && message.body.starts_with(b"redacted-"));
    assert!(message.head.windows(4).any(|part| part == b"gzip"));

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Token\r\n\r\n";
    let message = hidden(
        chunked,
        b"9\r\n{\"token\":\r\n6\r\n\"abc\"}\r\n0\r\nX-Token: s3cret\r\n\r\n",
    );
    assert_eq!(message.body, expected);
    assert_eq!(
        message.head,
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
    );
    let message = hidden(chunked, b"1\r\na\r\n0\r\nX-Token: s3cret\r\n\r\n");
    assert_eq!((&message.body[..], message.as_a_whole), (&b"a"[..], false));
    let harmless = b"1;a=b\r\na\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(hidden(chunked, harmless).body, &harmless[..]);
    // A coding for the way that is not undone here.
    let other = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    assert!(hidden(other, b"5\r\nabcde\r\n0\r\n\r\n").as_a_whole);
}

#[test]
fn work_and_growth_are_bounded() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let many = format!("{{\"token\":[{}1]}}", "1,".repeat(1 << 20));
    let message = hidden(head, many.as_bytes());
    assert!(message.as_a_whole && message.body.len() == many.len());
    let lines = format!("token{}", "\na".repeat(1 << 20));
    assert_eq!(hidden(head, lines.as_bytes()).body.len(), lines.len());
    let deep = format!("{}\"token\"", "[".repeat(1 << 20));
    assert!(hidden(head, deep.as_bytes()).as_a_whole);
    let bomb = Compression::Gzip.encode(vec![0; MAX_DECODED + 1]);
    let coded = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
    assert!(hidden(coded, &bomb).as_a_whole);
    let target = format!("GET /{} HTTP/1.1", "?a=b;".repeat(1 << 17));
    assert!(ByName::new(&key()).start_line(target.as_bytes()) == target.as_bytes());
}
