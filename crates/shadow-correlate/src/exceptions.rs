//! Exceptions from correlation that somebody asked for: routes and headers.

/// Neither learned from nor rewritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceptions {
    /// Names of header fields, in lower case.
    headers: Vec<String>,
    /// Paths, without a slash at their end: they and what is below.
    paths: Vec<String>,
}

/// A text that names neither a route nor a header. For the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadException(String);

impl std::fmt::Display for BadException {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:?} is neither a path (/admin) nor a header (header:X-Request-Id)",
            self.0
        )
    }
}

impl std::error::Error for BadException {}

impl Exceptions {
    /// Takes in one: a path (`/admin`: it and what is below), or a header (`header:X-Request-Id`).
    ///
    /// # Errors
    ///
    /// For text that is neither a path nor `header:` with a field name.
    pub fn add(&mut self, text: &str) -> Result<(), BadException> {
        if let Some(path) = text.strip_prefix('/') {
            self.paths.push(format!("/{}", path.trim_end_matches('/')));
            return Ok(());
        }
        match text.strip_prefix("header:") {
            Some(name) if shadow_http::is_token(name.as_bytes()) => {
                self.headers.push(name.to_ascii_lowercase());
                Ok(())
            }
            _ => Err(BadException(text.to_owned())),
        }
    }

    /// Whether the header field called `name` is left out.
    pub fn has_header(&self, name: &[u8]) -> bool {
        self.headers
            .iter()
            .any(|left_out| name.eq_ignore_ascii_case(left_out.as_bytes()))
    }

    /// Whether requests for `path` are left out.
    pub fn has_path(&self, path: &[u8]) -> bool {
        self.paths.iter().any(|left_out| {
            let below = path.strip_prefix(left_out.as_bytes());
            below.is_some_and(|below| below.is_empty() || left_out == "/" || below.starts_with(b"/"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leaves_out_what_is_below() {
        let mut exceptions = Exceptions::default();
        exceptions.add("/admin/").unwrap();
        exceptions.add("header:X-Request-ID").unwrap();
        assert!(exceptions.has_path(b"/admin") && exceptions.has_path(b"/admin/users"));
        assert!(!exceptions.has_path(b"/administration") && !exceptions.has_path(b""));
        assert!(exceptions.has_header(b"x-request-id") && !exceptions.has_header(b"cookie"));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "admin", "header:", "header:a b"] {
            assert!(Exceptions::default().add(text).is_err(), "{text}");
        }
    }
}
