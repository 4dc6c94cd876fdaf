//! Lines of an NSS key log (draft-ietf-tls-keylogfile: `LABEL CLIENT_RANDOM SECRET`, the latter two in hexadecimal): pieces of
//! a file or pipe in, secrets out.

use std::fmt;

use zeroize::Zeroize;

use super::secret::{Handshake, Label, MAX_SECRET, Secret, SecretBytes};

/// Longest line that is read: the longest label, a random, and the longest secret take 227 bytes.
const MAX_LINE: usize = 512;

/// Reads key log lines. What is not whole yet is kept, at most one line.
#[derive(Default)]
pub struct KeyLog {
    /// The line under way.
    line: Vec<u8>,
    /// It was too long: the rest of it is passed over.
    skips: bool,
    counts: KeyLogCounts,
}

/// Counts of the lines of a key log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLogCounts {
    /// Secrets.
    pub secrets: u64,
    /// Comments, empty lines, and secrets that open no records (exporters', RSA).
    pub other: u64,
    /// Lines that cannot be read.
    pub bad: u64,
}

impl KeyLog {
    /// Takes the next bytes; hands each secret of a whole line to `sink`.
    pub fn push(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Secret)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            self.keep(line);
            self.end_line(&mut sink);
        }
        self.keep(bytes);
    }

    /// The bytes have ended: a last line may lack its line feed.
    pub fn end(&mut self, mut sink: impl FnMut(Secret)) {
        if self.skips || !self.line.is_empty() {
            self.end_line(&mut sink);
        }
    }

    /// Counts of lines so far.
    pub fn counts(&self) -> KeyLogCounts {
        self.counts
    }

    /// Adds to the line under way, which never grows beyond its first allocation: no copy of a secret is left behind.
    fn keep(&mut self, bytes: &[u8]) {
        if self.line.len() + bytes.len() > MAX_LINE {
            self.skips = true;
            self.line.zeroize();
        } else if !self.skips {
            self.line.reserve_exact(MAX_LINE - self.line.len());
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, sink: &mut impl FnMut(Secret)) {
        let read = if std::mem::take(&mut self.skips) {
            Line::Bad
        } else {
            read(&self.line)
        };
        self.line.zeroize();
        match read {
            Line::Secret(secret) => {
                self.counts.secrets += 1;
                sink(secret);
            }
            Line::Other => self.counts.other += 1,
            Line::Bad => self.counts.bad += 1,
        }
    }
}

impl Drop for KeyLog {
    fn drop(&mut self) {
        self.line.zeroize();
    }
}

impl fmt::Debug for KeyLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyLog")
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

enum Line {
    Secret(Secret),
    Other,
    Bad,
}

fn read(line: &[u8]) -> Line {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Line::Other;
    }
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(label), Some(random), Some(secret), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Line::Bad;
    };
    let label = match label {
        b"CLIENT_RANDOM" => Label::Master,
        b"CLIENT_EARLY_TRAFFIC_SECRET" => Label::ClientEarlyTraffic,
        b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Label::ClientHandshakeTraffic,
        b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Label::ServerHandshakeTraffic,
        b"CLIENT_TRAFFIC_SECRET_0" => Label::ClientTraffic0,
        b"SERVER_TRAFFIC_SECRET_0" => Label::ServerTraffic0,
        _ if is_label(label) => return Line::Other,
        _ => return Line::Bad,
    };
    let mut client_random = [0; 32];
    if !unhex(random, &mut client_random) || !secret.len().is_multiple_of(2) || secret.len() > 2 * MAX_SECRET
    {
        return Line::Bad;
    }
    let filled = SecretBytes::filled(secret.len() / 2, |out| unhex(secret, out).then_some(()).ok_or(()));
    match filled {
        Some(bytes) if !secret.is_empty() => Line::Secret(Secret {
            label,
            of: Handshake::ClientRandom(client_random),
            bytes,
        }),
        _ => Line::Bad,
    }
}

/// Whether it is written as labels are.
fn is_label(label: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    !label.is_empty() && label.iter().all(is_letter)
}

