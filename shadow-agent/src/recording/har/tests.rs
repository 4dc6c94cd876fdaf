//! HAR written and read back, and as browsers write it.

use proptest::prelude::*;

use super::reader::HarReader;
use crate::mirror::MessageKind;
use crate::recording::record::tests::record;
use crate::recording::{HAR_FOOTER, HAR_HEADER, Recorded, write_har};
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
            "Request 000000000000000000000001 1714979289123000000 POST /form?x=1 HTTP/1.1\r\nHost: shop.example\r\naccept: */*\r\nContent-Length: 11\r\n\r\na+b=1%262",
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
