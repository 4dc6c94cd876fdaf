use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::*;

/// A cluster as a test says it.
#[derive(Default)]
struct Cluster {
    pods: BTreeMap<ObjectKey, Arc<Pod>>,
    named: BTreeMap<ObjectKey, Arc<Workload>>,
    between: BTreeMap<ObjectKey, Arc<Workload>>,
    services: BTreeMap<ObjectKey, Arc<Service>>,
}

fn key(value: &Value) -> ObjectKey {
    let text = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned()
    };
    (text("/metadata/namespace"), text("/metadata/name"))
}

impl Cluster {
    fn pod(mut self, namespace: &str, name: &str, labels: &Value, owner: Option<(&str, &str)>) -> Self {
        let owners = owner.map(|(kind, uid)| {
            json!([{"apiVersion": "v1", "kind": kind, "name": "x", "uid": uid, "controller": true}])
        });
        let pod = json!({
            "metadata": {"namespace": namespace, "name": name, "uid": name, "labels": labels, "ownerReferences": owners},
            "spec": {"containers": [{"name": "a", "ports": [
                {"name": "http", "containerPort": 8080},
                {"name": "dns", "containerPort": 53, "protocol": "UDP"},
            ]}]},
            "status": {"phase": "Running"},
        });
        let object: core::Pod = serde_json::from_value(pod.clone()).unwrap();
        self.pods.insert(key(&pod), Arc::new(Pod::slim(object)));
        self
    }

    fn ended(mut self, namespace: &str, name: &str) -> Self {
        let key = (namespace.to_owned(), name.to_owned());
        let mut pod = (*self.pods[&key]).clone();
        pod.phase = "Succeeded".to_owned();
        self.pods.insert(key, Arc::new(pod));
        self
    }

    fn deployment(mut self, namespace: &str, name: &str, app: &str) -> Self {
        let uid = format!("{namespace}-{name}");
        let deployment = json!({
            "metadata": {"namespace": namespace, "name": name, "uid": uid},
            "spec": {"selector": {"matchLabels": {"app": app}}, "template": {}},
        });
        let object: Deployment = serde_json::from_value(deployment.clone()).unwrap();
        self.named
            .insert(key(&deployment), Arc::new(Workload::of_deployment(object)));
        self
    }

    fn replica_set(mut self, namespace: &str, name: &str, of: &str) -> Self {
        let set = json!({
            "metadata": {"namespace": namespace, "name": name, "uid": name, "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": of, "controller": true},
            ]},
            "spec": {"selector": {}},
        });
        let object: ReplicaSet = serde_json::from_value(set.clone()).unwrap();
        self.between
            .insert(key(&set), Arc::new(Workload::of_replica_set(object)));
        self
    }

    fn service(mut self, namespace: &str, name: &str, selector: &Value, ports: &Value) -> Self {
        let service = json!({
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"selector": selector, "ports": ports},
        });
        let object: Service = serde_json::from_value(service.clone()).unwrap();
        self.services.insert(key(&service), Arc::new(object));
        self
    }

    /// Names and ports of the pods that an address means, and why not more.
    fn select(&self, address: &str) -> (Vec<(String, Vec<u16>)>, Option<Why>) {
        let input = selector(address);
        let world = World {
            pods: &self.pods,
            named: &self.named,
            between: &self.between,
            services: &self.services,
        };
        let selected = select(&input, &world);
        let pods = selected.pods.iter();
        let pods = pods
            .map(|(pod, ports)| (pod.name.clone(), ports.iter().copied().collect()))
            .collect();
        (pods, selected.why)
    }

    fn names(&self, address: &str) -> Vec<String> {
        self.select(address).0.into_iter().map(|(name, _)| name).collect()
    }
}

/// The pods that an address means: `k8s://[NAMESPACE/]KIND/NAME:PORT[,PORT]`. The command line's reader of these stands above
/// this crate.
fn selector(address: &str) -> PodSelector {
    let (place, ports) = address.strip_prefix("k8s://").unwrap().rsplit_once(':').unwrap();
    let names: Vec<&str> = place.split('/').collect();
    let (namespace, [kind, name]) = match names[..] {
        [kind, name] => (None, [kind, name]),
        [namespace, kind, name] => (Some(namespace.to_owned()), [kind, name]),
        _ => panic!("{address}"),
    };
    let pods = match kind {
        "labelSelector" => Pods::Labels(name.to_owned()),
        "fieldSelector" => Pods::Fields(name.to_owned()),
        kind => Pods::Named {
            kind: WorkloadKind::by_name(kind).unwrap(),
            name: name.to_owned(),
        },
    };
    let port = |text: &str| {
        text.parse()
            .map_or_else(|_| PodPort::Name(text.to_owned()), PodPort::Number)
    };
    PodSelector {
        typed: address.to_owned(),
        namespace,
        pods,
        ports: ports.split(',').map(port).collect(),
    }
}

