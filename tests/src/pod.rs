//! Pods without a cluster: a network namespace, cgroups where a kubelet would have them, servers inside, and the
//! object that describes them all to an API server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api_server::{new_uid, now};
use crate::cgroup::{Cgroup, Layout, Qos, new_container_id};
use crate::{Netns, Place, Veth, process};

/// A node's own addresses (TEST-NET-1, RFC 5737, and unique local, RFC 4193).
const NODE: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv6Addr::new(0xfd5a, 0x5a5a, 0xffff, 0, 0, 0, 0, 1),
);

/// A node: a namespace that is joined with each of its pods, and routes between them. Clients in it reach pods by
/// the pods' addresses.
pub struct Node {
    name: String,
    layout: Layout,
    netns: Arc<Netns>,
}

/// Settings of a pod.
#[derive(Clone, Debug)]
pub struct PodSetup {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `metadata.labels`.
    pub labels: Value,
    /// `metadata.ownerReferences`.
    pub owners: Vec<Value>,
    /// Quality of service; it decides where the cgroups stand.
    pub qos: Qos,
    /// Whether it shares the node's network.
    pub host_network: bool,
    /// Containers by name, each with its ports by name.
    pub containers: Vec<(String, Vec<(String, u16)>)>,
    /// The image that all containers are said to be of.
    pub image: String,
}

/// A running pod. Dropping it kills what runs inside and removes its cgroups and its namespace.
pub struct Pod {
    setup: PodSetup,
    node: String,
    uid: String,
    layout: Layout,
    started: String,
    containers: Vec<Container>,
    /// The pause container's; nothing runs in it.
    sandbox: Cgroup,
    network: Network,
}

/// A container of a pod: programs started in it are in its cgroup and in the pod's network.
pub struct Container {
    name: String,
    id: String,
    restarts: u32,
    cgroup: Cgroup,
    netns: Arc<Netns>,
}

/// A pod's network; more than one pod may have it, one after the other. Dropped in this order.
#[derive(Clone)]
struct Network {
    _veth: Option<Arc<Veth>>,
    netns: Arc<Netns>,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl Node {
    /// A node with that name, whose kubelet names cgroups as most do.
    pub fn new(name: &str) -> Self {
        Self::with_layout(name, Layout::default())
    }

    /// A node whose kubelet names cgroups as told.
    pub fn with_layout(name: &str, layout: Layout) -> Self {
        let netns = Netns::new();
        netns.ip(&["addr", "add", &format!("{}/32", NODE.0), "dev", "lo"]);
        netns.ip(&["addr", "add", &format!("{}/128", NODE.1), "dev", "lo"]);
        netns.enter(|| {
            for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
                std::fs::write(format!("/proc/sys/net/{switch}"), "1").expect("a node that forwards");
            }
        });
        Self {
            name: name.to_owned(),
            layout,
            netns: Arc::new(netns),
        }
    }

    /// Its name: `spec.nodeName` of its pods.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace where clients are.
    pub fn netns(&self) -> &Netns {
        &self.netns
    }

    /// Starts a pod, with addresses of its own unless it shares the node's.
    pub fn start(&self, setup: PodSetup) -> Pod {
        let network = if setup.host_network {
            Network {
                _veth: None,
                netns: Arc::clone(&self.netns),
                v4: NODE.0,
                v6: NODE.1,
            }
        } else {
            self.join()
        };
        Pod::new(self, setup, network)
    }

    /// Starts a pod with the addresses that another one has had.
    pub fn start_in_place_of(&self, old: Pod, setup: PodSetup) -> Pod {
        let network = old.network.clone();
        drop(old);
        Pod::new(self, setup, network)
    }

    fn join(&self) -> Network {
        let netns = Netns::new();
        let veth = Veth::new(&self.netns, &netns);
        netns.ip(&["route", "add", "default", "via", &veth.left.v4.to_string()]);
        netns.ip(&["-6", "route", "add", "default", "via", &veth.left.v6.to_string()]);
        Network {
            v4: veth.right.v4,
            v6: veth.right.v6,
            _veth: Some(Arc::new(veth)),
            netns: Arc::new(netns),
        }
    }
}

impl PodSetup {
    /// A burstable pod with a single container, `app`, that says it listens on `port` by the name `http`.
    pub fn new(namespace: &str, name: &str, port: u16) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            labels: json!({}),
            owners: Vec::new(),
            qos: Qos::Burstable,
            host_network: false,
            containers: vec![("app".to_owned(), vec![("http".to_owned(), port)])],
            image: "test".to_owned(),
        }
    }
}

