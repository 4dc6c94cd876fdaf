//! The routes of the cluster, of each kind, as they are listed and watched.
//!
//! `HTTPRoute`s must be there. A cluster whose Gateway API is older than 1.1 has no `GRPCRoute`s, and a role of an older
//! agent does not let it list them: neither holds `HTTPRoute`s up.

use std::sync::Arc;

use kube::api::{Api, ApiResource, DynamicObject, TypeMeta};
use serde_json::Value;

use super::api_error::Trouble;
use super::conditions::in_words;
use super::reflector::{Choice, Known, Reflector};
use super::routes::RouteKind;
use super::settings::RouteNamespaces;
use super::watched::Source;

const GROUP: &str = "gateway.networking.k8s.io";

/// Copies of the routes of some namespaces.
pub struct RouteLists {
    lists: Vec<(RouteKind, Reflector<Value>)>,
}

/// The routes that are known at one moment.
pub struct KnownRoutes {
    lists: Vec<(RouteKind, Known<Value>)>,
}

impl RouteLists {
    /// Starts to follow the routes of these namespaces.
    pub fn start(namespaces: &RouteNamespaces, source: &Source) -> Self {
        let lists = RouteKind::ALL.into_iter().flat_map(|kind| {
            let resource = resource_of(kind);
            let client = || source.client.clone();
            let apis: Vec<Api<DynamicObject>> = match namespaces {
                RouteNamespaces::All => vec![Api::all_with(client(), &resource)],
                RouteNamespaces::These(names) => names
                    .iter()
                    .map(|name| Api::namespaced_with(client(), name, &resource))
                    .collect(),
            };
            let slim = match kind {
                RouteKind::Http => |route| slim_route(RouteKind::Http, route),
                RouteKind::Grpc => |route| slim_route(RouteKind::Grpc, route),
            };
            apis.into_iter()
                .map(move |api| (kind, reflect(source, vec![api], slim)))
        });
        Self {
            lists: lists.collect(),
        }
    }

    /// The routes at this moment.
    pub fn known(&self) -> KnownRoutes {
        let lists = self.lists.iter();
        KnownRoutes {
            lists: lists.map(|(kind, list)| (*kind, list.known().clone())).collect(),
        }
    }
}

impl KnownRoutes {
    fn of(&self, kind: RouteKind) -> impl Iterator<Item = &Known<Value>> {
        self.lists
            .iter()
            .filter_map(move |(own, list)| (*own == kind).then_some(list))
    }

    /// Whether all that there can be has been listed once.
    pub fn listed(&self) -> bool {
        let refused = |list: &Known<Value>| list.trouble.as_ref().is_some_and(Trouble::is_answer);
        self.of(RouteKind::Http).all(|list| list.listed)
            && self.of(RouteKind::Grpc).all(|list| list.listed || refused(list))
    }

    /// The trouble with `HTTPRoute`s, or with `GRPCRoute`s that were known before.
    pub fn trouble(&self) -> Option<Trouble> {
        self.lists.iter().find_map(|(kind, list)| {
            let matters = list.listed || *kind == RouteKind::Http;
            let trouble = list.trouble.clone().filter(|_| matters)?;
            Some(explain_missing(*kind, trouble))
        })
    }

    /// Why there are no `GRPCRoute`s although the cluster may have some.
    pub fn remark(&self) -> Option<String> {
        let mut never = self.of(RouteKind::Grpc).filter(|list| !list.listed);
        let trouble =
            never.find_map(|list| list.trouble.as_ref().filter(|found| !found.is_unknown_resource()))?;
        Some(format!("GRPCRoutes are not followed: {}", in_words(trouble)))
    }

    /// All routes, the oldest first, as Gateway API decides conflicts: who came later does not take a mirror from who
    /// was there.
    pub fn in_order(&self) -> Vec<Arc<Value>> {
        let lists = self.lists.iter();
        let mut all: Vec<Arc<Value>> = lists
            .flat_map(|(_, list)| list.objects.values().cloned())
            .collect();
        let text = |route: &Arc<Value>, pointer: &str| {
            route
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        // Stable: of one age, by kind, namespace and name.
        all.sort_by_cached_key(|route| text(route, "/metadata/creationTimestamp"));
        all
    }
}

/// Keeps copies of the `ReferenceGrant`s: v1 since Gateway API 1.5, before v1beta1.
pub fn reference_grants(source: &Source) -> Reflector<Value> {
    let versions = ["v1", "v1beta1"].map(|version| {
        let grants = resource(version, "ReferenceGrant", "referencegrants");
        Api::all_with(source.client.clone(), &grants)
    });
    reflect(source, versions.to_vec(), slim)
}

/// How the API serves routes of this kind.
pub fn resource_of(kind: RouteKind) -> ApiResource {
    resource("v1", kind.name(), kind.plural())
}

fn explain_missing(kind: RouteKind, mut trouble: Trouble) -> Trouble {
    if trouble.is_unknown_resource() {
        trouble.words = format!(
            "the cluster has no {}s: install the Gateway API's CRDs ({})",
            kind.name(),
            trouble.words
        );
    }
    trouble
}

fn resource(version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: version.to_owned(),
        api_version: format!("{GROUP}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn reflect(
    source: &Source,
    apis: Vec<Api<DynamicObject>>,
    slim: fn(DynamicObject) -> Value,
) -> Reflector<Value> {
    Reflector::start(
        apis,
        Choice::default(),
        slim,
        source.changed.clone(),
        source.metrics.clone(),
    )
}

/// A route as the API gives it, with its kind, which need not stand in lists.
fn slim_route(kind: RouteKind, mut route: DynamicObject) -> Value {
    let resource = resource_of(kind);
    route.types = Some(TypeMeta {
        api_version: resource.api_version,
        kind: resource.kind,
    });
    slim(route)
}

/// A route or a grant as the API gives it, without what makes it large.
fn slim(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    serde_json::to_value(object).unwrap_or_default()
}
