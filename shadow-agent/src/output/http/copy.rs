//! The wire form of a copy: the request line and header section the shadow gets.
//!
//! Fields keep their order, case and spacing: what stays is copied in runs, byte for byte. What changes:
//!
//! - Hop-by-hop fields are left out (RFC 9110 section 7.6.1): `Connection` and the fields it names,
//!   `Keep-Alive`, `Proxy-Connection`, `TE`, `Upgrade`. The `Upgrade` of a WebSocket's handshake, or of another protocol's
//!   than HTTP, stays, with a `Connection` that names it: the request asks for nothing else. A client that names `Content-Length`,
//!   `Transfer-Encoding` or `Host` there does not get them removed: that would change where the message ends
//!   or whom it is for. `Transfer-Encoding` stays although it is hop-by-hop, because the body is sent in the
//!   very framing it was captured in. `Proxy-Authorization` stays too: it is not on that list, and the
//!   shadow stands where production stood, which got it.
//! - `Host` becomes what [`HostHeader`] says. With an absolute-form target, the target's authority counts as
//!   the Host the client sent (RFC 9112 section 3.2.2). Where there is none, the upstream's is added, except
//!   with [`HostHeader::Original`].
//! - `X-Shadow-Source-Pod` and `X-Shadow-Source-Labels` are the agent's alone where it is asked for (`--http-pod-header`).
//! - `Authorization` is replaced when the upstream's URL has userinfo; the marker field is appended.
//! - The edits of a route ([`Edits`]) come before all that: the host they name counts as the one that the client
//!   sent, and fields that they set are left out where they stood and appended.
//! - An HTTP/1.0 request keeps its version, and its wish for a persistent connection.
//!
//! Nothing can be smuggled in: field names and values are checked here again, whatever parsed them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::redirect::Hop;
use super::settings::{HostHeader, HttpOutputSettings};
use super::target::{self, Target};
use crate::http::{Request, Version, can_be_sent, is_field_value, is_token};
use crate::mirror::Edits;
use crate::mirror::plan::PodIdentity;
use crate::secret::Secret;

/// Names the pod that served the request, as `NAMESPACE/NAME`.
const POD_HEADER: &str = "X-Shadow-Source-Pod";
/// Has those of its labels that travel.
const LABELS_HEADER: &str = "X-Shadow-Source-Labels";

fn is_about_pod(name: &[u8]) -> bool {
    [POD_HEADER, LABELS_HEADER]
        .iter()
        .any(|ours| name.eq_ignore_ascii_case(ours.as_bytes()))
}

/// A request that must not be copied as it is: a field holds bytes no field may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsafe;

/// HTTP version that a copy goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// HTTP/1.1, or 1.0 where the request came so.
    Http1,
    /// HTTP/2: the head is made a list of fields afterwards (`h2::head`).
    Http2,
}

/// Whether a field is the one of its kind that HTTP/2 has (RFC 9113 section 8.2.2): from HTTP/2 to HTTP/2 it is for the shadow.
fn is_te_trailers(request: &Request, name: &[u8], value: &[u8]) -> bool {
    request.version == Version::Http2 && name == b"te" && value == b"trailers"
}

/// Parts that all copies of one output share.
#[derive(Debug)]
pub(super) struct CopyTemplate {
    path_prefix: Vec<u8>,
    upstream_host: Vec<u8>,
    host_header: HostHeader,
    authorization: Option<Secret>,
    /// The marker's whole line, or nothing.
    marker_line: Vec<u8>,
    edits: Option<Arc<Edits>>,
    name_pod: bool,
}

