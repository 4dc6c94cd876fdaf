//! Watches: as kube's watcher makes them, through everything that can end one.

use super::*;

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
fn a_streaming_list_begins_a_watch() {
    let api = ApiServer::start();
    api.apply(pod("a", "node-1"));
    let watcher = Watcher::start(&api, Config::default().streaming_lists());
    watcher.expect(&["has a", "done"]);
    api.apply(pod("b", "node-1"));
    watcher.expect(&["apply b"]);
    assert_eq!(count(&api, Verb::List), 0);
}
