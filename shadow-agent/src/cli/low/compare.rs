//! `--compare`: production's answers against the shadow's, and how they are judged.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{Share, duration, positive_duration, positive_size, share};

/// The comparison, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Comparison")]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Compare {
    /// Compare the shadow's responses with production's: GO or NO-GO
    ///
    /// Production's responses are captured, kept until the shadow has responded, and compared; the verdict is printed with
    /// the ledger at exit and decides the exit status. See docs/comparing.md.
    #[arg(long)]
    pub compare: bool,

    /// A second instance of production's release, which gets the same copies
    ///
    /// Where it responds as the shadow does, the shadow is excused; where it differs from both, differences are noise, unless the
    /// shadow differs more often.
    #[arg(long, value_name = "URL", requires = "compare")]
    pub compare_control: Option<String>,

    /// Share of safe requests (GET, HEAD, OPTIONS) sent to the shadow twice; 0 for none
    ///
    /// Where its two responses differ, differences are noise. Of each route, every other request is sent twice at first, until
    /// twelve were, so that it is learned within thirty. The default is 5%, which costs the shadow little; with
    /// --compare-control, nothing while the control answers.
    #[arg(long, value_name = "PERCENT", value_parser = share_or_none)]
    pub compare_repeat: Option<RepeatShare>,

    /// Time to wait for production's response after the shadow's
    ///
    /// Beyond it the request counts as not compared (production_missing). The default is longer than any client waits.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub compare_wait: Duration,

    /// Most memory for requests and responses waiting to be compared
    ///
    /// Beyond it requests count as not compared (compare_memory). It is not part of --max-memory. The default holds some ten
    /// thousand pairs of a few kilobytes.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub compare_memory: usize,

    /// Ask the shadow for the descriptors of its gRPC services, by server reflection
    ///
    /// Instead of --grpc-descriptors: one call, when the first gRPC request is sent to it, and never to production. A shadow that
    /// does not answer it within 5 seconds is compared by the numbers of fields.
    #[arg(long, requires = "compare", conflicts_with = "grpc_descriptors")]
    pub grpc_reflection: bool,

    /// Send the shadow what it issued itself in place of what production did: cookies, tokens, ids, entity tags
    ///
    /// Production's and the shadow's responses are captured and read for that, and not compared; what has to wait for the other's
    /// takes memory of --compare-memory. With --compare it is the default. See docs/comparing.md.
    #[arg(long, conflicts_with = "no_correlate")]
    pub correlate: bool,

    /// Send the shadow what production issued as it is
    ///
    /// By default cookies, tokens, ids of created records, entity tags and dates that production issued are replaced, in
    /// later requests, by what the shadow issued in their place; the control has its own. See docs/comparing.md.
    #[arg(long, requires = "compare")]
    pub no_correlate: bool,

    /// Time for which a request waits for the shadow's answer that has what it carries
    ///
    /// Only requests that carry such a value wait, and those behind them on their connection: until it is answered or has
    /// failed. The default is twice the default time of an exchange, that of the answer and of one that it waited for.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub correlate_wait: Duration,

    /// Leave a route or a header out of that: '/admin' (and what is below), or 'header:X-Request-Id'; may be repeated
    #[arg(long, value_name = "WHAT")]
    pub correlate_except: Vec<String>,

    /// Store compared pairs, redacted, in this directory, for shadow-agent report and replay
    ///
    /// The directory is created if necessary, and must not contain anything else. Values that recordings redact, and values
    /// whose names suggest secrets, are stored as hashes, unless --http-redact-none is given.
    #[arg(long, value_name = "DIR")]
    pub compare_store: Option<PathBuf>,

    /// Most disk space for that directory
    ///
    /// Beyond it the oldest pairs are deleted, and reports say so. The default is small for most disks.
    #[arg(long, value_name = "SIZE", default_value = "1gb", value_parser = positive_size)]
    pub compare_store_size: usize,
}

/// How pairs are judged: the same for a run and for pairs that were kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Verdict")]
pub struct Judging {
    /// Write a report at exit: .html, .json, .md, or .xml (JUnit)
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,

    /// Condition for NO-GO, such as 'new_5xx > 0.1%'
    ///
    /// May be repeated. It replaces the default condition for the same figure. Figures: behind, new_5xx, other_status, agreement, agreement_raw, failed, p50_ratio, p95_ratio, p99_ratio,
    /// endpoint_new_5xx, endpoint_agreement, endpoint_p50_ratio, endpoint_p90_ratio, endpoint_p99_ratio,
    /// endpoint_tail_ratio; and for NOT ENOUGH DATA: compared, coverage, capture_loss. The defaults are
    /// compared < 5000, coverage < 95%, capture_loss > 0.5%, behind > 1%, new_5xx > 0.1%, failed > 0.1%, agreement < 99.9%,
    /// p99_ratio > 1.5, endpoint_new_5xx > 1%, endpoint_agreement < 99%, endpoint_p50_ratio > 1.5,
    /// endpoint_p90_ratio > 1.5, endpoint_p99_ratio > 1.5, endpoint_tail_ratio > 5; 'p99_ratio off' removes
    /// one. See docs/comparing.md for the reasons.
    #[arg(long, value_name = "RULE")]
    pub fail_on: Vec<String>,

