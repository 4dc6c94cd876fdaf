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
/// Idle connections.
pub const IDLE: u16 = 8085;
/// Production's counts.
pub const PRODUCTION_STATUS: u16 = 8091;
/// The shadow's counts.
pub const SHADOW_STATUS: u16 = 8092;

/// A port on 127.0.0.1.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
