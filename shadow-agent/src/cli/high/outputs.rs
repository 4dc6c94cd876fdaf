//! The outputs as meant.

use std::collections::BTreeMap;

use super::limited::{at_most_all, limited};
use super::{compare, messages, output_http, relay};
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::output::SplitName;
use crate::cli::upstream::{Upstream, without_userinfo};
use crate::cli::value::split_limit;
use crate::recording::{Compression, Expected, Format, Template};
use crate::settings::{FileOutputSettings, HttpOutputSettings, Limit, OutputSettings, SplitBy};

/// Outputs, and limits of those that have one, by their index.
pub type Limited = (Vec<OutputSettings>, BTreeMap<usize, Limit>);

/// Every output, HTTP ones first, in the order typed.
pub fn resolve(arguments: &Arguments) -> Result<Limited, UsageError> {
    let flags = &arguments.output;
    let mut outputs = Vec::new();
    let mut limits = BTreeMap::new();
    let answers = compare::resolve(arguments)?;
    for typed in &flags.output_http {
        let problem = |problem: Problem| problem.of("--output-http", without_userinfo(typed));
        let (url, limit) = limited(typed).map_err(problem)?;
        limits.extend(limit.map(|limit| (outputs.len(), limit)));
        let upstream = Upstream::parse(url).map_err(problem)?;
        outputs.push(OutputSettings::Http(Box::new(output_http::resolve(
            upstream,
            arguments,
            answers.clone(),
        ))));
    }
    for typed in &arguments.output_file.output_file {
        let problem = |problem: Problem| problem.of("--output-file", typed);
        let (name, limit) = at_most_all(typed).map_err(problem)?;
        limits.extend(limit.map(|limit| (outputs.len(), limit)));
        let file = file(name, arguments).map_err(problem)?;
        outputs.push(OutputSettings::File(Box::new(file)));
    }
    for (output, limit) in relay::outputs(arguments)? {
        limits.extend(limit.map(|limit| (outputs.len(), limit)));
        outputs.push(output);
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
            "there is an output, but no input such as --input-raw",
            "remove the output (routes name their own backends), or add --input-raw",
        )
        .of("--input-k8s-routes", ""));
    }
    if outputs.is_empty() && !routes_alone && !arguments.input_file.input_file_dry_run {
        return Err(Problem::new(
            "there is no output",
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

fn file(name: &str, arguments: &Arguments) -> Result<FileOutputSettings, Problem> {
    let flags = &arguments.output_file;
    if name.starts_with("s3://") {
        return Err(Problem::new(
            "files in S3 are not supported",
            "write them here, and copy them: aws s3 sync DIRECTORY s3://BUCKET/PREFIX",
        ));
    }
    let same = |other: &&String| split_limit(other).0 == name;
    if flags.output_file.iter().filter(same).count() > 1 {
        return Err(Problem::new("this file is named twice", "name it once"));
    }
    let problem =
        |error: &dyn std::fmt::Display| Problem::new(error.to_string(), "write a name such as requests.gor");
    Template::parse(name).map_err(|error| problem(&error))?;
    let (compression, uncompressed) = Compression::by_name(name);
    let extension = std::path::Path::new(uncompressed).extension();
    let format = match extension.and_then(std::ffi::OsStr::to_str) {
        Some("har") => Format::Har,
        Some("jsonl" | "ndjson") => Format::JsonLines,
        _ => Format::Gor,
    };
    let template = std::path::absolute(name).map_err(|error| problem(&error))?;
    let template = template.into_os_string().into_string();
    Ok(FileOutputSettings {
        name: name.to_owned(),
        template: template.map_err(|_| problem(&"the working directory's name is not UTF-8"))?,
        format,
        compression,
        append: flags.output_file_append,
        size_limit: flags.output_file_size_limit as u64,
        queue_limit: flags.output_file_queue_limit,
        max_size: flags.output_file_max_size_limit as u64,
        flush_interval: flags.output_file_flush_interval,
        queue_bytes: flags.output_file_queue_size,
        expected: Expected {
            production: arguments.input.input_raw_track_response || messages::any(arguments),
            shadow: arguments.output_http.output_http_track_response
                && !arguments.output.output_http.is_empty(),
        },
    })
}

/// How mirrors of routes send their copies; the upstream is each mirror's own.
pub fn of_routes(arguments: &Arguments) -> Result<HttpOutputSettings, UsageError> {
    let nobody = Upstream {
        tls: false,
        host: String::new(),
        port: 0,
        path_prefix: String::new(),
        authorization: None,
    };
    Ok(output_http::resolve(
        nobody,
        arguments,
        compare::resolve(arguments)?,
    ))
}
