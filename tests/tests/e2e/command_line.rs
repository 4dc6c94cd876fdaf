//! The command line as a stranger meets it: errors that name the flag and the way out, help, doctor, demo.

use shadow_tests::{Agent, Netns, stage};

/// Runs the agent with arguments that cannot work, and checks that it says so by these words.
fn refuses(arguments: &[&str], words: &[&str]) {
    let output = Agent::output(&Netns::host(), arguments);
    assert!(
        !output.status.success(),
        "{arguments:?} should not run: {}",
        output.stderr
    );
    assert!(
        output.stdout.is_empty(),
        "errors go to standard error: {}",
        output.stdout
    );
    for word in words {
        assert!(
            output.stderr.contains(word),
            "{arguments:?} does not say {word:?}: {}",
            output.stderr
        );
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn what_cannot_be_run_is_refused_with_the_flag_and_the_way_out() {
    let _stage = stage!("agent");
    refuses(
        &["--input-raw", "noport", "--output-null"],
        &["--input-raw", "noport", "help:"],
    );
    refuses(
        &["--input-raw", ":65536", "--output-null"],
        &["--input-raw", ":65536"],
    );
    refuses(
        &["--input-raw", ":80,x", "--output-null"],
        &["--input-raw", ":80,x"],
    );
    refuses(&["--input-raw", ":80"], &["--output-http"]);
    refuses(&["--output-null"], &["--input-raw"]);
    refuses(
        &["--input-raw", ":80", "--output-http", "ftp://x"],
        &["--output-http", "ftp"],
    );
    refuses(
        &["--input-raw", ":80", "--output-http", "http://"],
        &["--output-http"],
    );
    refuses(
        &["--input-raw", "/proc/nowhere/x.pcap", "--output-null"],
        &["--input-raw", "/proc/nowhere/x.pcap", "No such file"],
    );
    refuses(
        &[
            "--input-raw",
            ":80",
            "--output-null",
            "--input-raw-buffer-size",
            "64gb",
        ],
        &["--input-raw-buffer-size", "2gb"],
    );
    refuses(
        &["--input-raw", ":80", "--output-null", "--input-raw-shards", "3"],
        &["--input-raw-shards", "power of two"],
    );
    refuses(
        &[
            "--input-raw",
            ":80",
            "--output-null",
            "--sample-connections",
            "101%",
        ],
        &["--sample-connections"],
    );
    refuses(
        &["--input-raw", ":80", "--output-null", "--no-such-flag"],
        &["--no-such-flag"],
    );
}

#[test]
fn an_interface_that_is_not_there_is_named_beside_those_that_are() {
    let _stage = stage!("root", "agent");
    refuses(
        &["--input-raw", "nosuch0:80", "--output-null"],
        &["nosuch0", "lo"],
    );
}

#[test]
fn a_file_that_is_no_capture_file_is_refused() {
    let stage = stage!("agent");
    let path = stage.path("noise.pcap");
    std::fs::write(&path, shadow_tests::client::noise(4096, 1)).expect("the test's folder");
    let path = path.display().to_string();
    refuses(&["--input-raw", &path, "--output-null"], &["noise.pcap"]);
}

#[test]
fn an_output_that_is_what_is_captured_is_refused() {
    let _stage = stage!("agent");
    refuses(
        &["--input-raw", ":8081", "--output-http", "http://127.0.0.1:8081"],
        &["--output-http", "8081"],
    );
}

#[test]
fn help_completions_and_the_man_page_are_printed() {
    let _stage = stage!("agent");
    let printed = |arguments: &[&str]| {
        let output = Agent::output(&Netns::host(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", output.stderr);
        output.stdout
    };
    for flag in ["--input-raw", "--output-http", "--ledger", "--sample-connections"] {
        assert!(printed(&["--help"]).contains(flag), "{flag}");
    }
    let group = printed(&["--help", "capture"]);
    assert!(
        group.contains("--input-raw-engine") && !group.contains("--output-http-timeout"),
        "{group}"
    );
    assert_eq!(printed(&["-help", "capture"]), group);
    assert!(printed(&["-h"]).contains("--help GROUP"));
    refuses(&["--help", "nonsense"], &["--help", "groups are all, capture"]);
    assert!(printed(&["--version"]).starts_with("shadow-agent "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(printed(&["completions", shell]).contains("input-raw"), "{shell}");
    }
    assert!(printed(&["man", "replay"]).contains("compare\\-ignore"));
    let man = printed(&["man"]);
    assert!(
        man.contains(".TH") && man.contains("input\\-raw"),
        "not a man page"
    );
}

#[test]
fn doctor_says_what_this_machine_can_do() {
    let _stage = stage!("root", "agent");
    let output = Agent::output(&Netns::host(), &["doctor"]);
    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    for fact in [
        "kernel",
        "capabilities",
        "ring buffer",
        "tc programs",
        "cgroup programs",
        "cgroup v2",
        "interfaces",
        "Live capture works",
    ] {
        assert!(output.stdout.contains(fact), "{fact}: {}", output.stdout);
    }
}

#[test]
fn the_demo_ends_by_itself_with_a_balanced_ledger() {
    let _stage = stage!("root", "agent");
    let output = Agent::output(&Netns::host(), &["demo", "--requests", "1000"]);
    assert!(output.status.success(), "{}{}", output.stdout, output.stderr);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("delivered"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
