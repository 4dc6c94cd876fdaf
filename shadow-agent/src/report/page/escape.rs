//! Hostile text inside the page's HTML and inside its JSON.

use std::fmt::Write;

use serde::Serialize;

use super::super::figures::{is_hidden, visible};

/// Text between tags, or inside double quotes, in HTML and in XML.
pub(in crate::report) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// JSON that can stand inside a `script` element: nothing in it can end the element, or begin a comment in it, and the source
/// of the page reads as it is.
pub(super) fn json(value: &impl Serialize) -> String {
    // Maps have string keys and numbers are finite: there is nothing that could fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut safe = String::with_capacity(text.len() + text.len() / 16);
    for character in text.chars() {
        // All of these stand in strings alone.
        if matches!(character, '<' | '>' | '&') || is_hidden(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_cannot_leave_its_element() {
        assert_eq!(
            json(&"</script><!--<img onerror=alert(1)>&\u{2028}\u{2029}"),
            "\"\\u003c/script\\u003e\\u003c!--\\u003cimg onerror=alert(1)\\u003e\\u0026\\u2028\\u2029\""
        );
    }

    #[test]
    fn html_is_text() {
        assert_eq!(
            escaped("<a href=\"x\" onclick='y'>&\u{202e}\n"),
            "&lt;a href=&quot;x&quot; onclick=&#39;y&#39;&gt;&amp;⟨U+202E⟩⟨U+000A⟩"
        );
    }

    proptest! {
        #[test]
        fn json_reads_as_what_it_was(text in any::<String>()) {
            let safe = json(&text);
            let ends = safe.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!ends, "{}", safe);
            prop_assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
        }
    }
}
