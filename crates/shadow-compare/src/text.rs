//! Bodies of lines: a place is what changes in a line, named by the words before it.
//!
//! `took 12 ms` and `took 15 ms` are one line with another number in it, at `text['took']`; the line's own number does not matter.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::ops::Range;

use super::Kind;
use super::align::{MAX_CELLS, Part, align, unequal};
use super::difference_collector::DifferenceCollector;
use super::display_value::DisplayValue;

/// Longest word, in bytes; what is longer is no word.
const MAX_WORD: usize = 24;
/// Words that name a place.
const WORDS: usize = 2;

/// Compares by lines, where `findings` is.
pub(super) fn compare(production: &str, shadow: &str, findings: &mut DifferenceCollector<'_>) {
    let lines = |text| str::split(text, '\n').collect::<Vec<_>>();
    // Of two ways to match that are as good, the same one whichever side is production.
    let swapped = shadow < production;
    let (left, right) = if swapped {
        (shadow, production)
    } else {
        (production, shadow)
    };
    let (left, right) = (lines(left), lines(right));
    let mut comparing = Comparing { swapped, findings };
    let (_, left, right) = unequal(&left, &right, |left, right| left == right);
    let key = RandomState::new();
    let parts = |lines: &[&str]| lines.iter().map(|line| part(line, &key)).collect::<Vec<_>>();
    let mut cells = MAX_CELLS;
    // Lines that belong to none, since the last that do: the first of them is compared with the first.
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for step in align(&parts(left), &parts(right), &mut cells) {
        match step {
            (Some(a), Some(b)) => {
                comparing.others(&gone, &new);
                gone.clear();
                new.clear();
                if left[a] != right[b] {
                    comparing.line(left[a], right[b]);
                }
            }
            (a, b) => {
                gone.extend(a.map(|at| left[at]));
                new.extend(b.map(|at| right[at]));
            }
        }
    }
    comparing.others(&gone, &new);
}

/// A line as it is matched: by all of it, by what does not vary in it, and by its first word.
fn part(line: &str, key: &RandomState) -> Part {
    let (mut name, mut at) = (key.build_hasher(), 0);
    let mut first = None;
    for run in runs(line) {
        line[at..run.start].hash(&mut name);
        at = run.end;
        if varies(&line[run.clone()]) {
            name.write_u8(1);
        } else {
            line[run.clone()].hash(&mut name);
            first.get_or_insert(run);
        }
    }
    line[at..].hash(&mut name);
    Part {
        hash: key.hash_one(line),
        name: name.finish(),
        kind: key.hash_one(first.map(|run| &line[run])),
        is_special: false,
    }
}

struct Comparing<'w, 'r> {
    swapped: bool,
    findings: &'w mut DifferenceCollector<'r>,
}

impl Comparing<'_, '_> {
    /// Lines that have nothing in common.
    fn others(&mut self, a: &[&str], b: &[&str]) {
        let both = a.len().min(b.len());
        for (a, b) in a.iter().zip(b) {
            self.add(Kind::Value, DisplayValue::Text(a), DisplayValue::Text(b));
        }
        for gone in &a[both..] {
            self.add(Kind::Missing, DisplayValue::Text(gone), DisplayValue::Absent);
        }
        for new in &b[both..] {
            self.add(Kind::Extra, DisplayValue::Absent, DisplayValue::Text(new));
        }
    }

