//! The requests of the demo's clients. Each request has a number and depends on that alone: every run sends the same ones.

use crate::mirror::Draws;

use super::noise::uuid;

/// Pieces of a chunked upload, and bytes of each.
const UPLOAD: (usize, usize) = (4, 8192);

/// Kinds of request.
#[derive(Clone, Copy)]
enum Kind {
    Product,
    Search,
    Order,
    Profile,
    Report,
    Picture,
    Question,
}

use Kind::{Order, Picture, Product, Profile, Question, Report, Search};

/// Of twenty requests.
const MIX: [Kind; 20] = [
    Product, Search, Order, Product, Profile, Product, Search, Product, Report, Picture, Product, Search,
    Order, Product, Profile, Search, Product, Report, Order, Question,
];

/// A request that is to be sent.
pub struct DemoRequest {
    /// Its method.
    pub method: &'static str,
    target: String,
    body: Body,
    gzip: bool,
}

enum Body {
    None,
    /// Sent with its length.
    Whole(String),
    /// Sent in chunks.
    Pictures,
}

impl DemoRequest {
    /// Request `number` of all.
    pub fn new(number: u64) -> Self {
        let mut draws = Draws::seeded(number);
        let draw = draws.draw();
        // Each of twenty clients comes to every kind in its turn.
        let kind = MIX[((number + number / 20) % 20) as usize];
        let (method, target, body) = match kind {
            Product => ("GET", format!("/products/{}", draw % 100_000), Body::None),
            Search => ("GET", format!("/search?q=shoes+{}", draw % 40), Body::None),
            Order => {
                let quantity = if draw.is_multiple_of(10) { 12 } else { 1 + draw % 9 };
                let body = format!(r#"{{"article":17,"quantity":{quantity}}}"#);
                ("POST", "/orders".to_owned(), Body::Whole(body))
            }
            Profile => {
                let user = uuid(&mut Draws::seeded((draw % 300).into()));
                ("GET", format!("/users/{user}/profile"), Body::None)
            }
            Report => {
                let (month, day) = (1 + draw % 12, 1 + draw / 16 % 28);
                ("GET", format!("/reports/2026-{month:02}-{day:02}"), Body::None)
            }
            Picture => ("PUT", format!("/pictures/{number}"), Body::Pictures),
            Question if draw.is_multiple_of(2) => {
                ("HEAD", format!("/products/{}", draw % 100_000), Body::None)
            }
            Question => ("OPTIONS", "/orders".to_owned(), Body::None),
        };
        Self {
            method,
            target,
            body,
            gzip: draw & 4 == 0,
        }
    }

    /// Whether it may be sent behind another one whose answer has not come, and others behind it (RFC 9112 section 9.3.2).
    pub fn can_be_pipelined(&self) -> bool {
        matches!(self.body, Body::None)
    }

    /// It on the wire.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: shadow-agent-demo\r\n",
            self.method, self.target
        );
        if self.gzip {
            head.push_str("Accept-Encoding: gzip\r\n");
        }
        match &self.body {
            Body::None => format!("{head}\r\n").into_bytes(),
            Body::Whole(body) => format!(
                "{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
            Body::Pictures => {
                let (pieces, bytes) = UPLOAD;
                let piece = format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
                let body = piece.repeat(pieces);
                format!("{head}Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n{body}0\r\n\r\n")
                    .into_bytes()
            }
        }
    }

    /// Its target.
    #[cfg(test)]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Its body, without chunks.
    #[cfg(test)]
    pub fn body(&self) -> Vec<u8> {
        match &self.body {
            Body::None => Vec::new(),
            Body::Whole(body) => body.clone().into_bytes(),
            Body::Pictures => vec![b'x'; UPLOAD.0 * UPLOAD.1],
        }
    }

    /// Whether it takes gzip.
    #[cfg(test)]
    pub fn takes_gzip(&self) -> bool {
        self.gzip
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ten_thousand_requests_have_enough_of_every_kind() {
        let mut counts = BTreeMap::new();
        for number in 0..10_000 {
            let wanted = DemoRequest::new(number);
            let first = wanted.target.split(['/', '?']).nth(1).unwrap_or_default();
            *counts.entry(format!("{} {first}", wanted.method)).or_insert(0) += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(kind, count)| (kind.as_str(), *count))
            .collect();
        assert_eq!(
            counts,
            [
                ("GET products", 3500),
                ("GET reports", 1000),
                ("GET search", 2000),
                ("GET users", 1000),
                ("HEAD products", 256),
                ("OPTIONS orders", 244),
                ("POST orders", 1500),
                ("PUT pictures", 500),
            ]
        );
    }

    #[test]
    fn a_request_is_the_same_in_every_run() {
        assert_eq!(DemoRequest::new(7).bytes("x"), DemoRequest::new(7).bytes("x"));
        let order = DemoRequest::new(2).bytes("shop");
        assert!(
            order.starts_with(b"POST /orders HTTP/1.1\r\nHost: shop\r\n"),
            "{}",
            String::from_utf8_lossy(&order)
        );
    }
}
