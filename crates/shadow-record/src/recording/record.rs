//! One message in `GoReplay`'s record format:
//!
//! ```text
//! type SP id SP unix-nanoseconds SP latency-nanoseconds [SP pod [SP labels]] [SP masks] LF payload LF 🐵🙈🙉 LF
//! ```
//!
//! Type 1 is a request, 2 production's response, 3 the shadow's. The id ([`MessageId`]) is the same for the messages of
//! one exchange. The latency is that of the message itself, from its first to its last byte. The pod that served the
//! request is `NAMESPACE/NAME`, where pods are watched; its labels follow where they are asked for (`--k8s-pod-labels`).
//! Readers take three fields or more.
//!
//! **A payload that holds the separator line.** The format has no escape: a reader ends the record there, and would take
//! what follows, which a client has chosen, for another record. So the last letter of each such line is exchanged for
//! its neighbour (🙉 becomes 🙊: as long, and as valid), and the last field says where: `!OFFSET,OFFSET`, in bytes of
//! the payload. This program's reader puts them back; for `GoReplay`'s the record is whole and its length is right.
//! The same is done with lines that an editor makes one of: those that end in CRLF, which readers of files that were turned to
//! it take, and those with white space at the end, which many editors take off.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shadow_mirror::plan::PodIdentity;
use shadow_mirror::{Exchange, ExchangeResponse, MessageId, MessageKind};

/// Separator after a record.
pub const SEPARATOR: &[u8] = "\n🐵🙈🙉\n".as_bytes();
/// The line of it that no payload may hold.
pub(super) const LINE: &[u8] = "🐵🙈🙉\n".as_bytes();
/// Offset in [`LINE`] of the byte that is exchanged.
pub(super) const MASKED_AT: usize = LINE.len() - 2;
/// That byte: the last of 🙉.
pub(super) const UNMASKED: u8 = 0x89;
/// Byte put in its place: the last of 🙊.
pub(super) const MASK: u8 = 0x8a;
/// Room for a header line without a pod.
pub(super) const HEADER: usize = 72;

/// One message that is or was recorded.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its kind.
    pub kind: MessageKind,
    /// Its name.
    pub id: MessageId,
    /// When its first byte was seen: nanoseconds of Unix time.
    pub unix: u64,
    /// From its first byte to its last, in nanoseconds.
    pub latency: u64,
    /// The pod that served the request, where it is known.
    pub pod: Option<Arc<PodIdentity>>,
    /// Start line and header section, with the empty line. What has none is head as a whole.
    pub head: Bytes,
    /// Body, as on the wire.
    pub body: Bytes,
}

impl Record {
    /// A request as it was seen. `wall_offset`: nanoseconds from the clock of its source to Unix time.
    pub fn of_request(exchange: &Exchange, wall_offset: u64) -> Self {
        let request = &exchange.request;
        Self {
            kind: MessageKind::Request,
            id: exchange.id.clone(),
            unix: request.first_byte.0.saturating_add(wall_offset),
            latency: nanoseconds(request.last_byte.since(request.first_byte)),
            pod: exchange.pod.clone(),
            head: request.head.clone(),
            body: request.body.clone(),
        }
    }

    /// A response as it was seen.
    pub fn of_response(response: &ExchangeResponse<'_>, wall_offset: u64) -> Self {
        Self {
            kind: response.kind,
            id: response.id.clone(),
            unix: response.first_byte.0.saturating_add(wall_offset),
            latency: nanoseconds(response.last_byte.since(response.first_byte)),
            pod: None,
            head: response.head.clone(),
            body: response.body.clone(),
        }
    }

    /// Head and body as one.
    pub fn payload(&self) -> Bytes {
        if self.body.is_empty() {
            self.head.clone()
        } else {
            [&self.head[..], &self.body[..]].concat().into()
        }
    }

