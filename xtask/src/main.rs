//! The project's own chores: run, test, bench, fuzz, layers, build-ebpf and dist. Each does all the set-up it needs.

mod bench;
mod build_ebpf;
mod cluster;
mod dist;
mod doc_examples;
#[cfg(test)]
mod documents;
mod fuzz;
mod helm;
mod kernels;
mod kubectl;
mod layers;
mod run;
mod setup;
mod test;

use clap::{Parser, Subcommand};

/// Chores of the shadow-agent project.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run the agent (as root where it must be); without arguments, the demo.
    Run(run::Arguments),
    /// Run every test, unit to end-to-end; or with --cluster the end-to-end set on a Kubernetes cluster, with --kernels
    /// the agent on other kernels.
    Test(test::Arguments),
    /// Measure: production alone against production mirrored, in paired rounds.
    Bench(bench::Arguments),
    /// Run the fuzz targets for a bounded time.
    Fuzz(fuzz::Arguments),
    /// Check which room of the agent imports which, and write the table of rooms into `docs/ARCHITECTURE.md`.
    Layers(layers::Arguments),
    /// Rebuild the committed kernel object from `shadow-ebpf`.
    BuildEbpf(build_ebpf::Arguments),
    /// Make what users install: binaries, Debian packages, tarballs and a container image.
    Dist(dist::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Run(arguments) => run::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Layers(arguments) => layers::run(&arguments),
        Chore::BuildEbpf(arguments) => build_ebpf::run(&arguments),
        Chore::Dist(arguments) => dist::run(&arguments),
    }
}
