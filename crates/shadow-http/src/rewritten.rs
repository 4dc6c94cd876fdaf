//! Messages put together anew from an edited head and body. The head is read again by the parser that reads captured
//! ones, so that what comes of an edit is one whole message of the kind it was, or nothing.

use bytes::Bytes;
use shadow_core::budget::Charge;

use super::body::BodyDecoder;
use super::framing::MessageFields;
use super::head::{HeadReader, RequestLine, StartLine, StatusLine, spans, with_fields};
use super::message::{Framing, HeaderField, Limits, Reject, Request};

/// Most bytes that an edited head may have: those of the largest `--max-head` that makes sense, and room for edits.
const MAX_HEAD: usize = 1 << 20;
/// Most fields of an edited head; `MAX_HEAD` bounds them first.
const MAX_FIELDS: usize = MAX_HEAD / 4;

/// Why an edited message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    /// It is not one whole message whose end its fields name.
    #[error("the edited message is not one valid HTTP message")]
    Invalid,
    /// `--max-memory` has no room for it beside what it was made from.
    #[error("out of memory for the edited message")]
    Memory,
}

/// Where the header fields of a whole head stand in it. `None` when it is not one: a start line, fields, and the empty
/// line that ends `head`.
pub fn head_fields(head: &[u8]) -> Option<Vec<HeaderField>> {
    if head.starts_with(b"HTTP/") {
        read::<StatusLine>(head).map(|(_, headers, _)| headers)
    } else {
        read::<RequestLine>(head).map(|(_, headers, _)| headers)
    }
}

/// The start line of a whole head, and what its fields say.
fn read<L: StartLine>(head: &[u8]) -> Option<(L, Vec<HeaderField>, MessageFields)> {
    let limits = Limits {
        max_head: MAX_HEAD,
        max_body: 0,
        max_headers: MAX_FIELDS,
    };
    let found = HeadReader::<L>::new().read(head, &limits).ok()??;
    if found.length != head.len() || !found.plain {
        return None;
    }
    let (headers, fields) = with_fields(head, &limits, |fields| {
        (spans(head, fields), MessageFields::of(fields))
    })
    .ok()?;
    Some((found.line, headers, fields))
}

/// Whether `body` is a whole body of this framing, and nothing more.
fn is_whole(framing: Framing, body: &[u8]) -> bool {
    let mut decoder = BodyDecoder::new(framing);
    decoder.advance(body) == Ok((body.len(), true))
}

impl Request {
    /// This request with another head or body, seen when and where it was. Its bytes are charged to the same budget on
    /// their own, since either may outlive the other.
    ///
    /// # Errors
    ///
    /// Where they are not one whole request, or the budget has no room.
    pub fn rewritten(&self, head: Vec<u8>, body: Bytes) -> Result<Request, RewriteError> {
        let (line, headers, fields) = read::<RequestLine>(&head).ok_or(RewriteError::Invalid)?;
        let framing = fields
            .request_framing(line.version)
            .map_err(|_| RewriteError::Invalid)?;
        if !is_whole(framing, &body) || head[..line.method_end as usize] != *self.method() {
            return Err(RewriteError::Invalid);
        }
        // Where the pieces of another body would end is not known.
        let is_same = std::ptr::eq(&raw const body[..], &raw const self.body[..]);
        Ok(Request {
            charge: charge(&self.charge, head.len() + body.len())?,
            head: head.into(),
            body,
            method: line.method(),
            target: line.target(),
            version: line.version,
            headers,
            framing,
            first_byte: self.first_byte,
            last_byte: self.last_byte,
            acknowledgment: self.acknowledgment,
            incomplete: self.incomplete,
            pieces: self.pieces.clone().filter(|_| is_same),
        })
    }
}

fn charge(like: &Charge, bytes: usize) -> Result<Charge, RewriteError> {
    let mut charge = like.another();
    if charge.try_grow(bytes) {
        Ok(charge)
    } else {
        Err(RewriteError::Memory)
    }
}

impl From<RewriteError> for Reject {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::Invalid => Self::Malformed,
            RewriteError::Memory => Self::Memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shadow_core::budget::MemoryBudget;

    fn request(raw: &[u8]) -> Box<Request> {
        let limits = Limits {
            max_head: 1 << 16,
            max_body: 1 << 16,
            max_headers: 64,
        };
        crate::whole_request(raw, limits, &MemoryBudget::new(1 << 20)).unwrap()
    }

    #[test]
    fn an_edited_head_is_read_as_a_captured_one() {
        let before = request(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        let head = b"POST /b?c HTTP/1.0\r\nContent-Length: 2\r\nX:  y \r\n\r\n".to_vec();
        let after = before.rewritten(head, before.body.clone()).unwrap();
        assert_eq!((after.method(), after.target()), (&b"POST"[..], &b"/b?c"[..]));
        assert_eq!(after.header("x"), Some(&b"y"[..]));
        assert_eq!(
            (after.framing, after.charge.bytes()),
            (Framing::Length(2), after.head.len() + 2)
        );
    }

    #[test]
    fn what_is_not_one_whole_request_is_refused() {
        let before = request(b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi");
        for head in [
            "POST /a b HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST /a HTTP/1.1\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\nA: b\nc: d\r\n\r\n",
            "GET /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
        ] {
            let refused = before.rewritten(head.as_bytes().to_vec(), before.body.clone());
            assert_eq!(refused.err(), Some(RewriteError::Invalid), "{head:?}");
        }
    }

    #[test]
    fn fields_are_found_in_heads_of_both_sides() {
        assert_eq!(
            head_fields(b"GET / HTTP/1.1\r\nA: b\r\n\r\n").map(|fields| fields.len()),
            Some(1)
        );
        assert_eq!(
            head_fields(b"HTTP/1.1 200 OK\r\n\r\n").map(|fields| fields.len()),
            Some(0)
        );
        assert_eq!(head_fields(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(head_fields(b""), None);
    }
}