    /// About the bytes that it takes, in memory and written.
    pub fn size(&self) -> usize {
        HEADER + self.head.len() + self.body.len() + SEPARATOR.len()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The number that stands for a kind.
fn number(kind: MessageKind) -> u8 {
    match kind {
        MessageKind::Request => 1,
        MessageKind::Response => 2,
        MessageKind::Replayed => 3,
    }
}

/// Adds a record to `out`.
pub fn write_gor(record: &Record, out: &mut Vec<u8>) {
    write_gor_message(record, out);
    out.extend_from_slice(SEPARATOR);
}

/// Adds a record without its separator to `out`, for whoever keeps records apart by other means.
pub fn write_gor_message(record: &Record, out: &mut Vec<u8>) {
    out.reserve(record.size());
    let masks = masks(&record.head, &record.body);
    // Writing to a `Vec` does not fail.
    let _ = write!(
        out,
        "{} {} {} {}",
        number(record.kind),
        record.id,
        record.unix,
        record.latency
    );
    if let Some(pod) = &record.pod {
        let _ = write!(out, " {}/{}", pod.namespace, pod.name);
        if !pod.tag.is_empty() {
            let _ = write!(out, " {}", pod.tag);
        }
    }
    for (index, offset) in masks.iter().enumerate() {
        let _ = write!(out, "{}{offset}", if index == 0 { " !" } else { "," });
    }
    out.push(b'\n');
    let start = out.len();
    out.extend_from_slice(&record.head);
    out.extend_from_slice(&record.body);
    for offset in masks {
        out[start + offset] = MASK;
    }
}

/// Offsets in a payload of the bytes that must be exchanged so that no line of it is the separator's. Its end is the
/// end of a line: the separator begins with one.
fn masks(head: &[u8], body: &[u8]) -> Vec<usize> {
    let word = &LINE[..LINE.len() - 1];
    // Most payloads have no such word in them, and one search tells; it may lie across head and body.
    let joined;
    let payload = if body.is_empty() {
        head
    } else if head.ends_with(b"\r\n") || head.is_empty() {
        // Then it cannot.
        return of_part(head, word, 0, false)
            .chain(of_part(body, word, head.len(), true))
            .collect();
    } else {
        joined = [head, body].concat();
        &joined
    };
    of_part(payload, word, 0, true).collect()
}

/// Those of one part, which begins a line; `base` is where it stands in the payload.
fn of_part<'a>(
    part: &'a [u8],
    word: &'a [u8],
    base: usize,
    is_last: bool,
) -> impl Iterator<Item = usize> + 'a {
    memchr::memmem::find_iter(part, word)
        .filter(move |at| *at == 0 || part[at - 1] == b'\n')
        .filter(move |at| {
            let rest = &part[at + word.len()..];
            let end = memchr::memchr(b'\n', rest);
            (end.is_some() || is_last) && rest[..end.unwrap_or(rest.len())].trim_ascii().is_empty()
        })
        .map(move |at| base + at + MASKED_AT)
}

/// Bytes to write after `tail`, the end of a file of records, so that the next record begins a line of its own:
/// nothing behind a whole record, and the rest of a separator behind one that was cut off. `tail` may be as short as
/// [`SEPARATOR`] and must be longer only where the file is.
pub fn torn_end(tail: &[u8]) -> &'static [u8] {
    if tail.is_empty() || tail.ends_with(SEPARATOR) {
        return b"";
    }
    let begun = (1..SEPARATOR.len())
        .rev()
        .find(|length| tail.ends_with(&SEPARATOR[..*length]));
    &SEPARATOR[begun.unwrap_or(0)..]
}

#[cfg(test)]
pub(super) mod tests {
    use shadow_tcp::FlowKey;

    use super::*;
    use std::net::SocketAddr;

    pub fn id(client: &str, server: &str, number: u32) -> MessageId {
        let endpoint = |text: &str| text.parse::<SocketAddr>().unwrap().into();
        let key = FlowKey {
            client: endpoint(client),
            server: endpoint(server),
            scope: 0,
        };
        MessageId::captured(&key, number)
    }

    pub fn record(head: &'static [u8], body: &'static [u8]) -> Record {
        Record {
            kind: MessageKind::Request,
            id: id("10.1.2.3:40000", "10.0.0.1:80", 0xdead_beef),
            unix: 1_700_000_000_000_000_005,
            latency: 1000,
            pod: None,
            head: Bytes::from_static(head),
            body: Bytes::from_static(body),
        }
    }

