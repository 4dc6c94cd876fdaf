//! Requests of one URL that are told apart by what they ask for: operations of GraphQL, and calls of JSON-RPC.

use std::collections::BTreeSet;

use shadow_tests::applications::{GRAPHQL, Trial};

#[test]
fn the_operation_that_a_release_answers_in_another_way_is_named_alone() {
    let trial = Trial {
        production: GRAPHQL[0],
        shadow: GRAPHQL[1],
        control: false,
        rounds: 12,
        clients: 1,
        reads: 0,
        flags: &["--route-by", "/rpc body.method", "--fail-on", "compared < 100"],
    };
    let stage = shadow_tests::stage!("root", "agent", "python3", "pip3", "node", "npm");
    let report = trial.run(&stage).report;
    assert_eq!(report.verdict(), "NO-GO", "{report}");
    let reviews = |path: &str| {
        let endpoint = "POST /graphql (operation ListReviews)";
        (endpoint.to_owned(), path.to_owned(), "value".to_owned())
    };
    assert_eq!(
        report.differences(0),
        [
            reviews("$.data.reviews[*].stars"),
            reviews("$[*].data.reviews[*].stars")
        ],
        "{report}"
    );
    let endpoints = report.0["comparisons"][0]["endpoints"].as_array();
    let names = endpoints.into_iter().flatten();
    let names: BTreeSet<&str> = names.filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(
        names,
        BTreeSet::from([
            "GET /graphql (operation ListProducts)",
            "POST /graphql (operation Add)",
            "POST /graphql (operation GetBasket)",
            "POST /graphql (operation GetProduct)",
            "POST /graphql (operation ListProducts)",
            "POST /graphql (operation ListReviews)",
            "POST /graphql (operation Wrong)",
            "POST /graphql (operation anonymous)",
            "POST /graphql (operations GetProduct, ListProducts)",
            "POST /rpc (body.method=products.count)",
            "POST /rpc (body.method=products.names)",
        ]),
        "{report}"
    );
}
