//! One exchange with the answers to it.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shadow_grpc::Code;
use shadow_mirror::MessageId;
use shadow_mirror::ledger::DropReason;

use super::grpc_call;

/// How long an answer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// From the request's last byte to the answer's first.
    pub first: Duration,
    /// From the request's last byte to the answer's last.
    pub last: Duration,
}

/// A whole answer, as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status line and header section, up to and including the empty line.
    pub head: Bytes,
    /// Body: with chunk sizes and trailers when chunked, and in its content coding.
    pub body: Bytes,
    /// How long it took; `None` where nobody knows, as in some recordings.
    pub times: Option<Times>,
}

impl Answer {
    /// The status by which it is counted: of an answer of gRPC the status code of HTTP that says what its own does
    /// (`google/rpc/code.proto`), of any other HTTP's; 0 where there is none.
    pub fn counted_status(&self) -> u16 {
        self.statuses().0
    }

    /// The status that says whether the endpoint is there: of an answer of gRPC HTTP's, but 501 for a method that the server does not
    /// have. `NOT_FOUND` and the like are answers of a method.
    pub fn route_status(&self) -> u16 {
        self.statuses().1
    }

    /// Both, of one look at the head: [`counted_status`](Self::counted_status) and [`route_status`](Self::route_status).
    pub(super) fn statuses(&self) -> (u16, u16) {
        let status = self.status().unwrap_or(0);
        match grpc_call::code(&self.head, &self.body, status) {
            None => (status, status),
            Some(Code::Unimplemented) => (Code::Unimplemented.as_http(), Code::Unimplemented.as_http()),
            Some(code) => (code.as_http(), status),
        }
    }

    /// Its status code; `None` where it cannot be read.
    pub fn status(&self) -> Option<u16> {
        // As nearly all are written.
        if let Some(
            [
                b'H',
                b'T',
                b'T',
                b'P',
                b'/',
                b'0'..=b'9',
                b'.',
                b'0'..=b'9',
                b' ',
                digits @ ..,
                b' ',
            ],
        ) = self.head.first_chunk::<13>()
            && digits.iter().all(u8::is_ascii_digit)
        {
            return Some(
                digits
                    .iter()
                    .fold(0, |status, digit| status * 10 + u16::from(digit - b'0')),
            );
        }
        let start = self.head.iter().position(|byte| *byte == b' ')? + 1;
        let rest = &self.head[start..];
        let end = rest.iter().position(|byte| *byte == b' ');
        let digits = rest[..end.unwrap_or(rest.len())].trim_ascii();
        let digits = std::str::from_utf8(&digits[..digits.len().min(3)]).ok()?;
        digits.parse().ok()
    }
}

/// One exchange, and whole answers to it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The name of the exchange.
    pub id: MessageId,
    /// When the request's first byte was seen: Unix time in nanoseconds.
    pub at: u64,
    /// Request line and header section, up to and including the empty line, as production got it.
    pub request_head: Bytes,
    /// The request's body as it was on the wire.
    pub request_body: Bytes,
    /// Production's answer.
    pub production: Answer,
    /// The shadow's.
    pub shadow: Answer,
    /// That of another instance of production's release (`--compare-control`), if it was asked and answered.
    pub control: Option<Answer>,
    /// The shadow's second answer to the same request (`--compare-repeat`), if it was asked twice.
    pub repeat: Option<Answer>,
    /// Whether another client was changing something at that moment, so that production and the shadow may have served the two in
    /// another order.
    pub raced: bool,
}

