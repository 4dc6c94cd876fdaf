//! Values of messages of any bytes, found and replaced: what is found can be replaced, others stand there then, and without others
//! nothing changes.
//!
//! The first byte says how long the value is that is looked for, which comes next; the rest is the message.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shadow_grpc::{Descriptors, Method, values, with_values};

static SHOP: LazyLock<Method> = LazyLock::new(|| {
    let shop = include_bytes!("../../crates/shadow-grpc/src/tests/shop.desc");
    let shop = Descriptors::read(shop).unwrap();
    shop.method(b"/shop.Catalog/GetBasket").unwrap().clone()
});

/// The text in place of a value: longer than most, so that lengths grow.
const NEW: [u8; 130] = [b'~'; 130];

fuzz_target!(|data: &[u8]| {
    let Some((&length, rest)) = data.split_first() else {
        return;
    };
    let (old, message) = rest.split_at(usize::from(length % 64).min(rest.len()));
    assert_eq!(with_values(message, &[]).as_deref(), Some(message));
    for of in [None, Some(&SHOP.output)] {
        let mut places = Vec::new();
        values(message, of, |place| {
            let is_wanted = !old.is_empty() && message[place.clone()] == *old;
            if is_wanted {
                places.push((place, NEW.to_vec()));
            }
            is_wanted
        });
        let out = with_values(message, &places).expect("what was found is there");
        let there = out.windows(NEW.len()).filter(|window| **window == NEW).count();
        assert!(there >= places.len());
        // Each value and each length around it takes more room, and nothing else does.
        assert!(out.len() <= message.len() + places.len() * (NEW.len() + 60 * 2));
    }
});
