//! The operation that a request of GraphQL is for (GraphQL of October 2021, section 2; GraphQL over HTTP, sections 5 and 6).
//!
//! All operations of a service have one URL, so they are told apart by their names. As much of a document is read as says which
//! operations it has: whoever sends requests writes it, so it is read once, from left to right, and nothing is kept but a name.
//! A list of requests, as clients send those of one moment, is for the operations that are asked for in it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::form;

/// The word that stands for an operation without a name.
pub const ANONYMOUS: &str = "anonymous";
/// Stands between the names of several operations.
pub const BETWEEN: char = ',';
/// Most requests of a list.
const MAX_LIST: usize = 64;
/// Keywords that operations begin with (section 2.3).
const OPERATIONS: [&str; 3] = ["query", "mutation", "subscription"];

/// The members of a request's body, or the parameters of its query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    query: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    operation_name: Option<Cow<'a, str>>,
    #[serde(default)]
    variables: Option<IgnoredAny>,
    #[serde(default)]
    extensions: Option<IgnoredAny>,
    #[serde(default)]
    document_id: Option<IgnoredAny>,
}

impl Request<'_> {
    /// The name of the operation; `None` where this is no request of GraphQL.
    fn operation(&self) -> Option<String> {
        let named = self.operation_name.as_deref().filter(|name| is_name(name));
        match &self.query {
            Some(document) => operation(document, named),
            // A document that the server has already has an id, or a hash among the extensions.
            None if self.variables.is_some() || self.extensions.is_some() || self.document_id.is_some() => {
                named.map(str::to_owned)
            }
            None => None,
        }
    }
}

/// A list of requests, no longer than [`MAX_LIST`].
struct List<'a>(Vec<Request<'a>>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Requests;
        impl<'de> Visitor<'de> for Requests {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut requests = Vec::new();
                while let Some(request) = list.next_element()? {
                    if requests.len() >= MAX_LIST {
                        return Err(A::Error::custom("too many requests"));
                    }
                    requests.push(request);
                }
                Ok(List(requests))
            }
        }
        deserializer.deserialize_seq(Requests)
    }
}

impl List<'_> {
    /// The names of its operations in alphabetical order, each once; `None` where one of its requests is none of GraphQL.
    fn operations(&self) -> Option<String> {
        let names: BTreeSet<String> = self.0.iter().map(Request::operation).collect::<Option<_>>()?;
        let names: Vec<String> = names.into_iter().collect();
        (!names.is_empty()).then(|| names.join(&String::from(BETWEEN)))
    }
}

/// The operation that the body of a `POST` with JSON asks for, or the operations of a list of requests, with [`BETWEEN`] between their
/// names; `None` where it is none of GraphQL.
pub fn of_json(body: &str) -> Option<String> {
    let words = [&b"\"query\""[..], b"\"operationName\""];
    let has_word = words
        .iter()
        .any(|word| memchr::memmem::find(body.as_bytes(), word).is_some());
    if !has_word {
        return None;
    }
    match body.trim_ascii_start().as_bytes().first()? {
        b'{' => serde_json::from_str::<Request<'_>>(body).ok()?.operation(),
        b'[' => serde_json::from_str::<List<'_>>(body).ok()?.operations(),
        _ => None,
    }
}

/// The operation that the query of a `GET` asks for; `None` where it is none of GraphQL. `query`: what stands behind `?`.
pub fn of_query(query: &str) -> Option<String> {
    let mut request = Request::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "query" => request.query = Some(form::decoded(value).into()),
            "operationName" => request.operation_name = Some(form::decoded(value).into()),
            "variables" => request.variables = Some(IgnoredAny),
            "extensions" => request.extensions = Some(IgnoredAny),
            "documentId" => request.document_id = Some(IgnoredAny),
            _ => {}
        }
    }
    request.operation()
}

/// The operation of a document that is run: the one that is named, or its only one. [`ANONYMOUS`] where that has no name, or nobody
/// says which; `None` where the text is no document with an operation.
pub fn operation(document: &str, named: Option<&str>) -> Option<String> {
    let (first, count) = operations(document)?;
    let only = if count == 1 { first } else { None };
    Some(named.or(only).unwrap_or(ANONYMOUS).to_owned())
}

