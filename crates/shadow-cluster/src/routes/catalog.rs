//! The catalog of what routes refer to: Services, their endpoints, and who may refer across namespaces.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;
use serde_json::Value;

use super::kind::{GATEWAY_GROUP, RouteKind};

/// The objects of the cluster that routes refer to.
pub trait Catalog {
    /// The Service of this name, if there is one.
    fn service(&self, namespace: &str, name: &str) -> Option<&Service>;

    /// Every `ReferenceGrant`.
    fn grants(&self) -> &[ReferenceGrant];

    /// The ready endpoints of a Service, from its `EndpointSlice`s. Asked for headless Services only.
    fn endpoints(&self, namespace: &str, service: &str) -> Vec<Endpoint>;
}

/// One port of one ready endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The pod's address.
    pub address: IpAddr,
    /// The name of the Service's port that this is; empty for the only port.
    pub port_name: String,
    /// The number that the pod listens on.
    pub port: u16,
}

/// A `ReferenceGrant`, of v1 or v1beta1 alike: who may refer to what in its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceGrant {
    namespace: String,
    from: Vec<From>,
    to: Vec<To>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct From {
    group: String,
    kind: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct To {
    group: String,
    kind: String,
    #[serde(default)]
    name: Option<String>,
}

impl ReferenceGrant {
    /// Reads a grant as the API gives it. One that cannot be understood whole grants nothing.
    pub fn parse(value: &Value) -> Option<Self> {
        let spec = value.get("spec")?;
        Some(Self {
            namespace: value.pointer("/metadata/namespace")?.as_str()?.to_owned(),
            from: Vec::deserialize(spec.get("from")?).ok()?,
            to: Vec::deserialize(spec.get("to")?).ok()?,
        })
    }

    /// Whether a route of this kind in the namespace `from` may refer to the Service `name` in `namespace`.
    pub fn permits(&self, kind: RouteKind, from: &str, namespace: &str, name: &str) -> bool {
        self.namespace == namespace
            && self.from.iter().any(|source| {
                source.group == GATEWAY_GROUP && source.kind == kind.name() && source.namespace == from
            })
            && self.to.iter().any(|target| {
                target.group.is_empty()
                    && target.kind == "Service"
                    && target
                        .name
                        .as_deref()
                        .is_none_or(|only| only.is_empty() || only == name)
            })
    }
}
