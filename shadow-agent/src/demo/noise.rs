//! Noise: what differs from answer to answer whichever release gives it, as ids, times, nonces, and lists without an order.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::mirror::Draws;

/// The noise of one answer.
pub struct Noise {
    draws: Draws,
    now: Timestamp,
}

impl Noise {
    /// Noise like no other.
    pub fn new() -> Self {
        Self {
            draws: Draws::new(),
            now: Timestamp::now(),
        }
    }

    /// Always the same noise: with it two releases can be compared byte by byte.
    #[cfg(test)]
    pub fn seeded(seed: u64) -> Self {
        Self {
            draws: Draws::seeded(seed),
            now: Timestamp::from_microsecond(1_700_000_000_123_456).unwrap(),
        }
    }

    /// A random UUID.
    pub fn uuid(&mut self) -> String {
        uuid(&mut self.draws)
    }

    /// Another order of `items`, any of them as likely as any other.
    pub fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for last in (1..items.len()).rev() {
            items.swap(last, self.draws.draw() as usize % (last + 1));
        }
        items
    }

    /// Metadata of every body: an id, the time in two forms, a nonce.
    pub fn meta(&mut self, request_id: &str) -> Value {
        json!({
            "request_id": request_id,
            "served_at": self.now.to_string(),
            "epoch": self.now.as_microsecond() as f64 / 1e6,
            "nonce": self.draws.draw(),
        })
    }
}

/// A UUID of random numbers (RFC 9562, version 4).
pub fn uuid(draws: &mut Draws) -> String {
    let [a, b, c, d] = [(); 4].map(|()| draws.draw());
    format!(
        "{a:08x}-{:04x}-4{:03x}-{:04x}-{:04x}{d:08x}",
        b >> 16,
        b & 0xfff,
        0x8000 | (c >> 18),
        c & 0xffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_ids_and_times_like_times() {
        let mut noise = Noise::seeded(1);
        let id = noise.uuid();
        let lengths: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        let meta = noise.meta("x");
        assert_eq!(meta["served_at"], "2023-11-14T22:13:20.123456Z");
        assert_eq!(meta["epoch"], 1_700_000_000.123_456);
    }

    #[test]
    fn noise_differs_from_answer_to_answer() {
        let (mut one, mut other) = (Noise::new(), Noise::new());
        assert_ne!(one.uuid(), other.uuid());
        let orders: std::collections::HashSet<_> =
            (0..100).map(|_| one.shuffled(vec!['a', 'b', 'c'])).collect();
        assert_eq!(orders.len(), 6);
    }
}
