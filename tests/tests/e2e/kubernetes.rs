//! `k8s://` addresses: the pods that are meant are captured, and no others.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use shadow_tests::api_server::{Expiry, Fault, Scope, Verb};
use shadow_tests::cgroup::{Driver, Layout, Qos};
use shadow_tests::metrics::{Metrics, ask};
use shadow_tests::{load, stage, until};

use crate::cluster::{Cluster, labelled, of_deployment, owner, uid, watching};

#[test]
fn goreplays_daemonset_arguments_mirror_a_deployment_and_nothing_else() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    for layout in [
        Layout::default(),
        Layout {
            driver: Driver::Cgroupfs,
            nested: false,
        },
        Layout {
            driver: Driver::Systemd,
            nested: true,
        },
    ] {
        let cluster = Cluster::with_layout(&stage, layout);
        cluster.deployment("goreplay", "nginx");
        let shadow = cluster.serve(labelled("goreplay", "httpd", "httpd", 80));
        let other = cluster.serve(labelled("goreplay", "other", "nginx", 80));
        let first = cluster.serve(of_deployment("goreplay", "nginx", "nginx-a", 80));
        let mut guaranteed = of_deployment("goreplay", "nginx", "nginx-b", 80);
        guaranteed.qos = Qos::Guaranteed;
        let second = cluster.serve(guaranteed);
        let agent = cluster.agent(
            2,
            &[
                "--input-raw",
                "k8s://goreplay/deployments/nginx:80",
                "--output-http",
                &format!("http://{}", shadow.v4()),
            ],
        );
        assert_eq!(cluster.load(first.v4(), 4, 25), 100);
        assert_eq!(cluster.load(first.v6(), 2, 10), 20);
        assert_eq!(cluster.load(second.v4(), 4, 25), 100);
        // From pod to pod on one node: seen once, by who receives.
        assert_eq!(load::keep_alive(other.pod.netns(), second.v4(), 1, 30), 30);
        // Inside the pod.
        assert_eq!(
            load::keep_alive(second.pod.netns(), SocketAddr::from(([127, 0, 0, 1], 80)), 1, 5),
            5
        );
        cluster.load(other.v4(), 4, 25);
        cluster.load(shadow.v4(), 1, 7);
        let ledger = agent.stop();
        ledger.assert_all_delivered(255);
        let mut production = first.nginx.finish();
        production.0.extend(second.nginx.finish().0);
        let copies = shadow
            .nginx
            .finish()
            .filter(|entry| entry.host == shadow_host(&shadow.pod.v4().to_string()));
        assert_eq!(copies.len(), 255);
        drop(other);
        production.assert_same_requests(&copies);
    }
}

/// The Host of a copy; the test's own requests to the shadow have another.
fn shadow_host(address: &str) -> String {
    address.to_owned()
}

#[test]
fn pods_that_start_end_and_return_are_followed() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    cluster.deployment("shop", "web");
    let agent = cluster.spawn_agent(&["--input-raw", "k8s://shop/deployment/web:http", "--output-null"]);
    agent.wait_for_line("no pod on this node matches");
    let first = cluster.serve_untold(of_deployment("shop", "web", "web-1", 8080));
    let told = Instant::now();
    cluster.api.apply(first.pod.object());
    watching(&agent, 1);
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    cluster.load(first.v4(), 1, 10);
    let second = cluster.serve(of_deployment("shop", "web", "web-2", 8081));
    watching(&agent, 2);
    cluster.load(second.v4(), 1, 10);
    // It goes, and its address goes to a pod of somebody else, with the same port, that the API knows nothing of yet.
    let setup = labelled("strangers", "theirs", "web", 8080);
    let (old, port) = (first.pod, first.port);
    drop(first.nginx);
    let stranger = cluster.node.start_in_place_of(old, setup);
    let nginx = shadow_tests::Nginx::start(&stage, stranger.app(), "stranger", port);
    let address = SocketAddr::new(stranger.v4().into(), port);
    assert_eq!(cluster.load(address, 2, 20), 40);
    cluster.api.delete("pods", "shop", "web-1");
    cluster.api.apply(stranger.object());
    assert_eq!(cluster.load(address, 2, 20), 40);
    let ledger = agent.wait_for_ledger("the second pod's requests", |ledger| ledger.seen() == 20);
    ledger.assert_all_delivered(20);
    assert_eq!(nginx.finish().len(), 80);
    agent.stop().assert_all_delivered(20);
}

