use proptest::prelude::*;
use shadow_mirror::testing::request;

use super::*;

fn addresses(compiled: &Compiled, mirror: usize) -> Vec<String> {
    let addresses = compiled.mirrors[mirror].backend.addresses.iter();
    addresses.map(ToString::to_string).collect()
}

fn names(compiled: &Compiled) -> Vec<&str> {
    compiled
        .mirrors
        .iter()
        .map(|mirror| mirror.name.as_str())
        .collect()
}

fn refused(route: &Value) -> String {
    let compiled = compiled(route);
    assert!(compiled.mirrors.is_empty());
    let (status, reason, message) = condition(&compiled, "Accepted");
    assert_eq!((status, reason), (false, Reason::UnsupportedValue), "{message}");
    message
}

fn unresolved(cluster: &Cluster, route: &Value) -> (Reason, String) {
    let compiled = compile([route], cluster);
    let (status, reason, message) = condition(&compiled, "ResolvedRefs");
    assert!(!status);
    (reason, message)
}

/// A rule that mirrors to `backend`.
fn mirror_to(backend: &Value) -> Value {
    json!([{"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": backend}}]}])
}

#[test]
fn istios_route_works_as_written() {
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": "goreplay", "name": "httpbin", "uid": "1", "generation": 1},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "httpbin", "port": 8000}],
            "rules": [{
                "filters": [{
                    "type": "RequestMirror",
                    "requestMirror": {"backendRef": {"name": "httpbin-v2", "port": 80}},
                }],
                "backendRefs": [{"name": "httpbin-v1", "port": 80}],
            }],
        },
    });
    let compiled = compiled(&route);
    assert_eq!(
        names(&compiled),
        ["goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80"]
    );
    let mirror = &compiled.mirrors[0];
    assert_eq!(
        mirror.watched,
        [
            watched("goreplay", "httpbin", Some(8000)),
            watched("goreplay", "httpbin-v1", Some(80))
        ]
    );
    assert_eq!(addresses(&compiled, 0), ["10.96.0.3:80"]);
    assert_eq!(mirror.share, Share::ALL);
    assert_eq!(mirror.host, HostHeader::Suffix("-shadow".to_owned()));
    assert!(mirror.edits.is_none());
    assert!(mirror.covers(&request(b"POST /anything?q HTTP/1.1\r\nHost: cluster-1\r\n\r\n")));
    assert!(condition(&compiled, "Accepted").0);
    assert!(condition(&compiled, "ResolvedRefs").0);
}

#[test]
fn a_route_without_a_mirror_is_none_of_our_business() {
    let compiled = compiled(&mesh(
        json!([{"backendRefs": [{"name": "httpbin-v1", "port": 80}]}]),
    ));
    assert!(compiled.mirrors.is_empty() && compiled.statuses.is_empty());
}

#[test]
fn a_parent_of_another_kind_is_passed_over_and_named() {
    let entry = json!({"group": "networking.istio.io", "kind": "ServiceEntry", "name": "a"});
    let foreign = route(json!({"parentRefs": [entry], "rules": [{"filters": [mirror()]}]}));
    let compiled = compiled(&foreign);
    assert!(compiled.mirrors.is_empty() && compiled.statuses.is_empty());
    assert_eq!(
        compiled.remark().as_deref(),
        Some(
            "mirrors only for Services and Gateways as parents, not for \
             goreplay/httpbin (ServiceEntry.networking.istio.io a)"
        )
    );
    let orphan = route(json!({"rules": [{"filters": [mirror()]}]}));
    let many = compile(
        [&foreign, &foreign, &foreign, &foreign, &foreign, &orphan],
        &demo(),
    );
    assert_eq!((many.foreign.len(), many.foreign_count), (4, 6));
    assert!(many.remark().unwrap().ends_with(" and 2 more"));
    let remark = compile([&orphan], &demo()).remark().unwrap();
    assert!(
        remark.ends_with("not for goreplay/httpbin (no parent)"),
        "{remark}"
    );
}

