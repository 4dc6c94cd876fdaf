//! gRPC-Web (`grpc/doc/PROTOCOL-WEB.md`): its text is base64, in one piece or in several that are padded each, and its trailers
//! are a last frame of header lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The bytes that base64 text stands for: pieces one behind the other, each padded if it needs it. `None` when it is not that.
pub(crate) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut rest = text.trim_ascii();
    while !rest.is_empty() {
        // A piece ends behind the group of four that has padding.
        let padded = rest.chunks(4).position(|group| group.ends_with(b"="));
        let end = padded.map_or(rest.len(), |group| (group + 1) * 4);
        let (piece, behind) = rest.split_at_checked(end)?;
        STANDARD.decode_vec(piece, &mut out).ok()?;
        rest = behind;
    }
    Some(out)
}

/// Bytes as base64 text.
pub(crate) fn encoded(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

/// Names, in lower case, and values of header lines.
pub(crate) fn fields(lines: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    lines.split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(line[..colon].trim_ascii()).to_ascii_lowercase();
        Some((name, line[colon + 1..].trim_ascii()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_base64_are_read_one_behind_the_other() {
        assert_eq!(decoded(b"AAAAAAFh").unwrap(), b"\0\0\0\0\x01a");
        assert_eq!(decoded(b"YQ==Yg==\r\n").unwrap(), b"ab");
        assert_eq!(decoded(b"").unwrap(), b"");
        assert_eq!(decoded(b"YQ=="), Some(b"a".to_vec()));
        assert_eq!(decoded(b"YQ="), None);
        assert_eq!(decoded(b"YQ"), None);
        assert_eq!(decoded(b"Y!=="), None);
    }

    #[test]
    fn lines_of_trailers_are_fields() {
        let all: Vec<_> = fields(b"Grpc-Status: 5\r\ngrpc-message:no%20such\r\nodd\r\n").collect();
        assert_eq!(
            all,
            [
                ("grpc-status".to_owned(), &b"5"[..]),
                ("grpc-message".to_owned(), b"no%20such")
            ]
        );
    }
}
