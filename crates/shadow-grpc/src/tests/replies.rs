//! Answers in the text form of HTTP/2, and of gRPC-Web.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Code, Codec, Format, FrameError, Reply, Unreadable, format};

const HEAD: &str = "HTTP/2.0 200 \r\ncontent-type: application/grpc\r\ntransfer-encoding: chunked\r\n\r\n";

fn chunked(pieces: &[&[u8]], trailers: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
    out
}

fn messages(reply: &Reply<'_>) -> Result<Vec<Vec<u8>>, Unreadable> {
    let messages = reply.messages(1000)?;
    Ok(messages.into_iter().map(std::borrow::Cow::into_owned).collect())
}

#[test]
fn an_answer_has_messages_trailers_and_a_status() {
    let trailers = "grpc-status: 5\r\nGrpc-Message: no%20such\r\nx-node: 7\r\n";
    let body = chunked(&[b"\0\0\0\0\x03a", b"bc\0\0", b"\0\0\0"], trailers);
    let reply = Reply::read(HEAD.as_bytes(), &body).unwrap();
    assert_eq!(messages(&reply).unwrap(), [b"abc".to_vec(), vec![]]);
    let status = reply.status.unwrap();
    assert_eq!((status.code, &*status.message), (Code::NotFound, "no such"));
    assert_eq!(reply.trailers, [("x-node".to_owned(), b"7".to_vec())]);
    assert!(!reply.trailers_only);
}

#[test]
fn an_answer_of_trailers_only_has_its_status_in_its_head() {
    let head = b"HTTP/2.0 200 \r\ncontent-type: application/grpc+proto\r\ngrpc-status: 13\r\n\r\n";
    let reply = Reply::read(head, b"").unwrap();
    assert_eq!(messages(&reply).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(reply.status.unwrap().code, Code::Internal);
    assert!(reply.trailers_only);
}

#[test]
fn an_answer_without_a_status_says_so() {
    let body = chunked(&[b"\0\0\0\0\0"], "");
    assert_eq!(Reply::read(HEAD.as_bytes(), &body).unwrap().status, None);
    let body = b"5\r\n\0\0\0\0\0";
    let reply = Reply::read(HEAD.as_bytes(), body).unwrap();
    assert_eq!((messages(&reply), &reply.status), (Err(Unreadable::Body), &None));
}

#[test]
fn compressed_messages_are_unfolded_within_a_bound() {
    let head = HEAD.replace("transfer", "grpc-encoding: gzip\r\ntransfer");
    let zipped = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        let zipped = gzip.finish().unwrap();
        [&[1], &(zipped.len() as u32).to_be_bytes()[..], &zipped].concat()
    };
    let read = |head: &str, pieces: &[&[u8]]| {
        let body = chunked(pieces, "grpc-status: 0\r\n");
        messages(&Reply::read(head.as_bytes(), &body).unwrap())
    };
    assert_eq!(
        read(&head, &[&zipped(b"abc"), b"\0\0\0\0\x01d"]).unwrap(),
        [b"abc".to_vec(), b"d".to_vec()]
    );
    assert_eq!(read(&head, &[&zipped(&[0; 1001])]), Err(Unreadable::TooLarge));
    assert_eq!(
        read(&head, &[&zipped(&[0; 600]), &zipped(&[0; 600])]),
        Err(Unreadable::TooLarge)
    );
    assert_eq!(read(&head, &[b"\x01\0\0\0\x01a"]), Err(Unreadable::Compression));
    assert_eq!(read(HEAD, &[&zipped(b"abc")]), Err(Unreadable::Compression));
    let other = head.replace("gzip", "snappy");
    assert_eq!(read(&other, &[&zipped(b"abc")]), Err(Unreadable::Compression));
    assert_eq!(read(&other, &[b"\0\0\0\0\x01d"]).unwrap(), [b"d".to_vec()]);
    assert_eq!(
        read(HEAD, &[b"\0\0\0\0"]),
        Err(Unreadable::Frame(FrameError::CutOff))
    );
}

#[test]
fn trailers_of_grpc_web_are_its_last_frame() {
    let body = b"\0\0\0\0\x01a\x80\0\0\0\x1agrpc-status:0\r\nx-node: 7\r\n";
    for (media, body) in [
        ("application/grpc-web+proto", body.to_vec()),
        ("application/grpc-web-text", STANDARD.encode(body).into_bytes()),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n\r\n");
        let reply = Reply::read(head.as_bytes(), &body).unwrap();
        assert_eq!(messages(&reply).unwrap(), [b"a".to_vec()]);
        assert_eq!(reply.status.as_ref().unwrap().code, Code::Ok);
        assert_eq!(reply.trailers, [("x-node".to_owned(), b"7".to_vec())]);
    }
}

#[test]
fn content_types_of_grpc_are_known() {
    for (media, expected) in [
        ("application/grpc", Some((Format::Http2, Codec::Protobuf))),
        (
            "Application/GRPC+Proto; a=b",
            Some((Format::Http2, Codec::Protobuf)),
        ),
        ("application/grpc+json", Some((Format::Http2, Codec::Json))),
        ("application/grpc+thrift", Some((Format::Http2, Codec::Other))),
        ("application/grpc-web", Some((Format::Web, Codec::Protobuf))),
        (
            "application/grpc-web-text+proto",
            Some((Format::WebText, Codec::Protobuf)),
        ),
        ("application/grpcx", None),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(format(media.as_bytes()), expected, "{media}");
    }
    assert!(Reply::read(b"HTTP/1.1 200 OK\r\n\r\n", b"").is_none());
    assert!(Reply::read(b"", b"").is_none());
}

#[test]
fn a_body_is_written_again_in_its_own_way() {
    let trailers = "grpc-status: 0\r\nx-node: 7\r\n";
    let chunked = chunked(&[b"\0\0\0\0\x01a"], trailers);
    let web = b"\0\0\0\0\x01a\x80\0\0\0\x1bgrpc-status: 0\r\nx-node: 7\r\n";
    let head = |media: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {media}\r\n\r\n");
    for (head, body) in [
        (HEAD.to_owned(), chunked),
        (head("application/grpc-web"), web.to_vec()),
        (
            head("application/grpc-web-text"),
            STANDARD.encode(web).into_bytes(),
        ),
    ] {
        let reply = Reply::read(head.as_bytes(), &body).unwrap();
        let again = reply.rewritten(&messages(&reply).unwrap(), reply.sent_trailers());
        assert_eq!(again, body, "{head}");
    }
}