#[test]
fn a_foreign_parent_without_a_mirror_or_left_to_others_is_not_mentioned() {
    let entry = json!({"group": "networking.istio.io", "kind": "ServiceEntry", "name": "a"});
    let rules = json!([{"filters": [mirror()]}]);
    let mut left = route(json!({"parentRefs": [entry], "rules": rules}));
    left["metadata"]["annotations"] = json!({"shadow-agent.io/mirror": "false"});
    let without = route(json!({"parentRefs": [entry], "rules": [{}]}));
    assert_eq!(compile([&left, &without], &demo()).remark(), None);
}

#[test]
fn a_service_parent_without_a_group_is_the_service() {
    // The API fills in its own group where none is written.
    for parent in [
        json!({"group": "gateway.networking.k8s.io", "kind": "Service", "name": "httpbin", "port": 8000}),
        json!({"kind": "Service", "name": "httpbin", "port": 8000}),
    ] {
        let route = route(json!({"parentRefs": [parent], "rules": [{"filters": [mirror()]}]}));
        let compiled = compiled(&route);
        assert_eq!(
            compiled.mirrors[0].watched,
            [watched("goreplay", "httpbin", Some(8000))]
        );
        let (status, reason, message) = condition(&compiled, "Accepted");
        assert_eq!((status, reason), (true, Reason::Accepted));
        assert!(
            message.ends_with(
                "A parent without a group belongs to the Gateway API, which has no Service; use the core group \
                 (group: \"\")."
            ),
            "{message}"
        );
        assert_eq!(compiled.remark(), None);
    }
}

#[test]
fn a_service_that_leads_to_the_shadow_too_is_said_so_in_the_status() {
    let mut cluster = demo();
    let spec = |selector: Value| json!({"clusterIP": "10.96.0.9", "selector": selector, "ports": [{"name": "http", "port": 80}]});
    cluster.add("goreplay", "httpbin", spec(json!({"app": "httpbin"})));
    cluster.add(
        "goreplay",
        "httpbin-v1",
        spec(json!({"app": "httpbin", "version": "v1"})),
    );
    cluster.add(
        "goreplay",
        "httpbin-v2",
        spec(json!({"app": "httpbin", "version": "v2"})),
    );
    let rule = json!({"filters": [mirror()], "backendRefs": [{"name": "httpbin-v1", "port": 80}]});
    let message = |cluster: &Cluster| condition(&compile([&mesh(json!([rule]))], cluster), "Accepted").2;
    assert!(
        message(&cluster).ends_with(
            "The Service httpbin also selects pods of httpbin-v2: requests that reach these directly are not copied, \
             and counted as filtered."
        ),
        "{}",
        message(&cluster)
    );
    cluster.add(
        "goreplay",
        "httpbin",
        spec(json!({"app": "httpbin", "version": "v1"})),
    );
    assert!(message(&cluster).ends_with("only select the pods to watch."));
}

#[test]
fn a_filter_of_an_unknown_type_refuses_its_route_and_harms_no_other() {
    let unknown = mesh(json!([{"filters": [mirror(), {"type": "Teleport"}]}]));
    let fine = mesh(json!([{"filters": [mirror()]}]));
    let compiled = compile([&unknown, &fine], &demo());
    assert_eq!(compiled.mirrors.len(), 1);
    let (status, reason, message) = condition(&compiled, "Accepted");
    assert_eq!((status, reason), (false, Reason::UnsupportedValue));
    assert!(message.contains("Teleport"), "{message}");
    assert!(compiled.statuses[1].parents[0].conditions[0].status);
}

