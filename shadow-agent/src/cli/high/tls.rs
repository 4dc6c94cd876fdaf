//! The flags of reading TLS, resolved.

use std::path::{Path, PathBuf};

use crate::cli::error::{Problem, UsageError};
use crate::cli::low::tls::{TlsFlags, TlsMode};
use crate::settings::{RawInput, TlsSettings};

const MODE: &str = "--input-raw-tls";
const LIBRARY: &str = "--input-raw-tls-library";
const KEY_LOG: &str = "--input-raw-tls-keylog";

/// Where secrets come from; `None` where TLS is not read. `pods`: whether pods are captured; `elsewhere`: whether packets come
/// from another machine.
pub fn resolve(
    flags: &TlsFlags,
    inputs: &[RawInput],
    pods: bool,
    elsewhere: bool,
) -> Result<Option<TlsSettings>, UsageError> {
    let find = flags.input_raw_tls == TlsMode::Auto;
    let hooks = find || !flags.input_raw_tls_library.is_empty();
    let flag = if find { (MODE, "auto") } else { (LIBRARY, "") };
    let live = pods || inputs.iter().any(|input| matches!(input, RawInput::Live { .. }));
    if hooks && elsewhere {
        return Err(Problem::new(
            "production runs on other machines, where secrets cannot be taken",
            "have production write a key log file, and name it with --input-raw-tls-keylog",
        )
        .of(flag.0, flag.1));
    }
    if hooks && !live {
        return Err(Problem::new(
            "no live traffic is captured, so there is no process to take secrets from",
            "for capture files, name the key log file with --input-raw-tls-keylog",
        )
        .of(flag.0, flag.1));
    }
    if !flags.input_raw_tls_keylog.is_empty() && inputs.is_empty() && !pods {
        return Err(Problem::new(
            "nothing is captured that these secrets could be of",
            "add --input-raw, or leave the flag out",
        )
        .of(KEY_LOG, ""));
    }
    if flags.input_raw_tls_insist && !hooks {
        return Err(Problem::new(
            "secrets are taken from no process",
            "add --input-raw-tls auto, or leave it out",
        )
        .of("--input-raw-tls-insist", ""));
    }
    if !hooks && flags.input_raw_tls_keylog.is_empty() {
        return Ok(None);
    }
    Ok(Some(TlsSettings {
        find,
        insist: flags.input_raw_tls_insist,
        libraries: files(LIBRARY, &flags.input_raw_tls_library, true)?,
        key_logs: files(KEY_LOG, &flags.input_raw_tls_keylog, false)?,
        wait: flags.input_raw_tls_wait,
        max_secrets: flags.input_raw_tls_secrets as usize,
    }))
}

/// Each once, as absolute paths: the working directory may change under a run. With `there`, each must be there now.
fn files(flag: &str, typed: &[PathBuf], there: bool) -> Result<Vec<PathBuf>, UsageError> {
    let mut files: Vec<PathBuf> = Vec::with_capacity(typed.len());
    for path in typed {
        let of = |problem: &str, help: &str| Problem::new(problem, help).of(flag, path.display().to_string());
        if path.is_dir() {
            return Err(of("this is a directory", "name a file"));
        }
        if there && !path.exists() {
            return Err(of("there is no such file", "check its name"));
        }
        // A FIFO would be waited for.
        if there && !path.is_file() {
            return Err(of("this is no regular file", "name a library or an executable"));
        }
        let in_folder = path.parent().filter(|folder| *folder != Path::new(""));
        if in_folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(of("its directory does not exist", "check its name"));
        }
        let absolute = std::path::absolute(path).map_err(|error| of(&error.to_string(), "check its name"))?;
        if !files.contains(&absolute) {
            files.push(absolute);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::super::super::low::Arguments;
    use super::super::super::machine::TestMachine;
    use super::super::Resolved;
    use super::*;

    fn run(flags: &[&str]) -> Result<Resolved, UsageError> {
        let all = [&["shadow-agent", "--output-null"], flags].concat();
        super::super::resolve(&Arguments::try_parse_from(all).unwrap(), &TestMachine)
    }

    fn tls(flags: &[&str]) -> Option<TlsSettings> {
        run(flags).unwrap().settings.capture.tls
    }

    #[test]
    fn tls_is_left_alone_unless_it_is_asked_for() {
        assert_eq!(tls(&["--input-raw=:443"]), None);
        assert_eq!(tls(&["--input-raw=:443", "--input-raw-tls=off"]), None);
        let found = tls(&["--input-raw=:443", "--input-raw-tls=auto"]).unwrap();
        let expected = TlsSettings {
            find: true,
            libraries: Vec::new(),
            insist: false,
            key_logs: Vec::new(),
            wait: Duration::from_secs(2),
            max_secrets: 100_000,
        };
        assert_eq!(found, expected);
        assert!(found.hooks());
        let of_a_file = tls(&["--input-raw=:443", "--input-raw-tls-keylog=/tmp/keys.log"]).unwrap();
        assert!(!of_a_file.hooks());
        assert_eq!(of_a_file.key_logs, [PathBuf::from("/tmp/keys.log")]);
    }

    #[test]
    fn what_servers_send_is_captured_for_handshakes_and_not_read() {
        let settings = run(&["--input-raw=:443", "--input-raw-tls=auto"])
            .unwrap()
            .settings;
        assert!(settings.capture.responses && !settings.read.answers);
        let settings = run(&["--input-raw=:443"]).unwrap().settings;
        assert!(!settings.capture.responses && !settings.read.answers);
        let settings = run(&["--input-raw=:443", "--input-raw-track-response"])
            .unwrap()
            .settings;
        assert!(settings.capture.responses && settings.read.answers);
    }

    #[test]
    fn a_library_must_be_there_and_a_key_log_need_not() {
        let of = |flag: &str, file: &str| run(&["--input-raw=:443", flag, file]);
        assert!(of("--input-raw-tls-library", "/proc/self/exe").is_ok());
        for (flag, file, expected) in [
            (
                "--input-raw-tls-library",
                "/proc/self/nothing",
                "there is no such file",
            ),
            ("--input-raw-tls-library", "/proc", "this is a directory"),
            ("--input-raw-tls-library", "/dev/null", "this is no regular file"),
            ("--input-raw-tls-keylog", "/proc", "this is a directory"),
            (
                "--input-raw-tls-keylog",
                "/proc/nowhere/keys",
                "its directory does not exist",
            ),
        ] {
            let error = of(flag, file).unwrap_err().to_string();
            assert!(error.starts_with(flag) && error.contains(expected), "{error}");
        }
        assert!(of("--input-raw-tls-keylog", "/proc/self/nothing").is_ok());
    }

    #[test]
    fn secrets_of_processes_need_live_traffic_of_this_machine() {
        for (flags, expected) in [
            (
                &["--input-dummy=x", "--input-raw-tls=auto"][..],
                "no live traffic is captured",
            ),
            (
                &[
                    "--input-raw=:443",
                    "--input-raw-engine=vxlan",
                    "--input-raw-tls=auto",
                ],
                "production runs on other machines",
            ),
            (
                &["--input-dummy=x", "--input-raw-tls-keylog=/tmp/k"],
                "nothing is captured",
            ),
            (
                &["--input-raw=:443", "--input-raw-tls-insist"],
                "secrets are taken from no process",
            ),
        ] {
            let error = run(flags).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
