//! The scene of the steps: the cluster with the demo and the agents in it, and how requests are sent and found again.

use std::cell::Cell;
use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::kustomization::Folders;
use super::requests::{Batch, Logged};

/// The namespace of the demo.
pub const DEMO: &str = "goreplay";
/// The namespace of the agents.
pub const AGENTS: &str = "shadow-agent";
/// Selects the agents.
const AGENT_LABEL: &str = "app.kubernetes.io/name=shadow-agent";
/// The pod that sends requests.
const CLIENT: &str = "client";

/// Requests by which a Service shows that it answers, each on a connection of its own: more than it has endpoints here.
const PROBES: usize = 10;

/// Two services whose logs are compared.
pub struct Pair {
    /// Where requests are sent.
    pub url: &'static str,
    /// Selects production's pods.
    pub production: &'static str,
    /// Selects the shadow's.
    pub shadow: &'static str,
}

/// The pair of GoReplay's arguments.
pub const NGINX: Pair = Pair {
    url: "http://nginx.goreplay.svc",
    production: "app=nginx",
    shadow: "app=httpd",
};

/// The pair of the route.
pub const HTTPBIN: Pair = Pair {
    url: "http://httpbin.goreplay.svc:8000",
    production: "app=httpbin,version=v1",
    shadow: "app=httpbin,version=v2",
};

/// See the module.
pub struct Scene {
    /// The way to the cluster.
    pub kubectl: Kubectl,
    /// The folders of what can be applied.
    pub folders: Folders,
    with_routes: bool,
    sent: Cell<u32>,
    run: u32,
}

impl Scene {
    /// A cluster where nothing has been done yet.
    pub fn new(kubectl: Kubectl, folders: Folders, with_routes: bool) -> Self {
        Self {
            kubectl,
            folders,
            with_routes,
            sent: Cell::new(0),
            run: std::process::id(),
        }
    }

    /// The demo as this cluster can have it.
    pub fn demo(&self) -> &str {
        if self.with_routes {
            &self.folders.demo
        } else {
            &self.folders.demo_without_routes
        }
    }

