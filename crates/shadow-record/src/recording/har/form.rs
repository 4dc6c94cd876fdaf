//! The body of a form whose parameters alone are in a HAR file.

use std::fmt::Write as _;

use serde_json::Value;

use super::member::text;

/// As `application/x-www-form-urlencoded` (WHATWG URL, section 5.2). Parameters say what was meant, not how it was sent.
pub(super) fn urlencoded(params: &[Value]) -> Vec<u8> {
    let mut form = String::new();
    for param in params {
        let Some(name) = text(param, "name") else { continue };
        if !form.is_empty() {
            form.push('&');
        }
        encode(&name, &mut form);
        form.push('=');
        encode(&text(param, "value").unwrap_or_default(), &mut form);
    }
    form.into_bytes()
}

fn encode(part: &str, form: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                form.push(char::from(byte));
            }
            b' ' => form.push('+'),
            _ => {
                let _ = write!(form, "%{byte:02X}");
            }
        }
    }
}

/// As the parts of `multipart/form-data` (RFC 7578) with the boundary of the media type. Fails where nobody can know what was
/// sent: a file whose content is not in the HAR file, or no boundary.
pub(super) fn multipart(params: &[Value], media: &str) -> Result<Vec<u8>, &'static str> {
    let boundary = boundary(media).ok_or("an entry with a multipart form without boundary")?;
    let mut form = String::new();
    for param in params {
        let Some(name) = text(param, "name") else { continue };
        let (value, file) = (text(param, "value"), text(param, "fileName"));
        let Some(value) = value.or_else(|| file.is_none().then(Default::default)) else {
            return Err("an entry with a multipart form whose file is missing from the HAR file");
        };
        let _ = write!(
            form,
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
            quoted(&name)
        );
        if let Some(file) = file {
            let _ = write!(form, "; filename=\"{}\"", quoted(&file));
        }
        form.push_str("\r\n");
        if let Some(media) = text(param, "contentType").filter(|media| !media.is_empty()) {
            let _ = write!(form, "Content-Type: {}\r\n", media.replace(['\r', '\n'], " "));
        }
        if value.contains(&format!("--{boundary}")) {
            return Err("an entry with a multipart form that contains its own boundary");
        }
        let _ = write!(form, "\r\n{value}\r\n");
    }
    let _ = write!(form, "--{boundary}--\r\n");
    Ok(form.into_bytes())
}

/// The boundary that a media type names (RFC 2046 section 5.1.1).
fn boundary(media: &str) -> Option<&str> {
    media.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let is_it = name.trim().eq_ignore_ascii_case("boundary");
        let is_good =
            (1..=70).contains(&value.len()) && value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
        (is_it && is_good).then_some(value)
    })
}

/// A name between quotes, as browsers write it (WHATWG HTML, section 4.10.21.8).
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
