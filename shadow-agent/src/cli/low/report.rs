//! `shadow-agent report`: what was kept, judged again.

use std::path::PathBuf;

use clap::Args;

use super::compare::Judging;

/// Flags of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// The directory of --compare-store, or the JSON of a report
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Another, to be set beside it
    #[arg(value_name = "PATH2")]
    pub second: Option<PathBuf>,

    /// How pairs are judged.
    #[command(flatten)]
    pub judging: Judging,
}
