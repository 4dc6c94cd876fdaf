//! Which header fields of answers are compared, and how.
//!
//! Two instances of one release differ in some fields, always. Comparing those tells nothing about a release, so they are left
//! out by name, as every tool of this kind does by default or has its users do first: the moment, the way, who answers, and the
//! names of requests and traces. What clients act on is compared: `Content-Type`, `Cache-Control`, `Location`,
//! `Access-Control-*`, `WWW-Authenticate`, cookies, and all names that are not known here.

use std::sync::LazyLock;

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// By its values.
    Value,
    /// By being there.
    Presence,
    /// As a media type: without white space, in lower case, and without the boundary of its parts, which is random.
    MediaType,
    /// As a list whose members stand in any order and case.
    Set,
    /// As such a list, of names of fields, without those that are about the way.
    Names,
    /// As cookies, each by its name.
    Cookies,
    /// Not at all.
    Never,
}

/// Never compared. In lower case, by what makes them vary.
const NEVER: &[&str] = &[
    // The moment, and the way (RFC 9110 sections 6.6.1 and 7.6, RFC 9111 section 5.1): about this exchange, not its content.
    "age",
    "alt-svc",
    "connection",
    "date",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    // How the body travels. It is compared as it reads, and its length with it.
    "content-encoding",
    "content-length",
    "grpc-accept-encoding",
    "grpc-encoding",
    // Who answers: another release may well be another program, and what its answers say is compared.
    "server",
    "x-powered-by",
    "x-aspnet-version",
    "x-served-by",
    "x-backend-server",
    "x-instance-id",
    "x-hostname",
    // Caches in front of production alone.
    "cf-cache-status",
    "cf-ray",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-cache",
    "x-cache-hits",
    "x-cache-status",
    "x-timer",
    "x-varnish",
    // Names of the request and of its trace: new ones for each.
    "b3",
    "correlation-id",
    "request-id",
    "sentry-trace",
    "trace-id",
    "traceparent",
    "traceresponse",
    "tracestate",
    "uber-trace-id",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-parent-id",
    "x-datadog-trace-id",
    "x-ms-request-id",
    "x-request-id",
    "x-span-id",
    "x-trace-id",
    "x-transaction-id",
    // How long it took: latency is measured, not read.
    "server-timing",
    "x-envoy-upstream-service-time",
    "x-process-time",
    "x-response-time",
    "x-runtime",
    // Where reports about connections go, with a new token each time.
    "nel",
    "report-to",
];

/// Compared by being there: clients rely on that, and the values come from the clock, the file system or a counter.
const PRESENCE: &[&str] = &[
    "etag",
    "expires",
    "last-modified",
    "ratelimit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-used",
];

/// Lists whose members stand in any order and case (RFC 9110 section 10.2.1, RFC 9111 section 5.2, Fetch section 3.3).
const SETS: &[&str] = &[
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "allow",
    "cache-control",
];

/// All names that are known, by their length: few are looked at for each field of each answer.
static KNOWN: LazyLock<Vec<Vec<(&str, Manner)>>> = LazyLock::new(|| {
    let of = |names: &'static [&'static str], manner| names.iter().map(move |name| (*name, manner));
    let all = of(NEVER, Manner::Never)
        .chain(of(PRESENCE, Manner::Presence))
        .chain(of(&["set-cookie"], Manner::Cookies))
        .chain(of(&["content-type"], Manner::MediaType))
        .chain(of(&["vary"], Manner::Names))
        .chain(of(SETS, Manner::Set));
    let mut known = Vec::new();
    for (name, manner) in all {
        if known.len() <= name.len() {
            known.resize(name.len() + 1, Vec::new());
        }
        known[name.len()].push((name, manner));
    }
    known
});

/// How fields of this name are compared, in any case.
pub(super) fn manner(name: &[u8]) -> Manner {
    // Those that differ in nearly every pair of answers, as nearly all write them: found without looking at each letter in both
    // cases.
    match name {
        b"Date" | b"date" | b"Server" | b"server" => return Manner::Never,
        b"ETag" | b"etag" | b"Etag" | b"Last-Modified" | b"last-modified" | b"Expires" | b"expires" => {
            return Manner::Presence;
        }
        _ => {}
    }
    let of_length = KNOWN.get(name.len()).map_or(&[][..], Vec::as_slice);
    let known = of_length
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    known.map_or(Manner::Value, |(_, manner)| *manner)
}

/// Fields that a status code gives a meaning (RFC 9110 sections 10.2, 11.6 and 14.4; RFC 6585 section 4), in lower case: what a
/// client does next depends on them.
pub(super) fn of_status(status: &[u8]) -> &'static [&'static str] {
    match status {
        [b'3', ..] => &["location"],
        b"401" => &["www-authenticate"],
        b"405" => &["allow"],
        b"407" => &["proxy-authenticate"],
        b"416" => &["content-range"],
        b"413" | b"429" | b"503" => &["retry-after"],
        _ => &[],
    }
}

/// The members of a list in one order and in lower case; of `names`, without `Accept-Encoding`, which is about the way.
pub(super) fn members_of(values: &[&[u8]], names: bool) -> Option<Vec<u8>> {
    let all = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    let mut members: Vec<Vec<u8>> = all
        .map(|member| member.trim_ascii().to_ascii_lowercase())
        .filter(|member| !(member.is_empty() || (names && member == b"accept-encoding")))
        .collect();
    members.sort();
    members.dedup();
    (!members.is_empty()).then(|| members.join(&b", "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_known_in_any_case() {
        for (name, expected) in [
            ("Date", Manner::Never),
            ("dATE", Manner::Never),
            ("server", Manner::Never),
            ("Last-Modified", Manner::Presence),
            ("LAST-MODIFIED", Manner::Presence),
            ("expires", Manner::Presence),
            ("X-REQUEST-ID", Manner::Never),
            ("ETag", Manner::Presence),
            ("Set-Cookie", Manner::Cookies),
            ("Vary", Manner::Names),
            ("Cache-Control", Manner::Set),
            ("Content-Type", Manner::MediaType),
            ("Location", Manner::Value),
            ("X-Anything", Manner::Value),
        ] {
            assert_eq!(manner(name.as_bytes()), expected, "{name}");
        }
    }
}
