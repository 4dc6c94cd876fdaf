//! The demo's gRPC service `shop.Stock`: what it answers to a call, as production and as the next release with its planted
//! faults.
//!
//! ```proto
//! service Stock {
//!   rpc Level(Product) returns (StockLevel);
//!   rpc Reserve(Reservation) returns (Reserved);
//!   rpc Find(Query) returns (stream Hit);
//!   rpc Watch(Product) returns (stream Change);  // with a trailer `checksum`
//! }
//! message Product { uint64 product = 1; }
//! message Reservation { uint64 product = 1; uint64 quantity = 2; }
//! message Query { uint64 shelf = 1; }
//! message StockLevel { uint64 product = 1; Units units = 2; string warehouse = 3; Meta meta = 15; }
//! message Units { uint64 free = 1; uint64 reserved = 2; }
//! message Reserved { uint64 product = 1; uint64 quantity = 2; string place = 3; Meta meta = 15; }
//! message Hit { uint64 product = 1; uint64 score = 2; }
//! message Change { uint64 product = 1; uint64 free = 2; }
//! message Meta { string request_id = 1; }
//! ```

use std::time::Duration;

use super::faults::{Fault, Faults};
use super::noise::Noise;
use super::protobuf::{Message, numbers};
use super::shop::{LARGE, SLOWER, hash, one_in};

/// Codes of gRPC (<https://grpc.github.io/grpc/core/md_doc_statuscodes.html>).
const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const UNIMPLEMENTED: u32 = 12;
const INTERNAL: u32 = 13;

/// Messages of an answer that is a stream.
const STREAMED: u64 = 3;

/// The reply to a call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Its messages.
    pub messages: Vec<Message>,
    /// Its status.
    pub code: u32,
    /// A trailer besides the status.
    pub checksum: Option<u32>,
    /// How long it takes.
    pub delay: Duration,
}

impl Reply {
    fn one(message: Message) -> Self {
        Self {
            messages: vec![message],
            ..Self::default()
        }
    }

    fn failed(code: u32) -> Self {
        Self {
            code,
            ..Self::default()
        }
    }

    /// Whether it was served.
    pub fn is_ok(&self) -> bool {
        self.code == OK
    }
}

/// Reply to a call of `path`.
pub fn reply(path: &str, body: &[u8], faults: &Faults, noise: &mut Noise) -> Reply {
    let Some([first, second]) = numbers(body) else {
        return Reply::failed(INVALID_ARGUMENT);
    };
    match path {
        "/shop.Stock/Level" => level(first, faults, noise),
        "/shop.Stock/Reserve" => reserve(first, second, faults, noise),
        "/shop.Stock/Find" => find(first, faults),
        "/shop.Stock/Watch" => watch(first, faults),
        _ => Reply::failed(UNIMPLEMENTED),
    }
}

fn level(product: u64, faults: &Faults, noise: &mut Noise) -> Reply {
    let name = product.to_string();
    // Always of two bytes: the length tells nothing.
    let mut free = u64::from(200 + hash(&name) % 8_000);
    if faults.has(Fault::Message) && one_in(100, &name) {
        free += 1;
    }
    let units = Message::default()
        .number(1, free)
        .number(2, u64::from(hash(&name) % 7));
    let message = Message::default().number(1, product).message(2, &units).text(
        3,
        if product.is_multiple_of(2) {
            "Leiden"
        } else {
            "Texel"
        },
    );
    Reply::one(with_meta(message, noise))
}

fn reserve(product: u64, quantity: u64, faults: &Faults, noise: &mut Noise) -> Reply {
    if faults.has(Fault::Code) && quantity >= LARGE {
        return Reply::failed(INTERNAL);
    }
    let message = Message::default()
        .number(1, product)
        .number(2, quantity)
        .text(3, "shelf 7");
    Reply::one(with_meta(message, noise))
}

fn find(shelf: u64, faults: &Faults) -> Reply {
    let hit = |rank| {
        Message::default()
            .number(1, shelf * 10 + rank)
            .number(2, 100 - rank)
    };
    Reply {
        messages: (0..STREAMED).map(hit).collect(),
        delay: if faults.has(Fault::Method) {
            SLOWER
        } else {
            Duration::ZERO
        },
        ..Reply::default()
    }
}

fn watch(product: u64, faults: &Faults) -> Reply {
    let name = product.to_string();
    let change = |step| {
        Message::default()
            .number(1, product)
            .number(2, u64::from(hash(&name) % 500) + step)
    };
    let lost = faults.has(Fault::Trailer) && one_in(8, &name);
    Reply {
        messages: (0..STREAMED).map(change).collect(),
        checksum: (!lost).then(|| hash(&name)),
        ..Reply::default()
    }
}

fn with_meta(message: Message, noise: &mut Noise) -> Message {
    message.message(15, &Message::default().text(1, &noise.uuid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str, first: u64, second: u64, faults: &Faults) -> Reply {
        let body = Message::default().number(1, first).number(2, second).framed();
        reply(path, &body, faults, &mut Noise::seeded(1))
    }

    #[test]
    fn without_faults_both_releases_reply_alike() {
        for path in [
            "/shop.Stock/Level",
            "/shop.Stock/Reserve",
            "/shop.Stock/Find",
            "/shop.Stock/Watch",
        ] {
            let replies = [(); 2].map(|()| call(path, 7, 20, &Faults::none()));
            assert_eq!(replies[0], replies[1]);
            assert!(replies[0].is_ok() && !replies[0].messages.is_empty(), "{path}");
        }
    }

    #[test]
    fn each_fault_is_in_its_method_alone() {
        let differing = |path: &str, fault: &str| {
            let faults = fault.parse().unwrap();
            let differs = |product: &u64| {
                call(path, *product, 20, &Faults::none()) != call(path, *product, 20, &faults)
            };
            (0..400).filter(differs).count()
        };
        for (fault, path, some) in [
            ("message", "/shop.Stock/Level", 1..=12),
            ("code", "/shop.Stock/Reserve", 400..=400),
            ("method", "/shop.Stock/Find", 400..=400),
            ("trailer", "/shop.Stock/Watch", 25..=75),
        ] {
            for other in [
                "/shop.Stock/Level",
                "/shop.Stock/Reserve",
                "/shop.Stock/Find",
                "/shop.Stock/Watch",
            ] {
                let count = differing(other, fault);
                assert_eq!(count > 0, other == path, "{fault} {other}");
                assert!(other != path || some.contains(&count), "{fault}: {count}");
            }
        }
    }

    #[test]
    fn what_is_no_call_of_its_methods_is_refused() {
        assert_eq!(
            call("/shop.Stock/Burn", 1, 1, &Faults::none()).code,
            UNIMPLEMENTED
        );
        let reply = reply(
            "/shop.Stock/Level",
            b"nonsense",
            &Faults::none(),
            &mut Noise::seeded(1),
        );
        assert_eq!(reply.code, INVALID_ARGUMENT);
    }
}
