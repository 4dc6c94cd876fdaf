//! The command line as meant: flags as typed become [`Settings`], once, with names looked up and values
//! that contradict each other refused.

mod admin;
pub mod answers;
mod capture;
mod capture_files;
pub mod compare;
mod goreplay;
mod kubernetes;
mod limited;
mod messages;
mod middleware;
pub mod output_http;
mod outputs;
mod relay;
mod rules;
mod self_mirror;
mod tls;
mod together;

use std::path::Path;

pub use self::capture::default_shards;
use super::address::Address;
use super::error::{Problem, UsageError};
use super::low::Arguments;
use super::machine::Machine;
use crate::cli::low::input_raw::EngineName;
use crate::http::Limits;
use crate::named_file;
use crate::settings::{
    ConnectionSettings, Limit, LogSettings, MirrorLimits, MirrorSettings, RawInput, Settings, StatsSettings,
    compares, learns,
};

/// A resolved command line.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Settings of the run.
    pub settings: Settings,
    /// Warnings for the user.
    pub warnings: Vec<String>,
}

/// A mirror as typed.
#[derive(Clone, Debug)]
pub struct TypedMirror {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its inputs, its outputs, and the flags of these; all else is not asked.
    pub arguments: Arguments,
}

/// A usage error, and its mirror; `None` if it concerns no single mirror.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Index of the mirror.
    pub mirror: Option<usize>,
    /// The error.
    pub error: UsageError,
}

impl From<UsageError> for Fault {
    fn from(error: UsageError) -> Self {
        Self { mirror: None, error }
    }
}

/// Resolves the flags of a run (not of a subcommand).
///
/// # Errors
///
/// As [`resolve_mirrors`].
pub fn resolve(arguments: &Arguments, machine: &impl Machine) -> Result<Resolved, UsageError> {
    let only = TypedMirror {
        name: None,
        arguments: arguments.clone(),
    };
    resolve_mirrors(arguments, &[only], machine).map_err(|fault| fault.error)
}

/// Resolves `mirrors`, and what `arguments` say of all of them.
///
/// # Errors
///
/// For values that cannot be used, flags that exclude each other or lack another, and mirrors that would mirror themselves;
/// each names the flag and the way out.
pub fn resolve_mirrors(
    arguments: &Arguments,
    typed: &[TypedMirror],
    machine: &impl Machine,
) -> Result<Resolved, Fault> {
    // First: what such a flag asks for may be all that is missing.
    goreplay::check(&arguments.goreplay)?;
    let mut mirrors = Vec::with_capacity(typed.len());
    for (index, mirror) in typed.iter().enumerate() {
        let resolved = resolve_mirror(mirror, machine).map_err(|error| Fault {
            mirror: Some(index),
            error,
        })?;
        mirrors.push(resolved);
    }
    together::check(&mirrors)?;
    let inputs: Vec<RawInput> = mirrors.iter().flat_map(|mirror| mirror.inputs.clone()).collect();
    let mut warnings = goreplay::lines(typed.iter().map(|mirror| &mirror.arguments.goreplay));
    warnings.extend(capture::notes(arguments, &inputs));
    for (index, mirror) in mirrors.iter().enumerate() {
        let more = self_mirror::check(&inputs, &mirror.outputs, machine).map_err(|error| Fault {
            mirror: Some(index),
            error,
        })?;
        warnings.extend(more);
    }
    let settings = resolve_run(arguments, mirrors, &inputs)?;
    Ok(Resolved { settings, warnings })
}

fn resolve_mirror(typed: &TypedMirror, machine: &impl Machine) -> Result<MirrorSettings, UsageError> {
    goreplay::check(&typed.arguments.goreplay)?;
    let (inputs, limited) = inputs(&typed.arguments, machine)?;
    let inputs = capture::narrow(&typed.arguments, inputs)?;
    let mut of_inputs = Vec::with_capacity(limited.len());
    for (input, limit) in limited {
        let narrowed = capture::narrow(&typed.arguments, vec![input])?;
        of_inputs.extend(narrowed.into_iter().map(|input| (input, limit)));
    }
    let (outputs, of_outputs) = outputs::resolve(&typed.arguments)?;
    let (messages, of_messages) = messages::resolve(&typed.arguments)?;
    Ok(MirrorSettings {
        name: typed.name.clone(),
        inputs,
        limits: MirrorLimits {
            inputs: of_inputs,
            messages: of_messages,
            outputs: of_outputs,
        },
        split: outputs::split(&typed.arguments),
        messages,
        outputs,
        rules: rules::resolve(&typed.arguments.filters, typed.arguments.limits.max_body())?,
    })
}

