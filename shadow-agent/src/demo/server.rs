//! The demo's shop, in production and as its next release with planted differences.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// How much slower the next release searches.
const SLOWER: Duration = Duration::from_millis(20);

/// Which release answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// What users have.
    Production,
    /// What shall be tried: searches slowly, shows prices in another form, fails on large orders.
    Next,
}

/// What a server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests answered.
    pub requests: u64,
    /// Those answered 500.
    pub errors: u64,
}

/// A server's counters.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    errors: AtomicU64,
}

impl Counters {
    /// The counts at this moment.
    pub fn get(&self) -> Count {
        Count {
            requests: self.requests.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}

/// Serves connections for ever.
pub async fn serve(listener: TcpListener, release: Release, counters: Arc<Counters>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: others will close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let counters = Arc::clone(&counters);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, release, &counters));
            // A client that goes away is no news.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    release: Release,
    counters: &Counters,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    if release == Release::Next && head.uri.path() == "/search" {
        tokio::time::sleep(SLOWER).await;
    }
    let (status, text) = page(&head.method, head.uri.path(), &body, release);
    counters.requests.fetch_add(1, Relaxed);
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        counters.errors.fetch_add(1, Relaxed);
    }
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    Ok(response)
}

fn page(method: &Method, path: &str, body: &[u8], release: Release) -> (StatusCode, String) {
    let next = release == Release::Next;
    match (method.as_str(), path) {
        ("GET", "/search") => (StatusCode::OK, r#"{"results":[17,23]}"#.to_owned()),
        ("GET", path) if path.starts_with("/products/") => {
            let price = if next { "\"19.99\"" } else { "1999" };
            (StatusCode::OK, format!(r#"{{"price":{price}}}"#))
        }
        ("POST", "/orders") if next && body.ends_with(b"\"quantity\":10}") => (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"error":"out of range"}"#.to_owned(),
        ),
        ("POST", "/orders") => (StatusCode::CREATED, r#"{"status":"taken"}"#.to_owned()),
        ("PUT", path) if path.starts_with("/pictures/") => {
            (StatusCode::CREATED, format!(r#"{{"bytes":{}}}"#, body.len()))
        }
        _ => (StatusCode::NOT_FOUND, r#"{"error":"no such page"}"#.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_release_differs_only_where_it_was_planted() {
        let both = |method, path, body: &[u8]| {
            [Release::Production, Release::Next].map(|release| page(&method, path, body, release))
        };
        let [production, next] = both(Method::POST, "/orders", br#"{"quantity":10}"#);
        assert_eq!(
            (production.0, next.0),
            (StatusCode::CREATED, StatusCode::INTERNAL_SERVER_ERROR)
        );
        let [production, next] = both(Method::GET, "/products/1", b"");
        assert_eq!(
            (production.1.as_str(), next.1.as_str()),
            (r#"{"price":1999}"#, r#"{"price":"19.99"}"#)
        );
        for (method, path, body) in [
            (Method::POST, "/orders", br#"{"quantity":1}"#.as_slice()),
            (Method::GET, "/search", b""),
            (Method::PUT, "/pictures/1", b"abc"),
            (Method::GET, "/other", b""),
        ] {
            let [production, next] = both(method, path, body);
            assert_eq!(production, next, "{path}");
        }
    }
}
