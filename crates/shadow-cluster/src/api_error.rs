//! Errors of the Kubernetes API, in words that lead out of it.

use std::error::Error;

/// Why the API could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// One of a few words, for metrics.
    pub reason: &'static str,
    /// A description of what happened.
    pub words: String,
}

impl Trouble {
    /// Explains what an error of the client means.
    pub fn of(error: &kube::Error) -> Self {
        let (reason, words) = match error {
            kube::Error::Api(status) => (reason_of(status.code), answered(status)),
            kube::Error::SerdeError(_)
            | kube::Error::FromUtf8(_)
            | kube::Error::LinesCodecMaxLineLengthExceeded => (
                "malformed",
                format!("cannot parse its response: {}", innermost(error)),
            ),
            _ => ("unreachable", innermost(error)),
        };
        Self {
            reason,
            words: one_line(&words),
        }
    }

    /// Whether the cluster does not know the resource (a custom resource that is not installed).
    pub fn is_unknown_resource(&self) -> bool {
        self.reason == "not_found"
    }

    /// Whether there was an answer, of whatever kind.
    pub fn is_answer(&self) -> bool {
        self.reason != "unreachable"
    }
}

/// Longest message kept, in bytes: what a server says is shown on pages and in logs.
const MAX_WORDS: usize = 400;

fn reason_of(code: u16) -> &'static str {
    match code {
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not_found",
        409 => "conflict",
        410 => "expired",
        429 => "throttled",
        500.. => "server_error",
        _ => "refused",
    }
}

/// Says what the server has answered: its own words, with the number of the status where they do not have it. An API that
/// is starting answers in plain text (`404 page not found`), a proxy in front of it with a page.
fn answered(status: &kube::core::Status) -> String {
    let code = status.code.to_string();
    let words = status.message.trim();
    let usual = http::StatusCode::from_u16(status.code).ok();
    let usual = usual.and_then(|code| code.canonical_reason()).unwrap_or("error");
    match words {
        "" => format!("the API responds {code} {usual}"),
        page if page.starts_with('<') => format!("the API responds {code} {usual}, with a page"),
        words if words.starts_with(&code) => format!("the API responds {words}"),
        words => words.to_owned(),
    }
}

/// The innermost cause, which says most. What is around it names the client's own layers.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// `words` on one line of bounded length.
fn one_line(words: &str) -> String {
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    line.truncate(line.floor_char_boundary(MAX_WORDS));
    line
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16, message: &str, reason: &str) -> Trouble {
        let status = Status::failure(message, reason).with_code(code);
        Trouble::of(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn an_answer_is_told_in_the_servers_words() {
        let refusal = "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\" in API group \
                       \"\" at the cluster scope";
        let forbidden = answer(403, refusal, "Forbidden");
        assert_eq!(
            (forbidden.reason, forbidden.words.as_str()),
            ("forbidden", refusal)
        );
        // What kube makes of an answer that is no Status.
        let text = answer(404, "404 page not found\n", "Failed to parse error data");
        assert_eq!(
            (text.reason, text.words.as_str()),
            ("not_found", "the API responds 404 page not found")
        );
        let page = answer(
            502,
            "<html><body>Bad Gateway</body></html>",
            "Failed to parse error data",
        );
        assert_eq!(
            (page.reason, page.words.as_str()),
            ("server_error", "the API responds 502 Bad Gateway, with a page")
        );
        assert_eq!(
            answer(503, "", "").words,
            "the API responds 503 Service Unavailable"
        );
        assert_eq!(answer(999, "", "").words, "the API responds 999 error");
    }

    #[test]
    fn an_api_that_cannot_be_reached_is_told_by_the_innermost_cause() {
        let refused = std::io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let error = kube::Error::Service(Box::new(std::io::Error::other(refused)));
        let trouble = Trouble::of(&error);
        assert_eq!(trouble.reason, "unreachable");
        assert_eq!(trouble.words, "Connection refused (os error 111)");
        assert!(!trouble.is_answer());
    }

    #[test]
    fn what_a_server_says_is_one_line_of_bounded_length() {
        let words = answer(500, &"a\nb\u{e9} ".repeat(400), "").words;
        assert!(
            words.len() <= MAX_WORDS && words.starts_with("a b\u{e9} a b"),
            "{words}"
        );
    }
}