impl Pod {
    fn new(node: &Node, setup: PodSetup, network: Network) -> Self {
        let uid = new_uid();
        let cgroup = |id: &str| Cgroup::new(&node.layout.container(setup.qos, &uid, id));
        // Made first and dropped last: what stands above the containers is removed with it.
        let sandbox = cgroup(&new_container_id());
        let containers = setup.containers.iter().map(|(name, _)| {
            let id = new_container_id();
            Container {
                name: name.clone(),
                cgroup: cgroup(&id),
                id,
                restarts: 0,
                netns: Arc::clone(&network.netns),
            }
        });
        Self {
            containers: containers.collect(),
            setup,
            node: node.name.clone(),
            uid,
            layout: node.layout,
            started: now(),
            sandbox,
            network,
        }
    }

    /// Its `metadata.uid`.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its IPv4 address.
    pub fn v4(&self) -> Ipv4Addr {
        self.network.v4
    }

    /// Its IPv6 address.
    pub fn v6(&self) -> Ipv6Addr {
        self.network.v6
    }

    /// Its first container.
    pub fn app(&self) -> &Container {
        &self.containers[0]
    }

    /// A container by its name.
    pub fn container(&self, name: &str) -> &Container {
        let found = self.containers.iter().find(|container| container.name == name);
        found.unwrap_or_else(|| panic!("the pod {} has no container {name}", self.setup.name))
    }

    /// Its network.
    pub fn netns(&self) -> &Netns {
        &self.network.netns
    }

    /// The folder of its cgroup, which those of its containers stand in.
    pub fn cgroup(&self) -> &std::path::Path {
        self.sandbox
            .path()
            .parent()
            .expect("a cgroup below that of the pod")
    }

    /// Ends a container, and starts it again under a new id, empty.
    pub fn restart(&mut self, name: &str) {
        let id = new_container_id();
        let cgroup = Cgroup::new(&self.layout.container(self.setup.qos, &self.uid, &id));
        let found = self
            .containers
            .iter_mut()
            .find(|container| container.name == name);
        let container = found.unwrap_or_else(|| panic!("no container {name}"));
        container.cgroup = cgroup;
        container.id = id;
        container.restarts += 1;
    }

    /// Its object as the API server has it: running and ready.
    pub fn object(&self) -> Value {
        let Self { setup, network, .. } = self;
        let host = Some(NODE.0.to_string());
        let condition = |kind| json!({"type": kind, "status": "True", "lastTransitionTime": self.started});
        let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
        let ips = [IpAddr::from(network.v4), IpAddr::from(network.v6)].map(|ip| json!({"ip": ip}));
        let containers: Vec<_> = setup
            .containers
            .iter()
            .map(|container| spec_of(container, &setup.image))
            .collect();
        let statuses: Vec<_> = self
            .containers
            .iter()
            .map(|one| one.status(&self.started))
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": setup.name,
                "namespace": setup.namespace,
                "uid": self.uid,
                "labels": setup.labels,
                "ownerReferences": setup.owners,
                "creationTimestamp": self.started,
            },
            "spec": {
                "nodeName": self.node,
                "hostNetwork": setup.host_network,
                "containers": containers,
                "restartPolicy": "Always",
            },
            "status": {
                "phase": "Running",
                "qosClass": setup.qos.class(),
                "startTime": self.started,
                "hostIP": host,
                "podIP": network.v4,
                "podIPs": ips,
                "conditions": conditions,
                "containerStatuses": statuses,
            },
        })
    }
}

impl Container {
    /// Its id: 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    fn status(&self, started: &str) -> Value {
        json!({
            "name": self.name,
            "image": "test",
            "imageID": "",
            "containerID": format!("containerd://{}", self.id),
            "ready": true,
            "started": true,
            "restartCount": self.restarts,
            "state": {"running": {"startedAt": started}},
        })
    }
}

impl Place for Container {
    fn command(&self, program: &str) -> Command {
        let inside = self.netns.command(program);
        let mut command = process::command("sh");
        // The shell goes into the cgroup, and only then becomes the program.
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(self.cgroup.path().join("cgroup.procs"))
            .arg(inside.get_program())
            .args(inside.get_args());
        command
    }

    fn netns(&self) -> &Netns {
        &self.netns
    }
}

fn spec_of((name, ports): &(String, Vec<(String, u16)>), image: &str) -> Value {
    let ports: Vec<_> = ports
        .iter()
        .map(|(name, port)| json!({"name": name, "containerPort": port, "protocol": "TCP"}))
        .collect();
    json!({"name": name, "image": image, "ports": ports})
}
