//! Credentials that clients send in headers: cookies (RFC 6265 section 4.2) and Basic credentials (RFC 7617).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The values of the cookies called `name` in the value of a Cookie field, as sent.
pub(super) fn cookies<'a>(field: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    field.split(|byte| *byte == b';').filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let equals = memchr::memchr(b'=', pair)?;
        (pair[..equals] == *name.as_bytes()).then(|| &pair[equals + 1..])
    })
}

/// The user that an Authorization field names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Basic {
    /// It has another scheme.
    Other,
    /// `user:password`.
    UserPass(Vec<u8>),
    /// It says Basic, but holds no base64.
    Malformed,
}

/// Reads the value of an Authorization field.
pub(super) fn basic(field: &[u8]) -> Basic {
    let space = memchr::memchr(b' ', field).unwrap_or(field.len());
    let (scheme, rest) = field.split_at(space);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Basic::Other;
    }
    match BASE64_STANDARD.decode(rest.trim_ascii()) {
        Ok(decoded) => Basic::UserPass(decoded),
        Err(_) => Basic::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let field = b"sid=1; xsid=2 ;sid=a=b;flag; =3";
        let found: Vec<_> = cookies(field, "sid").collect();
        assert_eq!(found, [&b"1"[..], b"a=b"]);
        assert_eq!(cookies(field, "flag").count(), 0);
        assert_eq!(cookies(field, "SID").count(), 0, "their names have a case");
    }

    #[test]
    fn basic_credentials_are_decoded() {
        assert_eq!(
            basic(b"Basic dXNlcjpwYXNz"),
            Basic::UserPass(b"user:pass".to_vec())
        );
        assert_eq!(
            basic(b"bASIC  dXNlcjpwYXNz"),
            Basic::UserPass(b"user:pass".to_vec())
        );
        assert_eq!(basic(b"Bearer dXNlcjpwYXNz"), Basic::Other);
        assert_eq!(basic(b""), Basic::Other);
        assert_eq!(basic(b"Basic *"), Basic::Malformed);
        assert_eq!(basic(b"Basic"), Basic::UserPass(Vec::new()));
    }
}
