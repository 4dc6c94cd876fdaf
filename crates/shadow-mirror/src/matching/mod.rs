//! Which rule of a route a request falls under: the matches and the precedence of Gateway API's `HTTPRoute` and
//! `GRPCRoute`.
//!
//! A rule that mirrors nothing takes part like any other: a request that it wins is not for the others.

mod call;
#[cfg(test)]
mod call_tests;
mod hostname;
mod location;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;

use shadow_http::Request;

pub use self::call::CallMatch;
pub use self::hostname::Hostname;
pub use self::location::Location;
pub(crate) use self::location::split_query;
pub use self::pattern::Pattern;
pub use self::rule::{PathMatch, Prefix, RequestMatch};

/// Most rules of one route; the API allows 16.
pub const MAX_RULES: usize = 64;
/// Most matches of one rule; the API allows 64, and 128 in all rules of a route together.
pub const MAX_MATCHES: usize = 64;
/// Most matches in all rules of a route: a request is compared with each of them at worst.
pub const MAX_MATCHES_OF_ROUTE: usize = 256;

/// The rules of one route.
///
/// Of all matches that a request has, in all rules, the first in Gateway API's order of precedence decides: an
/// exact path, then the prefix with the most characters, then a match of the method, then the most header
/// matches, then the most query parameter matches, then the first rule and match in the list.
///
/// The specification leaves open where regular expressions stand. They come behind every prefix, longer ones
/// first, as in Istio, whose routes shall work here unchanged. (Envoy Gateway puts them between exact paths and
/// prefixes.) So an expression decides only where no prefix matches; `/` is a prefix too.
///
/// Among matches of gRPC calls, the one with the most characters in its service decides, then in its method, then the
/// one with the most header matches. Expressions, which the specification leaves open too, come behind names, and a
/// match of every call comes last.
///
/// Looking a request up allocates nothing, unless a header that is compared comes in several fields, or an
/// expression is used for the first time on a thread.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteMatcher {
    hostnames: Vec<Hostname>,
    rules: Vec<Vec<RequestMatch>>,
    /// Every match by rule and place in it, in the order of precedence.
    order: Vec<Hit>,
}

/// The match that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its rule's place in the route.
    pub rule: usize,
    /// Its place in the rule.
    pub index: usize,
}

/// A match that cannot be used. For the author of the route.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// A regular expression does not compile, or is too large.
    #[error("invalid regular expression {expression:?}: {why}")]
    Expression {
        /// The expression, cut short.
        expression: String,
        /// The error in it.
        why: String,
    },
    /// A path is none.
    #[error("the path {0:?} does not start with '/'")]
    Path(String),
    /// There are more rules or matches than can be compared for every request.
    #[error("the route has more than {limit} {what}")]
    TooMany {
        /// The things of which there are too many.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}

impl RouteMatcher {
    /// A matcher of `rules`, each of which is a list of matches of which one is enough; an empty list matches
    /// every request. With `hostnames`, a request must be for one of them too.
    ///
    /// # Errors
    ///
    /// Where there are more rules or matches than one matcher may have.
    pub fn new(hostnames: Vec<Hostname>, mut rules: Vec<Vec<RequestMatch>>) -> Result<Self, MatchError> {
        limit(rules.len(), "rules", MAX_RULES)?;
        for matches in &mut rules {
            limit(matches.len(), "matches in a rule", MAX_MATCHES)?;
            if matches.is_empty() {
                matches.push(RequestMatch::default());
            }
        }
        let all = rules.iter().map(Vec::len).sum();
        limit(all, "matches", MAX_MATCHES_OF_ROUTE)?;
        let mut order = Vec::with_capacity(all);
        for (rule, matches) in rules.iter().enumerate() {
            order.extend((0..matches.len()).map(|index| Hit { rule, index }));
        }
        // Stable, so that list order decides between equals.
        order.sort_by_key(|hit| Reverse(rules[hit.rule][hit.index].rank()));
        Ok(Self {
            hostnames,
            rules,
            order,
        })
    }

    /// The match that decides what becomes of `request`; none when it is not for this route.
    pub fn best(&self, request: &Request) -> Option<Hit> {
        let location = Location::of(request);
        if !self.hostnames.is_empty() {
            let host = location.host(request)?;
            if !self.hostnames.iter().any(|hostname| hostname.matches(host)) {
                return None;
            }
        }
        self.order
            .iter()
            .find(|hit| self.rules[hit.rule][hit.index].matches(request, &location))
            .copied()
    }

    /// The matches of a rule, at least one; none for a rule that is not there.
    pub fn matches(&self, rule: usize) -> &[RequestMatch] {
        self.rules.get(rule).map_or(&[], Vec::as_slice)
    }
}

fn limit(count: usize, what: &'static str, limit: usize) -> Result<(), MatchError> {
    if count > limit {
        return Err(MatchError::TooMany { what, limit });
    }
    Ok(())
}
