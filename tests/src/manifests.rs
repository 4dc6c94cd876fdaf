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

/// Renders the chart of `deploy/helm`, with a JSON object of values over those of `files` in its folder: its
/// objects, or what Helm says against it. Needs `helm` ([`stage!`](crate::stage!)): `cargo xtask test` provides it.
///
/// # Errors
///
/// Whatever Helm says against the chart or the values.
pub fn render_chart(
    release: &str,
    namespace: &str,
    files: &[&str],
    values: &Value,
) -> Result<Vec<Value>, String> {
    let read = |file: &&str| -> Value {
        let text = std::fs::read_to_string(folder_of_chart().join(file)).expect("a file of values");
        serde_saphyr::from_str(&text).expect("values in YAML")
    };
    let mut all = serde_json::Map::new();
    for values in files.iter().map(read).chain([values.clone()]) {
        all.extend(values.as_object().expect("an object of values").clone());
    }
    let output = Command::new("python3")
        .args(["-c", RENDER])
        .arg(folder_of_chart())
        .args([release, namespace, &Value::Object(all).to_string()])
        .env("PYTHONPATH", helm().expect("Helm"))
        .output()
        .expect("python3");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Renders a chart; notes are for people.
const RENDER: &str = r"
import json, sys, helm_python
folder, release, namespace, values = sys.argv[1:]
try:
    chart = helm_python.Chart.load(folder)
    files = chart.render(json.loads(values), name=release, namespace=namespace)
except helm_python.HelmError as error:
    sys.exit(str(error))
texts = [text for name, text in sorted(files.items()) if name.endswith('.yaml') and text.strip()]
print('\n---\n'.join(texts))
";

/// The folder of the Python package that binds Helm, which `cargo xtask test` provided.
pub(crate) fn helm() -> Option<PathBuf> {
    let named = std::env::var_os("SHADOW_AGENT_HELM").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| crate::stage::target().join("tools/helm"));
    folder.join("helm_python").is_dir().then_some(folder)
}

/// `deploy/helm/shadow-agent` of this workspace.
pub fn folder_of_chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm/shadow-agent")
}

/// The `kubectl` that `cargo xtask test` provided, or the `kubectl` of this machine.
pub fn kubectl() -> PathBuf {
    std::env::var_os("SHADOW_AGENT_KUBECTL").map_or_else(
        || process::program("kubectl").unwrap_or_else(|| "kubectl".into()),
        PathBuf::from,
    )
}
