//! Discovery of the API: the documents that `kubectl` and clients of any kind read first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::resource::Resource;

/// The verbs of every resource.
const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// The document at a path, when there is one. `is_here` tells whether a resource's version is served.
pub(super) fn document(path: &str, is_here: impl Fn(&Resource, &str) -> bool) -> Option<Value> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let served = |group: &str| -> Vec<(&Resource, &str)> {
        let versions = |one: &'static Resource| one.versions.iter().map(move |version| (one, *version));
        let all = Resource::all()
            .iter()
            .filter(|one| one.group == group)
            .flat_map(versions);
        all.filter(|(one, version)| is_here(one, version)).collect()
    };
    match parts.as_slice() {
        ["version"] => Some(json!({
            "major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64",
        })),
        ["healthz" | "livez" | "readyz"] => Some(json!("ok")),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => {
            let names: BTreeSet<_> = Resource::all().iter().map(|one| one.group).collect();
            let names = names.into_iter().filter(|name| !name.is_empty());
            let groups: Vec<_> = names.filter_map(|name| group(name, &served(name))).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] => group(name, &served(name)),
        ["api", version] => resources("", version, &served("")),
        ["apis", name, version] => resources(name, version, &served(name)),
        _ => None,
    }
}

fn group(name: &str, served: &[(&Resource, &str)]) -> Option<Value> {
    let mut versions: Vec<Value> = Vec::new();
    for (resource, version) in served {
        let version = json!({"groupVersion": resource.api_version(version), "version": version});
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    let preferred = versions.first()?.clone();
    Some(json!({
        "kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": versions, "preferredVersion": preferred,
    }))
}

fn resources(group: &str, version: &str, served: &[(&Resource, &str)]) -> Option<Value> {
    let mut list = Vec::new();
    let mut api_version = None;
    for (resource, _) in served.iter().filter(|(_, served)| *served == version) {
        api_version = Some(resource.api_version(version));
        list.push(json!({
            "name": resource.plural,
            "singularName": resource.kind.to_lowercase(),
            "namespaced": resource.namespaced,
            "group": group,
            "version": version,
            "kind": resource.kind,
            "shortNames": resource.short,
            "verbs": VERBS,
        }));
        if resource.status {
            list.push(json!({
                "name": format!("{}/status", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version?, "resources": list,
    }))
}
