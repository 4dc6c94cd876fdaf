//! HAR written and read back, and as browsers write it.

use proptest::prelude::*;
use shadow_mirror::MessageKind;

use super::reader::HarReader;
use crate::recording::record::tests::record;
use crate::recording::{Compression, HAR_FOOTER, HAR_HEADER, Recorded, write_har};
use crate::recording::{Passed, Record};

fn read(text: &[u8], max_record: usize) -> (Vec<String>, Passed) {
    let mut reader = HarReader::new(text, max_record, 0);
    let mut shown = Vec::new();
    while let Ok(Some(record)) = reader.next_record() {
        let text = [&record.head[..], &record.body[..]].concat();
        shown.push(format!(
            "{:?} {} {} {}",
            record.kind,
            record.id,
            record.unix,
            String::from_utf8_lossy(&text)
        ));
    }
    (shown, reader.passed().clone())
}

fn file(recorded: &[Recorded]) -> Vec<u8> {
    let mut entries = Vec::new();
    for one in recorded {
        write_har(one, &mut entries);
    }
    [HAR_HEADER, &entries[1..], HAR_FOOTER].concat()
}

fn exchange(request_body: &'static [u8]) -> Recorded {
    Recorded {
        request: Some(record(
            b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\n",
            request_body,
        )),
        response: Some(Record {
            kind: MessageKind::Response,
            unix: 1_700_000_000_001_000_005,
            latency: 0,
            ..record(
                b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n",
                b"2\r\nok\r\n0\r\n\r\n",
            )
        }),
        replayed: None,
    }
}

#[test]
fn exchanges_are_written_as_har_and_come_back_with_their_bodies() {
    let bytes = file(&[exchange(b"hi"), exchange(b"\xff\0")]);
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let entry = &value["log"]["entries"][0];
    assert_eq!(value["log"]["version"], "1.2");
    assert_eq!(entry["startedDateTime"], "2023-11-14T22:13:20.000000005Z");
    assert_eq!(entry["request"]["url"], "http://shop/a?b=c");
    assert_eq!(entry["request"]["queryString"][0]["name"], "b");
    assert_eq!(entry["response"]["content"]["text"], "ok");
    assert_eq!(
        (entry["time"].as_f64(), entry["timings"]["wait"].as_f64()),
        (Some(1.0), Some(0.999))
    );
    let (shown, passed) = read(&bytes, 10_000);
    assert_eq!(passed, Passed::default());
    assert_eq!(
        shown[..2],
        [
            "Request 9c4000500a010203deadbeef 1700000000000000005 POST /a?b=c HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\n\r\nhi",
            "Response 9c4000500a010203deadbeef 1700000000001000005 HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
        ]
    );
    assert!(
        shown[2].ends_with("Content-Length: 2\r\n\r\n\u{fffd}\0"),
        "{}",
        shown[2]
    );
}

#[test]
fn a_browsers_export_is_read_without_what_belongs_to_http2() {
    let text = br#"{"log":{"version":"1.2","creator":{"name":"WebInspector","version":"537.36"},"pages":[],"entries":[
      {"_initiator":{"type":"other"},"startedDateTime":"2024-05-06T07:08:09.123Z","time":12.5,
       "request":{"method":"POST","url":"https://user:pw@shop.example/form?x=1#frag","httpVersion":"http/2.0",
         "headers":[{"name":":authority","value":"shop.example"},{"name":":method","value":"POST"},
                    {"name":"content-length","value":"99"},{"name":"accept","value":"*/*"},
                    {"name":"x-bad","value":"a\r\nEvil: 1"}],
         "queryString":[],"cookies":[],"headersSize":-1,"bodySize":5,
         "postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"a b","value":"1&2"}]}},
       "response":{"status":200,"statusText":"","httpVersion":"http/2.0","headers":[{"name":"content-encoding","value":"br"}],
         "content":{"size":2,"mimeType":"text/plain","text":"b2s=","encoding":"base64"},"redirectURL":""}},
      {"startedDateTime":"2024-05-06T07:08:10Z","request":{"method":"GET","url":"data:text/plain,x","headers":[]}},
      {"startedDateTime":"2024-05-06T07:08:10Z","request":{"method":"GET","url":"http://shop.example","headers":[]},
       "response":{"status":0}}
    ]}}"#;
    let (shown, passed) = read(text, 10_000);
    assert_eq!(
        shown,
        [
            "Request 000000000000000000000001 1714979289123000000 POST /form?x=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/x-www-form-urlencoded\r\naccept: */*\r\nContent-Length: 11\r\n\r\na+b=1%262",
            "Response 000000000000000000000001 1714979289135500000 HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
            "Request 000000000000000000000003 1714979290000000000 GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        ]
        .map(|line| line.replace("Content-Length: 11", "Content-Length: 9"))
    );
    assert_eq!(
        (passed.malformed, passed.first.map(|first| first.1)),
        (1, Some("an entry whose URL is not http or https"))
    );
}

