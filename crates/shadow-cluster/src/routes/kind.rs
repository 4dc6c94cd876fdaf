//! The kinds of route that mirror.

use serde_json::Value;

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