/// The name of the first operation of a document, and how many it has; `None` where the text is no document with one.
fn operations(document: &str) -> Option<(Option<&str>, usize)> {
    let mut scanner = Scanner {
        rest: document.strip_prefix('\u{feff}').unwrap_or(document),
    };
    let (mut first, mut count) = (None, 0);
    while let Some(token) = scanner.next().ok()? {
        let name = match token {
            Token::Mark('{') => {
                scanner.selection()?;
                None
            }
            Token::Name("fragment") => {
                scanner.head(None)?;
                continue;
            }
            Token::Name(keyword) if OPERATIONS.contains(&keyword) => match scanner.next().ok()?? {
                Token::Name(name) => {
                    scanner.head(None)?;
                    Some(name)
                }
                token => {
                    scanner.head(Some(token))?;
                    None
                }
            },
            _ => return None,
        };
        if count == 0 {
            first = name;
        }
        count += 1;
    }
    (count > 0).then_some((first, count))
}

/// Whether a text is a name (section 2.1.9).
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(begins_name) && bytes.all(continues_name)
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// A lexical token (section 2.1.6), as far as operations are told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Name(&'a str),
    Text,
    /// Any other character: a punctuator, or one of a number.
    Mark(char),
}

/// A string that does not end.
struct Endless;

/// Reads a document from left to right.
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// The next token; `None` at the end.
    fn next(&mut self) -> Result<Option<Token<'a>>, Endless> {
        self.pass_ignored();
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        if first == '"' {
            self.pass_string()?;
            return Ok(Some(Token::Text));
        }
        if u8::try_from(first).is_ok_and(begins_name) {
            let length = self.rest.bytes().take_while(|byte| continues_name(*byte)).count();
            let (name, rest) = self.rest.split_at(length);
            self.rest = rest;
            return Ok(Some(Token::Name(name)));
        }
        self.rest = &self.rest[first.len_utf8()..];
        Ok(Some(Token::Mark(first)))
    }

    /// Passes over white space, commas and comments (sections 2.1.1 to 2.1.5).
    fn pass_ignored(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = memchr::memchr2(b'\n', b'\r', self.rest.as_bytes());
            self.rest = &self.rest[end.unwrap_or(self.rest.len())..];
        }
    }

    /// Passes over a string, which is here (section 2.9.4).
    fn pass_string(&mut self) -> Result<(), Endless> {
        let bytes = self.rest.as_bytes();
        let block = bytes.starts_with(b"\"\"\"");
        let mut at = if block { 3 } else { 1 };
        loop {
            let rest = &bytes[at.min(bytes.len())..];
            at += match rest.first() {
                None => return Err(Endless),
                Some(b'\\') if block && rest.starts_with(b"\\\"\"\"") => 4,
                Some(b'\\') if !block => 2,
                Some(b'"') if block && rest.starts_with(b"\"\"\"") => {
                    at += 3;
                    break;
                }
                Some(b'"') if !block => {
                    at += 1;
                    break;
                }
                Some(b'\n' | b'\r') if !block => return Err(Endless),
                Some(_) => 1,
            };
        }
        // Behind a quote, which no other character has a byte of.
        self.rest = self.rest.get(at..).ok_or(Endless)?;
        Ok(())
    }

    /// Passes over what stands between the name of an operation or fragment and its selections, and over these. `first`: a token of it
    /// that was read already.
    fn head(&mut self, first: Option<Token<'a>>) -> Option<()> {
        let mut next = first;
        loop {
            let token = match next.take() {
                Some(token) => token,
                None => self.next().ok()??,
            };
            match token {
                Token::Mark('{') => return self.selection(),
                Token::Mark('(') => self.arguments()?,
                Token::Name(_) | Token::Mark('@') => {}
                Token::Text | Token::Mark(_) => return None,
            }
        }
    }

    /// Passes over selections, behind their `{`. Nothing else looks like them: neither JSON nor other languages of queries.
    fn selection(&mut self) -> Option<()> {
        let (mut depth, mut is_empty) = (1_usize, true);
        while depth > 0 {
            match self.next().ok()?? {
                Token::Mark('{') if !is_empty => {
                    depth += 1;
                    is_empty = true;
                }
                Token::Mark('}') if !is_empty => depth -= 1,
                Token::Mark('(') if !is_empty => self.arguments()?,
                Token::Name(_) => is_empty = false,
                Token::Mark(':' | '@' | '.') => {}
                Token::Text | Token::Mark(_) => return None,
            }
        }
        Some(())
    }

    /// Passes over arguments or variables, behind their `(`.
    fn arguments(&mut self) -> Option<()> {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next().ok()?? {
                Token::Mark('(' | '[' | '{') => depth += 1,
                Token::Mark(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
