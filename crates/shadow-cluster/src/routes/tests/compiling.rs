//! The mirrors of a route, by its parents and matches.

use shadow_mirror::testing::request;

use super::*;

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
fn a_foreign_parent_that_mirrors_nothing_is_not_mentioned() {
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
fn a_parent_names_a_port_by_number_or_name_or_means_all() {
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
