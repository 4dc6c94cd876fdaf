//! The agent's own HTTP port, and what ends or thins mirroring without anybody's doing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{cpus, duration, listen, positive_duration};
use crate::settings::Listen;

/// Operation flags, as typed. Each flag may come from the environment, as manifests set it there.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Operation")]
pub struct Admin {
    /// Serve health checks, metrics, pause, and the live report here
    ///
    /// On an address such as 127.0.0.1:9400, [::1]:9400, or :9400 for all addresses, IPv4 and IPv6. Off by default. Paths:
    /// /healthz, /readyz, /metrics for Prometheus, POST /pause and POST /resume. /pause is a kill switch: within a second
    /// nothing is captured or sent any more, until /resume. Both are accepted only from this machine, unless
    /// --http-token-file is given.
    ///
    /// With --compare, / is a live page of the comparison, /report.json and /report.html are the current report, and POST
    /// /compare/reset restarts the comparison, discarding what was found; it always requires the token of --http-token-file.
    /// Reports contain traffic: without --http-token-file they are served only to this machine, under an IP address,
    /// localhost or this machine's name.
    #[arg(long, value_name = "ADDRESS", env = "SHADOW_AGENT_HTTP_LISTEN", hide_env_values = true, value_parser = listen)]
    pub http_listen: Option<Listen>,

    /// Allow commands and reports from other machines with the token in this file
    ///
    /// Sent as 'Authorization: Bearer TOKEN'. Commands from this machine then require it too, and so does the live page; POST
    /// /compare/reset is never accepted without it. For reports, browsers may send it as the password of any user. The
    /// file is read at startup; whitespace around the token is ignored.
    #[arg(long, value_name = "FILE", env = "SHADOW_AGENT_HTTP_TOKEN_FILE", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub http_token_file: Option<PathBuf>,

    /// Pause after this time, so that no mirror is forgotten
    ///
    /// Counted from the start of capture. POST /resume starts a new period of the same length; without --http-listen the
    /// agent exits as on SIGTERM instead. By default it runs until it is stopped.
    #[arg(long, value_name = "DURATION", env = "SHADOW_AGENT_EXPIRE_AFTER", hide_env_values = true, value_parser = positive_duration)]
    pub expire_after: Option<Duration>,

    /// Exit after this time, as on SIGTERM, with exit status 0; 0 for never
    ///
    /// Counted from the start of capture. Requests in flight may finish (--shutdown-timeout). By default the agent runs until
    /// it is stopped.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub exit_after: Option<Duration>,

    /// Hand over between agents on this machine without a gap, coordinated by this file
    ///
    /// Of the agents with the same file, one mirrors, and the others capture and wait. When it is stopped, another takes
    /// over, and each request is mirrored by exactly one of them: for rollouts that start the new agent before stopping
    /// the old one. The file is created if necessary; only the agents' user may have write access to its directory.
    /// By default agents do not coordinate.
    #[arg(long, value_name = "FILE", env = "SHADOW_AGENT_HAND_OVER", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub hand_over: Option<PathBuf>,

    /// CPU budget of the agent: 50% (of one CPU), 1.5 (CPUs) or 500m
    ///
    /// Measured each second over all threads. Beyond it only as many requests are mirrored as the budget allows; the others
    /// are counted as limited. If capture alone exceeds it, capture pauses for a while. By default there is no budget.
    #[arg(long, value_name = "CPUS", env = "SHADOW_AGENT_MAX_CPU", hide_env_values = true, value_parser = cpus)]
    pub max_cpu: Option<u32>,
}
