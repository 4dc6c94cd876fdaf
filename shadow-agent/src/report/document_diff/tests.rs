use super::*;
use crate::compare::example;

#[test]
fn a_document_beside_itself_has_nothing_new_and_nothing_changed() {
    let document = example::document();
    let two = TwoDocuments::new(&document, &document);
    let one = &two.comparisons[0];
    assert!(one.differences.iter().all(|row| row.state == State::Both));
    assert!(
        one.figures
            .iter()
            .all(|figure| figure.change == Change::Unsure && figure.a == figure.b)
    );
    assert_eq!(one.endpoints.len(), 2);
}

#[test]
fn differences_are_new_or_gone_or_in_both() {
    let (a, mut b) = (example::document(), example::document());
    let rows = &mut b.comparisons[0].differences;
    rows[0].path = "$.cost".to_owned();
    let two = TwoDocuments::new(&a, &b);
    let states: Vec<_> = two.comparisons[0]
        .differences
        .iter()
        .map(|row| (row.state, row.path.as_str()))
        .collect();
    assert_eq!(
        states,
        [
            (State::New, "$.cost"),
            (State::Both, "status"),
            (State::Both, "$.timestamp"),
            (State::Gone, "$.items[*].price")
        ]
    );
}

#[test]
fn a_figure_changed_for_sure_only_where_the_intervals_do_not_meet() {
    let (a, mut b) = (example::document(), example::document());
    b.comparisons[0].agreement.low = 0.9928;
    b.comparisons[0].agreement.high = 0.999;
    b.comparisons[0].shadow_latency.last.p99.low = 60_000.0;
    b.comparisons[0].shadow_latency.last.p99.high = 61_000.0;
    let two = TwoDocuments::new(&a, &b);
    let changed: Vec<_> = two.comparisons[0]
        .figures
        .iter()
        .filter(|figure| figure.change != Change::Unsure)
        .map(|figure| (figure.name, figure.change))
        .collect();
    assert_eq!(
        changed,
        [("Agreement", Change::Better), ("Shadow p99", Change::Worse)]
    );
}

#[test]
fn comparisons_are_matched_by_shadow_and_else_by_their_order() {
    let (mut a, mut b) = (example::document(), example::document());
    let named = |name: &str| {
        let mut comparison = example::document().comparisons.remove(0);
        comparison.shadow = name.to_owned();
        comparison
    };
    a.comparisons = vec![named("x"), named("y"), named("z")];
    b.comparisons = vec![named("y"), named("new")];
    let two = TwoDocuments::new(&a, &b);
    let name = |head: &Option<Head>| head.as_ref().map_or("-".to_owned(), |head| head.shadow.clone());
    let pairs: Vec<_> = two
        .comparisons
        .iter()
        .map(|one| (name(&one.a), name(&one.b)))
        .collect();
    let expected = [("y", "y"), ("x", "new"), ("z", "-")];
    assert_eq!(
        pairs,
        expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec()
    );
}
