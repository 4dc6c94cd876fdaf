//! Bodies by their type, as they read.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use super::{answer, compared, differences, json, question};
use crate::{CompareContext, Rules, compare};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// In chunks of `size` bytes.
pub fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        write!(out, "{:x}\r\n", chunk.len()).unwrap();
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

fn typed(media: &str, production: &str, shadow: &str) -> Vec<String> {
    let fields = format!("Content-Type: {media}");
    differences(
        &answer("200 OK", &fields, production),
        &answer("200 OK", &fields, shadow),
    )
}

#[test]
fn codings_and_chunks_are_undone_first() {
    let plain = json("{\"a\":1}");
    let coded = answer(
        "200 OK",
        "Content-Type: application/json\nContent-Encoding: gzip\nTransfer-Encoding: chunked",
        chunked(&gzip(b"{\"a\":1}"), 3),
    );
    assert_eq!(differences(&plain, &coded), [""; 0]);
    assert_eq!(differences(&json("{\"a\":2}"), &coded), ["$.a value: 2 -> 1"]);
}

#[test]
fn the_same_bytes_in_another_framing_are_another_body() {
    let body = "2\r\nab\r\n0\r\n\r\n";
    let plain = answer("200 OK", "Content-Type: text/plain", body);
    let chunked = answer(
        "200 OK",
        "Content-Type: text/plain\nTransfer-Encoding: chunked",
        body,
    );
    assert_eq!(
        differences(&plain, &chunked),
        ["text missing: 2\r -> nothing", "text['ab'] value: ab\r -> ab"]
    );
}

#[test]
fn documents_in_a_row_are_read_one_by_one() {
    assert_eq!(
        differences(&json("{\"a\":1}\n{\"a\":2}\n"), &json("{\"a\":1}\n{\"a\":3}\n")),
        ["$[*].a value: 2 -> 3"]
    );
    // No reader of one takes the other.
    assert_eq!(
        differences(&json("{\"a\":1}"), &json("{\"a\":1}{\"a\":1}")),
        ["$ type: {\"a\":1} -> [{\"a\":1},{\"a\":1}]"]
    );
    assert_eq!(
        differences(&json("{\"a\":1}"), &json("{\"a\":1}{")),
        ["$ unreadable: {\"a\":1} -> {\"a\":1}{"]
    );
}

#[test]
fn a_body_that_cannot_be_decoded_is_unreadable() {
    let fields = "Content-Type: application/json\nContent-Encoding: gzip";
    let whole = gzip(b"{\"a\":1}");
    let cut = answer("200 OK", fields, &whole[..12]);
    let compared = compared(&answer("200 OK", fields, whole), &cut);
    assert_eq!(compared.differences.len(), 1);
    assert_eq!(compared.differences[0].path, "body");
    assert_eq!(compared.differences[0].kind.name(), "unreadable");
}

#[test]
fn an_unknown_coding_is_compared_as_it_was_sent() {
    let with = |fields: &str, body: &[u8]| {
        answer(
            "200 OK",
            &format!("Content-Type: text/plain\nContent-Encoding: {fields}"),
            body,
        )
    };
    let chunked = with("x-own\nTransfer-Encoding: chunked", &chunked(b"abc", 2));
    assert_eq!(differences(&with("x-own", b"abc"), &chunked), [""; 0]);
    assert_eq!(
        differences(&with("x-own", b"xyz"), &chunked),
        ["body value: xyz -> abc"]
    );
    assert_eq!(
        differences(&with("x-other", b"abc"), &chunked),
        ["body value: abc -> abc"]
    );
}

#[test]
fn what_unfolds_beyond_the_bound_is_compared_as_it_was_sent() {
    let fields = "Content-Type: text/plain\nContent-Encoding: gzip";
    let bomb = |byte| answer("200 OK", fields, gzip(&vec![byte; 9 << 20]));
    assert_eq!(differences(&bomb(b'a'), &bomb(b'a')), [""; 0]);
    let compared = compared(&bomb(b'a'), &bomb(b'b'));
    assert_eq!(compared.differences[0].path, "body");
}

#[test]
fn a_body_beyond_the_structured_bound_is_equal_or_not() {
    let rules = Rules::default().with_max_structured(10);
    let compared = compare(
        &question("GET /"),
        &json("{\"aaaaaa\":1}"),
        &json("{\"aaaaaa\":2}"),
        &rules,
    );
    assert_eq!(
        super::lines(&compared),
        ["body value: {\"aaaaaa\":1} -> {\"aaaaaa\":2}"]
    );
}

#[test]
fn answers_without_a_body_by_definition_have_none() {
    let with = |status, body| answer(status, "Content-Type: text/plain", body);
    for status in ["204 No Content", "304 Not Modified"] {
        assert_eq!(differences(&with(status, "a"), &with(status, "b")), [""; 0]);
    }
    let compared = compare(
        &CompareContext {
            method: b"HEAD",
            ..question("HEAD /")
        },
        &with("200 OK", "a"),
        &with("200 OK", "b"),
        &Rules::default(),
    );
    assert!(compared.is_equal());
}

#[test]
fn an_empty_body_is_missing() {
    assert_eq!(
        differences(&json("{\"a\":1}"), &json("")),
        ["$ missing: {\"a\":1} -> nothing"]
    );
    assert_eq!(
        differences(&json(""), &json("{\"a\":1}")),
        ["$ extra: nothing -> {\"a\":1}"]
    );
}

