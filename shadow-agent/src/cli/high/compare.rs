//! The comparison as meant.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::answers::Answers;
use super::{output_http, rules};
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::compare::{Compare as CompareFlags, Judging as JudgingFlags, NoiseName, RepeatShare};
use crate::cli::low::filters::FilterFlags;
use crate::cli::upstream::{Upstream, without_userinfo};
use crate::cli::value::split_limit;
use crate::compare::document::ReleaseNames;
use crate::compare::fail_on::FailRule;
use crate::compare::noise::Thresholds;
use crate::compare::store::StoreSettings;
use crate::compare::{
    ArrayMatch, ArrayRule, CorrelateSettings, GrpcDescriptors, Hosts, IgnoreRule, Judging, PathPattern,
    RouteBy, Rules, RulesFile, Secrets, Tolerance, Within, verdict,
};
use crate::correlate::{Bounds, Exceptions};
use crate::grpc::{Descriptors, MAX_DESCRIPTORS};
use crate::mirror::Share;
use crate::mirror::rules::{Filters, Redaction, Rewriters};
use crate::named_file;
use crate::settings::{CompareSettings, ComparingSettings, HttpOutputSettings, LearningSettings};

/// The share of safe requests that the shadow gets twice where nobody says otherwise, in percent.
const DEFAULT_REPEAT: u32 = 5;
/// Least size of a directory of pairs, in bytes.
const MIN_STORE: usize = 16 << 20;
/// Bytes of pairs that may wait to be written: what a disk that stalls for a second or two costs.
const STORE_QUEUE: usize = 32 << 20;

/// The uses of the answers of HTTP outputs.
///
/// # Errors
///
/// For flags that exclude each other, and patterns, rules and files that cannot be read.
pub fn resolve(arguments: &Arguments) -> Result<Answers, UsageError> {
    let flags = &arguments.compare;
    if arguments.output_http.output_http_redirects > 0 && (flags.compare || flags.correlate) {
        return Err(Problem::new(
            if flags.compare {
                "with --compare, responses are compared as they are, so redirects cannot be followed"
            } else {
                "with --correlate, responses are read as they are, so redirects cannot be followed"
            },
            "leave one of the two out",
        )
        .of("--output-http-redirects", ""));
    }
    if let Some(correlate) = correlate(flags)?.filter(|_| !flags.compare) {
        return Ok(Answers {
            compare: None,
            correlate: Some(LearningSettings {
                correlate,
                wait: flags.compare_wait,
                max_answer: arguments.limits.max_body(),
            }),
        });
    }
    Ok(Answers {
        compare: if flags.compare {
            Some(comparison(arguments)?)
        } else {
            None
        },
        correlate: None,
    })
}

/// How answers are compared, and the control, if there is one.
fn comparison(arguments: &Arguments) -> Result<(CompareSettings, Option<HttpOutputSettings>), UsageError> {
    let flags = &arguments.compare;
    let control = match &flags.compare_control {
        None => None,
        Some(typed) => {
            let upstream = Upstream::parse(typed)
                .map_err(|problem| problem.of("--compare-control", without_userinfo(typed)))?;
            if is_an_output(&upstream, arguments) {
                // Whatever it answers would be taken for what production answers.
                return Err(Problem::new(
                    "the control is also an output",
                    "name an instance of production's release",
                )
                .of("--compare-control", without_userinfo(typed)));
            }
            Some(output_http::resolve(upstream, arguments, Answers::default()))
        }
    };
    let max_answer = arguments.limits.max_body();
    let mut judged = judging(&arguments.judging, &arguments.filters, max_answer)?;
    if flags.grpc_reflection {
        judged.rules = judged
            .rules
            .with_descriptors(Some(GrpcDescriptors::to_be_asked()));
    }
    let settings = CompareSettings {
        control: control.as_ref().map(|control| control.name.clone()),
        repeat: match flags.compare_repeat {
            None => Share::percent(DEFAULT_REPEAT),
            Some(RepeatShare(None)) => Share::NOTHING,
            Some(RepeatShare(Some(share))) => share.of_2_32.map_or(Share::ALL, Share::of_2_32),
        },
        repeat_beside_control: flags.compare_repeat.is_some(),
        wait: flags.compare_wait,
        max_answer,
        correlate: correlate(flags)?,
        judging: Arc::new(Judging {
            selection: selection(arguments)?,
            ..judged
        }),
    };
    Ok((settings, control))
}

