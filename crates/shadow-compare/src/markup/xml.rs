//! XML documents (XML 1.0), read by quick-xml. Names are as they are written, prefixes and all, and what a document type declares is
//! not read: a reference to it stays as it is.

use std::borrow::Cow;
use std::hash::RandomState;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

use super::tree::{Builder, Tree};

/// The tree of a document; `None` of what is none, or is too large or too deep.
pub(super) fn read(text: &str, key: &RandomState) -> Option<Tree> {
    let mut reader = Reader::from_str(text);
    let mut out = Builder::default();
    let (mut depth, mut roots) = (0_usize, 0_usize);
    while !out.is_too_large() {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                roots += usize::from(depth == 0);
                depth += 1;
                open(&element, &mut out)?;
            }
            Event::Empty(element) => {
                roots += usize::from(depth == 0);
                open(&element, &mut out)?;
                out.close();
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                out.close();
            }
            Event::Text(text) if depth > 0 => out.text(&text.xml10_content(), false),
            Event::CData(text) if depth > 0 => out.text(&text.xml10_content(), false),
            Event::GeneralRef(name) if depth > 0 => match name.resolve_char_ref().ok()? {
                Some(c) => out.text(c.encode_utf8(&mut [0; 4]), false),
                None => match resolve_predefined_entity(&name) {
                    Some(text) => out.text(text, false),
                    None => ["&", &*name, ";"].iter().for_each(|part| out.text(part, false)),
                },
            },
            Event::Text(text) if text.trim_ascii().is_empty() => {}
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => return None,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return (depth == 0 && roots == 1).then(|| out.done(key))?,
        }
    }
    None
}

fn open(element: &BytesStart<'_>, out: &mut Builder) -> Option<()> {
    let mut attributes: Vec<(&str, Cow<'_, str>)> = Vec::new();
    // Two of one name are compared one by one: looking for them takes time in the square of their number.
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.ok()?;
        let value = match attribute.value {
            Cow::Borrowed(raw) => unescape(raw).unwrap_or(Cow::Borrowed(raw)),
            Cow::Owned(raw) => Cow::Owned(unescape(&raw).map_or(raw.clone(), Cow::into_owned)),
        };
        attributes.push((attribute.key.0, value));
    }
    out.open(
        element.name().0,
        attributes.iter().map(|(name, value)| (*name, &**value)),
    );
    Some(())
}
