//! The test's own API server against clients that were written for the real one: kube's client and watcher, and
//! kubectl.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
    WatchParams,
};
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use shadow_tests::api_server::{Expiry, Fault, Scope, Verb};
use shadow_tests::{ApiServer, DEADLINE, Netns, stage, until};

/// A client as an agent makes it, without retries of its own, so that each fault is seen.
fn client(api: &ApiServer) -> Client {
    client_of(api.address())
}

fn client_of(address: SocketAddr) -> Client {
    let url = format!("http://{address}");
    let mut config = kube::Config::new(url.parse().expect("a URL"));
    config.auth_info.token = Some(String::from("test-token").into());
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Runs a client's work to its end.
fn run<R>(work: impl Future<Output = R>) -> R {
    runtime().block_on(async {
        let ended = tokio::time::timeout(DEADLINE, work).await;
        ended.expect("the client comes to an end")
    })
}

/// kube's watcher on pods, on a thread of its own; what it says is told in words.
struct Watcher(Receiver<String>);

impl Watcher {
    fn start(api: &ApiServer, config: Config) -> Self {
        let (sender, receiver) = channel();
        let address = api.address();
        std::thread::spawn(move || {
            runtime().block_on(async move {
                let mut events = Box::pin(watcher(Api::<Pod>::all(client_of(address)), config));
                while let Some(event) = events.next().await {
                    let failed = event.is_err();
                    if sender.send(in_words(event)).is_err() {
                        return;
                    }
                    if failed {
                        // A loop that does not spin; kube's own backoff is longer than a test has.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        });
        Self(receiver)
    }

    fn next(&self) -> String {
        self.0.recv_timeout(DEADLINE).expect("an event")
    }

    fn expect(&self, events: &[&str]) {
        let seen: Vec<_> = events.iter().map(|_| self.next()).collect();
        assert_eq!(seen, events);
    }

    /// Passes over errors until something else comes.
    fn after_errors(&self) -> String {
        loop {
            let event = self.next();
            if !event.starts_with("error") {
                return event;
            }
        }
    }
}

fn in_words(event: watcher::Result<Event<Pod>>) -> String {
    match event {
        Ok(Event::Init) => "init".to_owned(),
        Ok(Event::InitApply(pod)) => format!("has {}", pod.name_any()),
        Ok(Event::InitDone) => "done".to_owned(),
        Ok(Event::Apply(pod)) => format!("apply {}", pod.name_any()),
        Ok(Event::Delete(pod)) => format!("delete {}", pod.name_any()),
        Err(watcher::Error::WatchError(status)) => format!("error {}", status.code),
        Err(
            watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status)),
        ) => format!("error {} {}", status.code, status.reason),
        Err(_) => "error".to_owned(),
    }
}

fn pod(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "test", "labels": {"app": "web"}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Running"},
    })
}

fn route(api_version: &str) -> Value {
    json!({
        "apiVersion": format!("gateway.networking.k8s.io/{api_version}"),
        "kind": "HTTPRoute",
        "metadata": {"name": "httpbin"},
        "spec": {"hostnames": ["a.test"]},
        "status": {"parents": [{"controllerName": "nobody"}]},
    })
}

fn routes(api: &ApiServer, version: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("gateway.networking.k8s.io", version, "HTTPRoute");
    Api::namespaced_with(client(api), "default", &ApiResource::from_gvk(&kind))
}

fn code<R: Debug>(result: Result<R, kube::Error>) -> (u16, String) {
    match result.expect_err("a refusal") {
        kube::Error::Api(status) => (status.code, status.reason.clone()),
        other => panic!("not a refusal: {other}"),
    }
}

fn count(api: &ApiServer, verb: Verb) -> usize {
    api.requests()
        .iter()
        .filter(|request| request.verb == verb)
        .count()
}

#[test]
fn a_watcher_lists_once_and_follows() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    let watcher = Watcher::start(&api, Config::default());
    watcher.expect(&["init", "has a", "done"]);
    api.apply(pod("b", "node-1"));
    api.patch(
        "pods",
        "test",
        "a",
        &json!({"metadata": {"labels": {"new": "yes"}}}),
    );
    api.delete("pods", "test", "b");
    watcher.expect(&["apply b", "apply a", "delete b"]);
    assert_eq!(count(&api, Verb::List), 1);
    assert!(api.wait_for_watch("pods").is(Verb::Watch, "pods"));
}

#[test]
fn a_watch_that_breaks_is_resumed_without_a_list() {
    let api = ApiServer::start();
    let watcher = Watcher::start(&api, Config::default());
    watcher.expect(&["init", "done"]);
    api.wait_for_watch("pods");
    api.disconnect_watches();
    api.apply(pod("a", "node-1"));
    assert_eq!(watcher.after_errors(), "apply a");
    api.away();
    assert!(std::net::TcpStream::connect(api.address()).is_err());
    assert_eq!(api.watches(), []);
    api.apply(pod("b", "node-1"));
    api.back();
    assert_eq!(watcher.after_errors(), "apply b");
    assert_eq!(count(&api, Verb::List), 1);
}

#[test]
fn bookmarks_carry_a_watch_past_what_is_compacted() {
    let api = ApiServer::start();
    let watcher = Watcher::start(&api, Config::default());
    watcher.expect(&["init", "done"]);
    api.wait_for_watch("pods");
    // Not of this watch, so that only a bookmark tells it the version.
    api.apply(route("v1"));
    api.compact(Expiry::Event);
    api.bookmark();
    api.apply(pod("a", "node-1"));
    watcher.expect(&["apply a"]);
    api.disconnect_watches();
    api.apply(pod("b", "node-1"));
    assert_eq!(watcher.after_errors(), "apply b");
    assert_eq!(count(&api, Verb::List), 1);
}

#[test]
fn an_expired_watch_lists_again() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    let watcher = Watcher::start(&api, Config::default().disable_bookmarks());
    watcher.expect(&["init", "has a", "done"]);
    api.wait_for_watch("pods");
    api.expire_watches();
    watcher.expect(&["error 410", "init", "has a", "done"]);
    api.wait_for_watch("pods");
    api.away();
    api.delete("pods", "test", "a");
    api.compact(Expiry::Event);
    api.back();
    assert_eq!(watcher.after_errors(), "init");
    watcher.expect(&["done"]);
    assert_eq!(count(&api, Verb::List), 3);
}

#[test]
fn a_watch_from_a_forgotten_version_is_refused_by_status_when_asked() {
    let api = ApiServer::start();
    let refused = run(async {
        let pods = Api::<Pod>::all(client(&api));
        let then = pods
            .list(&ListParams::default())
            .await
            .expect("a list")
            .metadata
            .resource_version;
        api.compact(Expiry::Status);
        // kube gives the refusal as the first event.
        let watch = pods
            .watch(&WatchParams::default(), &then.expect("a version"))
            .await
            .expect("a stream");
        Box::pin(watch).next().await.expect("an event")
    });
    assert_eq!(code(refused), (410, "Expired".to_owned()));
    assert_eq!(api.watches(), []);
}

#[test]
fn a_selection_is_entered_and_left() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    api.apply(pod("b", "node-2"));
    let config = Config::default()
        .fields("spec.nodeName=node-1")
        .labels("app in (web),!gone");
    let watcher = Watcher::start(&api, config);
    watcher.expect(&["init", "has a", "done"]);
    let seen = api.wait_for_watch("pods");
    assert_eq!(seen.field_selector, "spec.nodeName=node-1");
    api.patch(
        "pods",
        "test",
        "a",
        &json!({"metadata": {"labels": {"gone": ""}}}),
    );
    api.patch("pods", "test", "b", &json!({"spec": {"nodeName": "node-1"}}));
    api.patch(
        "pods",
        "test",
        "a",
        &json!({"metadata": {"labels": {"gone": null}}}),
    );
    api.delete("pods", "test", "b");
    watcher.expect(&["delete a", "apply b", "apply a", "delete b"]);
}

