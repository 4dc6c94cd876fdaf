//! Why an exchange with the shadow failed, and whether that speaks against the shadow.

use super::response::BadResponse;
use crate::mirror::ledger::DropReason;

/// Why an exchange failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub reason: DropReason,
    /// Whether it says that the shadow is sick.
    pub sick: bool,
    /// Words for the log.
    pub words: String,
}

impl From<BadResponse> for Failure {
    fn from(bad: BadResponse) -> Self {
        let (sick, words) = match bad {
            BadResponse::Malformed => (true, "its response is not HTTP/1.x"),
            BadResponse::Endless => (
                true,
                "its response has an endless head or endless interim responses",
            ),
            // Production may answer so, too.
            BadResponse::TooLarge => (false, "its response is larger than the limit"),
        };
        Self {
            reason: DropReason::BadResponse,
            sick,
            words: words.to_owned(),
        }
    }
}