/// The requests of entries with these members of `request`, without their first line and what is the same in all.
fn requests(members: &[&str]) -> (Vec<String>, Passed) {
    let entry = |members: &&str| {
        format!(
            r#"{{"startedDateTime":"2024-05-06T07:08:10Z","request":{{"method":"POST","url":"http://a/",{members}}}}}"#
        )
    };
    let entries: Vec<_> = members.iter().map(entry).collect();
    let (shown, passed) = read(
        format!(r#"{{"log":{{"entries":[{}]}}}}"#, entries.join(",")).as_bytes(),
        10_000,
    );
    let rest = |text: &String| text.split_once("Host: a\r\n").unwrap().1.to_owned();
    (shown.iter().map(rest).collect(), passed)
}

#[test]
fn parameters_of_a_form_are_encoded_as_what_they_say() {
    let (shown, passed) = requests(&[
        r#""postData":{"mimeType":"application/x-www-form-urlencoded","params":[
            {"name":"phone","value":"+49 12"},{"name":"pct","value":"100%25 & more"},{"name":"n","value":7},{"name":"e"}]}"#,
        r#""postData":{"mimeType":"application/x-www-form-urlencoded","text":"","params":[{"name":"\u00e9","value":"a=b"}]}"#,
        r#""postData":{"mimeType":"application/x-www-form-urlencoded","text":"a=b","params":[{"name":"c","value":"d"}]}"#,
    ]);
    let head = |length| {
        format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n")
    };
    assert_eq!(
        shown,
        [
            head(43) + "phone=%2B49+12&pct=100%2525+%26+more&n=7&e=",
            head(12) + "%C3%A9=a%3Db",
            head(3) + "a=b"
        ]
    );
    assert_eq!(passed, Passed::default());
}