/// How what production issued is mapped to what the shadow issued, if it is.
fn correlate(flags: &CompareFlags) -> Result<Option<CorrelateSettings>, UsageError> {
    let is_asked = flags.correlate || (flags.compare && !flags.no_correlate);
    if !is_asked && let Some(text) = flags.correlate_except.first() {
        return Err(Problem::new(
            "nothing is correlated, so this has no effect",
            "add --correlate or --compare, or leave it out",
        )
        .of("--correlate-except", text));
    }
    let mut exceptions = Exceptions::default();
    for text in &flags.correlate_except {
        exceptions.add(text).map_err(|error| {
            Problem::new(error.to_string(), "name a path or a header").of("--correlate-except", text)
        })?;
    }
    Ok(is_asked.then(|| CorrelateSettings {
        wait: flags.correlate_wait,
        exceptions: Arc::new(exceptions),
        bounds: Bounds::default(),
    }))
}

/// Describes which of production's requests are compared.
fn selection(arguments: &Arguments) -> Result<Vec<String>, UsageError> {
    let mut words = Vec::new();
    if let Some(parts) = arguments.input.sample_connections.and_then(|share| share.of_2_32) {
        let percent = Share::of_2_32(parts).as_f64() * 100.0;
        words.push(format!("{percent:.3}% of connections (--sample-connections)"));
    }
    let rules = rules::resolve(&arguments.filters, arguments.limits.max_body())?;
    if let Some(rules) = rules.for_live() {
        if rules.filters != Filters::default() {
            words.push("requests allowed by the filters".to_owned());
        }
        if !rules.limiters.is_empty() {
            words.push("users sampled by the limiters".to_owned());
        }
        if rules.rewriters != Rewriters::default() {
            words.push("requests as they were rewritten".to_owned());
        }
    }
    if words.is_empty() {
        words.push("all requests".to_owned());
    }
    Ok(words)
}

/// Settings that all comparisons of a run share.
///
/// `compares`: whether anything is compared. `learns`: whether anything is correlated without that.
///
/// # Errors
///
/// For flags that have no effect since nothing is compared or correlated.
pub fn of_run(arguments: &Arguments, compares: bool, learns: bool) -> Result<ComparingSettings, UsageError> {
    let flags = &arguments.judging;
    if arguments.compare.correlate && !compares && !learns {
        return Err(Problem::new(
            "nothing is sent to a shadow, so this has no effect",
            "add an --output-http, or leave it out",
        )
        .of("--correlate", ""));
    }
    if !compares && let Some(flag) = useless(arguments) {
        return Err(Problem::new(
            "nothing is compared, so this has no effect",
            "add --compare and an --output-http, or leave it out",
        )
        .of(flag, ""));
    }
    Ok(ComparingSettings {
        memory: arguments.compare.compare_memory,
        reports: flags.report.clone(),
        store: store(arguments)?,
    })
}

/// Where pairs are kept, if they are.
fn store(arguments: &Arguments) -> Result<Option<StoreSettings>, UsageError> {
    const FLAG: &str = "--compare-store";
    let flags = &arguments.compare;
    let Some(typed) = &flags.compare_store else {
        return Ok(None);
    };
    let directory = std::path::absolute(typed).map_err(|error| {
        Problem::new(error.to_string(), "name a directory, such as ./kept")
            .of(FLAG, typed.display().to_string())
    })?;
    if flags.compare_store_size < MIN_STORE {
        return Err(Problem::new(
            "this is too small for the messages of some pairs",
            "allow 16mb or more",
        )
        .of("--compare-store-size", flags.compare_store_size.to_string()));
    }
    Ok(Some(StoreSettings {
        directory,
        max_bytes: flags.compare_store_size as u64,
        queue_bytes: STORE_QUEUE,
    }))
}

/// Whether copies go there anyway.
fn is_an_output(control: &Upstream, arguments: &Arguments) -> bool {
    let same = |other: &Upstream| {
        (&other.host, other.port, &other.path_prefix) == (&control.host, control.port, &control.path_prefix)
    };
    let typed = arguments.output.output_http.iter();
    typed
        .filter_map(|typed| Upstream::parse(split_limit(typed).0).ok())
        .any(|other| same(&other))
}

