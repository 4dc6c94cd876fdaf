//! The file of `--compare-rules`, in TOML: what does not count, with a reason each, in one place that is reviewed like code.
//!
//! ```toml
//! protect = ["$.total"]
//! routes = ["/users/{id}"]
//! fail_on = ["new_5xx > 0.1%"]
//!
//! [[ignore]]
//! path = "$..generatedAt"
//! reason = "the moment of the answer"
//! date = "2026-11-24"
//! by = "an owner of it"
//!
//! [[tolerance]]
//! path = "$.score"
//! relative = 0.001
//!
//! [[array]]
//! path = "$.tags"
//! match = "set"
//!
//! [[array]]
//! path = "$.items"
//! key = "id"
//!
//! [[known]]
//! path = "GET /orders/{id} status"
//! production = "200"
//! shadow = "410"
//! reason = "old orders are gone"
//! ```

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::pattern::PathPattern;
use super::rules::{ArrayMatch, ArrayRule, IgnoreRule, KnownDifference, Rules, Tolerance, Within};

/// Longest file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// Most entries of each kind.
const MAX_RULES: usize = 1000;

/// The content of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RulesFile {
    /// Rules about what does not count.
    pub rules: Rules,
    /// Route templates, as they are written.
    pub routes: Vec<String>,
    /// Ways of telling requests of one URL apart, as they are written.
    pub route_by: Vec<String>,
    /// Rules of `--fail-on`, as they are written.
    pub fail_on: Vec<String>,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct BadRules {
    /// The line, from 1.
    pub line: usize,
    /// The error in it.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    ignore: Vec<Spanned<Ignore>>,
    #[serde(default)]
    tolerance: Vec<Spanned<ToleranceTable>>,
    #[serde(default)]
    array: Vec<Spanned<ArrayTable>>,
    #[serde(default)]
    known: Vec<Spanned<Known>>,
    #[serde(default)]
    protect: Vec<Spanned<String>>,
    #[serde(default)]
    routes: Vec<String>,
    #[serde(default)]
    route_by: Vec<String>,
    #[serde(default)]
    fail_on: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignore {
    path: Spanned<String>,
    reason: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    path: Spanned<String>,
    production: Option<String>,
    shadow: Option<String>,
    reason: Option<Spanned<String>>,
    date: Option<Spanned<String>>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceTable {
    path: Spanned<String>,
    absolute: Option<f64>,
    relative: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArrayTable {
    path: Spanned<String>,
    #[serde(rename = "match")]
    matched: Option<String>,
    key: Option<String>,
}

impl RulesFile {
    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// For text that is too large, no TOML, or has a key, a value or a pattern that no rule has, and for too many rules; with
    /// the line.
    pub fn parse(text: &str) -> Result<Self, BadRules> {
        let lines = Lines(text);
        if text.len() > MAX_FILE {
            return Err(lines.bad(&(0..0), format!("the file is larger than {MAX_FILE} bytes")));
        }
        let file: File = toml::from_str(text)
            .map_err(|error| lines.bad(&error.span().unwrap_or(0..0), error.message().to_owned()))?;
        let counts = [
            file.ignore.len(),
            file.tolerance.len(),
            file.array.len(),
            file.protect.len(),
            file.known.len(),
        ];
        if counts.iter().any(|count| *count > MAX_RULES) {
            return Err(lines.bad(&(0..0), format!("more than {MAX_RULES} rules of a kind")));
        }
        let mut rules = Rules::default();
        for table in file.ignore {
            rules = rules.with_ignore(lines.ignore(table)?);
        }
        for table in file.tolerance {
            rules = rules.with_tolerance(lines.tolerance(table)?);
        }
        for table in file.array {
            rules = rules.with_array(lines.array(table)?);
        }
        for table in file.known {
            rules = rules.with_known(lines.known(table)?);
        }
        for path in &file.protect {
            rules = rules.with_protected(lines.path(path)?);
        }
        Ok(Self {
            rules,
            routes: file.routes,
            route_by: file.route_by,
            fail_on: file.fail_on,
        })
    }
}

/// The text, for finding lines in it.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn bad(&self, span: &Range<usize>, why: impl Into<String>) -> BadRules {
        let before = self.0.as_bytes().get(..span.start).unwrap_or_default();
        BadRules {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            why: why.into(),
        }
    }

    fn path(&self, text: &Spanned<String>) -> Result<PathPattern, BadRules> {
        PathPattern::parse(text.get_ref()).map_err(|error| self.bad(&text.span(), error.to_string()))
    }

    fn ignore(&self, table: Spanned<Ignore>) -> Result<IgnoreRule, BadRules> {
        let span = table.span();
        let table = table.into_inner();
        let rule = IgnoreRule::parse(table.path.get_ref())
            .map_err(|error| self.bad(&table.path.span(), error.to_string()))?;
        let reason = self.reason(table.reason, &span)?;
        Ok(IgnoreRule {
            reason: Some(reason),
            date: self.date(table.date)?,
            by: table.by,
            ..rule
        })
    }

    /// The reason that must be there.
    fn reason(&self, reason: Option<Spanned<String>>, table: &Range<usize>) -> Result<String, BadRules> {
        let reason = reason.ok_or_else(|| self.bad(table, "a `reason` is missing"))?;
        if reason.get_ref().trim().is_empty() {
            return Err(self.bad(&reason.span(), "the `reason` is empty"));
        }
        Ok(reason.into_inner())
    }

    fn date(&self, date: Option<Spanned<String>>) -> Result<Option<String>, BadRules> {
        if let Some(date) = &date
            && (date.get_ref().len() != 10 || date.get_ref().parse::<jiff::civil::Date>().is_err())
        {
            return Err(self.bad(&date.span(), "the `date` is not YYYY-MM-DD"));
        }
        Ok(date.map(Spanned::into_inner))
    }

    fn known(&self, table: Spanned<Known>) -> Result<KnownDifference, BadRules> {
        let span = table.span();
        let table = table.into_inner();
        Ok(KnownDifference {
            path: self.path(&table.path)?,
            production: table.production,
            shadow: table.shadow,
            reason: self.reason(table.reason, &span)?,
            date: self.date(table.date)?,
            by: table.by,
        })
    }

    fn tolerance(&self, table: Spanned<ToleranceTable>) -> Result<Tolerance, BadRules> {
        let span = table.span();
        let table = table.into_inner();
        let within = match (table.absolute, table.relative) {
            (Some(most), None) if most.is_finite() && most >= 0.0 => Within::Absolute(most),
            (None, Some(share)) if (0.0..=1.0).contains(&share) => Within::Relative(share),
            (Some(_), None) => return Err(self.bad(&span, "`absolute` is a number from 0 up")),
            (None, Some(_)) => return Err(self.bad(&span, "`relative` is a share from 0 to 1")),
            _ => {
                return Err(self.bad(&span, "write either `absolute` or `relative`"));
            }
        };
        let path = self.path(&table.path)?;
        Ok(Tolerance { path, within })
    }

    fn array(&self, table: Spanned<ArrayTable>) -> Result<ArrayRule, BadRules> {
        let span = table.span();
        let table = table.into_inner();
        let matched = match (table.matched.as_deref(), table.key) {
            (Some("order"), None) => ArrayMatch::Order,
            (Some("set"), None) => ArrayMatch::Set,
            (None, Some(key)) if is_key(&key) => ArrayMatch::Key(key),
            (None, Some(_)) => return Err(self.bad(&span, "`key` is a name of letters, digits, `_` and `-`")),
            (Some(_), None) => return Err(self.bad(&span, "`match` is \"order\" or \"set\"")),
            _ => return Err(self.bad(&span, "write either `match` or `key`")),
        };
        let path = self.path(&table.path)?;
        Ok(ArrayRule { path, matched })
    }
}

/// Keys stand in paths, as in `[id=*]`.
fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 64
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleId;

    #[test]
    fn a_file_says_what_does_not_count_and_why() {
        let file = RulesFile::parse(
            r#"
            protect = ["$.total", "header.location"]
            routes = ["/users/{id}"]
            route_by = ["query._shape"]
            fail_on = ["new_5xx > 0.1%"]

            [[ignore]]
            path = "$..generatedAt"
            reason = "the moment of the answer"
            date = "2026-11-24"
            by = "shop"

            [[ignore]]
            path = "GET /users/{id} $.seen"
            reason = "counts up"

            [[tolerance]]
            path = "$.score"
            relative = 0.01

            [[tolerance]]
            path = "$.lat"
            absolute = 0.5

            [[array]]
            path = "$.tags"
            match = "set"

            [[array]]
            path = "$.items"
            key = "id"

            [[known]]
            path = "GET /orders/{id} status"
            production = "200"
            shadow = "410"
            reason = "old orders are gone"
            date = "2026-11-29"

            [[known]]
            path = "$.total"
            reason = "with tax"
            "#,
        )
        .unwrap();
        assert_eq!(file.routes, ["/users/{id}"]);
        assert_eq!(file.route_by, ["query._shape"]);
        assert_eq!(file.fail_on, ["new_5xx > 0.1%"]);
        let words = |id| file.rules.words(id);
        assert_eq!(
            words(RuleId::Ignore(0)),
            "$..generatedAt is ignored: the moment of the answer (shop, 2026-11-24)"
        );
        assert_eq!(
            words(RuleId::Ignore(1)),
            "GET /users/{id} $.seen is ignored: counts up"
        );
        assert_eq!(words(RuleId::Tolerance(0)), "$.score: numbers within 1%");
        assert_eq!(words(RuleId::Tolerance(1)), "$.lat: numbers within 0.5");
        assert_eq!(words(RuleId::Time), "a time within 10 s");
        assert_eq!(
            words(RuleId::Known(0)),
            "GET /orders/{id} status 200 -> 410 is intended: old orders are gone (2026-11-29)"
        );
        assert_eq!(words(RuleId::Known(1)), "$.total is intended: with tax");
        assert!(file.rules.is_protected("GET /", "$.total.net"));
        assert!(!file.rules.is_protected("GET /", "$.other"));
        assert_eq!(RulesFile::parse(""), Ok(RulesFile::default()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, why) in [
            ("protect = [\n\"$.a[0]\"]", 2, "elements of arrays are `[*]`"),
            ("\nignored = []", 2, "unknown field `ignored`"),
            (
                "[[ignore]]\npath = \"$.a\"\nreasn = \"x\"",
                3,
                "unknown field `reasn`",
            ),
            ("\n[[ignore]]\npath = \"$.a\"", 2, "a `reason` is missing"),
            (
                "[[ignore]]\npath = \"$.a\"\nreason = \" \"",
                3,
                "the `reason` is empty",
            ),
            ("[[ignore]]\nreason = \"x\"", 1, "missing field `path`"),
            (
                "[[ignore]]\nreason = \"x\"\npath = \"status\"",
                3,
                "differences of status codes cannot be ignored",
            ),
            (
                "[[ignore]]\nreason = \"x\"\npath = \"$.a\"\ndate = \"24.11.2026\"",
                4,
                "the `date` is not YYYY-MM-DD",
            ),
            (
                "[[tolerance]]\npath = \"$.a\"",
                1,
                "either `absolute` or `relative`",
            ),
            (
                "[[tolerance]]\npath = \"$.a\"\nrelative = 5.0",
                1,
                "`relative` is a share from 0 to 1",
            ),
            (
                "[[tolerance]]\npath = \"$.a\"\nabsolute = nan",
                1,
                "`absolute` is a number from 0 up",
            ),
            (
                "[[array]]\npath = \"$.a\"\nmatch = \"any\"",
                1,
                "`match` is \"order\" or \"set\"",
            ),
            (
                "[[array]]\npath = \"$.a\"\nkey = \"a b\"",
                1,
                "`key` is a name of letters",
            ),
            (
                "[[array]]\npath = \"$.a\"\nkey = \"id\"\nmatch = \"set\"",
                1,
                "either `match` or `key`",
            ),
            ("x =", 1, ""),
        ] {
            let error = RulesFile::parse(text).unwrap_err();
            assert!(error.why.contains(why), "{text}: {error}");
            assert_eq!(error.line, line, "{text}: {error}");
        }
    }
}
