//! Pairs that show a difference, as text that may be shown.

use serde::{Deserialize, Serialize};

use crate::Difference;

/// A pair, redacted, and cut where it is long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Its id: of the exchange, unique in its comparison.
    pub id: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// When its request was seen.
    pub at_ms: u64,
    /// Request line and header fields, without the empty line; lines end with `\n`.
    pub request_head: String,
    /// Its body, decoded.
    pub request_body: Body,
    /// Production's answer.
    pub production: ExampleAnswer,
    /// The shadow's.
    pub shadow: ExampleAnswer,
    /// The control's, if it was asked and answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ExampleAnswer>,
    /// Differences, noise included.
    pub differences: Vec<Difference>,
}

/// An answer of an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExampleAnswer {
    /// Status line and header fields, without the empty line; lines end with `\n`.
    pub head: String,
    /// Its body, decoded; JSON is laid out in lines.
    pub body: Body,
    /// To its last byte, if known.
    pub took_us: Option<u64>,
}

/// A body as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Text, cut where it is long; none for bytes that are no text.
    pub text: Option<String>,
    /// Bytes of the whole body, decoded.
    pub bytes: u64,
    /// Whether the text is not all of it.
    pub cut: bool,
}
