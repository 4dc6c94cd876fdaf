//! The outputs to other agents and to WebSocket servers as meant.

use std::path::{Path, PathBuf};

use super::limited::at_most_all;
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::output_relay::{OutputTcp, OutputWs};
use crate::cli::upstream::{Upstream, without_userinfo};
use crate::settings::{IdentityFiles, Limit, OutputSettings, RelayOutputSettings, RelayTls, RelayWire};

/// All of them, in the order typed, each with its limit.
pub fn outputs(arguments: &Arguments) -> Result<Vec<(OutputSettings, Option<Limit>)>, UsageError> {
    let mut outputs = Vec::new();
    let mut add = |flag: &'static str, typed: &str, settings: &dyn Fn(&str) -> Result<_, Problem>| {
        let problem = |problem: Problem| problem.of(flag, without_userinfo(typed));
        let (text, limit) = at_most_all(typed).map_err(problem)?;
        let settings = settings(text).map_err(problem)?;
        outputs.push((OutputSettings::Relay(Box::new(settings)), limit));
        Ok::<(), UsageError>(())
    };
    for typed in &arguments.output_tcp.output_tcp {
        add("--output-tcp", typed, &|text| tcp(text, &arguments.output_tcp))?;
    }
    for typed in &arguments.output_ws.output_ws {
        add("--output-ws", typed, &|text| ws(text, &arguments.output_ws))?;
    }
    Ok(outputs)
}

fn tcp(text: &str, flags: &OutputTcp) -> Result<RelayOutputSettings, Problem> {
    let how = || {
        Problem::new(
            "this is not a host and a port",
            "write HOST:PORT, such as relay.example:28020",
        )
    };
    if text.contains(['/', '@', '?']) {
        return Err(how());
    }
    let port = text.rsplit_once(':').map(|(_, port)| port).ok_or_else(how)?;
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(how());
    }
    let place = Upstream::parse(&format!("http://{text}"))?;
    let identity = identity(
        flags.output_tcp_certificate.as_ref(),
        flags.output_tcp_certificate_key.as_ref(),
    );
    for file in [
        &flags.output_tcp_ca,
        &flags.output_tcp_certificate,
        &flags.output_tcp_certificate_key,
    ] {
        file.as_deref().map_or(Ok(()), readable)?;
    }
    Ok(RelayOutputSettings {
        name: format!("tcp://{text}"),
        host: place.host,
        port: place.port,
        tls: flags.output_tcp_secure.then(|| RelayTls {
            verify: !flags.output_tcp_skip_verify,
            authorities: flags.output_tcp_ca.clone(),
            identity,
        }),
        wire: if flags.output_tcp_ack {
            RelayWire::Acknowledged
        } else {
            RelayWire::Plain
        },
        workers: flags.output_tcp_workers as usize,
        sticky: flags.output_tcp_sticky,
        queue_records: flags.output_tcp_queue_len as usize,
        queue_bytes: flags.output_tcp_queue_size,
        timeout: flags.output_tcp_timeout,
        stats: flags.output_tcp_stats,
    })
}

fn ws(text: &str, flags: &OutputWs) -> Result<RelayOutputSettings, Problem> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("ws", text));
    let (tls, as_http) = match scheme {
        "ws" => (false, "http"),
        "wss" => (true, "https"),
        _ => {
            return Err(Problem::new(
                "this is not a WebSocket's URL",
                "write ws://HOST:PORT/PATH or wss://HOST/PATH",
            ));
        }
    };
    // A query is the server's here; no request brings another.
    let (place, query) = rest
        .split_once('?')
        .map_or((rest, String::new()), |(place, query)| {
            (place, format!("?{query}"))
        });
    let upstream = Upstream::parse(&format!("{as_http}://{place}"))?;
    let name = upstream.name().replacen("http", "ws", 1);
    let path = if upstream.path_prefix.is_empty() || place.ends_with('/') {
        "/"
    } else {
        ""
    };
    let target = format!("{name}{path}{query}");
    flags.output_ws_ca.as_deref().map_or(Ok(()), readable)?;
    Ok(RelayOutputSettings {
        name,
        host: upstream.host,
        port: upstream.port,
        tls: tls.then(|| RelayTls {
            verify: !flags.output_ws_skip_verify,
            authorities: flags.output_ws_ca.clone(),
            identity: None,
        }),
        wire: RelayWire::WebSocket {
            target,
            authorization: upstream.authorization,
        },
        workers: flags.output_ws_workers as usize,
        sticky: flags.output_ws_sticky,
        queue_records: flags.output_ws_queue_len as usize,
        queue_bytes: flags.output_ws_queue_size,
        timeout: flags.output_ws_timeout,
        stats: flags.output_ws_stats,
    })
}