    /// Ignore differences at this path, such as '$.timestamp', '$..id' or 'header.x-node'
    #[arg(long, value_name = "PATH")]
    pub compare_ignore: Vec<String>,

    /// Never treat differences at this path as learned noise, such as '$.total'
    ///
    /// Status codes are always protected.
    #[arg(long, value_name = "PATH")]
    pub compare_protect: Vec<String>,

    /// Tolerance for numbers at this path: '$.price=0.01' or '$.score=1%'
    #[arg(long, value_name = "PATH=AMOUNT")]
    pub compare_tolerance: Vec<String>,

    /// How to match elements of the array at this path: '$.tags=set', '$.items=key:id' or '$.log=order'
    ///
    /// By default elements are matched by order.
    #[arg(long, value_name = "PATH=HOW")]
    pub compare_array: Vec<String>,

    /// Tolerance for timestamps; 0 for none
    ///
    /// The default is more than the time between production's response and the shadow's.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub compare_time_tolerance: Duration,

    /// Treat production's and the shadow's own host names in URLs as different
    ///
    /// By default they are equal, as a whole authority after // in headers and bodies, and as the Domain of a cookie. Any
    /// other host is always a difference.
    #[arg(long)]
    pub compare_exact_hosts: bool,

    /// TOML file with rules of these kinds, each with a reason and a date
    #[arg(long, value_name = "FILE")]
    pub compare_rules: Option<PathBuf>,

    /// TOML file with differences that this release intends: shown apart, and not failing
    ///
    /// Its tables are [[known]], each with path, reason and perhaps production, shadow (values as reports show them), date
    /// and by. The report says which no longer occur.
    #[arg(long, value_name = "FILE")]
    pub compare_known: Option<PathBuf>,

    /// Descriptors by which messages of gRPC are compared: a FileDescriptorSet, as 'protoc --include_imports -o' and 'buf build -o' write it
    ///
    /// Fields then have their names, and unknown fields, default values and the order of maps do not count. Without it fields
    /// have numbers, and what is within a field is guessed.
    #[arg(long, value_name = "FILE")]
    pub grpc_descriptors: Option<PathBuf>,

    /// Name of the shadow's release in reports, such as 'v2.3'
    ///
    /// The default, for the shadow of a route, is the image of its pods on this node.
    #[arg(long, value_name = "NAME")]
    pub compare_name: Option<String>,

    /// Name of production's release in reports
    ///
    /// The default, in Kubernetes, is the image of the pods that are captured.
    #[arg(long, value_name = "NAME")]
    pub production_name: Option<String>,

    /// Sources of noise to exclude from the verdict
    ///
    /// rules: --compare-ignore and similar flags; control: differences of --compare-control; repeat: differences of
    /// --compare-repeat. The default is all of them.
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        default_value = "rules,control,repeat"
    )]
    pub compare_noise: Vec<NoiseName>,

    /// Route template by which requests are grouped, such as '/users/{id}'; may be repeated
    ///
    /// Other routes are learned: numbers, UUIDs, hashes and dates in paths, and segments with many values, become
    /// placeholders.
    #[arg(long, value_name = "TEMPLATE")]
    pub route: Vec<String>,

    /// Query parameter or JSON body field that tells requests of one URL apart, such as 'query._shape' or 'body.method'
    ///
    /// May be repeated: the first that a request has counts. A route may stand before it: '/api/{call} body.method'. Each value
    /// is an endpoint, up to fifty of a URL; the rest is one. Operations of GraphQL are told apart by default; 'none' leaves
    /// that out.
    #[arg(long, value_name = "WHAT")]
    pub route_by: Vec<String>,

    /// Most routes to distinguish
    ///
    /// Beyond it requests are grouped as (other). The default is more than most services have.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub compare_max_routes: u32,

    /// Most differences (endpoint, path and kind) to distinguish
    ///
    /// Beyond it pairs count as different without details. The default is more than anybody reads.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub compare_max_differences: u32,

    /// Largest decoded body to compare by structure
    ///
    /// Larger ones are compared as bytes. The default is larger than nearly all API responses.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub compare_max_body: usize,

    /// Smallest latency in ratios: smaller ones count as this
    ///
    /// 0.3 ms instead of 0.1 ms is no regression, and the network path of copies differs. The default is below what users
    /// notice.
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = duration)]
    pub compare_latency_floor: Duration,
}

/// Sources of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NoiseName {
    /// --compare-ignore, --compare-tolerance, --compare-time-tolerance, --compare-rules, and the sides' own hosts in URLs
    Rules,
    /// --compare-control
    Control,
    /// --compare-repeat
    Repeat,
    /// Nothing
    None,
}

/// A share of requests, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatShare(pub Option<Share>);

fn share_or_none(text: &str) -> Result<RepeatShare, String> {
    if matches!(text, "0" | "0%") {
        return Ok(RepeatShare(None));
    }
    share(text).map(|share| RepeatShare(Some(share)))
}
