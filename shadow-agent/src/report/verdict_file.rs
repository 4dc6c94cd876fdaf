//! The file of `--report`: in the form that its name ends in.

use std::path::Path;

use anyhow::bail;

use super::document_diff::TwoDocuments;
use super::file::{What, WholeFile};
use super::{junit, markdown, markdown_of_two, page};
use crate::compare::document::Document;

/// How what a comparison came to is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page of its own: `.html`.
    Html,
    /// The document itself: `.json`.
    Json,
    /// For pull requests: `.md`.
    Markdown,
    /// `JUnit` XML, for pipelines: `.xml`.
    Junit,
}

/// A file of `--report`.
#[derive(Debug)]
pub struct VerdictFile {
    form: Form,
    file: WholeFile,
}

/// Examples hold what users sent, redacted as it may be: only the user that made it reads it.
const REPORT: What = What {
    flag: "--report",
    holds: "the report",
    mode: 0o600,
};

impl Form {
    /// The form that a file's name asks for.
    ///
    /// # Errors
    ///
    /// For a name with another ending.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        Ok(match ending {
            Some("html") => Self::Html,
            Some("json") => Self::Json,
            Some("md") => Self::Markdown,
            Some("xml") => Self::Junit,
            _ => bail!(
                "--report '{}': the file name must end in .html, .json, .md or .xml (JUnit)",
                path.display()
            ),
        })
    }

    /// The document in this form.
    pub fn write(self, document: &Document) -> String {
        match self {
            Self::Html => page::render(document),
            Self::Json => json(document),
            Self::Markdown => markdown(document),
            Self::Junit => junit(document),
        }
    }

    /// Two documents side by side in this form; `JUnit` has no place for them.
    ///
    /// # Errors
    ///
    /// For `JUnit`.
    pub fn write_two(self, a: &Document, b: &Document) -> anyhow::Result<String> {
        Ok(match self {
            Self::Html => page::render_two(a, b),
            Self::Json => json(&TwoDocuments::new(a, b)),
            Self::Markdown => markdown_of_two(&TwoDocuments::new(a, b)),
            Self::Junit => {
                bail!("JUnit (.xml) cannot hold two reports: name a file ending in .html, .json or .md")
            }
        })
    }
}

impl VerdictFile {
    /// Makes sure that a report can be written to `path`, as with [`super::LedgerFile::open`].
    ///
    /// # Errors
    ///
    /// As [`Form::of`] and [`super::LedgerFile::open`].
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let form = Form::of(path)?;
        WholeFile::open(path, REPORT).map(|file| Self { form, file })
    }

    /// Writes the document in the place of whatever was there.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written: the disk is full, or whoever reads the pipe takes nothing.
    pub fn write(&mut self, document: &Document) -> anyhow::Result<()> {
        self.file.write(self.form.write(document).as_bytes())
    }

    /// Writes two documents side by side in the place of whatever was there.
    ///
    /// # Errors
    ///
    /// As [`Form::write_two`] and [`Self::write`].
    pub fn write_two(&mut self, a: &Document, b: &Document) -> anyhow::Result<()> {
        self.file.write(self.form.write_two(a, b)?.as_bytes())
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Maps have string keys and numbers are finite: there is nothing that could fail.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::compare::example;

    #[test]
    fn the_form_is_what_the_name_ends_in() {
        let forms =
            ["r.html", "dir.md/r.json", "r.md", "r.xml"].map(|name| Form::of(Path::new(name)).unwrap());
        assert_eq!(forms, [Form::Html, Form::Json, Form::Markdown, Form::Junit]);
        for name in ["report", "report.pdf", "", ".html"] {
            let error = Form::of(Path::new(name)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("--report '{name}': the file name must end in .html, .json, .md or .xml (JUnit)")
            );
        }
    }

    #[test]
    fn json_is_the_document_itself() {
        let document = example::document();
        let text = Form::Json.write(&document);
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), document);
    }

    #[test]
    fn a_report_is_for_its_user_alone() {
        let folder = std::env::temp_dir().join(format!("shadow-agent-report-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("report.md");
        let mut file = VerdictFile::open(&path).unwrap();
        file.write(&example::document()).unwrap();
        file.write(&example::document()).unwrap();
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        let text = std::fs::read_to_string(&path).unwrap();
        let entries = std::fs::read_dir(&folder).unwrap().count();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!((mode, entries), (0o600, 1));
        assert_eq!(text, markdown(&example::document()));
    }

    #[test]
    fn two_reports_are_no_junit() {
        let document = example::document();
        assert!(Form::Junit.write_two(&document, &document).is_err());
    }
}
