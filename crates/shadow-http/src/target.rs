//! The absolute form of a request target (RFC 9112 section 3.2.2), taken apart.

/// Authority (without userinfo) and the rest (path and query, possibly empty) of a target in absolute form; none
/// when `target` has another form.
pub fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = after_scheme(target)?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = authority.rsplit(|byte| *byte == b'@').next().unwrap_or(authority);
    Some((authority, rest))
}

/// The rest behind `scheme://`, if `target` starts so (RFC 3986 section 3.1).
fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = target.iter().position(|byte| *byte == b':')?;
    let scheme = &target[..colon];
    let valid = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    if !valid {
        return None;
    }
    target[colon..].strip_prefix(b"://")
}