/// A flag that was given and does nothing where nothing is compared.
fn useless(arguments: &Arguments) -> Option<&'static str> {
    let compare = &arguments.compare;
    let given = [
        ("--compare", compare.compare),
        ("--compare-control", compare.compare_control.is_some()),
        ("--compare-store", compare.compare_store.is_some()),
        ("--report", !arguments.judging.report.is_empty()),
    ];
    let mut given = given.into_iter().filter(|(_, given)| *given);
    given
        .next()
        .map(|(flag, _)| flag)
        .or_else(|| judging_flag(&arguments.judging))
}

/// A flag that says how pairs are judged, if one was given.
pub fn judging_flag(flags: &JudgingFlags) -> Option<&'static str> {
    let given = [
        ("--fail-on", !flags.fail_on.is_empty()),
        ("--compare-ignore", !flags.compare_ignore.is_empty()),
        ("--compare-protect", !flags.compare_protect.is_empty()),
        ("--compare-tolerance", !flags.compare_tolerance.is_empty()),
        ("--compare-array", !flags.compare_array.is_empty()),
        ("--compare-exact-hosts", flags.compare_exact_hosts),
        ("--compare-rules", flags.compare_rules.is_some()),
        ("--compare-known", flags.compare_known.is_some()),
        ("--grpc-descriptors", flags.grpc_descriptors.is_some()),
        ("--compare-name", flags.compare_name.is_some()),
        ("--production-name", flags.production_name.is_some()),
        ("--route", !flags.route.is_empty()),
        ("--route-by", !flags.route_by.is_empty()),
    ];
    let mut given = given.into_iter().filter(|(_, given)| *given);
    given.next().map(|(flag, _)| flag)
}

/// How pairs are judged. `filters`: what is hidden in examples, as in recordings.
///
/// # Errors
///
/// For rules, patterns and files that cannot be read.
pub fn judging(flags: &JudgingFlags, filters: &FilterFlags, max_body: usize) -> Result<Judging, UsageError> {
    let recording = rules::resolve(filters, max_body)?;
    let recording = recording.for_recording();
    let of_kept = of_kept(flags)?;
    if !filters.http_redact_none
        && let Some(way) = named_by_secrets(&of_kept.route_by, &filters.http_redact_json)
    {
        return Err(Problem::new(
            "these values are redacted, and would be part of the names of endpoints",
            "name another field, or add --http-redact-none",
        )
        .of("--route-by", way));
    }
    Ok(Judging {
        secrets: if filters.http_redact_none {
            Secrets::Shown
        } else {
            Secrets::Hidden
        },
        redaction: recording
            .and_then(|rules| rules.redaction.clone())
            .map(Redaction::keeping_cookie_names),
        ..of_kept
    })
}

/// A way of telling requests apart whose values are hidden: by their name, or because somebody says so.
fn named_by_secrets(route_by: &RouteBy, redacted: &[String]) -> Option<String> {
    let steps = |path: &str| -> Vec<String> {
        let path = path
            .strip_prefix("$.")
            .or_else(|| path.strip_prefix('/'))
            .unwrap_or(path);
        path.split(['.', '/']).map(str::to_owned).collect()
    };
    let redacted: Vec<Vec<String>> = redacted.iter().map(|path| steps(path)).collect();
    let is_redacted = |path: &&str| {
        let path = steps(path);
        let fits = |(hidden, step): (&String, &String)| hidden == "*" || step == "*" || hidden == step;
        redacted
            .iter()
            .any(|hidden| hidden.len() <= path.len() && hidden.iter().zip(&path).all(fits))
    };
    let by_flag = route_by.body_paths().find(is_redacted);
    route_by
        .secret()
        .or_else(|| by_flag.map(|path| format!("body.{path}")))
}

