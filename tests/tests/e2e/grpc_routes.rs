//! Mirrors from `GRPCRoute`s: their calls and nothing else, beside `HTTPRoute`s and without them.

use serde_json::{Value, json};
use shadow_tests::stage;

use crate::cluster::watching;
use crate::routes::{Httpbin, condition, everything, mirror_to, route};

/// A `GRPCRoute` of `httpbin` with these rules.
fn calls(name: &str, rules: &Value) -> Value {
    let mut route = route(name, rules);
    route["apiVersion"] = json!("gateway.networking.k8s.io/v1");
    route["kind"] = json!("GRPCRoute");
    route
}

/// A call of gRPC-Web, which HTTP/1.1 carries.
fn call(path: &str, id: u32) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.test\r\nX-Id: {id}\r\nContent-Type: application/grpc-web+proto\r\n\
         Content-Length: 5\r\n\r\n\0\0\0\0\0"
    )
}

#[test]
fn a_route_of_calls_mirrors_its_methods_and_says_so_in_its_status() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    api.apply(calls(
        "orders",
        &json!([{
            "matches": [{"method": {"service": "shop.Orders", "method": "Place"}}],
            "filters": [mirror_to("httpbin-v2")],
            "backendRefs": [{"name": "httpbin-v1", "port": 80}],
        }]),
    ));
    let agent = httpbin.agent();
    let written = api.wait_for_object("grpcroutes", "shop", "orders", |route| {
        condition(route, "ResolvedRefs").is_some_and(|condition| condition["status"] == "True")
    });
    let accepted = condition(&written, "Accepted").expect("a condition");
    assert_eq!(accepted["status"], "True");
    watching(&agent, 2);
    let requests = [
        call("/shop.Orders/Place", 1),
        call("/shop.Orders/Cancel", 2),
        "GET /shop.Orders/Place HTTP/1.1\r\nHost: shop.test\r\nX-Id: 3\r\n\r\n".to_owned(),
        call("/shop.Orders/Place", 4),
    ];
    httpbin.ask(&requests.each_ref().map(String::as_str));
    let ledger = agent.stop();
    ledger.assert_closed();
    let output = &ledger.0["outputs"][0];
    assert_eq!(
        output["output"],
        "GRPCRoute shop/orders rule 0 -> shop/httpbin-v2:80"
    );
    assert_eq!(
        (&output["delivered"], &output["filtered"]),
        (&json!(2), &json!(2))
    );
    let (production, shadow) = httpbin.finish();
    assert_eq!((production.len(), shadow.len()), (4, 2));
}

#[test]
fn a_cluster_without_routes_of_calls_is_one_like_any_other() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let httpbin = Httpbin::new(&stage);
    let api = &httpbin.cluster.api;
    api.hide("gateway.networking.k8s.io/v1/grpcroutes");
    api.apply(route("httpbin", &everything()));
    let agent = httpbin.agent();
    agent.wait_for_line("as it should be input=\"--input-k8s-routes\"");
    httpbin.many(5);
    agent.wait_for_ledger("they are delivered", |ledger| {
        ledger.outputs() == 1 && ledger.delivered(0) == 5
    });
    // Installed later: found without a restart.
    api.apply(calls("calls", &json!([{"filters": [mirror_to("httpbin-v2")]}])));
    api.show("gateway.networking.k8s.io/v1/grpcroutes");
    agent.wait_for_line("mirrors of routes applied mirrors=2");
    agent.stop().assert_closed();
}