#[test]
fn a_container_that_restarts_is_captured_from_its_first_request() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let mut served = cluster.serve(labelled("shop", "web-0", "web", 80));
    let agent = cluster.agent(1, &["--input-raw", "k8s://shop/pod/web-0:80", "--output-null"]);
    cluster.load(served.v4(), 1, 3);
    drop(served.nginx);
    served.pod.restart("app");
    let nginx = shadow_tests::Nginx::start(&stage, served.pod.app(), "again", 80);
    cluster.load(SocketAddr::new(served.pod.v4().into(), 80), 1, 4);
    assert_eq!(nginx.finish().len(), 4);
    agent.stop().assert_all_delivered(7);
}

#[test]
fn a_pod_on_the_hosts_network_is_told_from_its_neighbours() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let host = |name: &str, app: &str, port| {
        let mut setup = labelled("shop", name, app, port);
        setup.host_network = true;
        setup
    };
    let mine = cluster.serve(host("mine", "mine", 8080));
    let theirs = cluster.serve(host("theirs", "theirs", 8081));
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=mine:8080,8081",
            "--output-null",
        ],
    );
    cluster.load(mine.v4(), 1, 5);
    cluster.load(theirs.v4(), 1, 6);
    agent.stop().assert_all_delivered(5);
}

#[test]
fn every_kind_leads_to_its_pods() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let workload = |api_version: &str, kind: &str, name: &str, owners: serde_json::Value| {
        cluster.api.apply(json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"namespace": "shop", "name": name, "uid": uid("shop", name), "ownerReferences": owners},
            "spec": {"selector": {"matchLabels": {"app": name}}},
        }));
    };
    workload("apps/v1", "StatefulSet", "db", json!([]));
    workload("apps/v1", "DaemonSet", "log", json!([]));
    workload("apps/v1", "ReplicaSet", "set", json!([]));
    workload("batch/v1", "Job", "once", json!([]));
    cluster.api.apply(json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"namespace": "shop", "name": "nightly", "uid": uid("shop", "nightly")},
    }));
    workload(
        "batch/v1",
        "Job",
        "nightly-1",
        json!([owner("batch/v1", "CronJob", "nightly", &uid("shop", "nightly"))]),
    );
    cluster.service("shop", "front", "db", 8000, &json!("http"));
    let owned = |name: &str, api_version: &str, kind: &str, by: &str, port| {
        let mut setup = labelled("shop", name, by, port);
        setup.owners = vec![owner(api_version, kind, by, &uid("shop", by))];
        cluster.serve(setup)
    };
    let pods = [
        owned("db-0", "apps/v1", "StatefulSet", "db", 81),
        owned("log-x", "apps/v1", "DaemonSet", "log", 82),
        owned("set-x", "apps/v1", "ReplicaSet", "set", 83),
        owned("once-x", "batch/v1", "Job", "once", 84),
        owned("nightly-1-x", "batch/v1", "Job", "nightly-1", 85),
    ];
    for (address, expected) in [
        ("k8s://shop/sts/db:81", 0),
        ("k8s://shop/daemonsets/log:82", 1),
        ("k8s://replicaset/set:83", 2),
        ("k8s://shop/job/once:http", 3),
        ("k8s://shop/cronjob/nightly:85", 4),
        ("k8s://shop/service/front:8000", 0),
        ("k8s://shop/svc/front:http", 0),
        ("k8s://fieldSelector/metadata.name=log-x:82", 1),
    ] {
        let agent = cluster.agent(1, &["--input-raw", address, "--output-null"]);
        for (index, served) in pods.iter().enumerate() {
            cluster.load(served.v4(), 1, index + 1);
        }
        agent.stop().assert_all_delivered(expected + 1);
    }
}

#[test]
fn several_inputs_and_a_sidecar_see_each_request_once() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let mut setup = labelled("shop", "web-0", "web", 80);
    setup
        .containers
        .push(("proxy".to_owned(), vec![("mesh".to_owned(), 15006)]));
    let pod = cluster.serve(setup);
    let other = cluster.serve(labelled("shop", "api-0", "api", 80));
    let agent = cluster.agent(
        2,
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=web:80",
            "--input-raw",
            "k8s://shop/pod/api-0:80",
            "--input-raw",
            "k8s://shop/pod/web-0:http",
            "--output-stdout",
            "--k8s-pod-labels",
            "none,app",
        ],
    );
    // What a sidecar does: it takes the request on its own port, and asks the application on loopback.
    cluster.load(pod.v4(), 1, 3);
    load::keep_alive(pod.pod.netns(), SocketAddr::from(([127, 0, 0, 1], 80)), 1, 4);
    cluster.load(other.v4(), 1, 5);
    let stdout = agent.stdout().to_owned();
    agent.stop().assert_all_delivered(12);
    let records = std::fs::read_to_string(stdout).expect("the records");
    let of = |pod: &str| {
        records
            .lines()
            .filter(|line| line.starts_with("1 ") && line.ends_with(pod))
            .count()
    };
    assert_eq!((of(" shop/web-0 app=web"), of(" shop/api-0 app=api")), (7, 5));
}

