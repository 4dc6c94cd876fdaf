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

/// A list of challenges as it is compared: without the values that are new each time, and the parameters of each challenge in one
/// order. They have none of their own, and some servers give them another one each time they are started.
pub(super) fn comparable(value: &[u8]) -> Vec<u8> {
    in_one_order(&without_nonces(value))
}

fn in_one_order(list: &[u8]) -> Vec<u8> {
    // Each scheme with its parameters.
    let mut challenges: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
    for member in members(list) {
        let name = member.iter().take_while(|byte| is_in_name(**byte)).count();
        let (scheme, rest) = member.split_at(name);
        match rest.first() {
            // Its first parameter, or all that it has, stands behind it.
            Some(b' ' | b'\t') => challenges.push((scheme, vec![rest.trim_ascii()])),
            None => challenges.push((scheme, Vec::new())),
            Some(_) => match challenges.last_mut() {
                Some((_, parameters)) => parameters.push(member),
                None => challenges.push((b"", vec![member])),
            },
        }
    }
    let written = challenges.into_iter().map(|(scheme, mut parameters)| {
        parameters.sort_unstable();
        let parameters = parameters.join(&b", "[..]);
        let space: &[u8] = if scheme.is_empty() || parameters.is_empty() {
            b""
        } else {
            b" "
        };
        [scheme, space, &parameters].concat()
    });
    written.collect::<Vec<_>>().join(&b", "[..])
}

/// The members of a list, whose quoted strings may have commas in them.
fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(list);
    let members = std::iter::from_fn(move || {
        let text = rest?;
        let mut at = 0;
        while at < text.len() && text[at] != b',' {
            at += if text[at] == b'"' { quoted(&text[at..]) } else { 1 };
        }
        rest = text.get(at + 1..);
        Some(text[..at].trim_ascii())
    });
    members.filter(|member| !member.is_empty())
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
    fn parameters_of_a_challenge_have_no_order_and_challenges_do() {
        let same = |one: &str, other: &str| comparable(one.as_bytes()) == comparable(other.as_bytes());
        let digest = r#"Digest realm="a, b", nonce="7", qop="auth", opaque="5", stale=FALSE"#;
        let other = r#"Digest stale=FALSE,opaque="9", realm="a, b", nonce="8", qop="auth""#;
        assert!(same(digest, other));
        assert!(!same(
            digest,
            r#"Digest realm="a, c", nonce="7", qop="auth", opaque="5", stale=FALSE"#
        ));
        assert!(!same(
            r#"Basic realm="a", Digest realm="b""#,
            r#"Basic realm="b", Digest realm="a""#
        ));
        assert!(!same(
            r#"Basic realm="a", Digest realm="b""#,
            r#"Digest realm="b", Basic realm="a""#
        ));
        assert!(same(r#"rspauth="x", qop=auth"#, r#"qop=auth,rspauth="y""#));
        assert!(comparable(b"").is_empty() && comparable(b", ,").is_empty());
        assert_eq!(
            comparable(b"Basic, Negotiate YII=, x"),
            b"Basic, Negotiate YII=, x"
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
