//! An answer of gRPC that had begun when its client left the call: the messages that were whole by then, as an answer that ends there.

use super::reply::{Format, format};
use super::web;

/// Bytes in front of each message (PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
const PREFIX: usize = 5;

/// How the call of a client that left ends at its server, as trailers: nobody sends them, since nobody would read them.
const LEFT: &[u8] = b"grpc-status: 1\r\ngrpc-message: its client left\r\n";

/// The whole messages of an answer, or of the part of one that has come.
#[derive(Debug)]
pub struct Begun {
    /// They, each with its prefix, and maybe a part of a last one.
    data: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Begun {
    /// Reads an answer in the text form that HTTP/2 has here: its head, and as much of its body in chunks as has come. `None` when it is not
    /// gRPC over HTTP/2 in chunks.
    pub fn read(head: &[u8], body: &[u8]) -> Option<Self> {
        let behind = head.iter().position(|byte| *byte == b'\n')? + 1;
        let mut content = None;
        let mut chunked = false;
        for (name, value) in web::fields(&head[behind..]) {
            match &*name {
                "content-type" => content = content.or(Some(value)),
                "transfer-encoding" => chunked |= value.eq_ignore_ascii_case(b"chunked"),
                _ => {}
            }
        }
        let (format, _) = format(content?)?;
        if !chunked || format != Format::Http2 {
            return None;
        }
        let data = data_of(body);
        let (mut ends, mut at) = (Vec::new(), 0_usize);
        while let Some(&[_, a, b, c, d]) = data.get(at..).and_then(<[u8]>::first_chunk::<PREFIX>) {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let end = (at + PREFIX).checked_add(length);
            let Some(end) = end.filter(|end| *end <= data.len()) else {
                break;
            };
            ends.push(end);
            at = end;
        }
        Some(Self { data, ends })
    }

    /// How many messages it has.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The body of an answer with the first so many of them, and the end that the call of a client that left has.
    pub fn body(&self, count: usize) -> Vec<u8> {
        let end = count.checked_sub(1).and_then(|last| self.ends.get(last));
        let data = &self.data[..end.copied().unwrap_or(0)];
        let mut body = Vec::with_capacity(data.len() + LEFT.len() + 32);
        if !data.is_empty() {
            body.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            body.extend_from_slice(data);
            body.extend_from_slice(b"\r\n");
        }
        for part in [&b"0\r\n"[..], LEFT, b"\r\n"] {
            body.extend_from_slice(part);
        }
        body
    }
}

/// The data of chunks, of which the last may be cut off.
fn data_of(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(body.len());
    while let Some(line) = body.iter().position(|byte| *byte == b'\n') {
        let digits = body[..line].trim_ascii();
        let size = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let Some(size @ 1..) = size else { break };
        let rest = &body[line + 1..];
        let end = size.min(rest.len());
        data.extend_from_slice(&rest[..end]);
        let behind = size.saturating_add(2).min(rest.len());
        body = &rest[behind..];
    }
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Code, Reply};

    const HEAD: &[u8] =
        b"HTTP/2.0 200 \r\ncontent-type: application/grpc+proto\r\ntransfer-encoding: chunked\r\n\r\n";

    fn chunk(data: &[u8]) -> Vec<u8> {
        [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
    }

    fn message(text: &str) -> Vec<u8> {
        [&[0, 0, 0, 0, text.len() as u8], text.as_bytes()].concat()
    }

    #[test]
    fn the_messages_that_were_whole_are_an_answer_that_ends_there() {
        let data = [message("one"), message("two"), message("three")].concat();
        // Messages cut anywhere, and the last not whole.
        let body = [chunk(&data[..4]), chunk(&data[4..20])].concat();
        let begun = Begun::read(HEAD, &body).unwrap();
        assert_eq!(begun.count(), 2);
        assert_eq!(
            begun.body(1),
            b"8\r\n\0\0\0\0\x03one\r\n0\r\ngrpc-status: 1\r\ngrpc-message: its client left\r\n\r\n"
        );
        let body = begun.body(2);
        let reply = Reply::read(HEAD, &body).unwrap();
        assert_eq!(reply.messages(100).unwrap(), [&b"one"[..], b"two"]);
        assert_eq!(reply.status.unwrap().code, Code::Cancelled);
        assert_eq!(
            Begun::read(HEAD, &begun.body(9)).unwrap().count(),
            0,
            "there are not so many"
        );
    }

    #[test]
    fn what_is_no_answer_in_chunks_has_not_begun() {
        for head in [
            "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\n\r\n",
            "HTTP/2.0 200 \r\ncontent-type: application/grpc-web\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/2.0 200 \r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n",
            "",
        ] {
            assert!(Begun::read(head.as_bytes(), b"").is_none(), "{head:?}");
        }
    }

    proptest! {
        /// However an answer is cut into chunks and wherever it stops, what is read of it are its first messages.
        #[test]
        fn wherever_an_answer_stops_its_first_messages_are_there(
            texts in prop::collection::vec("[a-z]{0,40}", 0..8),
            sizes in prop::collection::vec(1_usize..30, 1..20),
            stop in 0_usize..400,
        ) {
            let data: Vec<u8> = texts.iter().flat_map(|text| message(text)).collect();
            let (mut body, mut rest, mut sizes) = (Vec::new(), &data[..], sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (one, more) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                body.extend(chunk(one));
                rest = more;
            }
            body.truncate(stop);
            let begun = Begun::read(HEAD, &body).unwrap();
            let count = begun.count();
            prop_assert!(count <= texts.len());
            let whole = begun.body(count);
            let reply = Reply::read(HEAD, &whole).unwrap();
            let messages = reply.messages(10_000).unwrap();
            prop_assert!(messages.iter().zip(&texts).all(|(message, text)| **message == *text.as_bytes()));
            prop_assert_eq!(messages.len(), count);
        }

        /// Any bytes are read without a panic, and what comes of them is an answer.
        #[test]
        fn any_bytes_come_to_an_answer(body: Vec<u8>, count: usize) {
            let begun = Begun::read(HEAD, &body).unwrap();
            prop_assert!(begun.count() <= body.len() / PREFIX);
            prop_assert!(Reply::read(HEAD, &begun.body(count % 64)).is_some());
        }
    }
}