#[test]
fn pods_that_the_filters_leave_out_are_not_captured() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let pod = |name: &str, track: &str| {
        let mut setup = labelled("shop", name, "web", 80);
        setup.labels = json!({"app": "web", "track": track});
        cluster.serve(setup)
    };
    let stable = pod("web-0", "stable");
    let canary = pod("web-1", "canary");
    let debug = pod("debug-0", "stable");
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=web:80",
            "--output-null",
            "--k8s-allow-pod",
            "shop/.*",
            "--k8s-disallow-pod",
            ".*/debug-.*",
            "--k8s-allow-pod-labels",
            "track=stable",
        ],
    );
    cluster.load(stable.v4(), 1, 3);
    cluster.load(canary.v4(), 1, 4);
    cluster.load(debug.v4(), 1, 5);
    agent.stop().assert_all_delivered(3);
}

#[test]
fn copies_name_the_pod_where_that_is_asked_for() {
    let stage = stage!("root", "agent", "nginx", "curl", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let pod = cluster.serve(labelled("shop", "web-0", "web", 80));
    let shadow = cluster.serve(labelled("shop", "shadow", "shadow", 80));
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/pod/web-0:80",
            "--output-http",
            &format!("http://{}", shadow.v4()),
            "--http-pod-header",
        ],
    );
    cluster.load(pod.v4(), 1, 1);
    agent.stop().assert_all_delivered(1);
    assert_eq!(shadow.nginx.finish().len(), 1);
}

/// Waits for a line of `/readyz`, and gives its status.
fn readyz(cluster: &Cluster<'_>, port: SocketAddr, line: &str) -> u16 {
    let mut answer = (0, String::new());
    until(&format!("/readyz says {line:?}"), || {
        answer = ask(cluster.node.netns(), port, "GET", "/readyz");
        answer.1.contains(line)
    });
    answer.0
}

fn listening(cluster: &Cluster<'_>) -> (SocketAddr, String) {
    let port = SocketAddr::from(([127, 0, 0, 1], cluster.node.netns().free_port()));
    (port, port.to_string())
}

#[test]
fn without_the_api_nothing_is_captured_and_readyz_says_so() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    cluster.deployment("shop", "web");
    let web = cluster.serve(of_deployment("shop", "web", "web-1", 80));
    cluster.api.away();
    let (port, listen) = listening(&cluster);
    let agent = cluster.spawn_agent(&[
        "--input-raw",
        "k8s://shop/deployment/web:80",
        "--output-null",
        "--http-listen",
        &listen,
    ]);
    agent.wait_for_line("serving HTTP");
    assert_eq!(readyz(&cluster, port, "unreachable"), 503);
    cluster.load(web.v4(), 1, 5);
    assert_eq!(agent.ledger_now().capture("packets_selected"), 0);
    cluster.api.fail(Scope::everything(), Fault::Status(403));
    cluster.api.back();
    assert_eq!(readyz(&cluster, port, "forbidden"), 503);
    cluster.load(web.v4(), 1, 5);
    assert_eq!(agent.ledger_now().capture("packets_selected"), 0);
    let metrics = Metrics::scrape(cluster.node.netns(), port);
    assert!(
        metrics.sum(
            "shadow_agent_kubernetes_api_errors_total",
            &[("reason", "forbidden")]
        ) >= 1.0
    );
    cluster.api.clear_faults();
    watching(&agent, 1);
    assert_eq!(readyz(&cluster, port, "k8s://shop/deployment/web:80: ok"), 200);
    cluster.load(web.v4(), 1, 5);
    agent.stop().assert_all_delivered(5);
}

#[test]
fn while_the_api_is_away_the_last_known_pods_stay() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let web = cluster.serve(labelled("shop", "web-0", "web", 80));
    let (port, listen) = listening(&cluster);
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=web:80",
            "--output-null",
            "--http-listen",
            &listen,
        ],
    );
    cluster.api.away();
    assert_eq!(readyz(&cluster, port, "using the last known state"), 503);
    cluster.load(web.v4(), 1, 5);
    let second = cluster.serve_untold(labelled("shop", "web-1", "web", 80));
    cluster.api.back();
    assert_eq!(readyz(&cluster, port, "app=web:80: ok"), 200);
    cluster.api.apply(second.pod.object());
    watching(&agent, 2);
    cluster.load(second.v4(), 1, 4);
    agent.stop().assert_all_delivered(9);
}

