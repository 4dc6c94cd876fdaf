//! HAR files of any bytes: read within the bound or passed over; every message read has a head of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::mirror::MessageKind;
use shadow_agent::recording::{HarReader, Record};

fn read(bytes: &[u8]) -> Vec<Record> {
    let mut reader = HarReader::new(bytes, 2000, 0);
    let mut records = Vec::new();
    while let Ok(Some(record)) = reader.next_record() {
        records.push(record);
    }
    assert!(reader.offset() <= bytes.len() as u64);
    records
}

fuzz_target!(|data: &[u8]| {
    let entry = [&br#"{"log":{"entries":["#[..], data].concat();
    for bytes in [data, &entry] {
        for record in read(bytes) {
            let head = &record.head;
            // No line of it was made up by a header field.
            assert!(head.ends_with(b"\r\n\r\n"));
            assert_eq!(head.windows(4).filter(|window| window == b"\r\n\r\n").count(), 1);
            let lines = head.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            assert!(lines.clone().all(|line| line.ends_with(b"\r")));
            if record.kind == MessageKind::Request {
                let mut fields = [httparse::EMPTY_HEADER; 256];
                let parsed = httparse::Request::new(&mut fields).parse(head);
                assert!(
                    !matches!(parsed, Ok(httparse::Status::Partial)),
                    "{}",
                    String::from_utf8_lossy(head)
                );
            }
        }
    }
});
