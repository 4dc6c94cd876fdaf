//! `--compare`: production's answers against the shadow's, and how they are judged.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::value::{Share, duration, positive_duration, positive_size, share};

/// The comparison, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Comparing")]
pub struct Compare {
    /// Compare each response of an --output-http with production's to the same request, and say GO or NO-GO
    ///
    /// Production's responses are captured, kept until the shadow has answered, and compared; the verdict comes
    /// with the ledger at exit, and decides the exit status. See docs/comparing.md.
    #[arg(long)]
    pub compare: bool,

    /// Another instance of production's release, which gets the same copies
    ///
    /// What it answers differently from production varies by itself, and is taken for noise where the shadow
    /// differs no more often.
    #[arg(long, value_name = "URL", requires = "compare")]
    pub compare_control: Option<String>,

    /// Share of safe requests (GET, HEAD, OPTIONS) that the shadow gets twice; 0 for none
    ///
    /// What it answers differently to itself is unstable, and taken for noise. The default learns a route within
    /// some hundred requests, and costs the shadow little.
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = share_or_none)]
    pub compare_repeat: RepeatShare,

    /// How long production's answer is waited for once the shadow's is there
    ///
    /// Beyond, the request counts as not compared (production_missing). The default outlives any answer that a
    /// client would wait for.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = positive_duration)]
    pub compare_wait: Duration,

    /// Bytes of requests and answers that may wait to be compared
    ///
    /// Beyond, requests count as not compared (compare_memory). The default holds some ten thousand pairs of
    /// a few kilobytes, beside --max-memory.
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = positive_size)]
    pub compare_memory: usize,

    /// Keep pairs in this directory, redacted, to report on them again or to replay them
    ///
    /// It is made if it is missing, and must hold nothing else. See shadow-agent report and shadow-agent replay. What recordings
    /// hide, and values whose names say that they are secrets, are hashes in it, unless --http-redact-none is given.
    #[arg(long, value_name = "DIR")]
    pub compare_store: Option<PathBuf>,

    /// Most bytes in that directory
    ///
    /// Beyond, the oldest pairs go, and reports say so. The default is no danger to any disk worth the name.
    #[arg(long, value_name = "SIZE", default_value = "1gb", value_parser = positive_size)]
    pub compare_store_size: usize,
}

/// How pairs are judged: the same for a run and for pairs that were kept.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Judging")]
pub struct Judging {
    /// Write the report to this file at exit: .html, .json, .md, or .xml for JUnit
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,

    /// What a release fails by, such as 'new_5xx > 0.1%'; it replaces the default of the same figure
    ///
    /// Figures: new_5xx, other_status, agreement, agreement_raw, failed, p50_ratio, p95_ratio, p99_ratio,
    /// endpoint_new_5xx, endpoint_agreement, endpoint_p99_ratio; and what is too little to judge by: compared,
    /// coverage, capture_loss. The defaults are
    /// compared < 5000, coverage < 95%, capture_loss > 0.5%, new_5xx > 0.1%, failed > 0.1%, agreement < 99.9%,
    /// p99_ratio > 1.5, endpoint_new_5xx > 1%, endpoint_agreement < 99%, endpoint_p99_ratio > 1.5; 'p99_ratio off' takes one
    /// out. See docs/comparing.md for the reasons.
    #[arg(long, value_name = "RULE")]
    pub fail_on: Vec<String>,

    /// Take differences at this path for noise, such as '$.timestamp', '$..id' or 'header.x-node'
    #[arg(long, value_name = "PATH")]
    pub compare_ignore: Vec<String>,

    /// Never take differences at this path for noise that was learned, such as '$.total'
    ///
    /// Status codes never are.
    #[arg(long, value_name = "PATH")]
    pub compare_protect: Vec<String>,

    /// Numbers at this path may differ by so much: '$.price=0.01' or '$.score=1%'
    #[arg(long, value_name = "PATH=AMOUNT")]
    pub compare_tolerance: Vec<String>,

    /// How elements of the array at this path are matched: '$.tags=set', '$.items=key:id' or '$.log=order'
    ///
    /// By their order, unless this says otherwise.
    #[arg(long, value_name = "PATH=HOW")]
    pub compare_array: Vec<String>,

    /// Times that lie this near are no difference; 0 for none
    ///
    /// The default is above what lies between production's answer and the shadow's.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub compare_time_tolerance: Duration,

    /// Compare URLs of the host that each side was asked under as they are
    ///
    /// By default production's host and the shadow's are one: as a whole authority behind // in headers and bodies, and as
    /// the Domain of a cookie. Any other host is a difference.
    #[arg(long)]
    pub compare_exact_hosts: bool,

    /// A TOML file with rules of these kinds, each with its reason and date
    #[arg(long, value_name = "FILE")]
    pub compare_rules: Option<PathBuf>,

    /// What takes differences away from the verdict
    ///
    /// rules: --compare-ignore and the like; control: what --compare-control shows; repeat: what
    /// --compare-repeat shows. The default is all that there is.
    #[arg(
        long,
        value_name = "WHAT",
        value_delimiter = ',',
        default_value = "rules,control,repeat"
    )]
    pub compare_noise: Vec<NoiseName>,

    /// A route template, such as '/users/{id}': requests are grouped by them
    ///
    /// Others are learned: numbers, UUIDs, hashes and dates in paths, and places with many names, collapse.
    #[arg(long, value_name = "TEMPLATE")]
    pub route: Vec<String>,

    /// Most routes that are told apart
    ///
    /// Beyond, requests are grouped together as (other). The default is more than most services have.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub compare_max_routes: u32,

    /// Most differences (an endpoint, a path and a kind) that are told apart
    ///
    /// Beyond, pairs count as different and no more is said of them. The default is more than anybody reads.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub compare_max_differences: u32,

    /// Largest body that is looked into, decoded
    ///
    /// Larger ones are compared as bytes. The default is above nearly all answers of APIs.
    #[arg(long, value_name = "SIZE", default_value = "1mb", value_parser = positive_size)]
    pub compare_max_body: usize,

    /// Latencies below this are taken for this in ratios
    ///
    /// Nobody is hurt by 0.3 ms in place of 0.1 ms, and the copy's way is another. The default is what no user
    /// can feel.
    #[arg(long, value_name = "DURATION", default_value = "10ms", value_parser = duration)]
    pub compare_latency_floor: Duration,
}

/// What takes differences away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NoiseName {
    /// --compare-ignore, --compare-tolerance, --compare-time-tolerance, --compare-rules, and one's own host in URLs
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
