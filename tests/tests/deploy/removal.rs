//! How to remove the agent without a trace, as `docs/kubernetes.md` says it, against the tests' API server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use shadow_tests::{ApiServer, Stage, manifests, stage};

const OURS: &str = "shadow-agent.io/mirror";
const THEIRS: &str = "istio.io/gateway-controller";

/// The block of commands in the document that takes the agent's entries out of the status of routes.
fn commands() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kubernetes.md");
    let text = std::fs::read_to_string(file).expect("docs/kubernetes.md");
    let blocks: Vec<_> = text
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    match blocks[..] {
        [block] => block.to_owned(),
        _ => panic!("{} blocks of commands", blocks.len()),
    }
}

/// A `kubectl` that asks `api`, which has no schemas to validate against.
fn kubectl_for(api: &ApiServer, stage: &Stage) {
    api.kubeconfig(&stage.path("kubeconfig"), "default");
    let script = format!(
        "#!/bin/sh\nverb=$1; shift\n[ \"$verb\" = replace ] && set -- --validate=false \"$@\"\n\
         exec '{}' \"$verb\" --kubeconfig '{}' --cache-dir '{}' \"$@\"\n",
        manifests::kubectl().display(),
        stage.path("kubeconfig").display(),
        stage.path("cache").display(),
    );
    let program = stage.path("kubectl");
    std::fs::write(&program, script).expect("the script");
    std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

fn route(kind: &str, name: &str, controllers: &[&str]) -> Value {
    let parents = controllers.iter().map(|controller| {
        json!({
            "parentRef": {"group": "", "kind": "Service", "name": "web"},
            "controllerName": controller,
            "conditions": [{
                "type": "Accepted", "status": "False", "reason": "UnsupportedValue",
                "message": "Rule 0: the path \"a\\b\" does not start with '/'.\tSo.",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        })
    });
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": kind,
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"hostnames": ["a.test"]},
        "status": {"parents": parents.collect::<Vec<_>>()},
    })
}

#[test]
fn the_documented_commands_take_out_our_entries_and_no_others() {
    let stage = stage!("kubectl", "jq");
    let api = ApiServer::start();
    kubectl_for(&api, &stage);
    for (name, controllers) in [
        ("both", &[OURS, THEIRS, OURS][..]),
        ("ours", &[OURS]),
        ("theirs", &[THEIRS]),
        ("nobodys", &[]),
    ] {
        api.apply(route("HTTPRoute", name, controllers));
    }
    api.apply(route("GRPCRoute", "calls", &[OURS, THEIRS]));
    let get = |name: &str| api.get("httproutes", "shop", name).expect("the route");
    let before = ["both", "ours", "theirs", "nobodys"].map(|name| get(name)["spec"].clone());
    let untouched = get("theirs");
    let folder = stage.path("");
    let path = format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let ran = Command::new("sh")
        .args(["-euc", &commands()])
        .env("PATH", path)
        .output()
        .expect("sh");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let controllers = |name: &str| {
        let parents = get(name)["status"]["parents"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = parents
            .iter()
            .filter_map(|parent| parent["controllerName"].as_str().map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    assert_eq!(controllers("both"), [THEIRS]);
    assert_eq!(controllers("ours"), [""; 0]);
    assert_eq!(controllers("nobodys"), [""; 0]);
    assert_eq!(get("theirs"), untouched);
    let calls = api.get("grpcroutes", "shop", "calls").expect("the route");
    assert_eq!(calls["status"]["parents"].as_array().expect("parents").len(), 1);
    assert_eq!(calls["status"]["parents"][0]["controllerName"], THEIRS);
    assert_eq!(
        ["both", "ours", "theirs", "nobodys"].map(|name| get(name)["spec"].clone()),
        before
    );
}
