//! Messages as JSON, from bytes that others' programs wrote: `tests/make.py` says how.

mod properties;
mod replies;
mod values;

use std::borrow::Cow;

use crate::wire::{put_bytes, put_varint};
use crate::{Codec, Descriptors, Fault, Leaf, Method, Side, Texts, replaced, texts};

pub const SHOP: &[u8] = include_bytes!("tests/shop.desc");
const BASKET: &[u8] = include_bytes!("tests/basket.bin");

pub fn method() -> Method {
    let shop = Descriptors::read(SHOP).unwrap();
    shop.method(b"/shop.Catalog/GetBasket").unwrap().clone()
}

/// Both messages as JSON, by descriptors or without.
pub fn both(a: &[u8], b: &[u8], method: Option<&Method>) -> [String; 2] {
    let messages = [&[Cow::Borrowed(a)][..], &[Cow::Borrowed(b)]];
    texts(messages, Codec::Protobuf, method, Side::Answers)
        .texts
        .map(Result::unwrap)
}

fn named(message: &[u8]) -> String {
    let [text, _] = both(message, b"", Some(&method()));
    text
}

fn guessed(a: &[u8], b: &[u8]) -> [String; 2] {
    both(a, b, None)
}

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(number, bytes, &mut out);
    out
}

fn number(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(u64::from(number) << 3, &mut out);
    put_varint(value, &mut out);
    out
}

#[test]
fn a_message_reads_by_its_names() {
    let expected = r#"{
        "id":"550e8400-e29b-41d4-a716-446655440000","state":"PAID",
        "items":[{"sku":"tea","price":750,"sizes":[1,300],"parent":{"sku":"drinks"}},{"sku":"cup","price":-1}],
        "counts":{"a":0,"b":2},"user":"ann","gift":false,"total":10.5,"mark":"/wA=",
        "made":"2026-11-29T23:27:50Z","kept":0.5,"more":{"@type":"type.googleapis.com/shop.BasketRequest","id":"x"},
        "change":-3,"stamp":5,"access_token":"t0p","share":0.1,"best":{"tea":{"price":1}}
    }"#;
    let expected: String = expected.lines().map(str::trim).collect();
    assert_eq!(named(BASKET), expected);
}

#[test]
fn a_message_reads_by_its_numbers() {
    let [text, _] = guessed(BASKET, b"");
    let expected = r#"{
        "1":"550e8400-e29b-41d4-a716-446655440000","2":1,
        "3":[{"1":"tea","2":750,"3":"AawC","4":{"1":"drinks"}},{"1":"cup","2":-1}],
        "4":[{"1":"a","2":0},{"1":"b","2":2}],"5":"ann","7":0,"8":10.5,"9":"/wA=",
        "10":{"1":1795994870},"11":{"2":500000000},"12":{"1":"type.googleapis.com/shop.BasketRequest","2":{"1":"x"}},
        "13":5,"14":5,"15":"t0p","16":0.1,"17":{"1":"tea","2":{"2":1}}
    }"#;
    let expected: String = expected.lines().map(str::trim).collect();
    assert_eq!(text, expected);
}

#[test]
fn what_means_the_same_reads_the_same() {
    let entry = |key: &str, value| field(4, &[field(1, key.as_bytes()), number(2, value)].concat());
    for (a, b) in [
        // Defaults, unknown fields, the order of maps, keys that come twice.
        ([field(1, b""), number(2, 0)].concat(), vec![]),
        ([number(99, 7), field(1, b"x")].concat(), field(1, b"x")),
        (
            [entry("a", 1), entry("b", 2)].concat(),
            [entry("b", 2), entry("a", 1)].concat(),
        ),
        ([entry("a", 1), entry("a", 2)].concat(), entry("a", 2)),
        (entry("a", 0), field(4, &field(1, b"a"))),
        // The last value counts, and of a oneof the last member.
        ([field(1, b"x"), field(1, b"y")].concat(), field(1, b"y")),
        ([field(5, b"ann"), number(6, 7)].concat(), number(6, 7)),
        // Numbers packed or not, and a message in parts.
        (
            field(3, &field(3, b"\x01\x02")),
            field(3, &[number(3, 1), number(3, 2)].concat()),
        ),
        (
            field(12, &[field(1, b"t"), field(2, b"v")].concat()),
            [field(12, &field(1, b"t")), field(12, &field(2, b"v"))].concat(),
        ),
        // The order of fields.
        (
            [field(1, b"x"), number(6, 7)].concat(),
            [number(6, 7), field(1, b"x")].concat(),
        ),
    ] {
        assert_eq!(named(&a), named(&b));
    }
}

