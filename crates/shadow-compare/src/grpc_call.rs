//! Which requests are calls of gRPC, and how they ended: what endpoints, counts and kept pairs need to know.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use shadow_grpc::{Code, Reply, format};

use super::head::{Head, request_line};
use super::routes::GRPC;

/// Where differences of the status of calls are.
pub(super) const STATUS: &str = "grpc-status";
/// The text shown for a status that never came.
pub(super) const LOST: &str = "missing";
/// The number that stands for the first code where status codes are told apart: above all of HTTP's.
const FIRST_CODE: u16 = 1000;

/// Part of the type of every message of gRPC. Made ready once: that takes longer than to look through a head.
static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"/grpc"));

/// Whether a request, or an answer, with this head is one of gRPC.
pub fn is_call(head: &[u8]) -> bool {
    // Nearly all others have not even the word in them.
    WORD.find(head).is_some()
        && Head::new(head)
            .first("content-type")
            .is_some_and(|value| format(value).is_some())
}

/// Method and target of a request as endpoints are made of them: a call of gRPC has [`GRPC`] for its method.
pub fn called(head: &[u8]) -> (&[u8], &[u8]) {
    let (method, target) = request_line(head);
    if method == b"POST" && is_call(head) {
        (GRPC, target)
    } else {
        (method, target)
    }
}

/// The code by which the call ended that an answer, with this status of HTTP, is the answer to.
pub(super) fn code(head: &[u8], body: &[u8], status: u16) -> Option<Code> {
    if status != 200 || !is_call(head) {
        return None;
    }
    let reply = Reply::read(head, body)?;
    Some(reply.status.map_or(Code::Unknown, |status| status.code))
}

/// A number for a status of gRPC by its name, to tell statuses apart.
pub(super) fn code_named(name: &str) -> Option<u16> {
    let is_it = |code: &u16| name_of_code(*code).is_some_and(|known| known == name);
    (FIRST_CODE - 1..FIRST_CODE + 17).find(is_it)
}

/// The name of the status of gRPC that such a number stands for.
pub(super) fn name_of_code(number: u16) -> Option<&'static str> {
    match number.checked_sub(FIRST_CODE) {
        None if number == FIRST_CODE - 1 => Some(LOST),
        Some(code @ 0..17) => Some(Code::of(code.to_string().as_bytes()).name()),
        _ => None,
    }
}

/// The head that says nothing but that a message is of gRPC, and how the call ended, for one that is kept without all else; `None` for one
/// that is none of gRPC.
pub(super) fn ending(head: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let reply = Reply::read(head, body).filter(|_| is_call(head))?;
    let end = memchr::memchr2(b'\r', b'\n', head).unwrap_or(head.len());
    let mut head = [&head[..end], b"\r\ncontent-type: application/grpc\r\n"].concat();
    if let Some(status) = reply.status {
        let sent: String = status.sent.chars().filter(char::is_ascii_graphic).collect();
        head.extend_from_slice(format!("{STATUS}: {sent}\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    Some(head)
}
