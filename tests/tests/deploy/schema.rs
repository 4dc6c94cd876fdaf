//! Every object of every overlay is what the API takes: nothing misspelt, nothing at the wrong level.
//!
//! An object is read into its type and written again; a field that the type does not know is then missing.

use gateway_api::apis::standard::httproutes::HttpRoute;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shadow_tests::manifests::{folder_of_manifests, object, render, render_folder};
use shadow_tests::stage;

const OVERLAYS: [&str; 4] = ["base", "overlays/goreplay", "overlays/routes", "overlays/demo"];

#[test]
fn every_object_is_what_the_api_takes() {
    let _stage = stage!("kubectl");
    for overlay in OVERLAYS {
        for object in render(overlay) {
            check(&object);
        }
    }
}

#[test]
fn the_overlays_hold_these_objects_and_no_others() {
    let _stage = stage!("kubectl");
    let base = [
        "Namespace shadow-agent",
        "ServiceAccount shadow-agent",
        "ClusterRole shadow-agent",
        "ClusterRoleBinding shadow-agent",
        "DaemonSet shadow-agent",
    ];
    assert_eq!(names(&render("base")), sorted(&base));
    assert_eq!(names(&render("overlays/goreplay")), sorted(&base));
    let routes = [
        "ClusterRole shadow-agent-routes",
        "ClusterRoleBinding shadow-agent-routes",
        "Role shadow-agent-leader",
        "RoleBinding shadow-agent-leader",
        "Lease shadow-agent",
    ];
    assert_eq!(
        names(&render("overlays/routes")),
        sorted(&[&base[..], &routes].concat())
    );
}

#[test]
fn the_demo_has_its_own_namespace_and_istios_route() {
    let _stage = stage!("kubectl");
    let demo = render("overlays/demo");
    for object in &demo {
        if object["kind"] != "Namespace" {
            assert_eq!(object["metadata"]["namespace"], "goreplay", "{object}");
        }
    }
    assert_eq!(
        object(&demo, "HTTPRoute", "httpbin"),
        &json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1",
            "kind": "HTTPRoute",
            "metadata": {"name": "httpbin", "namespace": "goreplay"},
            "spec": {
                "parentRefs": [{"group": "", "kind": "Service", "name": "httpbin", "port": 8000}],
                "rules": [{
                    "filters": [{
                        "type": "RequestMirror",
                        "requestMirror": {"backendRef": {"name": "httpbin-v2", "port": 80}},
                    }],
                    "backendRefs": [{"name": "httpbin-v1", "port": 80}],
                }],
            },
        })
    );
    // kube-proxy sends all of httpbin to v1: the route does not have to.
    assert_eq!(
        object(&demo, "Service", "httpbin")["spec"]["selector"],
        json!({"app": "httpbin", "version": "v1"})
    );
    for deployment in ["nginx", "httpd", "httpbin-v1", "httpbin-v2"] {
        object(&demo, "Deployment", deployment);
    }
    assert_eq!(
        object(&demo, "Service", "httpd-service")["spec"]["ports"][0]["port"],
        80
    );
}

#[test]
fn the_pod_monitor_scrapes_the_port_that_the_daemon_set_names() {
    let stage = stage!("kubectl");
    let objects = with_component(&stage, "pod-monitor");
    let monitor = object(&objects, "PodMonitor", "shadow-agent");
    assert_eq!(monitor["apiVersion"], "monitoring.coreos.com/v1");
    let pod = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["template"];
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"],
        pod["metadata"]["labels"]["app.kubernetes.io/name"]
    );
    assert_eq!(
        monitor["spec"]["podMetricsEndpoints"][0]["port"],
        pod["spec"]["containers"][0]["ports"][0]["name"]
    );
}

#[test]
fn on_the_hosts_network_the_names_of_services_still_resolve() {
    let stage = stage!("kubectl");
    let objects = with_component(&stage, "host-network");
    let pod = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["template"]["spec"];
    assert_eq!(pod["hostNetwork"], true);
    assert_eq!(pod["dnsPolicy"], "ClusterFirstWithHostNet");
    // The API refuses both at once, and a node has one port 9400.
    let strategy = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["updateStrategy"];
    assert_eq!(
        strategy["rollingUpdate"],
        json!({"maxSurge": 0, "maxUnavailable": "10%"})
    );
    objects.iter().for_each(check);
}