#[test]
fn a_share_is_a_percentage_a_fraction_or_everything() {
    let share = |more: &str| {
        let mut filter = mirror();
        let more: Value = serde_json::from_str(more).unwrap();
        let object = filter["requestMirror"].as_object_mut().unwrap();
        object.extend(more.as_object().unwrap().clone());
        let route = mesh(json!([{"filters": [filter]}]));
        let compiled = compiled(&route);
        compiled
            .mirrors
            .first()
            .map(|mirror| mirror.share)
            .ok_or_else(|| condition(&compiled, "Accepted").2)
    };
    assert_eq!(share("{}"), Ok(Share::ALL));
    assert_eq!(share(r#"{"percent": 42}"#), Ok(Share::percent(42)));
    assert_eq!(share(r#"{"percent": 0}"#), Ok(Share::percent(0)));
    assert_eq!(
        share(r#"{"fraction": {"numerator": 25, "denominator": 50}}"#),
        Ok(Share::percent(50))
    );
    assert_eq!(share(r#"{"fraction": {"numerator": 5}}"#), Ok(Share::percent(5)));
    assert_eq!(
        share(r#"{"percent": 1, "fraction": {"numerator": 5}}"#),
        Err("Rule 0: a RequestMirror has both percent and fraction: only one may be set.".to_owned())
    );
    assert!(share(r#"{"percent": 101}"#).is_err());
    assert!(share(r#"{"percent": -1}"#).is_err());
    assert!(share(r#"{"fraction": {"numerator": 1, "denominator": 0}}"#).is_err());
}

#[test]
fn a_rule_that_mirrors_nothing_takes_its_requests_away() {
    let compiled = compiled(&mesh(json!([
        {"filters": [mirror()]},
        {"matches": [{"path": {"type": "Exact", "value": "/health"}}]},
    ])));
    let mirror = &compiled.mirrors[0];
    let rule = |target: &str| {
        let request = request(format!("GET {target} HTTP/1.1\r\n\r\n").as_bytes());
        mirror.matcher.best(&request).map(|hit| hit.rule)
    };
    assert_eq!(rule("/a"), Some(mirror.rule));
    assert_eq!(rule("/health"), Some(1));
}

#[test]
fn every_kind_of_match_is_understood() {
    let compiled = compiled(&mesh(json!([{
        "matches": [{
            "path": {"type": "RegularExpression", "value": "/v[0-9]+"},
            "method": "DELETE",
            "headers": [{"name": "A", "value": "1"}, {"name": "B", "type": "RegularExpression", "value": "x+"}],
            "queryParams": [{"name": "q", "value": "1"}, {"name": "r", "type": "RegularExpression", "value": ".*"}],
        }],
        "filters": [mirror()],
    }])));
    let matcher = &compiled.mirrors[0].matcher;
    let whole = b"DELETE /v12?r&q=1 HTTP/1.1\r\na: 1\r\nb: xx\r\n\r\n";
    assert!(matcher.best(&request(whole)).is_some());
    for partial in [
        &b"GET /v12?r&q=1 HTTP/1.1\r\na: 1\r\nb: xx\r\n\r\n"[..],
        b"DELETE /v?r&q=1 HTTP/1.1\r\na: 1\r\nb: xx\r\n\r\n",
        b"DELETE /v12?q=1 HTTP/1.1\r\na: 1\r\nb: xx\r\n\r\n",
        b"DELETE /v12?r&q=1 HTTP/1.1\r\na: 1\r\n\r\n",
    ] {
        assert!(matcher.best(&request(partial)).is_none());
    }
}

#[test]
fn mirrors_of_a_rule_have_names_and_keys_of_their_own() {
    let to_v1 =
        json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "httpbin-v1", "port": 80}}});
    let compiled = compiled(&mesh(json!([{
        "filters": [mirror(), to_v1, mirror()],
        "backendRefs": [{"name": "httpbin-v1", "port": 80, "filters": [mirror()]}],
    }])));
    assert_eq!(
        names(&compiled),
        [
            "goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80",
            "goreplay/httpbin rule 0 -> goreplay/httpbin-v1:80",
            "goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80 (2)",
            "goreplay/httpbin rule 0 backendRef 0 -> goreplay/httpbin-v2:80",
        ]
    );
    let keys = compiled
        .mirrors
        .iter()
        .map(|mirror| (mirror.key.backend_ref, mirror.key.filter));
    assert_eq!(
        keys.collect::<Vec<_>>(),
        [(None, 0), (None, 1), (None, 2), (Some(0), 0)]
    );
}

#[test]
fn a_mirror_of_a_backend_ref_watches_the_pods_behind_that_alone() {
    let compiled = compiled(&mesh(json!([{"backendRefs": [
        {"name": "httpbin", "port": 8000},
        {"name": "httpbin-v1", "port": 80, "filters": [mirror()]},
    ]}])));
    assert_eq!(compiled.mirrors.len(), 1);
    assert_eq!(
        compiled.mirrors[0].watched,
        [watched("goreplay", "httpbin-v1", Some(80))]
    );
}

#[test]
fn a_parent_may_name_a_port_by_number_or_name_and_without_one_means_all() {
    let ports = |more: Value| {
        let mut parent = json!({"group": "", "kind": "Service", "name": "httpbin"});
        parent
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let compiled = compiled(&route(
            json!({"parentRefs": [parent], "rules": [{"filters": [mirror()]}]}),
        ));
        let (_, reason, message) = condition(&compiled, "Accepted");
        let mirror = compiled.mirrors.first();
        mirror
            .map(|mirror| mirror.watched[0].port)
            .ok_or((reason, message))
    };
    assert_eq!(ports(json!({})), Ok(None));
    assert_eq!(ports(json!({"port": 8000})), Ok(Some(8000)));
    assert_eq!(ports(json!({"sectionName": "http"})), Ok(Some(8000)));
    assert_eq!(
        ports(json!({"port": 80, "sectionName": "http"})),
        Err((
            Reason::NoMatchingParent,
            "The Service goreplay/httpbin has no TCP port 80 called http.".to_owned()
        ))
    );
}

#[test]
fn a_service_in_another_namespace_is_no_parent_even_with_a_grant() {
    let cluster = demo().with("other", "httpbin", 80).granting("goreplay", "other");
    let parent = json!({"group": "", "kind": "Service", "namespace": "other", "name": "httpbin"});
    let route = route(json!({"parentRefs": [parent], "rules": [{"filters": [mirror()]}]}));
    let compiled = compile([&route], &cluster);
    assert!(compiled.mirrors.is_empty());
    let (status, reason, message) = condition(&compiled, "Accepted");
    assert_eq!((status, reason), (false, Reason::NoMatchingParent));
    assert!(message.contains("producer"), "{message}");
}

#[test]
fn one_parent_that_is_refused_leaves_the_other_its_mirrors() {
    let parents = json!([
        {"group": "", "kind": "Service", "name": "gone"},
        {"group": "", "kind": "Service", "name": "httpbin"},
    ]);
    let compiled = compiled(&route(
        json!({"parentRefs": parents, "rules": [{"filters": [mirror()]}]}),
    ));
    assert_eq!(
        compiled.mirrors[0].watched,
        [watched("goreplay", "httpbin", None)]
    );
    let accepted = compiled.statuses[0]
        .parents
        .iter()
        .map(|parent| parent.conditions[0].status);
    assert_eq!(accepted.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn with_a_gateway_only_the_pods_behind_the_rule_are_watched() {
    let compiled = compiled(&gateway(json!([{
        "filters": [mirror()],
        "backendRefs": [{"name": "httpbin-v1", "port": 80}, {"name": "httpbin", "port": 8000, "weight": 0}],
    }])));
    assert_eq!(
        compiled.mirrors[0].watched,
        [watched("goreplay", "httpbin-v1", Some(80))]
    );
    let (status, _, message) = condition(&compiled, "Accepted");
    assert!(status && message.contains("only mirrors"), "{message}");
}

#[test]
fn hostnames_count_with_a_gateway_alone() {
    let found = |parents: Value| {
        let compiled = compiled(&route(json!({
            "parentRefs": parents,
            "hostnames": ["a.example"],
            "rules": [{"filters": [mirror()], "backendRefs": [{"name": "httpbin-v1", "port": 80}]}],
        })));
        let request = request(b"GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
        compiled.mirrors[0].matcher.best(&request).is_some()
    };
    assert!(!found(json!([{"name": "gateway"}])));
    assert!(found(
        json!([{"group": "", "kind": "Service", "name": "httpbin"}])
    ));
}

#[test]
fn a_route_with_parents_of_both_kinds_is_one_of_the_service() {
    let compiled = compiled(&route(json!({
        "parentRefs": [{"name": "gateway"}, {"group": "", "kind": "Service", "name": "httpbin"}],
        "hostnames": ["a.example"],
        "rules": edited_rules(),
    })));
    let first = &compiled.mirrors[0];
    assert_eq!(
        first.watched,
        [
            watched("goreplay", "httpbin", None),
            watched("goreplay", "httpbin-v1", Some(80))
        ]
    );
    assert!(first.edits.is_some());
    assert!(first.covers(&request(b"GET /foo HTTP/1.1\r\nHost: b\r\n\r\n")));
    assert_eq!(compiled.mirrors.len(), 2);
    assert_eq!(compiled.statuses[0].parents.len(), 2);
}

/// Filters that set a header before the mirror and after it, and rewrite the path between.
fn edited_rules() -> Value {
    let set = |name: &str| {
        json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {
            "set": [{"name": name, "value": "1"}, {"name": name, "value": "2"}],
            "remove": ["X-Gone"],
        }})
    };
    json!([{
        "matches": [{"path": {"value": "/foo"}}],
        "filters": [
            set("Before"),
            {"type": "URLRewrite", "urlRewrite": {
                "hostname": "new.example",
                "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/bar"},
            }},
            mirror(),
            set("After"),
        ],
        "backendRefs": [{"name": "httpbin-v1", "port": 80, "filters": [mirror()]}],
    }])
}

#[test]
fn a_copy_has_the_changes_of_the_filters_before_its_mirror() {
    let compiled = compiled(&mesh(edited_rules()));
    let edits = compiled.mirrors[0].edits.as_ref().unwrap();
    assert_eq!(edits.lines(), b"Before: 1\r\n");
    assert!(edits.drops(b"x-gone"));
    assert_eq!(edits.hostname(), Some(&b"new.example"[..]));
    let mut path = Vec::new();
    assert!(edits.write_path(&request(b"GET /foo/a HTTP/1.1\r\n\r\n"), b"/foo/a", &mut path));
    assert_eq!(path, b"/bar/a");
    // The mirror of the backendRef comes behind all filters of the rule.
    let edits = compiled.mirrors[1].edits.as_ref().unwrap();
    assert_eq!(edits.lines(), b"Before: 1\r\nAfter: 1\r\n");
}

#[test]
fn what_a_gateway_has_changed_is_not_changed_again() {
    let compiled = compiled(&gateway(edited_rules()));
    assert_eq!(compiled.mirrors.len(), 2);
    assert!(compiled.mirrors.iter().all(|mirror| mirror.edits.is_none()));
    let (_, _, message) = condition(&compiled, "Accepted");
    assert!(message.contains("Rules (0) have a URLRewrite"), "{message}");
}

#[test]
fn what_cannot_be_done_refuses_the_route_with_the_reason() {
    let edit = |modifier: Value| json!([{"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}, mirror()]}]);
    let message = refused(&mesh(edit(
        json!({"set": [{"name": "Content-Length", "value": "1"}]}),
    )));
    assert!(
        message.starts_with("Rule 0: the header \"Content-Length\" cannot be changed"),
        "{message}"
    );
    refused(&mesh(edit(json!({"remove": ["Host"]}))));
    let message = refused(&mesh(
        json!([{"filters": [mirror()]}, {"matches": [{"path": {"type": "RegularExpression", "value": "/("}}]}]),
    ));
    assert!(message.contains("missing closing )"), "{message}");
    refused(&mesh(
        json!([{"filters": [mirror()], "matches": [{"path": {"value": "foo"}}]}]),
    ));
    refused(&mesh(json!([{"filters": [{"type": "RequestMirror"}]}])));
    refused(&mesh(json!([{"filters": vec![mirror(); MAX_FILTERS + 1]}])));
    let expression = json!({"path": {"type": "RegularExpression", "value": "/a"}});
    refused(&mesh(json!([
        {"filters": [mirror()], "matches": vec![expression.clone(); 40]},
        {"matches": vec![expression; 40]},
    ])));
}

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
        "h2",
        json!({"clusterIP": "10.96.0.11", "ports": [{"port": 80, "appProtocol": "kubernetes.io/h2c"}]}),
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
        reason(json!({"name": "h2", "port": 80})),
        Reason::UnsupportedProtocol
    );
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
    assert!(grant.permits("a", "shadow", "v2"));
    assert!(!grant.permits("a", "shadow", "v3"));
    assert!(!grant.permits("b", "shadow", "v2"));
    assert!(!grant.permits("a", "other", "v2"));
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

#[test]
fn keys_stay_while_a_backend_changes() {
    let key = |route: &Value, cluster: &Cluster| compile([route], cluster).mirrors[0].key.clone();
    let mut route = mesh(json!([{"filters": [mirror()]}]));
    let first = key(&route, &demo());
    let mut cluster = demo();
    cluster.add(
        "goreplay",
        "httpbin-v2",
        json!({"clusterIP": "10.9.9.9", "ports": [{"port": 80}]}),
    );
    assert_eq!(key(&route, &cluster), first);
    route["metadata"]["uid"] = json!("2");
    assert_ne!(key(&route, &cluster), first);
}

#[test]
fn a_mirror_is_equal_after_another_look_unless_it_has_changed() {
    let compiled = |rules: Value| compile([&mesh(rules)], &demo()).mirrors;
    let regex = |value: &str| json!([{"matches": [{"path": {"type": "RegularExpression", "value": value}}], "filters": [mirror()]}]);
    assert_eq!(compiled(edited_rules()), compiled(edited_rules()));
    assert_eq!(compiled(regex("/a")), compiled(regex("/a")));
    assert_ne!(compiled(regex("/a")), compiled(regex("/b")));
    let mut other = edited_rules();
    other[0]["filters"][0]["requestHeaderModifier"]["set"][0]["value"] = json!("3");
    assert_ne!(compiled(edited_rules()), compiled(other));
}

#[test]
fn two_routes_of_one_service_are_independent() {
    let mut other = mesh(json!([{"filters": [mirror()]}]));
    other["metadata"]["name"] = json!("second");
    let compiled = compile([&mesh(json!([{"filters": [mirror()]}])), &other], &demo());
    assert_eq!(
        names(&compiled),
        [
            "goreplay/httpbin rule 0 -> goreplay/httpbin-v2:80",
            "goreplay/second rule 0 -> goreplay/httpbin-v2:80"
        ]
    );
}

#[test]
fn mirrors_beyond_the_limit_are_refused_route_by_route() {
    let rule = json!({"filters": vec![mirror(); 16]});
    let large = mesh(json!(vec![rule; 10]));
    let small = mesh(json!([{"filters": [mirror()]}]));
    let compiled = compile([&large, &large, &small], &demo());
    assert_eq!(compiled.mirrors.len(), 161);
    let accepted = compiled
        .statuses
        .iter()
        .map(|status| status.parents[0].conditions[0].reason);
    assert_eq!(
        accepted.collect::<Vec<_>>(),
        [Reason::Accepted, Reason::TooManyMirrors, Reason::Accepted]
    );
    refused(&mesh(json!(vec![json!({"filters": vec![mirror(); 64]}); 5])));
    let many = vec![small; MAX_ROUTES + 2];
    assert_eq!(compile(&many, &demo()).passed_over, 2);
}

#[test]
fn what_is_no_route_at_all_is_passed_over() {
    for value in [
        json!(null),
        json!([]),
        json!({"metadata": {}}),
        json!({"metadata": {"name": "a"}, "spec": 1}),
    ] {
        let compiled = compiled(&value);
        assert!(compiled.mirrors.is_empty() && compiled.statuses.is_empty());
    }
}

/// Every place in `value`, as a JSON pointer.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, field)| places(field, &format!("{at}/{name}"), all)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| places(item, &format!("{at}/{index}"), all)),
        _ => {}
    }
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!([])),
        Just(json!({})),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(mirror()),
    ]
}

proptest! {
    /// Whatever stands in a route, it is used or refused, and its status fits the schema.
    #[test]
    fn whatever_a_route_says_it_gets_a_status_that_fits_the_schema(
        changes in prop::collection::vec((any::<prop::sample::Index>(), anything()), 1..4),
        with_gateway in any::<bool>(),
    ) {
        let mut route = if with_gateway { gateway(edited_rules()) } else { mesh(edited_rules()) };
        for (index, new) in changes {
            let mut all = Vec::new();
            places(&route, "", &mut all);
            if let Some(place) = route.pointer_mut(&all[index.index(all.len())]) {
                *place = new;
            }
        }
        let compiled = compiled(&route);
        for status in &compiled.statuses {
            let merged = merge_status(route.get("status"), status, "2026-01-02T03:04:05Z");
            if let Some(status) = merged {
                for entry in status["parents"].as_array().unwrap() {
                    let conditions = entry["conditions"].as_array().unwrap();
                    prop_assert_eq!(conditions.len(), 2);
                    prop_assert!(conditions.iter().all(|condition| condition["message"].as_str().unwrap().len() < 32_768));
                }
            }
        }
        let accepted = |status: &RouteStatus| status.parents.iter().any(|parent| parent.conditions[0].status);
        prop_assert!(compiled.mirrors.is_empty() || compiled.statuses.iter().all(accepted));
    }
}
