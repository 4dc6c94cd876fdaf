//! The pod that runs on every node: its privileges, literally, and what keeps it from hurting the node.

use serde_json::{Value, json};
use shadow_tests::manifests::{object, render};
use shadow_tests::stage;

const OVERLAYS: [&str; 2] = ["overlays/goreplay", "overlays/routes"];

fn daemon_set(overlay: &str) -> Value {
    object(&render(overlay), "DaemonSet", "shadow-agent")["spec"].clone()
}

#[test]
fn the_container_has_three_capabilities_and_no_way_to_more() {
    let _stage = stage!("kubectl");
    for overlay in OVERLAYS {
        let pod = &daemon_set(overlay)["template"]["spec"];
        assert_eq!(
            pod["containers"][0]["securityContext"],
            json!({
                "privileged": false,
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "runAsUser": 0,
                "capabilities": {"drop": ["ALL"], "add": ["BPF", "NET_ADMIN", "PERFMON"]},
            })
        );
        assert_eq!(
            pod["securityContext"],
            json!({"seccompProfile": {"type": "RuntimeDefault"}})
        );
        for namespace in ["hostPID", "hostNetwork", "hostIPC"] {
            assert_eq!(pod[namespace], false, "{namespace}");
        }
        assert_eq!(pod["containers"].as_array().map(Vec::len), Some(1));
        assert!(pod["initContainers"].is_null());
    }
}

#[test]
fn of_the_host_it_sees_the_cgroups_and_writes_one_folder_of_its_own() {
    let _stage = stage!("kubectl");
    for overlay in OVERLAYS {
        let pod = &daemon_set(overlay)["template"]["spec"];
        assert_eq!(
            pod["volumes"],
            json!([
                {"name": "hand-over", "hostPath": {"path": "/run/shadow-agent", "type": "DirectoryOrCreate"}},
                {"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup", "type": "Directory"}},
            ])
        );
        assert_eq!(
            pod["containers"][0]["volumeMounts"],
            json!([
                {"name": "cgroup", "mountPath": "/host/sys/fs/cgroup", "readOnly": true},
                {"name": "hand-over", "mountPath": "/run/shadow-agent"},
            ])
        );
    }
}

#[test]
fn the_arguments_of_goreplay_are_as_their_users_write_them() {
    let _stage = stage!("kubectl");
    assert_eq!(
        daemon_set("overlays/goreplay")["template"]["spec"]["containers"][0]["args"],
        json!([
            "--input-raw",
            "k8s://goreplay/deployments/nginx:80",
            "--output-http",
            "http://httpd-service.goreplay.svc.cluster.local:80"
        ])
    );
    assert_eq!(
        daemon_set("overlays/routes")["template"]["spec"]["containers"][0]["args"],
        json!(["--input-k8s-routes=*"])
    );
}

#[test]
fn it_knows_its_node_and_itself_from_the_downward_api() {
    let _stage = stage!("kubectl");
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    for overlay in OVERLAYS {
        assert_eq!(
            daemon_set(overlay)["template"]["spec"]["containers"][0]["env"],
            json!([
                {"name": "SHADOW_AGENT_HTTP_LISTEN", "value": ":9400"},
                {"name": "NODE_NAME", "valueFrom": field("spec.nodeName")},
                {"name": "POD_NAME", "valueFrom": field("metadata.name")},
                {"name": "POD_NAMESPACE", "valueFrom": field("metadata.namespace")},
                {"name": "SHADOW_AGENT_HAND_OVER", "value": "/run/shadow-agent/$(POD_NAMESPACE)-shadow-agent"},
            ])
        );
    }
}

#[test]
fn it_runs_on_every_linux_node_and_rolls_out_by_surge() {
    let _stage = stage!("kubectl");
    let set = daemon_set("base");
    let pod = &set["template"]["spec"];
    assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    assert_eq!(
        set["updateStrategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "10%", "maxUnavailable": 0}})
    );
    assert_eq!(set["minReadySeconds"], 10);
    // The hand-over takes 4 s at most; --shutdown-timeout is 10 s.
    assert_eq!(pod["terminationGracePeriodSeconds"], 20);
    assert!(pod["priorityClassName"].is_null());
}

#[test]
fn it_has_a_budget_and_is_asked_whether_it_lives() {
    let _stage = stage!("kubectl");
    let set = daemon_set("base");
    let container = &set["template"]["spec"]["containers"][0];
    assert_eq!(
        container["resources"],
        json!({"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "768Mi"}})
    );
    assert_eq!(
        container["livenessProbe"]["httpGet"],
        json!({"path": "/healthz", "port": "http"})
    );
    assert_eq!(
        container["readinessProbe"]["httpGet"],
        json!({"path": "/readyz", "port": "http"})
    );
    assert_eq!(
        container["ports"],
        json!([{"name": "http", "containerPort": 9400, "protocol": "TCP"}])
    );
    let annotations = &set["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/scrape"], "true");
    assert_eq!(annotations["prometheus.io/port"], "9400");
    assert_eq!(annotations["prometheus.io/path"], "/metrics");
}

#[test]
fn only_the_pod_that_reads_the_api_gets_a_token() {
    let _stage = stage!("kubectl");
    let objects = render("base");
    assert_eq!(
        object(&objects, "ServiceAccount", "shadow-agent")["automountServiceAccountToken"],
        false
    );
    let pod = &object(&objects, "DaemonSet", "shadow-agent")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], true);
    assert_eq!(pod["serviceAccountName"], "shadow-agent");
}
