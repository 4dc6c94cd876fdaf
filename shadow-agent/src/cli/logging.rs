//! Logs to standard error, above the status line; `RUST_LOG` says what is logged. No thread that logs waits for
//! standard error; [`crate::status::clear`] and a panic wait until what was logged is written.

use std::io::IsTerminal;
use std::panic;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use crate::status::{self, LogWriter};

/// Default filters by `--verbose`, for when `RUST_LOG` is not set.
/// A name is the beginning of a target: `shadow_` is that of every crate of the agent. The client of the Kubernetes API is
/// left out: what it says, on every try, is said by us, once.
const DEFAULT: [&str; 3] = [
    "warn,kube_client=off,shadow_=info",
    "warn,kube_client=off,shadow_=debug",
    "info,kube_client=off,shadow_=trace",
];

/// How long a panic waits for the log before it: standard error may be what is stuck.
const PATIENCE: Duration = Duration::from_secs(1);

/// Starts logging, as much as `--verbose` says. Does nothing when it was started before.
pub fn init(verbose: u8) {
    let default = DEFAULT[usize::from(verbose).min(DEFAULT.len() - 1)];
    let (filter, bad) = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Err(_) => (EnvFilter::new(default), None),
        Ok(directives) => match EnvFilter::try_new(of_all_crates(&directives)) {
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

/// The rooms of the agent that are crates and log, each with its crate's name behind `shadow_`.
const CRATES: [(&str, &str); 4] = [
    ("capture", "capture"),
    ("compare", "compare"),
    ("kubernetes", "cluster"),
    ("mirror", "mirror"),
];

/// Directives that mean by `shadow_agent` all of its crates, and by a room of it the crate that it is.
fn of_all_crates(directives: &str) -> String {
    let of_crate = |directive: &str| {
        let Some(rest) = directive.trim().strip_prefix("shadow_agent") else {
            return directive.to_owned();
        };
        if rest.is_empty() || rest.starts_with(['=', '[']) {
            return format!("shadow_{rest}");
        }
        let path = rest.strip_prefix("::").unwrap_or_default();
        let mut crates = CRATES.iter();
        let inside = crates.find_map(|(room, name)| Some((name, path.strip_prefix(room)?)));
        inside.map_or_else(
            || directive.to_owned(),
            |(name, inside)| format!("shadow_{name}{inside}"),
        )
    };
    let directives: Vec<String> = directives.split(',').map(of_crate).collect();
    directives.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_name_in_a_filter_means_all_of_its_crates() {
        assert_eq!(of_all_crates("shadow_agent=debug"), "shadow_=debug");
        assert_eq!(of_all_crates("warn, shadow_agent"), "warn,shadow_");
        assert_eq!(
            of_all_crates("shadow_agent[span]=info,hyper=off"),
            "shadow_[span]=info,hyper=off"
        );
    }

    #[test]
    fn a_room_in_a_filter_means_the_crate_that_it_is() {
        assert_eq!(
            of_all_crates("shadow_agent::mirror::gate=trace"),
            "shadow_mirror::gate=trace"
        );
        assert_eq!(
            of_all_crates("shadow_agent::kubernetes=trace"),
            "shadow_cluster=trace"
        );
        assert_eq!(
            of_all_crates("shadow_agent::agent=trace"),
            "shadow_agent::agent=trace"
        );
        assert_eq!(of_all_crates("shadow_agents=trace"), "shadow_agents=trace");
    }
}
