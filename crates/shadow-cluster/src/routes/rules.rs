//! The matches of a route's rules.

use gateway_api::apis::standard::httproutes::{
    HttpRouteRules, HttpRouteRulesMatches, HttpRouteRulesMatchesHeadersType, HttpRouteRulesMatchesPathType,
    HttpRouteRulesMatchesQueryParamsType,
};
use serde::Serialize;
use shadow_mirror::matching::{
    Hostname, MAX_MATCHES, MAX_RULES, MatchError, PathMatch, Pattern, RequestMatch, RouteMatcher,
};

/// Most headers, and most query parameters, that one match compares; the API allows 16.
pub const MAX_CONDITIONS: usize = 64;

/// Most regular expressions in a route: each takes memory of its own on every thread.
pub const MAX_EXPRESSIONS: usize = 64;

/// A matcher of `rules`.
pub(super) fn matcher(
    hostnames: impl Iterator<Item = Hostname>,
    rules: &[HttpRouteRules],
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
        let matches = rule.matches.as_deref().unwrap_or_default();
        limit(matches.len(), "matches in a rule", MAX_MATCHES)?;
        for found in matches {
            let headers = found.headers.as_deref().unwrap_or_default();
            let parameters = found.query_params.as_deref().unwrap_or_default();
            limit(headers.len(), "headers in a match", MAX_CONDITIONS)?;
            limit(parameters.len(), "query parameters in a match", MAX_CONDITIONS)?;
            expressions += expressions_of(found);
        }
    }
    limit(expressions, "regular expressions", MAX_EXPRESSIONS)?;
    let rules = rules
        .iter()
        .map(|rule| {
            let matches = rule.matches.as_deref().unwrap_or_default();
            matches.iter().map(request_match).collect()
        })
        .collect::<Result<Vec<Vec<_>>, _>>()?;
    RouteMatcher::new(hostnames.collect(), rules)
}

fn expressions_of(found: &HttpRouteRulesMatches) -> usize {
    let path = found.path.as_ref().and_then(|path| path.r#type.as_ref());
    let path = path == Some(&HttpRouteRulesMatchesPathType::RegularExpression);
    let headers = found.headers.iter().flatten();
    let headers =
        headers.filter(|header| header.r#type == Some(HttpRouteRulesMatchesHeadersType::RegularExpression));
    let parameters = found.query_params.iter().flatten();
    let parameters = parameters.filter(|parameter| {
        parameter.r#type == Some(HttpRouteRulesMatchesQueryParamsType::RegularExpression)
    });
    usize::from(path) + headers.count() + parameters.count()
}

fn request_match(found: &HttpRouteRulesMatches) -> Result<RequestMatch, MatchError> {
    let mut built = match &found.path {
        None => RequestMatch::default(),
        Some(path) => {
            let value = path.value.as_deref().unwrap_or("/");
            RequestMatch::new(match path.r#type {
                Some(HttpRouteRulesMatchesPathType::Exact) => PathMatch::exact(value)?,
                None | Some(HttpRouteRulesMatchesPathType::PathPrefix) => PathMatch::prefix(value)?,
                Some(HttpRouteRulesMatchesPathType::RegularExpression) => PathMatch::regex(value)?,
            })
        }
    };
    if let Some(method) = &found.method {
        built = built.with_method(&name_of(method));
    }
    for header in found.headers.iter().flatten() {
        let regex = header.r#type == Some(HttpRouteRulesMatchesHeadersType::RegularExpression);
        built = built.with_header(&header.name, pattern(&header.value, regex)?);
    }
    for parameter in found.query_params.iter().flatten() {
        let regex = parameter.r#type == Some(HttpRouteRulesMatchesQueryParamsType::RegularExpression);
        built = built.with_query(&parameter.name, pattern(&parameter.value, regex)?);
    }
    Ok(built)
}

fn pattern(value: &str, regex: bool) -> Result<Pattern, MatchError> {
    if regex {
        Pattern::regex(value)
    } else {
        Ok(Pattern::Exact(value.into()))
    }
}

/// A method's name as the API spells it.
fn name_of(method: &impl Serialize) -> String {
    match serde_json::to_value(method) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
