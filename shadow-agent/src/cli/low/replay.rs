//! `shadow-agent replay`: what was kept, sent again.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::compare::Judging;
use crate::cli::value::{positive_duration, positive_size};

/// Flags of `replay`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("what").required(true).args(["pair", "list"]))]
pub struct ReplayArguments {
    /// The directory of --compare-store
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// List the pairs that differ, with their ids
    #[arg(long, conflicts_with_all = ["to", "curl", "header"])]
    pub list: bool,

    /// Send the request of this pair; its id is the one that reports show
    #[arg(long, value_name = "ID", requires = "to")]
    pub pair: Option<String>,

    /// The server it goes to, as --output-http has it
    ///
    /// A redirect is not followed: it is the answer, and is compared as it is. Of an https server the certificate is
    /// verified by the authorities of this host, or those in the file that SSL_CERT_FILE names.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,

    /// Print a curl command line for a POSIX shell, and send nothing
    ///
    /// It shows the answer as it comes, and follows no redirect either.
    #[arg(long, requires = "to")]
    pub curl: bool,

    /// Send this header, in the place of what was kept; may be repeated
    ///
    /// What was redacted is not sent: credentials are given by this.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Of a run with several comparisons, the one with this shadow, as reports name it
    #[arg(long, value_name = "NAME")]
    pub shadow: Option<String>,

    /// With --list: only of this endpoint, such as 'GET /users/{id}'
    #[arg(long, value_name = "ENDPOINT")]
    pub endpoint: Option<String>,

    /// With --list: only those with a difference at this path or below, such as '$.items[*].price'
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,

    /// With --list: most pairs that are listed
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub max: u32,

    /// Send the Host header of the request as it was
    #[arg(long)]
    pub http_original_host: bool,

    /// Accept any certificate of an https server
    #[arg(long)]
    pub output_http_skip_verify: bool,

    /// Time for the exchange, behind the 3 seconds that connecting may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_timeout: Duration,

    /// Largest answer that is read
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_max_response: usize,

    /// How answers are compared.
    #[command(flatten)]
    pub judging: Judging,
}
