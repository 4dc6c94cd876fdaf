//! GoReplay's flags that are none here, as meant: a reason to end, or a line.

use crate::cli::error::{Problem, UsageError};
use crate::cli::low::goreplay::GoReplayFlags;

/// Refuses the first flag that is refused.
pub fn check(flags: &GoReplayFlags) -> Result<(), UsageError> {
    match flags.refused.first() {
        // Without its value, which may be a password.
        Some(one) => Err(Problem::new(one.why, one.way_out).of(format!("--{}", one.flag), "")),
        None => Ok(()),
    }
}

/// A line for each flag that does nothing, once.
pub fn lines<'a>(flags: impl Iterator<Item = &'a GoReplayFlags>) -> Vec<String> {
    let mut lines = Vec::new();
    for one in flags.flat_map(|flags| &flags.accepted) {
        let line = format!("--{}: {}", one.flag, one.says);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::high::resolve;
    use crate::cli::low::Arguments;
    use crate::cli::machine::TestMachine;

    fn error(flags: &[&str]) -> String {
        let arguments = Arguments::try_parse_from([&["shadow-agent"], flags].concat()).unwrap();
        resolve(&arguments, &TestMachine).unwrap_err().to_string()
    }

    #[test]
    fn a_refused_flag_says_why_and_the_way_out_without_its_value() {
        let error = error(&["--output-stdout", "--input-kafka-password", "hunter2"]);
        assert_eq!(
            error,
            "--input-kafka-password: there is no Kafka client in the agent: partitions and offsets are a consumer's \
             business\n  help: let a consumer write the records and their separators to a file x.gor, and replay that \
             with --input-file"
        );
    }

    #[test]
    fn a_flag_without_a_meaning_is_taken_and_answered_once() {
        let flags = [
            "shadow-agent",
            "--input-raw=:80",
            "--output-null",
            "--cpuprofile=a",
            "--cpuprofile=b",
        ];
        let arguments = Arguments::try_parse_from(flags).unwrap();
        assert_eq!(
            resolve(&arguments, &TestMachine).unwrap().warnings,
            ["--cpuprofile: no profile is written: perf record -p PID profiles the running agent"]
        );
    }
}
