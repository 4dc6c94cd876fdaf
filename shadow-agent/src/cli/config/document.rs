//! The file as written: its keys, each as the flags it stands for, and the tables of mirrors with what they inherit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::explain::{nearest, shown};
use crate::agent::MAX_MIRRORS;
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;

/// Longest name of a mirror, in bytes: it stands before each of its outputs in every account.
const MAX_NAME: usize = 63;

/// The key that holds the mirrors.
const MIRROR: &str = "mirror";

/// Keys that say what is captured and where copies go.
const PLACES: [&str; 12] = [
    "input-raw",
    "input-dummy",
    "input-file",
    "input-http",
    "input-tcp",
    "input-k8s-routes",
    "output-http",
    "output-file",
    "output-tcp",
    "output-ws",
    "output-stdout",
    "output-null",
];

/// Keys that each mirror may have of its own, besides those that begin with `output-` or `compare`. The marker is none: what carries
/// it is mirrored by nobody.
const OF_MIRRORS: [&str; 44] = [
    "route",
    "fail-on",
    "split-output",
    "input-dummy",
    "input-file",
    "input-http",
    "input-tcp",
    "input-file-loop",
    "input-file-read-depth",
    "input-file-max-wait",
    "input-file-rate",
    "input-raw",
    "http-original-host",
    "http-host-suffix",
    "http-pod-header",
    "http-allow-method",
    "http-disallow-method",
    "http-allow-client",
    "http-disallow-client",
    "http-set-header",
    "http-set-param",
    "http-allow-url",
    "http-disallow-url",
    "safe-methods",
    "safe-methods-allow-url",
    "http-allow-header",
    "http-disallow-header",
    "http-allow-cookie",
    "http-disallow-cookie",
    "http-basic-auth-filter",
    "http-allow-json",
    "http-disallow-json",
    "http-json-limit",
    "http-header-limiter",
    "http-param-limiter",
    "http-cookie-limiter",
    "http-client-limiter",
    "http-rewrite-url",
    "http-rewrite-header",
    "http-redact-header",
    "http-redact-json",
    "http-redact-key-file",
    "http-redact-none",
    "prettify-http",
];

/// Keys that begin with `output-` and are the same for all mirrors all the same: they are about the log.
const OF_THE_LOG: [&str; 2] = ["output-http-stats", "output-http-stats-ms"];

/// Keys that begin with `compare` and are about all comparisons of a run.
const OF_ALL_COMPARISONS: [&str; 3] = ["compare-memory", "compare-store", "compare-store-size"];

/// Settings by key.
pub type Table = BTreeMap<String, Setting>;

/// One key with its value.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// The flags it stands for: none for a switch that is off.
    pub flags: Vec<String>,
    /// Whether a mirror's own table has it.
    pub of_mirror: bool,
    /// Where it begins.
    line: usize,
    /// Its values as they are shown, each with its line.
    values: Vec<(String, usize)>,
}

impl Setting {
    /// The line of one of its values, or its own.
    pub fn line_of(&self, value: &str) -> usize {
        let mut values = self.values.iter();
        values
            .find(|(shown, _)| shown == value)
            .map_or(self.line, |(_, line)| *line)
    }
}

/// A file.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// Settings at the top level.
    pub top: Table,
    /// The mirrors in the order of the file.
    pub mirrors: Vec<Mirror>,
}

/// A mirror's table.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Its name.
    pub name: String,
    /// The line that begins it.
    pub line: usize,
    /// Its settings, with those of the top that it leaves out.
    pub table: Table,
}

/// Whether a key says what is captured or where copies go.
pub fn is_place(key: &str) -> bool {
    PLACES.contains(&key)
}

/// Whether each mirror may have a key of its own.
fn is_of_mirrors(key: &str) -> bool {
    OF_MIRRORS.contains(&key)
        || (key.starts_with("output-") && !OF_THE_LOG.contains(&key))
        || (key.starts_with("compare") && !OF_ALL_COMPARISONS.contains(&key))
}

