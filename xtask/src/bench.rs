//! `cargo xtask bench`.

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {}

/// Runs the chore.
pub fn run(_arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::bail!("not here yet")
}
