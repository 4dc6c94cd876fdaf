//! The kinds of route that mirror.

use serde_json::Value;

/// The group of Gateway API's own kinds, and of a reference that names none.
pub(super) const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// The route that a reference stands in, as a `ReferenceGrant` speaks of it.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub kind: RouteKind,
    pub namespace: &'a str,
}

/// The kind of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteKind {
    /// An `HTTPRoute`: of requests.
    Http,
    /// A `GRPCRoute`: of gRPC calls.
    Grpc,
}

impl RouteKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Http, Self::Grpc];

    /// The kind of a route that has been listed, by its own words.
    pub fn of(route: &Value) -> Self {
        match route.get("kind").and_then(Value::as_str) {
            Some("GRPCRoute") => Self::Grpc,
            _ => Self::Http,
        }
    }

    /// Its name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
        }
    }

    /// Its name in the API's paths.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Http => "httproutes",
            Self::Grpc => "grpcroutes",
        }
    }
}
