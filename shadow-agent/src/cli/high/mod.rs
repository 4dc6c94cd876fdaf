//! The command line as meant: flags as typed become [`Settings`], once, with names looked up and values
//! that contradict each other refused.

mod admin;
mod goreplay;
mod kubernetes;
mod limited;
mod messages;
mod middleware;
mod outputs;
mod rules;
mod self_mirror;
mod together;

use std::collections::BTreeMap;
use std::path::Path;

use super::address::Address;
use super::error::{Problem, UsageError};
use super::low::Arguments;
use super::low::input_raw::{EngineName, InputRaw};
use super::machine::Machine;
use super::value::Share;
use crate::http::Limits;
use crate::settings::{
    CaptureSettings, ConnectionSettings, Engine, Limit, LiveScope, LogSettings, MirrorLimits, MirrorSettings,
    RawInput, Settings, StatsSettings,
};

/// What a command line comes to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What the run shall do.
    pub settings: Settings,
    /// What the user should know of, though it can be run.
    pub warnings: Vec<String>,
}

/// Most rings by default: beyond, a ring more is memory rather than speed.
const MAX_SHARDS: usize = 16;

/// Smallest ring: one page, of the largest size that kernels for this processor have.
const SMALLEST_RING: usize = if cfg!(target_arch = "x86_64") {
    4096
} else {
    65_536
};

/// Largest ring that the settings can say, in bytes.
const LARGEST_RING: usize = 1 << 31;

/// A mirror as typed.
#[derive(Clone, Debug)]
pub struct TypedMirror {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its inputs, its outputs, and the flags of these; all else is not asked.
    pub arguments: Arguments,
}

/// What is wrong, and in which mirror; `None` where it is nothing of one mirror.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Index of the mirror.
    pub mirror: Option<usize>,
    /// What is wrong.
    pub error: UsageError,
}

impl From<UsageError> for Fault {
    fn from(error: UsageError) -> Self {
        Self { mirror: None, error }
    }
}

/// Resolves the flags of a run (not of a subcommand).
pub fn resolve(arguments: &Arguments, machine: &impl Machine) -> Result<Resolved, UsageError> {
    let only = TypedMirror {
        name: None,
        arguments: arguments.clone(),
    };
    resolve_mirrors(arguments, &[only], machine).map_err(|fault| fault.error)
}

/// Resolves `mirrors`, and what `arguments` say of all of them.
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
    let (inputs, of_inputs) = inputs(&typed.arguments, machine)?;
    let (outputs, of_outputs) = outputs::resolve(&typed.arguments)?;
    Ok(MirrorSettings {
        name: typed.name.clone(),
        inputs,
        limits: MirrorLimits {
            inputs: of_inputs,
            messages: BTreeMap::new(),
            outputs: of_outputs,
        },
        split: outputs::split(&typed.arguments),
        messages: messages::resolve(&typed.arguments)?,
        outputs,
        rules: rules::resolve(&typed.arguments.filters)?,
    })
}

fn resolve_run(
    arguments: &Arguments,
    mirrors: Vec<MirrorSettings>,
    inputs: &[RawInput],
) -> Result<Settings, UsageError> {
    let kubernetes = kubernetes::resolve(arguments, inputs)?;
    let limits = &arguments.limits;
    Ok(Settings {
        capture: capture(&arguments.input, inputs, kubernetes.is_some())?,
        kubernetes,
        mirrors,
        limits: Limits {
            max_head: limits.max_head,
            max_body: limits.max_body,
            max_headers: limits.max_headers as usize,
        },
        connections: ConnectionSettings {
            max_connections: limits.max_connections as usize,
            idle_timeout: limits.input_raw_idle_timeout,
            gap_timeout: limits.input_raw_gap_timeout,
            max_out_of_order: limits.max_out_of_order,
        },
        max_memory: limits.max_memory,
        marker: outputs::marker(arguments),
        ledger: arguments.general.ledger.as_deref().map(ledger_path).transpose()?,
        middleware: middleware::resolve(&arguments.middleware)?,
        operation: admin::resolve(&arguments.admin)?,
        shutdown_timeout: arguments.general.shutdown_timeout,
        status_line: !arguments.general.no_status,
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
            "nothing to capture was named",
            "add --input-raw :80 with the port that production listens on, or see 'shadow-agent demo'",
        )
        .of(FLAG, ""));
    }
    let mut inputs = Vec::new();
    let mut limits = Vec::new();
    for text in &flags.input_raw {
        let (address, limit) = limited::limited_input(text).map_err(|problem| problem.of(FLAG, text))?;
        let input = address
            .parse()
            .and_then(|address: Address| address.resolve(machine))
            .and_then(readable)
            .map_err(|problem| problem.of(FLAG, text))?;
        limits.extend(limit.map(|limit| (input.clone(), limit)));
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    Ok((inputs, limits))
}

/// A capture file that cannot be opened is known now, rather than after the rest has started.
fn readable(input: RawInput) -> Result<RawInput, Problem> {
    if let RawInput::File { path, .. } = &input {
        let opened = std::fs::File::open(path).and_then(|file| file.metadata());
        match opened {
            Ok(metadata) if metadata.is_dir() => {
                return Err(Problem::new(
                    "this is a directory",
                    "name a pcap or pcapng file in it",
                ));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(Problem::new(
                    format!("the capture file cannot be read ({error})"),
                    "check its name and that this user may read it",
                ));
            }
        }
    }
    Ok(input)
}

fn capture(flags: &InputRaw, inputs: &[RawInput], pods: bool) -> Result<CaptureSettings, UsageError> {
    let engine = match flags.input_raw_engine {
        Some(EngineName::Tc) if pods => {
            return Err(Problem::new(
                "pods are captured at their sockets, which this hook does not see",
                "leave the flag out, or write cgroup",
            )
            .of("--input-raw-engine", "tc"));
        }
        Some(EngineName::Tc) => Some(Engine::Tc),
        Some(EngineName::Cgroup) => Some(Engine::Cgroup),
        None if pods => Some(Engine::Cgroup),
        None => None,
    };
    let interface = inputs.iter().find_map(|input| match input {
        RawInput::Live {
            scope: LiveScope::Interfaces(name),
            ..
        } => Some(name),
        _ => None,
    });
    if let (Some(Engine::Cgroup), Some(name)) = (engine, interface) {
        return Err(Problem::new(
            format!("this hook sees sockets, not interfaces, but '{name}' is an interface"),
            "leave the flag out, or name an address instead of the interface, such as :80",
        )
        .of("--input-raw-engine", "cgroup"));
    }
    Ok(CaptureSettings {
        engine,
        track_response: flags.input_raw_track_response,
        ring_bytes: ring_bytes(flags.input_raw_buffer_size)?,
        shards: flags.input_raw_shards.unwrap_or_else(default_shards),
        sample_connections: flags.sample_connections.and_then(|Share { of_2_32 }| of_2_32),
    })
}

fn ring_bytes(wanted: usize) -> Result<u32, UsageError> {
    let bytes = wanted.clamp(SMALLEST_RING, LARGEST_RING + 1).next_power_of_two();
    u32::try_from(bytes).map_err(|_| {
        Problem::new(
            "a ring cannot be larger than 2gb",
            "write a smaller size, such as 64mb",
        )
        .of("--input-raw-buffer-size", wanted.to_string())
    })
}

fn default_shards() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (1 << cpus.ilog2()).min(MAX_SHARDS)
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