impl Document {
    /// Reads the text of `file`. What its values mean is not asked yet.
    pub fn parse(file: &Path, text: &str) -> Result<Self, UsageError> {
        let lines = Lines(text);
        let root = DeTable::parse(text).map_err(|error| {
            let line = error.span().map(|span| lines.of(&span));
            // Not the error's own text: it quotes the line, and that may hold a password.
            let problem = Problem::new(
                format!("this is not TOML: {}", error.message()),
                "see https://toml.io for the format, and docs/configuration.md for an example",
            );
            problem.of("", "").in_file(file, line, None)
        })?;
        let reader = Reader {
            file,
            lines,
            command: Arguments::command(),
        };
        let mut document = Self::default();
        let mut mirrors = Vec::new();
        for (key, value) in root.get_ref() {
            if key.get_ref() == MIRROR {
                mirrors = reader.mirrors(key, value)?;
            } else {
                let setting = reader.setting(key, value, None)?;
                document.top.insert(key.get_ref().to_string(), setting);
            }
        }
        for mirror in &mut mirrors {
            let inherited = document.top.iter().filter(|(key, _)| is_of_mirrors(key));
            for (key, setting) in inherited {
                mirror.table.entry(key.clone()).or_insert_with(|| setting.clone());
            }
            // What is said of all is checked with each: it cannot contradict itself only there.
            let of_all = document.top.iter().filter(|(key, _)| !is_of_mirrors(key));
            mirror
                .table
                .extend(of_all.map(|(key, setting)| (key.clone(), setting.clone())));
        }
        document.mirrors = mirrors;
        Ok(document)
    }
}

/// Byte offsets as lines.
#[derive(Clone, Copy)]
struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// The line where a span begins, from 1.
    fn of(self, span: &Range<usize>) -> usize {
        let before = self.0.as_bytes().get(..span.start).unwrap_or(self.0.as_bytes());
        before.split(|byte| *byte == b'\n').count()
    }
}

type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;

struct Reader<'a> {
    file: &'a Path,
    lines: Lines<'a>,
    command: Command,
}

impl Reader<'_> {
    /// The tables of mirrors, without what they inherit.
    fn mirrors(&self, key: &Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<Mirror>, UsageError> {
        let problem = |key: &Key<'_>, name: &str, problem: &str| {
            let problem = Problem::new(
                problem,
                "write tables such as [mirror.web], with letters, digits, '-' and '_'",
            );
            let line = self.lines.of(&key.span());
            problem.of(MIRROR, name).in_file(self.file, Some(line), None)
        };
        let DeValue::Table(named) = value.get_ref() else {
            return Err(problem(key, "", "mirrors are tables with names"));
        };
        if named.len() > MAX_MIRRORS {
            let too_many = Problem::new(
                format!("{} mirrors are more than the limit of {MAX_MIRRORS}", named.len()),
                "run some of them in an agent of their own",
            );
            return Err(too_many.of(MIRROR, "").in_file(self.file, None, None));
        }
        let mut mirrors = Vec::new();
        for (name, value) in named {
            let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            let text = name.get_ref();
            if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(inner) {
                return Err(problem(name, &shown(text), "this is not a mirror's name"));
            }
            let DeValue::Table(settings) = value.get_ref() else {
                return Err(problem(name, text, "a mirror is a table"));
            };
            let mut table = Table::new();
            for (key, value) in settings {
                let setting = self.setting(key, value, Some(text))?;
                table.insert(key.get_ref().to_string(), setting);
            }
            mirrors.push(Mirror {
                name: text.to_string(),
                line: self.lines.of(&name.span()),
                table,
            });
        }
        mirrors.sort_by_key(|mirror| mirror.line);
        Ok(mirrors)
    }

    fn setting(
        &self,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        mirror: Option<&str>,
    ) -> Result<Setting, UsageError> {
        let line = self.lines.of(&key.span());
        let name = key.get_ref();
        let problems = |problem: Problem| problem.of(shown(name), "").in_file(self.file, Some(line), mirror);
        let argument = self.argument(name).map_err(problems)?;
        if mirror.is_some() && !is_of_mirrors(name) {
            return Err(problems(Problem::new(
                "this applies to all mirrors",
                "write it at the top of the file, before the first [mirror.NAME]",
            )));
        }
        let mut setting = Setting {
            line,
            of_mirror: mirror.is_some(),
            ..Setting::default()
        };
        let many = matches!(argument.get_action(), ArgAction::Append);
        match (argument.get_action(), value.get_ref()) {
            (ArgAction::SetTrue, DeValue::Boolean(true)) => setting.flags.push(format!("--{name}")),
            (ArgAction::SetTrue, DeValue::Boolean(false)) => {}
            (ArgAction::SetTrue, _) => {
                return Err(problems(Problem::new("this is a switch", "write true or false")));
            }
            (_, DeValue::Array(values)) if many => {
                for value in values {
                    let text = scalar(value.get_ref()).map_err(problems)?;
                    setting.flags.push(format!("--{name}={text}"));
                    setting.values.push((shown(&text), self.lines.of(&value.span())));
                }
            }
            (_, DeValue::Array(_)) => {
                return Err(problems(Problem::new(
                    "this has one value",
                    "write it without brackets",
                )));
            }
            (_, value) => {
                let text = scalar(value).map_err(problems)?;
                setting.flags.push(format!("--{name}={text}"));
                setting.values.push((shown(&text), line));
            }
        }
        Ok(setting)
    }

    /// The flag that a key stands for.
    fn argument(&self, key: &str) -> Result<&Arg, Problem> {
        if matches!(key, "config" | "check-config" | "help" | "version") {
            return Err(Problem::new(
                "this belongs to the command line",
                "leave it out of the file",
            ));
        }
        let mut arguments = self.command.get_arguments();
        arguments
            .find(|argument| argument.get_long() == Some(key))
            .ok_or_else(|| {
                let help = match nearest(key) {
                    Some(nearest) => format!("is it {nearest}? 'shadow-agent --help' has all of them"),
                    None => {
                        "keys are the flags of 'shadow-agent --help' without the dashes in front".to_owned()
                    }
                };
                Problem::new("there is no such setting", help)
            })
    }
}

