//! `GRPCRoute`s: everything about them is as with `HTTPRoute`s, apart from what they match.

use shadow_http::Request;
use shadow_mirror::Share;

use super::*;

/// A `GRPCRoute` of the Service `httpbin` with these rules.
fn mesh(rules: Value) -> Value {
    calls(json!({"parentRefs": [{"group": "", "kind": "Service", "name": "httpbin"}], "rules": rules}))
}

/// A `GRPCRoute` in the namespace `goreplay` called `httpbin`, as an `HTTPRoute` is.
fn calls(spec: Value) -> Value {
    let mut route = route(spec);
    route["kind"] = json!("GRPCRoute");
    route
}

fn call(path: &str, fields: &str) -> Request {
    request(&format!(
        "POST {path} HTTP/1.1\r\nHost: a.example\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n{fields}\r\n"
    ))
}

fn request(head: &str) -> Request {
    shadow_mirror::testing::request(head.as_bytes())
}

/// The mirrors of `route` that copy the call.
fn copied(route: &Value, request: &Request) -> Vec<usize> {
    let compiled = compiled(route);
    let mirrors = compiled.mirrors.iter().enumerate();
    mirrors
        .filter(|(_, mirror)| mirror.covers(request))
        .map(|(index, _)| index)
        .collect()
}

#[test]
fn a_route_of_calls_mirrors_to_its_backends() {
    let compiled = compiled(&mesh(json!([{
        "matches": [{"method": {"service": "shop.Orders", "method": "Place"}}],
        "filters": [
            mirror(),
            {"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "httpbin-v1", "port": 80}, "percent": 50,
            }},
            {"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "httpbin-v2", "port": 80}, "fraction": {"numerator": 1, "denominator": 8},
            }},
        ],
        "backendRefs": [{"name": "httpbin-v1", "port": 80}],
    }])));
    assert_eq!(
        names(&compiled),
        [
            "GRPCRoute goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80",
            "GRPCRoute goreplay/httpbin rule 0 -> goreplay/httpbin-v1:80",
            "GRPCRoute goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80 (2)",
        ]
    );
    let shares: Vec<_> = compiled.mirrors.iter().map(|mirror| mirror.share).collect();
    assert_eq!(
        shares,
        [Share::ALL, Share::percent(50), Share::fraction(1, 8).unwrap()]
    );
    assert_eq!(
        compiled.mirrors[0].watched,
        [
            watched("goreplay", "httpbin", None),
            watched("goreplay", "httpbin-v1", Some(80))
        ]
    );
    assert!(condition(&compiled, "Accepted").0);
    assert!(condition(&compiled, "ResolvedRefs").0);
    assert_eq!(compiled.statuses[0].kind, RouteKind::Grpc);
}

#[test]
fn a_match_names_service_and_method_or_describes_them() {
    let rule = |method: Value| json!({"matches": [{"method": method}], "filters": [mirror()]});
    let route = mesh(json!([
        rule(json!({"service": "shop.Orders", "method": "Place"})),
        rule(json!({"type": "Exact", "service": "shop.Carts"})),
        rule(json!({"type": "RegularExpression", "service": "shop\\..*", "method": "Get.*"})),
    ]));
    assert_eq!(copied(&route, &call("/shop.Orders/Place", "")), [0]);
    assert_eq!(copied(&route, &call("/shop.Carts/GetAll", "")), [1]);
    assert_eq!(copied(&route, &call("/shop.Orders/GetAll", "")), [2]);
    assert!(copied(&route, &call("/shop.Orders/Cancel", "")).is_empty());
}

#[test]
fn a_match_compares_fields_too() {
    let route = mesh(json!([
        {
            "matches": [{"headers": [
                {"name": "Version", "value": "2"},
                {"type": "RegularExpression", "name": "Tenant", "value": "a|b"},
            ]}],
            "filters": [mirror()],
        },
        {"matches": [{"method": {"service": "a.B"}}]},
    ]));
    assert_eq!(
        copied(&route, &call("/c.D/E", "version: 2\r\ntenant: b\r\n")),
        [0]
    );
    assert!(copied(&route, &call("/c.D/E", "version: 2\r\ntenant: c\r\n")).is_empty());
    assert!(copied(&route, &call("/c.D/E", "tenant: b\r\n")).is_empty());
    // The rule without a mirror wins this one by its service.
    assert!(copied(&route, &call("/a.B/C", "version: 2\r\ntenant: b\r\n")).is_empty());
}

#[test]
fn a_rule_without_matches_means_every_call_and_nothing_else() {
    for rules in [
        json!([{"filters": [mirror()]}]),
        json!([{"matches": [], "filters": [mirror()]}]),
        json!([{"matches": [{}], "filters": [mirror()]}]),
    ] {
        let route = mesh(rules);
        assert_eq!(copied(&route, &call("/a.B/C", "")), [0]);
        let other =
            "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n";
        assert!(copied(&route, &request(other)).is_empty());
        assert!(copied(&route, &request("GET / HTTP/1.1\r\nHost: a\r\n\r\n")).is_empty());
    }
}

