//! Character classes: `[a-z]`, `\d`, `[[:alpha:]]`, `\p{Greek}`.

use std::fmt::Write as _;

use super::scanner::{Flags, Rest, escape};

/// `\d`, `\s` and `\w`, which are about ASCII; `\s` has no vertical tab.
const PERL: [(char, &str); 3] = [('d', "0-9"), ('s', r"\t\n\x0c\r "), ('w', "0-9A-Za-z_")];

/// The classes of POSIX.
const POSIX: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", r"\x00-\x7f"),
    ("blank", r"\t "),
    ("cntrl", r"\x00-\x1f\x7f"),
    ("digit", "0-9"),
    ("graph", "!-~"),
    ("lower", "a-z"),
    ("print", " -~"),
    ("punct", r"!-/:-@\[-`\{-\x7e"),
    ("space", r"\t\n\x0b\x0c\r "),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// A class in brackets, of which `rest` begins behind the first.
pub(super) fn bracketed(rest: &mut Rest<'_>, flags: Flags) -> Result<String, String> {
    let mut class = String::from(if rest.take("^") { "[^" } else { "[" });
    let mut first = true;
    while first || !rest.take("]") {
        first = false;
        if rest.is_empty() {
            return Err("missing closing ]".to_owned());
        }
        if let Some(posix) = posix(rest)? {
            class.push_str(&posix);
        } else if let Some(named) = named(rest)? {
            class.push_str(&named);
        } else {
            let low = character(rest)?;
            let mut high = low;
            // [a-] means (a|-).
            if rest.text().starts_with('-') && rest.text().len() > 1 && !rest.text().starts_with("-]") {
                rest.take("-");
                high = character(rest)?;
            }
            if high < low {
                return Err(format!("the range {low:?} to {high:?} has no characters"));
            }
            // Writing to a string cannot fail.
            let _ = write!(class, r"\x{{{:x}}}-\x{{{:x}}}", u32::from(low), u32::from(high));
        }
    }
    class.push(']');
    Ok(flags.folded(&class))
}

/// A class that an escape names: `\d`, `\pN`, `\p{^Greek}`; also within brackets.
pub(super) fn named(rest: &mut Rest<'_>) -> Result<Option<String>, String> {
    let mut chars = rest.text().chars();
    if chars.next() != Some('\\') {
        return Ok(None);
    }
    let Some(letter) = chars.next() else {
        return Ok(None);
    };
    let lower = letter.to_ascii_lowercase();
    if let Some((_, members)) = PERL.iter().find(|(name, _)| *name == lower) {
        rest.skip(2);
        return Ok(Some(of(members, letter == lower)));
    }
    if lower != 'p' {
        return Ok(None);
    }
    rest.skip(2);
    let name = match rest.next().ok_or("the class behind \\p has no name")? {
        '{' => {
            let (name, behind) = rest
                .text()
                .split_once('}')
                .ok_or("the } of a \\p{...} is missing")?;
            rest.set(behind);
            name.to_owned()
        }
        other => other.to_string(),
    };
    let (name, negated) = match name.strip_prefix('^') {
        Some(name) => (name, letter == 'p'),
        None => (name.as_str(), letter == 'P'),
    };
    // `regex` knows more forms, such as sc=Greek.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(plain) {
        return Err(format!("there is no class of characters called {name:?}"));
    }
    // No text has surrogates, and so `regex` does not know them.
    if matches!(loose(name).as_str(), "cs" | "surrogate") {
        return Ok(Some(of(r"\x00-\x{10ffff}", negated)));
    }
    let letter = if negated { 'P' } else { 'p' };
    Ok(Some(format!(r"\{letter}{{{name}}}")))
}

/// The name of a class as Unicode compares them (UAX #44, section 5.9.3).
fn loose(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn posix(rest: &mut Rest<'_>) -> Result<Option<String>, String> {
    let Some((name, behind)) = rest
        .text()
        .strip_prefix("[:")
        .and_then(|text| text.split_once(":]"))
    else {
        return Ok(None);
    };
    let (plain, positive) = match name.strip_prefix('^') {
        Some(name) => (name, false),
        None => (name, true),
    };
    let (_, members) = POSIX
        .iter()
        .find(|(of, _)| *of == plain)
        .ok_or_else(|| format!("there is no class [:{name}:]"))?;
    rest.set(behind);
    Ok(Some(of(members, positive)))
}

fn of(members: &str, positive: bool) -> String {
    format!("[{}{members}]", if positive { "" } else { "^" })
}

/// One character of a class.
fn character(rest: &mut Rest<'_>) -> Result<char, String> {
    if rest.text().starts_with('\\') {
        return escape(rest);
    }
    rest.next().ok_or_else(|| "missing closing ]".to_owned())
}
