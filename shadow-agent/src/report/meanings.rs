//! Meanings of the reasons in a report, by the name that the document has for them.

use std::collections::BTreeMap;

use super::explanation;
use crate::compare::NotCompared;
use crate::mirror::ledger::DropReason;

/// Explanations of the reasons for not comparing a request.
pub(super) fn meanings() -> BTreeMap<String, &'static str> {
    let of_shadow = DropReason::ALL.map(|reason| (NotCompared::Shadow(reason).name(), explanation(reason)));
    let others = NotCompared::OTHERS.map(|reason| (reason.name(), of_comparison(reason)));
    of_shadow.into_iter().chain(others).collect()
}

fn of_comparison(reason: NotCompared) -> &'static str {
    match reason {
        NotCompared::Shadow(reason) => explanation(reason),
        NotCompared::Copy => "it was an additional copy of a request: only the first is compared",
        NotCompared::Incomplete => "the request was incomplete",
        NotCompared::SameName => "another exchange with the same id started before this one ended",
        NotCompared::ProductionGap => "production's response was not captured completely",
        NotCompared::ProductionClosed => "production's connection ended before its response was complete",
        NotCompared::ProductionTooLarge => "production's response was too large",
        NotCompared::ProductionNotHttp => "production's response was not HTTP/1.x, or switched protocols",
        NotCompared::ProductionMissing => {
            "production's response was not captured, or not in time (--compare-wait)"
        }
        NotCompared::ShadowTooLarge => "the shadow's response was too large",
        NotCompared::ControlFailedToo => {
            "the control failed for the same reason as the shadow: today's release would have, too"
        }
        NotCompared::Memory => "waiting responses used all of --compare-memory",
        NotCompared::Busy => "the comparison could not keep up",
        NotCompared::Shutdown => "the agent stopped before both responses were received and compared",
        NotCompared::Internal => "a bug in shadow-agent stopped the comparison: see the log",
        NotCompared::NotKept => "it was not stored, or deleted to make room (--compare-store)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_meaning() {
        let meanings = meanings();
        assert_eq!(meanings.len(), DropReason::ALL.len() + NotCompared::OTHERS.len());
        assert_eq!(
            meanings["production_gap"],
            "production's response was not captured completely"
        );
        assert!(meanings["timeout"].starts_with("the shadow did not respond in time"));
    }
}
