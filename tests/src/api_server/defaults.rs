//! Fields that the real server fills in when a client leaves them out, of the kinds that routing depends on.
//!
//! Clients see them always: a reader that takes only the absent `group` for the core one is wrong.

use serde_json::Value;

/// Resource, place of the object that lacks the field (`[]`: each of a list), field, and its default as JSON. An
/// outer default comes before those inside it.
type Field = (&'static str, &'static str, &'static str, &'static str);

const DEFAULTS: &[Field] = &[
    (
        "httproutes",
        "spec.parentRefs[]",
        "group",
        "\"gateway.networking.k8s.io\"",
    ),
    ("httproutes", "spec.parentRefs[]", "kind", "\"Gateway\""),
    ("httproutes", "spec", "rules", "[{}]"),
    ("httproutes", "spec.rules[]", "matches", "[{}]"),
    ("httproutes", "spec.rules[].matches[]", "path", "{}"),
    (
        "httproutes",
        "spec.rules[].matches[].path",
        "type",
        "\"PathPrefix\"",
    ),
    ("httproutes", "spec.rules[].matches[].path", "value", "\"/\""),
    (
        "httproutes",
        "spec.rules[].matches[].headers[]",
        "type",
        "\"Exact\"",
    ),
    (
        "httproutes",
        "spec.rules[].matches[].queryParams[]",
        "type",
        "\"Exact\"",
    ),
    ("httproutes", "spec.rules[].backendRefs[]", "group", "\"\""),
    ("httproutes", "spec.rules[].backendRefs[]", "kind", "\"Service\""),
    ("httproutes", "spec.rules[].backendRefs[]", "weight", "1"),
    (
        "httproutes",
        "spec.rules[].filters[].requestMirror.backendRef",
        "group",
        "\"\"",
    ),
    (
        "httproutes",
        "spec.rules[].filters[].requestMirror.backendRef",
        "kind",
        "\"Service\"",
    ),
    (
        "httproutes",
        "spec.rules[].filters[].requestMirror.fraction",
        "denominator",
        "100",
    ),
    (
        "httproutes",
        "spec.rules[].backendRefs[].filters[].requestMirror.backendRef",
        "group",
        "\"\"",
    ),
    (
        "httproutes",
        "spec.rules[].backendRefs[].filters[].requestMirror.backendRef",
        "kind",
        "\"Service\"",
    ),
    (
        "grpcroutes",
        "spec.parentRefs[]",
        "group",
        "\"gateway.networking.k8s.io\"",
    ),
    ("grpcroutes", "spec.parentRefs[]", "kind", "\"Gateway\""),
    ("grpcroutes", "spec.rules[].matches[].method", "type", "\"Exact\""),
    (
        "grpcroutes",
        "spec.rules[].matches[].headers[]",
        "type",
        "\"Exact\"",
    ),
    ("grpcroutes", "spec.rules[].backendRefs[]", "group", "\"\""),
    ("grpcroutes", "spec.rules[].backendRefs[]", "kind", "\"Service\""),
    ("grpcroutes", "spec.rules[].backendRefs[]", "weight", "1"),
    (
        "grpcroutes",
        "spec.rules[].filters[].requestMirror.backendRef",
        "group",
        "\"\"",
    ),
    (
        "grpcroutes",
        "spec.rules[].filters[].requestMirror.backendRef",
        "kind",
        "\"Service\"",
    ),
    (
        "grpcroutes",
        "spec.rules[].filters[].requestMirror.fraction",
        "denominator",
        "100",
    ),
    ("gateways", "spec.listeners[]", "allowedRoutes", "{}"),
    ("gateways", "spec.listeners[].allowedRoutes", "namespaces", "{}"),
    (
        "gateways",
        "spec.listeners[].allowedRoutes.namespaces",
        "from",
        "\"Same\"",
    ),
    ("services", "spec", "type", "\"ClusterIP\""),
    ("services", "spec.ports[]", "protocol", "\"TCP\""),
    ("pods", "spec.containers[].ports[]", "protocol", "\"TCP\""),
    ("endpointslices", "ports[]", "name", "\"\""),
    ("endpointslices", "ports[]", "protocol", "\"TCP\""),
];

/// Fills in what an object of `resource` (its plural) leaves out.
pub(super) fn fill_in(resource: &str, object: &mut Value) {
    for (_, place, field, default) in DEFAULTS.iter().filter(|(of, ..)| *of == resource) {
        each(object, place, &mut |found| {
            if found[*field].is_null() {
                found[*field] = serde_json::from_str(default).expect("a default in JSON");
            }
        });
    }
    if resource == "services" {
        each(object, "spec.ports[]", &mut |port| {
            if port["targetPort"].is_null() {
                port["targetPort"] = port["port"].clone();
            }
        });
    }
}

/// Does something with each object at a place.
fn each(value: &mut Value, place: &str, visit: &mut impl FnMut(&mut Value)) {
    let (step, rest) = place.split_once('.').unwrap_or((place, ""));
    if step.is_empty() {
        if value.is_object() {
            visit(value);
        }
    } else if let Some(field) = step.strip_suffix("[]") {
        let items = value.get_mut(field).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            each(item, rest, visit);
        }
    } else if let Some(inside) = value.get_mut(step) {
        each(inside, rest, visit);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_route_gets_its_matches_and_kinds() {
        let mut route = json!({"spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "httpbin"}, {"name": "gateway"}],
            "rules": [{
                "filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "v2"}}}],
                "backendRefs": [{"name": "v1", "weight": 0}],
            }],
        }});
        fill_in("httproutes", &mut route);
        let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gateway"});
        assert_eq!(route["spec"]["parentRefs"][0]["group"], "");
        assert_eq!(route["spec"]["parentRefs"][1], gateway);
        let mirror = json!({"backendRef": {"group": "", "kind": "Service", "name": "v2"}});
        assert_eq!(
            route["spec"]["rules"],
            json!([{
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "filters": [{"type": "RequestMirror", "requestMirror": mirror}],
                "backendRefs": [{"group": "", "kind": "Service", "name": "v1", "weight": 0}],
            }])
        );
    }

    #[test]
    fn a_service_port_leads_to_the_same_port_unless_it_says_where() {
        let mut service = json!({"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "http"}]}});
        fill_in("services", &mut service);
        assert_eq!(
            service["spec"]["ports"],
            json!([
                {"port": 80, "targetPort": 80, "protocol": "TCP"},
                {"port": 81, "targetPort": "http", "protocol": "TCP"},
            ])
        );
    }
}
