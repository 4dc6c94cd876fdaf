//! Which lines of an example count: a guess by the names in them, on the safe side.

use crate::compare::document::{Comparison, Example, Noise};

/// Places of an example that differ.
pub(super) struct Marks {
    /// Each with whether it counts.
    places: Vec<(String, bool)>,
}

impl Marks {
    /// Those of an example, as the comparison has judged them by now.
    pub fn of(comparison: &Comparison, example: &Example) -> Self {
        let place = |difference: &crate::compare::Difference| {
            let counts = comparison.noise_of(example, difference).is_none();
            (difference.path.clone(), counts)
        };
        Self {
            places: example.differences.iter().map(place).collect(),
        }
    }

    /// Whether a line of a head that differs counts.
    pub fn counts_in_head(&self, line: &str) -> bool {
        let path = match field_name(line) {
            Some(name) => format!("header.{name}"),
            None => "status".to_owned(),
        };
        self.places.iter().any(|(place, counts)| {
            let below = place.strip_prefix(path.as_str());
            *counts && below.is_some_and(|below| below.is_empty() || below.starts_with('.'))
        })
    }

    /// The same of a body: by the name of the member of JSON that begins it, where it has one; else wherever anything counts.
    pub fn counts_in_body(&self, line: &str) -> bool {
        let in_body = || {
            let is_of_head = |place: &str| place == "status" || place.starts_with("header.");
            self.places.iter().filter(move |(place, _)| !is_of_head(place))
        };
        let is_step = |c: char| "./'\"[]".contains(c);
        let mut about = in_body()
            .filter(|(place, _)| {
                member(line).is_some_and(|name| place.split(is_step).any(|step| step == name))
            })
            .peekable();
        if about.peek().is_some() {
            return about.any(|(_, counts)| *counts);
        }
        in_body().any(|(_, counts)| *counts)
    }
}

/// Name of a difference that does not count.
pub(super) fn aside(noise: &Noise) -> &'static str {
    use crate::compare::document::NoiseBy::{Control, Known, LikeControl, NotLearned, Raced, Repeat, Rule};
    match noise.by {
        LikeControl => "excused",
        Known => "intended",
        NotLearned => "not learned yet",
        Raced => "raced",
        Rule | Control | Repeat => "noise",
    }
}

/// The name of a line's header field, in lower case.
pub(super) fn field_name(line: &str) -> Option<String> {
    let (name, _) = line.split_once(':').filter(|_| !line.starts_with("HTTP/"))?;
    Some(name.trim().to_ascii_lowercase())
}

/// The name of the member of JSON that begins a line.
fn member(line: &str) -> Option<&str> {
    let (name, rest) = line.trim_start().strip_prefix('"')?.split_once('"')?;
    rest.starts_with(':').then_some(name)
}
