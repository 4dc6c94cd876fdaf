//! Reading recordings: what is read, what is passed over, and that both come back from any bytes.

use std::io::{BufReader, Cursor};

use proptest::prelude::*;

use super::super::record::write_gor;
use super::*;

fn read(bytes: &[u8], max_record: usize) -> (Vec<Record>, Passed) {
    // A small buffer, so that lines lie across its ends.
    let mut reader = GorReader::new(BufReader::with_capacity(7, Cursor::new(bytes)), max_record);
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        records.push(record);
    }
    assert_eq!(reader.offset(), bytes.len() as u64);
    (records, reader.passed().clone())
}

fn shown(records: &[Record]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    records
        .iter()
        .map(|record| {
            let Record {
                kind,
                id,
                unix,
                latency,
                head,
                body,
                ..
            } = record;
            format!("{kind:?} {id} {unix} {latency} {:?} {:?}", text(head), text(body))
        })
        .collect()
}

#[test]
fn records_of_every_writer_are_read() {
    let file = "1 932079936fa4306fc308d67588178d17d823647c 1439818823587396305\nGET / HTTP/1.1\r\nHost: a\r\n\r\n\n🐵🙈🙉\n\
                2 a 2 -1\r\nHTTP/1.1 200 OK\r\n\r\nok\n\n🐵🙈🙉\n\
                3 a 3 7 shop/web-0 app=web\n\n🐵🙈🙉\n\
                1 b 4 x\nPOST / HTTP/1.1\r\n\r\nlast";
    let (records, passed) = read(file.as_bytes(), 1000);
    assert_eq!(
        shown(&records),
        [
            r#"Request 932079936fa4306fc308d67588178d17d823647c 1439818823587396305 0 "GET / HTTP/1.1\r\nHost: a\r\n\r\n" """#,
            r#"Response a 2 0 "HTTP/1.1 200 OK\r\n\r\n" "ok\n""#,
            r#"Replayed a 3 7 "" """#,
            r#"Request b 4 0 "POST / HTTP/1.1\r\n\r\n" "last""#,
        ]
    );
    assert_eq!((passed.malformed, passed.too_large), (0, 0));
    assert_eq!((passed.unterminated, passed.first), (Some(191), None));
}

