//! Pods without a cluster: what the harness makes is what a node has, and goes with the test.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use shadow_tests::cgroup::{Driver, Layout, Qos};
use shadow_tests::client::Connection;
use shadow_tests::{Nginx, Node, PodSetup, load, stage};

#[test]
fn a_server_in_a_pod_is_reached_by_the_pods_addresses() {
    let stage = stage!("root", "nginx", "ip", "nsenter");
    let node = Node::new("node-1");
    let (web, other) = (
        node.start(PodSetup::new("test", "web", 80)),
        node.start(PodSetup::new("test", "other", 80)),
    );
    let nginx = Nginx::start(&stage, web.app(), "web", 80);
    assert!(web.app().cgroup().processes().contains(&nginx.pid()));
    for client in [node.netns(), other.netns()] {
        for ip in [IpAddr::from(web.v4()), IpAddr::from(web.v6())] {
            assert_eq!(load::keep_alive(client, SocketAddr::new(ip, 80), 1, 5), 5);
        }
    }
    assert_eq!(nginx.finish().len(), 20);
    let object = web.object();
    assert_eq!(object["spec"]["nodeName"], "node-1");
    assert_eq!(object["status"]["podIPs"][1]["ip"], web.v6().to_string());
    assert_eq!(object["spec"]["containers"][0]["ports"][0]["containerPort"], 80);
}

#[test]
fn pods_are_called_as_a_kubelet_calls_them_and_leave_nothing() {
    let stage = stage!("root", "nginx", "ip", "nsenter");
    let root = shadow_tests::cgroup::root().expect("cgroup v2");
    for (driver, nested) in [
        (Driver::Systemd, false),
        (Driver::Systemd, true),
        (Driver::Cgroupfs, false),
    ] {
        let node = Node::with_layout("node-1", Layout { driver, nested });
        let before = tops(&root);
        let mut setup = PodSetup::new("test", "web", 80);
        setup.qos = Qos::Guaranteed;
        setup.containers.push(("sidecar".to_owned(), Vec::new()));
        let mut pod = node.start(setup.clone());
        let cgroup = pod.cgroup().to_owned();
        assert!(cgroup.starts_with(&root) && cgroup.is_dir());
        // Not among those of this machine's kubelet.
        let top = cgroup.strip_prefix(&root).expect("below the root").iter().next();
        assert!(top == Some("shadowtests.slice".as_ref()) || top == Some("shadowtests".as_ref()));
        assert_eq!(folders(&cgroup).len(), 3);
        let nginx = Nginx::start(&stage, pod.container("sidecar"), "web", 80);
        let old = pod.container("sidecar").cgroup().path().to_owned();
        // The server dies with its container.
        pod.restart("sidecar");
        assert!(!old.exists());
        assert_eq!(pod.object()["status"]["containerStatuses"][1]["restartCount"], 1);
        drop(nginx);
        let (address, uid) = (pod.v4(), pod.uid().to_owned());
        let pod = node.start_in_place_of(pod, setup);
        assert!(!cgroup.exists() && pod.cgroup().is_dir());
        assert_eq!(pod.v4(), address);
        assert_ne!(pod.uid(), uid);
        drop(pod);
        assert_eq!(tops(&root), before);
    }
}

#[test]
fn a_pod_on_the_hosts_network_has_the_nodes_address() {
    let stage = stage!("root", "nginx", "ip", "nsenter");
    let node = Node::new("node-1");
    let mut setup = PodSetup::new("test", "web", 8080);
    setup.host_network = true;
    let (pod, client) = (node.start(setup), node.start(PodSetup::new("test", "client", 80)));
    let nginx = Nginx::start(&stage, pod.app(), "web", 8080);
    let mut connection = Connection::open(client.netns(), SocketAddr::new(pod.v4().into(), 8080));
    assert_eq!(connection.get("/", "1").status, 200);
    assert_eq!(pod.object()["status"]["podIP"], pod.object()["status"]["hostIP"]);
    assert_eq!(nginx.finish().len(), 1);
}

#[test]
fn cgroups_of_dead_test_runs_are_deleted() {
    let stage = stage!("root");
    let root = shadow_tests::cgroup::root().expect("cgroup v2");
    let before = tops(&root);
    // No process has this id: it is past the largest.
    let container = format!("736861646f77ffffffff{:044}", 0);
    let layout = Layout::default();
    let left = root.join(layout.container(
        Qos::BestEffort,
        "0a1b2c3d-0000-4000-8000-000000000002",
        &container,
    ));
    std::fs::create_dir_all(&left).expect("a cgroup");
    drop(stage);
    let _stage = stage!("root");
    assert_eq!(tops(&root), before);
}

fn tops(root: &Path) -> Vec<PathBuf> {
    let mut folders = folders(root);
    folders.retain(|path| path.to_string_lossy().contains("shadowtests"));
    folders.sort();
    folders
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).expect("a cgroup").flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
