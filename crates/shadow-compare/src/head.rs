//! The head of an answer or a request, read leniently: whoever captured it knows that it is whole, and a comparison must say
//! something of whatever it gets.

use std::collections::BTreeMap;

use shadow_http::same_lines;

/// Lines of a head, without the empty one that ends it.
pub(super) fn lines(head: &[u8]) -> Lines<'_> {
    Lines(head)
}

/// Rest of the lines of a head.
#[derive(Clone, Debug)]
pub(super) struct Lines<'a>(&'a [u8]);

impl Lines<'_> {
    /// Passes over the lines that both begin with alike, without looking for where each ends.
    pub fn pass_alike(&mut self, other: &mut Self) {
        let alike = same_lines(self.0, other.0);
        (self.0, other.0) = (&self.0[alike..], &other.0[alike..]);
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let end = memchr::memchr(b'\n', self.0);
            let line = &self.0[..end.unwrap_or(self.0.len())];
            self.0 = &self.0[end.map_or(self.0.len(), |end| end + 1)..];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }
}

/// Method and target in a request line.
pub(super) fn request_line(head: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr2(b'\r', b'\n', head).unwrap_or(head.len());
    let mut words = head[..end].split(|byte| *byte == b' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Name and value of a line.
pub(super) fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        Some(colon) => (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()),
        None => (line, b""),
    }
}

/// A head, taken apart.
#[derive(Debug)]
pub(super) struct Head<'a> {
    /// The status code as it is written.
    pub status: &'a [u8],
    /// Values by name in lower case, in their order.
    pub fields: BTreeMap<String, Vec<&'a [u8]>>,
}

impl<'a> Head<'a> {
    /// Takes it apart.
    pub fn new(head: &'a [u8]) -> Self {
        let mut lines = lines(head);
        let start = lines.next().unwrap_or_default();
        let status = start.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let mut fields: BTreeMap<String, Vec<&[u8]>> = BTreeMap::new();
        for line in lines {
            let (name, value) = field(line);
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            fields.entry(name).or_default().push(value);
        }
        Self { status, fields }
    }

    /// The values of the fields called `name`.
    pub fn values(&self, name: &str) -> &[&'a [u8]] {
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    /// The value of the first of them.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).first().copied()
    }

    /// Whether one of the members of the list in fields called `name` is `member`.
    pub fn lists(&self, name: &str, member: &str) -> bool {
        let members = |value: &&[u8]| {
            value
                .split(|byte| *byte == b',')
                .any(|part| part.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
        };
        self.values(name).iter().any(members)
    }

    /// Fields that `Connection` names belong to the connection (RFC 9110 section 7.6.1): their names in lower case.
    pub fn of_connection(&self) -> impl Iterator<Item = String> {
        let values = self.values("connection").iter();
        let names = values.flat_map(|value| value.split(|byte| *byte == b','));
        names.map(|name| String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase())
    }
}
