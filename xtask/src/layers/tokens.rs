//! Words and signs of a Rust source, without its comments, each with its line. No more of the language than it takes to
//! find paths in it.

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Counted from 1.
    pub line: usize,
    /// Which it is.
    pub kind: Kind,
}

/// Kinds of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// The content of a literal in quotes, as written.
    Text(String),
    /// `::`.
    Colons,
    /// Any other sign.
    Sign(char),
}

/// The tokens of a source that compiles.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        tokens: Vec::new(),
    };
    while let Some(next) = reader.rest.chars().next() {
        reader.token(next);
    }
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl<'a> Reader<'a> {
    fn token(&mut self, next: char) {
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.take(block_comment(self.rest));
        } else if let Some(hashes) = raw_string(self.rest) {
            let start = self.rest.find('"').map_or(self.rest.len(), |quote| quote + 1);
            self.take(start);
            let end = format!("\"{}", "#".repeat(hashes));
            let length = self.rest.find(&end).unwrap_or(self.rest.len());
            self.push(Kind::Text(self.rest[..length].to_owned()));
            self.take((length + end.len()).min(self.rest.len()));
        } else if next == '"' {
            self.take(1);
            let length = quoted(self.rest);
            self.push(Kind::Text(self.rest[..length].to_owned()));
            self.take((length + 1).min(self.rest.len()));
        } else if next == '\'' {
            self.take(character(self.rest));
        } else if is_word(next) {
            let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
            let word = self.rest[..length].to_owned();
            // The letter before a byte string or a byte is part of it, and nobody's name.
            if !(word == "b" || word == "c") || !self.rest[length..].starts_with(['"', '\'']) {
                self.push(Kind::Word(word));
            }
            self.take(length);
        } else if self.rest.starts_with("::") {
            self.push(Kind::Colons);
            self.take(2);
        } else {
            if !next.is_whitespace() {
                self.push(Kind::Sign(next));
            }
            self.take(next.len_utf8());
        }
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token {
            line: self.line,
            kind,
        });
    }

    fn take(&mut self, length: usize) {
        let (taken, rest): (&'a str, &'a str) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The number of hashes of the raw string that begins here, if one does.
fn raw_string(text: &str) -> Option<usize> {
    let after = ["r", "br", "cr"].iter().find_map(|prefix| {
        text.strip_prefix(prefix)
            .filter(|rest| rest.starts_with(['"', '#']))
    })?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// The length of what stands before the closing quote.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of the character, or of the quote of the lifetime, that begins here.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let escaped = chars.next().map_or(text.len(), |(at, c)| at + c.len_utf8());
            text[escaped..]
                .find('\'')
                .map_or(text.len(), |end| escaped + end + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let words = tokens(source).into_iter().map(|token| match token.kind {
            Kind::Word(word) => word,
            Kind::Text(text) => format!("\"{text}\""),
            Kind::Colons => "::".to_owned(),
            Kind::Sign(sign) => sign.to_string(),
        });
        words.collect()
    }

    #[test]
    fn words_and_signs_come_with_their_lines() {
        let tokens = tokens("use crate::tcp;\n\nfn f() {}\n");
        let lines: Vec<usize> = tokens.iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3]);
        assert_eq!(words("use crate::tcp;"), ["use", "crate", "::", "tcp", ";"]);
    }

    #[test]
    fn comments_are_left_out() {
        assert_eq!(words("a // crate::b\n/* c /* d */ e */ f"), ["a", "f"]);
    }

    #[test]
    fn what_is_in_quotes_is_one_text() {
        assert_eq!(
            words("a \"crate::b \\\" c\" d"),
            ["a", "\"crate::b \\\" c\"", "d"]
        );
        assert_eq!(words("r#\"say \"crate\"\"# d"), ["\"say \"crate\"\"", "d"]);
        assert_eq!(words("b\"x\" d"), ["\"x\"", "d"]);
    }

    #[test]
    fn characters_are_told_from_lifetimes() {
        assert_eq!(words(r"'a' '\'' '\u{1F600}' b'{' x"), ["x"]);
        assert_eq!(words("&'a str"), ["&", "a", "str"]);
        assert_eq!(words("<'_>"), ["<", "_", ">"]);
    }
}
