//! An `HTTPRoute`, or now and then a `GRPCRoute`, made from choices: mostly one that the API would let in, with odd words
//! here and there.

use serde_json::{Map, Value, json};

use crate::choices::Choices;
use crate::cluster::{NAMES, NAMESPACES, port};

// What is refused is rare: a route is refused whole.
const HEADERS: [&str; 8] = [
    "X-Tenant",
    "Host",
    "accept",
    "Authorization",
    "Cookie",
    "x-tenant",
    "X-Hop",
    "Content-Length",
];
const VALUES: [&str; 8] = ["a", "", "a, b", "[a-z]+", "b", "x;y=z", "1", "a\r\nb: c"];
const PATHS: [&str; 8] = ["/", "/a", "/a/", "/a/b", "/[a-z]+(/.*)?", "/%2f", "/z", "/a?b#c"];
const HOSTS: [&str; 4] = ["example.com", "x.example.com", "localhost", "a b"];

/// A route.
pub fn http_route(choices: &mut Choices<'_>) -> Value {
    let parents = choices.some(3, |choices| {
        let (group, kind) = match choices.up_to(4) {
            0..=2 => ("", "Service"),
            3 => ("gateway.networking.k8s.io", "Gateway"),
            _ => ("example.com", "Mesh"),
        };
        let mut parent = reference(choices);
        parent.insert("group".to_owned(), group.into());
        parent.insert("kind".to_owned(), kind.into());
        parent
    });
    let annotations = if choices.once_in(3) {
        json!({
            "shadow-agent.io/host": choices.word(&["suffix", "original", "backend"]),
            "shadow-agent.io/host-suffix": choices.word(&["-test", ""]),
        })
    } else {
        json!({})
    };
    let status = json!({"parents": choices.list(2, |choices| json!({
        "parentRef": reference(choices),
        "controllerName": choices.word(&["shadow-agent.io/mirror", "istio.io/gateway-controller"]),
        "conditions": [],
    }))});
    let mut route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {
            "namespace": choices.word(&NAMESPACES), "name": choices.word(&NAMES), "uid": "1", "generation": 1,
            "annotations": annotations,
        },
        "spec": {
            "parentRefs": parents,
            "hostnames": choices.list(2, |choices| choices.word(&HOSTS)),
            "rules": choices.some(3, rule),
        },
        "status": status,
    });
    if choices.once_in(4) {
        of_calls(&mut route, choices);
    }
    route
}

/// Makes a `GRPCRoute` of it: its matches are others, and so are some filters, for which it may be refused.
fn of_calls(route: &mut Value, choices: &mut Choices<'_>) {
    const NAMES: [&str; 5] = ["a.B", "C", "", "[a-z.]+", "("];
    route["kind"] = "GRPCRoute".into();
    for rule in route["spec"]["rules"].as_array_mut().into_iter().flatten() {
        let matches = choices.list(3, |choices| {
            json!({
                "method": {
                    "type": choices.word(&["Exact", "Exact", "RegularExpression"]),
                    "service": choices.word(&NAMES),
                    "method": choices.word(&NAMES),
                },
                "headers": [{"name": choices.word(&HEADERS), "value": choices.word(&VALUES)}],
            })
        });
        rule["matches"] = matches.into();
    }
}

fn reference(choices: &mut Choices<'_>) -> Map<String, Value> {
    let mut reference = Map::new();
    reference.insert("name".to_owned(), choices.word(&NAMES).into());
    if !choices.once_in(8) {
        reference.insert("port".to_owned(), port(choices).into());
    }
    if choices.once_in(6) {
        reference.insert("namespace".to_owned(), choices.word(&NAMESPACES).into());
    }
    reference
}

fn rule(choices: &mut Choices<'_>) -> Value {
    let mut filters = choices.list(3, filter);
    if !choices.once_in(4) {
        // Behind the others, so that they apply to it.
        filters.push(mirror(choices));
    }
    json!({
        "matches": choices.list(3, request_match),
        "filters": filters,
        "backendRefs": choices.list(2, |choices| {
            let mut backend = reference(choices);
            backend.insert("weight".to_owned(), choices.up_to(2).into());
            backend.insert("filters".to_owned(), choices.list(2, filter).into());
            backend
        }),
    })
}

fn request_match(choices: &mut Choices<'_>) -> Value {
    let mut found = Map::new();
    if !choices.once_in(3) {
        let kind = choices.word(&["PathPrefix", "Exact", "RegularExpression"]);
        found.insert(
            "path".to_owned(),
            json!({"type": kind, "value": choices.word(&PATHS)}),
        );
    }
    if choices.once_in(3) {
        found.insert("method".to_owned(), choices.word(&["GET", "POST"]).into());
    }
    for of in ["headers", "queryParams"] {
        let named = choices.list(2, |choices| {
            let kind = choices.word(&["Exact", "RegularExpression"]);
            json!({"type": kind, "name": choices.word(&HEADERS), "value": choices.word(&VALUES)})
        });
        found.insert(of.to_owned(), named.into());
    }
    Value::Object(found)
}

fn filter(choices: &mut Choices<'_>) -> Value {
    match choices.up_to(3) {
        0 => mirror(choices),
        1 => {
            let headers = |choices: &mut Choices<'_>| {
                choices.list(
                    2,
                    |choices| json!({"name": choices.word(&HEADERS), "value": choices.word(&VALUES)}),
                )
            };
            json!({"type": "RequestHeaderModifier", "requestHeaderModifier": {
                "set": headers(choices), "add": headers(choices),
                "remove": choices.list(2, |choices| choices.word(&HEADERS)),
            }})
        }
        2 => {
            let path = if choices.once_in(2) {
                json!({"type": "ReplaceFullPath", "replaceFullPath": choices.word(&PATHS)})
            } else {
                json!({"type": "ReplacePrefixMatch", "replacePrefixMatch": choices.word(&PATHS)})
            };
            json!({"type": "URLRewrite", "urlRewrite": {"hostname": choices.word(&HOSTS), "path": path}})
        }
        _ => json!({"type": choices.word(&["ResponseHeaderModifier", "RequestRedirect", "CORS"])}),
    }
}

fn mirror(choices: &mut Choices<'_>) -> Value {
    let mut mirror = Map::new();
    mirror.insert("backendRef".to_owned(), reference(choices).into());
    match choices.up_to(3) {
        1 => mirror.insert("percent".to_owned(), choices.up_to(110).into()),
        2 => mirror.insert(
            "fraction".to_owned(),
            json!({"numerator": choices.up_to(9), "denominator": choices.up_to(9)}),
        ),
        _ => None,
    };
    json!({"type": "RequestMirror", "requestMirror": mirror})
}
