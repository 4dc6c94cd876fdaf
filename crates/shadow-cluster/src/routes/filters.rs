//! The filters of a rule, or of one of its `backendRefs`, as far as they matter to a copy.

use gateway_api::apis::standard::httproutes::{
    HttpRouteRulesBackendRefsFilters, HttpRouteRulesFilters, HttpRouteRulesFiltersRequestHeaderModifier,
    HttpRouteRulesFiltersRequestMirror, HttpRouteRulesFiltersType, HttpRouteRulesFiltersUrlRewrite,
    HttpRouteRulesFiltersUrlRewritePathType,
};
use shadow_mirror::{Edit, Share};

use super::backend::Reference;
use super::kind::Origin;
use super::spec::as_http;

/// Most filters in one list; the API allows 16.
pub const MAX_FILTERS: usize = 64;

/// The effect of one filter.
pub(super) enum Filter {
    /// Sends a copy.
    Mirror(Box<Mirror>),
    /// Changes the request.
    Edit(Vec<Edit>),
    /// Changes its path or host, in particular.
    Rewrite(Vec<Edit>),
    /// Is about something that a copy does not have, like the response.
    Other,
}

/// A `RequestMirror` filter.
pub(super) struct Mirror {
    filter: HttpRouteRulesFiltersRequestMirror,
    pub share: Share,
}

impl Mirror {
    /// Where copies go, for the route `from`.
    pub fn reference<'a>(&'a self, from: Origin<'a>) -> Reference<'a> {
        let backend = &self.filter.backend_ref;
        Reference::new(
            from,
            backend.group.as_deref(),
            backend.kind.as_deref(),
            backend.namespace.as_deref(),
            &backend.name,
            backend.port,
        )
    }
}

/// Reads what the filters of a rule do, in their order. The error is a sentence.
pub(super) fn of_rule(filters: &[HttpRouteRulesFilters]) -> Result<Vec<Filter>, String> {
    if filters.len() > MAX_FILTERS {
        return Err(format!("there are more than {MAX_FILTERS} filters in a list"));
    }
    filters.iter().map(filter).collect()
}

/// Reads what the filters of a `backendRef` do. They have the schema of those of a rule, and types of their own.
pub(super) fn of_backend(
    filters: Option<&[HttpRouteRulesBackendRefsFilters]>,
) -> Result<Vec<Filter>, String> {
    let filters: Vec<HttpRouteRulesFilters> =
        as_http(filters.unwrap_or_default()).map_err(|error| error.to_string())?;
    of_rule(&filters)
}

fn filter(filter: &HttpRouteRulesFilters) -> Result<Filter, String> {
    let missing = |what: &str| format!("a filter of type {what} has no {what} configuration");
    Ok(match filter.r#type {
        HttpRouteRulesFiltersType::RequestMirror => {
            let mirror = filter.request_mirror.as_ref();
            let mirror = mirror.ok_or_else(|| missing("RequestMirror"))?;
            Filter::Mirror(Box::new(Mirror {
                share: share(mirror)?,
                filter: mirror.clone(),
            }))
        }
        HttpRouteRulesFiltersType::RequestHeaderModifier => {
            let modifier = filter.request_header_modifier.as_ref();
            Filter::Edit(header_edits(
                modifier.ok_or_else(|| missing("RequestHeaderModifier"))?,
            ))
        }
        HttpRouteRulesFiltersType::UrlRewrite => {
            let rewrite = filter.url_rewrite.as_ref();
            Filter::Rewrite(url_edits(rewrite.ok_or_else(|| missing("URLRewrite"))?)?)
        }
        HttpRouteRulesFiltersType::ResponseHeaderModifier
        | HttpRouteRulesFiltersType::RequestRedirect
        | HttpRouteRulesFiltersType::ExtensionRef
        | HttpRouteRulesFiltersType::Cors => Filter::Other,
    })
}

fn share(mirror: &HttpRouteRulesFiltersRequestMirror) -> Result<Share, String> {
    match (mirror.percent, &mirror.fraction) {
        (None, None) => Ok(Share::ALL),
        (Some(_), Some(_)) => {
            Err("a RequestMirror has both percent and fraction: only one may be set".to_owned())
        }
        (Some(percent), None) => match u32::try_from(percent) {
            Ok(percent @ 0..=100) => Ok(Share::percent(percent)),
            _ => Err(format!(
                "the percent {percent} of a RequestMirror is not 0 to 100"
            )),
        },
        (None, Some(fraction)) => {
            let (numerator, denominator) = (fraction.numerator, fraction.denominator.unwrap_or(100));
            u32::try_from(numerator)
                .ok()
                .zip(u32::try_from(denominator).ok())
                .and_then(|(numerator, denominator)| Share::fraction(numerator, denominator))
                .ok_or_else(|| {
                    format!("the fraction {numerator}/{denominator} of a RequestMirror is invalid")
                })
        }
    }
}

/// Removes, then sets, then adds: a name that is removed and set has the value that is set. Of several entries
/// in one list for a name, the first counts.
fn header_edits(modifier: &HttpRouteRulesFiltersRequestHeaderModifier) -> Vec<Edit> {
    let remove = modifier.remove.iter().flatten();
    let set = modifier.set.iter().flatten();
    let set = set.map(|header| (header.name.clone(), header.value.clone()));
    let add = modifier.add.iter().flatten();
    let add = add.map(|header| (header.name.clone(), header.value.clone()));
    remove
        .map(|name| Edit::RemoveHeader(name.clone()))
        .chain(first_of_each(set).map(|(name, value)| Edit::SetHeader { name, value }))
        .chain(first_of_each(add).map(|(name, value)| Edit::AddHeader { name, value }))
        .collect()
}

fn first_of_each(headers: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, String)> {
    let mut seen = std::collections::HashSet::new();
    headers.filter(move |(name, _)| seen.insert(name.to_ascii_lowercase()))
}

fn url_edits(rewrite: &HttpRouteRulesFiltersUrlRewrite) -> Result<Vec<Edit>, String> {
    let mut edits: Vec<_> = rewrite.hostname.iter().cloned().map(Edit::Hostname).collect();
    if let Some(path) = &rewrite.path {
        let missing = |what: &str| format!("a URLRewrite of type {what} has no {what}");
        edits.push(match path.r#type {
            HttpRouteRulesFiltersUrlRewritePathType::ReplaceFullPath => {
                let full = path.replace_full_path.clone();
                Edit::FullPath(full.ok_or_else(|| missing("replaceFullPath"))?)
            }
            HttpRouteRulesFiltersUrlRewritePathType::ReplacePrefixMatch => {
                let prefix = path.replace_prefix_match.clone();
                Edit::PrefixMatch(prefix.ok_or_else(|| missing("replacePrefixMatch"))?)
            }
        });
    }
    Ok(edits)
}