#[test]
fn what_is_there_by_itself_is_no_default() {
    assert_eq!(named(&number(7, 0)), r#"{"gift":false}"#);
    assert_eq!(named(&number(6, 0)), r#"{"guest":0}"#);
    assert_eq!(named(&field(10, b"")), r#"{"made":"1970-01-01T00:00:00Z"}"#);
    assert_eq!(named(&field(3, b"")), r#"{"items":[{}]}"#);
    // A negative zero is another number than the default.
    assert_eq!(named(b"\x41\0\0\0\0\0\0\0\x80"), r#"{"total":-0.0}"#);
}

#[test]
fn numbers_beyond_an_enum_and_odd_bytes_are_shown_as_they_are() {
    assert_eq!(named(&number(2, 9)), r#"{"state":"9"}"#);
    assert_eq!(named(&field(1, b"\xff")), r#"{"id":"/w=="}"#);
    assert_eq!(named(b"\x41\0\0\0\0\0\0\xf8\x7f"), r#"{"total":"NaN"}"#);
    // A wire type that the field does not have is an unknown field.
    assert_eq!(named(&number(1, 5)), "{}");
}

#[test]
fn both_sides_have_the_form_that_fits_both() {
    let items = |prices: &[u64]| -> Vec<u8> {
        prices
            .iter()
            .flat_map(|price| field(3, &number(1, *price)))
            .collect()
    };
    // Repeated on one side, so a list on both.
    assert_eq!(
        guessed(&items(&[7]), &items(&[7, 8])),
        [r#"{"3":[{"1":7}]}"#, r#"{"3":[{"1":7},{"1":8}]}"#]
    );
    // Bytes that could be a message are none where the other's could not.
    assert_eq!(
        guessed(&field(1, b"\x08\x01"), &field(1, b"\xff")),
        [r#"{"1":"CAE="}"#, r#"{"1":"/w=="}"#]
    );
    assert_eq!(
        guessed(&field(1, b"\x08\x01"), &field(1, b"")),
        [r#"{"1":{"1":1}}"#, r#"{"1":{}}"#]
    );
    // A floating point number beside bits that are unlikely to be one.
    let fixed = |value: u64| [&b"\x09"[..], &value.to_le_bytes()].concat();
    assert_eq!(
        guessed(&fixed(5), &fixed(5_f64.to_bits())),
        [r#"{"1":5}"#.to_owned(), format!(r#"{{"1":{}}}"#, 5_f64.to_bits())]
    );
    // A number, or text.
    assert_eq!(
        guessed(&number(1, 5), &field(1, b"5")),
        [r#"{"1":"varint 5"}"#, r#"{"1":"NQ=="}"#]
    );
}

#[test]
fn text_is_told_from_messages() {
    for text in ["(1", "2 hi", "\nnext line", "a\tb", "ä", "J"] {
        let [shown, _] = guessed(&field(1, text.as_bytes()), b"");
        assert!(
            shown.starts_with("{\"1\":\"") && !shown.contains('='),
            "{text:?} {shown}"
        );
    }
    let inner = field(1, b"550e8400-e29b-41d4-a716-446655440000");
    assert!(inner.starts_with(b"\n$"));
    assert_eq!(
        guessed(&field(2, &inner), b"")[0],
        r#"{"2":{"1":"550e8400-e29b-41d4-a716-446655440000"}}"#
    );
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let deep = (0..1000).fold(Vec::new(), |inner, _| field(4, &inner));
    let deep = field(3, &deep);
    for text in [named(&deep), guessed(&deep, b"")[0].clone()] {
        assert!(text.matches('{').count() <= 61, "{text}");
    }
    let many = number(2, 1).repeat(1 << 17);
    let one = &[Cow::Borrowed(&many[..])][..];
    let written = |method: Option<&Method>| texts([one, &[]], Codec::Protobuf, method, Side::Answers);
    assert_eq!(written(None).texts[0], Err(Fault::TooMany));
    let packed = field(3, &field(3, &b"\x01".repeat(1 << 18)));
    let one = &[Cow::Borrowed(&packed[..])][..];
    let written = texts([one, &[]], Codec::Protobuf, Some(&method()), Side::Answers);
    assert_eq!(written.texts[0], Err(Fault::TooMany));
}

#[test]
fn a_side_that_is_no_message_is_told() {
    let messages = [
        &[Cow::Borrowed(&b"\x08"[..])][..],
        &[Cow::Borrowed(&b"\x0a\x01x"[..])],
    ];
    let of = |method: Option<&Method>| texts(messages, Codec::Protobuf, method, Side::Answers).texts;
    assert_eq!(
        of(Some(&method())),
        [Err(Fault::Invalid), Ok(r#"{"id":"x"}"#.to_owned())]
    );
    assert_eq!(of(None), [Err(Fault::Invalid), Ok(r#"{"1":"x"}"#.to_owned())]);
}

#[test]
fn several_messages_and_those_of_a_stream_are_a_list() {
    let shop = Descriptors::read(SHOP).unwrap();
    let one: [Cow<[u8]>; 1] = [Cow::Owned(field(1, b"x"))];
    let two = [one[0].clone(), one[0].clone()];
    let of = |messages, path: Option<&[u8]>, side| {
        let method = path.map(|path| shop.method(path).unwrap());
        let Texts { texts, .. } = texts(messages, Codec::Protobuf, method, side);
        texts.map(Result::unwrap)
    };
    assert_eq!(of([&one, &one], None, Side::Answers), [r#"{"1":"x"}"#; 2]);
    assert_eq!(
        of([&one, &two], None, Side::Answers),
        [r#"[{"1":"x"}]"#, r#"[{"1":"x"},{"1":"x"}]"#]
    );
    assert_eq!(of([&one, &[]], None, Side::Answers), [r#"{"1":"x"}"#, ""]);
    let watch = Some(&b"/shop.Catalog/Watch"[..]);
    assert_eq!(of([&one, &[]], watch, Side::Answers), [r#"[{"id":"x"}]"#, "[]"]);
    assert_eq!(of([&one, &one], watch, Side::Requests), [r#"{"id":"x"}"#; 2]);
    let put = Some(&b"/api/shop.Catalog/Put?x=1"[..]);
    assert_eq!(of([&one, &one], put, Side::Requests), [r#"[{"sku":"x"}]"#; 2]);
}

#[test]
fn messages_of_json_are_taken_as_they_are() {
    let one = [Cow::Borrowed(&br#"{"a":1}"#[..])];
    let of = |codec| texts([&one, &one], codec, None, Side::Answers).texts;
    assert_eq!(of(Codec::Json)[0].as_deref(), Ok(r#"{"a":1}"#));
    assert_eq!(of(Codec::Other)[0], Err(Fault::Invalid));
}

#[test]
fn values_are_replaced_where_their_names_say() {
    let method = method();
    let mut asked = Vec::new();
    let hidden = replaced(BASKET, &method.output, &mut |path, leaf| {
        asked.push(path.join("."));
        match leaf {
            Leaf::Bytes(bytes) if path == ["access_token"] => Some([b"hidden-", bytes].concat()),
            Leaf::Number(5) if path == ["stamp"] => Some(b"other".to_vec()),
            Leaf::Number(1) if path == ["best", "tea", "price"] => Some(b"other".to_vec()),
            _ => None,
        }
    });
    let hidden = hidden.unwrap();
    assert!(asked.contains(&"items.parent.sku".to_owned()));
    assert!(asked.contains(&"counts.b".to_owned()));
    let text = named(&hidden);
    assert!(text.contains(r#""access_token":"hidden-t0p""#), "{text}");
    assert!(text.contains(r#""user":"ann","gift":false"#), "{text}");
    assert!(
        !text.contains(r#""stamp":5,"#) && !text.contains(r#""price":1}"#),
        "{text}"
    );
    assert_eq!(replaced(BASKET, &method.output, &mut |_, _| None), None);
    assert_eq!(replaced(b"\x08", &method.output, &mut |_, _| Some(vec![])), None);
}

#[test]
fn descriptors_are_read_with_and_without_what_they_import() {
    use prost_reflect::DescriptorPool;
    let shop = Descriptors::read(SHOP).unwrap();
    assert_eq!(shop.methods(), 4);
    assert!(shop.method(b"/shop.Catalog/Nothing").is_none());
    assert!(shop.method(b"shop").is_none());
    // As `protoc -o` writes it.
    let pool = DescriptorPool::decode(SHOP).unwrap();
    let alone = field(1, &pool.get_file_by_name("shop.proto").unwrap().encode_to_vec());
    assert_eq!(Descriptors::read(&alone).unwrap().methods(), 4);
    let said = |bytes: &[u8]| Descriptors::read(bytes).unwrap_err().to_string();
    assert_eq!(said(b""), "there is no service in it");
    assert!(said(b"syntax = \"proto3\";").starts_with("it is no FileDescriptorSet"));
}

#[test]
fn a_set_that_contradicts_itself_is_an_error() {
    // Found by fuzzing: a file that is not there.
    let set = include_bytes!("../../../fuzz/seeds/grpc_descriptors/contradicting");
    let error = Descriptors::read(set).unwrap_err();
    assert!(
        error.to_string().starts_with("it is no FileDescriptorSet"),
        "{error}"
    );
}
