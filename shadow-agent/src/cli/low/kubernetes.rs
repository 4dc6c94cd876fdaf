//! Kubernetes: routes, the node, and what travels with a request.

use clap::Args;

/// Kubernetes, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kubernetes")]
pub struct KubernetesFlags {
    /// Mirror as the RequestMirror filters of HTTPRoutes say, in these namespaces
    ///
    /// Names with commas between them, or * for all. The routes' parents are Services, or Gateways whose backends have
    /// pods on this node. Copies go where the filters say, with "-shadow" appended to the Host unless the route's
    /// annotation shadow-agent.io/host says otherwise. The flags of --output-http apply to them.
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',')]
    pub input_k8s_routes: Vec<String>,

    /// The node whose pods are watched
    ///
    /// In a pod: env with valueFrom.fieldRef.fieldPath: spec.nodeName.
    #[arg(long, value_name = "NAME", env = "NODE_NAME", hide_env_values = true)]
    pub k8s_node: Option<String>,

    /// Of the pods meant, capture only those whose NAMESPACE/NAME matches, such as 'shop/web-.*'
    ///
    /// A regular expression for the whole of it; may be repeated: one match is enough. It narrows inputs and routes
    /// alike, and what other pods serve is neither captured nor counted.
    #[arg(long, value_name = "REGEX")]
    pub k8s_allow_pod: Vec<String>,

    /// Never capture pods whose NAMESPACE/NAME matches; may be repeated
    #[arg(long, value_name = "REGEX")]
    pub k8s_disallow_pod: Vec<String>,

    /// Of the pods meant, capture only those with such labels, such as 'track=canary,tier!=test'
    ///
    /// As for kubectl -l; may be repeated: one is enough.
    #[arg(long, value_name = "SELECTOR")]
    pub k8s_allow_pod_labels: Vec<String>,

    /// The lease by which one agent is elected to write the status of routes
    ///
    /// The namespace is this pod's (POD_NAMESPACE) when left out. The default is the one in deploy/kubernetes, the
    /// only one that its role allows.
    #[arg(long, value_name = "[NAMESPACE/]NAME", default_value = "shadow-agent")]
    pub k8s_lease: String,

    /// Name the pod that served a request on its copies: X-Shadow-Source-Pod: NAMESPACE/NAME
    ///
    /// Off by default: the copy is what production got. Records of --output-stdout name it always, where pods are
    /// watched.
    #[arg(long)]
    pub http_pod_header: bool,

    /// Labels of the pod that travel with its requests, such as app,version
    ///
    /// In a second header of the copies (X-Shadow-Source-Labels: app=web,version=v1, with --http-pod-header), behind the
    /// pod in records, and as a label of the pod's metrics. At most eight.
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    pub k8s_pod_labels: Vec<String>,
}
