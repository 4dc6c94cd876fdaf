//! Identifiers in pages and in XML: what forms hand out, tokens by their names, parts of pages, and texts of elements;
//! and in lines of text.

use super::{ELEMENT, FILLED, HANDED, LINE, NAMED, PART, Reader};
use crate::key::Scope;
use crate::named_tokens;
use crate::shape::{is_hexadecimal, is_id, is_named_token, is_token, names_token};
use crate::url::{self, PartKind, Within};

impl Reader<'_> {
    /// Takes a hidden input, which whoever sends the form sends back.
    pub fn handed(&mut self, name: &[u8], value: &[u8]) {
        let sure = names_token(name);
        if is_token(value) || (sure && is_named_token(value)) {
            self.push(self.keys.place(HANDED, name), Scope::Anywhere, value, sure);
        } else if is_id(value) && value.iter().any(u8::is_ascii_digit) {
            // Who sends the form sends it back, whatever it means.
            self.push(self.keys.place(FILLED, name), Scope::Field(name), value, false);
        }
    }

    /// A token that a page gives by name, told by what stands before it. The digits of that are of records, and of hosts.
    pub fn named(&mut self, found: named_tokens::Found<'_>) {
        let before = found
            .before
            .split(u8::is_ascii_digit)
            .filter(|part| !part.is_empty());
        let place = before.fold(self.keys.place(NAMED, found.name), |place, part| {
            self.keys.place(place, part)
        });
        if let Some(value) = url::decoded(found.value, Within::Query) {
            self.push(place, Scope::Anywhere, &value, true);
        }
    }

    /// The text of an element of XML.
    pub fn element(&mut self, name: &[u8], text: &[u8]) {
        let place = self.keys.place(ELEMENT, name);
        let sure = names_token(name);
        if is_token(text) {
            self.token(place, name, text, sure);
        } else if sure && url::is_url(text) {
            self.url(place, text, false, true);
        }
    }

    /// Hashes and versions in the URL of a part of a page, told by what else is in it: the page names what browsers ask for next.
    pub fn part(&mut self, text: &[u8]) {
        let mut place = PART;
        let mut at = 0;
        let mut tokens = Vec::new();
        url::parts(text, |part| {
            let value = &text[part.range.clone()];
            let is_version = || matches!(part.kind, PartKind::Query(_)) && is_hexadecimal(value);
            if is_token(value) || is_version() {
                place = self.keys.place(place, &text[at..part.range.start]);
                at = part.range.end;
                tokens.push(part.range);
            }
        });
        let place = self.keys.place(place, &text[at..]);
        for (index, range) in tokens.into_iter().enumerate() {
            let place = self.keys.place(place, &index.to_be_bytes());
            self.push(place, Scope::Anywhere, &text[range], true);
        }
    }

    /// A line's JSON, or URL.
    pub fn document(&mut self, text: &[u8]) {
        if url::is_url(text) {
            let place = self.keys.place(LINE, b"");
            self.url(place, text, false, true);
        } else {
            self.json(text);
        }
    }
}