impl CopyTemplate {
    /// Checks the settings that go into a head. The error is for the user.
    pub(super) fn new(settings: &HttpOutputSettings) -> Result<Self, String> {
        let upstream_host = target::upstream_host(&settings.host, settings.port, settings.tls);
        if !is_host(upstream_host.as_bytes()) {
            return Err(format!("{:?} is not a host name", settings.host));
        }
        if !settings.path_prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the path {:?} has bytes that must be percent-encoded",
                settings.path_prefix
            ));
        }
        if let HostHeader::Suffix(suffix) = &settings.host_header
            && !is_host(suffix.as_bytes())
        {
            return Err(format!("{suffix:?} cannot be part of a Host header"));
        }
        if settings
            .authorization
            .as_ref()
            .is_some_and(|secret| !is_field_value(secret.0.as_bytes()))
        {
            return Err("the user or password is not valid in a header".to_owned());
        }
        if settings.authorization.is_some()
            && let Some(edits) = &settings.edits
            && edits.changes(b"Authorization")
        {
            return Err(
                "the user and password conflict with another change of the Authorization header".to_owned(),
            );
        }
        let marker_line = match &settings.marker {
            None => Vec::new(),
            Some(name) if is_token(name.as_bytes()) => format!("{name}: 1\r\n").into_bytes(),
            Some(name) => return Err(format!("{name:?} is not a header name")),
        };
        Ok(Self {
            path_prefix: settings.path_prefix.clone().into_bytes(),
            upstream_host: upstream_host.into_bytes(),
            host_header: settings.host_header.clone(),
            authorization: settings.authorization.clone(),
            marker_line,
            edits: settings.edits.clone(),
            name_pod: settings.name_pod,
        })
    }

    /// Host and port of the upstream as its Host field has them.
    pub(super) fn upstream_host(&self) -> &[u8] {
        &self.upstream_host
    }

    /// Scheme and authority that the upstream is asked under; `None` where the host is production's, or what an edit makes of it.
    pub(super) fn own_origin(&self, tls: bool) -> Option<String> {
        let is_own = self.host_header == HostHeader::Upstream
            && !self.edits.as_ref().is_some_and(|edits| edits.changes(b"Host"));
        let scheme = if tls { "https" } else { "http" };
        let host = String::from_utf8_lossy(&self.upstream_host);
        is_own.then(|| format!("{scheme}://{host}"))
    }

    /// The target of a copy of `request`, prefix included.
    pub(super) fn target(&self, request: &Request) -> Vec<u8> {
        let mut out = Vec::new();
        let target = target::parse(request.target(), request.method());
        self.write_target(request, &target, &mut out);
        out
    }

    /// Appends the head of the `copy`-th copy of `request`, which `pod` served, to `out`; `hop` when a redirect is followed. The body goes
    /// unchanged behind it, unless the hop drops it.
    pub(super) fn write_head(
        &self,
        request: &Request,
        pod: Option<&PodIdentity>,
        copy: u32,
        hop: Option<&Hop>,
        by: Wire,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsafe> {
        out.reserve(request.head.len() + self.path_prefix.len() + self.marker_line.len() + 128);
        let authority = self.write_request_line(request, hop, out);
        let edits = self.edits.as_deref();
        // What counts as the Host that the client sent, if not the field.
        let authority = edits.and_then(Edits::hostname).or(authority);
        let mut fields = FieldWriter::new(&request.head, out);
        let nominated = Nominated::of(request);
        let handshake = nominated.upgrade && hop.is_none() && request.is_handshake();
        let mut host_written = false;
        let mut authorization_written = false;
        for field in &request.headers {
            let (name, value) = fields.next(field)?;
            match classify(name) {
                Kind::HopByHop if by == Wire::Http2 && is_te_trailers(request, name, value) => {}
                Kind::HopByHop if handshake && name.eq_ignore_ascii_case(b"upgrade") => {}
                Kind::HopByHop => fields.skip(),
                // What a client says of it is not true.
                _ if self.name_pod && is_about_pod(name) => fields.skip(),
                Kind::Host => {
                    fields.skip();
                    if !host_written || self.host_header != HostHeader::Upstream {
                        fields.line_start(name);
                        self.host_value(authority.unwrap_or(value), fields.out);
                        fields.line_end();
                    }
                    host_written = true;
                }
                Kind::Authorization if let Some(credentials) = &self.authorization => {
                    fields.skip();
                    if !authorization_written {
                        fields.line_start(name);
                        fields.out.extend_from_slice(credentials.0.as_bytes());
                        fields.line_end();
                    }
                    authorization_written = true;
                }
                Kind::Body | Kind::Framing if hop.is_some_and(|hop| hop.as_get) => fields.skip(),
                Kind::Framing => {}
                _ if nominated.has(name) => fields.skip(),
                _ if edits.is_some_and(|edits| edits.drops(name)) => fields.skip(),
                _ => {}
            }
        }
        fields.flush();
        if !host_written && (self.host_header != HostHeader::Original || authority.is_some()) {
            fields.line_start(b"Host");
            match authority {
                Some(authority) => self.host_value(authority, fields.out),
                None => fields.out.extend_from_slice(&self.upstream_host),
            }
            fields.line_end();
        }
        if let Some(credentials) = &self.authorization
            && !authorization_written
        {
            fields.line_start(b"Authorization");
            fields.out.extend_from_slice(credentials.0.as_bytes());
            fields.line_end();
        }
        if let Some(edits) = edits {
            fields.out.extend_from_slice(edits.lines());
        }
        if handshake {
            fields.out.extend_from_slice(b"Connection: Upgrade\r\n");
        }
        if request.version == Version::Http10 && nominated.keep_alive {
            fields.out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        if let Some(pod) = pod.filter(|_| self.name_pod) {
            write_pod(pod, out)?;
        }
        match copy {
            2.. if !self.marker_line.is_empty() => {
                let name = self
                    .marker_line
                    .split(|byte| *byte == b':')
                    .next()
                    .unwrap_or_default();
                out.extend_from_slice(name);
                out.extend_from_slice(format!(": {copy}\r\n").as_bytes());
            }
            _ => out.extend_from_slice(&self.marker_line),
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Writes the request line; the authority of an absolute-form target is handed back.
    fn write_request_line<'a>(
        &self,
        request: &'a Request,
        hop: Option<&Hop>,
        out: &mut Vec<u8>,
    ) -> Option<&'a [u8]> {
        let method = match hop {
            Some(hop) if hop.as_get => b"GET",
            _ => request.method(),
        };
        out.extend_from_slice(method);
        out.push(b' ');
        let target = target::parse(request.target(), request.method());
        match hop {
            Some(hop) => out.extend_from_slice(&hop.target),
            None => self.write_target(request, &target, out),
        }
        out.extend_from_slice(match request.version {
            Version::Http10 => b" HTTP/1.0\r\n",
            Version::Http11 | Version::Http2 => b" HTTP/1.1\r\n",
        });
        target.authority
    }

    fn write_target(&self, request: &Request, target: &Target<'_>, out: &mut Vec<u8>) {
        if target.takes_prefix {
            out.extend_from_slice(&self.path_prefix);
            if let Some(edits) = &self.edits
                && edits.write_path(request, target.path, out)
            {
                return;
            }
        }
        if target.needs_slash {
            out.push(b'/');
        }
        out.extend_from_slice(target.path);
    }

    fn host_value(&self, sent: &[u8], out: &mut Vec<u8>) {
        match &self.host_header {
            HostHeader::Upstream => out.extend_from_slice(&self.upstream_host),
            HostHeader::Original => out.extend_from_slice(sent),
            HostHeader::Suffix(suffix) => target::with_suffix(sent, suffix.as_bytes(), out),
        }
    }
}

/// The lines that name a pod. The API server allows only harmless characters in all of this; it is not trusted to.
fn write_pod(pod: &PodIdentity, out: &mut Vec<u8>) -> Result<(), Unsafe> {
    let mut line = |name: &str, value: &str| {
        if !is_field_value(value.as_bytes()) {
            return Err(Unsafe);
        }
        for part in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        Ok(())
    };
    line(POD_HEADER, &format!("{}/{}", pod.namespace, pod.name))?;
    if pod.tag.is_empty() {
        return Ok(());
    }
    line(LABELS_HEADER, &pod.tag)
}

/// Treatment of a header in a copy, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Authorization,
    HopByHop,
    /// Says where the body ends: never left out because a client asks for it.
    Framing,
    /// Describes a body that is there; dropped with it when a redirect turns the request into a GET.
    Body,
    EndToEnd,
}

