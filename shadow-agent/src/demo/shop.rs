//! The demo's shop: what it answers to a request, as production and as the next release with its planted faults.
//!
//! What is not noise depends on the request alone, so that both releases answer alike where no fault was planted, and the
//! same requests meet the same faults in every run.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, LOCATION,
    SET_COOKIE, VARY,
};
use hyper::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::faults::{Fault, Faults};
use super::noise::Noise;

/// How much longer the next release searches.
pub(super) const SLOWER: Duration = Duration::from_millis(50);
/// The least quantity that the next release cannot take.
pub(super) const LARGE: u64 = 10;
/// The header that names an answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request, read to its end.
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// Status.
    pub status: StatusCode,
    /// Header fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Body.
    pub body: Bytes,
    /// How long it takes.
    pub delay: Duration,
    /// The connection closes when this much of the body was sent.
    pub closes_after: Option<usize>,
}

/// Response to a request.
pub fn page(asked: &Asked<'_>, faults: &Faults, noise: &mut Noise) -> Page {
    let request_id = noise.uuid();
    let mut page = route(asked, faults, noise, &request_id);
    page.headers.push((REQUEST_ID, request_id));
    page
}

fn route(asked: &Asked<'_>, faults: &Faults, noise: &mut Noise, request_id: &str) -> Page {
    let path: Vec<_> = asked.uri.path().trim_start_matches('/').split('/').collect();
    let meta = noise.meta(request_id);
    match (asked.method.as_str(), &path[..]) {
        ("GET" | "HEAD", ["products", id]) => product(id, faults, noise, &meta),
        ("GET", ["search"]) => search(asked, faults, noise, &meta),
        ("POST", ["orders"]) => order(asked.body, faults, noise, &meta),
        ("OPTIONS", ["orders"]) => Page::empty(StatusCode::NO_CONTENT).with(ALLOW, "OPTIONS, POST"),
        ("GET", ["users", id, "profile"]) => profile(id, faults, noise, &meta),
        ("GET", ["reports", date]) => report(date, faults, &meta),
        ("PUT", ["pictures", id]) => picture(id, asked.body, faults, &meta),
        _ => Page::json(
            StatusCode::NOT_FOUND,
            &json!({"error": "no such page", "meta": meta}),
        ),
    }
}

fn product(id: &str, faults: &Faults, noise: &mut Noise, meta: &Value) -> Page {
    // Always of four digits: the length tells nothing.
    let mut amount = 1000 + hash(id) % 8000;
    if faults.has(Fault::Field) && one_in(100, id) {
        amount += 1;
    }
    let body = json!({
        "id": id,
        "name": format!("Product {id}"),
        "price": {"amount": amount, "currency": "EUR"},
        "variants": [
            {"sku": format!("{id}-s"), "sizes": [36, 37, 38]},
            {"sku": format!("{id}-l"), "sizes": [42, 43]},
        ],
        "related": noise.shuffled(vec!["boots", "laces", "polish", "socks"]),
        "meta": meta,
    });
    Page::json(StatusCode::OK, &body)
        .with(ETAG, format!("\"product-{id}\""))
        .with(CACHE_CONTROL, "public, max-age=60")
}

fn search(asked: &Asked<'_>, faults: &Faults, noise: &mut Noise, meta: &Value) -> Page {
    let query = asked.uri.query().unwrap_or_default();
    let hits: Vec<_> = (0..5_u32)
        .map(|hit| json!({"id": hash(query) % 1000 + hit, "scores": [hit, hit * 2]}))
        .collect();
    let body = json!({
        "query": query,
        "hits": hits,
        "suggestions": noise.shuffled(vec!["shirts", "shoes", "shorts", "skirts"]),
        "meta": meta,
    });
    let mut page = Page::json(StatusCode::OK, &body).with(VARY, "Accept-Encoding");
    let accepted = asked
        .headers
        .get(ACCEPT_ENCODING)
        .map(hyper::header::HeaderValue::as_bytes);
    if accepted.is_some_and(|codings| codings.windows(4).any(|coding| coding == b"gzip")) {
        page.body = gzip(&page.body);
        page = page.with(CONTENT_ENCODING, "gzip");
    }
    if faults.has(Fault::Slow) {
        page.delay = SLOWER;
    }
    page
}

fn order(body: &[u8], faults: &Faults, noise: &mut Noise, meta: &Value) -> Page {
    let Some(quantity) = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|order| order["quantity"].as_u64())
    else {
        return Page::json(
            StatusCode::BAD_REQUEST,
            &json!({"error": "no quantity", "meta": meta}),
        );
    };
    let id = noise.uuid();
    if faults.has(Fault::Status) && quantity >= LARGE {
        return Page::json(
            StatusCode::INTERNAL_SERVER_ERROR,
            &json!({"error": "out of range", "meta": meta}),
        );
    }
    let body = json!({
        "order": {"id": id, "lines": [{"article": 17, "quantity": quantity}]},
        "status": "taken",
        "meta": meta,
    });
    Page::json(StatusCode::CREATED, &body).with(LOCATION, format!("/orders/{id}"))
}

fn profile(id: &str, faults: &Faults, noise: &mut Noise, meta: &Value) -> Page {
    let mut addresses = vec![
        json!({"kind": "home", "town": "Leiden"}),
        json!({"kind": "work", "town": "Delft"}),
        json!({"kind": "holiday", "town": "Texel"}),
    ];
    if faults.has(Fault::Order) {
        addresses.reverse();
    }
    let body = json!({
        "user": id,
        "addresses": addresses,
        "interests": noise.shuffled(vec!["chess", "opera", "sailing", "tea"]),
        "meta": meta,
    });
    Page::json(StatusCode::OK, &body)
        .with(CACHE_CONTROL, "private, no-cache")
        .with(SET_COOKIE, format!("session={}; Path=/; HttpOnly", noise.uuid()))
        .with(SET_COOKIE, "theme=dark; Path=/")
}

fn report(date: &str, faults: &Faults, meta: &Value) -> Page {
    let rows: Vec<_> = (0..24_u32)
        .map(|hour| json!([hour, hash(date) % 100 + hour]))
        .collect();
    let body = json!({"date": date, "rows": rows, "meta": meta});
    let mut page = Page::json(StatusCode::OK, &body);
    if faults.has(Fault::Truncated) && one_in(8, date) {
        page.body.truncate(page.body.len() / 2);
    }
    if !faults.has(Fault::Header) {
        page = page.with(CACHE_CONTROL, "private, max-age=3600");
    }
    page
}

fn picture(id: &str, body: &[u8], faults: &Faults, meta: &Value) -> Page {
    let answer = json!({"picture": id, "bytes": body.len(), "meta": meta});
    let mut page = Page::json(StatusCode::CREATED, &answer).with(LOCATION, format!("/pictures/{id}"));
    if faults.has(Fault::Closed) && one_in(10, id) {
        page.closes_after = Some(page.body.len() / 2);
    }
    page
}

impl Page {
    fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            closes_after: None,
        }
    }

    fn json(status: StatusCode, body: &Value) -> Self {
        Self {
            body: body.to_string().into(),
            ..Self::empty(status).with(CONTENT_TYPE, "application/json")
        }
    }

    fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

fn gzip(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default().into()
}

/// A number that belongs to a text, the same in every process (FNV-1a).
pub(super) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether a text is one of about every `of`.
pub(super) fn one_in(of: u32, text: &str) -> bool {
    hash(text).is_multiple_of(of)
}

#[cfg(test)]
mod tests;
