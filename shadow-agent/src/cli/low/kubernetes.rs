//! Kubernetes: routes, the node, and what travels with a request.

use clap::Args;

/// Kubernetes, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesFlags {
    /// Mirror as the RequestMirror filters of HTTPRoutes and GRPCRoutes in these namespaces say
    ///
    /// Comma-separated names, or * for all. Parents of the routes are Services, or Gateways whose backends have pods on this
    /// node. Copies are sent to the backends of the filters, with "-shadow" appended to the Host unless the route's
    /// annotation shadow-agent.io/host says otherwise. The flags of --output-http apply.
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',')]
    pub input_k8s_routes: Vec<String>,

    /// Name of the node whose pods are watched
    ///
    /// In a pod, set it by env with valueFrom.fieldRef.fieldPath: spec.nodeName.
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    pub k8s_node: Option<String>,

    /// Capture only pods whose NAMESPACE/NAME matches, such as 'shop/web-.*'; may be repeated
    ///
    /// The regular expression must match the whole name; one match is enough. It narrows both inputs and routes; traffic
    /// of other pods is neither captured nor counted.
    #[arg(long, value_name = "REGEX")]
    pub k8s_allow_pod: Vec<String>,

    /// Never capture pods whose NAMESPACE/NAME matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub k8s_disallow_pod: Vec<String>,

    /// Capture only pods with these labels, such as 'track=canary,tier!=test'; may be repeated
    ///
    /// The syntax is that of kubectl -l; one match is enough.
    #[arg(long, value_name = "SELECTOR")]
    pub k8s_allow_pod_labels: Vec<String>,

    /// Lease by which one agent is elected to write the status of routes
    ///
    /// Without a namespace, this pod's (POD_NAMESPACE) is used. The default is the lease in deploy/kubernetes, the only one
    /// that its role allows.
    #[arg(long, value_name = "[NAMESPACE/]NAME", default_value = "shadow-agent")]
    pub k8s_lease: String,

    /// Add X-Shadow-Source-Pod: NAMESPACE/NAME, the pod that served the request, to copies
    ///
    /// Off by default: the copy is what production received. Records of --output-stdout always name the pod if pods are
    /// watched.
    #[arg(long)]
    pub http_pod_header: bool,

    /// Pod labels to add to requests, such as app,version; at most eight
    ///
    /// They appear in a second header of copies (X-Shadow-Source-Labels: app=web,version=v1, with --http-pod-header), after
    /// the pod in records, and as a label of the pod's metrics.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub k8s_pod_labels: Vec<String>,
}
