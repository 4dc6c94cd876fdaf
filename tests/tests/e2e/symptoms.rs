//! Symptoms of `docs/kubernetes.md`: the agent says them word for word.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use shadow_tests::api_server::{Fault, Scope};
use shadow_tests::metrics::ask;
use shadow_tests::{stage, until};

use crate::cluster::{Cluster, NODE, labelled, uid};

/// A cluster with something wrong, the arguments of an agent that meets with it, and what it says; `...` stands for what
/// differs.
struct Symptom {
    wrong: fn(&Cluster<'_>),
    argument: &'static str,
    says: &'static str,
}

const SYMPTOMS: [Symptom; 9] = [
    Symptom {
        wrong: |cluster| {
            let pods = Scope::everything().resource("pods");
            cluster.api.fail(pods, Fault::Status(403));
        },
        argument: "--input-raw=k8s://goreplay/deployments/nginx:80",
        says: "nothing is captured: ... (forbidden); make sure that its ClusterRole and ClusterRoleBinding are \
            those of deploy/kubernetes",
    },
    Symptom {
        wrong: |cluster| cluster.api.away(),
        argument: "--input-raw=k8s://goreplay/deployments/nginx:80",
        says: "nothing is captured: ... (unreachable); retrying",
    },
    Symptom {
        wrong: |_| {},
        argument: "--input-raw=k8s://goreplay/deployments/nginx:80",
        says: "nothing is captured: there is no deployment named nginx in the namespace goreplay",
    },
    Symptom {
        wrong: |cluster| cluster.deployment("goreplay", "nginx"),
        argument: "--input-raw=k8s://goreplay/deployments/nginx:80",
        says: "no pod on this node matches",
    },
    Symptom {
        wrong: |cluster| pod_without_cgroup(cluster, "metrics"),
        argument: "--input-raw=k8s://shop/pod/web-0:http",
        says: "pod shop/web-0 has no TCP port named http",
    },
    Symptom {
        wrong: |cluster| cluster.service("shop", "web", "web", 8000, &json!(80)),
        argument: "--input-raw=k8s://shop/service/web:80",
        says: "service shop/web has no TCP port 80; it has 8000",
    },
    Symptom {
        wrong: |cluster| pod_without_cgroup(cluster, "http"),
        argument: "--input-raw=k8s://shop/pod/web-0:http",
        says: "found no cgroup below ... for the running pods",
    },
    Symptom {
        wrong: |cluster| {
            let routes = Scope::everything().resource("httproutes");
            cluster.api.fail(routes, Fault::Status(404));
        },
        argument: "--input-k8s-routes=*",
        says: "the cluster has no HTTPRoutes: install the Gateway API's CRDs",
    },
    Symptom {
        wrong: |cluster| {
            let routes = Scope::everything().resource("grpcroutes");
            cluster.api.fail(routes, Fault::Status(403));
        },
        argument: "--input-k8s-routes=*",
        says: "GRPCRoutes are not followed: ... (forbidden); make sure that its ClusterRole",
    },
];

#[test]
fn each_symptom_in_the_document_is_what_the_agent_says() {
    let stage = stage!("root", "agent", "ip", "nsenter");
    let headings = headings();
    for Symptom {
        wrong,
        argument,
        says,
    } in SYMPTOMS
    {
        assert!(
            headings.iter().any(|heading| heading.contains(says)),
            "the document does not have: {says}"
        );
        let cluster = Cluster::new(&stage);
        wrong(&cluster);
        let mut arguments = vec![argument];
        if !argument.starts_with("--input-k8s-routes") {
            arguments.push("--output-null");
        }
        let agent = cluster.spawn_agent(&arguments);
        let says_so = |line: &str| {
            let mut rest = Some(line);
            for part in says.split("...") {
                rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
            }
            rest.is_some()
        };
        until(&format!("the agent says: {says}"), || {
            agent.stderr().lines().any(says_so)
        });
        agent.stop();
    }
}

#[test]
fn the_sample_of_readyz_in_the_document_is_what_the_agent_serves() {
    let stage = stage!("root", "agent", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    cluster.deployment("goreplay", "nginx");
    cluster.service("shop", "web", "web", 80, &json!(80));
    cluster.service("shop", "next", "next", 80, &json!(80));
    let mirror =
        json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "next", "port": 80}}});
    cluster.api.apply(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "web"}],
            "rules": [{"filters": [mirror]}],
        },
    }));
    let port = SocketAddr::from(([127, 0, 0, 1], cluster.node.netns().free_port()));
    let agent = cluster.spawn_agent(&[
        "--input-raw=k8s://goreplay/deployments/nginx:80",
        "--output-null",
        "--input-k8s-routes=*",
        "--hand-over",
        stage.path("claims").to_str().expect("a path in UTF-8"),
        "--http-listen",
        &port.to_string(),
    ]);
    agent.wait_for_line("serving HTTP");
    let text = document();
    let (_, sample) = text.split_once("```text\nready\n").expect("the sample");
    let (sample, _) = sample.split_once("```").expect("its end");
    until("the agent is ready", || {
        ask(cluster.node.netns(), port, "GET", "/readyz").0 == 200
    });
    let (_, served) = ask(cluster.node.netns(), port, "GET", "/readyz");
    assert_eq!(served, format!("ready\n{sample}"));
    agent.stop();
}

fn document() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kubernetes.md");
    std::fs::read_to_string(file).expect("docs/kubernetes.md")
}

/// The symptoms that the document has.
fn headings() -> Vec<String> {
    let text = document();
    let headings = text.lines().filter(|line| line.starts_with("### "));
    headings.map(str::to_owned).collect()
}

/// A pod that runs, if the API is to be believed.
fn pod_without_cgroup(cluster: &Cluster<'_>, port: &str) {
    let setup = labelled("shop", "web-0", "web", 80);
    cluster.api.apply(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": setup.namespace, "name": setup.name, "labels": setup.labels, "uid": uid("shop", "web-0"),
        },
        "spec": {
            "nodeName": NODE,
            "containers": [{"name": "app", "image": "app", "ports": [{"name": port, "containerPort": 80}]}],
        },
        "status": {"phase": "Running"},
    }));
}
