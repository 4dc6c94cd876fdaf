//! Segments of `--compare-store` with any bytes: read or refused, and what was read is written and read back as it was.
#![no_main]

use std::io::BufRead;

use libfuzzer_sys::fuzz_target;
use shadow_agent::compare::store::{Kept, RecordReader, write};
use shadow_agent::recording::open;

/// Records of one input at most: a compressed one may have very many.
const MOST: usize = 1000;

fn read(source: impl BufRead) -> (Vec<Kept>, bool) {
    let mut reader = RecordReader::new(source);
    let mut records = Vec::new();
    while records.len() < MOST {
        match reader.next_record() {
            Ok(Some(kept)) => records.push(kept),
            Ok(None) => return (records, true),
            Err(_) => return (records, false),
        }
    }
    (records, false)
}

fuzz_target!(|data: &[u8]| {
    let (records, _) = read(data);
    let mut written = Vec::new();
    for kept in &records {
        write(kept, &mut written);
    }
    let (again, whole) = read(&written[..]);
    assert!(whole || records.len() == MOST);
    assert_eq!(format!("{again:?}"), format!("{records:?}"));
    // Compressed, or what claims to be: decompressed as it is read, never as a whole.
    if let Ok(content) = open(std::io::Cursor::new(data.to_vec())) {
        read(content);
    }
});
