//! The spec of a route, in one form for both kinds: they differ in their matches alone. Filters and backends of a
//! `GRPCRoute` are written as those of an `HTTPRoute`, with fewer types of filter, and are read as such.

use gateway_api::apis::standard::grpcroutes::{GrpcRouteRules, GrpcRouteSpec};
use gateway_api::apis::standard::httproutes::{
    HttpRouteRules, HttpRouteRulesBackendRefs, HttpRouteRulesFilters, HttpRouteSpec,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::conditions::Conditions;
use super::kind::RouteKind;

/// The spec of a route.
pub(super) struct Spec {
    pub hostnames: Vec<String>,
    pub rules: Vec<Rule>,
}

/// One rule.
pub(super) struct Rule {
    /// One of these is enough; without any, every request of the route's kind.
    pub matches: Vec<Conditions>,
    pub filters: Vec<HttpRouteRulesFilters>,
    pub backends: Vec<HttpRouteRulesBackendRefs>,
}

impl Spec {
    /// Reads the spec of a route of this kind, strictly: the error is for its author.
    pub fn read(kind: RouteKind, spec: &Value) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            RouteKind::Http => {
                let spec = HttpRouteSpec::deserialize(spec)?;
                Self {
                    hostnames: spec.hostnames.unwrap_or_default(),
                    rules: spec.rules.into_iter().flatten().map(Rule::http).collect(),
                }
            }
            RouteKind::Grpc => {
                let spec = GrpcRouteSpec::deserialize(spec)?;
                let rules = spec.rules.into_iter().flatten().map(Rule::grpc);
                Self {
                    hostnames: spec.hostnames.unwrap_or_default(),
                    rules: rules.collect::<Result<_, _>>()?,
                }
            }
        })
    }
}

impl Rule {
    fn http(rule: HttpRouteRules) -> Self {
        Self {
            matches: rule
                .matches
                .into_iter()
                .flatten()
                .map(|found| Conditions::Http(Box::new(found)))
                .collect(),
            filters: rule.filters.unwrap_or_default(),
            backends: rule.backend_refs.unwrap_or_default(),
        }
    }

    fn grpc(rule: GrpcRouteRules) -> Result<Self, serde_json::Error> {
        let mut matches: Vec<_> = rule
            .matches
            .into_iter()
            .flatten()
            .map(|found| Conditions::Grpc(Box::new(found)))
            .collect();
        if matches.is_empty() {
            // Of an HTTPRoute, no match means every request: here, every call.
            matches.push(Conditions::Grpc(Box::default()));
        }
        Ok(Self {
            matches,
            filters: as_http(rule.filters.unwrap_or_default())?,
            backends: as_http(rule.backend_refs.unwrap_or_default())?,
        })
    }
}

/// Reads what one schema has written by another that has everything of it.
pub(super) fn as_http<T: DeserializeOwned>(written: impl Serialize) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(written)?)
}
