//! What can be wrong with the Kubernetes API, in words that lead out of it.

/// Why the API could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One of a few words, for metrics.
    pub reason: &'static str,
    /// What happened.
    pub words: String,
}

impl Trouble {
    /// What an error of the client means.
    pub fn of(error: &kube::Error) -> Self {
        let reason = match error {
            kube::Error::Api(status) => match status.code {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                409 => "conflict",
                410 => "expired",
                429 => "throttled",
                500.. => "server_error",
                _ => "refused",
            },
            kube::Error::SerdeError(_)
            | kube::Error::FromUtf8(_)
            | kube::Error::LinesCodecMaxLineLengthExceeded => "malformed",
            _ => "unreachable",
        };
        let mut words = error.to_string();
        // The innermost cause says most.
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !words.contains(&text) {
                words = format!("{words}: {text}");
            }
            source = cause.source();
        }
        // What a server says is shown on pages and in logs.
        words.truncate(words.floor_char_boundary(MAX_WORDS));
        Self { reason, words }
    }

    /// Whether the cluster does not know the resource (a custom resource that is not installed).
    pub fn is_unknown_resource(&self) -> bool {
        self.reason == "not_found"
    }
}

/// Longest message kept, in bytes.
const MAX_WORDS: usize = 400;
