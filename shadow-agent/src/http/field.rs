//! What the bytes of a header field may be (RFC 9110 section 5).

use super::head;

/// `token` of RFC 9110 section 5.6.2: what a field name or a method is made of.
pub fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| head::is_token(byte))
}

/// `field-value` of RFC 9110 section 5.5: no control bytes but the tab.
pub fn is_field_value(value: &[u8]) -> bool {
    // Counted, without early exit, so that it vectorises.
    let control = |byte: &&u8| (**byte < 0x20 && **byte != b'\t') || **byte == 0x7f;
    value.iter().filter(control).count() == 0
}