/// A file that cannot be read is known before anything starts.
pub(super) fn readable(path: &Path) -> Result<(), Problem> {
    std::fs::File::open(path).map(drop).map_err(|error| {
        Problem::new(
            format!("cannot read {} ({error})", path.display()),
            "name a PEM file that this user may read",
        )
    })
}

/// The files of a certificate and its key, where both are there.
pub(super) fn identity(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<IdentityFiles> {
    Some(IdentityFiles {
        certificate: certificate?.clone(),
        key: key?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::settings::Secret;

    fn resolved(flags: &[&str]) -> Result<Vec<RelayOutputSettings>, String> {
        let all = [&["shadow-agent", "--input-raw=:80"], flags].concat();
        let arguments = Arguments::try_parse_from(all).unwrap();
        let outputs = outputs(&arguments).map_err(|error| error.to_string())?;
        let relay = outputs.into_iter().map(|(output, _)| match output {
            OutputSettings::Relay(settings) => *settings,
            _ => unreachable!(),
        });
        Ok(relay.collect())
    }

    #[test]
    fn a_host_and_a_port_are_wanted() {
        let [one] = resolved(&["--output-tcp=[::1]:28020"])
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!(
            (one.name.as_str(), one.host.as_str(), one.port, one.workers),
            ("tcp://[::1]:28020", "::1", 28020, 10)
        );
        assert_eq!((one.wire, one.tls), (RelayWire::Plain, None));
        for text in [
            "relay",
            "relay:",
            "relay:x",
            "http://relay:1",
            "relay:1/x",
            "a@relay:1",
        ] {
            let said = resolved(&[&format!("--output-tcp={text}")]).unwrap_err();
            assert!(said.contains("HOST:PORT"), "{text}: {said}");
        }
    }

    #[test]
    fn a_websocket_has_its_path_and_query_and_no_secret_in_its_name() {
        let urls = [
            "--output-ws=wss://me:secret@host/a/?b=1",
            "--output-ws=ws://host:81",
        ];
        let [first, second] = resolved(&urls).unwrap().try_into().unwrap();
        assert_eq!((first.name.as_str(), first.port), ("wss://host/a", 443));
        assert!(first.tls.is_some());
        assert_eq!(
            first.wire,
            RelayWire::WebSocket {
                target: "wss://host/a/?b=1".to_owned(),
                authorization: Some(Secret("Basic bWU6c2VjcmV0".to_owned())),
            }
        );
        assert_eq!(
            second.wire,
            RelayWire::WebSocket {
                target: "ws://host:81/".to_owned(),
                authorization: None,
            }
        );
        assert!(
            resolved(&["--output-ws=http://host"])
                .unwrap_err()
                .contains("ws://HOST")
        );
    }

    #[test]
    fn a_certificate_that_cannot_be_read_is_named() {
        let said = resolved(&[
            "--output-tcp=a:1",
            "--output-tcp-secure",
            "--output-tcp-ca=/proc/nonexistent",
        ]);
        assert!(said.unwrap_err().contains("cannot read /proc/nonexistent"));
    }
}
