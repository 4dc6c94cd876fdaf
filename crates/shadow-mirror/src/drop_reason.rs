//! Why a request was not delivered: one flat list, which the ledger, the metrics and the docs have in one order.

use serde::{Deserialize, Serialize};
use shadow_http::Reject;

/// Why a request was not delivered to an output. The names are those of the ledger and the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DropReason {
    /// Bytes inside it were lost in capture or on the wire, or it followed lost bytes and its start could not be
    /// proved.
    Gap,
    /// A TLS record inside it could not be opened, or it followed one that could not, and its start could not be proved.
    TlsRecordLost,
    /// Its connection was open before the agent came, so that its start could not be proved.
    MidStream,
    /// Its connection was reset inside it, or before production had answered the request before.
    Reset,
    /// Its client closed or fell silent inside it.
    Truncated,
    /// Its head is larger than `--max-head`.
    HeadTooLarge,
    /// Its body is larger than `--max-body`.
    BodyTooLarge,
    /// It is not HTTP/1.x as RFC 9112 has it, nor HTTP/2 as RFC 9113 does.
    Malformed,
    /// Its length can be read in more than one way (RFC 9112 section 6.3), or that of a request before it on
    /// the same connection could.
    AmbiguousFraming,
    /// `--max-memory` had no room for it.
    Memory,
    /// It asks to leave HTTP (CONNECT).
    Upgrade,
    /// It came behind a request that was not understood, so that its start could not be proved.
    AfterReject,
    /// It came behind a request that closes its connection, which production must not process either (RFC 9112
    /// section 9.6), or production had closed the connection before it read it.
    AfterClose,
    /// HTTP/2: fields of its head stand in the header table since before the agent came, or since bytes were lost.
    H2TableUnknown,
    /// HTTP/2: bytes inside it were lost, or may have been.
    H2Gap,
    /// HTTP/2: its stream was reset inside it.
    H2Reset,
    /// HTTP/2: too many streams of its connection were open at once or reset, or its head came in too many frames.
    H2Flood,
    /// HTTP/2: production refused its stream, or said goodbye to it before it processed it (RFC 9113 section 8.7).
    H2Refused,
    /// A call of gRPC lasted longer, or had more messages, than `--grpc-max-stream` allows: it was mirrored up to there.
    GrpcStreamLimit,
    /// A call of gRPC that was mirrored while it lasted, and that its client left: it cancelled it, or closed its connection.
    GrpcStreamLeft,
    /// Production did not take its connection: the handshake was not completed, as when the client's address is forged.
    Unanswered,
    /// It carries the marker header: it is a copy itself.
    LoopGuard,
    /// Rewriting it as asked would not leave one valid request (`--http-rewrite-url`, `--http-rewrite-header`).
    UnsafeRewrite,
    /// Its body may hold what `--http-redact-json` hides, but cannot be searched for it: it is encoded, broken, or larger
    /// than `--http-json-limit`.
    Unredactable,
    /// The output's queue was full (requests or bytes).
    QueueFull,
    /// The circuit breaker was open: the shadow was sick.
    BreakerOpen,
    /// No connection to the shadow could be opened.
    ConnectError,
    /// The shadow did not connect or answer in time, or another agent acknowledged nothing (`--output-tcp-ack`).
    Timeout,
    /// The shadow closed or reset the connection before its whole response came.
    UpstreamClosed,
    /// The shadow's answer was not HTTP, or larger than its limits.
    BadResponse,
    /// It cannot go by the HTTP version that the shadow takes, or that `--output-http-version` asks for: gRPC to one without
    /// HTTP/2, a WebSocket's handshake by HTTP/2.
    HttpVersion,
    /// Its mirror was taken out of the configuration, or its route, while it was still arriving, or before a slow shadow
    /// took it.
    MirrorEnded,
    /// The output could not be written (a closed pipe, a full disk).
    WriteError,
    /// The middleware ended before it gave it back.
    MiddlewareEnded,
    /// The agent ended before it could be delivered.
    Shutdown,
    /// Mirroring was paused before it could be delivered (`POST /pause`, `--expire-after`, `--max-cpu`). While it is
    /// paused nothing is captured: a request of which no byte was seen is not counted at all.
    Paused,
    /// A fault in this program lost it; please report it.
    Internal,
}

impl DropReason {
    /// All reasons, in the order of their values.
    pub const ALL: [Self; Self::Internal as usize + 1] = [
        Self::Gap,
        Self::TlsRecordLost,
        Self::MidStream,
        Self::Reset,
        Self::Truncated,
        Self::HeadTooLarge,
        Self::BodyTooLarge,
        Self::Malformed,
        Self::AmbiguousFraming,
        Self::Memory,
        Self::Upgrade,
        Self::AfterReject,
        Self::AfterClose,
        Self::H2TableUnknown,
        Self::H2Gap,
        Self::H2Reset,
        Self::H2Flood,
        Self::H2Refused,
        Self::GrpcStreamLimit,
        Self::GrpcStreamLeft,
        Self::Unanswered,
        Self::LoopGuard,
        Self::UnsafeRewrite,
        Self::Unredactable,
        Self::QueueFull,
        Self::BreakerOpen,
        Self::ConnectError,
        Self::Timeout,
        Self::UpstreamClosed,
        Self::BadResponse,
        Self::HttpVersion,
        Self::MirrorEnded,
        Self::WriteError,
        Self::MiddlewareEnded,
        Self::Shutdown,
        Self::Paused,
        Self::Internal,
    ];

    /// The ledger's word for it.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

impl From<Reject> for DropReason {
    fn from(reject: Reject) -> Self {
        match reject {
            Reject::Gap => DropReason::Gap,
            Reject::MidStream => DropReason::MidStream,
            Reject::Reset => DropReason::Reset,
            Reject::Truncated => DropReason::Truncated,
            Reject::HeadTooLarge => DropReason::HeadTooLarge,
            Reject::BodyTooLarge => DropReason::BodyTooLarge,
            Reject::Malformed => DropReason::Malformed,
            Reject::AmbiguousFraming => DropReason::AmbiguousFraming,
            Reject::Memory => DropReason::Memory,
            Reject::Upgrade => DropReason::Upgrade,
            Reject::AfterReject => DropReason::AfterReject,
            Reject::AfterClose => DropReason::AfterClose,
            Reject::H2TableUnknown => DropReason::H2TableUnknown,
            Reject::H2Gap => DropReason::H2Gap,
            Reject::H2Reset => DropReason::H2Reset,
            Reject::H2Flood => DropReason::H2Flood,
            Reject::Shutdown => DropReason::Shutdown,
        }
    }
}
