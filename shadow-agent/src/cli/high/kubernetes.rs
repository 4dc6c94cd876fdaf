//! Kubernetes as meant.

use super::{outputs, rules};
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::kubernetes::KubernetesFlags;
use crate::kubernetes::PodFilter;
use crate::kubernetes::selector::is_label_name;
use crate::settings::{ClusterSettings, KubernetesSettings, LeaseSettings, RawInput, RouteNamespaces};

/// The longest name of an object.
const MAX_NAME: usize = 253;

/// Labels that travel at most: each is on every copy, and in every series.
const MAX_LABELS: usize = 8;

/// Patterns, or selectors, of one flag at most: each is compared with every pod of the node.
const MAX_POD_FILTERS: usize = 64;

/// Namespaces of routes at most; beyond, all of them is meant.
const MAX_NAMESPACES: usize = 100;

/// Settings of the cluster, if one is followed.
pub fn resolve(arguments: &Arguments, inputs: &[RawInput]) -> Result<Option<ClusterSettings>, UsageError> {
    let flags = &arguments.kubernetes;
    let routes = routes(flags)?;
    let pods = inputs.iter().find_map(|input| match input {
        RawInput::Kubernetes(pods) => Some(pods.typed.as_str()),
        _ => None,
    });
    if !cfg!(feature = "cluster")
        && let Some((flag, value)) = asks_for_cluster(flags, pods)
    {
        return Err(Problem::new(
            "this agent was built without the feature `cluster`, so it follows neither pods nor routes",
            "build it with its default features, as packages and images are",
        )
        .of(flag, value));
    }
    if routes.is_none() && pods.is_none() {
        // Ignored, it would let everything be captured.
        return match pod_filters(flags).iter().find(|(_, given)| !given.is_empty()) {
            Some((flag, given)) => Err(Problem::new(
                "no input names pods, so there are none to choose from",
                "name them with --input-raw k8s://..., or follow routes with --input-k8s-routes",
            )
            .of(*flag, &given[0])),
            None => Ok(None),
        };
    }
    let node = flags.k8s_node.clone().filter(|node| !node.is_empty()).ok_or_else(|| {
        let (flag, value) = match pods {
            Some(pods) => ("--input-raw", pods),
            None => ("--input-k8s-routes", ""),
        };
        Problem::new(
            "the name of this node is unknown, and only pods on it can be captured",
            "set NODE_NAME to the node's name (in a pod: valueFrom.fieldRef.fieldPath: spec.nodeName), or give \
             --k8s-node",
        )
        .of(flag, value)
    })?;
    Ok(Some(ClusterSettings {
        client: KubernetesSettings {
            pods: pods_allowed(flags)?,
            labels: labels(flags)?,
            routes,
            lease: lease(flags, &node)?,
            node,
        },
        mirror: Box::new(outputs::of_routes(arguments)?),
        rules: rules::resolve(&arguments.filters, arguments.limits.max_body())?
            .for_live()
            .cloned(),
    }))
}