#[test]
fn text_is_compared_by_lines() {
    assert_eq!(typed("text/plain", "a\nb\nc", "a\nx\nc"), ["text value: b -> x"]);
    assert_eq!(
        typed("text/plain", "a\nb\nc", "a\nc"),
        ["text missing: b -> nothing"]
    );
    assert_eq!(typed("text/css", "a\r\n", "a\n"), ["text['a'] value: a\r -> a"]);
}

#[test]
fn what_changes_in_a_line_is_named_by_the_words_before_it() {
    let text =
        |took: &str, total: &str| format!("hello\ntook {took} ms\ntotal {total} EUR\n{took} rows\n{took}\n");
    assert_eq!(
        typed("text/plain", &text("12", "10.00"), &text("15", "12.00")),
        [
            "text['took'] value: 12 -> 15",
            "text['total'] value: 10.00 -> 12.00",
            "text['* rows'] value: 12 -> 15",
            "text value: 12 -> 15",
        ]
    );
    let metrics = |up: &str, down: &str| format!("# HELP\nup{{pod=\"a\"}} {up}\ndown_total {down}\n");
    assert_eq!(
        typed(
            "text/plain",
            &metrics("1", "7"),
            &format!("new 1\n{}", metrics("2", "7"))
        ),
        ["text extra: nothing -> new 1", "text['pod a'] value: 1 -> 2"]
    );
    assert_eq!(
        typed(
            "text/plain",
            "x\nstatus: all is well\n",
            "x\nstatus: all is lost, sorry\n"
        ),
        ["text['all is'] value: well -> lost, sorry"]
    );
    assert_eq!(
        typed(
            "text/event-stream",
            "event: a\ndata: {\"n\":1}\n\n",
            "event: a\ndata: {\"n\":2}\n\n"
        ),
        ["text['data n'] value: 1 -> 2"]
    );
}

#[test]
fn boundaries_of_parts_are_each_servers_own() {
    let ranges = |boundary: &str, part: &str| {
        let body = format!("--{boundary}\r\nContent-Range: bytes 0-1/9\r\n\r\n{part}\r\n--{boundary}--\r\n");
        let fields = format!("Content-Type: multipart/byteranges; boundary={boundary}");
        answer("206 Partial Content", &fields, body)
    };
    assert_eq!(
        differences(&ranges("00001", "ab"), &ranges("3d6b6a416f9b5", "ab")),
        [""; 0]
    );
    assert_eq!(
        differences(&ranges("00001", "ab"), &ranges("3d6b6a416f9b5", "xy")),
        ["text value: ab\r -> xy\r"]
    );
}

#[test]
fn a_line_that_is_new_hides_no_other() {
    assert_eq!(
        typed("text/plain", "a 1\nb 1\nc 1\nd 1", "x\na 1\nb 2\nd 1"),
        [
            "text extra: nothing -> x",
            "text['b'] value: 1 -> 2",
            "text missing: c 1 -> nothing"
        ]
    );
}

#[test]
fn forms_are_compared_by_name() {
    let form = "application/x-www-form-urlencoded";
    assert_eq!(typed(form, "a=1&b=x+y", "b=x%20y&a=1"), [""; 0]);
    assert_eq!(
        typed(form, "a=1&b=2&b=3", "a=2&b=3&b=2&c"),
        [
            "form.a value: 1 -> 2",
            "form.b value: 2, 3 -> 3, 2",
            "form.c extra: nothing -> "
        ]
    );
}

#[test]
fn white_space_between_tags_means_nothing() {
    assert_eq!(
        typed("application/xml", "<a><b>x</b></a>", "<a>\n  <b>x</b>\n</a>\n"),
        [""; 0]
    );
    assert_eq!(
        typed("image/svg+xml", "<a><b>x</b></a>", "<a><b>y</b></a>"),
        ["xml a > b value: x -> y"]
    );
    assert_eq!(
        typed("text/xml", "<a><b/></a>", "<a></a>"),
        ["xml a > b missing: <b></b> -> nothing"]
    );
}

#[test]
fn character_sets_are_undone() {
    let latin = answer(
        "200 OK",
        "Content-Type: application/json; charset=ISO-8859-1",
        &b"{\"a\":\"\xe9\"}"[..],
    );
    let utf8 = answer(
        "200 OK",
        "Content-Type: application/json; charset=ISO-8859-1",
        "{\"a\":\"e\"}",
    );
    assert_eq!(differences(&latin, &utf8), ["$.a value: \"é\" -> \"e\""]);
    assert_eq!(
        differences(&json("\u{feff}{\"a\":1}"), &json("{\"a\":1}")),
        [""; 0]
    );
}

#[test]
fn bytes_that_are_no_text_are_equal_or_not() {
    let image = |body: &[u8]| answer("200 OK", "Content-Type: image/png", body);
    assert_eq!(
        differences(&image(b"\x89a\xff"), &image(b"\x89a")),
        ["body length: 3 -> 2"]
    );
    assert_eq!(
        differences(&image(b"\xffa"), &image(b"\xffb")),
        ["body value: \u{fffd}a -> \u{fffd}b"]
    );
}
