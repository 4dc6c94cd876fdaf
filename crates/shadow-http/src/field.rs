//! Header fields: which bytes they may have (RFC 9110 section 5), and which names frame a message.

/// `token` of RFC 9110 section 5.6.2: what a field name or a method is made of.
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `byte` may stand in a token (RFC 9110 section 5.6.2).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

/// `field-value` of RFC 9110 section 5.5: no control bytes but the tab.
pub fn is_field_value(value: &[u8]) -> bool {
    // Whole blocks without early exit, so that it vectorises; the rest by a table.
    let (blocks, rest) = value.as_chunks::<16>();
    let has_control = |block: &[u8; 16]| block.iter().fold(false, |found, byte| found | is_control(*byte));
    !blocks.iter().any(has_control) && !rest.iter().any(|byte| CONTROL[*byte as usize])
}

/// Whether it is a control byte but the tab.
const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

const CONTROL: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_control(byte as u8);
        byte += 1;
    }
    table
};

/// Whether a captured field can be sent on as it came. That is a field of RFC 9110, and also one that servers take
/// although it is none: a name with delimiters (`X(Y)`), a value with control bytes, which "recipients MAY retain"
/// (section 5.5). Never with NUL, CR or LF, which end a line or a string somewhere; and not where the odd field holds a
/// name that frames a message, since somebody may read it as that.
pub fn can_be_sent(name: &[u8], value: &[u8]) -> bool {
    if is_token(name) && is_field_value(value) {
        return true;
    }
    is_visible_name(name)
        && memchr::memchr3(0, b'\r', b'\n', value).is_none()
        && !FramingNames::are_in(name)
        && !FramingNames::are_in(value)
}

/// A name of visible ASCII characters but the colon.
pub(super) fn is_visible_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':')
}

/// Without the white space around it (`OWS` of RFC 9110 section 5.6.3); a part of `value`, also where nothing is left: then
/// its end, where a value would begin, as `httparse` has it.
pub(super) fn trim_spaces(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte));
    let end = value.iter().rposition(|byte| !is_space(byte));
    match (start, end) {
        (Some(start), Some(end)) => &value[start..=end],
        _ => &value[value.len()..],
    }
}

/// Looks for the names of the fields that frame a message, or say what becomes of its connection, in bytes that somebody
/// may read as such a field. Only letters and digits are compared, so that nothing put in between hides a name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingNames {
    last: [u8; LONGEST],
    found: bool,
}

/// Letters of the longest name.
const LONGEST: usize = 16;
const NAMES: [&[u8]; 4] = [b"contentlength", b"transferencoding", b"connection", b"upgrade"];

impl FramingNames {
    /// Whether one of the names is in `bytes`.
    pub fn are_in(bytes: &[u8]) -> bool {
        let mut names = Self::default();
        for byte in bytes {
            names.see(*byte);
        }
        names.found
    }

    /// The next byte.
    pub fn see(&mut self, byte: u8) {
        if byte.is_ascii_alphanumeric() {
            self.last.copy_within(1.., 0);
            self.last[LONGEST - 1] = byte.to_ascii_lowercase();
            self.found |= NAMES.iter().any(|name| self.last.ends_with(name));
        }
    }

    /// Whether one was there so far.
    pub fn found(&self) -> bool {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_holds_no_control_byte_but_the_tab_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let may_be = byte == b'\t' || !byte.is_ascii_control();
            for (length, place) in [(1, 0), (15, 14), (16, 0), (16, 15), (17, 16), (40, 20), (40, 39)] {
                let mut value = vec![b'a'; length];
                value[place] = byte;
                assert_eq!(is_field_value(&value), may_be, "{byte} at {place} of {length}");
            }
        }
        assert!(is_field_value(b""));
    }

    #[test]
    fn odd_fields_that_servers_take_can_be_sent() {
        for (name, value) in [
            ("X(Y)", "a"),
            ("Cookie", "a=\x01b"),
            ("X[0]", "\x7f"),
            ("Host", "a\tb"),
        ] {
            assert!(
                can_be_sent(name.as_bytes(), value.as_bytes()),
                "{name:?}: {value:?}"
            );
        }
    }

    #[test]
    fn what_may_end_a_line_or_hide_a_length_cannot_be_sent() {
        for (name, value) in [
            ("", "a"),
            ("X Y", "a"),
            ("X\u{e9}", "a"),
            ("X\0", "a"),
            ("X", "a\0b"),
            ("X", "a\rb"),
            ("X", "a\nb"),
            ("(Transfer-Encoding)", "chunked"),
            ("Content-Length(", "5"),
            ("X", "a\x0bTransfer_Encoding: chunked"),
        ] {
            assert!(
                !can_be_sent(name.as_bytes(), value.as_bytes()),
                "{name:?}: {value:?}"
            );
        }
    }

    #[test]
    fn framing_names_are_found_whatever_stands_between_their_letters() {
        for text in [
            "x Transfer\0-Encoding",
            "CONTENT_LENGTH",
            "con nection: close",
            "(upgrade)",
        ] {
            assert!(FramingNames::are_in(text.as_bytes()), "{text:?}");
        }
        assert!(!FramingNames::are_in(b"content-lengt"));
    }
}
