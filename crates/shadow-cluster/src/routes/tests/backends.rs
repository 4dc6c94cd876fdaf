//! Where a mirror sends its copies: Services, their addresses and ports, and grants for those of other namespaces.

use super::*;

#[test]
fn a_backend_that_is_not_there_stops_its_own_mirror_alone() {
    let missing =
        json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 80}}});
    let compiled = compiled(&mesh(json!([{"filters": [missing, mirror()]}])));
    assert_eq!(compiled.mirrors.len(), 1);
    assert!(condition(&compiled, "Accepted").0);
    assert_eq!(
        condition(&compiled, "ResolvedRefs"),
        (
            false,
            Reason::BackendNotFound,
            "Rule 0: there is no Service goreplay/gone.".to_owned()
        )
    );
}

#[test]
fn a_backend_must_be_a_tcp_port_of_a_service() {
    let mut cluster = demo();
    cluster.add(
        "goreplay",
        "dns",
        json!({"clusterIP": "10.96.0.10", "ports": [{"port": 53, "protocol": "UDP"}]}),
    );
    cluster.add(
        "goreplay",
        "tls",
        json!({"clusterIP": "10.96.0.11", "ports": [{"port": 443, "appProtocol": "https"}]}),
    );
    let reason = |backend: Value| unresolved(&cluster, &mesh(mirror_to(&backend))).0;
    assert_eq!(
        reason(json!({"group": "multicluster.x-k8s.io", "kind": "ServiceImport", "name": "a", "port": 80})),
        Reason::InvalidKind
    );
    assert_eq!(
        reason(json!({"name": "httpbin-v2", "port": 81})),
        Reason::BackendNotFound
    );
    assert_eq!(reason(json!({"name": "httpbin-v2"})), Reason::BackendNotFound);
    assert_eq!(
        reason(json!({"name": "dns", "port": 53})),
        Reason::BackendNotFound
    );
    assert_eq!(
        reason(json!({"name": "tls", "port": 443})),
        Reason::UnsupportedProtocol
    );
}

#[test]
fn a_port_for_http2_alone_is_sent_nothing_else() {
    let mut cluster = demo();
    for (name, protocol) in [("h2c", "kubernetes.io/h2c"), ("calls", "grpc"), ("plain", "http")] {
        let ports = json!([{"port": 80, "appProtocol": protocol}]);
        cluster.add(
            "goreplay",
            name,
            json!({"clusterIP": "10.96.0.11", "ports": ports}),
        );
    }
    let http2 = |name: &str| {
        let route = mesh(mirror_to(&json!({"name": name, "port": 80})));
        compile([&route], &cluster).mirrors[0].backend.http2
    };
    assert_eq!(["h2c", "calls", "plain"].map(http2), [true, true, false]);
}

#[test]
fn a_backend_in_another_namespace_needs_a_grant() {
    let route = mesh(mirror_to(
        &json!({"namespace": "shadow", "name": "v2", "port": 80}),
    ));
    let cluster = demo().with("shadow", "v2", 80);
    assert_eq!(
        unresolved(&cluster, &route),
        (
            Reason::RefNotPermitted,
            "Rule 0: no ReferenceGrant in shadow allows HTTPRoutes of goreplay to use the Service v2."
                .to_owned()
        )
    );
    assert_eq!(unresolved(&demo(), &route).0, Reason::RefNotPermitted);
    let cluster = cluster
        .granting("elsewhere", "shadow")
        .granting("goreplay", "other");
    assert_eq!(unresolved(&cluster, &route).0, Reason::RefNotPermitted);
    let compiled = compile([&route], &cluster.granting("goreplay", "shadow"));
    assert_eq!(names(&compiled), ["goreplay/httpbin rule 0 -> shadow/v2:80"]);
}

