//! The Kubernetes manifests of `deploy/kubernetes`, rendered as `kubectl apply -k` would apply them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::process;

/// Renders a folder of `deploy/kubernetes`, such as `overlays/routes`, into its objects, in the order of application.
/// Needs a `kubectl` whose kustomize is version 5 or later: `cargo xtask test` provides one.
pub fn render(folder: &str) -> Vec<Value> {
    render_folder(&folder_of_manifests().join(folder))
}

/// Renders a kustomization anywhere, such as one that a test wrote.
pub fn render_folder(folder: &Path) -> Vec<Value> {
    let yaml = process::check(Command::new(kubectl()).arg("kustomize").arg(folder));
    parse(&yaml)
}

/// The objects in the text of several YAML documents.
pub fn parse(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("not YAML: {error}\n{yaml}"))
}

/// The only object of this kind and name; panics when it is not there or there are several.
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found: Vec<_> = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name)
        .collect();
    match found[..] {
        [object] => object,
        _ => panic!("{} objects are {kind} {name}", found.len()),
    }
}

/// `deploy/kubernetes` of this workspace.
pub fn folder_of_manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes")
}

/// What `cargo xtask test` provided, or the `kubectl` of this machine.
pub fn kubectl() -> PathBuf {
    std::env::var_os("SHADOW_AGENT_KUBECTL").map_or_else(
        || process::program("kubectl").unwrap_or_else(|| "kubectl".into()),
        PathBuf::from,
    )
}
