//! The filters of a rule around its mirror.

use shadow_mirror::testing::request;

use super::*;

#[test]
fn a_copy_has_the_changes_of_the_filters_before_its_mirror() {
    let compiled = compiled(&mesh(edited_rules()));
    let edits = compiled.mirrors[0].edits.as_ref().unwrap();
    assert_eq!(edits.lines(), b"Before: 1\r\n");
    assert!(edits.drops(b"x-gone"));
    assert_eq!(edits.hostname(), Some(&b"new.example"[..]));
    let mut path = Vec::new();
    assert!(edits.write_path(&request(b"GET /foo/a HTTP/1.1\r\n\r\n"), b"/foo/a", &mut path));
    assert_eq!(path, b"/bar/a");
    // The mirror of the backendRef comes behind all filters of the rule.
    let edits = compiled.mirrors[1].edits.as_ref().unwrap();
    assert_eq!(edits.lines(), b"Before: 1\r\nAfter: 1\r\n");
}

#[test]
fn what_a_gateway_has_changed_is_not_changed_again() {
    let compiled = compiled(&gateway(edited_rules()));
    assert_eq!(compiled.mirrors.len(), 2);
    assert!(compiled.mirrors.iter().all(|mirror| mirror.edits.is_none()));
    let (_, _, message) = condition(&compiled, "Accepted");
    assert!(message.contains("Rules (0) have a URLRewrite"), "{message}");
}

#[test]
fn what_cannot_be_done_refuses_the_route_with_the_reason() {
    let edit = |modifier: Value| json!([{"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": modifier}, mirror()]}]);
    let message = refused(&mesh(edit(
        json!({"set": [{"name": "Content-Length", "value": "1"}]}),
    )));
    assert!(
        message.starts_with("Rule 0: the header \"Content-Length\" cannot be changed"),
        "{message}"
    );
    refused(&mesh(edit(json!({"remove": ["Host"]}))));
    let message = refused(&mesh(
        json!([{"filters": [mirror()]}, {"matches": [{"path": {"type": "RegularExpression", "value": "/("}}]}]),
    ));
    assert!(message.contains("missing closing )"), "{message}");
    refused(&mesh(
        json!([{"filters": [mirror()], "matches": [{"path": {"value": "foo"}}]}]),
    ));
    refused(&mesh(json!([{"filters": [{"type": "RequestMirror"}]}])));
    refused(&mesh(json!([{"filters": vec![mirror(); MAX_FILTERS + 1]}])));
    let expression = json!({"path": {"type": "RegularExpression", "value": "/a"}});
    refused(&mesh(json!([
        {"filters": [mirror()], "matches": vec![expression.clone(); 40]},
        {"matches": vec![expression; 40]},
    ])));
}
