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
    /// Directory of --compare-store
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,

    /// List the pairs that differ, with their ids
    #[arg(long, conflicts_with_all = ["to", "curl", "header"])]
    pub list: bool,

    /// Send the request of the pair with this id, as shown by reports and --list
    #[arg(long, value_name = "ID", requires = "to")]
    pub pair: Option<String>,

    /// Server to send it to, as for --output-http
    ///
    /// Redirects are not followed: they are compared as the response. The certificate of an https server is verified against
    /// the CAs of this machine, or those in the file named by SSL_CERT_FILE.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,

    /// Print a curl command for a POSIX shell, and send nothing
    ///
    /// It prints the response as received, and does not follow redirects either.
    #[arg(long, requires = "to")]
    pub curl: bool,

    /// Send this header instead of the stored one; may be repeated
    ///
    /// Redacted headers are not sent: use this to provide credentials.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,

    /// Shadow to select, as named in reports, if the run had several comparisons
    #[arg(long, value_name = "NAME")]
    pub shadow: Option<String>,

    /// With --list: only this endpoint, such as 'GET /users/{id}'
    #[arg(long, value_name = "ENDPOINT")]
    pub endpoint: Option<String>,

    /// With --list: only pairs with a difference at or below this path, such as '$.items[*].price'
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,

    /// With --list: most pairs to list
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub max: u32,

    /// Send the original Host header
    #[arg(long)]
    pub http_original_host: bool,

    /// Accept any certificate of an https server
    #[arg(long)]
    pub output_http_skip_verify: bool,

    /// Time for the exchange, after up to 3 seconds for connecting
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = positive_duration)]
    pub output_http_timeout: Duration,

    /// Largest response to read
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub output_http_max_response: usize,

    /// How answers are compared.
    #[command(flatten)]
    pub judging: Judging,
}
