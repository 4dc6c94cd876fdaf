//! Names that are ids: there is another one in each answer, and a place has a star for any of them.

/// Whether a name is an id, which there is another of in each answer: a number, a UUID, 16 or more hexadecimal digits, a date.
pub(super) fn is_id(name: &str) -> bool {
    let bytes = name.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    match bytes.len() {
        0 => false,
        length if digits == length => true,
        36 if shaped(bytes, b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") => true,
        16.. if digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit) => true,
        10 => shaped(bytes, b"dddd-dd-dd"),
        11.. => shaped(&bytes[..11], b"dddd-dd-ddT"),
        _ => false,
    }
}

/// Whether a name may be the number of a field of Protocol Buffers, which places have as it is. Larger ones are rare, and read as
/// ids.
pub(super) fn is_field_number(name: &str) -> bool {
    (1..=3).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0')
}

/// `d` stands for a digit, `x` for a hexadecimal one, all else for itself.
fn shaped(bytes: &[u8], shape: &[u8]) -> bool {
    bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_hexdigit(),
            shape => byte == shape,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_ids_become_a_star() {
        for id in [
            "7",
            "000123",
            "123e4567-e89b-12d3-a456-426614174000",
            "507f1f77bcf86cd799439011",
            "2026-11-24",
            "2026-11-24T10:00:00Z",
        ] {
            assert!(is_id(id), "{id}");
        }
        for name in [
            "",
            "name",
            "a1",
            "deadbeef",
            "accededaccededacceded",
            "2026-11-2x",
            "v2-11-24ab",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }
}