    /// Starts the pod that sends requests, from the image that the demo has on the nodes already.
    pub fn start_client(&self) -> Result<()> {
        self.kubectl.apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": DEMO, "name": CLIENT},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "curl", "image": "nginx:1.29-alpine", "command": ["sleep", "86400"]}],
            },
        }))?;
        self.kubectl.run(&[
            "wait",
            "--namespace",
            DEMO,
            "--for=condition=Ready",
            "--timeout=180s",
            "pod/client",
        ])
    }

    /// Waits until a Service answers from wherever it leads: after a rollout kube-proxy knows a new endpoint a moment
    /// after the API does, and refuses connections meanwhile.
    fn answers(&self, pair: &Pair) -> Result<()> {
        let url = format!("{}/[1-{PROBES}]?probe", pair.url);
        self.kubectl.until("the Service to answer", || {
            let probed = self.kubectl.read(&curl("Connection: close", &url));
            Ok(probed.map(drop).map_err(|error| format!("{error:#}")))
        })
    }

    /// Sends a batch of requests through a Service; all are answered. Each on a connection of its own when `spread`, so
    /// that they go to all pods.
    pub fn send(&self, pair: &Pair, count: usize, spread: bool) -> Result<Batch> {
        self.answers(pair)?;
        self.sent.set(self.sent.get() + 1);
        let batch = Batch {
            name: format!("{}-{}", self.run, self.sent.get()),
            count,
        };
        let url = format!("{}/?{}", pair.url, batch.query());
        let connection = if spread {
            "Connection: close"
        } else {
            "Connection: keep-alive"
        };
        self.kubectl.run(&curl(connection, &url))?;
        Ok(batch)
    }

    /// Reads what the logs of the pods of this label have of a batch.
    pub fn logged(&self, batch: &Batch, label: &str) -> Result<Logged> {
        let log = self.kubectl.read(&[
            "logs",
            "--namespace",
            DEMO,
            "--selector",
            label,
            "--tail=-1",
            "--max-log-requests=50",
        ])?;
        Ok(batch.in_log(&log))
    }

    /// Sends a batch and waits until both logs have each of its requests, once.
    pub fn assert_mirrored(&self, pair: &Pair, count: usize, spread: bool) -> Result<()> {
        let batch = self.send(pair, count, spread)?;
        self.kubectl.until("production's log", || {
            Ok(batch.served(&self.logged(&batch, pair.production)?))
        })?;
        self.kubectl.until("the shadow's log", || {
            Ok(batch.copied(&self.logged(&batch, pair.shadow)?))
        })?;
        // A second copy would come late.
        self.kubectl.settle();
        batch
            .copied(&self.logged(&batch, pair.shadow)?)
            .map_err(|why| anyhow!("logs do not agree: {why}"))?;
        println!("both logs have the same {count} requests, once each");
        Ok(())
    }

    /// Names of the running pods of a label.
    pub fn pods(&self, namespace: &str, label: &str) -> Result<BTreeSet<String>> {
        let list = self
            .kubectl
            .json(&["get", "pods", "--namespace", namespace, "--selector", label])?;
        let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
        let running = |pod: &&Value| {
            pod["status"]["phase"] == "Running" && pod["metadata"]["deletionTimestamp"].is_null()
        };
        Ok(items
            .iter()
            .filter(running)
            .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// Waits until no pod of this label is ending: one that does still serves requests, and takes its log with it.
    pub fn none_ends(&self, label: &str) -> Result<()> {
        self.kubectl.until("pods to end", || {
            let list = self
                .kubectl
                .json(&["get", "pods", "--namespace", DEMO, "--selector", label])?;
            let mut pods = list["items"].as_array().into_iter().flatten();
            let ending = pods.find(|pod| !pod["metadata"]["deletionTimestamp"].is_null());
            Ok(match ending {
                Some(pod) => Err(format!("{} is ending", pod["metadata"]["name"])),
                None => Ok(()),
            })
        })
    }

    /// The running agents.
    pub fn agents(&self) -> Result<BTreeSet<String>> {
        self.pods(AGENTS, AGENT_LABEL)
    }

    /// Deletes the agents' pods; the `DaemonSet` makes others.
    pub fn delete_agents(&self) -> Result<()> {
        self.kubectl.run(&[
            "delete",
            "pods",
            "--namespace",
            AGENTS,
            "--selector",
            AGENT_LABEL,
            "--wait",
        ])
    }

    /// Waits until every agent is ready.
    pub fn agents_ready(&self) -> Result<()> {
        self.kubectl.run(&[
            "rollout",
            "status",
            "--namespace",
            AGENTS,
            "daemonset/shadow-agent",
            "--timeout=180s",
        ])
    }

    /// Waits until a deployment of the demo is as it shall be.
    pub fn rolled_out(&self, deployment: &str) -> Result<()> {
        let deployment = format!("deployment/{deployment}");
        self.kubectl.run(&[
            "rollout",
            "status",
            "--namespace",
            DEMO,
            &deployment,
            "--timeout=180s",
        ])
    }

    /// Waits until some agent watches each running pod of this label.
    pub fn watched(&self, label: &str) -> Result<()> {
        self.kubectl.until("the agents to watch the pods", || {
            let mut watched = BTreeSet::new();
            for agent in self.agents()? {
                let path = format!("/api/v1/namespaces/{AGENTS}/pods/{agent}:9400/proxy/metrics");
                watched.extend(watched_pods(&self.kubectl.read(&["get", "--raw", &path])?));
            }
            let wanted = self.pods(DEMO, label)?;
            let missing: Vec<_> = wanted.difference(&watched).cloned().collect();
            Ok(match (wanted.is_empty(), missing.is_empty()) {
                (true, _) => Err("no pod is running".to_owned()),
                (false, true) => Ok(()),
                (false, false) => Err(format!("not watched: {}", missing.join(", "))),
            })
        })
    }

    /// Shows what somebody who looks into a failure wants to see.
    pub fn show_all(&self) {
        for arguments in [
            &["get", "pods", "--namespace", DEMO, "--output", "wide"][..],
            &["get", "pods", "--namespace", AGENTS, "--output", "wide"],
            &["get", "events", "--namespace", AGENTS],
            &[
                "get",
                "httproutes",
                "--namespace",
                DEMO,
                "--output",
                "yaml",
                "--ignore-not-found",
            ],
            &[
                "logs",
                "--namespace",
                AGENTS,
                "--selector",
                AGENT_LABEL,
                "--tail=100",
                "--prefix",
            ],
        ] {
            if let Err(error) = self.kubectl.run(arguments) {
                println!("{error:#}");
            }
        }
    }

    /// Deletes everything, whatever of it is there. The error is the first of several.
    pub fn clean_up(&self) -> Result<()> {
        let mut cleaned = Ok(());
        // The routes overlay has all that the other one has.
        for folder in [self.folders.routes.as_str(), self.demo()] {
            let deleted = self
                .kubectl
                .run(&["delete", "-k", folder, "--ignore-not-found", "--wait"]);
            cleaned = cleaned.and(deleted);
        }
        cleaned.map_err(|error: anyhow::Error| {
            error.context("not all could be deleted: delete the namespaces goreplay and shadow-agent by hand")
        })
    }
}

/// Sends what `url` globs, from the client's pod. The first transfer that fails ends it: curl's status is otherwise that of
/// the last. A connection that is refused was no request yet, and is tried again.
fn curl<'a>(connection: &'a str, url: &'a str) -> Vec<&'a str> {
    let exec = ["exec", "--namespace", DEMO, CLIENT, "--", "curl"];
    let curl = "--silent --show-error --fail --fail-early --max-time 30 --output /dev/null";
    let retry = "--retry 5 --retry-delay 1 --retry-connrefused";
    let mut arguments = exec.to_vec();
    arguments.extend(curl.split(' ').chain(retry.split(' ')));
    arguments.extend(["--header", "Host: cluster-1", "--header", connection, url]);
    arguments
}

/// The pods of the demo that have a series of their own in an agent's metrics: those that it watches.
fn watched_pods(metrics: &str) -> BTreeSet<String> {
    let label = |series: &str, name: &str| {
        let (_, rest) = series.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix("shadow_agent_kubernetes_pod_requests_seen_total{"))
        .filter(|series| label(series, "namespace").is_some_and(|namespace| namespace == DEMO))
        .filter_map(|series| label(series, "pod"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_transfer_ends_the_batch_and_a_refused_one_is_retried() {
        let arguments = curl("Connection: close", "http://nginx/?id=a-[1-2]");
        let after = arguments.iter().position(|word| *word == "curl").unwrap();
        let flags: Vec<_> = arguments[after..]
            .iter()
            .filter(|word| word.starts_with("--"))
            .collect();
        for flag in [&"--fail", &"--fail-early", &"--retry-connrefused", &"--max-time"] {
            assert!(flags.contains(&flag), "{arguments:?}");
        }
        assert_eq!(arguments.last(), Some(&"http://nginx/?id=a-[1-2]"));
    }

    #[test]
    fn watched_pods_are_those_with_a_series() {
        let metrics = "# HELP shadow_agent_kubernetes_pod_requests_seen Requests.\n\
                       shadow_agent_kubernetes_pod_requests_seen_total{namespace=\"goreplay\",pod=\"nginx-a\"} 0\n\
                       shadow_agent_kubernetes_pod_requests_seen_total{namespace=\"other\",pod=\"other\"} 7\n\
                       shadow_agent_kubernetes_pods_watched 1\n";
        assert_eq!(watched_pods(metrics), BTreeSet::from(["nginx-a".to_owned()]));
    }
}
