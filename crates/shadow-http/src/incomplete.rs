//! A request of which the end was lost, as a request that can be sent: its body is what is there, its length says so,
//! and a header says why, so that nobody takes it for whole.

use bytes::Bytes;

use super::chunked::ChunkedDecoder;
use super::message::{Framing, Reject, Request};

/// Names why a request is not whole: [`Reject::word`].
pub const INCOMPLETE_HEADER: &str = "X-Shadow-Incomplete";

impl Request {
    /// Makes of the beginning of a request ([`super::RequestEvent::Incomplete`]) one that is consistent in itself:
    /// `Content-Length` is what is there, a chunked body is taken out of its chunks, and [`INCOMPLETE_HEADER`] says
    /// `why`.
    ///
    /// # Errors
    ///
    /// When a transfer coding hides the body, or the memory budget has no room.
    pub fn cut_short(&self, why: Reject) -> Result<Self, Reject> {
        let body = if self.framing == Framing::Chunked {
            let coding = self.header("transfer-encoding").unwrap_or_default();
            if !coding.eq_ignore_ascii_case(b"chunked") {
                return Err(why);
            }
            Bytes::from(ChunkedDecoder::data_of(&self.body).map_err(|_| why)?)
        } else {
            self.body.clone()
        };
        let length = body.len().to_string();
        let head = self.head_with(&[
            ("Content-Length", Some(length.as_bytes())),
            ("Transfer-Encoding", None),
            ("Trailer", None),
            (INCOMPLETE_HEADER, Some(why.word().as_bytes())),
        ]);
        let mut request = self.rewritten(head, body)?;
        request.incomplete = Some(why);
        Ok(request)
    }
}
