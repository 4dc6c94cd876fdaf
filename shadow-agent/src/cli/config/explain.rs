//! Errors of the flags' definitions in words about keys, the nearest key to one that is not known, and values as they may
//! be shown.

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::error::Problem;
use crate::cli::low::Arguments;
use crate::cli::upstream::without_userinfo;

/// Longest value shown, in bytes: enough to find it.
const MAX_SHOWN: usize = 200;

/// The key, the value, and what is wrong with it.
pub fn explain(error: &clap::Error) -> (String, String, Problem) {
    let key = context(error, ContextKind::InvalidArg).map_or_else(String::new, |flag| key_of(&flag));
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::ValueValidation => {
            let source = std::error::Error::source(error);
            let words = source.map_or_else(|| "this is not valid".to_owned(), ToString::to_string);
            Problem::new(words, format!("'shadow-agent --help' says what {key} may be"))
        }
        ErrorKind::InvalidValue => {
            let valid = context(error, ContextKind::ValidValue).unwrap_or_default();
            Problem::new("this is not one of its values", format!("write one of: {valid}"))
        }
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg).map_or_else(String::new, |flag| key_of(&flag));
            Problem::new(
                format!("it conflicts with {other}"),
                "remove one of them; a mirror turns off a switch of the top level with = false",
            )
        }
        kind => Problem::new(
            kind.as_str().unwrap_or("this is not valid"),
            "'shadow-agent --help' has all settings",
        ),
    };
    (key, shown(&value), problem)
}

/// The key most like one that is not known, if any is.
pub fn nearest(key: &str) -> Option<String> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if key.len() > MAX_SHOWN || !key.starts_with(char::is_alphabetic) || !key.bytes().all(is_word) {
        return None;
    }
    let error = Arguments::try_parse_from(["shadow-agent", &format!("--{key}")]).err()?;
    context(&error, ContextKind::SuggestedArg).map(|flag| key_of(&flag))
}

/// A value as messages have it: without userinfo, and not too long.
pub fn shown(value: &str) -> String {
    let mut shown = without_userinfo(value);
    shown.truncate(shown.floor_char_boundary(MAX_SHOWN));
    shown
}

/// `--output-http-timeout <DURATION>` as a key.
fn key_of(flag: &str) -> String {
    let name = flag.trim_start_matches("--");
    name.split([' ', '=']).next().unwrap_or(name).to_owned()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found_where_one_is_near() {
        assert_eq!(nearest("output-htp").as_deref(), Some("output-http"));
        assert_eq!(nearest("max_memory").as_deref(), Some("max-memory"));
        for key in ["", "=", "zzzzzzzz", "--", " "] {
            assert_eq!(nearest(key), None, "{key:?}");
        }
    }

    #[test]
    fn a_value_is_shown_without_a_password() {
        assert_eq!(shown("http://me:pass@host"), "***@host");
        assert_eq!(shown(&"\u{e9}".repeat(300)).len(), MAX_SHOWN);
    }
}
