//! `GoReplay`'s record format, as `.gor` files and standard output have it.
//!
//! ```text
//! type SP id SP unix-nanoseconds SP latency-nanoseconds LF  payload  LF 🐵🙈🙉 LF
//! ```
//!
//! With the pod that served the request as a fifth field, `NAMESPACE/NAME`, where pods are watched, and its labels as a
//! sixth where they are asked for (`--k8s-pod-labels`); and with `incomplete=REASON` as the last, where what is there of a
//! request is recorded whose rest was lost (`--input-raw-allow-incomplete`). Readers take three fields or more.
//!
//! Type 1 is a request, 2 production's response, 3 the shadow's. The id ([`MessageId`]) is the same for the messages of
//! one exchange. The latency is that of the message itself, from its first to its
//! last segment. Nothing is escaped: a body that contains the separator line ends the record for a reader, as
//! it does with `GoReplay`'s own files.

use std::io::Write;

use crate::http::Reject;
use crate::mirror::plan::PodIdentity;
use crate::mirror::{MessageId, MessageKind};
use crate::time::Timestamp;

/// What ends a record.
const SEPARATOR: &str = "\n🐵🙈🙉\n";
/// Room for the header line: type, id, two 20-digit numbers and white space.
const HEADER: usize = 72;

/// One message to be recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub kind: MessageKind,
    pub id: &'a MessageId,
    pub first_byte: Timestamp,
    pub last_byte: Timestamp,
    /// The pod that served the request, where it is known.
    pub pod: Option<&'a PodIdentity>,
    /// Why the message is not whole, where one that is not is recorded.
    pub incomplete: Option<Reject>,
    /// The payload's parts, one behind the other.
    pub payload: [&'a [u8]; 2],
}

impl Record<'_> {
    /// The record's bytes. `wall_offset`: nanoseconds from the capture source's clock to Unix time.
    pub(super) fn to_bytes(self, wall_offset: u64) -> Vec<u8> {
        let payload: usize = self.payload.iter().map(|part| part.len()).sum();
        let mut out = Vec::with_capacity(HEADER + payload + SEPARATOR.len());
        let kind = match self.kind {
            MessageKind::Request => 1,
            MessageKind::Response => 2,
            MessageKind::Replayed => 3,
        };
        let unix = self.first_byte.0.saturating_add(wall_offset);
        let latency = self.last_byte.since(self.first_byte).as_nanos();
        // Writing to a `Vec` does not fail.
        let _ = write!(out, "{kind} {} {unix} {latency}", self.id);
        if let Some(pod) = self.pod {
            let _ = write!(out, " {}/{}", pod.namespace, pod.name);
            if !pod.tag.is_empty() {
                let _ = write!(out, " {}", pod.tag);
            }
        }
        if let Some(why) = self.incomplete {
            let _ = write!(out, " incomplete={}", why.word());
        }
        out.push(b'\n');
        for part in self.payload {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(SEPARATOR.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::FlowKey;
    use std::net::SocketAddr;

    fn id(client: &str, server: &str, number: u32) -> MessageId {
        let endpoint = |text: &str| text.parse::<SocketAddr>().unwrap().into();
        let key = FlowKey {
            client: endpoint(client),
            server: endpoint(server),
            scope: 0,
        };
        MessageId::captured(&key, number)
    }

    #[test]
    fn a_request_is_written_as_goreplay_writes_it() {
        let record = Record {
            kind: MessageKind::Request,
            id: &id("10.1.2.3:40000", "10.0.0.1:80", 0xdead_beef),
            first_byte: Timestamp(5),
            last_byte: Timestamp(1005),
            pod: None,
            incomplete: None,
            payload: [b"GET / HTTP/1.1\r\n\r\n", b"body"],
        };
        let bytes = record.to_bytes(1_700_000_000_000_000_000);
        let expected = "1 9c4000500a010203deadbeef 1700000000000000005 1000\n\
                        GET / HTTP/1.1\r\n\r\nbody\n🐵🙈🙉\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }

    #[test]
    fn a_request_that_is_not_whole_says_so_in_its_last_field() {
        let record = Record {
            kind: MessageKind::Request,
            id: &id("10.1.2.3:40000", "10.0.0.1:80", 1),
            first_byte: Timestamp(5),
            last_byte: Timestamp(6),
            pod: None,
            incomplete: Some(Reject::Gap),
            payload: [b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", b"x"],
        };
        let expected = "1 9c4000500a01020300000001 5 1 incomplete=gap\n\
                        POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx\n🐵🙈🙉\n";
        assert_eq!(String::from_utf8(record.to_bytes(0)).unwrap(), expected);
    }

    #[test]
    fn an_ipv6_client_is_named_by_its_low_bits_and_the_pod_behind_the_latency() {
        let pod = PodIdentity {
            namespace: "shop".to_owned(),
            name: "web-0".to_owned(),
            tag: "app=web".to_owned(),
            ..PodIdentity::default()
        };
        let record = Record {
            kind: MessageKind::Response,
            id: &id("[2001:db8::102:304]:1", "[2001:db8::1]:65535", 1),
            first_byte: Timestamp(7),
            last_byte: Timestamp(7),
            pod: Some(&pod),
            incomplete: None,
            payload: [b"", b""],
        };
        let expected = "2 0001ffff0102030400000001 7 0 shop/web-0 app=web\n\n🐵🙈🙉\n";
        assert_eq!(String::from_utf8(record.to_bytes(0)).unwrap(), expected);
    }
}
