//! `cargo xtask test`: every test, unit to end-to-end, with the set-up they need, and one line that sums up.
//!
//! A test that lacks a program or root says so by name and is counted as skipped: it writes a line into the
//! file named by `SHADOW_AGENT_SKIPS`. The last line printed is `N passed, N failed, N skipped`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};

use crate::{cluster, doc_examples, helm, kernels, kubectl, setup};

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Fail when a test had to be skipped (also by `SHADOW_AGENT_FORBID_SKIPS=1`).
    #[arg(long)]
    forbid_skips: bool,
    /// Do not install missing programs, even as root.
    #[arg(long)]
    no_install: bool,
    /// Run the end-to-end set on the cluster that KUBECONFIG names, and nothing else.
    #[arg(long, requires = "image", conflicts_with_all = ["filter", "forbid_skips"])]
    cluster: bool,
    /// The agent's image as the cluster's nodes can get it, such as registry.example/shadow-agent:0.1.0.
    #[arg(long, value_name = "REFERENCE", requires = "cluster")]
    image: Option<String>,
    /// Boot Debian's kernels of these versions (such as 5.10,6.1,6.12,7) and run the agent there, and nothing else.
    #[arg(
        long,
        value_name = "VERSIONS",
        num_args = 0..=1,
        value_delimiter = ',',
        default_missing_value = kernels::DEFAULT,
        conflicts_with_all = ["filter", "forbid_skips", "cluster"]
    )]
    kernels: Option<Vec<String>>,
    /// Run only the tests whose name contains this.
    filter: Option<String>,
}

/// The packages that all rounds build for: always the same packages, since their features together decide what is built, and anew where
/// they differ. The kernel programs do not build for this machine: the agent's own tests run them in the kernel.
const PACKAGES: &[&str] = &["--workspace", "--exclude", "shadow-ebpf"];

/// Programs that the tests drive and would not find by themselves.
struct Programs {
    agent: PathBuf,
    kubectl: Option<PathBuf>,
    helm: Option<PathBuf>,
}

/// Results of one or more test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<String>,
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(image) = &arguments.image {
        return cluster::run(image);
    }
    if let Some(kernels) = &arguments.kernels {
        return kernels::run(kernels, setup::is_root() && !arguments.no_install);
    }
    let forbid =
        arguments.forbid_skips || std::env::var_os("SHADOW_AGENT_FORBID_SKIPS").is_some_and(|v| v == "1");
    if !setup::is_root() {
        println!("not root: the end-to-end tests are skipped (run this as root to have them all)");
    } else if !arguments.no_install {
        setup::install(setup::PROGRAMS);
    }
    let programs = Programs {
        kubectl: kubectl::provide(!arguments.no_install),
        helm: helm::provide(!arguments.no_install),
        agent: setup::tested_agent(),
    };
    let skips = SkipsFile::new()?;

    let mut tally = Tally::default();
    // With the test `executable` the agent is built, which those behind it run.
    let units = [
        "--lib",
        "--bins",
        "--test",
        "live_capture",
        "--test",
        "executable",
    ]
    .map(str::to_owned);
    tally.run(&units, &[], arguments, &programs, &skips)?;
    if doc_examples::are_below(&setup::workspace())? {
        tally.run(&["--doc".to_owned()], &[], arguments, &programs, &skips)?;
    }
    // Last and one at a time: they share `lo` and the processors.
    let one = ["--test-threads=1"];
    tally.run(&end_to_end()?, &one, arguments, &programs, &skips)?;

    let skipped = skips.read()?;
    tally.skip(&skipped);
    report(&tally, &skipped)?;
    if tally.failed > 0 {
        bail!("tests failed");
    }
    if forbid && tally.skipped > 0 {
        bail!("tests were skipped, and skips are forbidden here");
    }
    Ok(())
}