fn classify(name: &[u8]) -> Kind {
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    // By length first: most fields need no comparison at all.
    match name.len() {
        2 if is("te") => Kind::HopByHop,
        4 if is("host") => Kind::Host,
        6 if is("expect") => Kind::Body,
        7 if is("upgrade") => Kind::HopByHop,
        7 if is("trailer") => Kind::Body,
        10 if is("connection") || is("keep-alive") => Kind::HopByHop,
        12 if is("content-type") => Kind::Body,
        13 if is("authorization") => Kind::Authorization,
        14 if is("content-length") => Kind::Framing,
        16 if is("proxy-connection") => Kind::HopByHop,
        16 if is("content-encoding") || is("content-language") || is("content-location") => Kind::Body,
        17 if is("transfer-encoding") => Kind::Framing,
        _ => Kind::EndToEnd,
    }
}

/// The options of all `Connection` fields, as far as they matter.
///
/// A head may hold thousands of options and as many fields: they are looked at once, and only those that may
/// name a field of this request are kept, in order, so that each field costs one binary search.
struct Nominated<'a> {
    /// As sent, in the order of [`by_name`], none twice.
    names: Vec<&'a [u8]>,
    keep_alive: bool,
    upgrade: bool,
}

impl<'a> Nominated<'a> {
    fn of(request: &'a Request) -> Self {
        let mut names = Vec::new();
        let (mut keep_alive, mut upgrade) = (false, false);
        // Found out only for an option that is not one of the usual.
        let mut present = None;
        for option in connection_options(request) {
            if option.eq_ignore_ascii_case(b"keep-alive") {
                keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                upgrade = true;
            } else if !option.is_empty() && !is_settled(classify(option)) {
                let present = *present.get_or_insert_with(|| kinds_of_names(request));
                if present & kind_of_name(option) != 0 {
                    names.push(option);
                }
            }
        }
        names.sort_unstable_by(|a, b| by_name(a, b));
        names.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
        Self {
            names,
            keep_alive,
            upgrade,
        }
    }