/// Why a request that was mirrored is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotCompared {
    /// The shadow did not get it, or did not answer it whole: the ledger's reason.
    Shadow(DropReason),
    /// A further copy of a request (a limit above 100%): only the first is compared.
    Copy,
    /// The request itself was not whole (`--input-raw-allow-incomplete`).
    Incomplete,
    /// Another exchange of the same name came before this one had ended.
    SameName,
    /// Production's answer was not whole here: bytes of it were not captured.
    ProductionGap,
    /// Production's connection ended before its answer was whole: a client that went away, most likely.
    ProductionClosed,
    /// Production's answer is larger than the largest message that is kept.
    ProductionTooLarge,
    /// Production's answer is not HTTP/1.x, or leaves it (an upgrade).
    ProductionNotHttp,
    /// Production's answer did not come in time (`--compare-wait`), or was never captured.
    ProductionMissing,
    /// The shadow's answer is larger than the largest that is kept.
    ShadowTooLarge,
    /// Neither the shadow nor the control gave a whole answer, both for the same reason: so would today's release have failed.
    ControlFailedToo,
    /// Answers that waited took all of `--compare-memory`.
    Memory,
    /// The comparison did not keep up.
    Busy,
    /// The run ended first, or its time to end did.
    Shutdown,
    /// A fault of this program ended comparing: it is said in the log and by `/readyz`.
    Internal,
    /// It was kept and has gone since, or could not be kept (`--compare-store`): only of a run that is read again.
    NotKept,
}

impl NotCompared {
    /// Those that are no reason of the ledger.
    pub const OTHERS: [Self; 15] = [
        Self::Copy,
        Self::Incomplete,
        Self::SameName,
        Self::ProductionGap,
        Self::ProductionClosed,
        Self::ProductionTooLarge,
        Self::ProductionNotHttp,
        Self::ProductionMissing,
        Self::ShadowTooLarge,
        Self::Memory,
        Self::Busy,
        Self::Shutdown,
        Self::Internal,
        Self::NotKept,
        Self::ControlFailedToo,
    ];

    /// The one with this [`name`](Self::name).
    pub fn named(name: &str) -> Option<Self> {
        let of_ledger = DropReason::ALL.into_iter().map(Self::Shadow);
        Self::OTHERS
            .into_iter()
            .chain(of_ledger)
            .find(|reason| reason.name() == name)
    }

    /// One word for it, as reports and metrics have it.
    pub fn name(self) -> String {
        match self {
            Self::Shadow(reason) => reason.name(),
            Self::Copy => "copy".to_owned(),
            Self::Incomplete => "incomplete".to_owned(),
            Self::SameName => "same_name".to_owned(),
            Self::ProductionGap => "production_gap".to_owned(),
            Self::ProductionClosed => "production_closed".to_owned(),
            Self::ProductionTooLarge => "production_too_large".to_owned(),
            Self::ProductionNotHttp => "production_not_http".to_owned(),
            Self::ProductionMissing => "production_missing".to_owned(),
            Self::ShadowTooLarge => "shadow_too_large".to_owned(),
            Self::ControlFailedToo => "control_failed_too".to_owned(),
            Self::Memory => "compare_memory".to_owned(),
            Self::Busy => "compare_busy".to_owned(),
            Self::Shutdown => "compare_shutdown".to_owned(),
            Self::Internal => "compare_internal".to_owned(),
            Self::NotKept => "not_kept".to_owned(),
        }
    }

    /// Whether it is no fault of the release where the control, asked the same, failed for the same reason.
    pub fn is_excused_by_control(self) -> bool {
        matches!(
            self,
            Self::ShadowTooLarge
                | Self::Shadow(DropReason::Timeout | DropReason::UpstreamClosed | DropReason::BadResponse)
        )
    }

    /// Whether it speaks against the release: production's request got no whole answer from it.
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::ShadowTooLarge
                | Self::Shadow(
                    DropReason::BreakerOpen
                        | DropReason::ConnectError
                        | DropReason::Timeout
                        | DropReason::UpstreamClosed
                        | DropReason::BadResponse
                )
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_name() {
        let of_ledger = DropReason::ALL.into_iter().map(NotCompared::Shadow);
        for reason in NotCompared::OTHERS.into_iter().chain(of_ledger) {
            assert_eq!(NotCompared::named(&reason.name()), Some(reason));
        }
        assert_eq!(NotCompared::named("other"), None);
    }
}
