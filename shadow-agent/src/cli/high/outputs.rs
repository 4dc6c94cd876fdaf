//! The outputs as meant.

use std::collections::BTreeMap;

use super::limited::limited;
use super::messages;
use super::rules;
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::output::SplitName;
use crate::cli::low::output_http::MAX_WORKERS;
use crate::cli::upstream::{Upstream, without_userinfo};
use crate::settings::{BreakerSettings, HostHeader, HttpOutputSettings, Limit, OutputSettings, SplitBy};

/// Outputs, and limits of those that have one, by their index.
pub type Limited = (Vec<OutputSettings>, BTreeMap<usize, Limit>);

/// Every output, HTTP ones first, in the order typed.
pub fn resolve(arguments: &Arguments) -> Result<Limited, UsageError> {
    let flags = &arguments.output;
    let mut outputs = Vec::new();
    let mut limits = BTreeMap::new();
    for typed in &flags.output_http {
        let problem = |problem: Problem| problem.of("--output-http", without_userinfo(typed));
        let (url, limit) = limited(typed).map_err(problem)?;
        limits.extend(limit.map(|limit| (outputs.len(), limit)));
        let upstream = Upstream::parse(url).map_err(problem)?;
        outputs.push(OutputSettings::Http(Box::new(http(upstream, arguments))));
    }
    if flags.output_stdout {
        outputs.push(OutputSettings::Stdout {
            queue_bytes: flags.output_stdout_queue_size,
        });
    }
    if flags.output_null {
        outputs.push(OutputSettings::Null);
    }
    let routes_alone =
        arguments.input.input_raw.is_empty() && !messages::any(arguments) && arguments.follows_routes();
    if routes_alone && !outputs.is_empty() {
        return Err(Problem::new(
            "an output gets what --input-raw captures, and there is none",
            "leave the output out (routes name their own backends), or add --input-raw",
        )
        .of("--input-k8s-routes", ""));
    }
    if outputs.is_empty() && !routes_alone {
        return Err(Problem::new(
            "nowhere to send copies was named",
            "add --output-http http://HOST:PORT; --output-stdout shows requests, --output-null only counts them",
        )
        .of("--output-http", ""));
    }
    Ok((outputs, limits))
}

/// How requests are divided among them.
pub fn split(arguments: &Arguments) -> Option<SplitBy> {
    match arguments.output.split_output? {
        SplitName::RoundRobin => Some(SplitBy::Request),
        SplitName::Connection => Some(SplitBy::Connection),
        SplitName::False => None,
    }
}

/// The marker header of the run, if any.
pub fn marker(arguments: &Arguments) -> Option<String> {
    let flags = &arguments.output_http;
    (!flags.http_no_mark).then(|| flags.http_mark_header.clone())
}

/// How mirrors of routes send their copies; the upstream is each mirror's own.
pub fn of_routes(arguments: &Arguments) -> HttpOutputSettings {
    let nobody = Upstream {
        tls: false,
        host: String::new(),
        port: 0,
        path_prefix: String::new(),
        authorization: None,
    };
    http(nobody, arguments)
}

fn http(upstream: Upstream, arguments: &Arguments) -> HttpOutputSettings {
    let flags = &arguments.output_http;
    HttpOutputSettings {
        name: upstream.name(),
        tls: upstream.tls,
        verify: !flags.output_http_skip_verify,
        host: upstream.host,
        port: upstream.port,
        endpoints: None,
        path_prefix: upstream.path_prefix,
        authorization: upstream.authorization,
        host_header: match &flags.http_host_suffix {
            Some(suffix) => HostHeader::Suffix(suffix.clone()),
            None if flags.http_original_host || rules::sets_host(&arguments.filters) => HostHeader::Original,
            None => HostHeader::Upstream,
        },
        marker: marker(arguments),
        name_pod: arguments.kubernetes.http_pod_header,
        edits: None,
        workers: match flags.output_http_workers {
            // GoReplay's word for no limit.
            0 => MAX_WORKERS,
            workers => workers,
        } as usize,
        pipeline: flags.output_http_pipeline as usize,
        queue_requests: flags.output_http_queue_len as usize,
        queue_bytes: flags.output_http_queue_size,
        timeout: flags.output_http_timeout,
        connect_timeout: flags.output_http_connect_timeout,
        redirects: flags.output_http_redirects,
        track_response: flags
            .output_http_track_response
            .then_some(flags.output_http_response_buffer),
        max_response: flags.output_http_max_response as u64,
        breaker: BreakerSettings {
            failures: flags.output_http_breaker_failures,
            open_for: flags.output_http_breaker_open_for,
            slow_start: flags.output_http_slow_start,
        },
    }
}
