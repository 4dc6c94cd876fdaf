//! Names that each side issued: of cookies, and of the members of an object; and JSON that is called something else.

use super::{answer, differences, json, lines, question};
use crate::rules::RuleId;
use crate::{Answer, CompareContext, Mapped, Rules, compare};

/// Differences that count, and the places where values are mapped.
fn mapped(places: &[&str], production: &Answer, shadow: &Answer) -> (Vec<String>, Vec<String>) {
    let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
    let question = CompareContext {
        mapped: Some(Mapped::Places(&places)),
        ..question("GET /")
    };
    let compared = compare(&question, production, shadow, &Rules::default());
    let by_map = compared
        .by_rule
        .iter()
        .filter(|(_, rule)| *rule == RuleId::Mapped);
    let by_map = by_map.map(|(difference, _)| difference.path.clone()).collect();
    (lines(&compared), by_map)
}

#[test]
fn a_cookie_under_a_name_of_each_host_is_one_cookie() {
    let login = |name: &str, path: &str| {
        let cookies = format!("Set-Cookie: lang=en\nSet-Cookie: in_{name}=1; Path={path}");
        answer("200 OK", &cookies, "")
    };
    let cookie = "header.set-cookie.in_899a4295b358";
    let place = &*format!("{cookie}['name']");
    let (ours, theirs) = (login("899a4295b358", "/"), login("eab5b7bd3484", "/"));
    assert_eq!(mapped(&[place], &ours, &theirs), (vec![], vec![place.to_owned()]));
    let elsewhere = login("eab5b7bd3484", "/admin");
    assert_eq!(
        mapped(&[place], &ours, &elsewhere).0,
        [format!("{cookie} value: Path=/ -> Path=/admin")]
    );
    assert_eq!(
        mapped(&[], &ours, &theirs).0,
        [
            format!("{cookie} missing: Path=/ -> nothing"),
            "header.set-cookie.in_eab5b7bd3484 extra: nothing -> Path=/".to_owned(),
        ]
    );
}

#[test]
fn members_under_names_that_each_side_issued_are_compared() {
    let sessions =
        |name: &str, owner: &str| json(&format!(r#"{{"a":1,"s.{name}":{{"owner":"{owner}"}},"z":2}}"#));
    let (ours, theirs) = (sessions("7f3c", "ann"), sessions("0e9d", "ann"));
    let (member, place) = ("$['s.7f3c']", "$['s.7f3c']['name']");
    assert_eq!(mapped(&[place], &ours, &theirs), (vec![], vec![place.to_owned()]));
    assert_eq!(
        mapped(&[place], &ours, &sessions("0e9d", "bob")).0,
        [format!("{member}.owner value: \"ann\" -> \"bob\"")]
    );
    assert_eq!(mapped(&[], &ours, &theirs).0.len(), 2);
}

#[test]
fn json_is_json_whatever_it_is_called() {
    for media in [
        "text/html; charset=utf-8",
        "text/plain",
        "application/x-amz-json-1.0",
        "text/json",
    ] {
        let of = |price: u32| {
            answer(
                "200 OK",
                &format!("Content-Type: {media}"),
                format!(r#"{{"price":{price}}}"#),
            )
        };
        assert_eq!(
            differences(&of(10), &of(12)),
            ["$.price value: 10 -> 12"],
            "{media}"
        );
    }
}
