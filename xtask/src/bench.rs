//! `cargo xtask bench`.
// COORDINATOR'S NOTE for the engineer on branch `harness`: the benchmark is now being written by another
// engineer on branch `bench`. Leave this file as it is; after phase 1 report at once.

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {}

/// Runs the chore.
pub fn run(_arguments: &Arguments) -> anyhow::Result<()> {
    anyhow::bail!("not here yet")
}
