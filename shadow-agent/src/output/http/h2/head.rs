//! The head of a copy as HTTP/2 has it: made of the text that HTTP/1.1 would get, so that a copy is the same by both.
//!
//! What is HTTP/1.1's alone is left out (RFC 9113 section 8.2.2), names become lower case, and `Host` becomes `:authority`.
//! Fields keep their order, except that those of one name stand together, at the place of the first: the `http` crate has it
//! so, and it means the same (RFC 9110 section 5.3).

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

/// A head that HTTP/2, or this client, has no form for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) struct Unsendable;

/// Longest part of a head that is kept for the next one of its connection.
const MOST_KEPT: usize = 4096;

/// Makes the heads of one connection, and keeps the one that was made last: clients say most of it again with each request.
#[derive(Debug, Default)]
pub(in crate::output::http) struct Heads {
    path: Option<PathAndQuery>,
    /// The header section, as text.
    section: Bytes,
    /// The fields that it is, once it has come twice.
    fields: Option<Fields>,
}

/// A header section as HTTP/2 has it.
#[derive(Clone, Debug)]
struct Fields {
    authority: Option<Authority>,
    map: HeaderMap,
}

impl Heads {
    /// The head that `text` is: a request line and header section that [`CopyTemplate`](super::super::copy::CopyTemplate) wrote.
    /// `tls`: whether it goes over TLS.
    pub(in crate::output::http) fn request(
        &mut self,
        text: &[u8],
        tls: bool,
    ) -> Result<Request<()>, Unsendable> {
        let mut lines = Lines::new(text);
        let mut words = lines.next().ok_or(Unsendable)?.split(|byte| *byte == b' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(Unsendable);
        };
        let method = Method::from_bytes(method).map_err(|_| Unsendable)?;
        let path = self.path(target)?;
        let Fields { authority, map } = self.fields(lines.0)?;
        let mut parts = http::uri::Parts::default();
        if authority.is_some() {
            parts.scheme = Some(if tls { Scheme::HTTPS } else { Scheme::HTTP });
            parts.authority = authority;
        }
        parts.path_and_query = Some(path);
        let mut request = Request::new(());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Unsendable)?;
        *request.method_mut() = method;
        *request.headers_mut() = map;
        Ok(request)
    }

    fn path(&mut self, target: &[u8]) -> Result<PathAndQuery, Unsendable> {
        if let Some(last) = self
            .path
            .as_ref()
            .filter(|last| last.as_str().as_bytes() == target)
        {
            return Ok(last.clone());
        }
        let path = PathAndQuery::try_from(target).map_err(|_| Unsendable)?;
        self.path = (target.len() <= MOST_KEPT).then(|| path.clone());
        Ok(path)
    }

    fn fields(&mut self, section: &[u8]) -> Result<Fields, Unsendable> {
        if section.len() > MOST_KEPT {
            return Fields::of(&Bytes::copy_from_slice(section));
        }
        if self.section != section {
            self.section = Bytes::copy_from_slice(section);
            self.fields = None;
            return Fields::of(&self.section);
        }
        if self.fields.is_none() {
            self.fields = Some(Fields::of(&self.section)?);
        }
        self.fields.clone().ok_or(Unsendable)
    }
}

impl Fields {
    /// The fields that `text` is.
    fn of(text: &Bytes) -> Result<Self, Unsendable> {
        let mut authority = None;
        let most = memchr::memchr_iter(b'\n', text).count();
        let mut map = HeaderMap::try_with_capacity(most).map_err(|_| Unsendable)?;
        for line in Lines::new(text) {
            let (name, value) = field(line).ok_or(Unsendable)?;
            if authority.is_none() && name.eq_ignore_ascii_case(b"host") {
                // One that is no authority stays a field.
                authority = Authority::from_maybe_shared(text.slice_ref(value)).ok();
                if authority.is_some() {
                    continue;
                }
            }
            if !is_of_http1(name) {
                append(&mut map, text, name, value)?;
            }
        }
        Ok(Self { authority, map })
    }
}

/// The trailer fields that `text` is, the empty line behind them included. `None` where there are none.
pub(in crate::output::http) fn trailers(text: &Bytes) -> Result<Option<HeaderMap>, Unsendable> {
    let mut fields = HeaderMap::new();
    for line in Lines::new(text) {
        let (name, value) = field(line).ok_or(Unsendable)?;
        if !is_of_http1(name) {
            append(&mut fields, text, name, value)?;
        }
    }
    Ok((!fields.is_empty()).then_some(fields))
}

fn append(fields: &mut HeaderMap, text: &Bytes, name: &[u8], value: &[u8]) -> Result<(), Unsendable> {
    let name = HeaderName::from_bytes(name).map_err(|_| Unsendable)?;
    let value = HeaderValue::from_maybe_shared(text.slice_ref(value)).map_err(|_| Unsendable)?;
    fields.try_append(name, value).map_err(|_| Unsendable)?;
    Ok(())
}

fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// Whether a field is about an HTTP/1.1 connection (RFC 9113 section 8.2.2). `te` stands here only where it may.
fn is_of_http1(name: &[u8]) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    match name.len() {
        7 => is("upgrade"),
        10 => is("connection") || is("keep-alive"),
        16 => is("proxy-connection"),
        17 => is("transfer-encoding"),
        _ => false,
    }
}

