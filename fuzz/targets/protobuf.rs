//! Messages of any bytes: what is written of them is JSON, the same for equal bytes, and bounded.
//!
//! Two messages, with a line between them, as two sides; and each by descriptors, with all its values replaced.
#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shadow_grpc::{Codec, Descriptors, Method, Side, replaced, shown_as, texts};

static SHOP: LazyLock<Method> = LazyLock::new(|| {
    let shop = include_bytes!("../../crates/shadow-grpc/src/tests/shop.desc");
    let shop = Descriptors::read(shop).unwrap();
    shop.method(b"/shop.Catalog/GetBasket").unwrap().clone()
});

/// The line that stands between the two messages.
const BETWEEN: &[u8] = b"\n====\n";

fn both(a: &[u8], b: &[u8], method: Option<&Method>) -> [Option<String>; 2] {
    let (a, b) = ([Cow::Borrowed(a)], [Cow::Borrowed(b)]);
    let written = texts([&a, &b], Codec::Protobuf, method, Side::Answers);
    for text in written.texts.iter().flatten() {
        // Numbers may be larger than `serde_json` has them as values.
        serde_json::from_str::<&serde_json::value::RawValue>(text).unwrap();
    }
    written.texts.map(Result::ok)
}

fuzz_target!(|data: &[u8]| {
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (a, b) = match at {
        Some(at) => (&data[..at], &data[at + BETWEEN.len()..]),
        None => data.split_at(data.len() / 2),
    };
    for method in [None, Some(&*SHOP)] {
        let [left, right] = both(a, a, method);
        assert_eq!(left, right);
        let [left, _] = both(a, b, method);
        let [_, back] = both(b, a, method);
        assert_eq!(left, back);
    }
    let hidden = replaced(a, &SHOP.output, &mut |_, _| Some(b"other".to_vec()));
    if let Some(hidden) = hidden {
        assert!(shown_as(a, &SHOP.output).is_none() || shown_as(&hidden, &SHOP.output).is_some());
    }
    assert_eq!(replaced(a, &SHOP.output, &mut |_, _| None), None);
});
