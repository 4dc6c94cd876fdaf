//! Mirrors from `GRPCRoute`s: their calls and nothing else, beside `HTTPRoute`s and without them.

use std::net::SocketAddr;

use serde_json::{Value, json};
use shadow_tests::{GrpcShop, GrpcStack, Pod, Stage, stage};

use crate::cluster::{Cluster, labelled, watching};
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

/// Where the shop listens in its pods, and its Services, whose addresses are those of the pods.
const PORT: u16 = 80;

/// A pod with the shop, and a Service in front of it.
fn shop(stage: &Stage, cluster: &Cluster<'_>, version: &str) -> (Pod, GrpcShop) {
    let mut setup = labelled("shop", version, "shop", PORT);
    setup.labels = json!({"app": "shop", "version": version});
    let pod = cluster.node.start(setup);
    cluster.api.apply(pod.object());
    let address = SocketAddr::new(pod.v4().into(), PORT);
    let shop = GrpcShop::start(stage, pod.app(), GrpcStack::Grpcio185, address);
    cluster.api.apply(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "shop", "name": format!("shop-{version}")},
        "spec": {
            "selector": {"version": version},
            "clusterIP": pod.v4(), "clusterIPs": [pod.v4()],
            "ports": [{"name": "grpc", "port": PORT, "targetPort": PORT}],
        },
    }));
    (pod, shop)
}

#[test]
fn calls_over_http2_are_mirrored_by_their_methods() {
    let stage = stage!("root", "agent", "python3", "pip3", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    cluster.api.apply(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": "shadow-agent", "name": "shadow-agent"},
    }));
    let [production, shadow] = ["v1", "v2"].map(|version| shop(&stage, &cluster, version));
    let method = |name: &str| json!({"method": {"service": "shop.Catalog", "method": name}});
    let mut route = calls(
        "streams",
        &json!([{
            "matches": [method("Watch"), method("Chat")],
            "filters": [mirror_to("shop-v2")],
            "backendRefs": [{"name": "shop-v1", "port": PORT}],
        }]),
    );
    route["spec"]["parentRefs"][0] = json!({"group": "", "kind": "Service", "name": "shop-v1", "port": PORT});
    cluster.api.apply(route);
    let agent = cluster.spawn_agent(&["--input-k8s-routes", "*"]);
    watching(&agent, 1);
    let asked = production
        .1
        .call_from(cluster.node.netns(), GrpcStack::Grpcio185, 5);
    assert_eq!(asked, 30);
    agent.wait_for_ledger("the streams are delivered", |ledger| {
        ledger.outputs() == 1 && ledger.delivered(0) == 10
    });
    let ledger = agent.stop();
    ledger.assert_closed();
    assert_eq!(ledger.0["outputs"][0]["filtered"], json!(20));
    let mut streams = production.1.served();
    streams.retain(|call| call.starts_with("Watch") || call.starts_with("Chat"));
    assert_eq!(shadow.1.served(), streams);
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