/// How pairs are judged that were kept: what is to be hidden in them is.
///
/// # Errors
///
/// For patterns, tolerances, conditions and files that cannot be read.
pub fn of_kept(flags: &JudgingFlags) -> Result<Judging, UsageError> {
    let mut compared = Rules::default()
        .with_max_structured(flags.compare_max_body)
        .with_exact_hosts(flags.compare_exact_hosts)
        .with_time_tolerance(Some(flags.compare_time_tolerance).filter(|time| *time > Duration::ZERO));
    for text in &flags.compare_ignore {
        let rule =
            IgnoreRule::parse(text).map_err(|error| path_problem(&error).of("--compare-ignore", text))?;
        compared = compared.with_ignore(rule);
    }
    for text in &flags.compare_protect {
        let path = pattern(text).map_err(|problem| problem.of("--compare-protect", text))?;
        compared = compared.with_protected(path);
    }
    for text in &flags.compare_tolerance {
        let rule = tolerance(text).map_err(|problem| problem.of("--compare-tolerance", text))?;
        compared = compared.with_tolerance(rule);
    }
    for text in &flags.compare_array {
        let rule = array(text).map_err(|problem| problem.of("--compare-array", text))?;
        compared = compared.with_array(rule);
    }
    let (mut fail_on, mut routes, mut route_by) = (Vec::new(), Vec::new(), RouteBy::default());
    // The first that fits counts, so those that are typed come before those of a file.
    for text in &flags.route_by {
        add_way(&mut route_by, text).map_err(|problem| problem.of("--route-by", text))?;
    }
    if let Some(path) = &flags.compare_rules {
        let file =
            rules_file(path).map_err(|problem| problem.of("--compare-rules", path.display().to_string()))?;
        compared = compared.and(file.rules);
        fail_on = parsed(&file.fail_on, "--compare-rules", FAIL_ON)?;
        routes = parsed(&file.routes, "--compare-rules", ROUTE)?;
        for text in &file.route_by {
            add_way(&mut route_by, text).map_err(|problem| problem.of("--compare-rules", text))?;
        }
    }
    if let Some(path) = &flags.compare_known {
        let bad = |problem: Problem| problem.of("--compare-known", path.display().to_string());
        let file = rules_file(path).map_err(bad)?;
        let only_known = file.rules.known().iter().cloned();
        let only_known = only_known.fold(Rules::default(), Rules::with_known);
        let rest = RulesFile {
            rules: only_known,
            ..RulesFile::default()
        };
        if file != rest {
            return Err(bad(Problem::new(
                "the file has more in it than [[known]]",
                "put other rules into the file of --compare-rules",
            )));
        }
        compared = compared.and(file.rules);
    }
    if let Some(path) = &flags.grpc_descriptors {
        let known = descriptors(path)
            .map_err(|problem| problem.of("--grpc-descriptors", path.display().to_string()))?;
        compared = compared.with_descriptors(Some(known));
    }
    // What is typed comes behind what the file says, and replaces it.
    let typed: Vec<FailRule> = parsed(&flags.fail_on, "--fail-on", FAIL_ON)?;
    fail_on.retain(|rule: &FailRule| typed.iter().all(|other| other.metric != rule.metric));
    fail_on.extend(typed);
    routes.extend(parsed(&flags.route, "--route", ROUTE)?);
    let noise = &flags.compare_noise;
    let has = |name| noise.contains(&name) && !noise.contains(&NoiseName::None);
    Ok(Judging {
        rules: compared,
        by_rules: has(NoiseName::Rules),
        by_control: has(NoiseName::Control),
        by_repeat: has(NoiseName::Repeat),
        thresholds: Thresholds::default(),
        fail_on: FailRule::in_force(&fail_on),
        verdict: verdict::Settings {
            latency_floor: flags.compare_latency_floor,
            ..verdict::Settings::default()
        },
        routes,
        route_by,
        max_routes: flags.compare_max_routes as usize,
        max_differences: flags.compare_max_differences as usize,
        secrets: Secrets::Hidden,
        redaction: None,
        hosts: Hosts::default(),
        names: ReleaseNames {
            production: release_name("--production-name", flags.production_name.as_ref())?,
            shadow: release_name("--compare-name", flags.compare_name.as_ref())?,
        },
        selection: Vec::new(),
    })
}

fn add_way(route_by: &mut RouteBy, text: &str) -> Result<(), Problem> {
    let added = route_by.add(text);
    added.map_err(|error| {
        Problem::new(
            error.to_string(),
            "write one such as 'query._shape', or '/api/{call} body.method'",
        )
    })
}

/// Longest name of a release, in characters: a title is one line.
const MAX_RELEASE_NAME: usize = 100;

