//! `docs/goreplay.md`, read against the parser: neither can lie about the other.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::{CommandFactory, Parser};

use super::*;
use crate::cli::go_arguments;
use crate::cli::low::Arguments;

const DOCUMENT: &str = include_str!("../../../../../docs/goreplay.md");

/// Every flag that GoReplay registers at 251e45a: 109 in its settings, and two for profiles.
const FLAGS: [&str; 111] = [
    "copy-buffer-size",
    "cpuprofile",
    "exit-after",
    "http-allow-header",
    "http-allow-method",
    "http-allow-url",
    "http-basic-auth-filter",
    "http-disallow-header",
    "http-disallow-url",
    "http-header-limiter",
    "http-original-host",
    "http-param-limiter",
    "http-pprof",
    "http-rewrite-header",
    "http-rewrite-url",
    "http-set-header",
    "http-set-param",
    "input-dummy",
    "input-file",
    "input-file-dry-run",
    "input-file-loop",
    "input-file-max-wait",
    "input-file-read-depth",
    "input-kafka-host",
    "input-kafka-json-format",
    "input-kafka-mechanism",
    "input-kafka-offset",
    "input-kafka-password",
    "input-kafka-topic",
    "input-kafka-use-sasl",
    "input-kafka-username",
    "input-raw",
    "input-raw-allow-incomplete",
    "input-raw-bpf-filter",
    "input-raw-buffer-size",
    "input-raw-buffer-timeout",
    "input-raw-engine",
    "input-raw-expire",
    "input-raw-ignore-interface",
    "input-raw-monitor",
    "input-raw-override-snaplen",
    "input-raw-promisc",
    "input-raw-protocol",
    "input-raw-realip-header",
    "input-raw-stats",
    "input-raw-timestamp-type",
    "input-raw-track-response",
    "input-raw-vlan",
    "input-raw-vlan-vid",
    "input-raw-vxlan-port",
    "input-raw-vxlan-vni",
    "input-tcp",
    "input-tcp-certificate",
    "input-tcp-certificate-key",
    "input-tcp-secure",
    "kafka-tls-ca-cert",
    "kafka-tls-client-cert",
    "kafka-tls-client-key",
    "memprofile",
    "middleware",
    "output-binary",
    "output-binary-debug",
    "output-binary-timeout",
    "output-binary-track-response",
    "output-binary-workers",
    "output-file",
    "output-file-append",
    "output-file-buffer",
    "output-file-flush-interval",
    "output-file-max-size-limit",
    "output-file-queue-limit",
    "output-file-size-limit",
    "output-http",
    "output-http-elasticsearch",
    "output-http-queue-len",
    "output-http-redirects",
    "output-http-response-buffer",
    "output-http-skip-verify",
    "output-http-stats",
    "output-http-stats-ms",
    "output-http-timeout",
    "output-http-track-response",
    "output-http-worker-timeout",
    "output-http-workers",
    "output-http-workers-min",
    "output-kafka-host",
    "output-kafka-json-format",
    "output-kafka-mechanism",
    "output-kafka-password",
    "output-kafka-topic",
    "output-kafka-use-sasl",
    "output-kafka-username",
    "output-null",
    "output-stdout",
    "output-tcp",
    "output-tcp-response-buffer",
    "output-tcp-secure",
    "output-tcp-skip-verify",
    "output-tcp-stats",
    "output-tcp-sticky",
    "output-tcp-workers",
    "output-ws",
    "output-ws-skip-verify",
    "output-ws-stats",
    "output-ws-sticky",
    "output-ws-workers",
    "prettify-http",
    "recognize-tcp-sessions",
    "split-output",
    "stats",
    "verbose",
];

/// A row of the tables.
struct Row {
    flag: &'static str,
    status: &'static str,
    /// As it reads: without the marks of Markdown.
    text: String,
    tests: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| `--"));
    let (_, tables) = DOCUMENT.split_once("## Every flag").unwrap();
    let lines = lines.filter(|line| tables.contains(line));
    lines.map(row).collect()
}

fn row(line: &'static str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [flag, status, text, tests] = cells.as_slice() else {
        panic!("four cells: {line}")
    };
    let code = |text: &'static str| text.split('`').skip(1).step_by(2);
    Row {
        flag: code(flag).next().unwrap().strip_prefix("--").unwrap(),
        status: status.trim_matches('*'),
        text: plain(text),
        tests: code(tests).collect(),
    }
}

/// Text as it reads, in lower case: a sentence of the one may begin in the middle of the other's.
fn plain(text: &str) -> String {
    text.replace('`', "").replace("\\|", "|").to_lowercase()
}

/// Whether the parser knows a flag, and whether the help shows it.
fn known(flag: &str) -> (bool, bool) {
    let command = Arguments::command();
    let mut arguments = command.get_arguments();
    let argument = arguments.find(|argument| argument.get_long() == Some(flag));
    (
        argument.is_some(),
        argument.is_some_and(|argument| !argument.is_hide_set()),
    )
}

