//! A catalog that routes refer to, made from choices.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use shadow_agent::kubernetes::routes::{Catalog, Endpoint, ReferenceGrant};

use crate::choices::Choices;

/// Namespaces, names and ports that clusters and routes share, so that references lead somewhere.
pub const NAMESPACES: [&str; 3] = ["shop", "billing", "default"];
/// See [`NAMESPACES`].
pub const NAMES: [&str; 4] = ["web", "web-v1", "web-v2", "api"];
/// See [`NAMESPACES`].
pub const PORTS: [u16; 4] = [80, 8000, 8080, 443];

/// A cluster.
pub struct Cluster {
    services: BTreeMap<(String, String), Service>,
    grants: Vec<ReferenceGrant>,
    endpoints: Vec<Endpoint>,
}

impl Cluster {
    /// One as `choices` have it.
    pub fn of(choices: &mut Choices<'_>) -> Self {
        let mut services = BTreeMap::new();
        for namespace in NAMESPACES {
            for name in NAMES {
                let service = match choices.up_to(7) {
                    6 => continue,
                    7 => odd_service(choices),
                    _ => plain_service(),
                };
                services.insert((namespace.to_owned(), name.to_owned()), service);
            }
        }
        let grants = choices.list(3, |choices| {
            ReferenceGrant::parse(&json!({
                "metadata": {"namespace": choices.word(&NAMESPACES)},
                "spec": {
                    "from": [{
                        "group": "gateway.networking.k8s.io", "kind": "HTTPRoute",
                        "namespace": choices.word(&NAMESPACES),
                    }],
                    "to": [{"group": "", "kind": "Service"}],
                },
            }))
        });
        let endpoints = choices.list(3, |choices| Endpoint {
            address: IpAddr::V4(Ipv4Addr::from(u32::from(choices.up_to(u8::MAX)))),
            port_name: choices.word(&["", "http"]),
            port: port(choices),
        });
        Self {
            services,
            grants: grants.into_iter().flatten().collect(),
            endpoints,
        }
    }
}

fn plain_service() -> Service {
    let ports = PORTS.map(|port| json!({"name": port.to_string(), "port": port}));
    let spec = json!({"clusterIP": "10.0.0.1", "ports": ports});
    serde_json::from_value(json!({ "spec": spec })).unwrap_or_default()
}

fn odd_service(choices: &mut Choices<'_>) -> Service {
    let address = choices.word(&["10.0.0.1", "None", "", "fd00::1"]);
    let ports = choices.list(3, |choices| {
        json!({
            "name": choices.word(&["http", "other"]),
            "port": port(choices),
            "protocol": choices.word(&["TCP", "UDP"]),
            "appProtocol": choices.word(&["http", "https", "kubernetes.io/h2c"]),
        })
    });
    let kind = choices.word(&["ClusterIP", "ClusterIP", "ExternalName"]);
    let spec = json!({
        "type": kind, "clusterIP": address, "ports": ports, "externalName": choices.word(&["example.com", ""]),
    });
    serde_json::from_value(json!({ "spec": spec })).unwrap_or_default()
}

/// One of [`PORTS`].
pub fn port(choices: &mut Choices<'_>) -> u16 {
    PORTS[usize::from(choices.up_to(3))]
}

impl Catalog for Cluster {
    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.get(&(namespace.to_owned(), name.to_owned()))
    }

    fn grants(&self) -> &[ReferenceGrant] {
        &self.grants
    }

    fn endpoints(&self, _: &str, _: &str) -> Vec<Endpoint> {
        self.endpoints.clone()
    }
}
