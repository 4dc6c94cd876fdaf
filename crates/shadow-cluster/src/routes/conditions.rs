//! One match of a rule, of either kind of route: what it compares, and how much work that is.

use gateway_api::apis::standard::grpcroutes::{
    GrpcRouteRulesMatches, GrpcRouteRulesMatchesHeadersType, GrpcRouteRulesMatchesMethod,
    GrpcRouteRulesMatchesMethodType,
};
use gateway_api::apis::standard::httproutes::{
    HttpRouteRulesMatches, HttpRouteRulesMatchesHeadersType, HttpRouteRulesMatchesPathType,
    HttpRouteRulesMatchesQueryParamsType,
};
use serde::Serialize;
use shadow_mirror::matching::{CallMatch, MatchError, PathMatch, Pattern, RequestMatch};

/// One match of a rule.
pub(super) enum Conditions {
    Http(Box<HttpRouteRulesMatches>),
    Grpc(Box<GrpcRouteRulesMatches>),
}

/// The size of a match.
pub(super) struct Size {
    pub headers: usize,
    pub parameters: usize,
    pub expressions: usize,
}

impl Conditions {
    /// How much it compares, which is looked at before anything is compiled.
    pub fn size(&self) -> Size {
        match self {
            Self::Http(found) => Size {
                headers: found.headers.as_ref().map_or(0, Vec::len),
                parameters: found.query_params.as_ref().map_or(0, Vec::len),
                expressions: http_expressions(found),
            },
            Self::Grpc(found) => Size {
                headers: found.headers.as_ref().map_or(0, Vec::len),
                parameters: 0,
                expressions: grpc_expressions(found),
            },
        }
    }

    /// Compiles it.
    pub fn build(&self) -> Result<RequestMatch, MatchError> {
        match self {
            Self::Http(found) => http(found),
            Self::Grpc(found) => grpc(found),
        }
    }
}

fn http_expressions(found: &HttpRouteRulesMatches) -> usize {
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

fn http(found: &HttpRouteRulesMatches) -> Result<RequestMatch, MatchError> {
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

fn grpc_expressions(found: &GrpcRouteRulesMatches) -> usize {
    let names = found.method.iter().filter(|call| is_expression(call));
    let names = names.flat_map(|call| [&call.service, &call.method]).flatten();
    let headers = found.headers.iter().flatten();
    let headers =
        headers.filter(|header| header.r#type == Some(GrpcRouteRulesMatchesHeadersType::RegularExpression));
    names.count() + headers.count()
}

fn grpc(found: &GrpcRouteRulesMatches) -> Result<RequestMatch, MatchError> {
    let call = match &found.method {
        None => CallMatch::any(),
        Some(call) => {
            let service = call.service.as_deref().unwrap_or_default();
            let method = call.method.as_deref().unwrap_or_default();
            if is_expression(call) {
                CallMatch::regex(service, method)?
            } else {
                CallMatch::exact(service, method)
            }
        }
    };
    let mut built = RequestMatch::new(PathMatch::Call(call));
    for header in found.headers.iter().flatten() {
        let regex = header.r#type == Some(GrpcRouteRulesMatchesHeadersType::RegularExpression);
        built = built.with_header(&header.name, pattern(&header.value, regex)?);
    }
    Ok(built)
}

fn is_expression(call: &GrpcRouteRulesMatchesMethod) -> bool {
    call.r#type == Some(GrpcRouteRulesMatchesMethodType::RegularExpression)
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