#[test]
fn hostnames_count_with_a_gateway_and_not_with_a_service() {
    let spec = |parent: Value| {
        calls(json!({
            "parentRefs": [parent],
            "hostnames": ["*.other.example"],
            "rules": [{"filters": [mirror()], "backendRefs": [{"name": "httpbin-v1", "port": 80}]}],
        }))
    };
    let gateway = spec(json!({"name": "gateway"}));
    let service = spec(json!({"group": "", "kind": "Service", "name": "httpbin"}));
    assert!(copied(&gateway, &call("/a.B/C", "")).is_empty());
    assert_eq!(copied(&service, &call("/a.B/C", "")), [0]);
    let other = "POST /a.B/C HTTP/1.1\r\nHost: a.other.example\r\nContent-Type: application/grpc\r\n\
                 Content-Length: 0\r\n\r\n";
    assert_eq!(copied(&gateway, &request(other)), [0]);
}

#[test]
fn a_service_parent_without_a_group_is_taken_with_a_note() {
    let compiled = compiled(&calls(json!({
        "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Service", "name": "httpbin"}],
        "rules": [{"filters": [mirror()]}],
    })));
    assert_eq!(compiled.mirrors.len(), 1);
    let (status, _, message) = condition(&compiled, "Accepted");
    assert!(status && message.contains("use the core group"), "{message}");
}

#[test]
fn a_grant_for_routes_of_the_other_kind_is_none() {
    let route = mesh(mirror_to(
        &json!({"namespace": "shadow", "name": "v2", "port": 80}),
    ));
    let cluster = demo().with("shadow", "v2", 80).granting("goreplay", "shadow");
    assert_eq!(
        unresolved(&cluster, &route),
        (
            Reason::RefNotPermitted,
            "Rule 0: no ReferenceGrant in shadow allows GRPCRoutes of goreplay to use the Service v2."
                .to_owned()
        )
    );
    let compiled = compile([&route], &cluster.granting_to("GRPCRoute", "goreplay", "shadow"));
    assert_eq!(
        names(&compiled),
        ["GRPCRoute goreplay/httpbin rule 0 -> shadow/v2:80"]
    );
}

#[test]
fn fields_are_edited_before_a_mirror_as_in_other_routes() {
    let set = json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {
        "set": [{"name": "Shadow", "value": "1"}],
    }});
    let compiled = compiled(&mesh(json!([{
        "filters": [mirror(), set],
        "backendRefs": [{"name": "httpbin-v1", "port": 80, "filters": [mirror()]}],
    }])));
    let edited: Vec<_> = compiled
        .mirrors
        .iter()
        .map(|mirror| mirror.edits.is_some())
        .collect();
    assert_eq!(edited, [false, true]);
}

#[test]
fn what_a_route_of_calls_cannot_have_is_refused() {
    let rewrite = json!({"type": "URLRewrite", "urlRewrite": {"hostname": "a"}});
    let message = refused(&mesh(json!([{"filters": [rewrite, mirror()]}])));
    assert!(message.contains("URLRewrite"), "{message}");
    let expression = json!({"type": "RegularExpression", "service": "("});
    let message = refused(&mesh(
        json!([{"matches": [{"method": expression}], "filters": [mirror()]}]),
    ));
    assert!(message.contains("nvalid regular expression"), "{message}");
    let expression = json!({"type": "RegularExpression", "service": "a+", "method": "b+"});
    let matches = vec![json!({"method": expression}); 17];
    let rules = vec![json!({"matches": matches, "filters": [mirror()]}); 2];
    assert_eq!(
        refused(&mesh(json!(rules))),
        "The route has more than 64 regular expressions."
    );
}

#[test]
fn both_kinds_of_one_name_are_two_routes() {
    let http = super::mesh(json!([{"filters": [mirror()]}]));
    let mut grpc = mesh(json!([{"filters": [mirror()]}]));
    grpc["metadata"]["uid"] = json!("2");
    let compiled = compile([&http, &grpc], &demo());
    assert_eq!(
        names(&compiled),
        [
            "goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80",
            "GRPCRoute goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80",
        ]
    );
    assert_ne!(compiled.mirrors[0].key, compiled.mirrors[1].key);
    let kinds: Vec<_> = compiled.statuses.iter().map(|status| status.kind).collect();
    assert_eq!(kinds, [RouteKind::Http, RouteKind::Grpc]);
}

#[test]
fn the_status_is_that_of_the_schema() {
    let status = compiled(&mesh(json!([{"filters": [mirror()]}])))
        .statuses
        .remove(0);
    let status = merge_status(None, &status, "2026-01-02T03:04:05Z").unwrap();
    serde_json::from_value::<gateway_api::apis::standard::grpcroutes::GrpcRouteStatus>(status).unwrap();
}
