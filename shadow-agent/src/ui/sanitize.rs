//! Text of strangers as a terminal may show it: it says something, and orders nothing.

/// Replacement for a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// Most characters of a line that are looked at: no screen is wider.
const MAX_LINE: usize = 1000;

/// One line of text without anything that a terminal obeys, or that makes it look like something else: control characters
/// (C0, C1, DEL), those that turn the direction of writing, and those of no width.
pub(super) fn harmless(text: &str) -> String {
    let shown = |character: char| match character {
        '\t' => ' ',
        character if character.is_control() || is_invisible(character) => REPLACEMENT,
        character => character,
    };
    text.chars().take(MAX_LINE).map(shown).collect()
}

/// A log line: the colours in it are taken out, the rest is made harmless.
pub(super) fn without_colours(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("\x1b[") {
        text += before;
        let end = behind.find(|character: char| !matches!(character, '0'..='9' | ';'));
        // SGR, as this program writes it. Anything else is a stranger's.
        rest = match end {
            Some(end) if behind[end..].starts_with('m') => &behind[end + 1..],
            _ => {
                text.push(REPLACEMENT);
                behind
            }
        };
    }
    harmless(&(text + rest))
}

/// Format characters (Unicode's Cf) and their like, which take no place of their own.
fn is_invisible(character: char) -> bool {
    matches!(
        u32::from(character),
        0xad | 0x34f
            | 0x600..=0x605
            | 0x61c
            | 0x6dd
            | 0x70f
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_replaced() {
        assert_eq!(
            harmless("a\x1b[2Jb\x07\r\n\x7f\u{9b}31m"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}31m"
        );
        assert_eq!(
            harmless("\u{202e}gpj.exe\u{200b}\u{feff}"),
            "\u{fffd}gpj.exe\u{fffd}\u{fffd}"
        );
        assert_eq!(
            harmless("Käse\t$.items[*].price 日本"),
            "Käse $.items[*].price 日本"
        );
        assert_eq!(harmless(&"x".repeat(5000)).len(), MAX_LINE);
    }

    #[test]
    fn colours_of_log_lines_go_and_other_sequences_stay_visible() {
        assert_eq!(
            without_colours("\x1b[2m12:00\x1b[0m \x1b[33m WARN\x1b[0m x"),
            "12:00  WARN x"
        );
        assert_eq!(
            without_colours("a\x1b[2Jb\x1b]0;c\x07"),
            "a\u{fffd}2Jb\u{fffd}]0;c\u{fffd}"
        );
        assert_eq!(without_colours("\x1b["), "\u{fffd}");
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_obey(text in any::<String>()) {
            for shown in [harmless(&text), without_colours(&text)] {
                prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
            }
        }
    }
}
