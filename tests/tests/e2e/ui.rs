//! `--ui` on a real terminal (tmux's): what it shows, what keys do, and that the terminal is as it was afterwards. And the
//! comparison on the HTTP port, of the same run.

use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shadow_tests::metrics::{Metrics, ask, ask_with};
use shadow_tests::{Agent, Ledger, Netns, Shop, Stage, process, shop, stage, stat, until};

use crate::privileges::{ATTACHES, assert_powerless};

/// A terminal of 100 by 30 in which the agent runs, from a shell that tells how it ended. Dropping it ends all of it.
struct Pane<'a> {
    stage: &'a Stage,
    ledger: PathBuf,
    /// The socket of its server: of its own, since that of a terminal before it may still be ending.
    socket: String,
}

impl<'a> Pane<'a> {
    fn open(stage: &'a Stage, arguments: &[&str]) -> Self {
        let ledger = stage.path("ledger.json");
        let socket = format!("tmux-{}", stage.number());
        let pane = Self {
            stage,
            ledger,
            socket,
        };
        let command = format!(
            "stty -g > '{before}'; {agent} {arguments} --ui --ledger '{ledger}'; echo \"ended with $?\"; \
             stty -g > '{after}'; echo done; exec cat",
            before = stage.path("before").display(),
            after = stage.path("after").display(),
            agent = Agent::path(),
            arguments = arguments.join(" "),
            ledger = pane.ledger.display(),
        );
        pane.tmux(&["new-session", "-d", "-x", "100", "-y", "30", &command]);
        pane
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        process::check(self.command().args(arguments))
    }

    /// A command to the terminal's server. Its socket is named from within the stage: a whole path may be longer than the
    /// 107 bytes an address of a Unix socket holds (unix(7)).
    fn command(&self) -> Command {
        let mut command = Netns::host().command("tmux");
        command
            .current_dir(self.stage.path(""))
            .args(["-S", &self.socket, "-f", "/dev/null"]);
        command
    }

    /// The text on the screen.
    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn wait_for(&self, text: &str) -> String {
        let mut screen = String::new();
        until(&format!("the screen has {text:?}"), || {
            screen = self.screen();
            screen.contains(text)
        });
        screen
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the agent has ended with this status, and gives its ledger: the screen is the shell's again.
    fn ended(&self, status: i32) -> (String, Ledger) {
        self.wait_for("done");
        let screen = self.tmux(&["capture-pane", "-p", "-S", "-200"]);
        assert!(screen.contains(&format!("ended with {status}\n")), "{screen}");
        // No line of the view is left, and what was logged and the table are there as without it.
        assert!(!screen.contains("── Outputs"), "{screen}");
        assert!(screen.contains("INFO capturing"), "{screen}");
        assert!(screen.contains("INFO stopping"), "{screen}");
        assert!(screen.contains("BALANCED"), "{screen}");
        let read = |name| std::fs::read_to_string(self.stage.path(name)).expect("what stty says");
        assert_eq!(read("before"), read("after"), "the terminal is not as it was");
        // Neither the other screen nor a hidden cursor.
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(flags.trim(), "0 1");
        let ledger = Ledger::read(&self.ledger).expect("a ledger");
        ledger.assert_closed();
        (screen, ledger)
    }
}

impl Drop for Pane<'_> {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.command().arg("kill-server").output();
    }
}

#[test]
fn a_run_is_shown_and_steered_on_a_terminal_and_on_the_port() {
    let stage = stage!("root", "agent", "tmux");
    let [production, next] = ["none", "all"].map(Shop::start);
    let host = Netns::host();
    let port = format!("127.0.0.1:{}", host.free_port());
    let (input, output) = (production.address.to_string(), next.url());
    let token = stage.path("token");
    std::fs::write(&token, "s3cret\n").expect("a token file");
    let pane = Pane::open(
        &stage,
        &[
            "--input-raw",
            &input,
            "--output-http",
            &output,
            "--compare",
            "--http-listen",
            &port,
            "--http-token-file",
            token.to_str().expect("a path in UTF-8"),
        ],
    );
    pane.wait_for("── Comparison");
    let shell = pane.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let [agent] = stat::children(shell.trim().parse().expect("a number"))[..] else {
        panic!("the shell runs the agent and nothing else");
    };
    assert_powerless(agent, &[("interfaces", ATTACHES)], &["ui", "http", "compare"]);
    let port = port.parse().expect("an address");
    until("capture is on", || ask(&host, port, "GET", "/readyz").0 == 200);
    shop::load(production.address, 500, 250);
    pane.wait_for("seen 0/s (500)");
    let screen = pane.wait_for(" of 500 (");
    assert!(screen.contains(&output), "{screen}");
    pane.press("Tab");
    pane.wait_for("[Causes");
    pane.press("Tab");
    pane.wait_for("[Endpoints");
    pane.press("?");
    pane.wait_for("quit: requests in flight may finish");
    pane.press("Escape");
    pane.press("p");
    pane.wait_for("PAUSED");
    pane.press("p");
    pane.wait_for("resumed");
    pane.tmux(&["resize-window", "-x", "70", "-y", "20"]);
    pane.wait_for("at least 80 by 24 is needed");
    pane.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    pane.wait_for("── Comparison");

    // The same by the port.
    let (status, report) = ask(&host, port, "GET", "/report.json");
    assert_eq!(status, 200, "{report}");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["comparisons"][0]["coverage"]["seen"], 500, "{report}");
    let compared = report["comparisons"][0]["coverage"]["compared"]
        .as_f64()
        .expect("a count");
    let metrics = Metrics::scrape(&host, port);
    let pairs = || metrics.sum("shadow_agent_compare_pairs_total", &[]);
    assert!((pairs() - compared).abs() < 0.5, "{} and {compared}", pairs());
    assert_eq!(ask(&host, port, "POST", "/compare/reset").0, 401);
    let token = ["Authorization: Bearer s3cret"];
    assert_eq!(ask_with(&host, port, "POST", "/compare/reset", &token).0, 200);
    let (_, report) = ask(&host, port, "GET", "/report.json");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["comparisons"][0]["coverage"]["compared"], 0, "{report}");
    let after = Metrics::scrape(&host, port).sum("shadow_agent_compare_pairs_total", &[]);
    assert!((after - compared).abs() < 0.5, "a counter fell: {after}");

    pane.press("q");
    let (_, ledger) = pane.ended(3);
    assert_eq!(ledger.seen(), 500, "{ledger}");
}

#[test]
fn a_terminal_is_given_back_on_sigterm_and_on_ctrl_c() {
    let stage = stage!("root", "agent", "tmux");
    for by_key in [false, true] {
        let production = Shop::start("none");
        let input = production.address.to_string();
        let pane = Pane::open(&stage, &["--input-raw", &input, "--output-null"]);
        pane.wait_for("── Outputs");
        if by_key {
            pane.press("C-c");
        } else {
            let agent = pane.tmux(&["list-panes", "-F", "#{pane_pid}"]);
            let children = format!("/proc/{0}/task/{0}/children", agent.trim());
            let child = std::fs::read_to_string(children).expect("the shell's children");
            let child = child.trim().parse().expect("the agent's process id");
            kill(Pid::from_raw(child), Signal::SIGTERM).expect("the agent takes a signal");
        }
        pane.ended(0);
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let stage = stage!("root", "agent");
    let _ = &stage;
    let output = Agent::output(&Netns::host(), &["--input-raw", ":1", "--output-null", "--ui"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output
            .stderr
            .contains("error: --ui needs a terminal on both standard input and standard error"),
        "{}",
        output.stderr
    );
}
