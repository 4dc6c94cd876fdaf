//! The inputs of whole messages as meant.

use std::collections::BTreeMap;

use super::limited::at_most_all;
use super::relay::{identity, readable};
use crate::cli::error::{Problem, UsageError};
use crate::cli::glob;
use crate::cli::low::Arguments;
use crate::cli::low::input_relay::InputRelay;
use crate::cli::value::{limit, listen_or_localhost, positive_number, split_limit};
use crate::recording::chunk_order;
use crate::settings::{
    FileInputSettings, HttpInputSettings, Limit, Listen, MessageInput, Pace, ServerTls, TcpInputSettings,
};

/// Room in a record for its first line, beside head and body.
const HEADER_LINE: usize = 64 * 1024;

/// Whether any is named.
pub fn any(arguments: &Arguments) -> bool {
    !arguments.messages.input_dummy.is_empty()
        || !arguments.input_file.input_file.is_empty()
        || !arguments.input_relay.input_tcp.is_empty()
        || !arguments.input_http.input_http.is_empty()
}

/// Inputs, and limits of those that have one, by their index.
pub type Limited = (Vec<MessageInput>, BTreeMap<usize, Limit>);

/// All of them.
pub fn resolve(arguments: &Arguments) -> Result<Limited, UsageError> {
    let dummies = &arguments.messages.input_dummy;
    let mut inputs: Vec<MessageInput> = dummies.iter().map(|_| MessageInput::Dummy).collect();
    let mut limits = BTreeMap::new();
    for text in &arguments.input_file.input_file {
        let (file, limit) = file(text, arguments).map_err(|problem| problem.of("--input-file", text))?;
        limits.extend(limit.map(|limit| (inputs.len(), limit)));
        inputs.push(MessageInput::File(Box::new(file)));
    }
    let flags = &arguments.input_relay;
    let tls = tls(flags)?;
    for typed in &flags.input_tcp {
        let (listen, limit) = listening("--input-tcp", typed)?;
        limits.extend(limit.map(|limit| (inputs.len(), limit)));
        inputs.push(MessageInput::Tcp(TcpInputSettings {
            listen,
            tls: tls.clone(),
            connections: flags.input_tcp_max_connections as usize,
            max_record: flags.input_tcp_max_record,
            buffer: flags.input_tcp_buffer_size,
            timeout: flags.input_tcp_timeout,
            sessions: flags.input_tcp_max_sessions as usize,
        }));
    }
    let flags = &arguments.input_http;
    for typed in &flags.input_http {
        let (listen, limit) = listening("--input-http", typed)?;
        limits.extend(limit.map(|limit| (inputs.len(), limit)));
        inputs.push(MessageInput::Http(HttpInputSettings {
            listen,
            connections: flags.input_http_max_connections as usize,
            timeout: flags.input_http_timeout,
            idle_timeout: flags.input_http_idle_timeout,
        }));
    }
    Ok((inputs, limits))
}

/// An address to listen on, and the limit behind it.
fn listening(flag: &'static str, typed: &str) -> Result<(Listen, Option<Limit>), UsageError> {
    let read = || {
        let (address, limit) = at_most_all(typed)?;
        let listen = listen_or_localhost(address)
            .map_err(|error| Problem::new(error, "an address of this machine, or none for all of them"))?;
        Ok((listen, limit))
    };
    read().map_err(|problem: Problem| problem.of(flag, typed))
}

fn tls(flags: &InputRelay) -> Result<Option<ServerTls>, UsageError> {
    let files = [
        ("--input-tcp-certificate", &flags.input_tcp_certificate),
        ("--input-tcp-certificate-key", &flags.input_tcp_certificate_key),
        ("--input-tcp-client-ca", &flags.input_tcp_client_ca),
    ];
    for (flag, file) in files {
        if let Some(path) = file {
            readable(path).map_err(|problem| problem.of(flag, path.display().to_string()))?;
        }
    }
    let identity = identity(
        flags.input_tcp_certificate.as_ref(),
        flags.input_tcp_certificate_key.as_ref(),
    );
    Ok(identity.map(|identity| ServerTls {
        identity,
        client_authorities: flags.input_tcp_client_ca.clone(),
    }))
}

