//! Rules that a request passes at a mirror before its output gets it: filters, samples of users, rewriting and redaction,
//! in the order of `GoReplay`'s modifier with what it lacks in between.
//!
//! ```text
//! method, client | set headers, set parameters | url, safe methods, headers, cookies, Basic credentials, JSON |
//! header, parameter, cookie and client limiters | rewrite url, rewrite headers | prettify | redact
//! ```
//!
//! Filters see headers and parameters as they were set, and what they are named after alone, never the text of a body. A
//! request that was changed is read again as a captured one is ([`Request::rewritten`]), so that nothing can be smuggled
//! into it.

mod credentials;
mod draft;
mod expression;
mod filters;
mod hash;
mod json;
mod limiter;
mod lines;
mod network;
mod prettify;
mod query;
mod redaction;
mod rewriters;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use shadow_http::{Request, RewriteError};

use self::draft::Draft;
pub use self::expression::{Expression, Rewrite};
pub use self::filters::{Filter, Filters, JsonMatch, Named, SafeMethods};
pub use self::hash::{HashShare, fnv1a_32};
pub use self::json::JsonPath;
pub use self::limiter::{Limiter, User};
pub use self::lines::Lines;
pub use self::network::Network;
pub use self::prettify::Prettifier;
pub use self::redaction::{
    OF_RECORDINGS, Redacted, Redaction, RedactionKey, Unredactable, has_hash, is_hash,
};
pub use self::rewriters::{RewriteHeader, Rewriters, SetHeader, SetParameter, header_name};
use super::ledger::{DropReason, Outcome};

/// A rule that cannot be used: what is wrong with it, for its author.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// A rule would make something that is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsafe;

/// The rules of a mirror.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Filters: which requests are kept back.
    pub filters: Filters,
    /// Which users are left out: every limiter must take a request.
    pub limiters: Vec<Limiter>,
    /// Rewriters: how requests are changed.
    pub rewriters: Rewriters,
    /// How bodies are made readable, in requests and in responses.
    pub prettifier: Option<Prettifier>,
    /// Redaction, in requests and in responses.
    pub redaction: Option<Redaction>,
}

/// The verdict of rules on a request.
#[derive(Debug)]
pub enum Verdict {
    /// It goes on as it is.
    Unchanged,
    /// This goes on in its place.
    Changed(Box<Request>),
    /// It ends here.
    Ends(Outcome),
}

impl Rules {
    /// The other form of a response, or of any message on the wire: `head` from its start line to its empty line, and `body` as
    /// it was sent. `Ok(None)` where nothing changes.
    ///
    /// # Errors
    ///
    /// Where the body may hold what is to be hidden and cannot be searched.
    pub fn message(&self, head: &[u8], body: &[u8]) -> Result<Option<Redacted>, Unredactable> {
        let pretty = self
            .prettifier
            .and_then(|prettifier| prettifier.message(head, body));
        let Some(redaction) = &self.redaction else {
            return Ok(pretty);
        };
        let Some(pretty) = pretty else {
            return redaction.message(head, body);
        };
        let redacted = redaction.message(&pretty.head, pretty.body.as_deref().unwrap_or(body))?;
        Ok(Some(match redacted {
            Some(redacted) => Redacted {
                head: redacted.head,
                body: redacted.body.or(pretty.body),
            },
            None => pretty,
        }))
    }

    /// Whether bodies matter to it, so that a request must be whole to be judged.
    pub fn reads_bodies(&self) -> bool {
        self.prettifier.is_some() || self.redaction.is_some() || self.filters.read_bodies()
    }

    /// Judges `request`, which a client at `client` sent.
    pub fn judge(&self, request: &Request, client: IpAddr) -> Verdict {
        match self.edited(request, client) {
            Ok(None) => Verdict::Unchanged,
            Ok(Some(request)) => Verdict::Changed(Box::new(request)),
            Err(outcome) => Verdict::Ends(outcome),
        }
    }

    fn edited(&self, request: &Request, client: IpAddr) -> Result<Option<Request>, Outcome> {
        let mut draft = Draft::new(request, client);
        if !self.filters.pass_origin(&draft) {
            return Err(Outcome::Filtered);
        }
        self.rewriters.set(&mut draft);
        if !self.filters.pass(&draft) {
            return Err(Outcome::Filtered);
        }
        if !self.limiters.iter().all(|limiter| limiter.takes(&draft)) {
            return Err(Outcome::SampledOut);
        }
        let dropped = Outcome::Dropped;
        self.rewriters
            .rewrite(&mut draft)
            .map_err(|Unsafe| dropped(DropReason::UnsafeRewrite))?;
        if let Some(prettifier) = self.prettifier {
            draft.prettify(prettifier);
        }
        if let Some(redaction) = &self.redaction {
            draft
                .redact(redaction)
                .map_err(|Unredactable| dropped(DropReason::Unredactable))?;
        }
        draft.finish().map_err(|error| {
            dropped(match error {
                RewriteError::Invalid => DropReason::UnsafeRewrite,
                RewriteError::Memory => DropReason::Memory,
            })
        })
    }
}
