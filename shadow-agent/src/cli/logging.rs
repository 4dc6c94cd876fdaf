//! Logs to standard error, above the status line; `RUST_LOG` says what is logged. No thread that logs waits for
//! standard error; [`crate::status::clear`] and a panic wait until what was logged is written.

use std::io::IsTerminal;
use std::panic;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::status::{self, LogWriter};

/// Default filters by `--verbose`, for when `RUST_LOG` is not set.
/// The client of the Kubernetes API is left out: what it says, on every try, is said by us, once.
const DEFAULT: [&str; 3] = [
    "warn,kube_client=off,shadow_agent=info",
    "warn,kube_client=off,shadow_agent=debug",
    "info,kube_client=off,shadow_agent=trace",
];

/// How long a panic waits for the log before it: standard error may be what is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts logging, as much as `--verbose` says. Does nothing when it was started before.
pub fn init(verbose: u8) {
    let default = DEFAULT[usize::from(verbose).min(DEFAULT.len() - 1)];
    let (filter, bad) = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Err(_) => (EnvFilter::new(default), None),
        Ok(directives) => match EnvFilter::try_new(&directives) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(default), Some(error)),
        },
    };
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(LogWriter)
        .try_init();
    if started.is_ok() {
        status::write_logs_apart();
        // The release build ends in a panic without unwinding.
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Where that is not read, nor would this be.
            if status::flush(PATIENCE) {
                report(info);
            }
        }));
    }
    if let Some(error) = bad {
        tracing::warn!(%error, "cannot parse RUST_LOG; using the default");
    }
}
