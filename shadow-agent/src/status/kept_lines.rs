//! Log lines that are kept while the screen belongs to something else.

use std::collections::VecDeque;

/// Most lines kept; the oldest go first, and are counted.
const MAX_LINES: usize = 2000;

/// Most bytes kept of a line.
const MAX_LINE: usize = 4096;

/// The lines, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptLines {
    lines: VecDeque<String>,
    total: u64,
}

impl KeptLines {
    /// Adds whole lines.
    pub(super) fn push(&mut self, lines: &[u8]) {
        for line in String::from_utf8_lossy(lines).lines() {
            if self.lines.len() == MAX_LINES {
                self.lines.pop_front();
            }
            self.lines
                .push_back(line[..line.floor_char_boundary(MAX_LINE)].to_owned());
            self.total += 1;
        }
    }

    /// How many there have been.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Those that are kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// All of it, as it is written in the end.
    pub(super) fn text(&self) -> String {
        let gone = self.total - self.lines.len() as u64;
        let mut text = match gone {
            0 => String::new(),
            _ => format!("{gone} earlier log lines were discarded\n"),
        };
        for line in &self.lines {
            text += line;
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_in_order_and_those_that_are_not_are_counted() {
        let mut kept = KeptLines::default();
        kept.push(b"one\ntwo\n");
        assert_eq!(kept.text(), "one\ntwo\n");
        for _ in 0..MAX_LINES {
            kept.push(b"more\n");
        }
        assert!(
            kept.text()
                .starts_with("2 earlier log lines were discarded\nmore\n"),
            "{}",
            kept.text()
        );
        assert_eq!(kept.total(), MAX_LINES as u64 + 2);
        kept.push(&[b'x'; 10_000]);
        assert_eq!(kept.lines().last().unwrap().len(), MAX_LINE);
    }
}
