//! From Go's syntax (that of its package `regexp/syntax` with the flags of `regexp.Compile`, which is RE2's without `\C`) to
//! that of the `regex` crate.
//!
//! Go's syntax is read as Go reads it; everything is then written in a form about which the two agree: characters as
//! `\x{61}`, classes by their members, and each character, class and anchor with the flags in force at its place.

use super::class;
use super::scanner::{Flags, Rest, escape};

/// Deepest nesting of groups. Go allows 1,000 levels; more than this is no expression that somebody wrote.
pub(super) const MAX_DEPTH: u32 = 250;
/// `\B` about ASCII is true inside of a character, too, and a match that begins there hides others. The first part is true
/// between characters alone.
const NO_BOUNDARY: &str = r"(?:(?:\b|\B)(?-u:\B))";
/// Most repetitions of one thing, as in RE2.
const MAX_REPEAT: u32 = 1000;

/// An expression in the other syntax.
pub(super) struct Parsed {
    /// The translation.
    pub regex: String,
    /// Names of its groups, from the first on.
    pub names: Vec<Option<Box<str>>>,
}

/// A group that is open.
struct Group {
    /// Those before it.
    flags: Flags,
    /// Where it begins in the translation.
    start: usize,
}

struct Parser {
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    names: Vec<Option<Box<str>>>,
    /// Where what a repetition would be about begins in the translation.
    last: Option<usize>,
}

/// Translates an expression; or says what is wrong with it.
pub(super) fn parse(source: &str) -> Result<Parsed, String> {
    let mut parser = Parser {
        out: String::with_capacity(4 * source.len()),
        flags: Flags::default(),
        groups: Vec::new(),
        names: Vec::new(),
        last: None,
    };
    let mut rest = Rest::new(source);
    let mut after_repetition = false;
    while !rest.is_empty() {
        after_repetition = match parser.repetition(&mut rest)? {
            Some(_) if after_repetition => {
                return Err("a repetition of a repetition: write (?:...) around the first".to_owned());
            }
            Some(operator) => {
                parser.repeat(&operator)?;
                true
            }
            None => {
                parser.one(&mut rest)?;
                false
            }
        };
    }
    if !parser.groups.is_empty() {
        return Err("missing closing )".to_owned());
    }
    Ok(Parsed {
        regex: parser.out,
        names: parser.names,
    })
}

impl Parser {
    /// A repetition, if one is next, as `regex` writes it.
    fn repetition(&self, rest: &mut Rest<'_>) -> Result<Option<String>, String> {
        let mut operator = match rest.text().as_bytes().first() {
            Some(b'*' | b'+' | b'?') => rest.next().into_iter().collect(),
            Some(b'{') => match counted(rest.text()) {
                // As in Go it is no repetition then.
                None => return Ok(None),
                Some((Count { least, most }, behind)) => {
                    rest.set(behind);
                    if least.max(most.unwrap_or(0)) > MAX_REPEAT || most.is_some_and(|most| most < least) {
                        return Err(format!(
                            "a repetition is of at most {MAX_REPEAT}, the lower number first"
                        ));
                    }
                    match most {
                        Some(most) => format!("{{{least},{most}}}"),
                        None => format!("{{{least},}}"),
                    }
                }
            },
            _ => return Ok(None),
        };
        if rest.take("?") != self.flags.ungreedy {
            operator.push('?');
        }
        Ok(Some(operator))
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        let last = self.last.ok_or("a repetition has nothing to repeat")?;
        self.out.insert_str(last, "(?:");
        self.out.push(')');
        self.out.push_str(operator);
        Ok(())
    }

    /// Whatever is next and no repetition.
    fn one(&mut self, rest: &mut Rest<'_>) -> Result<(), String> {
        match rest.text().as_bytes()[0] {
            b'(' => self.open(rest),
            b')' => self.close(rest),
            b'|' => {
                rest.skip(1);
                self.out.push('|');
                self.last = None;
                Ok(())
            }
            b'^' => {
                rest.skip(1);
                self.put(if self.flags.multi_line { "(?m:^)" } else { r"\A" });
                Ok(())
            }
            b'$' => {
                rest.skip(1);
                self.put(if self.flags.multi_line { "(?m:$)" } else { r"\z" });
                Ok(())
            }
            b'.' => {
                rest.skip(1);
                self.put(if self.flags.dot_all { "(?s:.)" } else { r"[^\n]" });
                Ok(())
            }
            b'[' => {
                rest.skip(1);
                let class = class::bracketed(rest, self.flags)?;
                self.put(&class);
                Ok(())
            }
            b'\\' => self.backslash(rest),
            _ => {
                if let Some(c) = rest.next() {
                    self.character(c);
                }
                Ok(())
            }
        }
    }