fn release_name(flag: &'static str, name: Option<&String>) -> Result<Option<String>, UsageError> {
    let Some(name) = name else { return Ok(None) };
    let length = name.trim().chars().count();
    if length == 0 || length > MAX_RELEASE_NAME || name.chars().any(char::is_control) {
        let problem = Problem::new(
            "this is no name for a title",
            "write up to 100 characters, such as v2.3",
        );
        return Err(problem.of(flag, name));
    }
    Ok(Some(name.trim().to_owned()))
}

/// Examples of values.
const FAIL_ON: &str = "such as 'new_5xx > 0.1%' or 'p99_ratio off'";
const ROUTE: &str = "such as '/users/{id}'";

/// Largest file of rules, in bytes: some thousand of them.
const MAX_RULES_FILE: u64 = 1 << 20;

fn rules_file(path: &Path) -> Result<RulesFile, Problem> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_RULES_FILE + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(Problem::new(
            format!("cannot read the file ({error})"),
            "check its name and that this user may read it",
        )),
        Ok(bytes) if bytes as u64 > MAX_RULES_FILE => Err(Problem::new(
            "the file is larger than 1mb",
            "remove rules that are not needed",
        )),
        Ok(_) => RulesFile::parse(&text)
            .map_err(|error| Problem::new(error.to_string(), "see docs/comparing.md for the format")),
    }
}

/// Descriptors of services in a file.
fn descriptors(path: &Path) -> Result<GrpcDescriptors, Problem> {
    let mut bytes = Vec::new();
    let most = MAX_DESCRIPTORS as u64 + 1;
    let read = named_file::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
    read.map_err(|error| {
        Problem::new(
            format!("cannot read the file ({error})"),
            "check its name and that this user may read it",
        )
    })?;
    let known = Descriptors::read(&bytes).map_err(|error| {
        Problem::new(
            error.to_string(),
            "write it with protoc --include_imports -o FILE, or with buf build -o FILE",
        )
    })?;
    Ok(GrpcDescriptors::new(known))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    texts: &[String],
    flag: &'static str,
    example: &'static str,
) -> Result<Vec<T>, UsageError> {
    let parse = |text: &String| {
        text.parse().map_err(|error: T::Err| {
            Problem::new(error.to_string(), format!("write one {example}")).of(flag, text)
        })
    };
    texts.iter().map(parse).collect()
}

fn path_problem(error: &impl std::fmt::Display) -> Problem {
    Problem::new(
        error.to_string(),
        "write a path as reports show it, such as '$.items[*].id', '$..updatedAt' or 'header.x-node'",
    )
}

fn pattern(text: &str) -> Result<PathPattern, Problem> {
    PathPattern::parse(text).map_err(|error| path_problem(&error))
}

/// `PATH=VALUE`: the last `=` counts, as a path may have one.
fn assigned<'a>(text: &'a str, example: &str) -> Result<(PathPattern, &'a str), Problem> {
    let Some((path, value)) = text.rsplit_once('=') else {
        return Err(Problem::new(
            "there is no = after a path",
            format!("write {example}"),
        ));
    };
    Ok((pattern(path.trim())?, value.trim()))
}

fn tolerance(text: &str) -> Result<Tolerance, Problem> {
    let (path, amount) = assigned(text, "'$.price=0.01' or '$.score=1%'")?;
    let (number, relative) = match amount.strip_suffix('%') {
        Some(number) => (number, true),
        None => (amount, false),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: Option<f64> = number.parse().ok().filter(|_| plain);
    let Some(value) = value else {
        return Err(Problem::new(
            format!("{amount:?} is not an amount"),
            "write a number, such as 0.01, or a percentage",
        ));
    };
    Ok(Tolerance {
        path,
        within: if relative {
            Within::Relative(value / 100.0)
        } else {
            Within::Absolute(value)
        },
    })
}

fn array(text: &str) -> Result<ArrayRule, Problem> {
    let (path, how) = assigned(text, "'$.tags=set', '$.items=key:id' or '$.log=order'")?;
    let matched = match how {
        "set" => ArrayMatch::Set,
        "order" => ArrayMatch::Order,
        key => match key.strip_prefix("key:").filter(|key| !key.is_empty()) {
            Some(key) => ArrayMatch::Key(key.to_owned()),
            None => {
                return Err(Problem::new(
                    format!("{how:?} is not a way to match elements"),
                    "write set, order, or key: and the name of a member",
                ));
            }
        },
    };
    Ok(ArrayRule { path, matched })
}

#[cfg(test)]
mod kept_tests;
