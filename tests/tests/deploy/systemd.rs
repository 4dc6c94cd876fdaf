//! The unit for hosts without Kubernetes, as systemd's own tools judge it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use shadow_tests::stage;

/// The highest exposure, in tenths, that the unit may have; `systemd-analyze security` calls 49 still OK.
const EXPOSURE: &str = "20";

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd/shadow-agent.service")
}

fn analyze(arguments: &[&str], unit: &Path) -> Output {
    Command::new("systemd-analyze")
        .args(arguments)
        .arg(unit)
        .output()
        .expect("systemd-analyze starts")
}

#[test]
fn its_exposure_is_rated_ok() {
    let _stage = stage!("systemd-analyze");
    let threshold = format!("--threshold={EXPOSURE}");
    let output = analyze(&["security", "--offline=true", "--no-pager", &threshold], &unit());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let overall = said.lines().last().unwrap_or_default();
    assert!(overall.contains(" OK "), "{overall}");
}

#[test]
fn systemd_knows_every_line_of_it() {
    let stage = stage!("systemd-analyze");
    // The program stands elsewhere once it is installed.
    let text = std::fs::read_to_string(unit()).expect("the unit");
    let text = text.replace("/usr/bin/shadow-agent", "/bin/true");
    let copy = stage.path("shadow-agent.service");
    std::fs::write(&copy, text).expect("the test's folder");
    let output = analyze(&["verify", "--man=no"], &copy);
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said
        .lines()
        .filter(|line| line.contains("shadow-agent.service"))
        .collect();
    assert!(ours.is_empty(), "{ours:#?}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn it_asks_for_the_capabilities_that_the_daemon_set_asks_for() {
    let _stage = stage!();
    let text = std::fs::read_to_string(unit()).expect("the unit");
    for set in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        let line = format!("{set}=CAP_BPF CAP_NET_ADMIN CAP_PERFMON");
        assert!(text.lines().any(|found| found == line), "{set}");
    }
}

#[test]
fn its_environment_file_names_what_the_unit_starts() {
    let _stage = stage!();
    let text = std::fs::read_to_string(unit()).expect("the unit");
    assert!(text.contains("ExecStart=/usr/bin/shadow-agent $SHADOW_AGENT_ARGS\n"));
    let environment = std::fs::read_to_string(unit().with_file_name("shadow-agent.env")).expect("the file");
    let set: Vec<_> = environment
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(set, ["SHADOW_AGENT_ARGS="]);
}
