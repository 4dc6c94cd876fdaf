//! Challenges and their answers (RFC 9110 section 11, RFC 7616): a server makes up a new nonce for each.

/// Parameters whose values are new in each answer (RFC 7616 sections 3.3 and 3.5), in lower case.
const NEW_EACH_TIME: [&[u8]; 5] = [b"nonce", b"opaque", b"nextnonce", b"cnonce", b"rspauth"];

/// Fields that hold challenges and the server's answers to credentials, in lower case.
const FIELDS: [&str; 4] = [
    "authentication-info",
    "proxy-authenticate",
    "proxy-authentication-info",
    "www-authenticate",
];

/// Whether the field called `name`, in lower case, holds some.
pub(super) fn are_in(name: &str) -> bool {
    FIELDS.contains(&name)
}

/// A list of challenges without the values that are new each time: that they are there is left.
pub(super) fn without_nonces(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        if value[at] == b'"' {
            let end = at + quoted(&value[at..]);
            out.extend_from_slice(&value[at..end]);
            at = end;
            continue;
        }
        let word = value[at..].iter().take_while(|byte| is_in_name(**byte)).count();
        out.extend_from_slice(&value[at..at + word]);
        let name = &value[at..at + word];
        at += word;
        if word == 0 {
            out.push(value[at]);
            at += 1;
        } else if value.get(at) == Some(&b'=')
            && NEW_EACH_TIME.iter().any(|known| name.eq_ignore_ascii_case(known))
        {
            out.push(b'=');
            at += 1;
            let rest = &value[at..];
            at += match rest.first() {
                Some(b'"') => quoted(rest),
                _ => rest.iter().take_while(|byte| !b", \t".contains(byte)).count(),
            };
        }
    }
    out
}

fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Length of the quoted string that `text` begins with, to the end where it does not end.
fn quoted(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(value: &str) -> String {
        String::from_utf8(without_nonces(value.as_bytes())).unwrap()
    }

    #[test]
    fn values_that_are_new_each_time_are_left_out() {
        assert_eq!(
            left(r#"Digest realm="a, b", nonce="7\"c", qop="auth", opaque=5cc, algorithm=MD5, stale=FALSE"#),
            r#"Digest realm="a, b", nonce=, qop="auth", opaque=, algorithm=MD5, stale=FALSE"#
        );
        assert_eq!(
            left(r#"nextnonce="x",qop=auth,NONCE=y"#),
            "nextnonce=,qop=auth,NONCE="
        );
    }

    #[test]
    fn the_rest_is_compared_as_it_is() {
        for value in [
            r#"Basic realm="nonce=1""#,
            "Bearer error=\"invalid_token\"",
            "Negotiate YII=",
            r#"a="b"#,
            r#""\"#,
            "nonce",
            "=",
            "",
        ] {
            assert_eq!(left(value), value);
        }
        assert_eq!(left("nonce=\"cut"), "nonce=");
    }
}
