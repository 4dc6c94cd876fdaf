//! Options of outputs: which there are; those of each kind stand beside it.

pub use super::file::FileOutputSettings;
pub use super::http::{BreakerSettings, Endpoints, HostHeader, HttpOutputSettings, HttpVersion, MaxStream};
pub use super::relay::{RelayOutputSettings, RelayTls, RelayWire};

/// One output.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSettings {
    /// `--output-http`.
    Http(Box<HttpOutputSettings>),
    /// `--output-tcp` or `--output-ws`.
    Relay(Box<RelayOutputSettings>),
    /// `--output-stdout`.
    Stdout {
        /// Bytes that may wait for the writer.
        queue_bytes: usize,
    },
    /// `--output-file`.
    File(Box<FileOutputSettings>),
    /// `--output-null`.
    Null,
}

impl OutputSettings {
    /// Whether it keeps what it gets, so that credentials are hidden from it unless that was turned off
    /// (`--http-redact-none`). Standard output shows what there is.
    pub fn keeps_traffic(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Http(_) | Self::Relay(_) | Self::Stdout { .. } | Self::Null => false,
        }
    }

    /// The name of the output as the ledger shows it, unless its mirror has one.
    pub fn name(&self) -> &str {
        match self {
            Self::Http(http) => &http.name,
            Self::Relay(relay) => &relay.name,
            Self::Stdout { .. } => "stdout",
            Self::File(file) => &file.name,
            Self::Null => "null",
        }
    }
}
