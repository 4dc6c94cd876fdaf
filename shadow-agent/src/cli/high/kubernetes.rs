//! Kubernetes as meant.

use super::outputs;
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::kubernetes::KubernetesFlags;
use crate::kubernetes::selector::is_label_name;
use crate::settings::{KubernetesSettings, LeaseSettings, RawInput, RouteNamespaces};

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// Labels that travel at most: each is on every copy, and in every series.
const MAX_LABELS: usize = 8;

/// Namespaces of routes at most; beyond, all of them is meant.
const MAX_NAMESPACES: usize = 100;

/// What is asked of the API, if anything is.
pub fn resolve(arguments: &Arguments, inputs: &[RawInput]) -> Result<Option<KubernetesSettings>, UsageError> {
    let flags = &arguments.kubernetes;
    let routes = routes(flags)?;
    let pods = inputs.iter().find_map(|input| match input {
        RawInput::Kubernetes(pods) => Some(pods.typed.as_str()),
        _ => None,
    });
    if routes.is_none() && pods.is_none() {
        return Ok(None);
    }
    let node = flags.k8s_node.clone().filter(|node| !node.is_empty()).ok_or_else(|| {
        let (flag, value) = match pods {
            Some(pods) => ("--input-raw", pods),
            None => ("--input-k8s-routes", ""),
        };
        Problem::new(
            "which node this is is not known, and only its own pods can be captured",
            "set NODE_NAME to the node's name (in a pod: valueFrom.fieldRef.fieldPath: spec.nodeName), or give \
             --k8s-node",
        )
        .of(flag, value)
    })?;
    Ok(Some(KubernetesSettings {
        labels: labels(flags)?,
        routes,
        mirror: Box::new(outputs::of_routes(arguments)),
        lease: lease(flags, &node)?,
        node,
    }))
}

fn routes(flags: &KubernetesFlags) -> Result<Option<RouteNamespaces>, UsageError> {
    const FLAG: &str = "--input-k8s-routes";
    let names = &flags.input_k8s_routes;
    if names.is_empty() {
        return Ok(None);
    }
    if names.iter().any(|name| name == "*") {
        return Ok(Some(RouteNamespaces::All));
    }
    if let Some(name) = names.iter().find(|name| !is_label(name)) {
        return Err(Problem::new(
            "this is not a namespace",
            "write names with commas between them, or '*' for all",
        )
        .of(FLAG, name.as_str()));
    }
    let mut names = names.clone();
    names.sort();
    names.dedup();
    if names.len() > MAX_NAMESPACES {
        return Err(Problem::new(
            format!("{} namespaces are more than {MAX_NAMESPACES}", names.len()),
            "write '*' for all",
        )
        .of(FLAG, ""));
    }
    Ok(Some(RouteNamespaces::These(names)))
}

fn labels(flags: &KubernetesFlags) -> Result<Vec<String>, UsageError> {
    const FLAG: &str = "--k8s-pod-labels";
    let labels = &flags.k8s_pod_labels;
    if labels.len() > MAX_LABELS {
        return Err(Problem::new(
            format!("{} labels are more than {MAX_LABELS}", labels.len()),
            "name those that you tell pods apart by",
        )
        .of(FLAG, ""));
    }
    match labels.iter().find(|label| !is_label_name(label)) {
        Some(label) => Err(Problem::new(
            "this is not the name of a label",
            "write names with commas between them, such as app,app.kubernetes.io/version",
        )
        .of(FLAG, label.as_str())),
        None => Ok(labels.clone()),
    }
}

fn lease(flags: &KubernetesFlags, node: &str) -> Result<LeaseSettings, UsageError> {
    let own_namespace = || std::env::var("POD_NAMESPACE").ok().filter(|own| !own.is_empty());
    let (namespace, name) = flags.k8s_lease.split_once('/').map_or_else(
        || {
            let own = own_namespace().unwrap_or_else(|| "shadow-agent".to_owned());
            (own, flags.k8s_lease.as_str())
        },
        |(namespace, name)| (namespace.to_owned(), name),
    );
    if !is_label(&namespace) || !name.split('.').all(is_label) || name.len() > MAX_NAME {
        return Err(Problem::new("this does not name a lease", "write NAMESPACE/NAME")
            .of("--k8s-lease", &flags.k8s_lease));
    }
    let pod = std::env::var("POD_NAME").ok().filter(|pod| !pod.is_empty());
    Ok(LeaseSettings {
        namespace,
        name: name.to_owned(),
        identity: pod.unwrap_or_else(|| format!("{node}-{}", std::process::id())),
    })
}

/// RFC 1123 label.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().last().is_some_and(inner)
}