/// Cargo's arguments that choose the end-to-end tests, which are all there is in `tests/tests`.
fn end_to_end() -> anyhow::Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_stem().context("a test without a name")?;
        targets.push(name.to_string_lossy().into_owned());
    }
    targets.sort_unstable();
    Ok(targets
        .into_iter()
        .flat_map(|name| ["--test".to_owned(), name])
        .collect())
}

fn report(tally: &Tally, skipped: &[String]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    for skip in skipped {
        writeln!(out, "SKIPPED {skip}")?;
    }
    for failure in &tally.failures {
        writeln!(out, "FAILED {failure}")?;
    }
    writeln!(
        out,
        "{} passed, {} failed, {} skipped",
        tally.passed, tally.failed, tally.skipped
    )?;
    out.flush()?;
    Ok(())
}

impl Tally {
    /// Runs `cargo test` on some targets, shows what it prints, and adds what it says.
    fn run(
        &mut self,
        targets: &[String],
        harness: &[&str],
        arguments: &Arguments,
        programs: &Programs,
        skips: &SkipsFile,
    ) -> anyhow::Result<()> {
        let mut command = setup::cargo();
        command
            .args(["test", "--no-fail-fast"])
            .args(PACKAGES)
            .args(targets)
            .arg("--")
            .args(harness)
            .args(&arguments.filter)
            .env("SHADOW_AGENT_BIN", &programs.agent)
            .env("SHADOW_AGENT_SKIPS", &skips.path)
            .stdout(Stdio::piped());
        if let Some(kubectl) = &programs.kubectl {
            command.env("SHADOW_AGENT_KUBECTL", kubectl);
        }
        if let Some(helm) = &programs.helm {
            command.env("SHADOW_AGENT_HELM", helm);
        }
        let mut child = command.spawn().context("cannot start cargo test")?;
        let stdout = child.stdout.take().context("cargo test has no output")?;
        let failed_before = self.failed;
        for line in BufReader::new(stdout).lines() {
            let line = line.context("cannot read what cargo test prints")?;
            println!("{line}");
            self.read(&line);
        }
        let status = child.wait()?;
        if !status.success() && self.failed == failed_before {
            // Nothing was counted: the tests did not build, or a test binary was killed.
            self.failed += 1;
            self.failures
                .push(format!("cargo test {} ({status})", targets.join(" ")));
        }
        Ok(())
    }

    /// Takes one line of a test binary's output.
    fn read(&mut self, line: &str) {
        if let Some(test) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(test.to_owned());
        }
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Moves the tests that skipped themselves from passed to skipped.
    fn skip(&mut self, skipped: &[String]) {
        let count = skipped.len() as u64;
        self.passed = self.passed.saturating_sub(count);
        self.skipped += count;
    }
}

/// The file that tests write their skips into; removed afterwards.
struct SkipsFile {
    path: PathBuf,
}

impl SkipsFile {
    fn new() -> anyhow::Result<Self> {
        let path = setup::target().join(format!("skipped-tests-{}", std::process::id()));
        std::fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path })
    }

    fn read(&self) -> anyhow::Result<Vec<String>> {
        let text = std::fs::read_to_string(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Drop for SkipsFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up_and_ignored_tests_count_as_skipped() {
        let mut tally = Tally::default();
        tally.read(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        );
        tally.read("test capture::sees_lo ... FAILED");
        tally.read("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.00s");
        assert_eq!(
            tally,
            Tally {
                passed: 5,
                failed: 1,
                skipped: 1,
                failures: vec!["capture::sees_lo".to_owned()],
            }
        );
    }

    #[test]
    fn the_end_to_end_tests_are_found_by_their_folder() {
        let targets = end_to_end().unwrap();
        assert_eq!(targets[..2], ["--test", "api_server"]);
        assert!(targets.iter().any(|target| target == "e2e"));
    }

    #[test]
    fn a_test_that_skipped_itself_is_not_counted_as_passed() {
        let mut tally = Tally {
            passed: 5,
            ..Tally::default()
        };
        tally.skip(&["capture::sees_lo: needs nginx".to_owned()]);
        assert_eq!((tally.passed, tally.skipped), (4, 1));
    }
}
