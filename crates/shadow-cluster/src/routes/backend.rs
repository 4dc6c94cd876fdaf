//! A reference to a Service, followed to the addresses behind it.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::api::core::v1::{Service, ServicePort};

use super::catalog::Catalog;
use super::kind::Origin;
use super::status::{Problem, Reason};
use crate::objects::tcp_ports;

/// Most addresses of one backend; a copy goes to one of them.
pub const MAX_ADDRESSES: usize = 256;

/// Protocols (`appProtocol`) that a copy, which is sent without TLS, does not speak.
const UNSUPPORTED: [&str; 2] = ["kubernetes.io/wss", "https"];

/// Protocols that are HTTP/2 with prior knowledge: such a port takes nothing else.
const HTTP2: [&str; 2] = ["kubernetes.io/h2c", "grpc"];

/// Where the copies of a mirror go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The Service's port, as the route has it.
    pub port: u16,
    /// Whether that port is for HTTP/2 with prior knowledge alone, by its `appProtocol`.
    pub http2: bool,
    /// One of these is connected to: the Service's cluster addresses, or with a headless Service its ready endpoints,
    /// in order and at most [`MAX_ADDRESSES`]. Empty while there are none.
    pub addresses: Vec<SocketAddr>,
}

/// A reference to a backend, with what is left out filled in.
pub(super) struct Reference<'a> {
    group: &'a str,
    kind: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    port: Option<i32>,
    from: Origin<'a>,
}

/// The port of a Service that a reference leads to.
pub(super) struct Found<'c> {
    service: &'c Service,
    /// The Service's entry of the port, if it lists it.
    entry: Option<&'c ServicePort>,
    /// Its number.
    pub port: u16,
}

impl<'a> Reference<'a> {
    /// A reference in the route `from`.
    pub fn new(
        from: Origin<'a>,
        group: Option<&'a str>,
        kind: Option<&'a str>,
        namespace: Option<&'a str>,
        name: &'a str,
        port: Option<i32>,
    ) -> Self {
        Self {
            group: group.unwrap_or(""),
            kind: kind.unwrap_or("Service"),
            namespace: namespace.unwrap_or(from.namespace),
            name,
            port,
            from,
        }
    }

    /// Follows the reference to a port of a Service. One of type `ExternalName` is refused, as Gateway API advises: its
    /// author could have production's requests, credentials included, sent anywhere, past every `ReferenceGrant`
    /// (CVE-2021-25740).
    pub fn follow<'c>(&self, catalog: &'c dyn Catalog) -> Result<Found<'c>, Problem> {
        let (namespace, name) = (self.namespace, self.name);
        if !self.group.is_empty() || self.kind != "Service" {
            let kind = [self.group, self.kind].join("/");
            return Err((
                Reason::InvalidKind,
                format!("{namespace}/{name} is a {kind}: only a Service can be used"),
            ));
        }
        // Before anything is said about what there is in the other namespace.
        if namespace != self.from.namespace {
            let permits = |grant: &super::ReferenceGrant| {
                grant.permits(self.from.kind, self.from.namespace, namespace, name)
            };
            if !catalog.grants().iter().any(permits) {
                return Err((
                    Reason::RefNotPermitted,
                    format!(
                        "no ReferenceGrant in {namespace} allows {}s of {} to use the Service {name}",
                        self.from.kind.name(),
                        self.from.namespace
                    ),
                ));
            }
        }
        let Some(service) = catalog.service(namespace, name) else {
            return Err((
                Reason::BackendNotFound,
                format!("there is no Service {namespace}/{name}"),
            ));
        };
        if is_external(service) {
            return Err((
                Reason::InvalidKind,
                format!("the Service {namespace}/{name} is of type ExternalName, which is not supported"),
            ));
        }
        let Some(port) = self.port else {
            return Err((
                Reason::BackendNotFound,
                format!("no port of the Service {namespace}/{name} is named"),
            ));
        };
        let entry = tcp_ports(service).find(|candidate| candidate.port == port);
        match u16::try_from(port) {
            Ok(port) if port != 0 && entry.is_some() => Ok(Found { service, entry, port }),
            _ => Err((
                Reason::BackendNotFound,
                format!("the Service {namespace}/{name} has no TCP port {port}"),
            )),
        }
    }

    /// Follows the reference of a mirror to the addresses that copies go to.
    pub fn backend(&self, catalog: &dyn Catalog) -> Result<Backend, Problem> {
        let found = self.follow(catalog)?;
        let port = found.port;
        let protocol = found.entry.and_then(|entry| entry.app_protocol.as_deref());
        if let Some(protocol) = protocol
            && UNSUPPORTED.contains(&protocol)
        {
            return Err((
                Reason::UnsupportedProtocol,
                format!(
                    "port {port} of the Service {}/{} wants {protocol}: copies are sent without TLS",
                    self.namespace, self.name
                ),
            ));
        }
        Ok(Backend {
            namespace: self.namespace.to_owned(),
            service: self.name.to_owned(),
            port,
            http2: protocol.is_some_and(|protocol| HTTP2.contains(&protocol)),
            addresses: self.addresses(&found, catalog),
        })
    }

    fn addresses(&self, found: &Found<'_>, catalog: &dyn Catalog) -> Vec<SocketAddr> {
        let port = found.port;
        let spec = found.service.spec.clone().unwrap_or_default();
        let cluster_ips = spec
            .cluster_ips
            .filter(|addresses| !addresses.is_empty())
            .unwrap_or_else(|| spec.cluster_ip.into_iter().collect());
        let mut addresses: Vec<SocketAddr> = if cluster_ips.iter().any(|address| address == "None") {
            let port_name = found.entry.and_then(|entry| entry.name.as_deref()).unwrap_or("");
            let mut addresses: Vec<_> = catalog
                .endpoints(self.namespace, self.name)
                .into_iter()
                .filter(|endpoint| endpoint.port_name == port_name)
                .map(|endpoint| SocketAddr::new(endpoint.address, endpoint.port))
                .collect();
            addresses.sort_unstable();
            addresses.dedup();
            addresses
        } else {
            cluster_ips
                .iter()
                .filter_map(|address| address.parse::<IpAddr>().ok())
                .map(|address| SocketAddr::new(address, port))
                .collect()
        };
        addresses.truncate(MAX_ADDRESSES);
        addresses
    }
}

fn is_external(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName")
}
