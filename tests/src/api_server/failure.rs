//! The refusals of the server: the `Status` object of the API conventions.

use serde_json::{Value, json};

use super::resource::Resource;

/// Seconds after which a client that was told 429 may come back.
pub(super) const RETRY_AFTER: u64 = 1;

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: Value::Null,
        }
    }

    fn of(mut self, resource: &Resource, name: &str) -> Self {
        self.details = json!({"name": name, "group": resource.group, "kind": resource.plural});
        self
    }

    /// 404: no such object.
    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} {name:?} not found", resource.qualified()),
        )
        .of(resource, name)
    }

    /// 409: there is one already.
    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).of(resource, name)
    }

    /// 409: somebody else was faster, or it is another object by now.
    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).of(resource, name)
    }

    /// 422: understood, and wrong.
    pub(super) fn invalid(resource: &Resource, name: &str, field: &str, why: &str) -> Self {
        let message = format!(
            "{}.{} {name:?} is invalid: {field}: {why}",
            resource.kind, resource.group
        );
        Self::new(422, "Invalid", message).of(resource, name)
    }

    /// 400: not understood.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: the token is not ours.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 405: this cannot be done there.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// 410: the history does not reach that far back.
    pub(super) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    /// 410: the next page of a list that is no longer known.
    pub(super) fn page_expired() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. \
                       You can start a new list without the continue parameter.";
        Self::new(410, "Expired", message)
    }

    /// 413: more than the server reads.
    pub(super) fn too_large() -> Self {
        Self::new(413, "RequestEntityTooLarge", "the request body is too large")
    }

    /// 415: a way to write a patch that is not understood.
    pub(super) fn unsupported_media_type(known: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {known}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// 500: a `resourceVersion` where there can be none yet.
    pub(super) fn version_on_create() -> Self {
        Self::new(
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        )
    }

    /// 504: a `resourceVersion` of the future.
    pub(super) fn too_new(asked: u64, current: u64) -> Self {
        let mut failure = Self::new(
            504,
            "Timeout",
            format!("Too large resource version: {asked}, current: {current}"),
        );
        failure.details = json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        });
        failure
    }

    /// The status that the real server gives with `code` when a request meets with it, for faults.
    pub(super) fn fault(code: u16, verb: &str, resource: &str, group: &str) -> Self {
        let mut failure = match code {
            401 => Self::unauthorized(),
            403 => Self::new(
                403,
                "Forbidden",
                format!(
                    "{resource}{}{group} is forbidden: User \"system:serviceaccount:test:test\" cannot {verb} \
                     resource {resource:?} in API group {group:?} at the cluster scope",
                    if group.is_empty() { "" } else { "." }
                ),
            ),
            410 => Self::new(
                410,
                "Expired",
                "The resourceVersion for the provided watch is too old.",
            ),
            429 => Self::new(
                429,
                "TooManyRequests",
                "too many requests, please try again later",
            ),
            500 => Self::new(500, "InternalError", "Internal error occurred: as the test asked"),
            503 => Self::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => Self::new(504, "Timeout", "the request did not finish in time"),
            _ => Self::new(code, "", "as the test asked"),
        };
        failure.details = json!({"group": group, "kind": resource});
        if code == 429 {
            failure.details["retryAfterSeconds"] = RETRY_AFTER.into();
        }
        failure
    }

    /// The `Status` object.
    pub(super) fn to_json(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
