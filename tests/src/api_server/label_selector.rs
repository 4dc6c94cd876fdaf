//! Label selectors, in the grammar of `k8s.io/apimachinery` (`labels.Parse`).

use serde_json::Value;

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    Exists,
    Missing,
    In(Vec<String>),
    /// Also true where the label is missing.
    NotIn(Vec<String>),
    /// Both want a number on either side.
    Greater(i64),
    Less(i64),
}

impl Requirement {
    /// Whether the `metadata.labels` of an object are as it wants.
    pub(super) fn is_met(&self, labels: Option<&Value>) -> bool {
        let value = labels.and_then(|labels| labels.get(&self.key));
        self.operator.matches(value.and_then(Value::as_str))
    }
}

impl Operator {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Missing => value.is_none(),
            Self::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            Self::Greater(than) => number().is_some_and(|number| number > *than),
            Self::Less(than) => number().is_some_and(|number| number < *than),
        }
    }
}

/// Reads a selector; an error says what is wrong with it.
pub(super) fn parse_labels(text: &str) -> Result<Vec<Requirement>, String> {
    let mut tokens = Tokens::of(text);
    let mut requirements = Vec::new();
    if tokens.peek().is_none() {
        return Ok(requirements);
    }
    loop {
        requirements.push(requirement(&mut tokens)?);
        match tokens.next() {
            None => return Ok(requirements),
            Some(",") => {}
            Some(other) => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
}

fn requirement(tokens: &mut Tokens) -> Result<Requirement, String> {
    let missing = tokens.peek() == Some("!");
    if missing {
        tokens.next();
    }
    let key = match tokens.next() {
        Some(key) if !is_symbol(key) => label_key(key)?,
        other => {
            return Err(format!(
                "found '{}', expected: identifier",
                other.unwrap_or_default()
            ));
        }
    };
    let operator = match tokens.peek() {
        None | Some(",") if missing => Operator::Missing,
        None | Some(",") => Operator::Exists,
        _ if missing => return Err(format!("'!{key}' takes no value")),
        _ => operator(tokens)?,
    };
    Ok(Requirement { key, operator })
}

fn operator(tokens: &mut Tokens) -> Result<Operator, String> {
    let operator = tokens.next().unwrap_or_default();
    match operator {
        "=" | "==" => Ok(Operator::In(vec![exact_value(tokens)?])),
        "!=" => Ok(Operator::NotIn(vec![exact_value(tokens)?])),
        "in" => Ok(Operator::In(values(tokens)?)),
        "notin" => Ok(Operator::NotIn(values(tokens)?)),
        ">" | "<" => {
            let value = exact_value(tokens)?;
            let number = value
                .parse()
                .map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer: '{value}'"))?;
            Ok(if operator == ">" {
                Operator::Greater(number)
            } else {
                Operator::Less(number)
            })
        }
        other => Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
    }
}

/// A value, which may be left out.
fn exact_value(tokens: &mut Tokens) -> Result<String, String> {
    match tokens.peek() {
        None | Some(",") => Ok(String::new()),
        Some(value) if is_symbol(value) => Err(format!("found '{value}', expected: identifier")),
        Some(value) => {
            tokens.next();
            label_value(value)
        }
    }
}

/// A list in parentheses; members may be left out.
fn values(tokens: &mut Tokens) -> Result<Vec<String>, String> {
    if tokens.next() != Some("(") {
        return Err("expected: '('".to_owned());
    }
    let mut values = Vec::new();
    let mut wanted = true;
    loop {
        match tokens.next() {
            Some(end @ (")" | ",")) => {
                if wanted {
                    values.push(String::new());
                }
                wanted = true;
                if end == ")" {
                    return Ok(values);
                }
            }
            Some(value) if wanted && !is_symbol(value) => {
                values.push(label_value(value)?);
                wanted = false;
            }
            other => {
                let other = other.unwrap_or_default();
                return Err(format!("found '{other}', expected: ',', ')' or identifier"));
            }
        }
    }
}

/// `[prefix/]name`.
fn label_key(key: &str) -> Result<String, String> {
    let (prefix, name) = key.split_once('/').unwrap_or(("a", key));
    let domain = prefix.len() <= 253
        && prefix
            .split('.')
            .all(|part| is_word(part, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    if domain && !name.is_empty() && label_value(name).is_ok() {
        Ok(key.to_owned())
    } else {
        Err(format!("key: Invalid value: {key:?}"))
    }
}

/// At most 63 letters, digits, `-`, `_` and `.`; a letter or digit at both ends.
fn label_value(value: &str) -> Result<String, String> {
    let word = is_word(value, |c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if value.len() <= 63 && word {
        Ok(value.to_owned())
    } else {
        Err(format!("values: Invalid value: {value:?}"))
    }
}

fn is_word(text: &str, inside: impl Fn(char) -> bool) -> bool {
    let end = |c: char| c.is_ascii_alphanumeric() && inside(c);
    text.starts_with(end) && text.ends_with(end) && text.chars().all(inside)
}

/// The words and symbols of a label selector.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text }
    }

    fn peek(&self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let first = text.chars().next()?;
        let end = match first {
            '(' | ')' | ',' => 1,
            _ if is_operator(first) => text.find(|c| !is_operator(c)).unwrap_or(text.len()),
            _ => text
                .find(|c: char| c.is_whitespace() || "(),".contains(c) || is_operator(c))
                .unwrap_or(text.len()),
        };
        Some(&text[..end])
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.peek()?;
        let start = self.rest.len() - self.rest.trim_start().len();
        self.rest = &self.rest[start + token.len()..];
        Some(token)
    }
}

fn is_operator(c: char) -> bool {
    "!=<>".contains(c)
}

fn is_symbol(token: &str) -> bool {
    token.starts_with(|c| "(),".contains(c) || is_operator(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: &Value) -> bool {
        let requirements = parse_labels(selector).expect("a label selector");
        requirements
            .iter()
            .all(|requirement| requirement.is_met(Some(labels)))
    }

    #[test]
    fn equality_selects_by_value() {
        let web = json!({"app": "web", "tier": "front"});
        for labels in [
            "app=web",
            "app==web",
            "app = web , tier=front",
            "app!=db",
            "other!=x",
            "",
        ] {
            assert!(selects(labels, &web), "{labels}");
        }
        for labels in ["app=db", "app!=web", "app=web,tier=back", "app=", "other=x"] {
            assert!(!selects(labels, &web), "{labels}");
        }
        assert!(selects("app=", &json!({"app": ""})));
    }

    #[test]
    fn sets_select_by_any_of_their_values() {
        let web = json!({"app": "web", "example.com/tier": "front"});
        for labels in [
            "app in (web)",
            "app in(db,web)",
            "app notin (db, cache)",
            "other notin (x)",
            "example.com/tier in (front),app",
        ] {
            assert!(selects(labels, &web), "{labels}");
        }
        for labels in [
            "app in (db)",
            "app notin (web)",
            "other in (x)",
            "app in ()",
            "app in (,)",
        ] {
            assert!(!selects(labels, &web), "{labels}");
        }
        assert!(selects("app in (,x)", &json!({"app": ""})));
    }

    #[test]
    fn presence_selects_whatever_the_value() {
        let web = json!({"app": "web", "n": "5"});
        for labels in ["app", "!other", "app,!other", "n>4", "n<6", "in notin (x)"] {
            assert!(selects(labels, &web), "{labels}");
        }
        for labels in ["other", "!app", "n>5", "n<5", "app>1", "other<1"] {
            assert!(!selects(labels, &web), "{labels}");
        }
    }

    #[test]
    fn what_is_no_label_selector_is_refused() {
        for labels in [
            ",",
            "app=web,",
            "=web",
            "app=web tier",
            "app in web",
            "app in (web",
            "app in (a b)",
            "!app=web",
            "a>x",
            "app===web",
            "app=a/b",
            "-app",
            "UPPER.com/a",
            "a/b/c",
            "app=web;x",
            "app in (=)",
        ] {
            assert!(parse_labels(labels).is_err(), "{labels}");
        }
        assert!(parse_labels(&format!("a={}", "x".repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z!=<>(), ./\\-]{0,40}") {
            let _ = parse_labels(&text);
        }

        #[test]
        fn in_and_notin_are_opposites(value in "[a-c]", set in prop::collection::vec("[a-c]", 1..4)) {
            let set = set.join(",");
            let labels = json!({"k": value});
            prop_assert_ne!(selects(&format!("k in ({set})"), &labels), selects(&format!("k notin ({set})"), &labels));
        }
    }
}
