//! Names of recordings: the variables in them, and the number of a chunk.

use std::fmt::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use jiff::Zoned;
use shadow_mirror::MessageKind;

use super::record::Record;

/// The variables, longest first where one begins like another.
const VARIABLES: [(&str, Variable); 10] = [
    ("%NS", Variable::Nanosecond),
    ("%Y", Variable::Year),
    ("%m", Variable::Month),
    ("%d", Variable::Day),
    ("%H", Variable::Hour),
    ("%M", Variable::Minute),
    ("%S", Variable::Second),
    ("%i", Variable::Instance),
    ("%r", Variable::Request),
    ("%t", Variable::Type),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Nanosecond,
    Instance,
    Request,
    Type,
}

impl Variable {
    fn write(self, moment: &Moment<'_>, record: &Record, to: &mut String) -> fmt::Result {
        let time = moment.time;
        match self {
            Self::Year => write!(to, "{:04}", time.year()),
            Self::Month => write!(to, "{:02}", time.month()),
            Self::Day => write!(to, "{:02}", time.day()),
            Self::Hour => write!(to, "{:02}", time.hour()),
            Self::Minute => write!(to, "{:02}", time.minute()),
            Self::Second => write!(to, "{:02}", time.second()),
            Self::Nanosecond => write!(to, "{:09}", time.subsec_nanosecond()),
            Self::Instance => to.write_str(moment.instance),
            Self::Request => {
                let safe = |c: char| {
                    if c.is_ascii_alphanumeric() || c == '-' {
                        c
                    } else {
                        '_'
                    }
                };
                to.extend(record.id.to_string().chars().map(safe));
                Ok(())
            }
            Self::Type => to.write_char(match record.kind {
                MessageKind::Request => '1',
                MessageKind::Response => '2',
                MessageKind::Replayed => '3',
            }),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// Errors of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It has no file name.
    #[error("this is not a file name")]
    NoFile,
}

/// The name of an output's files: `requests-%Y-%m-%d.gor`. What is no variable stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// When something is written, and by whom.
#[derive(Clone, Debug)]
pub struct Moment<'a> {
    /// Local time.
    pub time: &'a Zoned,
    /// Eight letters that another run does not have.
    pub instance: &'a str,
}

impl Template {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Where no file can be named so: [`TemplateError`] says why.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.is_empty() || text.ends_with('/') || Path::new(text).file_name().is_none() {
            return Err(TemplateError::NoFile);
        }
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        'next: while let Some(first) = rest.chars().next() {
            for (name, variable) in VARIABLES {
                if let Some(behind) = rest.strip_prefix(name) {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(Part::Variable(variable));
                    rest = behind;
                    continue 'next;
                }
            }
            plain.push(first);
            rest = &rest[first.len_utf8()..];
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    fn has(&self, any: &[Variable]) -> bool {
        let mut parts = self.0.iter();
        parts.any(|part| matches!(part, Part::Variable(variable) if any.contains(variable)))
    }

    /// Whether each exchange may have a file of its own.
    pub fn is_of_requests(&self) -> bool {
        self.has(&[Variable::Request, Variable::Nanosecond])
    }

    /// Whether all records of one second go to one file.
    pub fn is_of_seconds(&self) -> bool {
        !self.is_of_requests() && !self.has(&[Variable::Type])
    }

    /// The file for a record at a moment. What came from outside cannot leave the directory.
    pub fn expand(&self, moment: &Moment<'_>, record: &Record) -> PathBuf {
        let mut name = String::new();
        for part in &self.0 {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Text(text) => name.write_str(text),
                Part::Variable(variable) => variable.write(moment, record, &mut name),
            };
        }
        // Components of it: `./a` and `a` are one file.
        let components = Path::new(&name).components();
        components
            .filter(|component| *component != Component::CurDir)
            .collect()
    }
}

/// Stem and extension (with its dot) of a file name, split at its last dot.
fn split(name: &str) -> (&str, &str) {
    name.rfind('.').map_or((name, ""), |dot| name.split_at(dot))
}

