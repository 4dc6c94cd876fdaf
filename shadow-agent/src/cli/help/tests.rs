//! The help: short enough to read, and complete by its groups.

use std::collections::BTreeSet;

use super::*;

fn asked(long: bool, topic: Option<&str>) -> Asked {
    Asked {
        long,
        topic: topic.map(str::to_owned),
    }
}

/// As on a terminal of 100 columns.
fn text(long: bool, topic: Option<&str>) -> String {
    let mut command = asked(long, topic).command().unwrap().term_width(100);
    let text = if long {
        command.render_long_help()
    } else {
        command.render_help()
    };
    text.to_string()
}

/// The flags that a text explains: their lines begin left of all explanations.
fn flags(text: &str) -> BTreeSet<String> {
    let heads = text.lines().filter_map(|line| {
        let head = line.trim_start();
        let (_, long) = head.split_once("--")?;
        let before = line.len() - long.len();
        (head.starts_with('-') && before <= 8).then_some(long)
    });
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    heads
        .map(|long| format!("--{}", long.split(|c| !is_name(c)).next().unwrap_or_default()))
        .collect()
}

/// The flags that are not hidden.
fn shown() -> BTreeSet<String> {
    let all = all();
    let shown = all.get_arguments().filter(|argument| !argument.is_hide_set());
    shown
        .map(|argument| format!("--{}", argument.get_long().unwrap()))
        .collect()
}

#[test]
fn the_short_help_fits_two_screens_with_a_line_for_each_flag() {
    let text = text(false, None);
    let lines = text.lines().count();
    assert!(lines <= 56, "{lines} lines:\n{text}");
    let own: BTreeSet<String> = MOST_USED.iter().map(|flag| format!("--{flag}")).collect();
    assert_eq!(flags(&text), own, "{text}");
    let (_, listed) = text.split_once("Most used flags:\n").unwrap();
    let (listed, _) = listed.split_once("\n\n").unwrap();
    assert_eq!(
        listed.lines().count(),
        26,
        "a flag takes more than a line:\n{listed}"
    );
}

#[test]
fn the_short_help_names_every_group_and_command() {
    let text = text(false, None);
    for name in GROUPS.iter().map(|group| group.name) {
        assert!(text.contains(name), "{name}: {text}");
    }
    for command in [
        "demo",
        "doctor",
        "detach",
        "report",
        "replay",
        "completions",
        "man",
    ] {
        assert!(text.contains(&format!("\n  {command} ")), "{command}: {text}");
    }
    assert!(!text.contains("demo-server"), "{text}");
}

#[test]
fn each_flag_is_in_exactly_one_group() {
    let mut found: Vec<String> = Vec::new();
    for group in &GROUPS {
        let text = text(true, Some(group.name));
        assert!(text.starts_with(&format!("{}:\n", group.heading)), "{text}");
        let flags = flags(&text);
        assert!(!flags.is_empty(), "{}: {text}", group.name);
        found.extend(flags);
    }
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(distinct, shown());
    assert_eq!(found.len(), distinct.len());
}

#[test]
fn a_group_is_shown_in_full_or_a_line_for_each_flag() {
    let full = text(true, Some("log"));
    assert!(full.contains("[default: 5000]"), "{full}");
    assert_eq!(
        flags(&full).into_iter().collect::<Vec<_>>(),
        [
            "--output-http-stats",
            "--output-http-stats-ms",
            "--stats",
            "--verbose"
        ]
    );
    let brief = text(false, Some("log"));
    assert_eq!(flags(&brief), flags(&full));
}

#[test]
fn all_is_every_flag() {
    assert_eq!(flags(&text(true, None)), shown());
    assert_eq!(text(true, Some("all")), text(true, None));
    assert_eq!(flags(&text(false, Some("all"))), shown());
}

#[test]
fn a_command_is_a_topic_too() {
    let text = text(true, Some("replay"));
    assert!(text.contains("Usage: shadow-agent replay"), "{text}");
}

#[test]
fn a_topic_that_is_none_is_refused_with_the_groups() {
    for topic in ["nonsense", "demo-server", ""] {
        let error = asked(true, Some(topic)).command().unwrap_err().to_string();
        assert!(error.starts_with("--help"), "{error}");
        assert!(
            error.contains("groups are all, capture, tls, file-input, "),
            "{error}"
        );
    }
}
