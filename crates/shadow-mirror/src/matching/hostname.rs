//! Hostnames of a route as Gateway API has them: `www.example.com`, or `*.example.com` for every name below it.

/// One of a route's hostnames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname {
    /// In lower case; of a wildcard what follows the `*`.
    name: Box<str>,
    wildcard: bool,
}

impl Hostname {
    /// A name, or `*.` and a name. The API server has checked its form.
    pub fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => Self {
                name: suffix.into(),
                wildcard: true,
            },
            _ => Self {
                name: name.into(),
                wildcard: false,
            },
        }
    }

    /// Whether `host`, without port and in any case, is meant. `*.example.com` means `a.b.example.com` too, but
    /// not `example.com`.
    pub fn matches(&self, host: &[u8]) -> bool {
        let name = self.name.as_bytes();
        if !self.wildcard {
            return host.eq_ignore_ascii_case(name);
        }
        host.len() > name.len() && host[host.len() - name.len()..].eq_ignore_ascii_case(name)
    }
}