/// Reads exactly as many bytes as `out` has, written in hexadecimal.
fn unhex(text: &[u8], out: &mut [u8]) -> bool {
    let digit = |byte: u8| (byte as char).to_digit(16);
    text.len() == 2 * out.len()
        && text.chunks_exact(2).zip(out).all(|(pair, out)| {
            let byte = digit(pair[0]).zip(digit(pair[1]));
            byte.map(|(high, low)| *out = (high << 4 | low) as u8).is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";

    /// Reads `text` cut into pieces of `size`.
    fn read_all(text: &str, size: usize) -> (Vec<Secret>, KeyLogCounts) {
        let mut log = KeyLog::default();
        let mut secrets = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            log.push(piece, |secret| secrets.push(secret));
        }
        log.end(|secret| secrets.push(secret));
        (secrets, log.counts())
    }

    #[test]
    fn each_label_of_a_traffic_secret_is_read() {
        let labels = [
            ("CLIENT_RANDOM", Label::Master),
            ("CLIENT_EARLY_TRAFFIC_SECRET", Label::ClientEarlyTraffic),
            ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", Label::ClientHandshakeTraffic),
            ("SERVER_HANDSHAKE_TRAFFIC_SECRET", Label::ServerHandshakeTraffic),
            ("CLIENT_TRAFFIC_SECRET_0", Label::ClientTraffic0),
            ("SERVER_TRAFFIC_SECRET_0", Label::ServerTraffic0),
        ];
        let mut random = [0; 32];
        random.iter_mut().zip(0..).for_each(|(byte, index)| *byte = index);
        for (text, label) in labels {
            let line = format!("{text} {RANDOM} {}\r\n", "aB".repeat(48));
            for size in [1, 7, 400] {
                let (secrets, counts) = read_all(&line, size);
                let expected = Secret {
                    label,
                    of: Handshake::ClientRandom(random),
                    bytes: SecretBytes::new(&[0xAB; 48]).expect("48 bytes"),
                };
                assert_eq!(secrets, [expected]);
                assert_eq!((counts.secrets, counts.other, counts.bad), (1, 0, 0));
            }
        }
    }

    #[test]
    fn comments_and_secrets_that_open_nothing_are_passed_over() {
        let text = format!(
            "# by a program\n\nEXPORTER_SECRET {RANDOM} aabb\nRSA 0011223344556677 aabb\nECH_CONFIG 1 2\n"
        );
        let (secrets, counts) = read_all(&text, 11);
        assert_eq!(secrets, []);
        assert_eq!((counts.secrets, counts.other, counts.bad), (0, 5, 0));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_counted() {
        let odd = [
            format!("CLIENT_RANDOM {RANDOM}"),
            format!("CLIENT_RANDOM {RANDOM} "),
            format!("CLIENT_RANDOM {RANDOM} aab"),
            format!("CLIENT_RANDOM {RANDOM} aabg"),
            format!("CLIENT_RANDOM {RANDOM} aabb cc"),
            format!("CLIENT_RANDOM {RANDOM}00 aabb"),
            format!("CLIENT_RANDOM {RANDOM} {}", "aa".repeat(65)),
            format!("client_random {RANDOM} aabb"),
            "CLIENT_RANDOM".repeat(100),
            "\u{0}\u{1}\u{2}".to_owned(),
        ];
        let text = odd.join("\n") + &format!("\nCLIENT_RANDOM {RANDOM} aabb");
        for size in [1, 100, 10_000] {
            let (secrets, counts) = read_all(&text, size);
            assert_eq!(secrets.len(), 1);
            assert_eq!((counts.secrets, counts.other, counts.bad), (1, 0, 10));
        }
    }

    #[test]
    fn a_key_log_is_not_printed() {
        let mut log = KeyLog::default();
        log.push(b"CLIENT_RANDOM 00", |_| {});
        let counts = "KeyLogCounts { secrets: 0, other: 0, bad: 0 }";
        assert_eq!(format!("{log:?}"), format!("KeyLog {{ counts: {counts}, .. }}"));
    }
}