fn file(text: &str, arguments: &Arguments) -> Result<(FileInputSettings, Option<Limit>), Problem> {
    let flags = &arguments.input_file;
    let (pattern, typed) = split_limit(text);
    let (pace, limit) = match (typed.map(behind_file).transpose()?, flags.input_file_rate) {
        (None, None) => (Pace::Speed(1.0), None),
        (None, Some(rate)) => (Pace::Rate(rate), None),
        (Some(Behind::Limit(limit)), rate) => (rate.map_or(Pace::Speed(1.0), Pace::Rate), Some(limit)),
        (Some(Behind::Pace(pace)), None) => (pace, None),
        (Some(Behind::Pace(_)), Some(_)) => {
            return Err(Problem::new(
                "--input-file-rate already sets the speed",
                "leave one of them out",
            ));
        }
    };
    if pattern.starts_with("s3://") {
        return Err(Problem::new(
            "files in S3 are not supported",
            "copy them here first: aws s3 cp s3://BUCKET/PREFIX . --recursive",
        ));
    }
    let unreadable = |error: std::io::Error| {
        Problem::new(
            format!("cannot read it ({error})"),
            "check its name and that this user may read it",
        )
    };
    let mut files = glob::expand(pattern).map_err(unreadable)?;
    if files.is_empty() {
        return Err(Problem::new(
            "there is no such file",
            "check its name; in a shell, put a pattern in quotes",
        ));
    }
    files.sort_by_cached_key(|file| chunk_order(file));
    // The working directory may change under a run.
    for file in &mut files {
        *file = std::path::absolute(&*file).map_err(unreadable)?;
    }
    let settings = FileInputSettings {
        pattern: pattern.to_owned(),
        files,
        pace,
        repeat: flags.input_file_loop,
        read_depth: flags.input_file_read_depth as usize,
        max_wait: flags.input_file_max_wait,
        max_record: arguments
            .limits
            .max_head
            .saturating_add(arguments.limits.max_body())
            .saturating_add(HEADER_LINE),
    };
    Ok((settings, limit))
}

/// The speed or limit after the `|` of a recording.
#[derive(Debug, PartialEq)]
enum Behind {
    /// How fast it is replayed.
    Pace(Pace),
    /// How much of it is.
    Limit(Limit),
}

fn behind_file(text: &str) -> Result<Behind, Problem> {
    let speed = |text: &str| positive_number(text).ok();
    let behind = if text == "max" {
        Some(Behind::Pace(Pace::Max))
    } else if let Some(percent) = text.strip_suffix('%') {
        speed(percent).map(|percent| Behind::Pace(Pace::Speed(percent / 100.0)))
    } else if let Some(times) = text.strip_suffix('x') {
        speed(times).map(|times| Behind::Pace(Pace::Speed(times)))
    } else {
        limit(text).ok().map(Behind::Limit)
    };
    behind.ok_or_else(|| {
        Problem::new(
            "the text after | is neither a speed nor a limit",
            "write |200%, |2x or |0.5x (as many times as fast), |max, or |100 (at most so many requests a second)",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_a_recording_stands_a_speed_or_a_limit() {
        let speed = |speed: f64| Some(Behind::Pace(Pace::Speed(speed)));
        let limit = |rate: u32| Some(Behind::Limit(Limit::PerSecond(rate)));
        for (text, expected) in [
            ("200%", speed(2.0)),
            ("12.5%", speed(0.125)),
            ("0.5x", speed(0.5)),
            ("max", Some(Behind::Pace(Pace::Max))),
            ("100", limit(100)),
            ("0", limit(0)),
            ("", None),
            ("-1", None),
            ("inf", None),
            ("1e3", None),
            ("0%", None),
            ("1.5", None),
            ("x", None),
            ("99999999999", None),
        ] {
            assert_eq!(behind_file(text).ok(), expected, "{text}");
        }
    }
}
