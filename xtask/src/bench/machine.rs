//! The machine that is measured on: no figure means anything without it.

use std::fmt;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::stat;
use crate::setup;

/// Its facts.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    kernel: String,
    processor: String,
    processors: usize,
    memory_mib: u64,
    load_average: String,
    nginx: String,
    wrk: String,
    agent: String,
    commit: String,
}

impl Machine {
    /// Looks at it.
    pub fn look(agent: &Path) -> Self {
        let cpuinfo = stat::read("/proc/cpuinfo").unwrap_or_default();
        let memory = stat::read("/proc/meminfo").unwrap_or_default();
        Self {
            kernel: first_line(&stat::read("/proc/sys/kernel/osrelease").unwrap_or_default()),
            processor: field(&cpuinfo, "model name"),
            processors: cpuinfo
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            memory_mib: field(&memory, "MemTotal")
                .trim_end_matches(" kB")
                .parse::<u64>()
                .unwrap_or(0)
                / 1024,
            load_average: first_line(&stat::read("/proc/loadavg").unwrap_or_default()),
            nginx: says("nginx", &["-v"]),
            wrk: says("wrk", &["-v"]),
            agent: if agent.as_os_str().is_empty() {
                "takes no part".to_owned()
            } else {
                output(Command::new(agent).arg("--version"))
            },
            commit: output(
                Command::new("git")
                    .current_dir(setup::workspace())
                    .args(["describe", "--always", "--dirty"]),
            ),
        }
    }

    /// Whether something else ran at the start.
    fn is_busy(&self) -> bool {
        let last_minute = self
            .load_average
            .split(' ')
            .next()
            .and_then(|load| load.parse::<f64>().ok());
        last_minute.is_some_and(|load| load > 0.5)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "machine   Linux {}, {} x {}, {} MiB",
            self.kernel, self.processors, self.processor, self.memory_mib
        )?;
        writeln!(f, "programs  {}; {}", self.nginx, self.wrk)?;
        writeln!(f, "agent     {} (commit {})", self.agent, self.commit)?;
        write!(f, "load      {}", self.load_average)?;
        if self.is_busy() {
            write!(
                f,
                "  (other work runs here, or just did: the figures will be unsteady)"
            )?;
        }
        Ok(())
    }
}

fn says(program: &str, arguments: &[&str]) -> String {
    setup::program(program).map_or_else(
        || "not installed".to_owned(),
        |program| output(Command::new(program).args(arguments)),
    )
}

/// The first line that a program prints, wherever it prints it.
fn output(command: &mut Command) -> String {
    command.output().map_or_else(
        |error| error.to_string(),
        |output| {
            let text = [output.stdout, output.stderr].concat();
            first_line(&String::from_utf8_lossy(&text))
        },
    )
}

fn field(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find(|line| line.starts_with(name))
        .unwrap_or_default();
    line.split_once(':')
        .map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
