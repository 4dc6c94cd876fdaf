//! Whether the names of outputs are any, looked up once at the start: a mistyped one should be heard of before requests are
//! dropped for it.

use std::net::{IpAddr, ToSocketAddrs};

use crate::settings::{OutputSettings, Settings};

/// Looks them up on a thread of its own, which warns of those that cannot be: whoever answers names may take a while, and the
/// run does not wait for it.
pub(super) fn look_up(settings: &Settings) {
    let names: Vec<(String, String)> = settings
        .outputs()
        .filter_map(|output| Some((output.name().to_owned(), name_of(output)?.to_owned())))
        .collect();
    if names.is_empty() {
        return;
    }
    let started = std::thread::Builder::new()
        .name("names".to_owned())
        .spawn(move || {
            super::priority::lower_priority();
            for (output, host) in names {
                if let Err(error) = (host.as_str(), 0).to_socket_addrs() {
                    tracing::warn!(
                        output,
                        host,
                        %error,
                        "cannot resolve the host name: retrying for each connection"
                    );
                }
            }
        });
    if let Err(error) = started {
        tracing::debug!(%error, "cannot resolve host names of outputs at startup");
    }
}

/// The name that an output connects to, where it is one.
fn name_of(output: &OutputSettings) -> Option<&str> {
    let host = match output {
        OutputSettings::Http(http) if http.endpoints.is_none() => &http.host,
        OutputSettings::Relay(relay) => &relay.host,
        OutputSettings::Http(_)
        | OutputSettings::Stdout { .. }
        | OutputSettings::File(_)
        | OutputSettings::Null => return None,
    };
    host.parse::<IpAddr>().is_err().then_some(host)
}