    fn written(record: &Record) -> String {
        let mut out = Vec::new();
        write_gor(record, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_request_is_written_as_goreplay_writes_it() {
        let expected = "1 9c4000500a010203deadbeef 1700000000000000005 1000\n\
                        GET / HTTP/1.1\r\n\r\nbody\n🐵🙈🙉\n";
        assert_eq!(written(&record(b"GET / HTTP/1.1\r\n\r\n", b"body")), expected);
    }

    #[test]
    fn an_ipv6_client_is_named_by_its_low_bits() {
        let pod = PodIdentity {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            tag: "app=web".to_owned(),
            ..PodIdentity::default()
        };
        let record = Record {
            kind: MessageKind::Response,
            id: id("[2001:db8::102:304]:1", "[2001:db8::1]:65535", 1),
            unix: 7,
            latency: 0,
            pod: Some(Arc::new(pod)),
            head: Bytes::new(),
            body: Bytes::new(),
        };
        let expected = "2 0001ffff0102030400000001 7 0 shop/web-0 app=web\n\n🐵🙈🙉\n";
        assert_eq!(written(&record), expected);
    }

    #[test]
    fn a_separator_line_in_a_payload_is_masked_wherever_it_stands() {
        let header = "1 9c4000500a010203deadbeef 1700000000000000005 1000";
        for (head, body, masks, shown) in [
            (
                "P\r\n\r\n",
                "🐵🙈🙉\n1 evil 1\n",
                " !16",
                "P\r\n\r\n🐵🙈🙊\n1 evil 1\n",
            ),
            ("P\r\n\r\n", "a\n🐵🙈🙉", " !18", "P\r\n\r\na\n🐵🙈🙊"),
            (
                "P\r\n\r\n",
                "🐵🙈🙉\n🐵🙈🙉\n",
                " !16,29",
                "P\r\n\r\n🐵🙈🙊\n🐵🙈🙊\n",
            ),
            (
                "P\r\n\r\n",
                "a🐵🙈🙉\n🐵🙈🙉b\n",
                "",
                "P\r\n\r\na🐵🙈🙉\n🐵🙈🙉b\n",
            ),
            (
                "P\r\n\r\n",
                "🐵🙈🙉\r\n🐵🙈🙉 \t\n🐵🙈🙉 \r",
                " !16,30,45",
                "P\r\n\r\n🐵🙈🙊\r\n🐵🙈🙊 \t\n🐵🙈🙊 \r",
            ),
            ("P\r\n🐵🙈🙉 \r\n\r\n", "x", " !14", "P\r\n🐵🙈🙊 \r\n\r\nx"),
            ("P\r\n\r\n", "🐵🙈🙉 x\n", "", "P\r\n\r\n🐵🙈🙉 x\n"),
            ("🐵🙈🙉", "\nx", " !11", "🐵🙈🙊\nx"),
            ("🐵🙈🙉", "", " !11", "🐵🙈🙊"),
            ("", "🐵🙈🙉", " !11", "🐵🙈🙊"),
        ] {
            let record = record(head.as_bytes(), body.as_bytes());
            let expected = format!("{header}{masks}\n{shown}\n🐵🙈🙉\n");
            assert_eq!(written(&record), expected, "{head:?} {body:?}");
        }
    }

    #[test]
    fn behind_a_torn_tail_the_next_record_begins_a_line_of_its_own() {
        let whole = "1 a 1 1\nGET\n🐵🙈🙉\n".as_bytes();
        assert_eq!(torn_end(b""), b"");
        assert_eq!(torn_end(whole), b"");
        for length in 1..whole.len() {
            let mended = [&whole[..length], torn_end(&whole[..length])].concat();
            assert!(mended.ends_with(SEPARATOR), "{length}");
            assert!(
                mended.len() <= whole.len().max(length + SEPARATOR.len()),
                "{length}"
            );
        }
    }
}
