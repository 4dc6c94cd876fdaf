//! The annotations of a route: whether this agent mirrors it at all, and what becomes of the Host of its copies.

use std::collections::BTreeMap;

use shadow_mirror::HostHeader;

/// Whether this agent carries out the route's mirrors: `false` where another controller does.
pub const MIRROR: &str = "shadow-agent.io/mirror";
/// The annotation that says what becomes of the Host: `suffix` (the default, as in Istio), `original` or `backend`.
pub const HOST: &str = "shadow-agent.io/host";
/// The annotation that says what is put on the Host instead of [`DEFAULT_SUFFIX`].
pub const HOST_SUFFIX: &str = "shadow-agent.io/host-suffix";
/// Istio's and Envoy's suffix.
pub const DEFAULT_SUFFIX: &str = "-shadow";

/// Longest suffix: that of a DNS label.
const MAX_SUFFIX: usize = 63;

/// So much of a value that is not understood is shown.
const MAX_SHOWN: usize = 63;

/// Whether `annotations` leave the route to this agent, or what is wrong with what they say.
pub(super) fn is_ours(annotations: &BTreeMap<String, String>) -> Result<bool, String> {
    match annotations.get(MIRROR).map(String::as_str) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => {
            let shown: String = other.chars().take(MAX_SHOWN).collect();
            Err(format!(
                "the annotation {MIRROR} is {shown:?}: it must be \"true\" or \"false\""
            ))
        }
    }
}

/// Reads what `annotations` say about the Host, or what is wrong with them.
pub(super) fn host(annotations: &BTreeMap<String, String>) -> Result<HostHeader, String> {
    let suffix = annotations.get(HOST_SUFFIX);
    let host = match annotations.get(HOST).map(String::as_str) {
        None | Some("suffix") => {
            let suffix = suffix.map_or(DEFAULT_SUFFIX, String::as_str);
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if suffix.is_empty() || suffix.len() > MAX_SUFFIX || !suffix.bytes().all(allowed) {
                let shown: String = suffix.chars().take(MAX_SHOWN).collect();
                return Err(format!(
                    "the annotation {HOST_SUFFIX} is {shown:?}: it must be 1 to {MAX_SUFFIX} letters, digits, '-', '.' or '_'"
                ));
            }
            return Ok(HostHeader::Suffix(suffix.to_owned()));
        }
        Some("original") => HostHeader::Original,
        Some("backend") => HostHeader::Upstream,
        Some(other) => {
            let shown: String = other.chars().take(MAX_SHOWN).collect();
            return Err(format!(
                "the annotation {HOST} is {shown:?}: it must be suffix, original or backend"
            ));
        }
    };
    if suffix.is_some() {
        return Err(format!(
            "the annotation {HOST_SUFFIX} has no effect unless {HOST} is suffix"
        ));
    }
    Ok(host)
}