#[test]
fn a_record_that_cannot_be_read_is_passed_over_and_the_next_is_not() {
    for bad in [
        "1 a",
        "4 a 1",
        "11 a 1",
        "1  1",
        "1 \u{1} 1",
        "1 a -5",
        "1 a 99999999999999999999999",
        "1 a 1x",
        "\0\0\0",
        "",
        "1 a 1 1 !",
        "1 a 1 1 !5",
        "1 a 1 1 !99999999999999999999",
    ] {
        let file = format!("{bad}\npayload\n🐵🙈🙉\n1 b 2 3\nGET\n🐵🙈🙉\n");
        let (records, passed) = read(file.as_bytes(), 1000);
        assert_eq!(shown(&records), [r#"Request b 2 3 "GET" """#], "{bad:?}");
        assert_eq!(
            (passed.malformed, passed.first.map(|first| first.0)),
            (1, Some(0)),
            "{bad:?}"
        );
    }
}

#[test]
fn a_record_beyond_the_bound_is_passed_over_without_being_held() {
    let large = "x".repeat(500);
    for payload in [
        large.clone(),
        large.replace("xxxx", "xxx\n"),
        format!("{large}\n🐵🙈🙉x\n{large}"),
        format!("a\n🐵🙈🙉\r\n{large}"),
    ] {
        let file = format!("1 a 1 1\n{payload}\n🐵🙈🙉\n1 b 2 3\nGET\n🐵🙈🙉\n1 c 2 3\n{payload}");
        let (records, passed) = read(file.as_bytes(), 100);
        assert_eq!(shown(&records), [r#"Request b 2 3 "GET" """#]);
        assert_eq!((passed.too_large, passed.malformed), (2, 0));
    }
    let exact = format!("1 a 1 1\n{}\n🐵🙈🙉\n", "x".repeat(92));
    assert_eq!(read(exact.as_bytes(), 100).0.len(), 1);
}

#[test]
fn a_file_cut_anywhere_loses_at_most_its_last_record() {
    let mut whole = Vec::new();
    let mut ends = vec![0];
    for number in 0..3u8 {
        let file =
            format!("1 id{number} {number} 0\nPOST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab\n\n🐵🙈🙉\n");
        whole.extend_from_slice(file.as_bytes());
        ends.push(whole.len());
    }
    for length in 0..=whole.len() {
        let (records, passed) = read(&whole[..length], 1000);
        let complete = ends.iter().filter(|end| **end <= length).count() - 1;
        assert!(
            records.len() >= complete && records.len() <= complete + 1,
            "{length}"
        );
        if !ends.contains(&length) {
            assert_eq!(passed.unterminated, Some(ends[complete] as u64), "{length}");
        }
    }
}

/// Three records whose separators end in CRLF, with what stands before and behind each of them, and behind the header lines.
fn by_an_editor(before: &str, behind: &str, header: &str) -> String {
    let record = |number| {
        format!(
            "1 id{number} {number} 0{header}GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n{before}🐵🙈🙉{behind}"
        )
    };
    (1..4).map(record).collect()
}

#[test]
fn separators_that_an_editor_turned_to_crlf_are_separators() {
    for (before, behind, header) in [
        ("\r\n", "\r\n", "\n"),
        ("\r\n", "\r\n", "\r\n"),
        ("\n", "\r\n", "\n"),
    ] {
        let file = by_an_editor(before, behind, header);
        let expected: Vec<_> = (1..4)
            .map(|number| {
                format!(r#"Request id{number} {number} 0 "GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n" """#)
            })
            .collect();
        for file in [&*file, file.trim_end()] {
            let (records, passed) = read(file.as_bytes(), 1000);
            assert_eq!(shown(&records), expected, "{file:?}");
            assert_eq!((passed.malformed, passed.like_separators), (0, 0));
        }
        // Also where the record before them is passed over.
        let large = format!("1 a 1 1\n{}{before}🐵🙈🙉{behind}{file}", "x".repeat(2000));
        let (records, passed) = read(large.as_bytes(), 1000);
        assert_eq!(shown(&records), expected);
        assert_eq!(passed.too_large, 1);
    }
}

#[test]
fn a_line_like_a_separator_with_no_record_behind_it_is_counted() {
    for line in [
        "🐵🙈🙉\r\nx",
        "🐵🙈🙉 \n1 b 1 1",
        "🐵🙈🙉\r\n\n1 b 1 1",
        "🐵🙈🙉\r\n1 b x\n",
    ] {
        let file = format!("1 a 1 1\nPOST / HTTP/1.1\r\n\r\n{line}\n🐵🙈🙉\n1 c 2 3\nGET\n🐵🙈🙉\n");
        let (records, passed) = read(file.as_bytes(), 1000);
        let expected = [
            format!(r#"Request a 1 1 "POST / HTTP/1.1\r\n\r\n" {line:?}"#),
            r#"Request c 2 3 "GET" """#.to_owned(),
        ];
        assert_eq!(shown(&records), expected);
        assert_eq!((passed.malformed, passed.like_separators), (0, 1), "{line:?}");
    }
}

#[derive(Clone, Debug)]
struct Any {
    kind: MessageKind,
    id: String,
    unix: u64,
    latency: u64,
    payload: Vec<u8>,
}

fn message() -> impl Strategy<Value = Any> {
    let piece = prop_oneof![
        Just("🐵🙈🙉".as_bytes().to_vec()),
        Just("🐵🙈🙊".as_bytes().to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"1 evil 1 1\nGET /evil HTTP/1.1\r\n\r\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    let kind = prop_oneof![
        Just(MessageKind::Request),
        Just(MessageKind::Response),
        Just(MessageKind::Replayed)
    ];
    let payload = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    (kind, "[!-~]{1,40}", any::<u64>(), any::<u64>(), payload).prop_map(
        |(kind, id, unix, latency, payload)| Any {
            kind,
            id,
            unix,
            latency,
            payload,
        },
    )
}

proptest! {
    #[test]
    fn any_messages_written_and_read_back_are_equal(messages in prop::collection::vec(message(), 0..8)) {
        let mut file = Vec::new();
        for message in &messages {
            let split = memchr::memmem::find(&message.payload, b"\r\n\r\n").map_or(message.payload.len(), |at| at + 4);
            let (head, body) = message.payload.split_at(split);
            write_gor(&Record {
                kind: message.kind,
                id: MessageId::given(message.id.as_bytes()).unwrap(),
                unix: message.unix,
                latency: message.latency,
                pod: None,
                head: Bytes::copy_from_slice(head),
                body: Bytes::copy_from_slice(body),
            }, &mut file);
        }
        // Nor does a reader by lines, as GoReplay's is, see any other records.
        let separators = file.split_inclusive(|byte| *byte == b'\n').filter(|line| *line == LINE).count();
        prop_assert_eq!(separators, messages.len());
        let (records, passed) = read(&file, 1 << 20);
        prop_assert_eq!(&passed, &Passed::default());
        prop_assert_eq!(records.len(), messages.len());
        for (record, message) in records.iter().zip(&messages) {
            prop_assert_eq!(record.kind, message.kind);
            prop_assert_eq!(record.id.to_string(), &*message.id);
            prop_assert_eq!((record.unix, record.latency), (message.unix, message.latency));
            prop_assert_eq!([&record.head[..], &record.body[..]].concat(), &message.payload[..]);
        }
    }

    #[test]
    fn an_editor_that_turns_all_line_ends_to_crlf_loses_no_request(
        targets in prop::collection::vec("[a-z0-9/]{0,20}", 1..8), bound in prop_oneof![Just(60usize), Just(1000)],
    ) {
        let payload = |target: &String| format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let record = |target: &String| format!("1 a 1 1\n{}\n🐵🙈🙉\n", payload(target));
        let file: Vec<_> = targets.iter().map(record).collect();
        let file = file.concat();
        let file = file.replace("\r\n", "\n").replace('\n', "\r\n");
        let (records, passed) = read(file.as_bytes(), bound);
        prop_assert_eq!(passed, Passed::default());
        let text = |record: &Record| String::from_utf8_lossy(&record.payload()).into_owned();
        prop_assert_eq!(records.iter().map(text).collect::<Vec<_>>(), targets.iter().map(payload).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read_or_passed_over(bytes in prop::collection::vec(prop_oneof![
        Just("🐵🙈🙉\n".as_bytes().to_vec()), Just("🐵🙈🙉\r\n".as_bytes().to_vec()), Just(b"1 a 1 1 !11\n".to_vec()), prop::collection::vec(any::<u8>(), 0..20),
    ], 0..20), bound in 0usize..100) {
        let (records, _) = read(&bytes.concat(), bound);
        for record in records {
            prop_assert!(record.head.len() + record.body.len() <= bound + 14);
        }
    }
}