#[test]
fn a_form_in_parts_is_written_with_its_boundary_or_passed_over() {
    let params = r#""params":[{"name":"a\"b","value":"1"},{"name":"f","fileName":"x.txt","contentType":"text/plain","value":"hello"}]"#;
    let form = "--X\r\nContent-Disposition: form-data; name=\"a%22b\"\r\n\r\n1\r\n--X\r\nContent-Disposition: form-data; \
                name=\"f\"; filename=\"x.txt\"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--X--\r\n";
    let (shown, passed) = requests(&[
        &format!(r#""postData":{{"mimeType":"multipart/form-data; boundary=X",{params}}}"#),
        // What the request itself said comes first.
        &format!(
            r#""headers":[{{"name":"Content-Type","value":"multipart/form-data; boundary=\"X\""}}],"postData":{{"mimeType":"multipart/form-data",{params}}}"#
        ),
        &format!(r#""postData":{{"mimeType":"multipart/form-data",{params}}}"#),
        r#""postData":{"mimeType":"multipart/form-data; boundary=X","params":[{"name":"f","fileName":"x.bin"}]}"#,
        r#""postData":{"mimeType":"multipart/form-data; boundary=X","params":[{"name":"f","value":"a\n--X"}]}"#,
    ]);
    let head = |media: &str| {
        format!(
            "Content-Type: {media}\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        )
    };
    assert_eq!(
        shown,
        [
            head("multipart/form-data; boundary=X"),
            head("multipart/form-data; boundary=\"X\"")
        ]
    );
    assert_eq!(
        (passed.malformed, passed.first.map(|first| first.1)),
        (3, Some("an entry with a multipart form without boundary"))
    );
}

#[test]
fn a_content_coding_stays_where_the_body_is_in_it() {
    let gzip = Compression::Gzip.encode(b"hello".to_vec());
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &gzip);
    let of = |coding: &str, data: &str| {
        format!(r#""headers":[{{"name":"Content-Encoding","value":"{coding}"}}],"postData":{{{data}}}"#)
    };
    let (shown, _) = requests(&[
        &of("gzip", r#""text":"hello""#),
        &of("br", r#""text":"hello""#),
        &of("gzip", r#""text":"aGVsbG8=","encoding":"base64""#),
        &of("gzip", &format!(r#""text":"{base64}","encoding":"base64""#)),
    ]);
    let with_coding = |text: &String| text.starts_with("Content-Encoding: gzip\r\nContent-Length: ");
    assert_eq!(shown[..3], ["Content-Length: 5\r\n\r\nhello"; 3]);
    assert!(with_coding(&shown[3]), "{}", shown[3]);
}

#[test]
fn text_with_a_character_for_each_byte_is_those_bytes() {
    let of = |size: &str| {
        let members =
            format!(r#""bodySize":{size},"postData":{{"mimeType":"","text":"\u00ff\u0000\u00e9"}}"#);
        let text = format!(
            r#"{{"log":{{"entries":[{{"startedDateTime":"2024-05-06T07:08:10Z","request":{{"method":"PUT","url":"http://a/",{members}}}}}]}}}}"#
        );
        let mut reader = HarReader::new(text.as_bytes(), 10_000, 0);
        reader.next_record().unwrap().unwrap().body
    };
    assert_eq!(&of("3")[..], b"\xff\0\xe9");
    for size in ["5", "-1", "null"] {
        assert_eq!(&of(size)[..], "\u{ff}\0\u{e9}".as_bytes(), "{size}");
    }
}

#[test]
fn what_a_header_lacks_drops_that_header_and_no_entry() {
    let (mut shown, passed) = requests(&[
        r#""headers":[null,{"name":"A","value":null},{"name":null,"value":"b"},{"name":"B"},7,{"name":"C","value":1},{"name":"D","value":""}]"#,
        r#""headers":null,"postData":null"#,
        r#""bodySize":12,"postData":{"mimeType":"image/png"}"#,
        r#""headers":[{"name":"X","value":"y"},{"name":"content-length","value":"7"},{"name":"x","value":"y"}],"postData":{"text":"caf\u00e9+7"}"#,
    ]);
    assert_eq!(
        shown.pop().unwrap(),
        "X: y\r\nContent-Length: 7\r\n\r\ncaf\u{e9}+7"
    );
    assert_eq!(
        shown,
        [
            "C: 1\r\nD: \r\nContent-Length: 0\r\n\r\n",
            "Content-Length: 0\r\n\r\n"
        ]
    );
    assert_eq!(
        passed.first.map(|first| first.1),
        Some("an entry whose request body is missing from the HAR file")
    );
}

/// Method, target, body and content coding of the requests in a file that a tool wrote.
fn exported(file: &[u8]) -> (Vec<(String, Vec<u8>, bool)>, Passed) {
    let mut reader = HarReader::new(file, 1 << 20, 0);
    let mut requests = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        if record.kind == MessageKind::Request {
            let head = String::from_utf8_lossy(&record.head).into_owned();
            let line = head.split(" HTTP/1.1").next().unwrap().to_owned();
            requests.push((
                line,
                record.body.to_vec(),
                head.to_ascii_lowercase().contains("content-encoding: gzip"),
            ));
        }
    }
    (requests, reader.passed().clone())
}

/// The same requests of one page, as exported by three tools: a browser's automation (Playwright), a library on the events of the
/// developer tools' protocol (chrome-har), and a proxy (mitmproxy). Each leaves out, decodes or mistakes something else.
#[test]
fn real_exports_are_read_and_what_they_lost_is_counted() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    let form = b"phone=%2B49+12&pct=100%2525+%26+more".to_vec();
    let in_parts = "Content-Disposition: form-data; name=\"a b%22c\"\r\n\r\n\u{fc} + %\r\n";
    let plain = |line: &str| (line.to_owned(), Vec::new(), false);
    let first = [
        plain("GET /get?a=b%20c&d=e+f&u=%C3%BC"),
        plain("GET /path%E9/x?q=%ff"),
        ("POST /form".to_owned(), form, false),
    ];
    let last = [plain("POST /empty"), plain("DELETE /del")];
    let json = (
        "POST /json".to_owned(),
        "{\"a\":\"\u{fc}\",\"b\":[1,2]}".into(),
        false,
    );
    let latin = ("POST /latin".to_owned(), b"caf\xe9".to_vec(), false);
    let bin = ("PUT /bin".to_owned(), all_bytes, false);
    for (name, file, between, lost) in [
        (
            "playwright",
            &include_bytes!("exports/playwright.har")[..],
            vec![json.clone()],
            4,
        ),
        (
            "chrome-har",
            include_bytes!("exports/chrome-har.har"),
            vec![bin.clone(), latin.clone()],
            2,
        ),
        (
            "mitmproxy",
            include_bytes!("exports/mitmproxy.har"),
            vec![json, bin, latin],
            0,
        ),
    ] {
        let (mut requests, passed) = exported(file);
        // Their boundaries differ.
        let forms: Vec<_> = requests
            .extract_if(.., |(line, ..)| line.starts_with("POST /multi"))
            .collect();
        let second = forms.iter().find(|(line, ..)| line == "POST /multi2").unwrap();
        assert!(String::from_utf8_lossy(&second.1).contains(in_parts), "{name}");
        let compressed: Vec<_> = requests.extract_if(.., |(line, ..)| line == "POST /gz").collect();
        for (_, body, is_coded) in compressed {
            assert_eq!(body == b"hello hello hello", !is_coded, "{name}");
            assert_eq!(body.starts_with(b"\x1f\x8b"), is_coded, "{name}");
        }
        let expected: Vec<_> = first.iter().chain(&between).chain(&last).cloned().collect();
        assert_eq!(requests, expected, "{name}");
        assert_eq!(passed.malformed, lost, "{name}");
    }
}

#[test]
fn a_url_that_is_no_text_is_percent_encoded() {
    let recorded = Recorded {
        request: Some(record(
            b"GET /url\xe9?a=\xff HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
            b"",
        )),
        ..Recorded::default()
    };
    let bytes = file(&[recorded]);
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let request = &value["log"]["entries"][0]["request"];
    assert_eq!(
        (&request["method"], &request["url"]),
        (&"GET".into(), &"http://a/url%E9?a=%FF".into())
    );
    assert_eq!(request["headers"][1]["value"], "y");
    let (shown, _) = read(&bytes, 10_000);
    assert!(shown[0].contains("GET /url%E9?a=%FF HTTP/1.1"), "{}", shown[0]);
    // One that an exporter decoded.
    let (shown, _) = read(br#"{"log":{"entries":[{"startedDateTime":"2024-05-06T07:08:10Z","request":{"method":"GET","url":"http://a/x y"}}]}}"#, 10_000);
    assert!(shown[0].contains("GET /x%20y HTTP/1.1"), "{}", shown[0]);
}

#[test]
fn a_file_cut_anywhere_gives_what_stands_before_the_cut() {
    let bytes = file(&[exchange(b"hi"), exchange(b"hi")]);
    let (whole, _) = read(&bytes, 10_000);
    assert_eq!(whole.len(), 4);
    for length in 0..bytes.len() {
        let (shown, _) = read(&bytes[..length], 10_000);
        assert_eq!(shown, whole[..shown.len()], "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), bound in 0usize..100) {
        read(&bytes, bound);
        read(&[HAR_HEADER, &bytes].concat(), bound);
    }
}
