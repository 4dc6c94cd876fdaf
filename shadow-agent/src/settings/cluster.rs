//! A cluster: what is followed in it, and how the mirrors of its routes send their copies.

use std::sync::Arc;

use crate::kubernetes::{DesiredMirror, KubernetesSettings};
use crate::mirror::rules::Rules;
use crate::output::{HttpOutputSettings, HttpVersion, MirrorSpec, OutputSettings};

/// Settings of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// Settings of the client that follows it.
    pub client: KubernetesSettings,
    /// How a mirror of a route sends its copies: the upstream in it stands for none.
    pub mirror: Box<HttpOutputSettings>,
    /// Treatment of requests of mirrors of routes.
    pub rules: Option<Arc<Rules>>,
}

impl ClusterSettings {
    /// A mirror of a route, with the output that sends its copies.
    pub fn wanted(&self, mirror: &DesiredMirror) -> MirrorSpec {
        let mut output = (*self.mirror).clone();
        output.name.clone_from(&mirror.name);
        output.host.clone_from(&mirror.host);
        output.port = mirror.port;
        if mirror.http2 {
            output.version = HttpVersion::Http2;
        }
        output.endpoints = Some(mirror.endpoints.clone());
        output.host_header = mirror.host_header.clone();
        output.edits.clone_from(&mirror.edits);
        MirrorSpec {
            key: mirror.key.clone(),
            name: Some(mirror.name.clone()),
            selection: mirror.selection.clone(),
            rules: self.rules.clone(),
            limit: None,
            output: OutputSettings::Http(Box::new(output)),
        }
    }
}

#[cfg(test)]
#[cfg(feature = "cluster")]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::cli::high;
    use crate::cli::low::Arguments;
    use crate::cli::machine::TestMachine;
    use crate::mirror::plan::Selection;
    use crate::mirror::{Endpoints, HostHeader};

    #[test]
    fn a_route_names_the_upstream_and_flags_say_how_copies_are_sent() {
        let flags = [
            "shadow-agent",
            "--k8s-node=n",
            "--input-k8s-routes=shop",
            "--output-http-timeout=7s",
            "--http-disallow-url=/private",
        ];
        let arguments = Arguments::try_parse_from(flags).unwrap();
        let settings = high::resolve(&arguments, &TestMachine).unwrap().settings;
        let cluster = settings.kubernetes.unwrap();
        let endpoints = Endpoints::default();
        let wanted = cluster.wanted(&DesiredMirror {
            key: "route shop/web".to_owned(),
            name: "shop/web".to_owned(),
            selection: Selection::Everything,
            host: "web-next.shop".to_owned(),
            port: 8080,
            http2: true,
            endpoints: endpoints.clone(),
            host_header: HostHeader::Suffix("-shadow".to_owned()),
            edits: None,
        });
        assert_eq!(
            (&*wanted.key, wanted.name.as_deref()),
            ("route shop/web", Some("shop/web"))
        );
        assert!(wanted.rules.is_some() && wanted.limit.is_none());
        let OutputSettings::Http(output) = wanted.output else {
            panic!("an HTTP output")
        };
        assert_eq!(
            (&*output.name, &*output.host, output.port),
            ("shop/web", "web-next.shop", 8080)
        );
        assert_eq!(output.endpoints, Some(endpoints));
        assert_eq!(output.host_header, HostHeader::Suffix("-shadow".to_owned()));
        assert_eq!(output.timeout, Duration::from_secs(7));
        assert_eq!(output.version, HttpVersion::Http2);
    }
}
