//! The header section of a message while it is edited: lines that stay are not copied before the whole is written.

use std::borrow::Cow;
use std::ops::Range;

use shadow_http::HeaderField;

/// The lines of a header section.
pub struct Lines<'a> {
    lines: Vec<Line<'a>>,
    /// Names are written in lower case, as HTTP/2 has them (RFC 9113 section 8.2).
    lower: bool,
}

struct Line<'a> {
    /// With its line end.
    text: Cow<'a, [u8]>,
    /// Where the name ends.
    name: usize,
    value: Range<usize>,
}

impl Line<'_> {
    fn new(name: &[u8], value: &[u8]) -> Self {
        let text = [name, b": ", value, b"\r\n"].concat();
        Self {
            text: text.into(),
            name: name.len(),
            value: name.len() + 2..name.len() + 2 + value.len(),
        }
    }

    fn is(&self, name: &str) -> bool {
        self.text[..self.name].eq_ignore_ascii_case(name.as_bytes())
    }

    fn value(&self) -> &[u8] {
        &self.text[self.value.clone()]
    }

    /// The same name, as it is spelled, with another value.
    fn with(&self, value: &[u8]) -> Line<'static> {
        let name = self.text[..self.name].to_vec();
        Line::new(&name, value)
    }
}

impl<'a> Lines<'a> {
    /// The lines of `head`, in which `fields` stand.
    pub fn of(head: &'a [u8], fields: &[HeaderField]) -> Self {
        let mut lines = Vec::with_capacity(fields.len() + 1);
        for (index, field) in fields.iter().enumerate() {
            let start = field.name.start as usize;
            // What stands between two fields is the end of the first one's line; the last is followed by an empty one.
            let end = match fields.get(index + 1) {
                Some(next) => next.name.start as usize,
                None => head.len().saturating_sub(2),
            };
            let Some(text) = head.get(start..end) else {
                continue;
            };
            let within = |at: u32| (at as usize).saturating_sub(start).min(text.len());
            lines.push(Line {
                name: within(field.name.end),
                value: within(field.value.start)..within(field.value.end),
                text: text.into(),
            });
        }
        let start_line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Self {
            lines,
            lower: start_line.starts_with(b"HTTP/2.0") || start_line.ends_with(b" HTTP/2.0"),
        }
    }

    /// Whether a field called `name` has a value that passes `test`.
    pub fn any(&self, name: &str, mut test: impl FnMut(&[u8]) -> bool) -> bool {
        self.lines.iter().any(|line| line.is(name) && test(line.value()))
    }

    /// The value of the first field called `name`.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.lines.iter().find(|line| line.is(name)).map(Line::value)
    }

    /// Makes `value` the only one of `name`: where the first field of that name stands, as that is spelled, or before all
    /// others.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let first = self.set_first(name, value);
        let mut index = 0;
        self.lines.retain(|line| {
            index += 1;
            index - 1 <= first || !line.is(name)
        });
    }

    /// The same without a look at further fields of that name, which stay; where it stands then.
    pub fn set_first(&mut self, name: &str, value: &[u8]) -> usize {
        let Some(first) = self.lines.iter().position(|line| line.is(name)) else {
            let name = if self.lower {
                Cow::Owned(name.to_ascii_lowercase())
            } else {
                Cow::Borrowed(name)
            };
            self.lines.insert(0, Line::new(name.as_bytes(), value));
            return 0;
        };
        self.lines[first] = self.lines[first].with(value);
        first
    }

    /// Takes out every field called `name`.
    pub fn remove(&mut self, name: &str) {
        self.lines.retain(|line| !line.is(name));
    }

    /// Gives each field called `name` the value that `other` makes of its own, where it makes one.
    ///
    /// # Errors
    ///
    /// The first error of `other`; fields before that one have been changed.
    pub fn change<E>(
        &mut self,
        name: &str,
        mut other: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        for line in &mut self.lines {
            if line.is(name)
                && let Some(value) = other(line.value())?
            {
                *line = line.with(&value);
            }
        }
        Ok(())
    }

    /// Gives each field the value that `other` makes of its name and its own, where it makes one.
    pub fn change_all(&mut self, mut other: impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>) {
        for line in &mut self.lines {
            if let Some(value) = other(&line.text[..line.name], line.value()) {
                *line = line.with(&value);
            }
        }
    }

    /// A head with these lines behind `start_line`, which has no line end.
    pub fn head(&self, start_line: &[&[u8]]) -> Vec<u8> {
        let mut head = start_line.concat();
        head.extend_from_slice(b"\r\n");
        for line in &self.lines {
            head.extend_from_slice(&line.text);
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

#[cfg(test)]
mod tests {
    use shadow_http::head_fields;

    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhOsT:  a \r\nX: 1\r\nx:2\r\nEmpty:\r\n\r\n";

    fn edited(edit: impl FnOnce(&mut Lines<'_>)) -> String {
        let fields = head_fields(HEAD).unwrap();
        let mut lines = Lines::of(HEAD, &fields);
        edit(&mut lines);
        String::from_utf8(lines.head(&[b"GET / HTTP/1.1"])).unwrap()
    }

    #[test]
    fn what_is_not_edited_stays_byte_for_byte() {
        assert_eq!(edited(|_| {}).as_bytes(), HEAD);
    }

    #[test]
    fn a_field_is_set_where_it_stands_or_before_all_others() {
        assert_eq!(
            edited(|lines| lines.set("X", b"3")),
            "GET / HTTP/1.1\r\nhOsT:  a \r\nX: 3\r\nEmpty:\r\n\r\n"
        );
        assert_eq!(
            edited(|lines| lines.set("New", b"")),
            "GET / HTTP/1.1\r\nNew: \r\nhOsT:  a \r\nX: 1\r\nx:2\r\nEmpty:\r\n\r\n"
        );
        assert_eq!(
            edited(|lines| {
                lines.set_first("X", b"3");
            }),
            "GET / HTTP/1.1\r\nhOsT:  a \r\nX: 3\r\nx:2\r\nEmpty:\r\n\r\n"
        );
    }

    #[test]
    fn a_new_field_of_http_2_has_a_name_in_lower_case() {
        for start in ["GET /a HTTP/2.0", "HTTP/2.0 200 "] {
            let head = format!("{start}\r\nx: 1\r\n\r\n");
            let fields = head_fields(head.as_bytes()).unwrap();
            let mut lines = Lines::of(head.as_bytes(), &fields);
            lines.set("X-New", b"2");
            lines.set("X", b"3");
            let edited = String::from_utf8(lines.head(&[start.as_bytes()])).unwrap();
            assert_eq!(edited, format!("{start}\r\nx-new: 2\r\nx: 3\r\n\r\n"));
        }
    }

    #[test]
    fn fields_are_found_changed_and_taken_out_in_any_case() {
        let fields = head_fields(HEAD).unwrap();
        let lines = Lines::of(HEAD, &fields);
        assert_eq!(lines.first("HOST"), Some(&b"a"[..]));
        assert!(lines.any("X", |value| value == b"2") && !lines.any("Y", |_| true));
        let twice = |value: &[u8]| Ok::<_, ()>(Some([value, value].concat()));
        assert_eq!(
            edited(|lines| lines.change("x", twice).unwrap()),
            "GET / HTTP/1.1\r\nhOsT:  a \r\nX: 11\r\nx: 22\r\nEmpty:\r\n\r\n"
        );
        assert_eq!(
            edited(|lines| lines.remove("x")),
            "GET / HTTP/1.1\r\nhOsT:  a \r\nEmpty:\r\n\r\n"
        );
    }
}