    /// A line that is another one: each of its words that is.
    fn line(&mut self, a: &str, b: &str) {
        if self.findings.hosts().same(a, b) {
            return self.add(Kind::Value, DisplayValue::Text(a), DisplayValue::Text(b));
        }
        let (left, right): (Vec<_>, Vec<_>) = (runs(a).collect(), runs(b).collect());
        let between = |line: &str, runs: &[Range<usize>], at: usize| {
            let from = if at == 0 { 0 } else { runs[at - 1].end };
            line[from..runs.get(at).map_or(line.len(), |run| run.start)].to_owned()
        };
        let fits = |at: usize| {
            let (x, y) = (&a[left[at].clone()], &b[right[at].clone()]);
            between(a, &left, at) == between(b, &right, at) && (x == y || (varies(x) && varies(y)))
        };
        let same = (0..left.len().min(right.len()))
            .take_while(|at| fits(*at))
            .count();
        for at in 0..same {
            let (x, y) = (&a[left[at].clone()], &b[right[at].clone()]);
            if x != y {
                self.at(&label(a, &left, at), DisplayValue::Text(x), DisplayValue::Text(y));
            }
        }
        let is_all = same == left.len()
            && same == right.len()
            && between(a, &left, left.len()) == between(b, &right, right.len());
        if !is_all {
            // From there on they are not alike.
            let from = |line: &str, runs: &[Range<usize>]| {
                if same == 0 {
                    0
                } else {
                    runs[same - 1].end.min(line.len())
                }
            };
            let (x, y) = (
                a[from(a, &left)..].trim_ascii(),
                b[from(b, &right)..].trim_ascii(),
            );
            let words = label(a, &left[..same], same);
            if x == y {
                self.at(&words, DisplayValue::Text(a), DisplayValue::Text(b));
            } else {
                self.at(&words, DisplayValue::Text(x), DisplayValue::Text(y));
            }
        }
    }

    /// Another value behind these words.
    fn at(&mut self, words: &str, a: DisplayValue<'_>, b: DisplayValue<'_>) {
        if words.is_empty() {
            return self.add(Kind::Value, a, b);
        }
        self.findings.path.label(words);
        self.add(Kind::Value, a, b);
        self.findings.path.back();
    }

    fn add(&mut self, kind: Kind, a: DisplayValue<'_>, b: DisplayValue<'_>) {
        if self.swapped {
            self.findings.add(kind.mirrored(), b, a);
        } else {
            self.findings.add(kind, a, b);
        }
    }
}

/// The words before the run at this place, or else the one behind it.
fn label(line: &str, runs: &[Range<usize>], at: usize) -> String {
    let word = |run: &Range<usize>| {
        let run = &line[run.clone()];
        if varies(run) { "*" } else { run }
    };
    let before: Vec<&str> = runs[at.saturating_sub(WORDS)..at].iter().map(word).collect();
    if before.iter().any(|word| *word != "*") {
        return before.join(" ");
    }
    match runs.get(at + 1).map(word) {
        Some(next) if next != "*" => format!("* {next}"),
        _ => String::new(),
    }
}

/// Words, numbers and names in a line: `12.50`, `2026-11-24T10:00:00`, `checkout.example`.
fn runs(line: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut chars = line.char_indices().peekable();
    let mut last: Option<char> = None;
    std::iter::from_fn(move || {
        let mut start = None;
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, next)| *next);
            let joins =
                |is: fn(char) -> bool| start.is_some() && last.is_some_and(is) && next.is_some_and(is);
            let is_in = c.is_alphanumeric()
                || c == '_'
                || (matches!(c, '.' | '-') && joins(char::is_alphanumeric))
                || (matches!(c, ':' | ',') && joins(|c| c.is_ascii_digit()));
            last = Some(c);
            match (is_in, start) {
                (true, None) => start = Some(at),
                (false, Some(start)) => return Some(start..at),
                _ => {}
            }
        }
        start.map(|start| start..line.len())
    })
}

/// Whether a run is a number, an id, or anything that is no word.
fn varies(run: &str) -> bool {
    run.len() > MAX_WORD || run.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_into_words_numbers_and_names() {
        let words = |line: &'static str| runs(line).map(|run| &line[run]).collect::<Vec<_>>();
        assert_eq!(
            words("took=12ms, at 10:00:00."),
            ["took", "12ms", "at", "10:00:00"]
        );
        assert_eq!(
            words("  €1,200.50 is_it a-b.example: x"),
            ["1,200.50", "is_it", "a-b.example", "x"]
        );
        assert_eq!(words("-- .."), [""; 0]);
        assert_eq!(words(""), [""; 0]);
    }

    #[test]
    fn numbers_and_ids_vary_and_words_do_not() {
        for (run, expected) in [
            ("12.50", true),
            ("a1b2", true),
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ", true),
            ("total", false),
            ("checkout.example", false),
        ] {
            assert_eq!(varies(run), expected, "{run}");
        }
    }
}
