//! Two answers, and rules: what differs.

use super::difference_collector::{Compared, DifferenceCollector};
use super::head::Head;
use super::heads;
use super::hosts::CompareContext;
use super::rules::Rules;
use super::time_distance::Dates;
use super::{Answer, bodies, grpc};

/// Finds what makes `other` another answer than production's to `question`.
///
/// Status code, header fields (not those that vary by nature), and the body as it reads, without codings and chunks. Where the
/// status codes are of another class, the rest is looked at no closer than whether it is of the same type, and at the fields that
/// one of the two codes gives a meaning. Of two answers of gRPC, the status of the call takes the place of HTTP's, and its messages that
/// of the body.
///
/// Equal answers cost about a microsecond beside the look at their bytes. Others cost time in the length of both, decoded bodies
/// of at most 8 MiB each, and tens of bytes for each value of JSON within [`Rules::with_max_structured`].
pub fn compare(
    question: &CompareContext<'_>,
    production: &Answer,
    other: &Answer,
    rules: &Rules,
) -> Compared {
    if are_equal(production, other) {
        return Compared::default();
    }
    compare_closely(question, production, other, rules)
}

/// Whether nothing differs that is ever compared. `false` when that is not to be seen at a glance.
pub(super) fn are_equal(production: &Answer, other: &Answer) -> bool {
    // The two often share the bytes of one body.
    let shared = production.body.as_ptr() == other.body.as_ptr() && production.body.len() == other.body.len();
    (shared || production.body == other.body) && heads::are_alike(&production.head, &other.head)
}

/// The same without the look for equal answers, which changes nothing but the time that it takes.
pub(super) fn compare_closely(
    question: &CompareContext<'_>,
    production: &Answer,
    other: &Answer,
    rules: &Rules,
) -> Compared {
    let (left, right) = (Head::new(&production.head), Head::new(&other.head));
    let dates = Dates {
        production: left.first("date"),
        shadow: right.first("date"),
    };
    let mut findings = DifferenceCollector::new(question, rules, dates);
    if grpc::compare(
        question.head,
        [(&left, production), (&right, other)],
        &mut findings,
    ) {
        return findings.done();
    }
    let same_class = heads::compare_status(&left, &right, &mut findings);
    heads::compare_fields(
        &left,
        &right,
        "header",
        |name| same_class || name == "content-type" || heads::matters(&left, &right, name),
        &mut findings,
    );
    bodies::compare(
        &bodies::Side::new(question.method, &left, &production.body),
        &bodies::Side::new(question.method, &right, &other.body),
        same_class,
        &mut findings,
    );
    findings.done()
}
