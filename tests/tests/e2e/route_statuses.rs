//! The statuses of `HTTPRoute`s, and which agent writes them.

use std::time::{Duration, Instant};

use serde_json::json;
use shadow_tests::api_server::Verb;
use shadow_tests::{stage, until};

use crate::cluster::watching;
use crate::routes::{Httpbin, condition, everything, route};

#[test]
fn one_agent_writes_the_status_and_another_takes_over_from_it() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    api.apply(route("httpbin", &everything()));
    let first = httpbin.agent();
    first.wait_for_line("writing the status of routes leads=true");
    let second = httpbin.agent();
    let holder = || {
        let lease = api.get("leases", "shadow-agent", "shadow-agent")?;
        Some(lease.pointer("/spec/holderIdentity")?.as_str()?.to_owned())
    };
    let of_first = holder().expect("a holder");
    let by_ours = |requests: &[shadow_tests::api_server::Request]| {
        requests
            .iter()
            .filter(|one| one.verb == Verb::Patch && one.subresource == "status")
            .count()
    };
    api.wait_for("the status is written", |requests| by_ours(requests) > 0);
    assert_eq!(by_ours(&api.requests()), 1, "by one agent, once");
    // It says that it leaves; the other looks at the lease every 5 to 15 seconds.
    let start = Instant::now();
    first.stop();
    until("the other leads", || {
        holder().is_some_and(|now| !now.is_empty() && now != of_first)
    });
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    second.wait_for_line("writing the status of routes leads=true");
    assert_ne!(holder().expect("a holder"), of_first);
    // Others' entries stay as they are.
    api.set_status(
        "httproutes",
        "shop",
        "httpbin",
        &json!({"parents": [{
            "parentRef": {"group": "", "kind": "Service", "name": "httpbin", "port": 8000},
            "controllerName": "istio.io/gateway-controller",
            "conditions": [],
        }]}),
    );
    let both = api.wait_for_object("httproutes", "shop", "httpbin", |route| {
        condition(route, "Accepted").is_some()
            && route.pointer("/status/parents/0/controllerName")
                == Some(&json!("istio.io/gateway-controller"))
    });
    assert_eq!(
        both.pointer("/status/parents").unwrap().as_array().unwrap().len(),
        2
    );
    second.stop();
}

#[test]
fn a_route_of_another_controller_loses_mirror_and_status() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    let mut route = route("httpbin", &everything());
    api.apply(route.clone());
    let agent = httpbin.agent();
    httpbin.many(20);
    agent.wait_for_ledger("all are mirrored", |ledger| ledger.delivered(0) == 20);
    api.wait_for_object("httproutes", "shop", "httpbin", |route| {
        condition(route, "Accepted").is_some()
    });
    route["metadata"]["annotations"] = json!({"shadow-agent.io/mirror": "false"});
    api.apply(route);
    api.wait_for_object("httproutes", "shop", "httpbin", |route| {
        route.pointer("/status/parents") == Some(&json!([]))
    });
    watching(&agent, 0);
    httpbin.many(30);
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!((ledger.delivered(0), ledger.of(0, "seen")), (20, 20), "{ledger}");
    let (production, shadow) = httpbin.finish();
    assert_eq!((production.len(), shadow.len()), (50, 20));
}