/// The first of what was given that means nothing without a cluster, with its value.
fn asks_for_cluster<'a>(
    flags: &'a KubernetesFlags,
    pods: Option<&'a str>,
) -> Option<(&'static str, &'a str)> {
    let first = |given: &'a [String]| given.first().map(String::as_str);
    let mut given = vec![
        ("--input-raw", pods),
        ("--input-k8s-routes", first(&flags.input_k8s_routes)),
        ("--http-pod-header", flags.http_pod_header.then_some("")),
        ("--k8s-pod-labels", first(&flags.k8s_pod_labels)),
    ];
    given.extend(pod_filters(flags).map(|(flag, given)| (flag, first(given))));
    given.into_iter().find_map(|(flag, value)| Some((flag, value?)))
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

fn pods_allowed(flags: &KubernetesFlags) -> Result<PodFilter, UsageError> {
    const HOW: &str = "it must match the whole NAMESPACE/NAME: write, for example, 'shop/web-.*'";
    for (flag, given) in pod_filters(flags) {
        if given.len() > MAX_POD_FILTERS {
            return Err(Problem::new(
                format!("{} are more than {MAX_POD_FILTERS}", given.len()),
                "combine some: a|b in a pattern, 'in (a,b)' in a selector",
            )
            .of(flag, ""));
        }
    }
    let mut filter = PodFilter::default();
    for expression in &flags.k8s_allow_pod {
        let added = filter.allow(expression);
        added.map_err(|error| Problem::new(error.to_string(), HOW).of("--k8s-allow-pod", expression))?;
    }
    for expression in &flags.k8s_disallow_pod {
        let added = filter.disallow(expression);
        added.map_err(|error| Problem::new(error.to_string(), HOW).of("--k8s-disallow-pod", expression))?;
    }
    for selector in &flags.k8s_allow_pod_labels {
        filter.allow_labels(selector).map_err(|error| {
            Problem::new(error, "write it as for kubectl -l, such as app=web,tier!=test")
                .of("--k8s-allow-pod-labels", selector)
        })?;
    }
    Ok(filter)
}

/// The flags that narrow which pods are captured, with what was given.
fn pod_filters(flags: &KubernetesFlags) -> [(&'static str, &[String]); 3] {
    [
        ("--k8s-allow-pod", &flags.k8s_allow_pod),
        ("--k8s-disallow-pod", &flags.k8s_disallow_pod),
        ("--k8s-allow-pod-labels", &flags.k8s_allow_pod_labels),
    ]
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::high;
    use crate::cli::machine::TestMachine;

    fn error(flags: &[&str]) -> String {
        let begin = ["shadow-agent", "--output-null", "--k8s-node=n"];
        let arguments = Arguments::try_parse_from([&begin, flags].concat()).unwrap();
        high::resolve(&arguments, &TestMachine).unwrap_err().to_string()
    }

    #[test]
    fn what_means_nothing_without_a_cluster_is_found() {
        let asks = |flags: &[&str]| {
            let arguments =
                Arguments::try_parse_from([&["shadow-agent", "--k8s-node=n"], flags].concat()).unwrap();
            asks_for_cluster(&arguments.kubernetes, None).map(|(flag, value)| format!("{flag} {value}"))
        };
        assert_eq!(asks(&["--input-raw=:80"]), None);
        assert_eq!(
            asks(&["--input-k8s-routes=shop,pay"]).as_deref(),
            Some("--input-k8s-routes shop")
        );
        assert_eq!(
            asks(&["--http-pod-header"]).as_deref(),
            Some("--http-pod-header ")
        );
        assert_eq!(
            asks(&["--k8s-disallow-pod=a/b"]).as_deref(),
            Some("--k8s-disallow-pod a/b")
        );
    }

    #[cfg(not(feature = "cluster"))]
    #[test]
    fn an_agent_built_without_the_cluster_says_so() {
        let said = error(&["--input-raw=k8s://pod/x:80"]);
        assert!(
            said.contains("--input-raw 'k8s://pod/x:80': this agent was built without the feature `cluster`"),
            "{said}"
        );
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn a_pod_filter_without_pods_is_refused() {
        let said = error(&["--input-raw=:80", "--k8s-disallow-pod=shop/.*"]);
        assert!(said.contains("no input names pods"), "{said}");
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn filters_of_pods_that_cannot_be_read_are_refused() {
        let pods = "--input-raw=k8s://pod/x:80";
        for (flag, why) in [
            ("--k8s-allow-pod=shop/(", "invalid regular expression"),
            ("--k8s-disallow-pod=[", "invalid regular expression"),
            ("--k8s-allow-pod-labels=a in b", "is not a label's name"),
        ] {
            let said = error(&[pods, flag]);
            assert!(said.contains(why), "{flag}: {said}");
        }
        let many = vec!["--k8s-allow-pod=a/b"; MAX_POD_FILTERS + 1];
        let said = error(&[&[pods][..], &many].concat());
        assert!(said.contains("65 are more than 64"), "{said}");
    }
}
