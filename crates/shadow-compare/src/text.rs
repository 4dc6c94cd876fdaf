//! Bodies of lines, and XML as text.

use super::Kind;
use super::difference_collector::DifferenceCollector;
use super::shown::Shown;

/// By lines, where `findings` is: another number of them, and the first that is another.
pub(super) fn compare(production: &str, shadow: &str, findings: &mut DifferenceCollector<'_>) {
    let lines = |text| str::split(text, '\n').collect::<Vec<_>>();
    compare_parts(&lines(production), &lines(shadow), findings);
}

/// By tags and what stands between them. White space alone between two tags means nothing; all else is compared as it is
/// written: attributes in their order, entities unresolved.
pub(super) fn compare_xml(production: &str, shadow: &str, findings: &mut DifferenceCollector<'_>) {
    compare_parts(&tags(production), &tags(shadow), findings);
}

fn tags(text: &str) -> Vec<&str> {
    text.split_inclusive('>')
        .flat_map(|part| {
            let (before, tag) = part.split_at(part.find('<').unwrap_or(part.len()));
            [before, tag]
        })
        .filter(|part| !part.trim_ascii().is_empty())
        .collect()
}

fn compare_parts(production: &[&str], shadow: &[&str], findings: &mut DifferenceCollector<'_>) {
    let hosts = findings.hosts().clone();
    let equal = |(a, b): &(&&str, &&str)| a == b || hosts.same(a, b);
    let prefix = production.iter().zip(shadow).take_while(equal).count();
    let (a, b) = (&production[prefix..], &shadow[prefix..]);
    if production.len() != shadow.len() {
        let (a, b) = (Shown::Count(production.len()), Shown::Count(shadow.len()));
        findings.add(Kind::Length, a, b);
    }
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(equal).count();
    // What is new, or gone, is told by the number.
    if let (Some(a), Some(b)) = (a[..a.len() - suffix].first(), b[..b.len() - suffix].first()) {
        findings.add(Kind::Value, Shown::Text(a), Shown::Text(b));
    }
    // What is the same but for the host is told by its rule, where there is nothing else.
    let mut ends = production[..prefix].iter().zip(shadow).chain(
        production[production.len() - suffix..]
            .iter()
            .zip(&shadow[shadow.len() - suffix..]),
    );
    if let Some((a, b)) = ends.find(|(a, b)| a != b) {
        findings.add(Kind::Value, Shown::Text(a), Shown::Text(b));
    }
}
