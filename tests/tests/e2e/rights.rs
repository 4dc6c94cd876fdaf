//! The rights in the manifests are those that the agent uses: nothing missing, nothing extra.

use serde_json::json;
use shadow_tests::api_server::Request;
use shadow_tests::rbac::{Call, Rights};
use shadow_tests::{manifests, stage, until};

use crate::cluster::{Cluster, labelled, uid, watching};

/// A call as the authorizer sees it.
fn call(request: &Request) -> Call {
    Call {
        verb: format!("{:?}", request.verb).to_lowercase(),
        group: request.group.clone(),
        resource: request.resource.clone(),
        subresource: request.subresource.clone(),
        namespace: request.namespace.clone().unwrap_or_default(),
        name: request.name.clone().unwrap_or_default(),
    }
}

/// An input of each kind.
const KINDS: [&str; 8] = [
    "deployment/web",
    "sts/sts",
    "ds/ds",
    "rs/rs",
    "job/job",
    "cronjob/cj",
    "svc/svc",
    "pod/web-0",
];

/// The resources that they are read by.
const RESOURCES: [&str; 8] = [
    "pods",
    "services",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
];

#[test]
fn the_manifests_allow_what_the_agent_asks_and_nothing_else() {
    let stage = stage!("root", "agent", "nginx", "kubectl", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let render = |overlay: &str| manifests::render(&format!("overlays/{overlay}"));
    let (goreplay, routes) = (render("goreplay"), render("routes"));
    let rights = |objects| Rights::of_service_account(objects, "shadow-agent", "shadow-agent");

    cluster.deployment("shop", "web");
    for (api_version, kind, name) in [
        ("apps/v1", "StatefulSet", "sts"),
        ("apps/v1", "DaemonSet", "ds"),
        ("apps/v1", "ReplicaSet", "rs"),
        ("batch/v1", "Job", "job"),
        ("batch/v1", "CronJob", "cj"),
    ] {
        cluster.api.apply(json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"namespace": "shop", "name": name, "uid": uid("shop", name)},
        }));
    }
    cluster.service("shop", "svc", "web", 80, &json!(80));
    let web = cluster.serve(labelled("shop", "web-0", "web", 80));
    let addresses: Vec<String> = KINDS.iter().map(|kind| format!("k8s://shop/{kind}:80")).collect();
    let mut arguments: Vec<&str> = addresses
        .iter()
        .flat_map(|address| ["--input-raw", address])
        .collect();
    arguments.push("--output-null");
    let agent = cluster.agent(1, &arguments);
    for resource in RESOURCES {
        cluster.api.wait_for_watch(resource);
    }
    agent.stop();
    let mut calls: Vec<Call> = cluster.api.requests().iter().map(call).collect();
    for call in &calls {
        assert!(rights(&goreplay).allow(call), "refused: {call:?}");
    }
    assert_eq!(
        rights(&goreplay)
            .unused(&calls)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        Vec::<String>::new()
    );

    let before = calls.len();
    cluster.api.apply(
        routes
            .iter()
            .find(|object| object["kind"] == "Lease")
            .expect("the lease")
            .clone(),
    );
    cluster.api.apply(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "svc"}],
            "rules": [{"filters": [{"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "shadow", "port": 80},
            }}]}],
        },
    }));
    cluster.api.apply(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GRPCRoute",
        "metadata": {"namespace": "shop", "name": "calls"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "svc"}],
            "rules": [{"filters": [{"type": "RequestMirror", "requestMirror": {
                "backendRef": {"name": "shadow", "port": 80},
            }}]}],
        },
    }));
    // Headless: its endpoints are asked for.
    cluster.service("shop", "shadow", "shadow", 80, &json!(80));
    let agent = cluster.spawn_agent(&["--input-k8s-routes", "*"]);
    watching(&agent, 1);
    cluster.api.wait_for_watch("endpointslices");
    until("both statuses are written", || {
        let requests = cluster.api.requests();
        let written = |resource: &str| {
            let mut all = requests.iter();
            all.any(|one| one.subresource == "status" && one.resource == resource)
        };
        written("httproutes") && written("grpcroutes")
    });
    drop(web);
    agent.stop();
    calls.extend(cluster.api.requests().iter().skip(before).map(call));
    for call in &calls[before..] {
        assert!(rights(&routes).allow(call), "refused: {call:?}");
    }
    assert_eq!(
        rights(&routes)
            .unused(&calls)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}
