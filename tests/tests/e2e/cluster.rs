//! A cluster of one node as the tests make it: an API server, pods with servers in them, and the agent on the node.

use std::net::SocketAddr;

use serde_json::{Value, json};
use shadow_tests::api_server::ApiServer;
use shadow_tests::cgroup::Layout;
use shadow_tests::{Agent, Nginx, Node, Pod, PodSetup, Stage, load};

/// Name of the node.
pub const NODE: &str = "node-1";

/// A node, its API server, and where tests keep things.
pub struct Cluster<'a> {
    pub stage: &'a Stage,
    pub node: Node,
    pub api: ApiServer,
}

/// A pod with an nginx in its first container.
pub struct Served {
    pub pod: Pod,
    pub nginx: Nginx,
    pub port: u16,
}

impl Served {
    /// Its IPv4 address and port.
    pub fn v4(&self) -> SocketAddr {
        SocketAddr::new(self.pod.v4().into(), self.port)
    }

    /// Its IPv6 address and port.
    pub fn v6(&self) -> SocketAddr {
        SocketAddr::new(self.pod.v6().into(), self.port)
    }
}

impl<'a> Cluster<'a> {
    /// A node without pods.
    pub fn new(stage: &'a Stage) -> Self {
        Self::with_layout(stage, Layout::default())
    }

    /// The same, with another kubelet's cgroups.
    pub fn with_layout(stage: &'a Stage, layout: Layout) -> Self {
        let node = Node::with_layout(NODE, layout);
        let api = ApiServer::start_in(node.netns());
        Self { stage, node, api }
    }

    /// The agent on this node, started but not waited for.
    pub fn spawn_agent(&self, arguments: &[&str]) -> Agent {
        let kubeconfig = self.stage.path(&format!("kubeconfig-{}", self.stage.number()));
        self.api.kubeconfig(&kubeconfig, "default");
        let env = [
            ("KUBECONFIG", kubeconfig.to_str().expect("a path in UTF-8")),
            ("NODE_NAME", NODE),
        ];
        Agent::spawn_with(self.stage, self.node.netns(), arguments, &env)
    }

    /// The agent on this node, watching so many pods.
    pub fn agent(&self, pods: usize, arguments: &[&str]) -> Agent {
        let agent = self.spawn_agent(arguments);
        watching(&agent, pods);
        agent
    }

    /// Starts a pod with an nginx on its first container's first port, and tells the API server of it.
    pub fn serve(&self, setup: PodSetup) -> Served {
        let served = self.serve_untold(setup);
        self.api.apply(served.pod.object());
        served
    }

    /// Starts a pod with an nginx that the API server does not know of yet.
    pub fn serve_untold(&self, setup: PodSetup) -> Served {
        let port = setup.containers[0].1[0].1;
        let role = format!("{}-{}", setup.name, self.stage.number());
        let pod = self.node.start(setup);
        let nginx = Nginx::start(self.stage, pod.app(), &role, port);
        Served { pod, nginx, port }
    }

    /// A deployment with one replica set; the setup of its pods is [`of_deployment`].
    pub fn deployment(&self, namespace: &str, name: &str) {
        self.api.apply(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"namespace": namespace, "name": name, "uid": uid(namespace, name)},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}}}},
        }));
        let set = format!("{name}-5d4f");
        self.api.apply(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "namespace": namespace, "name": set, "uid": uid(namespace, &set),
                "ownerReferences": [owner("apps/v1", "Deployment", name, &uid(namespace, name))],
            },
            "spec": {"selector": {"matchLabels": {"app": name}}},
        }));
    }

    /// A service in front of the pods labelled `app`, at `port`, leading to `target`.
    pub fn service(&self, namespace: &str, name: &str, app: &str, port: u16, target: &Value) {
        self.api.apply(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": namespace, "name": name},
            "spec": {
                "selector": {"app": app},
                "clusterIP": "None",
                "ports": [{"name": "http", "port": port, "targetPort": target}],
            },
        }));
    }

    /// Sends requests from the node; how many.
    pub fn load(&self, to: SocketAddr, connections: usize, each: usize) -> u64 {
        load::keep_alive(self.node.netns(), to, connections, each)
    }
}

/// A pod of [`Cluster::deployment`], listening on `port`.
pub fn of_deployment(namespace: &str, deployment: &str, name: &str, port: u16) -> PodSetup {
    let set = format!("{deployment}-5d4f");
    let mut setup = labelled(namespace, name, deployment, port);
    setup.owners = vec![owner("apps/v1", "ReplicaSet", &set, &uid(namespace, &set))];
    setup
}

/// A pod with the label `app`.
pub fn labelled(namespace: &str, name: &str, app: &str, port: u16) -> PodSetup {
    let mut setup = PodSetup::new(namespace, name, port);
    setup.labels = json!({ "app": app });
    setup
}

/// The controlling owner as an object names it.
pub fn owner(api_version: &str, kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// The uid that tests give to the object of that name.
pub fn uid(namespace: &str, name: &str) -> String {
    format!("uid-{namespace}-{name}")
}

/// Waits until the agent watches so many pods.
pub fn watching(agent: &Agent, pods: usize) {
    agent.wait_for_line(&format!("watching pods pods={pods} "));
}