#[test]
fn a_watch_that_breaks_is_resumed_and_one_that_is_too_old_starts_over() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let agent = cluster.spawn_agent(&[
        "--input-raw",
        "k8s://shop/labelSelector/app=web:80",
        "--output-null",
    ]);
    cluster.api.wait_for_watch("pods");
    let lists = |cluster: &Cluster<'_>| {
        let requests = cluster.api.requests();
        requests
            .iter()
            .filter(|one| one.verb == Verb::List && one.resource == "pods")
            .count()
    };
    let mut pods = Vec::new();
    let mut one_more = |what: &str| {
        let name = format!("web-{}", pods.len());
        pods.push(cluster.serve(labelled("shop", &name, "web", 80)));
        eprintln!("{what}");
        watching(&agent, pods.len());
    };
    let before = lists(&cluster);
    cluster.api.disconnect_watches();
    one_more("disconnected");
    cluster
        .api
        .fail_next(3, Scope::everything().verb(Verb::Watch), Fault::Status(500));
    cluster.api.disconnect_watches();
    one_more("500");
    assert_eq!(lists(&cluster), before, "it was resumed, not listed anew");
    cluster
        .api
        .fail_next(1, Scope::everything().verb(Verb::Watch), Fault::Garbage);
    cluster.api.disconnect_watches();
    one_more("garbage");
    cluster.api.disconnect_watches();
    cluster.api.compact(Expiry::Event);
    one_more("410 as an event");
    cluster.api.disconnect_watches();
    cluster.api.compact(Expiry::Status);
    one_more("410 as an answer");
    for request in cluster.api.requests() {
        if request.resource == "pods" {
            assert_eq!(
                request.field_selector.as_str(),
                "spec.nodeName=node-1",
                "{request:?}"
            );
        }
    }
    agent.stop();
}

#[test]
fn an_object_that_does_not_exist_is_said_to() {
    let stage = stage!("root", "agent", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let (port, listen) = listening(&cluster);
    let agent = cluster.spawn_agent(&[
        "--input-raw",
        "k8s://shop/deployment/none:80",
        "--output-null",
        "--http-listen",
        &listen,
    ]);
    agent.wait_for_line("serving HTTP");
    assert_eq!(
        readyz(
            &cluster,
            port,
            "there is no deployment named none in the namespace shop"
        ),
        503
    );
    cluster.deployment("shop", "none");
    assert_eq!(readyz(&cluster, port, "ok, no pod on this node matches"), 200);
    agent.stop();
}

#[test]
fn the_kill_switch_stops_the_capture_of_pods_and_starts_it_again() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let web = cluster.serve(labelled("shop", "web-0", "web", 80));
    let (port, listen) = listening(&cluster);
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/labelSelector/app=web:80",
            "--output-null",
            "--http-listen",
            &listen,
        ],
    );
    let order = |path: &str| {
        let (status, body) = ask(cluster.node.netns(), port, "POST", path);
        assert_eq!(status, 200, "{body}");
    };
    cluster.load(web.v4(), 1, 5);
    agent.wait_for_ledger("they are delivered", |ledger| ledger.delivered(0) == 5);
    order("/pause");
    // A pod that comes during a pause is watched when it ends, not before.
    let second = cluster.serve(labelled("shop", "web-1", "web", 80));
    watching(&agent, 2);
    cluster.load(web.v4(), 1, 5);
    cluster.load(second.v4(), 1, 5);
    assert_eq!(agent.ledger_now().assert_balanced().seen(), 5);
    order("/resume");
    cluster.load(web.v4(), 1, 5);
    cluster.load(second.v4(), 1, 5);
    agent.wait_for_ledger("they are delivered", |ledger| ledger.delivered(0) == 15);
    let metrics = Metrics::scrape(cluster.node.netns(), port);
    let of = |pod: &str| {
        metrics.sum(
            "shadow_agent_kubernetes_pod_requests_seen_total",
            &[("namespace", "shop"), ("pod", pod)],
        )
    };
    assert!((of("web-0") - 10.0).abs() < f64::EPSILON && (of("web-1") - 5.0).abs() < f64::EPSILON);
    agent.stop().assert_all_delivered(15);
}

#[test]
fn productions_answers_are_captured_at_the_pods_sockets_too() {
    let stage = stage!("root", "agent", "nginx", "ip", "nsenter");
    let cluster = Cluster::new(&stage);
    let web = cluster.serve(labelled("shop", "web-0", "web", 80));
    let agent = cluster.agent(
        1,
        &[
            "--input-raw",
            "k8s://shop/pod/web-0:80",
            "--input-raw-track-response",
            "--output-stdout",
        ],
    );
    cluster.load(web.v4(), 2, 10);
    cluster.load(web.v6(), 1, 10);
    let stdout = agent.stdout().to_owned();
    let ledger = agent.stop();
    ledger.assert_all_delivered(30);
    let records = String::from_utf8_lossy(&std::fs::read(stdout).expect("the records")).into_owned();
    let of = |kind: &str| records.lines().filter(|line| line.starts_with(kind)).count();
    assert_eq!((of("1 "), of("2 ")), (30, 30), "{ledger}");
}
