//! Permissions that the manifests give the agent in the API: literally, so that a right more is a change to this file.

use shadow_tests::manifests::render;
use shadow_tests::rbac::{Rights, allows};
use shadow_tests::stage;

fn rights(overlay: &str) -> Vec<String> {
    Rights::of_service_account(&render(overlay), "shadow-agent", "shadow-agent")
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn reads(resources: &[&str]) -> Vec<String> {
    let read = |verb: &'static str| resources.iter().map(move |resource| format!("{verb} {resource}"));
    ["list", "watch"].into_iter().flat_map(read).collect()
}

const OF_ADDRESSES: [&str; 8] = [
    "core/pods",
    "core/services",
    "apps/deployments",
    "apps/replicasets",
    "apps/statefulsets",
    "apps/daemonsets",
    "batch/jobs",
    "batch/cronjobs",
];

#[test]
fn for_k8s_addresses_it_reads_workloads_and_writes_nothing() {
    let _stage = stage!("kubectl");
    let mut expected = reads(&OF_ADDRESSES);
    let mut found = rights("overlays/goreplay");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn for_routes_it_writes_statuses_and_holds_one_lease() {
    let _stage = stage!("kubectl");
    let routes = [
        "gateway.networking.k8s.io/httproutes",
        "gateway.networking.k8s.io/grpcroutes",
        "gateway.networking.k8s.io/referencegrants",
        "discovery.k8s.io/endpointslices",
    ];
    let mut expected = reads(&[&OF_ADDRESSES[..], &routes].concat());
    expected.extend(
        [
            "patch gateway.networking.k8s.io/httproutes/status",
            "patch gateway.networking.k8s.io/grpcroutes/status",
            "get coordination.k8s.io/leases shadow-agent in shadow-agent",
            "update coordination.k8s.io/leases shadow-agent in shadow-agent",
        ]
        .map(str::to_owned),
    );
    let mut found = rights("overlays/routes");
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn it_can_change_no_route_and_read_no_secret() {
    let _stage = stage!("kubectl");
    let objects = render("overlays/routes");
    let gateway = "gateway.networking.k8s.io";
    let leases = "coordination.k8s.io";
    assert!(allows(&objects, "watch", gateway, ("httproutes", ""), "", ""));
    assert!(!allows(
        &objects,
        "update",
        gateway,
        ("httproutes", ""),
        "shop",
        "x"
    ));
    assert!(!allows(&objects, "list", "", ("secrets", ""), "shadow-agent", ""));
    assert!(allows(
        &objects,
        "update",
        leases,
        ("leases", ""),
        "shadow-agent",
        "shadow-agent"
    ));
    assert!(!allows(
        &objects,
        "update",
        leases,
        ("leases", ""),
        "shadow-agent",
        "other"
    ));
    assert!(!allows(
        &objects,
        "update",
        leases,
        ("leases", ""),
        "kube-system",
        "shadow-agent"
    ));
}
