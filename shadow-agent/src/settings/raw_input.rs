//! `--input-raw`: where requests are captured.

use std::fmt;
use std::path::PathBuf;

use crate::capture::{LiveInput, LiveScope};
use crate::kubernetes::PodSelector;

/// One `--input-raw`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawInput {
    /// Live traffic.
    Live {
        /// Watched targets.
        scope: LiveScope,
        /// TCP ports that requests are sent to, ascending; never empty in settings.
        ports: Vec<u16>,
    },
    /// Pods of this node, as the Kubernetes API has them.
    Kubernetes(PodSelector),
    /// A pcap or pcapng file, read to its end.
    File {
        /// The file.
        path: PathBuf,
        /// TCP ports that requests are sent to; empty for every port.
        ports: Vec<u16>,
    },
}

impl fmt::Display for RawInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = match self {
            RawInput::Kubernetes(pods) => return f.write_str(&pods.typed),
            RawInput::File { path, ports } => {
                write!(f, "{}", path.display())?;
                ports
            }
            RawInput::Live { scope, ports } => {
                match scope {
                    LiveScope::Any => f.write_str("any address")?,
                    LiveScope::Interfaces(name) => write!(f, "interface {name}")?,
                    LiveScope::Addresses(addresses) => {
                        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                        f.write_str(&texts.join(", "))?;
                    }
                }
                ports
            }
        };
        for (index, port) in ports.iter().enumerate() {
            write!(f, "{}{port}", if index == 0 { ", port " } else { ", " })?;
        }
        Ok(())
    }
}

impl RawInput {
    /// The part of this host's traffic that it watches, at addresses or interfaces.
    pub fn live(&self) -> Option<LiveInput> {
        match self {
            Self::Live { scope, ports } => Some(LiveInput {
                scope: scope.clone(),
                ports: ports.clone(),
            }),
            Self::Kubernetes(_) | Self::File { .. } => None,
        }
    }
}
