//! Recordings of any bytes: read within the bound or passed over, and what was read is written and read back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::recording::{GorReader, Passed, Record, SEPARATOR, open, write_gor};

const MAX_RECORD: usize = 600;

fn read(bytes: &[u8], max_record: usize) -> (Vec<Record>, Passed) {
    let mut reader = GorReader::new(bytes, max_record);
    let mut records = Vec::new();
    while let Ok(Some(record)) = reader.next_record() {
        assert!(record.head.len() + record.body.len() <= max_record + SEPARATOR.len());
        records.push(record);
    }
    assert_eq!(reader.offset(), bytes.len() as u64);
    (records, reader.passed().clone())
}

fuzz_target!(|data: &[u8]| {
    let (records, _) = read(data, MAX_RECORD);
    let mut written = Vec::new();
    for record in &records {
        write_gor(record, &mut written);
    }
    let (again, passed) = read(&written, 10 * MAX_RECORD);
    // Nothing is passed over, and no line of a message looks like a separator: those are masked.
    assert_eq!(passed, Passed::default());
    assert_eq!(again.len(), records.len());
    for (first, second) in records.iter().zip(&again) {
        assert_eq!(
            (first.kind, &first.id, first.unix, first.latency, first.payload()),
            (
                second.kind,
                &second.id,
                second.unix,
                second.latency,
                second.payload()
            )
        );
    }
    // Compressed, or what claims to be: decompressed as it is read, never as a whole.
    if let Ok(content) = open(std::io::Cursor::new(data.to_vec())) {
        let mut reader = GorReader::new(content, MAX_RECORD);
        let mut left = 1000;
        while left > 0
            && let Ok(Some(_)) = reader.next_record()
        {
            left -= 1;
        }
    }
});
