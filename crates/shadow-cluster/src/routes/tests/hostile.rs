//! Whatever stands in a route.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_no_route_at_all_is_passed_over() {
    for value in [
        json!(null),
        json!([]),
        json!({"metadata": {}}),
        json!({"metadata": {"name": "a"}, "spec": 1}),
    ] {
        let compiled = compiled(&value);
        assert!(compiled.mirrors.is_empty() && compiled.statuses.is_empty());
    }
}

/// Every place in `value`, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| places(field, &format!("{at}/{name}"), all)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| places(item, &format!("{at}/{index}"), all)),
        _ => {}
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(mirror()),
    ]
}

proptest! {
    /// Whatever stands in a route, it is used or refused, and its status fits the schema.
    #[test]
    fn whatever_a_route_says_it_gets_a_status_that_fits_the_schema(
        changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4),
        with_gateway in any::<bool>(),
    ) {
        let mut route = if with_gateway { gateway(edited_rules()) } else { mesh(edited_rules()) };
        for (index, new) in changes {
            let mut all = Vec::new();
            places(&route, "", &mut all);
            if let Some(place) = route.pointer_mut(&all[index.index(all.len())]) {
                *place = new;
            }
        }
        let compiled = compiled(&route);
        for status in &compiled.statuses {
            let merged = merge_status(route.get("status"), status, "2026-01-02T03:04:05Z");
            if let Some(status) = merged {
                for entry in status["parents"].as_array().unwrap() {
                    let conditions = entry["conditions"].as_array().unwrap();
                    prop_assert_eq!(conditions.len(), 2);
                    prop_assert!(conditions.iter().all(|condition| condition["message"].as_str().unwrap().len() < 32_768));
                }
            }
        }
        let accepted = |status: &RouteStatus| status.parents.iter().any(|parent| parent.conditions[0].status);
        prop_assert!(compiled.mirrors.is_empty() || compiled.statuses.iter().all(accepted));
    }
}
