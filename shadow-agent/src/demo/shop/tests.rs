//! The two releases beside each other, on the very requests of the load.

use std::collections::BTreeSet;

use flate2::read::GzDecoder;

use super::super::requests::DemoRequest;
use super::*;

/// The answers to request `number` of the load: of production, and of a release with `faults`.
fn both(number: u64, faults: &Faults, seeds: [u64; 2]) -> (String, [Page; 2]) {
    let wanted = DemoRequest::new(number);
    let (method, uri) = (wanted.method.parse().unwrap(), wanted.target().parse().unwrap());
    let mut headers = HeaderMap::new();
    if wanted.takes_gzip() {
        headers.insert(ACCEPT_ENCODING, "gzip".parse().unwrap());
    }
    let asked = Asked {
        method: &method,
        uri: &uri,
        headers: &headers,
        body: &wanted.body(),
    };
    let pages = [(&Faults::none(), seeds[0]), (faults, seeds[1])]
        .map(|(faults, seed)| page(&asked, faults, &mut Noise::seeded(seed)));
    let first = uri.path().split('/').nth(1).unwrap();
    (format!("{method} {first}"), pages)
}

/// A body as JSON, decoded.
fn json(page: &Page) -> Option<Value> {
    let coded = page.headers.iter().any(|(name, _)| name == CONTENT_ENCODING);
    if coded {
        return serde_json::from_reader(GzDecoder::new(&page.body[..])).ok();
    }
    serde_json::from_slice(&page.body).ok()
}

/// Where two JSON values differ.
fn different(path: &str, one: &Value, other: &Value, found: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            assert!(one.keys().eq(other.keys()), "{path}");
            for (name, value) in one {
                different(&format!("{path}.{name}"), value, &other[name], found);
            }
        }
        (one, other) if one != other => {
            found.insert(path.to_owned());
        }
        _ => {}
    }
}

/// All that differs in the first 10,000 requests with the same noise on both sides, and in how many.
fn planted(faults: &str) -> Vec<(String, usize)> {
    let faults = faults.parse().unwrap();
    let mut all = std::collections::BTreeMap::new();
    for number in 0..10_000 {
        let (name, [production, next]) = both(number, &faults, [number, number]);
        let mut found = BTreeSet::new();
        if production.status != next.status {
            found.insert(format!(
                "{} -> {}",
                production.status.as_u16(),
                next.status.as_u16()
            ));
        } else if !name.starts_with("HEAD") && production.body != next.body {
            match (json(&production), json(&next)) {
                (Some(one), Some(other)) => different("$", &one, &other, &mut found),
                _ => {
                    found.insert("broken".to_owned());
                }
            }
        }
        if production.status == next.status && production.headers != next.headers {
            assert_eq!(next.headers.len() + 1, production.headers.len());
            let lost = production
                .headers
                .iter()
                .filter(|field| !next.headers.contains(field));
            found.extend(lost.map(|(name, _)| format!("without {name}")));
        }
        if production.delay != next.delay {
            found.insert(format!("{:?} later", next.delay));
        }
        if next.closes_after.is_some() {
            found.insert("closes".to_owned());
        }
        for what in found {
            *all.entry(format!("{name}: {what}")).or_default() += 1;
        }
    }
    all.into_iter().collect()
}

#[test]
fn without_faults_both_releases_answer_alike_but_for_noise() {
    assert_eq!(planted("none"), []);
    let mut noisy = BTreeSet::new();
    for number in 0..1000 {
        let (_, [production, next]) = both(number, &Faults::none(), [number, number + 1]);
        assert_eq!(production.status, next.status);
        let stable = |page: &Page| -> Vec<String> {
            let fields = page.headers.iter().filter(|(name, value)| {
                *name != REQUEST_ID && !value.starts_with("session=") && !value.starts_with("/orders/")
            });
            fields.map(|(name, value)| format!("{name}: {value}")).collect()
        };
        assert_eq!(stable(&production), stable(&next));
        assert_ne!(production.headers, next.headers, "no answer is without noise");
        if let (Some(one), Some(other)) = (json(&production), json(&next)) {
            different("$", &one, &other, &mut noisy);
        }
    }
    assert_eq!(
        noisy.into_iter().collect::<Vec<_>>(),
        [
            "$.interests",
            "$.meta.nonce",
            "$.meta.request_id",
            "$.order.id",
            "$.related",
            "$.suggestions"
        ]
    );
}

#[test]
fn each_fault_changes_what_it_says_and_nothing_else() {
    let each: Vec<_> = Fault::ALL
        .iter()
        .flat_map(|fault| planted(fault.name()))
        .collect();
    let found: Vec<_> = each.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(
        found,
        [
            ("GET products: $.price.amount", 34),
            ("POST orders: 201 -> 500", 152),
            ("GET reports: without cache-control", 1000),
            ("GET search: 50ms later", 2000),
            ("GET users: $.addresses", 1000),
            ("GET reports: broken", 126),
            ("PUT pictures: closes", 56),
        ]
    );
    let (mut each, mut together) = (each, planted("all"));
    each.sort();
    together.sort();
    assert_eq!(together, each);
}

#[test]
fn what_is_not_known_is_not_there() {
    let (method, headers) = (Method::GET, HeaderMap::new());
    for uri in ["/", "/products", "/products/1/2", "/orders"] {
        let asked = Asked {
            method: &method,
            uri: &uri.parse().unwrap(),
            headers: &headers,
            body: b"",
        };
        let answer = page(&asked, &Faults::all(), &mut Noise::seeded(1));
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{uri}");
    }
}
