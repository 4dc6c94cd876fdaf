//! The command line as typed: one struct for each family of flags, no side effects, nothing resolved.
//!
//! Every flag's text says what its default is for; `--help`, the man page and the completions are made from
//! these definitions.

// Doc comments here are the help text: backticks would be printed, and brackets are no links.
#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)]

pub mod admin;
pub mod capture;
pub mod compare;
pub mod config;
pub mod filters;
pub mod general;
pub mod goreplay;
pub mod input_file;
pub mod input_raw;
pub mod input_relay;
pub mod kubernetes;
pub mod limits;
pub mod messages;
pub mod middleware;
pub mod output;
pub mod output_file;
pub mod output_http;
pub mod output_relay;
pub mod replay;
pub mod report;
pub mod stats;
pub mod tls;
pub mod tuning;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::demo::{self, Faults, Load};

/// Copy the HTTP requests that production serves to a shadow release
///
/// shadow-agent copies the HTTP requests that production serves to a shadow release. It captures them in the
/// kernel, so production is never delayed, changed or reconfigured, and accounts for every request.
///
/// It needs Linux 5.10 or later, and root or the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, which
/// it drops once capture has started. Reading capture files needs neither. `shadow-agent doctor` checks what
/// this machine supports; `shadow-agent demo` demonstrates everything on built-in servers.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "shadow-agent",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    override_usage = "shadow-agent --input-raw ADDRESS... --output-http URL... [OPTIONS]\n       \
                      shadow-agent --config FILE [--check-config] [OPTIONS]\n       \
                      shadow-agent demo | doctor | detach | report | replay | completions SHELL | man [COMMAND]",
    after_long_help = AFTER_HELP
)]
pub struct Arguments {
    /// A command instead of mirroring.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Capture: where.
    #[command(flatten)]
    pub input: input_raw::InputRaw,
    /// Capture: which packets, and incomplete requests.
    #[command(flatten)]
    pub capture: capture::CaptureFlags,
    /// Capture: TLS.
    #[command(flatten)]
    pub tls: tls::TlsFlags,
    /// Recordings to replay.
    #[command(flatten)]
    pub input_file: input_file::InputFile,
    /// Records from other agents.
    #[command(flatten)]
    pub input_relay: input_relay::InputRelay,
    /// Requests sent to the agent itself.
    #[command(flatten)]
    pub input_http: input_relay::InputHttp,
    /// Outputs.
    #[command(flatten)]
    pub output: output::Output,
    /// Recordings to write.
    #[command(flatten)]
    pub output_file: output_file::OutputFile,
    /// HTTP outputs.
    #[command(flatten)]
    pub output_http: output_http::OutputHttp,
    /// The comparison.
    #[command(flatten)]
    pub compare: compare::Compare,
    /// Rules of the verdict.
    #[command(flatten)]
    pub judging: compare::Judging,
    /// The middleware.
    #[command(flatten)]
    pub middleware: middleware::MiddlewareFlags,
    /// Filters and rewriting.
    #[command(flatten)]
    pub filters: filters::FilterFlags,
    /// Relay outputs.
    #[command(flatten)]
    pub output_tcp: output_relay::OutputTcp,
    /// WebSocket outputs.
    #[command(flatten)]
    pub output_ws: output_relay::OutputWs,
    /// Kubernetes.
    #[command(flatten)]
    pub kubernetes: kubernetes::KubernetesFlags,
    /// Limits.
    #[command(flatten)]
    pub limits: limits::LimitFlags,
    /// The configuration file.
    #[command(flatten)]
    pub config: config::ConfigFlags,
    /// Operation: admin port, expiry, handover, CPU budget.
    #[command(flatten)]
    pub admin: admin::Admin,
    /// The log.
    #[command(flatten)]
    pub stats: stats::StatsFlags,
    /// Flags of GoReplay that do not exist here.
    #[command(flatten)]
    pub goreplay: goreplay::GoReplayFlags,
    /// Flags of GoReplay without effect.
    #[command(flatten)]
    pub tuning: tuning::TuningFlags,
    /// Test messages.
    #[command(flatten)]
    pub messages: messages::Messages,
    /// The account, the end, and the terminal.
    #[command(flatten)]
    pub general: general::General,
}

impl Arguments {
    /// The definitions without what the help hides: completion scripts would offer it.
    pub fn shown() -> clap::Command {
        let all = Self::command();
        let shown = all.get_arguments().filter(|argument| !argument.is_hide_set());
        clap::Command::new("shadow-agent")
            .args(shown.cloned())
            .subcommands(
                all.get_subcommands()
                    .filter(|command| !command.is_hide_set())
                    .cloned(),
            )
    }

    /// Whether mirrors are taken from routes of a cluster.
    pub fn follows_routes(&self) -> bool {
        !self.kubernetes.input_k8s_routes.is_empty()
    }
}