/// The lines of a text, up to an empty one.
struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self(text)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'\n', self.0)?;
        let line = &self.0[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.0 = &self.0[end + 1..];
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &'static str) -> Result<(String, Vec<String>), Unsendable> {
        let request = Heads::default().request(text.as_bytes(), true)?;
        Ok(said(&request))
    }

    fn said(request: &Request<()>) -> (String, Vec<String>) {
        let fields = request.headers().iter();
        let fields = fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        (
            format!("{} {}", request.method(), request.uri()),
            fields.collect(),
        )
    }

    #[test]
    fn heads_that_come_again_are_the_same_and_others_are_not() {
        let mut heads = Heads::default();
        let mut of = |text: &str| said(&heads.request(text.as_bytes(), true).unwrap());
        for _ in 0..3 {
            let (line, fields) = of("GET /a HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
            assert_eq!(line, "GET https://a/a");
            assert_eq!(fields, ["x-a: 1", "x-a: 2"]);
        }
        let (line, fields) = of("PUT /b HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nx-a: 2\r\n\r\n");
        assert_eq!((line.as_str(), fields.len()), ("PUT https://a/b", 2));
        let (line, fields) = of("GET /b HTTP/1.1\r\nHost: b\r\nx-a: 1\r\nx-a: 3\r\n\r\n");
        assert_eq!(line, "GET https://b/b");
        assert_eq!(fields, ["x-a: 1", "x-a: 3"]);
        let (line, fields) = of("GET /b HTTP/1.1\r\n\r\n");
        assert_eq!((line.as_str(), fields.len()), ("GET /b", 0));
    }

    #[test]
    fn a_head_that_cannot_be_sent_cannot_when_it_comes_again() {
        let mut heads = Heads::default();
        let long = format!("GET / HTTP/1.1\r\nx-a: {}\r\n\r\n", "b".repeat(2 * MOST_KEPT));
        for _ in 0..3 {
            assert!(heads.request(b"GET / HTTP/1.1\r\nx a: 1\r\n\r\n", true).is_err());
            assert!(
                heads
                    .request(b"GET /a<b HTTP/1.1\r\nHost: a\r\n\r\n", true)
                    .is_err()
            );
            assert_eq!(heads.request(long.as_bytes(), true).unwrap().headers().len(), 1);
        }
    }

    #[test]
    fn more_fields_than_a_map_can_hold_cannot_be_sent() {
        let fields = "a: b\r\n".repeat(30_000);
        let text = format!("GET / HTTP/2.0\r\nhost: a\r\n{fields}\r\n");
        assert!(Heads::default().request(text.as_bytes(), true).is_err());
    }

    #[test]
    fn names_become_lower_case_and_keep_their_order() {
        let (line, fields) = head(
            "GET /a?b=c HTTP/1.1\r\nHost: shop.example:8443\r\nX-Zebra: 1\r\nAccept:  */* \r\nCookie: a=b\r\n\r\n",
        )
        .unwrap();
        assert_eq!(line, "GET https://shop.example:8443/a?b=c");
        assert_eq!(fields, ["x-zebra: 1", "accept: */*", "cookie: a=b"]);
    }

    #[test]
    fn what_is_of_the_connection_is_left_out() {
        let (_, fields) = head(
            "POST / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n\
             Transfer-Encoding: chunked\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nte: trailers\r\n\r\n",
        )
        .unwrap();
        assert_eq!(fields, ["te: trailers"]);
    }

    #[test]
    fn values_of_one_name_stand_at_the_place_of_the_first() {
        let (_, fields) =
            head("GET / HTTP/1.1\r\nHost: a\r\nx-a: 1\r\nx-b: 2\r\nx-a: 3\r\nx-c: 4\r\n\r\n").unwrap();
        assert_eq!(fields, ["x-a: 1", "x-a: 3", "x-b: 2", "x-c: 4"]);
    }

    #[test]
    fn a_host_that_is_no_authority_stays_a_field() {
        let (line, fields) = head("GET / HTTP/1.1\r\nHost: a b\r\n\r\n").unwrap();
        assert_eq!(line, "GET /");
        assert_eq!(fields, ["host: a b"]);
        let (line, fields) = head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!((line.as_str(), fields.len()), ("OPTIONS https://a*", 0));
    }

    #[test]
    fn a_target_that_is_no_path_cannot_be_sent() {
        assert_eq!(head("GET /a<b HTTP/1.1\r\nHost: a\r\n\r\n"), Err(Unsendable));
        assert_eq!(head("GET\r\n\r\n"), Err(Unsendable));
        assert_eq!(head(""), Err(Unsendable));
    }

    #[test]
    fn trailers_are_fields() {
        let of = |text: &'static str| trailers(&Bytes::from_static(text.as_bytes())).unwrap();
        let fields = of("Grpc-Status: 0\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(fields.len(), 1);
        assert_eq!(fields["grpc-status"], "0");
        assert_eq!(of("\r\n"), None);
    }
}
