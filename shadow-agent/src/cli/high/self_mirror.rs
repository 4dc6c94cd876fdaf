//! An output that points back at what is captured.
//!
//! The agent does not see its own connections, so copies would not be copied again; but production would get
//! every request twice, which nobody wants who typed it.

use std::net::IpAddr;

use crate::cli::error::{Problem, UsageError};
use crate::cli::machine::Machine;
use crate::settings::{HttpOutputSettings, LiveScope, OutputSettings, RawInput};

/// Refuses an output that is a captured loopback address; warns of one that is another address of this
/// machine with a captured port. A name that cannot be looked up now is let pass: the shadow may come later.
pub fn check(
    inputs: &[RawInput],
    outputs: &[OutputSettings],
    machine: &impl Machine,
) -> Result<Vec<String>, UsageError> {
    let mut warnings = Vec::new();
    for output in outputs {
        let OutputSettings::Http(output) = output else {
            continue;
        };
        let scopes: Vec<&LiveScope> = inputs
            .iter()
            .filter_map(|input| match input {
                RawInput::Live { scope, ports } if ports.contains(&output.port) => Some(scope),
                _ => None,
            })
            .collect();
        if scopes.is_empty() {
            continue;
        }
        for address in addresses(output, machine) {
            if !scopes.iter().any(|scope| covers(scope, address)) {
                continue;
            }
            if address.is_loopback() {
                return Err(Problem::new(
                    format!("{address} port {} is itself captured", output.port),
                    "production would get every request twice: send copies to the shadow's own address and port",
                )
                .of("--output-http", &output.name));
            }
            if machine.is_own(address) {
                warnings.push(format!(
                    "--output-http {}: {address} is this machine, and its port {} is captured: if that is \
                     production itself, it gets every request twice",
                    output.name, output.port
                ));
            }
        }
    }
    Ok(warnings)
}

fn addresses(output: &HttpOutputSettings, machine: &impl Machine) -> Vec<IpAddr> {
    match output.host.parse::<IpAddr>() {
        Ok(ip) => vec![ip.to_canonical()],
        Err(_) => machine.lookup(&output.host).unwrap_or_default(),
    }
}

/// Whether traffic to `address` can be in `scope`.
fn covers(scope: &LiveScope, address: IpAddr) -> bool {
    match scope {
        LiveScope::Any => true,
        LiveScope::Addresses(addresses) => addresses.contains(&address),
        // What this machine sends to itself passes `lo`, whichever address it has.
        LiveScope::Interfaces(name) => name == "lo" || name == "*",
    }
}