/// The words of a refused flag, or of one without a meaning; `None` for a flag of ours.
fn said(flag: &str) -> Option<Vec<&'static str>> {
    let refused = REFUSED.iter().find(|one| one.flag == flag);
    let accepted = ACCEPTED.iter().find(|one| one.flag == flag);
    refused
        .map(|one| vec![one.why, one.way_out])
        .or_else(|| accepted.map(|one| vec![one.says]))
}

/// The sources of all tests.
fn sources() -> String {
    fn read(folder: &Path, into: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push_str(&std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    read(&root.join("src"), &mut text);
    read(&root.join("../crates"), &mut text);
    read(&root.join("../tests/tests"), &mut text);
    text
}

#[test]
fn every_flag_of_goreplay_has_exactly_one_row() {
    let rows: Vec<&str> = rows().iter().map(|row| row.flag).collect();
    let distinct: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(distinct, FLAGS.into());
    assert_eq!(rows.len(), 111);
    for flag in REFUSED
        .iter()
        .map(|one| one.flag)
        .chain(ACCEPTED.iter().map(|one| one.flag))
    {
        assert!(distinct.contains(flag), "{flag} is none of GoReplay's");
    }
}

#[test]
fn what_is_the_same_is_in_the_help_and_has_a_test() {
    let sources = sources();
    for row in rows() {
        let is_test = |name: &&str| {
            let start = format!("fn {name}()");
            let mut found = sources.match_indices(&start);
            found.any(|(at, _)| {
                sources[..at]
                    .trim_end()
                    .trim_end_matches("async")
                    .trim_end()
                    .ends_with("test]")
            })
        };
        if row.status.starts_with("same") {
            assert!(known(row.flag).1, "--{} is not in the help", row.flag);
            assert!(!row.tests.is_empty(), "--{} has no test", row.flag);
        }
        for name in &row.tests {
            assert!(is_test(name), "--{}: there is no test {name}", row.flag);
        }
    }
}

#[test]
fn what_is_not_the_same_says_in_its_row_what_the_program_says() {
    for row in rows() {
        let said = said(row.flag);
        let refused = REFUSED.iter().any(|one| one.flag == row.flag);
        match row.status {
            "same" | "same, better" => assert!(said.is_none(), "--{} is ours", row.flag),
            "other way" if known(row.flag).1 => {}
            "other way" => assert!(said.is_some(), "--{}", row.flag),
            "no" => assert!(refused, "--{}", row.flag),
            other => panic!("--{}: {other:?} is no status", row.flag),
        }
        for words in said.into_iter().flatten() {
            let words = plain(words);
            assert!(
                row.text.contains(&words),
                "--{} does not say {words:?}: {}",
                row.flag,
                row.text
            );
        }
    }
}

#[test]
fn every_flag_that_a_row_or_an_answer_names_is_one_of_the_parsers() {
    let texts = rows().into_iter().map(|row| row.text);
    let refused = REFUSED.iter().flat_map(|one| [one.why, one.way_out]);
    let said = refused
        .chain(ACCEPTED.iter().map(|one| one.says))
        .map(str::to_owned);
    for text in texts.chain(said) {
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
            if let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) {
                let refused = REFUSED.iter().any(|one| one.flag == flag);
                assert!(known(flag).0 && !refused, "--{flag} is no way out: {text}");
            }
        }
    }
}

/// The commands of the guide, each with the name of its program.
fn commands() -> Vec<(&'static str, Vec<String>)> {
    let (guide, _) = DOCUMENT.split_once("## How flags").unwrap();
    let lines = guide.lines().map(|line| line.trim_start_matches("sudo "));
    let programs = ["gor", "shadow-agent"];
    lines
        .filter_map(|line| {
            let (program, flags) = line.split_once(' ')?;
            let program = programs.into_iter().find(|name| *name == program)?;
            Some((program, words(flags)))
        })
        .collect()
}

/// Words as a shell makes them, of what the guide has: quotes of both kinds.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if c == open => quote = None,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(quote, None, "{text}");
    words
}

#[test]
fn in_the_guide_only_the_programs_name_changes() {
    let commands = commands();
    let (before, after): (Vec<_>, Vec<_>) = commands.iter().partition(|(program, _)| *program == "gor");
    let flags =
        |commands: &[&(&str, Vec<String>)]| commands.iter().map(|one| one.1.clone()).collect::<Vec<_>>();
    assert_eq!(flags(&before), flags(&after));
    assert!(after.len() >= 10, "{}", after.len());
    for typed in flags(&after) {
        let command = Arguments::command();
        let words = typed.iter().map(OsString::from).collect();
        let spelled =
            go_arguments::spell(&command, words).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
        let program = OsString::from("shadow-agent");
        let all = std::iter::once(&program).chain(&spelled.arguments);
        let arguments = Arguments::try_parse_from(all).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
        let refused = arguments.goreplay.refused;
        assert!(refused.is_empty(), "{typed:?}: {refused:?}");
    }
}
