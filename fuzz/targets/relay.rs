//! A relay's two readers, its input of a sender and its output of a receiver: any bytes, whole and cut, are read or refused in
//! the same way, and nothing is held beyond the bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::relay::frames::Frames;
use shadow_agent::relay::protocol::{Lines, begins_hello, read_acknowledgment, read_answer, read_hello};
use shadow_agent::relay::records::Records;

/// Largest payload taken.
const MAX_RECORD: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let piece = usize::from(size % 32) + 1;
    assert_eq!(records(bytes, piece), records(bytes, usize::MAX));
    assert_eq!(frames(bytes, piece), frames(bytes, usize::MAX));
    assert_eq!(lines(bytes, piece), lines(bytes, usize::MAX));
    let _ = begins_hello(bytes);
});

/// The records, and whether the stream was refused.
fn records(bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut records = Records::new(MAX_RECORD);
    let mut read = Vec::new();
    for piece in bytes.chunks(piece) {
        records.push(piece);
        loop {
            match records.next_record() {
                Ok(Some(message)) => {
                    assert!(message.payload.len() <= MAX_RECORD);
                    read.push(format!("{message:?}"));
                }
                Ok(None) => break,

                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}

/// The frames, and whether the stream was refused. Sequences ascend.
fn frames(bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut frames = Frames::new(MAX_RECORD);
    let mut read = Vec::new();
    let mut latest = 0;
    for piece in bytes.chunks(piece) {
        frames.push(piece);
        loop {
            match frames.next_frame() {
                Ok(Some((sequence, message))) => {
                    assert!(sequence > latest && message.payload.len() <= MAX_RECORD);
                    latest = sequence;
                    read.push(format!("{sequence} {message:?}"));
                }
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}

/// The lines with what each of them may mean, and whether the stream was refused.
fn lines(bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut lines = Lines::default();
    let mut read = Vec::new();
    for piece in bytes.chunks(piece) {
        lines.push(piece);
        loop {
            match lines.next_line() {
                Ok(Some(line)) => read.push(format!(
                    "{:?} {:?} {:?}",
                    read_hello(&line),
                    read_answer(&line),
                    read_acknowledgment(&line)
                )),
                Ok(None) => break,
                Err(_) => return (read, true),
            }
        }
    }
    (read, false)
}