/// A value as it would be typed.
fn scalar(value: &DeValue<'_>) -> Result<String, Problem> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| Problem::new("this number is too large", "write a smaller one")),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        _ => Err(Problem::new(
            "this is neither a string nor a number",
            "write a string in quotes, such as \"5s\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_may_have_of_its_own_what_is_said_of_inputs_and_outputs() {
        let mut of_mirrors: Vec<String> = Vec::new();
        for argument in Arguments::command().get_arguments() {
            let heading = argument.get_help_heading().unwrap_or_default();
            let key = argument.get_long().unwrap_or_default();
            let is_marker = matches!(key, "http-mark-header" | "http-no-mark");
            if (heading.to_lowercase().contains("output") || heading.starts_with("Filters")) && !is_marker {
                of_mirrors.push(key.to_owned());
            }
        }
        assert!(of_mirrors.len() > 40);
        for key in of_mirrors {
            assert!(is_of_mirrors(&key), "{key}");
        }
        for key in ["http-mark-header", "http-listen", "output-http-stats"] {
            assert!(!is_of_mirrors(key), "{key}");
        }
    }

    #[test]
    fn keys_become_flags_and_mirrors_inherit() {
        let document = Document::parse(
            Path::new("shadow.toml"),
            "max-memory = \"1mb\"\noutput-http-timeout = '1s'\nhttp-original-host = true\n\
             [mirror.b]\ninput-raw = [':80', ':81']\noutput-http-timeout = '2s'\n\
             [mirror.a]\nhttp-original-host = false\noutput-http-workers = 0x10\n",
        )
        .unwrap();
        let flags = |table: &Table| -> Vec<String> {
            table.values().flat_map(|setting| setting.flags.clone()).collect()
        };
        assert_eq!(
            flags(&document.top),
            [
                "--http-original-host",
                "--max-memory=1mb",
                "--output-http-timeout=1s"
            ]
        );
        let [b, a] = document.mirrors.as_slice() else {
            panic!()
        };
        assert_eq!((b.name.as_str(), b.line, a.line), ("b", 4, 7));
        assert_eq!(
            flags(&b.table),
            [
                "--http-original-host",
                "--input-raw=:80",
                "--input-raw=:81",
                "--max-memory=1mb",
                "--output-http-timeout=2s"
            ]
        );
        assert_eq!(
            flags(&a.table),
            [
                "--max-memory=1mb",
                "--output-http-timeout=1s",
                "--output-http-workers=16"
            ]
        );
    }
}
