//! `shadow-agent report`: what was kept, judged again.

use std::path::PathBuf;

use clap::Args;

use super::compare::Judging;

/// Flags of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArguments {
    /// Directory of --compare-store, or a JSON report
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// A second one, to compare with the first
    #[arg(value_name = "PATH2")]
    pub second: Option<PathBuf>,

    /// How pairs are judged.
    #[command(flatten)]
    pub judging: Judging,
}
