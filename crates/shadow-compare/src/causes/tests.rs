use super::*;
use crate::document::Noise;
use crate::document::NoiseBy;
use crate::example;

fn row(endpoint: &str, path: &str, kind: Kind, count: u64, values: [&str; 2]) -> DifferenceRow {
    let value = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    DifferenceRow {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        kind,
        count,
        production: value(values[0]),
        shadow: value(values[1]),
        examples: Vec::new(),
        ..example::comparison().differences[0].clone()
    }
}

/// A comparison with these rows; 100 pairs at each of their endpoints.
fn comparison(rows: Vec<DifferenceRow>) -> Comparison {
    let known = example::comparison();
    let mut endpoints = Vec::new();
    for row in &rows {
        endpoints.push(super::super::document::Endpoint {
            name: row.endpoint.clone(),
            compared: 100,
            ..known.endpoints[0].clone()
        });
    }
    Comparison {
        shadow: "http://next:8080".to_owned(),
        endpoints,
        differences: rows,
        examples: Vec::new(),
        ..known
    }
}

fn words(rows: Vec<DifferenceRow>) -> Vec<String> {
    causes(&comparison(rows))
        .into_iter()
        .map(|cause| cause.what)
        .collect()
}

#[test]
fn one_setting_of_cors_at_many_endpoints_is_one_cause() {
    let mut rows = Vec::new();
    for at in 0..14 {
        let endpoint = format!("GET /r{at:02}");
        let origin = "header.access-control-allow-origin";
        rows.push(row(&endpoint, origin, Kind::Value, 100, ["*", "http://a"]));
        let credentials = "header.access-control-allow-credentials";
        rows.push(row(&endpoint, credentials, Kind::Missing, 90, ["true", ""]));
    }
    assert_eq!(
        words(rows),
        [
            "header.access-control-* is different at 14 endpoints (1,400 responses): GET /r00, GET /r01, GET /r02, 11 more; \
             for example: * -> http://a"
        ]
    );
}

#[test]
fn the_same_change_of_a_value_is_one_cause_and_another_change_is_not() {
    let path = "$.version";
    let rows = vec![
        row("GET /a", path, Kind::Value, 100, ["1", "2"]),
        row("GET /b", path, Kind::Value, 50, ["1", "2"]),
        row("GET /c", path, Kind::Value, 10, ["1", "3"]),
    ];
    assert_eq!(
        words(rows),
        [
            "$.version is different at 2 endpoints (150 responses): GET /a, GET /b: 1 -> 2",
            "$.version is different in 10 of 100 responses of GET /c: 1 -> 3",
        ]
    );
}

#[test]
fn status_codes_come_first_and_header_fields_last() {
    let rows = vec![
        row(
            "GET /a",
            "header.cache-control",
            Kind::Missing,
            100,
            ["no-store", ""],
        ),
        row("GET /a", "$.price", Kind::Value, 90, ["1", "2"]),
        row("GET /a", "$.name", Kind::Missing, 3, ["x", ""]),
        row("GET /a", "$", Kind::Unreadable, 2, ["{}", "{"]),
        row("GET /b", "status", Kind::Status, 1, ["200", "500"]),
    ];
    assert_eq!(
        words(rows),
        [
            "status 500 in place of 200 in 1 of 100 responses of GET /b",
            "$.name is missing in 3 of 100 responses of GET /a: x -> (none)",
            "the JSON body cannot be read in 2 of 100 responses of GET /a: {} -> {",
            "$.price is different in 90 of 100 responses of GET /a: 1 -> 2",
            "header.cache-control is missing in every response of GET /a (100): no-store -> (none)",
        ]
    );
}

#[test]
fn a_value_of_several_lines_is_shown_on_one() {
    let page = "<!DOCTYPE html>\n\n<html>\n  <p>x";
    let rows = vec![row("GET /a", "html", Kind::Missing, 1, [page, ""])];
    assert_eq!(
        words(rows),
        ["html is missing in 1 of 100 responses of GET /a: <!DOCTYPE html> <html> <p>x -> (none)"]
    );
}

#[test]
fn what_does_not_count_has_no_cause() {
    let mut noise = row("GET /a", "$.at", Kind::Value, 100, ["1", "2"]);
    noise.noise = Some(Noise {
        by: NoiseBy::Rule,
        why: String::new(),
        reference: None,
    });
    assert_eq!(words(vec![noise]), Vec::<String>::new());
}

