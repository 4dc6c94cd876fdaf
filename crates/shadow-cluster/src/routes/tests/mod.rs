//! Routes as users write them, in the form in which the API gives them.

// A `json!` is handed over as it is written: a reference would say nothing.
#![allow(clippy::needless_pass_by_value)]

mod annotations;
mod backends;
mod calls;
mod compiling;
mod filters;
mod hostile;
mod statuses;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::*;

/// A cluster with these things in it.
#[derive(Default)]
struct Cluster {
    services: BTreeMap<(String, String), Service>,
    grants: Vec<ReferenceGrant>,
    endpoints: Vec<Endpoint>,
}

impl Catalog for Cluster {
    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&(namespace.to_owned(), name.to_owned()))
    }

    fn grants(&self) -> &[ReferenceGrant] {
        &self.grants
    }

    fn endpoints(&self, _namespace: &str, _service: &str) -> Vec<Endpoint> {
        self.endpoints.clone()
    }
}

impl Cluster {
    /// A Service with a cluster address of its own.
    fn with(mut self, namespace: &str, name: &str, port: u16) -> Self {
        let address = format!("10.96.0.{}", self.services.len() + 1);
        self.add(
            namespace,
            name,
            json!({"clusterIP": address, "clusterIPs": [address], "ports": [{"name": "http", "port": port}]}),
        );
        self
    }

    fn add(&mut self, namespace: &str, name: &str, spec: Value) {
        let service = serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": spec,
        }));
        self.services
            .insert((namespace.to_owned(), name.to_owned()), service.unwrap());
    }

    /// Lets each `HTTPRoute` of `from` use Services of `to`.
    fn granting(self, from: &str, to: &str) -> Self {
        self.granting_to("HTTPRoute", from, to)
    }

    /// Lets each route of this kind in `from` use Services of `to`.
    fn granting_to(mut self, kind: &str, from: &str, to: &str) -> Self {
        let grant = json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "ReferenceGrant",
            "metadata": {"namespace": to, "name": "grant"},
            "spec": {
                "from": [{"group": "gateway.networking.k8s.io", "kind": kind, "namespace": from}],
                "to": [{"group": "", "kind": "Service"}],
            },
        });
        self.grants.push(ReferenceGrant::parse(&grant).unwrap());
        self
    }
}

/// The Services of the demo: `httpbin` and the two releases behind it.
fn demo() -> Cluster {
    Cluster::default()
        .with("goreplay", "httpbin", 8000)
        .with("goreplay", "httpbin-v1", 80)
        .with("goreplay", "httpbin-v2", 80)
}

/// A route in the namespace `goreplay` called `httpbin`.
fn route(spec: Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": "goreplay", "name": "httpbin", "uid": "1", "generation": 7},
        "spec": spec,
    })
}

/// A route of the Service `httpbin` with these rules.
fn mesh(rules: Value) -> Value {
    route(json!({"parentRefs": [{"group": "", "kind": "Service", "name": "httpbin"}], "rules": rules}))
}

/// A route of a Gateway with these rules.
fn gateway(rules: Value) -> Value {
    route(json!({"parentRefs": [{"name": "gateway"}], "rules": rules}))
}

/// A filter that mirrors to `httpbin-v2`.
fn mirror() -> Value {
    json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "httpbin-v2", "port": 80}}})
}

fn compiled(route: &Value) -> Compiled {
    compile([route], &demo())
}

/// Status, reason and message of a condition of the first parent.
fn condition(compiled: &Compiled, kind: &str) -> (bool, Reason, String) {
    let conditions = &compiled.statuses[0].parents[0].conditions;
    let condition = conditions
        .iter()
        .find(|condition| condition.kind == kind)
        .unwrap();
    (condition.status, condition.reason, condition.message.clone())
}

fn watched(namespace: &str, name: &str, port: Option<u16>) -> WatchedService {
    WatchedService {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        port,
    }
}

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
