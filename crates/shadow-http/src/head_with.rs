//! A request's head with some fields set or left out, byte for byte the same besides. What comes of it is to be read again
//! ([`Request::rewritten`]).

use super::message::{HeaderField, Request, Version};

impl Request {
    /// This request's head with other fields: those called by a name of `fields`, in any case, are left out, and where
    /// it has a value one such field stands in the place of the first of them, or at the end: in lower case where names of
    /// HTTP/2 are. No other field is changed, but for a `Connection` field that would have a hop take out what is set here.
    pub fn head_with(&self, fields: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
        let end = self.head.len().saturating_sub(2);
        let first = self
            .headers
            .first()
            .map_or(end, |field| field.name.start as usize);
        let mut head = Vec::with_capacity(self.head.len() + 64);
        head.extend_from_slice(&self.head[..first]);
        let mut written = vec![false; fields.len()];
        for (index, field) in self.headers.iter().enumerate() {
            let next = self.headers.get(index + 1);
            let line_end = next.map_or(end, |next| next.name.start as usize);
            let name = self.part(&field.name);
            let called = |(other, _): &(&str, Option<&[u8]>)| name.eq_ignore_ascii_case(other.as_bytes());
            match fields.iter().position(called) {
                Some(at) => {
                    if let (name, Some(value)) = fields[at]
                        && !std::mem::replace(&mut written[at], true)
                    {
                        self.write_named(&mut head, name, value);
                    }
                }
                None if name.eq_ignore_ascii_case(b"connection") => {
                    self.write_connection(field, line_end, fields, &mut head);
                }
                None => head.extend_from_slice(&self.head[field.name.start as usize..line_end]),
            }
        }
        for ((name, value), written) in fields.iter().zip(written) {
            if let Some(value) = value.filter(|_| !written) {
                self.write_named(&mut head, name, value);
            }
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Writes a field that is set.
    fn write_named(&self, head: &mut Vec<u8>, name: &str, value: &[u8]) {
        if self.version == Version::Http2 {
            write_field(head, name.to_ascii_lowercase().as_bytes(), value);
        } else {
            write_field(head, name.as_bytes(), value);
        }
    }

    fn part(&self, range: &std::ops::Range<u32>) -> &[u8] {
        &self.head[range.start as usize..range.end as usize]
    }

    /// A `Connection` field without the names of fields that are set (RFC 9110 section 7.6.1).
    fn write_connection(
        &self,
        field: &HeaderField,
        line_end: usize,
        fields: &[(&str, Option<&[u8]>)],
        head: &mut Vec<u8>,
    ) {
        let is_set = |option: &[u8]| {
            let names = fields.iter().filter(|(_, value)| value.is_some());
            names
                .map(|(name, _)| name.as_bytes())
                .any(|name| option.trim_ascii().eq_ignore_ascii_case(name))
        };
        let options = || self.part(&field.value).split(|byte| *byte == b',');
        if !options().any(is_set) {
            return head.extend_from_slice(&self.head[field.name.start as usize..line_end]);
        }
        let kept: Vec<&[u8]> = options().filter(|option| !is_set(option)).collect();
        if !kept.is_empty() {
            write_field(head, self.part(&field.name), kept.join(&b","[..]).trim_ascii());
        }
    }
}

fn write_field(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}
