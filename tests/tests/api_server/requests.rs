//! Lists, writes and refusals, asked by kube's client and by kubectl.

use super::*;

#[test]
fn lists_come_in_pages_of_one_version() {
    let api = ApiServer::start();
    for name in ["a", "b", "c", "d", "e"] {
        api.apply(pod(name, "node-1"));
    }
    run(async {
        let pods = Api::<Pod>::namespaced(client(&api), "test");
        let page = |token: Option<String>| {
            let mut parameters = ListParams::default().limit(2);
            parameters.continue_token = token;
            let pods = pods.clone();
            async move { pods.list(&parameters).await }
        };
        let first = page(None).await.expect("a page");
        assert_eq!(first.metadata.remaining_item_count, Some(3));
        api.delete("pods", "test", "d");
        api.apply(pod("f", "node-1"));
        let second = page(first.metadata.continue_.clone()).await.expect("a page");
        let third = page(second.metadata.continue_.clone()).await.expect("a page");
        assert_eq!(third.metadata.continue_.unwrap_or_default(), "");
        assert_eq!(third.metadata.resource_version, first.metadata.resource_version);
        let pages = [first.items, second.items.clone(), third.items].concat();
        let names: Vec<_> = pages.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        api.compact(Expiry::Event);
        let expired = page(second.metadata.continue_).await.map(drop);
        assert_eq!(code(expired), (410, "Expired".to_owned()));
    });
    let watcher = Watcher::start(&api, Config::default().page_size(2));
    watcher.expect(&["init", "has a", "has b", "has c", "has e", "has f", "done"]);
}

#[test]
fn the_slower_of_two_writers_gets_a_conflict() {
    let api = ApiServer::start();
    let lease = |text: Value| serde_json::from_value::<Lease>(text).expect("a lease");
    run(async {
        let leases = Api::<Lease>::namespaced(client(&api), "default");
        let new = lease(json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}}));
        let parameters = PostParams::default();
        let mine = leases.create(&parameters, &new).await.expect("created");
        assert!(mine.metadata.uid.is_some() && mine.metadata.creation_timestamp.is_some());
        assert_eq!(
            code(leases.create(&parameters, &new).await),
            (409, "AlreadyExists".to_owned())
        );
        let mut theirs = mine.clone();
        theirs.spec.as_mut().expect("a spec").holder_identity = Some("b".to_owned());
        let theirs = leases
            .replace("leader", &parameters, &theirs)
            .await
            .expect("replaced");
        assert_ne!(theirs.metadata.resource_version, mine.metadata.resource_version);
        assert_eq!(
            code(leases.replace("leader", &parameters, &mine).await),
            (409, "Conflict".to_owned())
        );
        let patch = json!({"metadata": {"resourceVersion": mine.metadata.resource_version}, "spec": {"holderIdentity": "a"}});
        let patched = leases
            .patch("leader", &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        assert_eq!(code(patched), (409, "Conflict".to_owned()));
        let unsaid = leases.replace("leader", &parameters, &new).await;
        assert_eq!(code(unsaid), (422, "Invalid".to_owned()));
        leases
            .delete("leader", &DeleteParams::default())
            .await
            .expect("deleted");
        assert_eq!(code(leases.get("leader").await), (404, "NotFound".to_owned()));
        let elsewhere = Api::<Lease>::namespaced(client(&api), "nowhere")
            .create(&parameters, &new)
            .await;
        assert_eq!(code(elsewhere), (404, "NotFound".to_owned()));
    });
}

#[test]
fn status_and_the_rest_are_written_apart() {
    let api = ApiServer::start();
    run(async {
        let routes = routes(&api, "v1");
        let route: DynamicObject = serde_json::from_value(route("v1")).expect("a route");
        let created = routes
            .create(&PostParams::default(), &route)
            .await
            .expect("created");
        assert_eq!(created.metadata.generation, Some(1));
        assert_eq!(created.data.get("status"), None);
        let both =
            |text: &str| Patch::Merge(json!({"spec": {"hostnames": [text]}, "status": {"parents": [text]}}));
        let parameters = PatchParams::default();
        let status = routes
            .patch_status("httpbin", &parameters, &both("b.test"))
            .await
            .expect("patched");
        assert_eq!(status.data["spec"]["hostnames"], json!(["a.test"]));
        assert_eq!(status.data["status"], json!({"parents": ["b.test"]}));
        assert_eq!(status.metadata.generation, Some(1));
        let main = routes
            .patch("httpbin", &parameters, &both("c.test"))
            .await
            .expect("patched");
        assert_eq!(main.data["spec"]["hostnames"], json!(["c.test"]));
        assert_eq!(main.data["status"], json!({"parents": ["b.test"]}));
        assert_eq!(main.metadata.generation, Some(2));
        let mut whole = main.clone();
        whole.data["status"] = json!({"parents": ["d.test"]});
        let replaced = routes
            .replace("httpbin", &PostParams::default(), &whole)
            .await
            .expect("replaced");
        assert_eq!(replaced.metadata.resource_version, main.metadata.resource_version);
        let replaced = routes
            .replace_status("httpbin", &PostParams::default(), &whole)
            .await
            .expect("replaced");
        assert_eq!(replaced.data["status"], json!({"parents": ["d.test"]}));
    });
    let last = api.requests().pop().expect("a request");
    assert!(last.is(Verb::Update, "httproutes"));
    assert_eq!(
        (last.subresource.as_str(), last.name.as_deref()),
        ("status", Some("httpbin"))
    );
}

