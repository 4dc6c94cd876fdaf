//! Annotations of a route, and what each changes.

use super::*;

#[test]
fn a_route_is_left_to_another_controller_where_its_annotation_says_so() {
    let marked = |value: &str| {
        let mut route = mesh(json!([{"filters": [mirror()]}]));
        route["metadata"]["annotations"] = json!({"shadow-agent.io/mirror": value});
        route
    };
    assert_eq!(compiled(&marked("true")).mirrors.len(), 1);
    let left = compiled(&marked("false"));
    assert!(left.mirrors.is_empty() && left.statuses.is_empty());
    let unknown = compiled(&marked("no"));
    assert!(unknown.mirrors.is_empty());
    assert_eq!(
        condition(&unknown, "Accepted"),
        (
            false,
            Reason::UnsupportedValue,
            "The annotation shadow-agent.io/mirror is \"no\": it must be \"true\" or \"false\".".to_owned()
        )
    );
}

#[test]
fn a_status_is_withdrawn_when_another_controller_takes_over() {
    let mut route = mesh(json!([{"filters": [mirror()]}]));
    route["metadata"]["annotations"] = json!({"shadow-agent.io/mirror": "false"});
    route["status"] = json!({"parents": [{
        "parentRef": {"name": "httpbin"}, "controllerName": CONTROLLER, "conditions": [],
    }]});
    let left = compiled(&route);
    assert!(left.mirrors.is_empty());
    assert_eq!(left.statuses.len(), 1);
    assert!(left.statuses[0].parents.is_empty());
}

#[test]
fn annotations_say_what_becomes_of_the_host() {
    let host = |annotations: Value| {
        let mut route = mesh(json!([{"filters": [mirror()]}]));
        route["metadata"]["annotations"] = annotations;
        let compiled = compiled(&route);
        let message = condition(&compiled, "Accepted").2;
        compiled
            .mirrors
            .first()
            .map(|mirror| mirror.host.clone())
            .ok_or(message)
    };
    let suffix = |suffix: &str| Ok(HostHeader::Suffix(suffix.to_owned()));
    assert_eq!(host(json!({})), suffix("-shadow"));
    assert_eq!(host(json!({"shadow-agent.io/host": "suffix"})), suffix("-shadow"));
    assert_eq!(
        host(json!({"shadow-agent.io/host-suffix": ".test"})),
        suffix(".test")
    );
    assert_eq!(
        host(json!({"shadow-agent.io/host": "original"})),
        Ok(HostHeader::Original)
    );
    assert_eq!(
        host(json!({"shadow-agent.io/host": "backend"})),
        Ok(HostHeader::Upstream)
    );
    assert_eq!(
        host(json!({"shadow-agent.io/host": "mine"})),
        Err(
            "The annotation shadow-agent.io/host is \"mine\": it must be suffix, original or backend."
                .to_owned()
        )
    );
    assert!(host(json!({"shadow-agent.io/host-suffix": "a\r\nb"})).is_err());
    assert!(host(json!({"shadow-agent.io/host-suffix": ""})).is_err());
    assert!(host(json!({"shadow-agent.io/host": "original", "shadow-agent.io/host-suffix": "-x"})).is_err());
}
