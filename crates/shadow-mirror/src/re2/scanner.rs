//! An expression while it is read, and what its parser and its classes read alike.

/// Flags in force.
#[derive(Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Flags {
    /// `i`: case does not matter.
    pub fold: bool,
    /// `m`: `^` and `$` are about lines.
    pub multi_line: bool,
    /// `s`: `.` is also a line feed.
    pub dot_all: bool,
    /// `U`: repetitions are short, and with `?` long.
    pub ungreedy: bool,
}

impl Flags {
    /// The translation of a character or a class, with the case as the flags have it.
    pub fn folded(self, text: &str) -> String {
        if self.fold {
            format!("(?i:{text})")
        } else {
            text.to_owned()
        }
    }
}

/// The part that is still to be read.
pub(super) struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    pub fn new(source: &'a str) -> Self {
        Self(source)
    }

    pub fn text(&self) -> &'a str {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn set(&mut self, rest: &'a str) {
        self.0 = rest;
    }

    /// Goes on behind so many ASCII characters.
    pub fn skip(&mut self, bytes: usize) {
        self.0 = &self.0[bytes..];
    }

    /// Whether `prefix` is next; it is passed then.
    pub fn take(&mut self, prefix: &str) -> bool {
        let rest = self.0.strip_prefix(prefix);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    pub fn next(&mut self) -> Option<char> {
        let next = self.0.chars().next()?;
        self.0 = &self.0[next.len_utf8()..];
        Some(next)
    }
}

/// The character that an escape stands for. `rest` begins with the backslash.
pub(super) fn escape(rest: &mut Rest<'_>) -> Result<char, String> {
    rest.skip(1);
    let letter = rest.next().ok_or("a backslash at the end")?;
    let invalid = |what: &str| Err(format!("there is no escape \\{what}"));
    let number = match letter {
        '0'..='7' => {
            // A digit by itself would be a reference to a group, which there is not.
            let octal = |rest: &Rest<'_>| rest.text().chars().next().and_then(|c| c.to_digit(8));
            if letter != '0' && octal(rest).is_none() {
                return invalid(&letter.to_string());
            }
            let mut number = u32::from(letter) - u32::from('0');
            for _ in 0..2 {
                let Some(digit) = octal(rest) else { break };
                rest.skip(1);
                number = number * 8 + digit;
            }
            number
        }
        'x' => match hexadecimal(rest) {
            Some(number) => number,
            None => return invalid("x without two digits, or digits in braces"),
        },
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => u32::from(c),
        c => return invalid(&c.to_string()),
    };
    char::from_u32(number).ok_or_else(|| format!("there is no character U+{number:X}"))
}

/// Reads what is behind `\x`: two digits, or any number of them in braces.
fn hexadecimal(rest: &mut Rest<'_>) -> Option<u32> {
    let (digits, behind) = match rest.text().strip_prefix('{') {
        Some(text) => text.split_once('}')?,
        None => (rest.text().get(..2)?, rest.text().get(2..)?),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    rest.set(behind);
    u32::from_str_radix(digits.trim_start_matches('0'), 16)
        .ok()
        .or_else(|| digits.bytes().all(|byte| byte == b'0').then_some(0))
}