fn resolve_run(
    arguments: &Arguments,
    mirrors: Vec<MirrorSettings>,
    inputs: &[RawInput],
) -> Result<Settings, UsageError> {
    let kubernetes = kubernetes::resolve(arguments, inputs)?;
    let limits = &arguments.limits;
    let mut capture = capture::resolve(arguments, inputs, kubernetes.is_some())?;
    let is_live = |input: &RawInput| matches!(input, RawInput::Live { .. } | RawInput::Kubernetes(_));
    let from_kernel = capture.vxlan.is_none() && (kubernetes.is_some() || inputs.iter().any(is_live));
    admin::check_hand_over(&arguments.admin, from_kernel)?;
    let compares = compares(&mirrors, kubernetes.as_ref());
    capture.tls = tls::resolve(
        &arguments.tls,
        inputs,
        kubernetes.is_some(),
        capture.vxlan.is_some(),
    )?;
    // A handshake has two sides.
    let learns = learns(&mirrors, kubernetes.as_ref());
    capture.responses |= compares || learns || capture.tls.is_some();
    Ok(Settings {
        read: capture::reading(arguments, capture.filter.clone(), compares || learns)?,
        capture,
        kubernetes,
        mirrors,
        limits: Limits {
            max_head: limits.max_head,
            max_body: limits.max_body(),
            max_headers: limits.max_headers as usize,
        },
        connections: ConnectionSettings {
            max_connections: limits.max_connections as usize,
            idle_timeout: limits.input_raw_idle_timeout,
            gap_timeout: arguments
                .capture
                .input_raw_expire
                .unwrap_or(limits.input_raw_gap_timeout),
            max_out_of_order: limits.max_out_of_order,
        },
        max_memory: limits.max_memory,
        marker: output_http::marker(arguments),
        ledger: arguments.general.ledger.as_deref().map(ledger_path).transpose()?,
        middleware: middleware::resolve(&arguments.middleware)?,
        comparing: compare::of_run(arguments, compares, learns)?,
        operation: admin::resolve(&arguments.admin)?,
        shutdown_timeout: arguments.general.shutdown_timeout,
        status_line: !arguments.general.no_status,
        ui: arguments.general.ui,
        log: LogSettings {
            verbose: arguments.stats.verbose,
            stats: StatsSettings {
                run: arguments.stats.stats,
                http: arguments
                    .stats
                    .output_http_stats
                    .then_some(arguments.stats.output_http_stats_ms),
            },
        },
    })
}

/// Inputs, and limits of those that have one.
type Inputs = (Vec<RawInput>, Vec<(RawInput, Limit)>);

fn inputs(arguments: &Arguments, machine: &impl Machine) -> Result<Inputs, UsageError> {
    const FLAG: &str = "--input-raw";
    let flags = &arguments.input;
    if flags.input_raw.is_empty() && !arguments.follows_routes() && !messages::any(arguments) {
        return Err(Problem::new(
            "there is no input",
            "add --input-raw :80 with the port that production listens on, or see 'shadow-agent demo'",
        )
        .of(FLAG, ""));
    }
    let mut inputs = Vec::new();
    let mut limits = Vec::new();
    for text in &flags.input_raw {
        let by_name = flags.input_raw_engine == Some(EngineName::PcapFile);
        let (meant, limit) = of_input(text, by_name, machine).map_err(|problem| problem.of(FLAG, text))?;
        for input in meant {
            limits.extend(limit.map(|limit| (input.clone(), limit)));
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
    }
    Ok((inputs, limits))
}

/// Resolves an `--input-raw`. `by_name`: a capture file of that name comes first.
fn of_input(
    text: &str,
    by_name: bool,
    machine: &impl Machine,
) -> Result<(Vec<RawInput>, Option<Limit>), Problem> {
    if by_name {
        let files = capture_files::named(text)?;
        if !files.is_empty() {
            return Ok((files, None));
        }
    }
    let (address, limit) = limited::at_most_all(text)?;
    let resolved = address
        .parse()
        .and_then(|address: Address| address.resolve(machine))
        .and_then(readable);
    let files = match &resolved {
        Ok(_) if !by_name => Vec::new(),
        _ => capture_files::named(address)?,
    };
    if files.is_empty() {
        return resolved.map(|input| (vec![input], limit));
    }
    Ok((files, limit))
}

/// A capture file that cannot be opened is known now, rather than after the rest has started.
fn readable(input: RawInput) -> Result<RawInput, Problem> {
    if let RawInput::File { path, .. } = &input {
        match named_file::open(path) {
            Ok(_) => {}
            Err(_) if path.is_dir() => {
                return Err(Problem::new(
                    "this is a directory",
                    "name a pcap or pcapng file in it",
                ));
            }
            Err(error) => {
                return Err(Problem::new(
                    format!("cannot read the capture file ({error})"),
                    "check its name and that this user may read it",
                ));
            }
        }
    }
    Ok(input)
}

/// The file itself is opened by the run; that its directory is missing is known now.
fn ledger_path(path: &Path) -> Result<std::path::PathBuf, UsageError> {
    let problem = |problem: &str| {
        Problem::new(problem, "name a file in a directory that exists")
            .of("--ledger", path.display().to_string())
    };
    if path.file_name().is_none() || path.is_dir() {
        return Err(problem("this is a directory"));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return Err(problem("its directory does not exist"));
    }
    // The working directory may change under a run; the file must not.
    std::path::absolute(path).map_err(|error| problem(&error.to_string()))
}

#[cfg(test)]
mod tests;
