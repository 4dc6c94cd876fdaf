//! The command line's definitions: sound, explained, and as documented.

use clap::Parser;

use super::*;

/// The long help, as it stands in the file; `UPDATE_HELP=1 cargo test -p shadow-agent help` rewrites it.
const HELP: &str = include_str!("help.txt");

fn long_help() -> String {
    // A terminal's width would change it.
    let help = help::all().term_width(100).render_long_help().to_string();
    let mut lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    lines.push("");
    lines.join(
        "
",
    )
}

#[test]
fn the_definitions_are_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_flag_and_command_is_explained_under_a_heading() {
    let mut command = Arguments::command();
    command.build();
    for argument in command.get_arguments() {
        assert!(argument.get_help().is_some(), "{argument}");
        let own = matches!(argument.get_id().as_str(), "help" | "version");
        assert!(own || argument.get_help_heading().is_some(), "{argument}");
    }
    for subcommand in command.get_subcommands() {
        assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
        for argument in subcommand.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} {argument}",
                subcommand.get_name()
            );
        }
    }
}

#[test]
fn every_default_has_its_reason() {
    for argument in Arguments::command().get_arguments() {
        let takes_value = argument.get_action().takes_values();
        if takes_value && !argument.get_default_values().is_empty() && argument.get_id() != "http_mark_header"
        {
            let help = argument.get_long_help().unwrap_or_default().to_string();
            assert!(help.contains("default"), "{argument}: {help}");
        }
    }
}

#[test]
fn only_few_flags_may_come_from_the_environment() {
    let command = Arguments::command();
    let from_environment: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| Some((argument.get_long()?, argument.get_env()?.to_str()?)))
        .collect();
    assert_eq!(
        from_environment,
        [
            ("input-raw-tls", "SHADOW_AGENT_INPUT_RAW_TLS"),
            ("k8s-node", "NODE_NAME"),
            ("http-listen", "SHADOW_AGENT_HTTP_LISTEN"),
            ("http-token-file", "SHADOW_AGENT_HTTP_TOKEN_FILE"),
            ("expire-after", "SHADOW_AGENT_EXPIRE_AFTER"),
            ("hand-over", "SHADOW_AGENT_HAND_OVER"),
            ("max-cpu", "SHADOW_AGENT_MAX_CPU"),
        ]
    );
}

#[test]
fn the_help_is_the_one_in_the_file() {
    if std::env::var_os("UPDATE_HELP").is_some() {
        std::fs::write(
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help.txt"),
            long_help(),
        )
        .unwrap();
        return;
    }
    assert_eq!(
        long_help(),
        HELP,
        "run UPDATE_HELP=1 cargo test -p shadow-agent help"
    );
}

#[test]
fn the_help_tells_defaults_examples_signals_and_exit_status() {
    for text in [
        "[default: 8mb]",
        "[default: 256mb]",
        "[default: X-Shadow-Request]",
        "Examples:",
        "SIGUSR1",
        "Exit status:",
        "RUST_LOG",
    ] {
        assert!(HELP.contains(text), "{text}");
    }
}

#[test]
fn the_man_page_and_the_completions_have_every_flag_that_the_help_has() {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut page)
        .unwrap();
    let page = String::from_utf8(page).unwrap().replace("\\-", "-");
    let mut script = Vec::new();
    clap_complete::generate(
        clap_complete::Shell::Bash,
        &mut Arguments::shown(),
        "shadow-agent",
        &mut script,
    );
    let script = String::from_utf8(script).unwrap();
    for argument in Arguments::command().get_arguments() {
        let flag = format!("--{}", argument.get_long().unwrap());
        let has = |text: &str| {
            let mut found = text.match_indices(&flag);
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            found.any(|(at, _)| !text[at + flag.len()..].starts_with(is_name))
        };
        let shown = !argument.is_hide_set();
        assert_eq!(has(&script), shown, "completions: {flag}");
        assert!(has(&page) || !shown, "man: {flag}");
    }
    for command in ["demo", "doctor", "detach", "completions", "man"] {
        assert!(script.contains(command), "completions: {command}");
    }
}

#[test]
fn subcommands_stand_alone() {
    let parse = |flags: &[&str]| Arguments::try_parse_from([&["shadow-agent"], flags].concat());
    let demo = parse(&["demo", "--requests", "200", "--rate=100"])
        .unwrap()
        .command;
    assert!(matches!(demo, Some(Command::Demo(demo)) if demo.load.requests == 200 && demo.load.rate == 100));
    assert!(parse(&["--output-null", "doctor"]).is_err());
    assert!(parse(&["nonsense"]).is_err());
    assert!(parse(&[]).is_err());
}
