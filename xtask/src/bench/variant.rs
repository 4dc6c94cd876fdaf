//! The variants that are measured side by side.

use std::net::SocketAddr;

use serde::Serialize;

use super::sockets::{self, local};

/// A way to run production.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// By itself.
    Alone,
    /// With the agent capturing to null.
    Null,
    /// With the agent mirroring to the shadow.
    Mirror,
    /// With nginx's own `mirror` directive to the shadow.
    Nginx,
}

impl Variant {
    /// All of them.
    pub const ALL: [Variant; 4] = [Variant::Alone, Variant::Null, Variant::Mirror, Variant::Nginx];

    /// Its name in the report.
    pub fn title(self) -> &'static str {
        match self {
            Variant::Alone => "alone",
            Variant::Null => "agent, to null",
            Variant::Mirror => "agent, mirroring",
            Variant::Nginx => "nginx's mirror",
        }
    }

    /// Where its load goes.
    pub fn address(self) -> SocketAddr {
        local(match self {
            Variant::Alone | Variant::Null | Variant::Mirror => sockets::PRODUCTION,
            Variant::Nginx => sockets::PRODUCTION_MIRROR,
        })
    }

    /// The agent's output, where the agent takes part.
    pub fn output(self) -> Option<Vec<String>> {
        match self {
            Variant::Alone | Variant::Nginx => None,
            Variant::Null => Some(vec!["--output-null".to_owned()]),
            Variant::Mirror => Some(vec![
                "--output-http".to_owned(),
                format!("http://{}", local(sockets::SHADOW)),
            ]),
        }
    }

    /// Whether copies go to the shadow.
    pub fn mirrors(self) -> bool {
        matches!(self, Variant::Mirror | Variant::Nginx)
    }
}
