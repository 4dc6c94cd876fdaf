//! Attributes of a cookie (RFC 6265 section 4.1.1): how it is kept.

/// The attributes of a cookie.
pub(super) struct Attributes {
    /// In one order and spelling. Of `Expires` only that it is there: it is a time from now.
    pub worth: String,
    /// As they were on the wire, but for the value of `Expires`.
    pub shown: String,
}

impl Attributes {
    /// Those that stand behind the cookie's name and value.
    pub fn of<'a>(parts: impl Iterator<Item = &'a str>) -> Self {
        let (mut worth, mut shown) = (Vec::new(), Vec::new());
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (written, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (written.trim().to_ascii_lowercase(), value.trim());
            shown.push(if name == "expires" { written.trim() } else { part });
            worth.push(match name.as_str() {
                "expires" => name,
                "path" => format!("{name}={value}"),
                _ if value.is_empty() => name,
                _ => format!("{name}={}", value.to_ascii_lowercase()),
            });
        }
        worth.retain(|attribute| !attribute.is_empty());
        worth.sort();
        Self {
            worth: worth.join("; "),
            shown: shown.join("; "),
        }
    }
}

/// Attributes as they are shown, in one order and spelling.
pub(super) fn worth(shown: &str) -> String {
    Attributes::of(shown.split(';')).worth
}
