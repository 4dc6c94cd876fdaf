//! By which version of HTTP a request goes.

use super::support::Http2Support;
use crate::http::{Request, Version};
use crate::output::http::settings::HttpVersion;

/// How a request goes to its upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output::http) enum Way {
    /// By HTTP/1.1, or 1.0 where it came so.
    Http1,
    /// By HTTP/2.
    Http2,
    /// It cannot go.
    None,
}

impl Way {
    /// The way of `request` to an upstream with this `setting`, of which so much is known. `now`: the breaker's time.
    pub(in crate::output::http) fn of(
        request: &Request,
        setting: HttpVersion,
        support: &Http2Support,
        now: impl FnOnce() -> u64,
    ) -> Self {
        let came_by_http2 = request.version == Version::Http2;
        let wanted = match setting {
            HttpVersion::AsProduction => came_by_http2,
            HttpVersion::Http1 => false,
            HttpVersion::Http2 => true,
        };
        if wanted && !support.is_refused(now) {
            // It asks to leave HTTP/1.1, which there is no way to ask for in HTTP/2 (RFC 9113 section 8.6).
            let leaves = !came_by_http2 && request.is_handshake();
            return if leaves { Self::None } else { Self::Http2 };
        }
        let only_http2 = setting == HttpVersion::Http2 || came_by_http2 && is_grpc(request);
        if only_http2 { Self::None } else { Self::Http1 }
    }
}

/// Whether it is a gRPC call, which HTTP/1.1 cannot carry (gRPC over HTTP2, "Requests"); gRPC-Web is made for it.
pub(in crate::output::http) fn is_grpc(request: &Request) -> bool {
    let Some(media) = request.header("content-type") else {
        return false;
    };
    let Some((start, rest)) = media.split_at_checked(b"application/grpc".len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(b"application/grpc")
        && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::testing::request;

    fn way(head: &str, setting: HttpVersion, refused: bool) -> Way {
        let support = Http2Support::default();
        if refused {
            support.refused(0);
        }
        let mut request = request(head.replace(" HTTP/2.0", " HTTP/1.1").as_bytes());
        if head.contains(" HTTP/2.0") {
            request.version = Version::Http2;
        }
        Way::of(&request, setting, &support, || 1)
    }

    const OLD: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const NEW: &str = "GET / HTTP/2.0\r\nhost: a\r\n\r\n";
    const GRPC: &str = "POST /a.B/C HTTP/2.0\r\nhost: a\r\ncontent-type: application/grpc+proto\r\n\r\n";
    const WEB: &str = "POST /a.B/C HTTP/2.0\r\nhost: a\r\ncontent-type: application/grpc-web\r\n\r\n";
    const SOCKET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";

    #[test]
    fn by_default_a_request_goes_as_it_came() {
        let setting = HttpVersion::AsProduction;
        assert_eq!(way(OLD, setting, false), Way::Http1);
        assert_eq!(way(NEW, setting, false), Way::Http2);
        assert_eq!(way(GRPC, setting, false), Way::Http2);
        assert_eq!(way(SOCKET, setting, false), Way::Http1);
    }

    #[test]
    fn an_upstream_without_http2_gets_http1_but_no_grpc() {
        let setting = HttpVersion::AsProduction;
        assert_eq!(way(NEW, setting, true), Way::Http1);
        assert_eq!(way(WEB, setting, true), Way::Http1);
        assert_eq!(way(GRPC, setting, true), Way::None);
    }

    #[test]
    fn http1_alone_takes_everything_but_grpc() {
        let setting = HttpVersion::Http1;
        assert_eq!(way(OLD, setting, false), Way::Http1);
        assert_eq!(way(NEW, setting, false), Way::Http1);
        assert_eq!(way(WEB, setting, false), Way::Http1);
        assert_eq!(way(GRPC, setting, false), Way::None);
    }

    #[test]
    fn http2_alone_takes_everything_but_handshakes() {
        let setting = HttpVersion::Http2;
        assert_eq!(way(OLD, setting, false), Way::Http2);
        assert_eq!(way(NEW, setting, false), Way::Http2);
        assert_eq!(way(SOCKET, setting, false), Way::None);
        assert_eq!(way(OLD, setting, true), Way::None);
    }
}