    fn backslash(&mut self, rest: &mut Rest<'_>) -> Result<(), String> {
        let anchors = [
            (r"\A", r"\A"),
            (r"\z", r"\z"),
            (r"\b", r"(?-u:\b)"),
            (r"\B", NO_BOUNDARY),
        ];
        if let Some((_, anchor)) = anchors.iter().find(|(typed, _)| rest.take(typed)) {
            self.put(anchor);
        } else if rest.take(r"\Q") {
            let (literal, behind) = rest.text().split_once(r"\E").unwrap_or((rest.text(), ""));
            literal.chars().for_each(|c| self.character(c));
            rest.set(behind);
        } else if let Some(class) = class::named(rest)? {
            let class = self.flags.folded(&class);
            self.put(&class);
        } else {
            let c = escape(rest)?;
            self.character(c);
        }
        Ok(())
    }

    fn character(&mut self, c: char) {
        let text = self.flags.folded(&format!(r"\x{{{:x}}}", u32::from(c)));
        self.put(&text);
    }

    /// Something that can be repeated.
    fn put(&mut self, text: &str) {
        self.last = Some(self.out.len());
        self.out.push_str(text);
    }

    fn open(&mut self, rest: &mut Rest<'_>) -> Result<(), String> {
        rest.skip(1);
        if !rest.take("?") {
            self.names.push(None);
            return self.begin("(", self.flags);
        }
        if rest.take("P<") || rest.take("<") {
            let (name, behind) = rest
                .text()
                .split_once('>')
                .ok_or("the > behind a group's name is missing")?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                // So begin look-arounds, too.
                return Err(format!(
                    "(?<{name}> is no group: a name has letters, digits and _; there is no look-around"
                ));
            }
            rest.set(behind);
            self.names.push(Some(name.into()));
            return self.begin("(", self.flags);
        }
        let (flags, is_group) = self.flag_letters(rest)?;
        if is_group {
            return self.begin("(?:", flags);
        }
        self.flags = flags;
        Ok(())
    }

    /// The letters behind `(?`, and whether a group begins behind them.
    fn flag_letters(&self, rest: &mut Rest<'_>) -> Result<(Flags, bool), String> {
        let mut flags = self.flags;
        // After a minus, whether there was a letter since.
        let mut off = None;
        loop {
            let letter = rest.next().ok_or("missing closing )")?;
            let on = off.is_none();
            match letter {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'U' => flags.ungreedy = on,
                '-' if on => {
                    off = Some(false);
                    continue;
                }
                ':' | ')' if off != Some(false) => return Ok((flags, letter == ':')),
                _ => {
                    return Err(format!(
                        "(? before {letter:?} is nothing: there are the flags i, m, s and U, and no look-around"
                    ));
                }
            }
            off = off.map(|_| true);
        }
    }

    fn begin(&mut self, text: &str, flags: Flags) -> Result<(), String> {
        if self.groups.len() >= MAX_DEPTH as usize {
            return Err(format!("groups are nested deeper than {MAX_DEPTH}"));
        }
        self.groups.push(Group {
            flags: self.flags,
            start: self.out.len(),
        });
        self.flags = flags;
        self.out.push_str(text);
        self.last = None;
        Ok(())
    }

    fn close(&mut self, rest: &mut Rest<'_>) -> Result<(), String> {
        rest.skip(1);
        let group = self.groups.pop().ok_or("a ) without a (")?;
        self.out.push(')');
        self.flags = group.flags;
        self.last = Some(group.start);
        Ok(())
    }
}

/// How often something comes.
struct Count {
    least: u32,
    /// `None` where there is no upper bound.
    most: Option<u32>,
}

/// Reads `{n}`, `{n,}` or `{n,m}`, and gives what is behind it; anything else is no repetition.
fn counted(text: &str) -> Option<(Count, &str)> {
    let (inner, behind) = text.strip_prefix('{')?.split_once('}')?;
    let (least, most) = match inner.split_once(',') {
        None => (count(inner)?, Some(count(inner)?)),
        Some((least, "")) => (count(least)?, None),
        Some((least, most)) => (count(least)?, Some(count(most)?)),
    };
    Some((Count { least, most }, behind))
}

/// A number without leading zeros; the largest there is for one that is too long.
fn count(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading = digits.len() > 1 && digits.starts_with('0');
    (plain && !leading).then(|| digits.parse().unwrap_or(u32::MAX))
}
