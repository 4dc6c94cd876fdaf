//! Values as GoReplay takes them that are none here: numbers in every base, an empty text and a zero that stand for what
//! is so when the flag is left out.

use std::ffi::OsString;

use crate::cli::low::goreplay::{ACCEPTED, REFUSED};
use crate::cli::value::{duration, integer, size};

/// Flags of a text that is empty by default.
const TEXTS: [&str; 6] = [
    "input-raw-bpf-filter",
    "input-raw-realip-header",
    "input-raw-timestamp-type",
    "input-tcp-certificate",
    "input-tcp-certificate-key",
    "middleware",
];

/// Flags of which 0 stands for something else: for that value, or for what is so when the flag is left out.
const ZEROS: [(&str, Option<&str>); 10] = [
    ("copy-buffer-size", None),
    ("input-file-max-wait", None),
    ("input-file-read-depth", Some("1")),
    ("input-raw-buffer-size", None),
    ("input-raw-expire", Some("1s")),
    ("output-file-max-size-limit", None),
    ("output-file-size-limit", None),
    ("output-http-queue-len", None),
    ("output-http-response-buffer", None),
    ("output-http-timeout", Some("1s")),
];

/// The meaning of a flag's value; `None` where the flag is as if it was left out. `is_number`: whether the flag takes
/// an integer.
pub(super) fn meaning(flag: &str, is_number: bool, value: OsString) -> Option<OsString> {
    let Some(text) = value.to_str() else {
        return Some(value);
    };
    if text.is_empty() {
        return (!is_text(flag)).then_some(value);
    }
    if let Some((_, instead)) = ZEROS.iter().find(|(name, _)| *name == flag)
        && is_zero(text)
    {
        return instead.map(OsString::from);
    }
    match integer(text).filter(|_| is_number) {
        Some(number) => Some(number.to_string().into()),
        None => Some(value),
    }
}

fn is_text(flag: &str) -> bool {
    TEXTS.contains(&flag)
        || REFUSED.iter().any(|one| one.flag == flag)
        || ACCEPTED.iter().any(|one| one.flag == flag)
}

fn is_zero(text: &str) -> bool {
    integer(text) == Some(0) || size(text) == Ok(0) || duration(text).is_ok_and(|duration| duration.is_zero())
}