#[test]
fn a_route_is_served_in_every_version() {
    let api = ApiServer::start();
    run(async {
        let old: DynamicObject = serde_json::from_value(route("v1beta1")).expect("a route");
        let created = routes(&api, "v1beta1")
            .create(&PostParams::default(), &old)
            .await
            .expect("created");
        assert_eq!(
            created.types.expect("types").api_version,
            "gateway.networking.k8s.io/v1beta1"
        );
        let listed = routes(&api, "v1")
            .list(&ListParams::default())
            .await
            .expect("a list");
        let types = listed.items[0].types.clone().expect("types");
        assert_eq!(types.api_version, "gateway.networking.k8s.io/v1");
        api.hide("gateway.networking.k8s.io/v1");
        assert_eq!(code(routes(&api, "v1").list(&ListParams::default()).await).0, 404);
        assert!(routes(&api, "v1beta1").get("httpbin").await.is_ok());
        api.hide("gateway.networking.k8s.io");
        assert_eq!(code(routes(&api, "v1beta1").get("httpbin").await).0, 404);
        api.show("gateway.networking.k8s.io");
        api.show("gateway.networking.k8s.io/v1");
        assert!(routes(&api, "v1").get("httpbin").await.is_ok());
    });
}

#[test]
fn slow_answers_are_slow() {
    let api = ApiServer::start();
    let delay = Duration::from_millis(300);
    api.fail(Scope::everything(), Fault::Delay(delay));
    let begin = std::time::Instant::now();
    run(async { Api::<Pod>::all(client(&api)).list(&ListParams::default()).await }).expect("a list");
    assert!(begin.elapsed() >= delay);
    api.clear_faults();
}

#[test]
fn only_metadata_is_sent_when_only_that_is_asked_for() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    run(async {
        let pods = Api::<Pod>::all(client(&api));
        let list = pods.list_metadata(&ListParams::default()).await.expect("a list");
        assert_eq!(list.items[0].name_any(), "a");
        assert_eq!(list.items[0].labels().get("app").map(String::as_str), Some("web"));
    });
}

#[test]
fn nobody_comes_in_with_another_token() {
    let api = ApiServer::start();
    let url = format!("http://{}", api.address());
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.auth_info.token = Some(String::from("stale").into());
    run(async {
        let pods = Api::<Pod>::all(Client::try_from(config).expect("a client"));
        let listed = pods.list(&ListParams::default()).await.map(drop);
        assert_eq!(code(listed), (401, "Unauthorized".to_owned()));
    });
}

#[test]
fn kubectl_feels_at_home() {
    let stage = stage!("kubectl");
    let api = ApiServer::start();
    let path = |name: &str| stage.path(name).display().to_string();
    api.kubeconfig(&stage.path("config"), "default");
    let kubectl = |arguments: &[&str]| {
        let (config, cache) = (path("config"), path("cache"));
        let arguments = [
            &["--kubeconfig", config.as_str(), "--cache-dir", cache.as_str()],
            arguments,
        ]
        .concat();
        let output = Netns::host().output("kubectl", &arguments);
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            output.stderr
        );
        output.stdout
    };
    std::fs::write(path("route.json"), route("v1beta1").to_string()).expect("a manifest");
    assert_eq!(
        kubectl(&["create", "--validate=false", "-f", &path("route.json")]),
        "httproute.gateway.networking.k8s.io/httpbin created\n"
    );
    assert_eq!(
        kubectl(&["get", "httproutes", "-o", "name"]),
        "httproute.gateway.networking.k8s.io/httpbin\n"
    );
    api.apply(pod("a", "node-1"));
    let node = kubectl(&[
        "get",
        "po",
        "-A",
        "-l",
        "app=web",
        "-o",
        "jsonpath={.items[*].spec.nodeName}",
    ]);
    assert_eq!(node, "node-1");
    kubectl(&["label", "pod", "a", "-n", "test", "more=yes"]);
    kubectl(&[
        "patch",
        "httproute",
        "httpbin",
        "--type=merge",
        "-p",
        "{\"spec\": {\"hostnames\": [\"b.test\"]}}",
    ]);
    kubectl(&["delete", "pod", "a", "-n", "test"]);
    until("the pod is gone", || api.get("pods", "test", "a").is_none());
    let route = api.get("httproutes", "default", "httpbin").expect("the route");
    assert_eq!(
        (&route["spec"]["hostnames"][0], &route["metadata"]["generation"]),
        (&json!("b.test"), &json!(2))
    );
}
