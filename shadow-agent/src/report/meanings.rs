//! What the reasons in a report mean, by the name that the document has for them.

use std::collections::BTreeMap;

use super::explanation;
use crate::compare::NotCompared;
use crate::mirror::ledger::DropReason;

/// What each reason for not comparing a request means.
pub(super) fn meanings() -> BTreeMap<String, &'static str> {
    let of_shadow = DropReason::ALL.map(|reason| (NotCompared::Shadow(reason).name(), explanation(reason)));
    let others = NotCompared::OTHERS.map(|reason| (reason.name(), of_comparison(reason)));
    of_shadow.into_iter().chain(others).collect()
}

fn of_comparison(reason: NotCompared) -> &'static str {
    match reason {
        NotCompared::Shadow(reason) => explanation(reason),
        NotCompared::Copy => "it was a further copy of a request: only the first is compared",
        NotCompared::Incomplete => "the request itself was not whole",
        NotCompared::SameName => "another exchange of the same name came before this one had ended",
        NotCompared::ProductionGap => "bytes of production's answer were not captured",
        NotCompared::ProductionClosed => "production's connection ended before its answer was whole",
        NotCompared::ProductionTooLarge => "production's answer was larger than the largest that is kept",
        NotCompared::ProductionNotHttp => "production's answer was not HTTP/1.x, or left it (an upgrade)",
        NotCompared::ProductionMissing => {
            "production's answer did not come in time (--compare-wait), or was not captured"
        }
        NotCompared::ShadowTooLarge => "the shadow's answer was larger than the largest that is kept",
        NotCompared::Memory => "answers that waited took all of --compare-memory",
        NotCompared::Busy => "the comparison did not keep up",
        NotCompared::Shutdown => "the run ended before both answers were there, or before they were compared",
        NotCompared::Internal => "a fault of this program ended comparing: the log says more",
        NotCompared::NotKept => "it was not kept, or has gone since for others (--compare-store)",
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
            "bytes of production's answer were not captured"
        );
        assert!(meanings["timeout"].starts_with("the shadow did not answer in time"));
    }
}
