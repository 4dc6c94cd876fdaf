//! Addresses of the benchmark. It has a network namespace of its own, so that they are always free.

use std::net::{Ipv4Addr, SocketAddr};

/// Production, plain.
pub const PRODUCTION: u16 = 8081;
/// The shadow.
pub const SHADOW: u16 = 8082;
/// Production with nginx's `mirror` directive.
pub const PRODUCTION_MIRROR: u16 = 8083;
/// Where nobody listens.
pub const NOBODY: u16 = 8084;
/// Production of the measurement of TLS: HTTPS.
pub const TLS: u16 = 8443;
/// The same, plain.
pub const TLS_PLAIN: u16 = 8086;
/// A proxy that passes requests on to it: plain.
pub const TLS_FRONT_PLAIN: u16 = 8087;
/// By HTTPS, kept alive.
pub const TLS_FRONT_KEPT_ALIVE: u16 = 8088;
/// By HTTPS, with a handshake for each request.
pub const TLS_FRONT_HANDSHAKES: u16 = 8089;
/// Idle connections.
pub const IDLE: u16 = 8085;
/// Production's counts.
pub const PRODUCTION_STATUS: u16 = 8091;
/// The shadow's counts.
pub const SHADOW_STATUS: u16 = 8092;

/// Counts of that production.
pub const TLS_STATUS: u16 = 8093;
/// Counts of what passes requests on to it.
pub const TLS_FRONT_STATUS: u16 = 8094;

/// Production of the measurement of HTTP/2: HTTP/1.1.
pub const HTTP1: u16 = 8101;
/// HTTP/2.
pub const HTTP2: u16 = 8102;
/// Its shadow: HTTP/1.1.
pub const HTTP1_SHADOW: u16 = 8103;
/// HTTP/2.
pub const HTTP2_SHADOW: u16 = 8104;
/// Counts of that production.
pub const HTTP2_STATUS: u16 = 8105;
/// Counts of its shadow.
pub const HTTP2_SHADOW_STATUS: u16 = 8106;

/// A port on 127.0.0.1.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