/// A deployment of two replica sets, a pod taken out of its selection, and one of another deployment with the same
/// labels.
fn rollout() -> Cluster {
    Cluster::default()
        .deployment("shop", "web", "web")
        .deployment("shop", "other", "web")
        .replica_set("shop", "web-1", "shop-web")
        .replica_set("shop", "web-2", "shop-web")
        .replica_set("shop", "other-1", "shop-other")
        .pod(
            "shop",
            "web-1-a",
            &json!({"app": "web"}),
            Some(("ReplicaSet", "web-1")),
        )
        .pod(
            "shop",
            "web-2-a",
            &json!({"app": "web"}),
            Some(("ReplicaSet", "web-2")),
        )
        .pod(
            "shop",
            "web-2-out",
            &json!({"app": "debug"}),
            Some(("ReplicaSet", "web-2")),
        )
        .pod(
            "shop",
            "other-1-a",
            &json!({"app": "web"}),
            Some(("ReplicaSet", "other-1")),
        )
        .pod("shop", "stray", &json!({"app": "web"}), None)
}

#[test]
fn a_deployment_is_the_selected_pods_of_its_replica_sets() {
    assert_eq!(
        rollout().names("k8s://shop/deployments/web:80"),
        ["web-1-a", "web-2-a"]
    );
}

#[test]
fn without_a_namespace_every_namespace_is_meant() {
    let cluster = rollout()
        .deployment("test", "web", "web")
        .replica_set("test", "t-1", "test-web")
        .pod(
            "test",
            "t-1-a",
            &json!({"app": "web"}),
            Some(("ReplicaSet", "t-1")),
        );
    assert_eq!(
        cluster.names("k8s://deployment/web:80"),
        ["web-1-a", "web-2-a", "t-1-a"]
    );
    assert_eq!(cluster.names("k8s://test/deployment/web:80"), ["t-1-a"]);
}

#[test]
fn an_object_that_is_not_there_is_told_from_one_without_pods_here() {
    let cluster = rollout().deployment("shop", "empty", "empty");
    assert_eq!(
        cluster.select("k8s://shop/deployment/none:80"),
        (
            vec![],
            Some(Why::Missing(
                "there is no deployment named none in the namespace shop".to_owned()
            ))
        )
    );
    assert_eq!(
        cluster.select("k8s://shop/deployment/empty:80"),
        (vec![], Some(Why::NoneHere))
    );
}

#[test]
fn a_pod_is_meant_by_its_own_name_alone() {
    assert_eq!(rollout().names("k8s://shop/pod/stray:80"), ["stray"]);
    assert_eq!(rollout().names("k8s://pods/web:80"), Vec::<String>::new());
}

#[test]
fn labels_and_fields_select() {
    assert_eq!(
        rollout().names("k8s://shop/labelSelector/app in (debug):80"),
        ["web-2-out"]
    );
    assert_eq!(
        rollout().names("k8s://fieldSelector/metadata.name=stray,status.phase=Running:80"),
        ["stray"]
    );
}

#[test]
fn pods_that_have_ended_serve_nobody() {
    let cluster = rollout().ended("shop", "web-1-a");
    assert_eq!(cluster.names("k8s://shop/deployment/web:80"), ["web-2-a"]);
}

#[test]
fn a_port_by_name_is_the_containers() {
    assert_eq!(
        rollout().select("k8s://shop/pod/stray:http,9000"),
        (vec![("stray".to_owned(), vec![8080, 9000])], None)
    );
    let (pods, why) = rollout().select("k8s://shop/pod/stray:dns");
    assert!(pods.is_empty());
    assert_eq!(
        why,
        Some(Why::NoPort("pod shop/stray has no TCP port named dns".to_owned()))
    );
}

#[test]
fn a_service_is_the_pods_behind_it_at_the_ports_it_leads_to() {
    let cluster = rollout().service(
        "shop",
        "front",
        &json!({"app": "web"}),
        &json!([
            {"name": "web", "port": 80, "targetPort": "http"},
            {"name": "admin", "port": 81, "targetPort": 9001},
            {"name": "same", "port": 82},
        ]),
    );
    let (pods, why) = cluster.select("k8s://shop/service/front:80,admin,82");
    assert_eq!(why, None);
    assert_eq!(pods.len(), 4);
    assert_eq!(pods[0], ("other-1-a".to_owned(), vec![82, 8080, 9001]));
    assert_eq!(
        cluster.select("k8s://shop/svc/front:8080"),
        (
            vec![],
            Some(Why::NoPort(
                "service shop/front has no TCP port 8080; it has 80, 81, 82".to_owned()
            ))
        )
    );
}

#[test]
fn a_service_whose_endpoints_are_kept_by_hand_means_nobody() {
    let cluster = rollout().service("shop", "manual", &json!(null), &json!([{"port": 80}]));
    let (pods, why) = cluster.select("k8s://shop/service/manual:80");
    assert!(pods.is_empty());
    assert!(matches!(why, Some(Why::Missing(_))), "{why:?}");
}

#[test]
fn services_of_one_name_in_several_namespaces_are_each_looked_at() {
    let cluster = Cluster::default()
        .pod("a", "a-0", &json!({"app": "web"}), None)
        .service("a", "front", &json!({"app": "web"}), &json!([{"port": 80}]))
        .service("b", "front", &json!({"app": "web"}), &json!([{"port": 80}]))
        .service("c", "front", &json!(null), &json!([{"port": 80}]));
    assert_eq!(
        cluster.select("k8s://service/front:80"),
        (vec![("a-0".to_owned(), vec![80])], None)
    );
    let cluster = cluster.service("0", "front", &json!({"app": "web"}), &json!([{"port": 81}]));
    let (pods, why) = cluster.select("k8s://service/front:80");
    assert_eq!(pods.len(), 1);
    assert!(matches!(why, Some(Why::NoPort(_))), "{why:?}");
}
