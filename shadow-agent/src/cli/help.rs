//! The help: `-h` for the flags that most people need, `--help` for all of them, `--help GROUP` for one group.
//!
//! A flag's group is its help heading; [`GROUPS`] gives each heading the name by which it is asked for. `--help COMMAND`
//! shows the help of a command, and `-h` in the place of `--help` one line for each flag, whatever is asked for.

use clap::{ArgAction, Command, CommandFactory};

use super::error::{Problem, UsageError};
use super::low::Arguments;

/// A request for help, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `--help` rather than `-h`.
    pub long: bool,
    /// The group or the command, if one is named.
    pub topic: Option<String>,
}

/// Flags that are shown together.
#[derive(Debug)]
pub struct Group {
    /// Its name behind `--help`.
    pub name: &'static str,
    /// The heading of its flags.
    pub heading: &'static str,
}

const fn group(name: &'static str, heading: &'static str) -> Group {
    Group { name, heading }
}

/// The group of flags that have no heading: clap's own.
const GENERAL: &str = "General";

/// All groups, in the order in which `--help` shows them.
pub const GROUPS: [Group; 21] = [
    group("capture", "Capture (each --input-raw)"),
    group("tls", "TLS (each --input-raw)"),
    group("file-input", "File input (each --input-file)"),
    group("relay-input", "Relay input (each --input-tcp)"),
    group("http-input", "HTTP input (each --input-http)"),
    group("output", "Output"),
    group("file-output", "File output (each --output-file)"),
    group("http-output", "HTTP output (each --output-http)"),
    group("relay-output", "Relay output (each --output-tcp)"),
    group("ws-output", "WebSocket output (each --output-ws)"),
    group("compare", "Comparison"),
    group("verdict", "Verdict"),
    group("middleware", "Middleware"),
    group(
        "filters",
        "Filters and rewriting (applied in the order of docs/filters.md)",
    ),
    group("kubernetes", "Kubernetes"),
    group("limits", "Limits"),
    group("config", "Configuration file"),
    group("operation", "Operation"),
    group("log", "Log"),
    group("goreplay", "GoReplay flags without effect"),
    group("general", GENERAL),
];

/// The flags that `-h` shows.
const MOST_USED: [&str; 26] = [
    "input-raw",
    "input-raw-engine",
    "sample-connections",
    "input-file",
    "output-http",
    "output-file",
    "output-stdout",
    "output-null",
    "http-original-host",
    "compare",
    "fail-on",
    "report",
    "http-allow-method",
    "http-allow-url",
    "http-disallow-url",
    "safe-methods",
    "http-set-header",
    "config",
    "check-config",
    "http-listen",
    "expire-after",
    "max-cpu",
    "ledger",
    "ui",
    "help",
    "version",
];

/// Everything from the name of the program on.
const SHORT: &str = "\
{about}

{usage-heading} {usage}

Commands:
{subcommands}

Most used flags:
{options}{after-help}";

impl Asked {
    /// Prints the help to standard output.
    ///
    /// # Errors
    ///
    /// When there is no such group or command, or when standard output cannot be written.
    pub fn print(&self) -> anyhow::Result<()> {
        let mut command = self.command()?;
        let printed = if self.long {
            command.print_long_help()
        } else {
            command.print_help()
        };
        match printed {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => Ok(other?),
        }
    }

    /// The definitions that render to this help.
    fn command(&self) -> Result<Command, UsageError> {
        let all = all();
        let topic = match self.topic.as_deref() {
            None if !self.long => return Ok(short()),
            None | Some("all") => return Ok(all),
            Some(topic) => topic,
        };
        if let Some(group) = GROUPS.iter().find(|group| group.name == topic) {
            let template = format!("{}:\n{{options}}", group.heading);
            let others = all.mut_args(|argument| {
                let other = argument.get_help_heading().unwrap_or(GENERAL) != group.heading;
                let hidden = other || argument.is_hide_set();
                argument.hide(hidden)
            });
            return Ok(others.help_template(template));
        }
        if let Some(command) = shown_command(&all, topic) {
            return Ok(command.clone());
        }
        Err(Problem::new(
            "there is no such group of flags, and no such command",
            format!("groups are all, {}", group_names().join(", ")),
        )
        .of("--help", topic))
    }
}

/// A command by its name, unless the help hides it.
pub fn shown_command<'a>(all: &'a Command, name: &str) -> Option<&'a Command> {
    all.find_subcommand(name).filter(|command| !command.is_hide_set())
}

/// The definitions with all flags and texts.
pub fn all() -> Command {
    let mut command = Arguments::command();
    command.build();
    let groups = lines(&group_names(), 80).join("\n  ");
    command.mut_arg("help", |help| {
        help.help("Print help: -h these flags, --help all, --help GROUP a group").long_help(format!(
            "Print help\n\n-h shows the flags that most people need, --help all of them, --help COMMAND the help of a command, \
             and --help GROUP the flags of one group:\n  {groups}"
        ))
    })
}

/// The definitions with the flags that most people need, one line each.
pub fn short() -> Command {
    let groups = lines(&group_names(), 92).join("\n  ");
    let command = all().mut_args(|argument| {
        let most_used = argument.get_long().is_some_and(|long| MOST_USED.contains(&long));
        let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
        let argument = argument.hide(!most_used);
        if takes_value {
            argument
                .hide_possible_values(true)
                .hide_default_value(true)
                .hide_env(true)
        } else {
            argument
        }
    });
    command.help_template(SHORT).after_help(format!(
        "Groups of flags, each shown by --help GROUP (all: every flag, its default and the reason for it):\n  {groups}"
    ))
}

fn group_names() -> Vec<&'static str> {
    GROUPS.iter().map(|group| group.name).collect()
}

/// Words with commas between them, in lines of about this width.
fn lines(words: &[&str], width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "" };
        let mut line = lines.pop().unwrap_or_default();
        if !line.is_empty() && line.len() + word.len() + 2 > width {
            lines.push(std::mem::take(&mut line));
        }
        let space = if line.is_empty() { "" } else { " " };
        lines.push(format!("{line}{space}{word}{comma}"));
    }
    lines
}

#[cfg(test)]
mod tests;
