//! The ledger beside what the two servers counted themselves.

use std::fmt::Write;

use super::scene::Served;
use crate::report::{LedgerDocument, grouped};

/// Lines that compare the counts, and whether they agree.
pub fn agreement(ledger: &LedgerDocument, served: &Served) -> (String, bool) {
    let delivered = ledger.outputs.iter().map(|output| output.counts.delivered).sum();
    let mut text = String::new();
    let mut agree = true;
    for (who, count, verb, counted) in [
        ("production", served.production.requests, "saw", ledger.seen),
        ("the shadow", served.shadow.requests, "delivered", delivered),
    ] {
        agree &= count == counted;
        let verdict = if count == counted {
            "they agree"
        } else {
            "THEY DIFFER"
        };
        let _ = writeln!(
            text,
            "  {who} served {} requests, the ledger {verb} {}: {verdict}",
            grouped(count),
            grouped(counted)
        );
    }
    let _ = writeln!(
        text,
        "  production answered 500 to {} of them, the shadow to {}: a planted difference",
        grouped(served.production.errors),
        grouped(served.shadow.errors)
    );
    if served.interrupted {
        text.push_str("  (interrupted: requests under way at that moment are not in both counts)\n");
    }
    (text, agree || served.interrupted)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::server::Count;
    use super::*;
    use crate::mirror::ledger::{OutputCounts, RequestCounts};

    fn compare(seen: u64, interrupted: bool) -> (String, bool) {
        let requests = RequestCounts {
            seen,
            outputs: vec![OutputCounts {
                delivered: 2500,
                ..OutputCounts::default()
            }],
        };
        let ledger = LedgerDocument::new(&["http://x".to_owned()], requests, Value::Null, Value::Null);
        let served = Served {
            production: Count {
                requests: 2500,
                errors: 0,
                closed: 0,
            },
            shadow: Count {
                requests: 2500,
                errors: 31,
                closed: 0,
            },
            interrupted,
        };
        agreement(&ledger, &served)
    }

    #[test]
    fn equal_counts_agree() {
        let expected = "  production served 2,500 requests, the ledger saw 2,500: they agree
  the shadow served 2,500 requests, the ledger delivered 2,500: they agree
  production answered 500 to 0 of them, the shadow to 31: a planted difference
";
        assert_eq!(compare(2500, false), (expected.to_owned(), true));
    }

    #[test]
    fn a_difference_is_said_and_fails_unless_the_demo_was_interrupted() {
        let (text, agree) = compare(2499, false);
        assert!(text.contains("the ledger saw 2,499: THEY DIFFER"), "{text}");
        assert!(!agree);
        assert!(compare(2499, true).1);
    }
}
