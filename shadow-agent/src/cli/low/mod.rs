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
pub mod tuning;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::demo::{self, Faults, Load};

/// Copy the HTTP requests that production serves to a shadow release
///
/// shadow-agent copies the HTTP requests that production serves to a shadow release: from the kernel, so
/// that production is never delayed, changed or reconfigured, and with every request accounted for.
///
/// It needs Linux 5.10 or later, and root or the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, which
/// it gives up once it captures. Reading capture files needs neither. `shadow-agent doctor` tells what this
/// machine can do; `shadow-agent demo` shows everything at work on built-in servers.
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
                      shadow-agent demo | doctor | detach | report | replay | completions SHELL | man",
    after_help = "Try 'shadow-agent --help' for defaults, their reasons and examples.",
    after_long_help = AFTER_HELP
)]
pub struct Arguments {
    /// What to do instead of mirroring.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What is captured.
    #[command(flatten)]
    pub input: input_raw::InputRaw,
    /// What of it is taken.
    #[command(flatten)]
    pub capture: capture::CaptureFlags,
    /// What comes in whole.
    #[command(flatten)]
    pub messages: messages::Messages,
    /// What is replayed.
    #[command(flatten)]
    pub input_file: input_file::InputFile,
    /// What other agents send.
    #[command(flatten)]
    pub input_relay: input_relay::InputRelay,
    /// What is sent to the agent itself.
    #[command(flatten)]
    pub input_http: input_relay::InputHttp,
    /// Where copies go.
    #[command(flatten)]
    pub output: output::Output,
    /// What is recorded.
    #[command(flatten)]
    pub output_file: output_file::OutputFile,
    /// How copies reach an HTTP upstream.
    #[command(flatten)]
    pub output_http: output_http::OutputHttp,
    /// How its answers are compared with production's.
    #[command(flatten)]
    pub compare: compare::Compare,
    /// How that is judged.
    #[command(flatten)]
    pub judging: compare::Judging,
    /// What messages pass through.
    #[command(flatten)]
    pub middleware: middleware::MiddlewareFlags,
    /// What passes and what is changed on the way there.
    #[command(flatten)]
    pub filters: filters::FilterFlags,
    /// How messages reach another agent.
    #[command(flatten)]
    pub output_tcp: output_relay::OutputTcp,
    /// How messages reach a WebSocket server.
    #[command(flatten)]
    pub output_ws: output_relay::OutputWs,
    /// Kubernetes.
    #[command(flatten)]
    pub kubernetes: kubernetes::KubernetesFlags,
    /// Bounds.
    #[command(flatten)]
    pub limits: limits::LimitFlags,
    /// The configuration file.
    #[command(flatten)]
    pub config: config::ConfigFlags,
    /// How a run is watched and held.
    #[command(flatten)]
    pub admin: admin::Admin,
    /// The rest.
    #[command(flatten)]
    pub general: general::General,
    /// What is logged.
    #[command(flatten)]
    pub stats: stats::StatsFlags,
    /// Flags of GoReplay that are none here.
    #[command(flatten)]
    pub goreplay: goreplay::GoReplayFlags,
    /// Flags without a meaning here.
    #[command(flatten)]
    pub tuning: tuning::TuningFlags,
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

    /// Whether routes of a cluster say what is mirrored where.
    pub fn follows_routes(&self) -> bool {
        !self.kubernetes.input_k8s_routes.is_empty()
    }
}

/// What to do instead of mirroring.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Show everything at work: built-in servers with planted faults, load, mirroring, the verdict
    Demo(DemoArguments),
    /// Tell what this machine can do, and what to do about what it cannot
    Doctor,
    /// Remove what agents left on the interfaces of this machine that were killed, before Linux 6.6
    ///
    /// The next agent does the same when it starts. Those of agents that run are left alone.
    Detach,
    /// Report on a run that was kept (--compare-store), by these rules; or set two side by side
    ///
    /// Prints a summary; the exit status is the verdict's: 0 GO, 1 NO-GO, 3 NOT ENOUGH DATA. Of two it is that of
    /// the second.
    Report(Box<report::ReportArguments>),
    /// Send the request of a pair that was kept again, and tell what differs from production's answer
    ///
    /// The exit status is 0 where the answer is the same after the rules, 1 where it is not.
    Replay(Box<replay::ReplayArguments>),
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page
    Man,
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
    /// What is sent.
    #[command(flatten)]
    pub load: LoadArguments,
    /// What is wrong with the next release: all, none, or some of field, status, header, slow, order, truncated, closed
    #[arg(long, value_name = "NAMES", default_value = "all")]
    pub faults: Faults,
    /// Write what the comparison came to to this file: .html, .json, .md, or .xml for JUnit
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

/// How much load.
#[derive(Args, Clone, Copy, Debug)]
pub struct LoadArguments {
    /// Requests in all
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub requests: u64,
    /// Requests a second
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
    /// Where it listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What is wrong with it
    #[arg(long, value_name = "NAMES", default_value = "none")]
    pub faults: Faults,
}

/// Flags of `demo-load`.
#[derive(Args, Clone, Debug)]
pub struct DemoLoadArguments {
    /// Where it goes
    #[arg(long, value_name = "ADDRESS")]
    pub to: SocketAddr,
    /// What is sent.
    #[command(flatten)]
    pub load: LoadArguments,
}

const AFTER_HELP: &str = "\
Sizes are bytes or whole numbers with kb, mb, gb (powers of 1024): 32mb, 64k, 4096.
Durations are numbers with h, m, s, ms, us: 5s, 150ms, 1m30s.
Flags may be spelled as GoReplay's users do: -input-raw, --output-stdout true (docs/goreplay.md).

Examples:
  Mirror what arrives on port 80 to staging:
      shadow-agent --input-raw :80 --output-http http://staging:8080
  A tenth of the connections to one address, over HTTPS, with production's Host header:
      shadow-agent --input-raw 10.0.0.5:80 --sample-connections 10% \\
                   --output-http https://shadow.example --http-original-host
  Look at requests and send nothing anywhere:
      shadow-agent --input-raw :80 --output-stdout
  The pods of a deployment on this node, named by the Kubernetes API:
      shadow-agent --input-raw k8s://shop/deployment/web:80 --output-http http://shadow.shop.svc
  Replay a capture file (no root needed), and keep the account:
      shadow-agent --input-raw morning.pcap:80 --output-http http://staging:8080 \\
                   --ledger ledger.json
  Record for an hour, and replay it twice as fast:
      shadow-agent --input-raw :80 --output-file requests.gor.gz --expire-after 1h
      shadow-agent --input-file 'requests.gor_*.gz|200%' --output-http http://staging:8080
  Several mirrors in one agent, from a file that is followed while it changes:
      shadow-agent --config shadow.toml

Signals:
  SIGINT, SIGTERM  stop capturing, wait for what is under way (--shutdown-timeout), print the ledger
  SIGUSR1          write the ledger to the --ledger file now
  SIGHUP           read the --config file again; without one, as SIGTERM (unless ignored, as with nohup)

Exit status:
  0    ended as asked, every request accounted for. With --compare: GO
  1    something failed while running; the message says what. With --compare: NO-GO
  2    the command line cannot be run; the message says why
  3    with --compare: NOT ENOUGH DATA
  141  nobody reads --output-stdout any more; the ledger is written all the same

Environment:
  SHADOW_AGENT_HTTP_LISTEN and the like stand in for the flags whose help names them
  RUST_LOG  what is logged to standard error, such as shadow_agent=debug (default: info)";
