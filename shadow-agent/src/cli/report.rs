//! `shadow-agent report PATH [PATH2]`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::ensure;

use super::error::{Problem, UsageError};
use super::high;
use super::low::compare::Judging as Judged;
use super::low::report::ReportArguments;
use super::print;
use crate::compare::document::{Document, SCHEMA};
use crate::compare::store::{self, Store};
use crate::compare::{Judging, causes, verdict};
use crate::report::document_diff::TwoDocuments;
use crate::report::{Form, VerdictFile, markdown_of_two, summary};

/// Largest JSON of a report, in bytes.
const MAX_JSON: u64 = 256 << 20;

/// Writes the reports that are asked for, and prints a summary.
///
/// # Errors
///
/// Where a report or store cannot be read, or what is asked for cannot be written.
pub fn run(arguments: &ReportArguments) -> anyhow::Result<ExitCode> {
    let judging = high::compare::of_kept(&arguments.judging)?;
    let mut files = Vec::new();
    for path in &arguments.judging.report {
        if arguments.second.is_some() && Form::of(path)? == Form::Junit {
            let problem = Problem::new(
                "JUnit cannot hold two reports",
                "name a file ending in .html, .json or .md",
            );
            return Err(problem.of("--report", path.display().to_string()).into());
        }
        files.push(VerdictFile::open(path)?);
    }
    let first = document(&arguments.path, &judging, &arguments.judging)?;
    let Some(second) = &arguments.second else {
        for file in &mut files {
            file.write(&first)?;
        }
        print(summary(&first).as_bytes())?;
        return Ok(verdict::exit_code(first.verdict).into());
    };
    let second = document(second, &judging, &arguments.judging)?;
    for file in &mut files {
        file.write_two(&first, &second)?;
    }
    print(markdown_of_two(&TwoDocuments::new(&first, &second)).as_bytes())?;
    Ok(verdict::exit_code(second.verdict).into())
}

/// The document of a directory, judged by these rules, or that of a file as it is.
fn document(path: &Path, judging: &Judging, flags: &Judged) -> anyhow::Result<Document> {
    let unreadable = |why: &dyn std::fmt::Display| -> UsageError {
        let problem = Problem::new(
            why.to_string(),
            "name the directory of --compare-store, or the JSON of --report FILE.json",
        );
        problem.of("", path.display().to_string())
    };
    if path.is_dir() {
        let store = Store::open(path).map_err(|error| unreadable(&error))?;
        return Ok(store::document(&store, judging));
    }
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_JSON + 1).read_to_end(&mut text))
        .map_err(|error| unreadable(&error))?;
    ensure!(
        text.len() as u64 <= MAX_JSON,
        unreadable(&"this is too large for a report")
    );
    if let Some(flag) = high::compare::judging_flag(flags) {
        let problem = Problem::new(
            "a report already has its verdict, and contains no pairs to judge again",
            "name the directory of --compare-store instead",
        );
        return Err(problem.of(flag, path.display().to_string()).into());
    }
    let mut document: Document = serde_json::from_slice(&text)
        .map_err(|error| unreadable(&format!("this is not a report: {error}")))?;
    ensure!(
        document.schema == SCHEMA,
        unreadable(&format!(
            "this report has version {} of the format, this program reads version {SCHEMA}",
            document.schema
        ))
    );
    for comparison in &mut document.comparisons {
        comparison.causes = causes(comparison);
    }
    let words = document.comparisons.iter().map(|one| one.verdict.word);
    document.verdict = verdict::worst(words);
    Ok(document)
}
