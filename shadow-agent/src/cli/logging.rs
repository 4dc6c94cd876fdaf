//! Logs to standard error, above the status line; `RUST_LOG` says what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::status::LogWriter;

/// What is logged when `RUST_LOG` does not say.
const DEFAULT: &str = "warn,shadow_agent=info";

/// Starts logging. Does nothing when it was started before.
pub fn init() {
    let (filter, bad) = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Err(_) => (EnvFilter::new(DEFAULT), None),
        Ok(directives) => match EnvFilter::try_new(&directives) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
        },
    };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(LogWriter)
        .try_init();
    if let Some(error) = bad {
        tracing::warn!(%error, "RUST_LOG is not understood; logging what is logged without it");
    }
}