/// The stem without the number of a chunk, and that number.
fn unnumbered(stem: &str) -> (&str, Option<u64>) {
    let numbered = stem.rsplit_once('_').and_then(|(base, number)| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| number.parse().ok())
            .flatten()
            .map(|number| (base, number))
    });
    numbered.map_or((stem, None), |(base, number)| (base, Some(number)))
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// The name of chunk `number`: it stands before the last extension, in the place of a number that is there.
pub fn indexed(path: &Path, number: u64) -> PathBuf {
    let (stem, extension) = split(file_name(path));
    let (base, _) = unnumbered(stem);
    path.with_file_name(format!("{base}_{number}{extension}"))
}

/// The highest number of the chunks of `path` among these names of files.
pub fn last_index<'a>(path: &Path, names: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    let (stem, extension) = split(file_name(path));
    let (base, _) = unnumbered(stem);
    let number = |name: &str| {
        let (stem, its_extension) = split(name);
        let (its_base, number) = unnumbered(stem);
        (its_base == base && its_extension == extension)
            .then_some(number)
            .flatten()
    };
    names.into_iter().filter_map(number).max()
}

/// Sort key of chunks: their name without the number, then the number.
pub fn chunk_order(path: &Path) -> (PathBuf, Option<u64>) {
    let (stem, extension) = split(file_name(path));
    let (base, number) = unnumbered(stem);
    (path.with_file_name(format!("{base}{extension}")), number)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    fn expand(template: &str) -> String {
        let time = jiff::civil::date(2026, 3, 4).at(5, 6, 7, 89);
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let moment = Moment {
            time: &time,
            instance: "abcdefgh",
        };
        let path = Template::parse(template)
            .unwrap()
            .expand(&moment, &record(b"GET", b""));
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn variables_are_expanded_and_the_rest_is_kept() {
        assert_eq!(expand("/tmp/%Y-%m-%d/%H%M%S.gor"), "/tmp/2026-03-04/050607.gor");
        assert_eq!(expand("./%NS_%i_%t%%x.gor"), "000000089_abcdefgh_1%%x.gor");
        assert_eq!(expand("%r.gor"), "9c4000500a010203deadbeef.gor");
    }

    #[test]
    fn a_name_from_outside_does_not_leave_the_directory() {
        let time = jiff::civil::date(2026, 1, 1)
            .at(0, 0, 0, 0)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .unwrap();
        let moment = Moment {
            time: &time,
            instance: "a",
        };
        let mut record = record(b"GET", b"");
        record.id = shadow_mirror::MessageId::given(b"../../etc/x").unwrap();
        let path = Template::parse("dir/%r").unwrap().expand(&moment, &record);
        assert_eq!(path, Path::new("dir/______etc_x"));
    }

    #[test]
    fn a_chunks_number_stands_before_the_last_extension() {
        for (name, number, expected) in [
            ("a.gz", 0, "a_0.gz"),
            ("a_1.gz", 2, "a_2.gz"),
            ("a_x.gz", 10, "a_x_10.gz"),
            ("dir.d/a", 3, "dir.d/a_3"),
            ("a.gor.gz", 1, "a.gor_1.gz"),
        ] {
            assert_eq!(indexed(Path::new(name), number), Path::new(expected));
        }
    }

    #[test]
    fn the_last_chunk_is_found_among_others() {
        let names = [
            "a_0.gz", "a_12.gz", "a_3.gz", "a_99.gor", "b_44.gz", "a.gz", "a_.gz", "aa_50.gz",
        ];
        assert_eq!(last_index(Path::new("a.gz"), names), Some(12));
        assert_eq!(last_index(Path::new("c.gz"), names), None);
    }

    #[test]
    fn chunks_sort_by_name_and_number() {
        let mut names = ["2015_10", "2015_2", "2014_7", "2016"].map(Path::new);
        names.sort_by_key(|name| chunk_order(name));
        assert_eq!(names, ["2014_7", "2015_2", "2015_10", "2016"].map(Path::new));
    }

    #[test]
    fn a_name_without_a_file_is_refused() {
        for text in ["", "dir/", "..", "/"] {
            assert_eq!(Template::parse(text), Err(TemplateError::NoFile), "{text}");
        }
    }
}
