//! The matches of a route's rules, compiled within limits.

use shadow_mirror::matching::{Hostname, MAX_MATCHES, MAX_RULES, MatchError, RouteMatcher};

use super::spec::Rule;

/// Most headers, and most query parameters, that one match compares; the API allows 16.
pub const MAX_CONDITIONS: usize = 64;

/// Most regular expressions in a route: each takes memory of its own on every thread.
pub const MAX_EXPRESSIONS: usize = 64;

/// A matcher of `rules`.
pub(super) fn matcher(
    hostnames: impl Iterator<Item = Hostname>,
    rules: &[Rule],
) -> Result<RouteMatcher, MatchError> {
    let limit = |count: usize, what, limit| {
        if count > limit {
            return Err(MatchError::TooMany { what, limit });
        }
        Ok(())
    };
    // Looked at before anything is compiled.
    limit(rules.len(), "rules", MAX_RULES)?;
    let mut expressions = 0;
    for rule in rules {
        limit(rule.matches.len(), "matches in a rule", MAX_MATCHES)?;
        for found in &rule.matches {
            let size = found.size();
            limit(size.headers, "headers in a match", MAX_CONDITIONS)?;
            limit(size.parameters, "query parameters in a match", MAX_CONDITIONS)?;
            expressions += size.expressions;
        }
    }
    limit(expressions, "regular expressions", MAX_EXPRESSIONS)?;
    let rules = rules
        .iter()
        .map(|rule| {
            rule.matches
                .iter()
                .map(super::conditions::Conditions::build)
                .collect()
        })
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    RouteMatcher::new(hostnames.collect(), rules)
}
