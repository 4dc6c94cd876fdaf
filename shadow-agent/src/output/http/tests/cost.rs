//! What an exchange costs, measured: not a test. Against any server on `SHADOW_PORT` that answers GET /,
//! best compared with a load generator's own cost on the same server in the same minute:
//!
//! ```text
//! SHADOW_PORT=8082 cargo test --release -p shadow-agent --lib -- --ignored --nocapture exchange_cost
//! ```

use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use super::*;

/// As a browser sends it.
const REQUEST: &[u8] = b"GET /index.html?session=0123456789abcdef HTTP/1.1\r\nHost: production.example\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\n\
    Accept-Encoding: gzip, deflate, br\r\nCookie: id=0123456789abcdef0123456789abcdef\r\n\r\n";

#[test]
#[ignore = "a measurement: needs a server on SHADOW_PORT"]
fn exchange_cost() {
    let port = std::env::var("SHADOW_PORT").unwrap().parse().unwrap();
    for (name, raw) in [("wrk's request", GET), ("a browser's request", REQUEST)] {
        for flows in [1, 10, 64] {
            on_a_shard(async {
                let rig = Rig::with(port, |settings| {
                    settings.workers = 64;
                    settings.marker = Some("X-Shadow-Mirror".to_owned());
                });
                let exchanges: Vec<_> = (0..flows).map(|flow| exchange(flow, raw)).collect();
                let mut rounds = 0u64;
                // Warm up, then count.
                let mut start = (Instant::now(), cpu_us());
                while rounds < 1000 || start.0.elapsed() < Duration::from_secs(2) {
                    for exchange in &exchanges {
                        let ticket = rig.ledger.open().split().next().unwrap();
                        rig.shard.offer(exchange, ticket);
                    }
                    rig.shard.drain().await;
                    rounds += 1;
                    if rounds == 1000 {
                        start = (Instant::now(), cpu_us());
                    }
                }
                let counts = rig.counts();
                assert_eq!(counts.delivered, rounds * flows, "{counts:?}");
                let exchanges = (rounds - 1000) * flows;
                let cpu = (cpu_us() - start.1) as f64 / exchanges as f64;
                let rate = exchanges as f64 / start.0.elapsed().as_secs_f64();
                println!(
                    "{name}, {flows} at once: {cpu:.2} us of CPU an exchange, {rate:.0} a second, {} connections",
                    rig.opened()
                );
            });
        }
    }
}

fn cpu_us() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
}
