//! The page of an agent that runs: what it shows of a release with planted faults, and what it takes from whom.
//!
//! `running.mjs` looks at it in the browser, has requests sent meanwhile, and ends the agent.

use shadow_tests::{Agent, Netns, Shop, stage};

use crate::{check, hand_over};

const TOKEN: &str = "a-token-of-this-test";

#[test]
fn a_running_agent_is_followed_and_steered_in_a_browser() {
    let stage = stage!("root", "agent", "node", "npm", "chromium");
    let [production, next] = ["none", "all"].map(Shop::start);
    let host = Netns::host();
    let listen = format!("127.0.0.1:{}", host.free_port());
    let token = hand_over(&stage, "token", TOKEN);
    let (input, output) = (production.address.to_string(), next.url());
    let mut agent = Agent::start(
        &stage,
        &host,
        &[
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--compare",
            "--http-listen",
            &listen,
            "--http-token-file",
            token.to_str().expect("a path in UTF-8"),
        ],
    );
    let pid = agent.pid().to_string();
    check(&stage, "running", &[&listen, TOKEN, &pid, Agent::path(), &input]);
    // Of the two that came after the reset nobody can say anything.
    let ledger = agent.fail(3);
    ledger.assert_closed();
    // All but those of the pause; two of these were hostile.
    assert_eq!(ledger.seen(), 2000 + 20 + 30 + 2, "{ledger}");
    assert_eq!(production.finish().requests, 2000 + 20 + 50 + 30 + 2);
    // Some it got twice.
    assert!(next.finish().requests > 2000 + 20 + 30);
}
