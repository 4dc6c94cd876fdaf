//! The chart of `deploy/helm` comes to what the kustomization comes to, object by object.

use serde_json::{Value, json};
use shadow_tests::manifests::{folder_of_chart, object, render, render_chart};
use shadow_tests::stage;

/// Labels that Helm's users expect, and kustomize's have no use for.
const OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// The objects of the chart for a release called as the kustomization calls everything.
fn chart(files: &[&str], values: &Value) -> Vec<Value> {
    render_chart("shadow-agent", "shadow-agent", files, values).unwrap_or_else(|error| panic!("{error}"))
}

/// By kind and name, without the labels of Helm.
fn comparable(mut objects: Vec<Value>) -> Vec<Value> {
    objects.iter_mut().for_each(without_labels_of_helm);
    objects.sort_by_cached_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
    objects
}

fn without_labels_of_helm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for label in OF_HELM {
                fields.remove(label);
            }
            fields.values_mut().for_each(without_labels_of_helm);
        }
        Value::Array(items) => items.iter_mut().for_each(without_labels_of_helm),
        _ => {}
    }
}

#[test]
fn the_chart_is_the_overlay_for_the_values_of_both() {
    let _stage = stage!("kubectl", "helm");
    for overlay in ["goreplay", "routes"] {
        let file = format!("values-{overlay}.yaml");
        let from_chart = comparable(chart(&[&file], &json!({"createNamespace": true})));
        let from_overlay = comparable(render(&format!("overlays/{overlay}")));
        let names = |objects: &[Value]| -> Vec<String> {
            let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
            objects.iter().map(name).collect()
        };
        assert_eq!(names(&from_chart), names(&from_overlay), "{overlay}");
        for (chart, overlay) in from_chart.iter().zip(&from_overlay) {
            assert_eq!(chart, overlay);
        }
    }
}

#[test]
fn the_charts_components_are_the_kustomizations() {
    let _stage = stage!("kubectl", "helm");
    let objects = chart(
        &["values-goreplay.yaml"],
        &json!({"podMonitor": {"enabled": true}, "hostNetwork": true, "tls": {"enabled": true}, "seLinuxOptions": {"type": "spc_t"}}),
    );
    let set = &object(&objects, "DaemonSet", "shadow-agent")["spec"];
    assert_eq!(
        set["updateStrategy"]["rollingUpdate"],
        json!({"maxSurge": 0, "maxUnavailable": "10%"})
    );
    let pod = &set["template"]["spec"];
    assert_eq!(
        (&pod["hostNetwork"], &pod["dnsPolicy"]),
        (&json!(true), &json!("ClusterFirstWithHostNet"))
    );
    assert_eq!(pod["containers"][0]["ports"][0]["hostPort"], 9400);
    assert_eq!(
        pod["containers"][0]["securityContext"]["seLinuxOptions"],
        json!({"type": "spc_t"})
    );
    assert_eq!(pod["hostPID"], true);
    assert_eq!(
        pod["containers"][0]["securityContext"]["capabilities"]["add"],
        json!(["BPF", "NET_ADMIN", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"])
    );
    let variables = pod["containers"][0]["env"].as_array().expect("variables");
    assert!(variables.contains(&json!({"name": "SHADOW_AGENT_INPUT_RAW_TLS", "value": "auto"})));
    let monitor = object(&objects, "PodMonitor", "shadow-agent");
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"],
        set["selector"]["matchLabels"]
    );
    assert!(objects.iter().all(|object| object["kind"] != "Namespace"));
}

#[test]
fn a_release_of_another_name_and_namespace_stands_beside_the_first() {
    let _stage = stage!("helm");
    let values = json!({"image": {"repository": "registry.example/shadow-agent", "tag": "v9"}});
    let objects = render_chart("second", "observability", &["values-routes.yaml"], &values).unwrap();
    for object in &objects {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        assert!(name == "second" || name.starts_with("second-"), "{name}");
        if object["metadata"]["namespace"].is_string() {
            assert_eq!(object["metadata"]["namespace"], "observability", "{name}");
        }
        if let Some(subjects) = object["subjects"].as_array() {
            assert_eq!(
                (&subjects[0]["name"], &subjects[0]["namespace"]),
                (&json!("second"), &json!("observability"))
            );
        }
    }
    let container = &object(&objects, "DaemonSet", "second")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example/shadow-agent:v9");
    assert_eq!(
        container["args"],
        json!(["--input-k8s-routes=*", "--k8s-lease=second"])
    );
    assert_eq!(
        container["env"][4],
        json!({"name": "SHADOW_AGENT_HAND_OVER", "value": "/run/shadow-agent/$(POD_NAMESPACE)-second"})
    );
    object(&objects, "Lease", "second");
}

#[test]
fn values_that_mirror_nothing_or_are_misspelt_are_refused() {
    let _stage = stage!("helm");
    let refused = |values: Value| render_chart("shadow-agent", "shadow-agent", &[], &values).unwrap_err();
    let nothing = refused(json!({}));
    assert!(nothing.contains("args is empty: say what to mirror"), "{nothing}");
    let misspelt = refused(json!({"args": ["--input-k8s-routes=*"], "hostnetwork": true}));
    assert!(misspelt.contains("hostnetwork"), "{misspelt}");
}

#[test]
fn the_charts_version_is_the_agents() {
    let text = std::fs::read_to_string(folder_of_chart().join("Chart.yaml")).expect("the chart");
    for line in ["version", "appVersion"] {
        let wanted = format!("\n{line}: {}\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&wanted), "{wanted}");
    }
}
