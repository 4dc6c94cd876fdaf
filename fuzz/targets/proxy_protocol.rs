//! First bytes of a connection, whatever they are: a header of the PROXY protocol is the same wherever it is cut, and no
//! byte of what is none is lost.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadow_agent::http::{ProxyHeader, ProxyStep};

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else {
        return;
    };
    let whole = ProxyHeader::default().take(bytes);
    let mut header = ProxyHeader::default();
    let mut before = 0;
    let mut cut = ProxyStep::More;
    for piece in bytes.chunks(usize::from(size).max(1)) {
        cut = header.take(piece);
        match &cut {
            ProxyStep::More => before += piece.len(),
            ProxyStep::Absent(kept) => {
                assert_eq!(kept, &bytes[..before]);
                break;
            }
            ProxyStep::Header { taken, length, .. } => {
                assert_eq!(before + taken, *length);
                assert!(*taken > 0 && *length <= 16 + usize::from(u16::MAX));
                break;
            }
        }
    }
    match (whole, cut) {
        (ProxyStep::More, ProxyStep::More) | (ProxyStep::Absent(_), ProxyStep::Absent(_)) => {}
        (
            ProxyStep::Header { length, client, .. },
            ProxyStep::Header {
                length: cut_length,
                client: cut_client,
                ..
            },
        ) => assert_eq!((length, client), (cut_length, cut_client)),
        (whole, cut) => panic!("{whole:?}, in pieces {cut:?}"),
    }
    if !bytes.is_empty() && !ProxyHeader::may_begin(bytes) {
        assert_eq!(ProxyHeader::default().take(bytes), ProxyStep::Absent(Vec::new()));
    }
});