/// A command instead of mirroring.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Demonstrate mirroring and comparison on built-in servers with planted faults
    Demo(DemoArguments),
    /// Check what this machine supports, and say how to fix what it does not
    Doctor,
    /// Remove programs that killed agents left on network interfaces (before Linux 6.6)
    ///
    /// The next agent does this when it starts. Programs of running agents are left alone.
    Detach,
    /// Report on stored pairs (--compare-store) again, or compare two runs
    ///
    /// Prints a summary. The exit status is the verdict: 0 GO, 1 NO-GO, 3 NOT ENOUGH DATA; for two runs, that of the second.
    Report(Box<report::ReportArguments>),
    /// Send the request of a stored pair again, and compare the response with production's
    ///
    /// The exit status is 0 if the responses are equal after the rules, 1 if not.
    Replay(Box<replay::ReplayArguments>),
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or that of a command
    Man {
        /// The command, such as report
        command: Option<String>,
    },
    /// Serve the demo's shop, for tests
    #[command(hide = true)]
    DemoServer(DemoServerArguments),
    /// Send the demo's load, for tests
    #[command(hide = true)]
    DemoLoad(DemoLoadArguments),
}

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArguments {
    /// The load.
    #[command(flatten)]
    pub load: LoadArguments,
    /// Faults of the next release: all, none, or some of field, status, header, slow, order, truncated, closed
    #[arg(long, value_name = "NAMES", default_value = "all")]
    pub faults: Faults,
    /// Write a report at exit: .html, .json, .md, or .xml (JUnit)
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
}

impl From<DemoArguments> for demo::Wanted {
    fn from(arguments: DemoArguments) -> Self {
        Self {
            load: arguments.load.into(),
            faults: arguments.faults,
            report: arguments.report,
        }
    }
}

/// The amount of load.
#[derive(Args, Clone, Copy, Debug)]
pub struct LoadArguments {
    /// Number of requests
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub requests: u64,
    /// Requests per second
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub rate: u32,
}

impl From<LoadArguments> for Load {
    fn from(arguments: LoadArguments) -> Self {
        Self {
            requests: arguments.requests,
            rate: arguments.rate,
        }
    }
}

/// Flags of `demo-server`.
#[derive(Args, Clone, Debug)]
pub struct DemoServerArguments {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Faults of the server
    #[arg(long, value_name = "NAMES", default_value = "none")]
    pub faults: Faults,
}

/// Flags of `demo-load`.
#[derive(Args, Clone, Debug)]
pub struct DemoLoadArguments {
    /// Address to send to
    #[arg(long, value_name = "ADDRESS")]
    pub to: SocketAddr,
    /// The load.
    #[command(flatten)]
    pub load: LoadArguments,
}

const AFTER_HELP: &str = "\
Sizes are bytes or whole numbers with kb, mb, gb (powers of 1024): 32mb, 64k, 4096.
Durations are numbers with h, m, s, ms, us: 5s, 150ms, 1m30s.
GoReplay's spelling of flags works too: -input-raw, --output-stdout true (docs/goreplay.md).

Examples:
  Mirror what arrives on port 80 to staging:
      shadow-agent --input-raw :80 --output-http http://staging:8080
  A tenth of the connections to one address, over HTTPS, with production's Host header:
      shadow-agent --input-raw 10.0.0.5:80 --sample-connections 10% \\
                   --output-http https://shadow.example --http-original-host
  Print requests and send nothing:
      shadow-agent --input-raw :80 --output-stdout
  The pods of a deployment on this node, found by the Kubernetes API:
      shadow-agent --input-raw k8s://shop/deployment/web:80 --output-http http://shadow.shop.svc
  Replay a capture file (no root needed), and write the ledger:
      shadow-agent --input-raw morning.pcap:80 --output-http http://staging:8080 \\
                   --ledger ledger.json
  Record for an hour, and replay it twice as fast:
      shadow-agent --input-raw :80 --output-file requests.gor.gz --expire-after 1h
      shadow-agent --input-file 'requests.gor_*.gz|200%' --output-http http://staging:8080
  Several mirrors in one agent, from a file that is reloaded when it changes:
      shadow-agent --config shadow.toml

Signals:
  SIGINT, SIGTERM  stop capturing, finish requests in flight (--shutdown-timeout), print the ledger
  SIGUSR1          write the ledger to the --ledger file now
  SIGHUP           reload the --config file; without one, as SIGTERM (unless ignored, as with nohup)

Exit status:
  0    ended as requested, every request accounted for. With --compare: GO
  1    failed while running, see the message. With --compare: NO-GO
  2    invalid command line or configuration, see the message
  3    with --compare: NOT ENOUGH DATA
  141  the reader of --output-stdout has exited; the ledger is written all the same

Environment:
  SHADOW_AGENT_HTTP_LISTEN and others set the flags whose help names them
  RUST_LOG  log filter for standard error, such as shadow_agent=debug (default: info)";
