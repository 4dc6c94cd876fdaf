use super::*;

const NOW: &str = "2026-01-02T03:04:05Z";

/// Our status of `route`.
fn ours(route: &Value) -> RouteStatus {
    compiled(route).statuses.remove(0)
}

fn good() -> Value {
    mesh(json!([{"filters": [mirror()]}]))
}

fn of_another() -> Value {
    json!({
        "parentRef": {"name": "gateway", "unknown": [1]},
        "controllerName": "example.com/gateway",
        "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
                        "lastTransitionTime": "2020-01-01T00:00:00Z"}],
    })
}

#[test]
fn a_status_is_written_as_the_schema_wants_it() {
    let status = merge_status(None, &ours(&good()), NOW).unwrap();
    assert_eq!(
        status,
        json!({"parents": [{
            "parentRef": {"group": "", "kind": "Service", "name": "httpbin"},
            "controllerName": "shadow-agent.io/mirror",
            "conditions": [
                {
                    "type": "Accepted", "status": "True", "reason": "Accepted",
                    "message": "Copies of the requests that match are sent to the RequestMirror backends. This \
                     agent only mirrors: backendRefs are not enforced, they only select the pods to watch.",
                    "observedGeneration": 7, "lastTransitionTime": NOW,
                },
                {
                    "type": "ResolvedRefs", "status": "True", "reason": "ResolvedRefs",
                    "message": "All references resolve to a Service.",
                    "observedGeneration": 7, "lastTransitionTime": NOW,
                },
            ],
        }]})
    );
    serde_json::from_value::<gateway_api::apis::standard::httproutes::HttpRouteStatus>(status).unwrap();
}

#[test]
fn a_status_that_says_so_already_is_not_written_again() {
    let ours = ours(&good());
    let mut status = merge_status(None, &ours, NOW).unwrap();
    assert_eq!(merge_status(Some(&status), &ours, "2030-01-01T00:00:00Z"), None);
    // The API may have filled in what the parentRef left out.
    status["parents"][0]["parentRef"]["namespace"] = json!(null);
    assert_eq!(merge_status(Some(&status), &ours, "2030-01-01T00:00:00Z"), None);
}

#[test]
fn the_entries_of_others_stay_as_they_are_and_where_they_are() {
    let ours = ours(&good());
    let current = json!({"parents": [of_another()], "other": 1});
    let status = merge_status(Some(&current), &ours, NOW).unwrap();
    assert_eq!(status["other"], 1);
    assert_eq!(status["parents"][0], of_another());
    assert_eq!(status["parents"][1]["controllerName"], CONTROLLER);
    // Ours is replaced where it stands.
    let mut parents = status["parents"].as_array().unwrap().clone();
    parents.reverse();
    parents[0]["conditions"][0]["message"] = json!("stale");
    let status = merge_status(Some(&json!({"parents": parents})), &ours, NOW).unwrap();
    assert_eq!(status["parents"][0]["controllerName"], CONTROLLER);
    assert_eq!(status["parents"][1], of_another());
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let before = merge_status(None, &ours(&good()), NOW).unwrap();
    let gone =
        json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 80}}});
    let mut broken = mesh(json!([{"filters": [gone]}]));
    broken["metadata"]["generation"] = json!(8);
    let later = "2026-02-02T00:00:00Z";
    let status = merge_status(Some(&before), &ours(&broken), later).unwrap();
    let conditions = &status["parents"][0]["conditions"];
    assert_eq!(conditions[0]["lastTransitionTime"], NOW);
    assert_eq!(conditions[0]["observedGeneration"], 8);
    assert_eq!(conditions[1]["status"], "False");
    assert_eq!(conditions[1]["lastTransitionTime"], later);
}

#[test]
fn entries_of_parents_that_are_gone_are_removed() {
    let before = merge_status(Some(&json!({"parents": [of_another()]})), &ours(&good()), NOW).unwrap();
    let mut nothing = ours(&good());
    nothing.parents.clear();
    assert_eq!(
        merge_status(Some(&before), &nothing, NOW),
        Some(json!({"parents": [of_another()]}))
    );
}

#[test]
fn a_route_that_mirrors_no_more_gives_its_entry_back() {
    let mut route = mesh(json!([{"backendRefs": [{"name": "httpbin-v1", "port": 80}]}]));
    route["status"] = merge_status(None, &ours(&good()), NOW).unwrap();
    let status = ours(&route);
    assert!(status.parents.is_empty());
    assert_eq!(
        merge_status(route.get("status"), &status, NOW),
        Some(json!({"parents": []}))
    );
}

#[test]
fn the_schema_has_room_for_32_parents() {
    let full = json!({"parents": vec![of_another(); 32]});
    assert_eq!(merge_status(Some(&full), &ours(&good()), NOW), None);
    let nearly = json!({"parents": vec![of_another(); 31]});
    let status = merge_status(Some(&nearly), &ours(&good()), NOW).unwrap();
    assert_eq!(status["parents"].as_array().unwrap().len(), 32);
}

#[test]
fn many_problems_make_one_bounded_message() {
    let gone = json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "g".repeat(500), "port": 80}}});
    let rule = json!({"filters": vec![gone; 16]});
    let compiled = compiled(&mesh(json!(vec![rule; 4])));
    let message = condition(&compiled, "ResolvedRefs").2;
    assert!(message.len() <= 2_049, "{}", message.len());
    let gone =
        json!({"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 80}}});
    let compiled = super::compiled(&mesh(json!([{"filters": vec![gone; 10]}])));
    assert!(condition(&compiled, "ResolvedRefs").2.ends_with("; and 2 more."));
}
