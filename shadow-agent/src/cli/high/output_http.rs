//! HTTP outputs as meant, and the control of a comparison, which is sent requests in the same way.

use super::answers::Answers;
use super::rules;
use crate::cli::low::Arguments;
use crate::cli::low::output_http::{MAX_WORKERS, VersionName};
use crate::cli::upstream::Upstream;
use crate::cli::value as typed;
use crate::settings::{BreakerSettings, HostHeader, HttpOutputSettings, HttpVersion, MaxStream};

/// The marker header of the run, if any.
pub fn marker(arguments: &Arguments) -> Option<String> {
    let flags = &arguments.output_http;
    (!flags.http_no_mark).then(|| flags.http_mark_header.clone())
}

/// How an upstream is sent copies, and what becomes of its answers.
pub fn resolve(upstream: Upstream, arguments: &Arguments, answers: Answers) -> HttpOutputSettings {
    let Answers { compare, correlate } = answers;
    let (compare, control) = compare.unzip();
    let flags = &arguments.output_http;
    HttpOutputSettings {
        name: upstream.name(),
        tls: upstream.tls,
        version: match flags.output_http_version {
            VersionName::Auto => HttpVersion::AsProduction,
            VersionName::Http1 => HttpVersion::Http1,
            VersionName::Http2 => HttpVersion::Http2,
        },
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
        queue_requests: flags.output_http_queue_len.map(|most| most as usize),
        queue_bytes: flags.output_http_queue_size,
        timeout: flags.output_http_timeout,
        connect_timeout: flags.output_http_connect_timeout,
        redirects: flags.output_http_redirects,
        track_response: flags
            .output_http_track_response
            .then_some(flags.output_http_response_buffer),
        compare,
        correlate,
        control: control.flatten().map(Box::new),
        max_response: flags.output_http_max_response as u64,
        max_stream: match arguments.limits.grpc_max_stream {
            typed::MaxStream::Off => None,
            typed::MaxStream::Within { bytes, time } => Some(MaxStream { bytes, time }),
        },
        breaker: BreakerSettings {
            failures: flags.output_http_breaker_failures,
            open_for: flags.output_http_breaker_open_for,
            slow_start: flags.output_http_slow_start,
        },
    }
}