#[test]
fn an_object_of_another_uid_is_another_object() {
    let api = ApiServer::start();
    let watcher = Watcher::start(&api, Config::default());
    watcher.expect(&["init", "done"]);
    let mut first = pod("a", "node-1");
    first["metadata"]["uid"] = "1".into();
    let stored = api.apply(first.clone());
    assert_eq!(stored["metadata"]["uid"], "1");
    api.apply(first.clone());
    first["metadata"]["uid"] = "2".into();
    api.apply(first);
    api.terminate("pods", "test", "a");
    watcher.expect(&["apply a", "delete a", "apply a", "apply a"]);
}

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
fn faults_are_seen_and_survived() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    for (code, reason) in [
        (403, "Forbidden"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
    ] {
        api.fail_next(
            1,
            Scope::everything().verb(Verb::List).resource("pods"),
            Fault::Status(code),
        );
        let watcher = Watcher::start(&api, Config::default());
        watcher.expect(&["init", &format!("error {code} {reason}"), "init", "has a", "done"]);
    }
    for fault in [Fault::Cut, Fault::Garbage] {
        let api = ApiServer::start();
        api.apply(pod("a", "node-1"));
        api.fail_next(1, Scope::everything().verb(Verb::List), fault);
        api.fail_next(1, Scope::everything().verb(Verb::Watch), fault);
        let watcher = Watcher::start(&api, Config::default());
        watcher.expect(&["init", "error", "init", "has a", "done"]);
        // kube takes a cut watch for one that ended.
        api.wait_for("the watch is tried again", |requests| {
            requests.last().is_some_and(|last| last.verb == Verb::Watch)
                && requests
                    .iter()
                    .rev()
                    .take_while(|request| request.verb == Verb::Watch)
                    .count()
                    > 1
        });
        api.patch(
            "pods",
            "test",
            "a",
            &json!({"metadata": {"annotations": {"fault": format!("{fault:?}")}}}),
        );
        assert_eq!(watcher.after_errors(), "apply a");
    }
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
fn a_watch_ends_at_its_time_and_with_its_client() {
    let api = ApiServer::start();
    run(async {
        let pods = Api::<Pod>::all(client(&api));
        let watch = pods
            .watch(&WatchParams::default().timeout(1), "0")
            .await
            .expect("a watch");
        let events: Vec<_> = watch.collect().await;
        assert!(events.iter().all(Result::is_ok), "{events:?}");
        let watch = pods.watch(&WatchParams::default(), "0").await.expect("a watch");
        api.wait_for_watch("pods");
        drop(watch);
    });
    api.wait_for_no_watch("pods");
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
fn a_streaming_list_begins_a_watch() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    let watcher = Watcher::start(&api, Config::default().streaming_lists());
    watcher.expect(&["has a", "done"]);
    api.apply(pod("b", "node-1"));
    watcher.expect(&["apply b"]);
    assert_eq!(count(&api, Verb::List), 0);
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