#[test]
fn a_users_overlay_sets_image_and_namespace_everywhere() {
    let stage = stage!("kubectl");
    let objects = overlay(
        &stage,
        "namespace: observability\n\
         components: [MANIFESTS/components/routes]\n\
         images: [{name: shadow-agent, newName: registry.example/shadow-agent, newTag: v9}]\n",
    );
    for object in &objects {
        check(object);
        if object["metadata"]["namespace"].is_string() {
            assert_eq!(object["metadata"]["namespace"], "observability", "{object}");
        }
        if let Some(subjects) = object["subjects"].as_array() {
            assert_eq!(subjects[0]["namespace"], "observability", "{object}");
        }
    }
    let pod = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "registry.example/shadow-agent:v9");
}

fn with_component(stage: &shadow_tests::Stage, component: &str) -> Vec<Value> {
    overlay(
        stage,
        &format!("components: [MANIFESTS/components/{component}]\n"),
    )
}

/// Renders what a user might write on top of the base; `MANIFESTS` stands for our folder.
fn overlay(stage: &shadow_tests::Stage, lines: &str) -> Vec<Value> {
    let folder = stage.path("overlay");
    std::fs::create_dir_all(&folder).expect("the test's folder");
    // kustomize takes relative paths only.
    let up = "../".repeat(folder.canonicalize().expect("a folder").components().count() - 1);
    let manifests = folder_of_manifests().canonicalize().expect("the manifests");
    let manifests = format!("{up}{}", manifests.display().to_string().trim_start_matches('/'));
    let text = format!("resources: [MANIFESTS/base]\n{lines}").replace("MANIFESTS", &manifests);
    std::fs::write(folder.join("kustomization.yaml"), text).expect("the test's folder");
    render_folder(&folder)
}

/// Panics when a field of `object` is lost on the way through its type.
fn check(object: &Value) {
    let again = match (
        object["apiVersion"].as_str().unwrap_or_default(),
        object["kind"].as_str().unwrap_or_default(),
    ) {
        ("v1", "Namespace") => through::<Namespace>(object),
        ("v1", "ServiceAccount") => through::<ServiceAccount>(object),
        ("v1", "Service") => through::<Service>(object),
        ("v1", "ConfigMap") => through::<ConfigMap>(object),
        ("apps/v1", "DaemonSet") => through::<DaemonSet>(object),
        ("apps/v1", "Deployment") => through::<Deployment>(object),
        ("coordination.k8s.io/v1", "Lease") => through::<Lease>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => through::<ClusterRole>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => through::<ClusterRoleBinding>(object),
        ("rbac.authorization.k8s.io/v1", "Role") => through::<Role>(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => through::<RoleBinding>(object),
        // The API serves the two versions with one schema.
        ("gateway.networking.k8s.io/v1beta1", "HTTPRoute") => through::<HttpRoute>(object),
        (version, kind) => panic!("an object of a kind that this test does not know: {version} {kind}"),
    };
    let mut lost = Vec::new();
    find_lost(object, &again, "", &mut lost);
    lost.retain(|path| object["kind"] != "HTTPRoute" || path != ".apiVersion");
    assert!(lost.is_empty(), "the API would not know {lost:?} of {object}");
}

fn through<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object}"));
    serde_json::to_value(typed).expect("an object of the API")
}

/// The paths of what is in `before` and not the same in `after`.
fn find_lost(before: &Value, after: &Value, path: &str, lost: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let path = format!("{path}.{key}");
                match after.get(key) {
                    Some(after) => find_lost(value, after, &path, lost),
                    None => lost.push(path),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                find_lost(before, after, &format!("{path}[{index}]"), lost);
            }
        }
        _ if before == after => {}
        _ => lost.push(path.to_owned()),
    }
}

fn names(objects: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = objects
        .iter()
        .map(|object| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
        })
        .collect();
    names.sort();
    names
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_misspelt_field_is_noticed() {
    let mut lost = Vec::new();
    let object = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
        "spec": {"selects": {"a": "b"}, "ports": [{"port": 80, "targetport": 81}]},
    });
    find_lost(&object, &through::<Service>(&object), "", &mut lost);
    assert_eq!(lost, [".spec.ports[0].targetport", ".spec.selects"]);
}

#[test]
fn with_tls_it_sees_processes_and_asks_for_two_more_capabilities() {
    let stage = stage!("kubectl");
    let objects = with_component(&stage, "tls");
    let pod = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["template"]["spec"];
    assert_eq!(
        (&pod["hostPID"], &pod["hostNetwork"], &pod["hostIPC"]),
        (&json!(true), &json!(false), &json!(false))
    );
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "runAsUser": 0,
            "capabilities": {"drop": ["ALL"], "add": ["BPF", "NET_ADMIN", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"]},
        })
    );
    let variables = container["env"].as_array().expect("variables");
    assert!(variables.contains(&json!({"name": "SHADOW_AGENT_INPUT_RAW_TLS", "value": "auto"})));
    objects.iter().for_each(check);
}
