//! Checks of several mirrors in one agent: each request must be told to belong to one mirror or another.

use super::Fault;
use crate::agent::MAX_MIRRORS;
use crate::cli::error::Problem;
use crate::settings::{LiveScope, MirrorSettings, OutputSettings, RawInput};

/// Refuses what only a single mirror can have.
pub fn check(mirrors: &[MirrorSettings]) -> Result<(), Fault> {
    if mirrors.len() < 2 {
        return Ok(());
    }
    for (index, mirror) in mirrors.iter().enumerate() {
        if let Some(input) = mirror.messages.first() {
            return Err(Fault {
                mirror: Some(index),
                error: Problem::new(
                    "an input of whole messages can be used by only one mirror",
                    "put all its outputs into one mirror, or run an agent for each",
                )
                .of(input.flag(), ""),
            });
        }
        for input in &mirror.inputs {
            alone(input).map_err(|(value, problem)| Fault {
                mirror: Some(index),
                error: problem.of("--input-raw", value),
            })?;
        }
    }
    let outputs: usize = mirrors.iter().map(|mirror| mirror.outputs.len()).sum();
    if outputs > MAX_MIRRORS {
        let too_many = Problem::new(
            format!("{outputs} outputs are more than {MAX_MIRRORS}"),
            "run some of the mirrors in an agent of their own",
        );
        return Err(too_many.of("--output-http", "").into());
    }
    let writes = |mirror: &MirrorSettings| {
        let stdout = |output: &OutputSettings| matches!(output, OutputSettings::Stdout { .. });
        mirror.outputs.iter().any(stdout)
    };
    let mut to_stdout = (0..mirrors.len()).filter(|index| writes(&mirrors[*index]));
    match (to_stdout.next(), to_stdout.next()) {
        (Some(_), Some(second)) => Err(Fault {
            mirror: Some(second),
            error: Problem::new(
                "another mirror already writes to standard output, and their records would mix",
                "leave it to one of the mirrors",
            )
            .of("--output-stdout", ""),
        }),
        _ => Ok(()),
    }
}

/// Refuses an input whose requests cannot be told from another mirror's: with its value.
fn alone(input: &RawInput) -> Result<(), (String, Problem)> {
    match input {
        RawInput::Live {
            scope: LiveScope::Interfaces(name),
            ..
        } => Err((
            name.clone(),
            Problem::new(
                "traffic of an interface cannot be told apart from what other mirrors capture",
                "name an address instead, such as :80 or 10.0.0.5:80, or run this mirror alone in an agent of its own",
            ),
        )),
        RawInput::File { path, .. } => Err((
            path.display().to_string(),
            Problem::new(
                "a capture file can be used by only one mirror",
                "replay it in an agent of its own",
            ),
        )),
        _ => Ok(()),
    }
}
