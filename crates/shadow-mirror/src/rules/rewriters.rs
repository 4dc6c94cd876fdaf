//! Rewriters of a request: headers and parameters that are set, URLs and headers that are rewritten.

use shadow_http::{is_field_value, is_token};

use super::draft::Draft;
use super::expression::Rewrite;
use super::{Invalid, Unsafe};
use crate::edits::{MAX_VALUE, is_refused};

/// A header's name that may be changed: not one that frames the message or is for one connection alone.
///
/// # Errors
///
/// Where it is none, or one of those.
pub fn header_name(name: &str) -> Result<Box<str>, Invalid> {
    if !is_token(name.as_bytes()) {
        return Err(Invalid(
            "not a header name: write letters, digits and dashes, such as X-Tenant".to_owned(),
        ));
    }
    if is_refused(name) {
        return Err(Invalid(
            "this header is part of the message framing or hop-by-hop, and cannot be changed".to_owned(),
        ));
    }
    Ok(name.into())
}

/// A header that gets another value.
#[derive(Clone, PartialEq, Eq)]
pub struct SetHeader {
    name: Box<str>,
    value: Box<str>,
}

/// The name alone: the value may be a credential.
impl std::fmt::Debug for SetHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetHeader")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SetHeader {
    /// The field has this value alone.
    ///
    /// # Errors
    ///
    /// Where name or value could not stand there.
    pub fn new(name: &str, value: &str) -> Result<Self, Invalid> {
        if value.len() > MAX_VALUE || !is_field_value(value.as_bytes()) {
            return Err(Invalid(format!(
                "the value has a control character or more than {MAX_VALUE} bytes"
            )));
        }
        Ok(Self {
            name: header_name(name)?,
            value: value.into(),
        })
    }

    /// Whether it is the Host.
    pub fn is_host(&self) -> bool {
        self.name.eq_ignore_ascii_case("host")
    }
}

/// A query parameter that gets another value.
#[derive(Clone, PartialEq, Eq)]
pub struct SetParameter {
    name: Box<str>,
    value: Box<str>,
}

/// The name alone: the value may be a credential.
impl std::fmt::Debug for SetParameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetParameter")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl SetParameter {
    /// The parameter has this value alone. Both are put in the target as they are.
    ///
    /// # Errors
    ///
    /// Where name or value could not stand there.
    pub fn new(name: &str, value: &str) -> Result<Self, Invalid> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if name.is_empty() || !name.bytes().chain(value.bytes()).all(plain) || name.contains(['&', '?']) {
            return Err(Invalid(
                "a query parameter has no spaces, '#' or control characters: write them as %20 and the like"
                    .to_owned(),
            ));
        }
        if name.len() + value.len() > MAX_VALUE {
            return Err(Invalid(format!("more than {MAX_VALUE} bytes")));
        }
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }
}

/// A header's values that are rewritten.
#[derive(Clone, Debug, PartialEq)]
pub struct RewriteHeader {
    /// Its name.
    pub name: Box<str>,
    /// How.
    pub rewrite: Rewrite,
}

/// All that is changed by a mirror.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewriters {
    /// Before the filters.
    pub set_headers: Vec<SetHeader>,
    /// Likewise.
    pub set_parameters: Vec<SetParameter>,
    /// Behind filters and limiters. The first whose expression matches the target is the only one.
    pub urls: Vec<Rewrite>,
    /// Last. Each is for itself.
    pub headers: Vec<RewriteHeader>,
}

impl Rewriters {
    /// Sets what is set.
    pub(super) fn set(&self, draft: &mut Draft<'_>) {
        for header in &self.set_headers {
            draft.set_header(&header.name, header.value.as_bytes());
        }
        for parameter in &self.set_parameters {
            draft.set_parameter(&parameter.name, &parameter.value);
        }
    }

    /// Rewrites what is rewritten.
    pub(super) fn rewrite(&self, draft: &mut Draft<'_>) -> Result<(), Unsafe> {
        for rewrite in &self.urls {
            if let Some(target) = rewrite.apply(draft.target())? {
                draft.set_target(target)?;
                break;
            }
        }
        for header in &self.headers {
            if !draft.any(&header.name, |_| true) {
                continue;
            }
            draft.lines().change(&header.name, |value| {
                let value = header.rewrite.apply(value)?;
                match value {
                    Some(value) if !is_field_value(&value) => Err(Unsafe),
                    value => Ok(value),
                }
            })?;
        }
        Ok(())
    }
}
