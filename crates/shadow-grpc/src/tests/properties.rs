//! Messages of any content, written by another hand (`prost-reflect`).

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MapKey, Value};

use super::{both, method};

/// The content of an item: its name, its price, its sizes.
type Item = (String, i64, Vec<u32>);

fn item() -> impl Strategy<Value = Item> {
    ("[a-z]{1,8}", any::<i64>(), vec(any::<u32>(), 0..4))
}

/// The content of a basket.
#[derive(Clone, Debug)]
struct Basket {
    id: String,
    state: i32,
    items: Vec<Item>,
    counts: std::collections::HashMap<String, i32>,
    total: f64,
    mark: Vec<u8>,
}

fn basket() -> impl Strategy<Value = Basket> {
    let counts = hash_map("[a-z]{0,3}", any::<i32>(), 0..4);
    let parts = (
        "\\PC{0,12}",
        0..3_i32,
        vec(item(), 0..4),
        counts,
        any::<f64>(),
        vec(any::<u8>(), 0..12),
    );
    parts.prop_map(|(id, state, items, counts, total, mark)| Basket {
        id,
        state,
        items,
        counts,
        total,
        mark,
    })
}

impl Basket {
    fn encoded(&self) -> Vec<u8> {
        let of = method().output;
        let item_of = of.parent_pool().get_message_by_name("shop.Item").unwrap();
        let items = self.items.iter().map(|(sku, price, sizes)| {
            let mut item = DynamicMessage::new(item_of.clone());
            item.set_field_by_name("sku", Value::String(sku.clone()));
            item.set_field_by_name("price", Value::I64(*price));
            item.set_field_by_name(
                "sizes",
                Value::List(sizes.iter().map(|size| Value::U32(*size)).collect()),
            );
            Value::Message(item)
        });
        let counts = self.counts.iter();
        let counts = counts.map(|(key, value)| (MapKey::String(key.clone()), Value::I32(*value)));
        let mut basket = DynamicMessage::new(of.clone());
        basket.set_field_by_name("id", Value::String(self.id.clone()));
        basket.set_field_by_name("state", Value::EnumNumber(self.state));
        basket.set_field_by_name("items", Value::List(items.collect()));
        basket.set_field_by_name("counts", Value::Map(counts.collect()));
        basket.set_field_by_name("total", Value::F64(self.total));
        basket.set_field_by_name("mark", Value::Bytes(self.mark.clone().into()));
        basket.encode_to_vec()
    }
}

proptest! {
    #[test]
    fn by_names_messages_read_the_same_whenever_they_mean_the_same(basket in basket(), unknown in any::<u32>()) {
        let method = method();
        let (first, again) = (basket.encoded(), basket.encoded());
        // Fields that are new, defaults that are written, and maps in whatever order they are.
        let more = [&first[..], &super::number(2000, u64::from(unknown)), &super::field(1, basket.id.as_bytes())].concat();
        let [a, b] = both(&first, &again, Some(&method));
        let [c, _] = both(&more, b"", Some(&method));
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(a, c);
    }

    #[test]
    fn by_names_messages_read_otherwise_when_they_mean_something_else(a in basket(), b in basket()) {
        let [left, right] = both(&a.encoded(), &b.encoded(), Some(&method()));
        let same = a.id == b.id && a.state == b.state && a.items == b.items && a.counts == b.counts
            && a.total.to_bits() == b.total.to_bits() && a.mark == b.mark;
        prop_assert_eq!(left == right, same || (left == right && a.total.is_nan() && b.total.is_nan()));
    }

    #[test]
    fn by_numbers_equal_bytes_read_equally_and_others_otherwise(
        a in vec(prop_oneof![0..32_u8, any::<u8>()], 0..24),
        b in vec(prop_oneof![0..32_u8, any::<u8>()], 0..24),
    ) {
        let nested = |bytes: &[u8]| [super::field(1, bytes), super::number(2, 3)].concat();
        let [left, right] = both(&nested(&a), &nested(&b), None);
        // The order of fields, and how long a number is written, mean nothing within what can be a message.
        prop_assert!(a != b || left == right);
        if !left.contains("{\"1\":{") {
            prop_assert_eq!(left == right, a == b);
        }
        let [same, again] = both(&nested(&a), &nested(&a), None);
        prop_assert_eq!(same, again);
    }

    #[test]
    fn by_numbers_one_other_price_is_told_at_its_field(items in vec((item(), 1..1_000_000_i64), 1..5), at in any::<prop::sample::Index>()) {
        let items: Vec<Item> = items.into_iter().map(|((sku, _, sizes), price)| (sku, price, sizes)).collect();
        let with = |items: Vec<Item>| Basket {
            id: "b".to_owned(), state: 1, items, counts: std::collections::HashMap::default(), total: 1.5, mark: vec![],
        };
        let mut others = items.clone();
        let at = at.index(others.len());
        others[at].1 += 1_000_000;
        let [a, b] = both(&with(items.clone()).encoded(), &with(others).encoded(), None);
        // They are the same but for that number.
        let price = items[at].1;
        prop_assert_ne!(&a, &b);
        prop_assert_eq!(b.replacen(&format!("\"2\":{}", price + 1_000_000), &format!("\"2\":{price}"), 1), a);
    }
}
