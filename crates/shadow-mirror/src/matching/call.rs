//! The condition of a `GRPCRoute`'s match: a gRPC call, of this service and this method.

use shadow_http::Request;

use super::{MatchError, Pattern};

/// A condition on a gRPC call, whose path is `/package.Service/Method` (gRPC over HTTP/2, "Requests"). Whatever is no
/// call does not match, whatever its path is: a route of calls says nothing about other requests of the same Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallMatch {
    service: Option<Pattern>,
    method: Option<Pattern>,
    rank: (u8, usize, usize),
}

impl CallMatch {
    /// Every call.
    pub fn any() -> Self {
        Self::default()
    }

    /// The calls of a service, of a method, or of both by name; an empty name is any.
    pub fn exact(service: &str, method: &str) -> Self {
        let is = |name: &str| (!name.is_empty()).then(|| Pattern::Exact(name.into()));
        Self::new(2, (service, is(service)), (method, is(method)))
    }

    /// The calls whose service and method match an expression each, whole; an empty one is any.
    ///
    /// # Errors
    ///
    /// Where an expression is none, or too large.
    pub fn regex(service: &str, method: &str) -> Result<Self, MatchError> {
        let like = |expression: &str| {
            let some = !expression.is_empty();
            some.then(|| Pattern::regex(expression)).transpose()
        };
        Ok(Self::new(1, (service, like(service)?), (method, like(method)?)))
    }

    fn new(kind: u8, service: (&str, Option<Pattern>), method: (&str, Option<Pattern>)) -> Self {
        Self {
            rank: (kind, service.0.chars().count(), method.0.chars().count()),
            service: service.1,
            method: method.1,
        }
    }

    pub(super) fn matches(&self, request: &Request, path: &[u8]) -> bool {
        let Some((service, method)) = call_of(request, path) else {
            return false;
        };
        let fits =
            |pattern: &Option<Pattern>, name| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
        fits(&self.service, service) && fits(&self.method, method)
    }

    /// Names before expressions before everything; then as many characters of the service as can be, then of the
    /// method.
    pub(super) fn rank(&self) -> (u8, usize, usize) {
        self.rank
    }
}

/// Service and method of a call; none for a request that is not one. A call is a POST whose `content-type` starts with
/// `application/grpc` (so are those of gRPC-Web). The method is what follows the last `/`, as gRPC's servers have it.
fn call_of<'a>(request: &Request, path: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    const CONTENT_TYPE: &[u8] = b"application/grpc";
    let start = request.header("content-type")?.get(..CONTENT_TYPE.len())?;
    if request.method() != b"POST" || !start.eq_ignore_ascii_case(CONTENT_TYPE) {
        return None;
    }
    let names = path.strip_prefix(b"/")?;
    let slash = memchr::memrchr(b'/', names)?;
    Some((&names[..slash], &names[slash + 1..]))
}
