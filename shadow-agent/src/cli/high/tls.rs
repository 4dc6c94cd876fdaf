//! What the flags of reading TLS come to.

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
