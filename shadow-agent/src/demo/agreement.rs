//! The ledger and the comparison's own account beside what the servers counted themselves.

use std::fmt::Write;

use super::scene::Served;
use crate::compare::document::Comparison;
use crate::report::{LedgerDocument, grouped};

/// Lines that compare the counts, and whether they agree.
pub fn agreement(ledger: &LedgerDocument, comparison: &Comparison, served: &Served) -> (String, bool) {
    // The others are the control and what is asked twice.
    let delivered = ledger.outputs.first().map_or(0, |output| output.counts.delivered);
    let broken: u64 = comparison
        .coverage
        .failed
        .get("upstream_closed")
        .copied()
        .unwrap_or(0);
    let answered = |what: &str| -> u64 {
        let extra = comparison.extra.iter().find(|requests| requests.what == what);
        extra.map_or(0, |requests| requests.answered)
    };
    let (control, repeated) = (answered("control"), answered("repeat"));
    let mut text = String::new();
    let mut agree = true;
    for (who, count, counted, how) in [
        (
            "production",
            served.production.requests,
            ledger.seen,
            format!("the ledger saw {}", grouped(ledger.seen)),
        ),
        (
            "the shadow",
            served.shadow.requests,
            delivered + broken + repeated,
            {
                let twice = format!(", {} were asked twice", grouped(repeated));
                let twice = if repeated > 0 { &twice } else { "" };
                let (delivered, broken) = (grouped(delivered), grouped(broken));
                format!("the ledger delivered {delivered}, {broken} broke off{twice}")
            },
        ),
        (
            "the control",
            served.control.requests,
            control,
            format!("{} of its responses were compared", grouped(control)),
        ),
    ] {
        agree &= count == counted;
        let verdict = if count == counted {
            "they agree"
        } else {
            "THEY DIFFER"
        };
        let _ = writeln!(
            text,
            "  {who} served {} requests; {how}: {verdict}",
            grouped(count)
        );
    }
    if served.interrupted {
        text.push_str("  (interrupted: requests in flight at that moment are not in both counts)\n");
    }
    (text, agree || served.interrupted)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::planted::tests::comparison;
    use super::super::server::Count;
    use super::*;
    use crate::compare::document::ExtraRequests;
    use crate::mirror::ledger::{OutputCounts, RequestCounts};

    fn count(requests: u64) -> Count {
        Count {
            requests,
            ..Count::default()
        }
    }

    /// The counts of a run of which the ledger saw `seen`, 56 answers broke off, and 100 requests were asked twice.
    fn counts(seen: u64, interrupted: bool) -> (String, bool) {
        let requests = RequestCounts {
            seen,
            outputs: vec![OutputCounts {
                delivered: 2444,
                ..OutputCounts::default()
            }],
        };
        let ledger = LedgerDocument::new(&["http://x".to_owned()], requests, Value::Null, Value::Null);
        let mut comparison = comparison(Vec::new());
        for (what, answered) in [("control", 2500), ("repeat", 100)] {
            comparison.extra.push(ExtraRequests {
                what: what.to_owned(),
                sent: answered,
                answered,
                lost: std::collections::BTreeMap::new(),
                waiting: 0,
            });
        }
        let served = Served {
            production: count(2500),
            shadow: count(2600),
            control: count(2500),
            interrupted,
        };
        agreement(&ledger, &comparison, &served)
    }

    #[test]
    fn equal_counts_agree() {
        let expected = "  production served 2,500 requests; the ledger saw 2,500: they agree
  the shadow served 2,600 requests; the ledger delivered 2,444, 56 broke off, 100 were asked twice: they agree
  the control served 2,500 requests; 2,500 of its responses were compared: they agree
";
        assert_eq!(counts(2500, false), (expected.to_owned(), true));
    }

    #[test]
    fn a_difference_is_said_and_fails_unless_the_demo_was_interrupted() {
        let (text, agree) = counts(2499, false);
        assert!(text.contains("the ledger saw 2,499: THEY DIFFER"), "{text}");
        assert!(!agree);
        assert!(counts(2499, true).1);
    }
}
