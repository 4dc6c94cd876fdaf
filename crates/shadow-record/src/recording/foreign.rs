//! Foreign files: what a file is that is no recording, for the error that says so.

/// Bytes of its beginning that are looked at.
const LOOKED_AT: usize = 512;
/// Magic numbers of capture files: pcap in both orders of bytes, with micro- and nanoseconds, and pcapng (a section header block).
const CAPTURES: [&[u8; 4]; 5] = [
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\xc3\xd4",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x0a\x0d\x0d\x0a",
];

/// Describes a file that begins with `start` and cannot be a recording, whatever follows.
pub fn foreign(start: &[u8]) -> Option<&'static str> {
    let start = &start[..start.len().min(LOOKED_AT)];
    if CAPTURES.iter().any(|magic| start.starts_with(*magic)) {
        Some("it is a capture of packets: read it with --input-raw FILE --input-raw-engine pcap_file")
    } else if !start.is_empty() && start.iter().all(|byte| *byte == 0) {
        Some("it begins with zeros, as if its content was lost")
    } else {
        None
    }
}

/// Describes a file that begins with `start` and has no record in it.
pub fn without_records(start: &[u8]) -> &'static str {
    let start = &start[..start.len().min(LOOKED_AT)];
    let is_odd = |byte: &u8| (*byte < b' ' && !byte.is_ascii_whitespace()) || *byte == 0x7f;
    let text = start.trim_ascii_start();
    if text.is_empty() {
        "it is empty"
    } else if text.iter().any(is_odd) {
        "its content is of an unknown kind"
    } else if text.starts_with(b"[") || text.starts_with(b"{") {
        "it is JSON, but not a HAR file with entries (JSON lines cannot be replayed)"
    } else if [&b"http://"[..], b"https://", b"/"]
        .iter()
        .any(|begin| text.starts_with(begin))
    {
        "it is a list of URLs"
    } else {
        "it is plain text, such as a log"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_told_by_their_first_bytes() {
        for magic in CAPTURES {
            assert!(foreign(magic).is_some_and(|what| what.contains("--input-raw FILE")));
        }
        assert_eq!(
            foreign(&[0; 600]),
            Some("it begins with zeros, as if its content was lost")
        );
        assert_eq!(foreign(b"1 a 1 1\n"), None);
        assert_eq!(foreign(b""), None);
        for (start, what) in [
            (&b" \n"[..], "it is empty"),
            (b"https://a/\n/b\n", "it is a list of URLs"),
            (b"/a\n/b\n", "it is a list of URLs"),
            (
                b"10.0.0.1 - - [01/Jan/2026] \"GET / HTTP/1.1\" 200\n",
                "it is plain text, such as a log",
            ),
            (b"\x7fELF\0", "its content is of an unknown kind"),
            (
                b"[{\"a\":1}]",
                "it is JSON, but not a HAR file with entries (JSON lines cannot be replayed)",
            ),
        ] {
            assert_eq!(without_records(start), what);
        }
    }
}