    fn has(&self, name: &[u8]) -> bool {
        !self.names.is_empty()
            && self
                .names
                .binary_search_by(|option| by_name(option, name))
                .is_ok()
    }
}

/// Whether it does not matter that an option names fields of this kind.
fn is_settled(kind: Kind) -> bool {
    matches!(kind, Kind::HopByHop | Kind::Host | Kind::Framing)
}

/// An order of names without regard to case; lengths first, which is cheap.
fn by_name(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        let a = a.iter().map(u8::to_ascii_lowercase);
        a.cmp(b.iter().map(u8::to_ascii_lowercase))
    })
}

/// One of 64 bits, the same for names that differ in nothing but case.
fn kind_of_name(name: &[u8]) -> u64 {
    let first = name.first().map_or(0, u8::to_ascii_lowercase);
    1 << ((usize::from(first) ^ (name.len() << 2)) & 63)
}

/// The bits of all of a request's field names.
fn kinds_of_names(request: &Request) -> u64 {
    request
        .fields()
        .fold(0, |bits, (name, _)| bits | kind_of_name(name))
}

fn connection_options(request: &Request) -> impl Iterator<Item = &[u8]> {
    request
        .fields()
        .filter(|(name, _)| name.len() == 10 && name.eq_ignore_ascii_case(b"connection"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// Copies header lines in runs, skipping some.
struct FieldWriter<'a, 'o> {
    head: &'a [u8],
    out: &'o mut Vec<u8>,
    /// Where the run that is not copied yet starts.
    run: usize,
    /// The current field's line.
    line: std::ops::Range<usize>,
}

impl<'a, 'o> FieldWriter<'a, 'o> {
    fn new(head: &'a [u8], out: &'o mut Vec<u8>) -> Self {
        Self {
            head,
            out,
            run: 0,
            line: 0..0,
        }
    }

    /// Moves on to `field` and checks its line: a name, a colon, a value, all of which can be sent, and a line end.
    fn next(&mut self, field: &crate::http::HeaderField) -> Result<(&'a [u8], &'a [u8]), Unsafe> {
        let head = self.head;
        let (start, name_end) = (field.name.start as usize, field.name.end as usize);
        let value_start = field.value.start as usize;
        let name = head.get(start..name_end).ok_or(Unsafe)?;
        let value = head.get(value_start..field.value.end as usize).ok_or(Unsafe)?;
        let between = head.get(name_end..value_start).ok_or(Unsafe)?;
        let between = between.strip_prefix(b":").ok_or(Unsafe)?;
        let after = &head[field.value.end as usize..];
        let space = after
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let line_end = match &after[space..] {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => return Err(Unsafe),
        };
        if !can_be_sent(name, value) || !is_field_value(between) {
            return Err(Unsafe);
        }
        if self.line.is_empty() {
            self.run = start;
        } else if start != self.line.end {
            // Lines that are not fields (folded ones, or skipped by the parser) are not passed on.
            self.flush();
            self.run = start;
        }
        self.line = start..field.value.end as usize + space + line_end;
        Ok((name, value))
    }

    /// Leaves the current line out.
    fn skip(&mut self) {
        self.out.extend_from_slice(&self.head[self.run..self.line.start]);
        self.run = self.line.end;
    }

    /// Copies the run up to the end of the current line.
    fn flush(&mut self) {
        if self.run < self.line.end {
            self.out.extend_from_slice(&self.head[self.run..self.line.end]);
        }
        self.run = self.line.end;
    }

    fn line_start(&mut self, name: &[u8]) {
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(b": ");
    }

    fn line_end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"/?#@\\".contains(byte))
}

#[cfg(test)]
pub(super) mod tests;
