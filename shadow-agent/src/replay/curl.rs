//! A request as a command line for `curl` in a POSIX shell.
//!
//! Whatever bytes the request has, the line has printable ASCII alone and is one command: what a word cannot hold in quotes
//! is written in octal for `printf`, and a body that is no plain text in base64. `curl` sends what [`Prepared`] has, with the
//! fields that it would add by itself turned off; only their order may be another, and a chunked body has its own chunks.

use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Prepared;
use crate::http::{chunked_data, head_fields};
use crate::output::HttpOutputSettings;

/// Longest body that is shown as text: a longer one makes a line that nobody reads.
const MAX_TEXT: usize = 16 * 1024;
/// Characters of base64 in a line.
const BASE64_LINE: usize = 76;

/// The command line, with a line end.
///
/// `None` where `head` is not one, or `curl` cannot send it: a trailer section of a chunked body is left out silently.
pub fn curl(prepared: &Prepared, settings: &HttpOutputSettings) -> Option<String> {
    let head = &prepared.head;
    let line = &head[..memchr::memchr(b'\r', head)?];
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let mut command = Command::default();
    // Neither ~/.curlrc nor a proxy of the environment changes what is sent.
    command.plain("curl -q -sS -i --noproxy '*' --globoff --path-as-is");
    command.plain(if version == b"HTTP/1.0" {
        "--http1.0"
    } else {
        "--http1.1"
    });
    if settings.tls && !settings.verify {
        command.plain("-k");
    }
    let _ = write!(
        command.0,
        " --connect-timeout {} --max-time {}",
        settings.connect_timeout.as_secs_f64(),
        settings.timeout.as_secs_f64()
    );
    let field = |wanted: &str, fields: &[(&[u8], &[u8])]| {
        fields
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let parsed = head_fields(head)?;
    let fields: Vec<(&[u8], &[u8])> = parsed
        .iter()
        .map(|field| {
            let part = |range: &std::ops::Range<u32>| head.get(range.start as usize..range.end as usize);
            Some((part(&field.name)?, part(&field.value)?))
        })
        .collect::<Option<_>>()?;
    let chunked = fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(b"transfer-encoding"));
    let decoded;
    let body = if chunked {
        decoded = chunked_data(&prepared.body)?;
        &decoded[..]
    } else {
        &prepared.body[..]
    };
    let has_body = chunked || field("content-length", &fields);
    match method {
        b"HEAD" => command.plain("--head"),
        b"GET" if !has_body => {}
        method => {
            command.plain("-X");
            command.word(method);
        }
    }
    for (name, value) in &fields {
        if name.eq_ignore_ascii_case(b"content-length") {
            // It says so itself.
            continue;
        }
        command.plain("-H");
        command.word(&if value.is_empty() {
            [name, &b";"[..]].concat()
        } else {
            [name, &b": "[..], value].concat()
        });
    }
    for own in ["User-Agent", "Accept", "Host", "Expect", "Content-Type"] {
        let of_bodies = matches!(own, "Expect" | "Content-Type");
        if !field(own, &fields) && (has_body || !of_bodies) {
            command.plain("-H");
            command.word(format!("{own}:").as_bytes());
        }
    }
    let host = if settings.host.contains(':') {
        format!("[{}]", settings.host)
    } else {
        settings.host.clone()
    };
    let scheme = if settings.tls { "https" } else { "http" };
    let base = format!("{scheme}://{host}:{}", settings.port);
    if target.starts_with(b"/") && target.iter().all(|byte| is_plain_in_url(*byte)) {
        if has_body {
            command.plain("--data-binary @-");
        }
        command.word(&[base.as_bytes(), target].concat());
    } else {
        command.plain("--request-target");
        command.word(target);
        if has_body {
            command.plain("--data-binary @-");
        }
        command.word(format!("{base}/").as_bytes());
    }
    Some(with_body(&command.0, has_body.then_some(body)))
}

/// Bytes of targets that `curl` leaves as they are.
fn is_plain_in_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/?&=%-._~+,:;@!$'()*".contains(&byte)
}

/// The command with a body on its standard input.
fn with_body(command: &str, body: Option<&[u8]>) -> String {
    let Some(body) = body else {
        return format!("{command}\n");
    };
    if body.is_empty() {
        return format!("{command} </dev/null\n");
    }
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if body.len() <= MAX_TEXT && body.iter().all(is_text) {
        return format!("printf '%s' {} | {command}\n", quoted(body));
    }
    let encoded = BASE64_STANDARD.encode(body);
    let mut text = format!("base64 -d <<'END' | {command}\n");
    for line in encoded.as_bytes().chunks(BASE64_LINE) {
        // Base64 is ASCII.
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str("END\n");
    text
}

/// The words of a command.
#[derive(Default)]
struct Command(String);

impl Command {
    /// Words that need no quotes.
    fn plain(&mut self, words: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(words);
    }

    /// One word of any bytes but NUL.
    fn word(&mut self, word: &[u8]) {
        let word = if word.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            quoted(word)
        } else {
            in_octal(word)
        };
        self.plain(&word);
    }
}

/// A word of printable ASCII and line ends as the shell takes it.
fn quoted(word: &[u8]) -> String {
    // It fails for NUL alone, which is not among them.
    let quoted = shlex::bytes::try_quote(word).unwrap_or_default();
    String::from_utf8_lossy(&quoted).into_owned()
}

/// The same of any bytes: `"$(printf '...')"`, where nothing but printable ASCII stands.
fn in_octal(word: &[u8]) -> String {
    let mut text = "\"$(printf '".to_owned();
    for byte in word {
        match byte {
            b'%' => text.push_str("%%"),
            b'\\' | b'\'' => {
                let _ = write!(text, "\\{byte:03o}");
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\{byte:03o}");
            }
        }
    }
    text.push_str("')\"");
    text
}
