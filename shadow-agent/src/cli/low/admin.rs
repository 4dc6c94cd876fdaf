//! The agent's own HTTP port, and what ends or thins mirroring without anybody's doing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::value::{cpus, duration, listen, positive_duration};
use crate::settings::Listen;

/// How a run is watched and held, as typed. Each flag may come from the environment, as manifests set it there.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Operation")]
pub struct Admin {
    /// Serve /healthz, /readyz, /metrics, POST /pause and POST /resume on this address, and with --compare the report
    ///
    /// Such as 127.0.0.1:9400, [::1]:9400, or :9400 for any address of either family. Off by default: nothing
    /// listens. /metrics is for Prometheus. /pause is a kill switch: within a second nothing is captured or sent
    /// any more, until /resume; both are taken from this machine only, unless --http-token-file is given.
    ///
    /// With --compare, / is a page that follows the comparison, /report.json and /report.html are the report of the moment,
    /// and POST /compare/reset begins it anew: it forgets what was found, and is taken with the token of --http-token-file only.
    /// A report carries traffic: it is read from this machine only, unless --http-token-file is given, and under an address,
    /// localhost or this machine's name.
    #[arg(long, value_name = "ADDRESS", env = "SHADOW_AGENT_HTTP_LISTEN", hide_env_values = true, value_parser = listen)]
    pub http_listen: Option<Listen>,

    /// Take orders from anywhere, and let reports be read from anywhere, with the token in this file
    ///
    /// As 'Authorization: Bearer TOKEN'. Orders are then taken from this machine with it only, too, and from the agent's own
    /// page; POST /compare/reset is never taken without it. To read a report, it may also be the password of any user, which browsers ask for. The file is read at the start;
    /// white space around the token does not count.
    #[arg(long, value_name = "FILE", env = "SHADOW_AGENT_HTTP_TOKEN_FILE", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub http_token_file: Option<PathBuf>,

    /// Pause after so long, so that no mirror is forgotten
    ///
    /// Counted from the start of capture. POST /resume starts a new term of the same length; without
    /// --http-listen nobody could, and the run ends as on SIGTERM instead. By default it runs until it is ended.
    #[arg(long, value_name = "DURATION", env = "SHADOW_AGENT_EXPIRE_AFTER", hide_env_values = true, value_parser = positive_duration)]
    pub expire_after: Option<Duration>,

    /// End after so long, as on SIGTERM, with exit status 0; 0 for never
    ///
    /// Counted from the start of capture. Requests under way may finish (--shutdown-timeout). By default it runs until it
    /// is ended.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub exit_after: Option<Duration>,

    /// Take over from another agent of this machine without a gap, and let another take over, by way of this file
    ///
    /// Agents that name the same file agree in it who mirrors: one does, the others capture and wait. When it is told to end
    /// another takes over, and each request is mirrored by one of them. For a rollout that starts the new agent before the
    /// old one ends. The file is made where it is not there; nobody but the agents' user may write where it stands. By
    /// default an agent knows of no other.
    #[arg(long, value_name = "FILE", env = "SHADOW_AGENT_HAND_OVER", hide_env_values = true, value_hint = clap::ValueHint::FilePath)]
    pub hand_over: Option<PathBuf>,

    /// Processor time the agent may take, such as 50% (of one CPU), 1.5 (CPUs) or 500m
    ///
    /// Measured each second over all its threads. Beyond it fewer requests are mirrored, as many as the budget allows;
    /// the others are counted as limited. Where reading alone takes more, capture pauses for a while. By default
    /// there is no such budget.
    #[arg(long, value_name = "CPUS", env = "SHADOW_AGENT_MAX_CPU", hide_env_values = true, value_parser = cpus)]
    pub max_cpu: Option<u32>,
}
