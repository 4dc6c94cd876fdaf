//! The command line in two steps: flags as typed ([`low`]), then [`crate::settings::Settings`], resolved
//! once ([`high`]). Nothing behind this room knows clap.

pub mod address;
pub mod config;
pub mod doctor;
pub mod error;
pub mod glob;
pub mod go_arguments;
pub mod help;
pub mod high;
pub mod k8s_address;
pub mod logging;
pub mod low;
pub mod machine;
pub mod man;
pub mod replay;
pub mod report;
pub mod upstream;
pub mod value;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser};

use self::config::ConfigFile;
use self::config::summary::summary;
use self::doctor::{Facts, Tls};
use self::error::UsageError;
use self::go_arguments::Spelled;
use self::high::Resolved;
use self::low::admin::Admin;
use self::low::{Arguments, Command};
use self::machine::ThisMachine;
use crate::agent::{self, Control, ReaderGone, WatchedFile};
use crate::compare::verdict::exit_code;
use crate::report::table;
use crate::settings::{MessageInput, Settings};
use crate::{capture, demo, input, status};

/// Exit status of a command line that cannot be run; clap's own.
const USAGE: u8 = 2;

/// Exit status of a run whose standard output nobody reads any more: what a shell says of a program that SIGPIPE has ended.
const READER_GONE: u8 = 128 + 13;

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let mut typed = std::env::args_os();
    let program = typed.next().unwrap_or_default();
    let mut command = Arguments::command();
    command.build();
    let spelled = match go_arguments::spell(&command, typed.collect()) {
        Ok(spelled) => spelled,
        Err(usage) => return refused(&usage),
    };
    if let Some(asked) = &spelled.help {
        return ended(asked.print().map(|()| ExitCode::SUCCESS));
    }
    let all = std::iter::once(&program).chain(&spelled.arguments);
    // Without arguments clap prints the help of these definitions, which shall be the short one.
    let definitions = if spelled.arguments.is_empty() {
        help::short()
    } else {
        Arguments::command()
    };
    let matches = definitions.get_matches_from(all);
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    ended(match arguments.command.clone() {
        None => mirror(&arguments, &matches, spelled),
        Some(Command::Demo(demo)) => {
            logging::init(0);
            demo::run(demo.into(), demo_settings).map(code)
        }
        Some(Command::DemoServer(server)) => {
            demo::process::serve_until_told(server.listen, server.faults).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::DemoLoad(demo)) => {
            demo::process::send(demo.to, demo.load.into()).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Doctor) => {
            let (mut text, works) = doctor::report(&Facts::gather());
            text.push_str(&Tls::gather().section());
            print(text.as_bytes()).map(|()| code(works))
        }
        Some(Command::Detach) => detach().map(|()| ExitCode::SUCCESS),
        Some(Command::Report(arguments)) => report::run(&arguments),
        Some(Command::Replay(arguments)) => replay::run(&arguments),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::shown(), "shadow-agent", &mut script);
            print(&script).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Man { command }) => man::page(command.as_deref())
            .and_then(|page| print(&page))
            .map(|()| ExitCode::SUCCESS),
    })
}

/// Says what went wrong, and gives the exit status.
fn ended(ended: anyhow::Result<ExitCode>) -> ExitCode {
    let status = ended.unwrap_or_else(|error| {
        status::clear();
        if let Some(usage) = error.downcast_ref::<UsageError>() {
            refused(usage)
        } else {
            status::print(&format!("error: {error:#}\n"));
            ExitCode::FAILURE
        }
    });
    // What was logged on the way out.
    status::clear();
    status
}

/// The settings of the agent that the demo runs.
fn demo_settings(flags: &[String]) -> anyhow::Result<Settings> {
    let mut arguments = Arguments::try_parse_from(flags)?;
    // The environment may be that of an agent on the same machine: its port is taken, and its budget not meant.
    arguments.admin = Admin::default();
    Ok(high::resolve(&arguments, &ThisMachine)?.settings)
}

fn refused(usage: &UsageError) -> ExitCode {
    status::print(&format!(
        "error: {usage}\n\nFor more information, try 'shadow-agent --help'.\n"
    ));
    ExitCode::from(USAGE)
}

fn code(good: bool) -> ExitCode {
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Mirrors until a signal or the end of the capture files, then prints the account.
fn mirror(arguments: &Arguments, matches: &ArgMatches, spelled: Spelled) -> anyhow::Result<ExitCode> {
    let mut file = None;
    let Resolved { settings, warnings } = match &arguments.config.config {
        None => high::resolve(arguments, &ThisMachine)?,
        Some(path) => {
            let config = ConfigFile::new(path, matches, spelled)?;
            let content = config.content()?;
            let resolved = config.resolve(&content, &ThisMachine)?;
            file = Some(WatchedFile {
                file: Box::new(config),
                content,
            });
            resolved
        }
    };
    if arguments.config.check_config {
        let mut text = summary(&settings);
        text.extend(warnings.iter().map(|warning| format!("warning: {warning}\n")));
        return print(text.as_bytes()).map(|()| ExitCode::SUCCESS);
    }
    logging::init(settings.log.verbose);
    if arguments.input_file.input_file_dry_run {
        for (input, _) in settings.messages() {
            if let MessageInput::File(file) = input {
                print(input::dry_run(file)?.as_bytes())?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for mirror in &settings.mirrors {
        let recording = mirror.outputs.iter().find(|output| output.keeps_traffic());
        if let Some((output, hidden)) = recording.zip(mirror.rules.hidden_in_recordings()) {
            tracing::info!(file = output.name(), "{hidden}");
        }
    }
    let control = Control {
        file,
        ..Control::default()
    };
    let (account, ended) = agent::run(settings, control)?;
    let document = account.document();
    status::clear();
    // First the account, whatever went wrong.
    let mut text = table(&document);
    if let Some(verdict) = &account.verdict {
        text += &crate::report::summary(verdict);
    }
    status::print(&text);
    if ended.as_ref().is_err_and(anyhow::Error::is::<ReaderGone>) {
        return Ok(ExitCode::from(READER_GONE));
    }
    ended?;
    // An account with a difference is a fault, and scripts shall see it.
    Ok(match account.verdict {
        Some(verdict) if document.balanced => ExitCode::from(exit_code(verdict.verdict)),
        _ => code(document.balanced),
    })
}

/// Removes what killed agents left on interfaces.
fn detach() -> anyhow::Result<()> {
    let cleared =
        capture::remove_leftovers().context("cannot remove programs of killed agents (CAP_NET_ADMIN?)")?;
    let text = if cleared.is_empty() {
        "no killed agent has left programs in this network namespace\n".to_owned()
    } else {
        let names: Vec<_> = cleared.iter().map(String::as_str).collect();
        format!("removed programs of killed agents on {}\n", names.join(", "))
    };
    print(text.as_bytes())
}

/// Writes to standard output. A reader that has seen enough (`| head`) is no error.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    let written = io::stdout().lock().write_all(bytes);
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests;
