//! Key logs: the same secrets whole and cut, each line counted once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::tls::{KeyLog, KeyLogCounts, MAX_SECRET, Secret};

fuzz_target!(|data: &[u8]| {
    let Some((&size, text)) = data.split_first() else {
        return;
    };
    let whole = read(text, text.len().max(1));
    assert_eq!(whole, read(text, usize::from(size).max(1)));
    let (secrets, counts) = whole;
    assert_eq!(secrets.len() as u64, counts.secrets);
    let lines = text.split_inclusive(|byte| *byte == b'\n').count() as u64;
    assert_eq!(counts.secrets + counts.other + counts.bad, lines);
    for secret in secrets {
        assert!((1..=MAX_SECRET).contains(&secret.bytes.expose().len()));
    }
});

fn read(text: &[u8], size: usize) -> (Vec<Secret>, KeyLogCounts) {
    let mut log = KeyLog::default();
    let mut secrets = Vec::new();
    for piece in text.chunks(size) {
        log.push(piece, |secret| secrets.push(secret));
    }
    log.end(|secret| secrets.push(secret));
    (secrets, log.counts())
}
