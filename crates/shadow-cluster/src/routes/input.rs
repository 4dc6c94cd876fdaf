//! A route as the API gives it, read part by part: one that cannot be understood still has a name, parents and a
//! status to say so.

use std::collections::BTreeMap;

use gateway_api::apis::standard::httproutes::HttpRouteParentRefs;
use serde::Deserialize;
use serde_json::Value;

use super::kind::{GATEWAY_GROUP, Origin, RouteKind};
use super::spec::Spec;

/// One route.
pub(super) struct Route {
    pub kind: RouteKind,
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub annotations: BTreeMap<String, String>,
    /// The parents that can be ours: Services and Gateways.
    pub parents: Vec<Parent>,
    /// The others, for people.
    pub foreign: Vec<String>,
    /// Whether a filter of type `RequestMirror` stands anywhere in it.
    pub mirrors: bool,
    /// The route as it asks, or why that cannot be read.
    pub spec: Result<Spec, String>,
}

/// One `parentRef`, which both kinds of route write alike.
pub(super) struct Parent {
    pub kind: ParentKind,
    pub reference: HttpRouteParentRefs,
    /// As the route has it, for the status.
    pub raw: Value,
    /// Whether it is a Service in the group of Gateway API: what the API makes of one whose `group` was left out.
    pub is_misgrouped: bool,
}

/// The kind of a parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParentKind {
    Service,
    Gateway,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default = "default_namespace")]
    namespace: String,
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn default_namespace() -> String {
    "default".to_owned()
}

impl Route {
    /// Reads `value`. None for what has no name: it did not come from the API.
    pub fn parse(value: &Value) -> Option<Self> {
        let metadata = Metadata::deserialize(value.get("metadata")?).ok()?;
        let spec = value.get("spec").unwrap_or(&Value::Null);
        let (parents, foreign) = parents(spec);
        let kind = RouteKind::of(value);
        Some(Self {
            kind,
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            generation: metadata.generation,
            annotations: metadata.annotations,
            parents,
            foreign,
            mirrors: mirrors(spec),
            spec: Spec::read(kind, spec).map_err(|error| error.to_string()),
        })
    }

    /// Its name for people: routes of both kinds may have the same.
    pub fn title(&self) -> String {
        let name = format!("{}/{}", self.namespace, self.name);
        match self.kind {
            RouteKind::Http => name,
            RouteKind::Grpc => format!("{} {name}", self.kind.name()),
        }
    }

    /// Where its references come from.
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            kind: self.kind,
            namespace: &self.namespace,
        }
    }
}

/// The parents that can be ours, and words for those that cannot.
fn parents(spec: &Value) -> (Vec<Parent>, Vec<String>) {
    let (mut parents, mut foreign) = (Vec::new(), Vec::new());
    for raw in list(spec, "parentRefs") {
        let Ok(reference) = HttpRouteParentRefs::deserialize(raw) else {
            foreign.push("an unreadable parent".to_owned());
            continue;
        };
        let group = reference.group.as_deref().unwrap_or(GATEWAY_GROUP);
        let kind = reference.kind.as_deref().unwrap_or("Gateway");
        let kind = match (group, kind) {
            // There is no other kind of that name, and whoever leaves the group out means this one.
            ("" | GATEWAY_GROUP, "Service") => ParentKind::Service,
            (GATEWAY_GROUP, "Gateway") => ParentKind::Gateway,
            _ => {
                foreign.push(format!("{kind}.{group} {}", reference.name));
                continue;
            }
        };
        parents.push(Parent {
            kind,
            is_misgrouped: kind == ParentKind::Service && group == GATEWAY_GROUP,
            reference,
            raw: raw.clone(),
        });
    }
    (parents, foreign)
}

fn mirrors(spec: &Value) -> bool {
    let is_mirror = |filter: &Value| filter.get("type").and_then(Value::as_str) == Some("RequestMirror");
    list(spec, "rules").any(|rule| {
        list(rule, "filters").any(is_mirror)
            || list(rule, "backendRefs").any(|backend| list(backend, "filters").any(is_mirror))
    })
}

/// The items of the list `name` of `value`; none when it is no list.
fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}