#[test]
fn a_rule_is_ready_to_be_filled_in_and_can_be_read() {
    let rows = vec![
        row("GET /a/{id}", "$.items[*].seen", Kind::Value, 100, ["1", "2"]),
        row("GET /a", "status", Kind::Status, 1, ["200", "500"]),
        row("GET /a", "$['a \"b\" \u{7f}']", Kind::Value, 1, ["x", "(hidden)"]),
    ];
    let causes = causes(&comparison(rows));
    let rules: Vec<_> = causes.iter().map(|cause| cause.rule.clone().unwrap()).collect();
    assert_eq!(
        rules,
        [
            "[[known]]\npath = \"GET /a status\"\nproduction = \"200\"\nshadow = \"500\"\nreason = \"\"\ndate = \"\"\n",
            "[[ignore]]\npath = \"GET /a/{id} $.items[*].seen\"\nreason = \"\"\ndate = \"\"\n\n\
             # or, for numbers that may be so far apart:\n# [[tolerance]]\n\
             # path = \"GET /a/{id} $.items[*].seen\"\n# relative = 0.01\n\n\
             # or, where this release intends it (as in the file of --compare-known):\n# [[known]]\n\
             # path = \"GET /a/{id} $.items[*].seen\"\n# production = \"1\"\n# shadow = \"2\"\n\
             # reason = \"\"\n# date = \"\"\n",
            "[[ignore]]\npath = \"GET /a $['a \\\"b\\\" \\u007F']\"\nreason = \"\"\ndate = \"\"\n\n\
             # or, where this release intends it (as in the file of --compare-known):\n# [[known]]\n\
             # path = \"GET /a $['a \\\"b\\\" \\u007F']\"\n# production = \"x\"\n\
             # reason = \"\"\n# date = \"\"\n",
        ]
    );
    for rule in rules {
        let filled = rule
            .replace("date = \"\"", "date = \"2026-11-29\"")
            .replace("reason = \"\"", "reason = \"why\"");
        // As it stands, and with what is behind it.
        for filled in [
            filled
                .replace("# [[", "[[")
                .replace("# or", "#or")
                .replace("\n# ", "\n"),
            filled,
        ] {
            let read = crate::RulesFile::parse(&filled);
            assert!(read.is_ok(), "{filled}: {read:?}");
        }
    }
}

#[test]
fn known_patterns_are_named_with_the_way_out() {
    let advice = |rows: Vec<DifferenceRow>| {
        let mut comparison = comparison(rows);
        comparison.examples = vec![super::super::document::Example {
            id: "1".to_owned(),
            request_head: "GET /a HTTP/1.1\nCookie: (hidden)".to_owned(),
            ..example::comparison().examples[0].clone()
        }];
        causes(&comparison)[0].advice.clone().unwrap_or_default()
    };
    let mut denied = row("GET /a", "status", Kind::Status, 9, ["200", "403"]);
    assert_eq!(advice(vec![denied.clone()]), "");
    denied.examples = vec!["1".to_owned()];
    assert!(advice(vec![denied]).starts_with("The requests carry credentials"));
    let gone = row("GET /todos/{id}", "status", Kind::Status, 9, ["200", "404"]);
    assert_eq!(advice(vec![gone.clone()]), "");
    let post = row("POST /todos", "$.id", Kind::Value, 9, ["1", "2"]);
    assert!(advice(vec![gone, post]).starts_with("Records that were created"));
    let modified = row("GET /a", "status", Kind::Status, 9, ["304", "200"]);
    assert!(advice(vec![modified]).contains("validators"));
    let marker = row("GET /a", "$.headers.X-Shadow-Request", Kind::Extra, 9, ["", "1"]);
    assert!(advice(vec![marker]).contains("--http-no-mark"));
    let host = row(
        "GET /a",
        "$.url",
        Kind::Value,
        9,
        ["http://a/", "http://next:8080/"],
    );
    assert!(advice(vec![host]).contains("--http-original-host"));
    let coding = row(
        "GET /a",
        "header.content-encoding",
        Kind::Missing,
        9,
        ["gzip", ""],
    );
    assert!(advice(vec![coding]).contains("but for its encoding"));
    let values = ["/login", "https://next.example/login"];
    let redirect = row("GET /a", "header.location", Kind::Value, 9, values);
    assert!(advice(vec![redirect]).contains("redirects elsewhere"));
    let charset = |shadow| {
        let values = ["text/plain; charset=iso-8859-1", shadow];
        row("GET /a", "header.content-type", Kind::Value, 9, values)
    };
    assert!(advice(vec![charset("text/plain;charset=UTF-8")]).contains("but for its encoding"));
    assert_eq!(advice(vec![charset("text/html; charset=utf-8")]), "");
    let value = row("GET /a", "text['x']", Kind::Value, 9, ["1", "2"]);
    let both = [charset("text/plain"), value];
    assert!(
        both.iter()
            .all(|one| !advice(vec![one.clone(), both[1].clone()]).contains("encoding"))
    );
    let fields = row("p.S/M", "$.2", Kind::Value, 9, ["1", "2"]);
    assert!(advice(vec![fields]).contains("--grpc-descriptors FILE gives their names, or --grpc-reflection"));
}
