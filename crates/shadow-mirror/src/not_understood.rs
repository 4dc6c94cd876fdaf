//! Requests that are not understood: counted by the kind of line that they are odd in, and named in the log.

use std::sync::Once;

use serde::Serialize;
use shadow_http::{Fault, FaultyLine};
use shadow_tcp::FlowKey;

/// Requests that ended as `malformed` or `ambiguous_framing`, by where they are odd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct NotUnderstood {
    /// In the request line.
    pub request_line: u64,
    /// In a header field by itself: no colon, white space before it, NUL, a name that is none.
    pub header_field: u64,
    /// In the end of a line: CR or LF alone, a line of white space.
    pub line_end: u64,
    /// In the fields that frame the message (RFC 9112 section 6.3), or in a line that may be taken for one.
    pub framing_field: u64,
    /// In a line of the chunked coding (RFC 9112 section 7.1).
    pub chunk_line: u64,
}

impl NotUnderstood {
    /// Counts a request for this fault. `start` is the beginning of its request line.
    pub fn tell(&mut self, fault: &Fault, start: &[u8], key: &FlowKey) {
        *match fault.what.line() {
            FaultyLine::StartLine => &mut self.request_line,
            FaultyLine::Field => &mut self.header_field,
            FaultyLine::LineEnd => &mut self.line_end,
            FaultyLine::Framing => &mut self.framing_field,
            FaultyLine::Chunk => &mut self.chunk_line,
        } += 1;
        // What stands behind a question mark may be a secret.
        let shown = start.split(|byte| *byte == b'?').next().unwrap_or_default();
        tracing::debug!(
            client = ?key.client,
            server = ?key.server,
            request = %shown.escape_ascii(),
            "cannot parse a request: {fault}"
        );
    }

    /// Adds another shard's counts.
    pub fn add(&mut self, other: &NotUnderstood) {
        self.request_line += other.request_line;
        self.header_field += other.header_field;
        self.line_end += other.line_end;
        self.framing_field += other.framing_field;
        self.chunk_line += other.chunk_line;
    }
}

/// Says, once, why requests on connections that were open before the agent came are not mirrored.
pub(super) fn say_that_connections_were_open() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::info!(
            "requests on connections that were already open are not mirrored until they reconnect: they cannot \
             be told from uploads (mid_stream; --input-raw-resume)"
        );
    });
}

#[cfg(test)]
mod tests {
    use shadow_http::Oddity;

    use super::*;

    #[test]
    fn each_fault_is_counted_once_by_its_line() {
        let endpoint = "10.0.0.1:80".parse::<std::net::SocketAddr>().unwrap().into();
        let key = FlowKey {
            client: endpoint,
            server: endpoint,
            scope: 0,
        };
        let mut counts = NotUnderstood::default();
        for what in [
            Oddity::StartLine,
            Oddity::NoColon,
            Oddity::BareCr,
            Oddity::Hidden,
            Oddity::LeadingSpace,
        ] {
            let fault = Fault { line: Some(2), what };
            counts.tell(&fault, b"GET /a?token=b HTTP/1.1", &key);
        }
        let expected = NotUnderstood {
            request_line: 1,
            header_field: 2,
            line_end: 1,
            framing_field: 1,
            chunk_line: 0,
        };
        assert_eq!(counts, expected);
        counts.add(&expected);
        assert_eq!(counts.header_field, 4);
    }
}
