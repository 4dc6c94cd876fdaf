//! Backends of mirrors that are not plain Services beside their route.

use serde_json::{Value, json};
use shadow_tests::stage;

use crate::cluster::{Served, labelled, watching};
use crate::routes::{A_SECOND, Httpbin, condition, mirror_to, route};

#[test]
fn a_backend_in_another_namespace_needs_a_reference_grant() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    api.apply(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "staging", "name": "v2"},
        "spec": {
            "selector": {"app": "elsewhere"},
            "clusterIP": httpbin.v2.pod.v4(), "clusterIPs": [httpbin.v2.pod.v4()],
            "ports": [{"port": 80}],
        },
    }));
    let mut filter = mirror_to("v2");
    filter["requestMirror"]["backendRef"]["namespace"] = json!("staging");
    let mut across = route("across", &json!([{"filters": [filter]}]));
    across["spec"]["parentRefs"] = json!([{"group": "", "kind": "Service", "name": "httpbin-v1"}]);
    api.apply(across);
    let agent = httpbin.cluster.spawn_agent(&["--input-k8s-routes", "*"]);
    let refused = |route: &Value| {
        condition(route, "ResolvedRefs").is_some_and(|condition| condition["reason"] == "RefNotPermitted")
    };
    api.wait_for_object("httproutes", "shop", "across", refused);
    httpbin.many(5);
    assert_eq!(
        agent.ledger_now().seen(),
        0,
        "nothing is captured that nobody may have"
    );
    api.apply(json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
        "metadata": {"namespace": "staging", "name": "shop"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }));
    watching(&agent, 1);
    httpbin.many(5);
    agent.wait_for_ledger("they are delivered", |ledger| {
        ledger.outputs() == 1 && ledger.delivered(0) == 5
    });
    api.delete("referencegrants", "staging", "shop");
    api.wait_for_object("httproutes", "shop", "across", refused);
    watching(&agent, 0);
    httpbin.many(5);
    agent.stop().assert_all_delivered(5);
    let (_, shadow) = httpbin.finish();
    assert_eq!(shadow.len(), 5);
}

#[test]
fn a_copy_goes_to_one_ready_endpoint_of_a_headless_service() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    let endpoints =
        ["e1", "e2", "e3"].map(|name| httpbin.cluster.serve(labelled("shop", name, "elsewhere", 8080)));
    httpbin
        .cluster
        .service("shop", "headless", "elsewhere", 80, &json!("http"));
    let slice = |ready: [bool; 3]| {
        let endpoint = |(served, ready): (&Served, bool)| json!({"addresses": [served.pod.v4()], "conditions": {"ready": ready}});
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": "headless-x", "labels": {"kubernetes.io/service-name": "headless"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": endpoints.iter().zip(ready).map(endpoint).collect::<Vec<_>>(),
        })
    };
    api.apply(slice([true, true, false]));
    api.apply(route("headless", &json!([{"filters": [mirror_to("headless")]}])));
    // Both versions of production: none of them is the shadow.
    let agent = httpbin.cluster.spawn_agent(&["--input-k8s-routes", "shop"]);
    watching(&agent, 2);
    agent.wait_for_line("as it should be");
    std::thread::sleep(A_SECOND);
    // A connection of production's is a lane, and lanes in parallel have connections of their own.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| httpbin.many(25));
        }
    });
    agent.wait_for_ledger("they are delivered", |ledger| ledger.delivered(0) == 200);
    let first = endpoints[0].nginx.logged();
    assert!(first > 0 && first < 200, "{first}");
    assert_eq!(endpoints[1].nginx.logged(), 200 - first);
    // It is the same mirror, whichever endpoints it has.
    api.apply(slice([false, false, true]));
    std::thread::sleep(A_SECOND);
    httpbin.many(25);
    agent.stop().assert_all_delivered(225);
    let [first, second, third] = endpoints.map(|served| served.nginx.finish().len());
    assert_eq!(first + second + third, 225);
}