#[test]
fn pods_in_another_namespace_need_a_grant() {
    let route = mesh(json!([{
        "filters": [mirror()],
        "backendRefs": [{"namespace": "other", "name": "app", "port": 80}],
    }]));
    let cluster = demo().with("other", "app", 80);
    let compiled = compile([&route], &cluster);
    assert_eq!(
        compiled.mirrors[0].watched,
        [watched("goreplay", "httpbin", None)]
    );
    assert_eq!(
        unresolved(&cluster, &route),
        (
            Reason::RefNotPermitted,
            "Rule 0: no ReferenceGrant in other allows HTTPRoutes of goreplay to use the Service app, so its pods are \
             not watched."
                .to_owned()
        )
    );
    let compiled = compile([&route], &cluster.granting("goreplay", "other"));
    assert_eq!(
        compiled.mirrors[0].watched,
        [watched("goreplay", "httpbin", None)]
    );
    assert!(condition(&compiled, "ResolvedRefs").0);
}

#[test]
fn a_grant_may_be_for_one_service() {
    let grant = json!({
        "metadata": {"namespace": "shadow"},
        "spec": {
            "from": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "a"}],
            "to": [{"group": "", "kind": "Service", "name": "v2"}, {"group": "", "kind": "Secret"}],
        },
    });
    let grant = ReferenceGrant::parse(&grant).unwrap();
    assert!(grant.permits(RouteKind::Http, "a", "shadow", "v2"));
    assert!(!grant.permits(RouteKind::Http, "a", "shadow", "v3"));
    assert!(!grant.permits(RouteKind::Http, "b", "shadow", "v2"));
    assert!(!grant.permits(RouteKind::Http, "a", "other", "v2"));
    assert_eq!(ReferenceGrant::parse(&json!({"spec": {}})), None);
}

#[test]
fn both_addresses_of_a_dual_stack_service_are_there() {
    let mut cluster = demo();
    cluster.add(
        "goreplay",
        "httpbin-v2",
        json!({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"], "ports": [{"port": 80}]}),
    );
    let compiled = compile([&mesh(json!([{"filters": [mirror()]}]))], &cluster);
    assert_eq!(addresses(&compiled, 0), ["10.0.0.1:80", "[fd00::1]:80"]);
}

#[test]
fn a_headless_service_is_its_ready_endpoints_at_the_port_of_their_own() {
    let mut cluster = demo();
    cluster.add(
        "goreplay",
        "httpbin-v2",
        json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"name": "web", "port": 80, "targetPort": "http"}]}),
    );
    let endpoint = |address: &str, port_name: &str, port| Endpoint {
        address: address.parse().unwrap(),
        port_name: port_name.to_owned(),
        port,
    };
    cluster.endpoints = vec![
        endpoint("10.1.0.2", "web", 8080),
        endpoint("10.1.0.1", "web", 8081),
        endpoint("10.1.0.1", "metrics", 9090),
    ];
    let route = mesh(json!([{"filters": [mirror()]}]));
    let compiled = compile([&route], &cluster);
    assert_eq!(addresses(&compiled, 0), ["10.1.0.1:8081", "10.1.0.2:8080"]);
    assert_eq!(compiled.mirrors[0].backend.port, 80);
    cluster.endpoints.clear();
    let compiled = compile([&route], &cluster);
    assert!(addresses(&compiled, 0).is_empty());
}

#[test]
fn an_external_name_is_not_sent_to() {
    let mut cluster = demo();
    cluster.add(
        "goreplay",
        "httpbin-v2",
        json!({"type": "ExternalName", "externalName": "shadow.example", "ports": [{"port": 80}]}),
    );
    let compiled = compile([&mesh(json!([{"filters": [mirror()]}]))], &cluster);
    assert!(compiled.mirrors.is_empty());
    let (status, reason, message) = condition(&compiled, "ResolvedRefs");
    assert_eq!((status, reason), (false, Reason::InvalidKind));
    assert!(message.contains("ExternalName"), "{message}");
}
