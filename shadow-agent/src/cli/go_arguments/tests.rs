//! Each spelling of Go's `flag` package beside what clap gets for it.

use clap::{CommandFactory, Parser};
use proptest::prelude::*;

use super::*;
use crate::cli::low::Arguments;

fn command() -> Command {
    let mut command = Arguments::command();
    command.build();
    command
}

fn spelled(typed: &[&str]) -> Result<Spelled, String> {
    let typed = typed.iter().map(OsString::from).collect();
    spell(&command(), typed).map_err(|error| error.to_string())
}

fn arguments(typed: &[&str]) -> Vec<String> {
    let spelled = spelled(typed).unwrap_or_else(|error| panic!("{typed:?}: {error}"));
    let arguments = spelled.arguments.into_iter();
    arguments.map(|one| one.into_string().unwrap()).collect()
}

#[test]
fn one_dash_is_two_and_a_space_is_an_equals_sign() {
    let expected = ["--input-raw=:80", "--output-http=http://staging:80"];
    for typed in [
        &["--input-raw", ":80", "--output-http", "http://staging:80"][..],
        &["-input-raw", ":80", "-output-http", "http://staging:80"],
        &["-input-raw=:80", "--output-http=http://staging:80"],
    ] {
        assert_eq!(arguments(typed), expected, "{typed:?}");
    }
    assert_eq!(
        arguments(&["--output-http=http://a/?b=c"]),
        ["--output-http=http://a/?b=c"]
    );
    assert_eq!(arguments(&["--input-raw="]), ["--input-raw="]);
}

#[test]
fn a_switch_is_taken_alone_and_with_every_boolean_of_go() {
    for on in ["1", "t", "T", "true", "TRUE", "True"] {
        let equals = format!("--output-stdout={on}");
        for typed in [&["--output-stdout", on][..], &["-output-stdout", on], &[&equals]] {
            assert_eq!(arguments(typed), ["--output-stdout"], "{typed:?}");
        }
    }
    for off in ["0", "f", "F", "false", "FALSE", "False"] {
        let equals = format!("--output-stdout={off}");
        for typed in [
            &["--output-stdout", off][..],
            &["-output-stdout", off],
            &[&equals],
        ] {
            let spelled = spelled(typed).unwrap();
            assert_eq!(spelled.arguments, Vec::<OsString>::new(), "{typed:?}");
            assert!(spelled.off.contains("output-stdout"), "{typed:?}");
        }
    }
    assert_eq!(
        arguments(&["--output-stdout", "-output-null"]),
        ["--output-stdout", "--output-null"]
    );
    assert_eq!(
        spelled(&["--output-stdout=maybe"]).unwrap_err(),
        "--output-stdout 'maybe': this is a switch\n  help: write true or false, or the flag alone"
    );
}

#[test]
fn integers_are_taken_in_every_base_of_go() {
    for (typed, expected) in [
        ("--output-http-workers=0x10", "--output-http-workers=16"),
        ("--output-http-redirects=+3", "--output-http-redirects=3"),
        ("--output-tcp-workers=010", "--output-tcp-workers=8"),
        ("--input-raw-vlan-vid=0b101", "--input-raw-vlan-vid=5"),
        ("--input-raw-vxlan-vni=-0x5", "--input-raw-vxlan-vni=-5"),
        ("--input-raw-vxlan-port=0x12b5", "--input-raw-vxlan-port=4789"),
        (
            "--output-file-queue-limit=1_000",
            "--output-file-queue-limit=1000",
        ),
        ("--verbose=0x2", "--verbose=2"),
        // No integers.
        ("--output-http-timeout=010s", "--output-http-timeout=010s"),
        ("--input-raw=010", "--input-raw=010"),
    ] {
        assert_eq!(arguments(&[typed]), [expected]);
    }
}

#[test]
fn a_zero_stands_for_what_goreplay_takes_it_for() {
    for typed in [
        "--copy-buffer-size=0",
        "--copy-buffer-size=0kb",
        "--input-file-max-wait=0s",
        "--input-raw-buffer-size=0x0",
        "--output-file-size-limit=0mb",
        "--output-file-max-size-limit=0",
        "--output-http-queue-len=0",
        "--output-http-response-buffer=0",
    ] {
        assert!(arguments(&[typed]).is_empty(), "{typed}");
    }
    for (typed, expected) in [
        ("--output-http-timeout=0", "--output-http-timeout=1s"),
        ("--input-raw-expire=0ms", "--input-raw-expire=1s"),
        ("--input-file-read-depth=0", "--input-file-read-depth=1"),
        ("--output-file-queue-limit=0", "--output-file-queue-limit=0"),
        ("--exit-after=0", "--exit-after=0"),
    ] {
        assert_eq!(arguments(&[typed]), [expected]);
    }
    // Of several the last one counts.
    assert!(arguments(&["--copy-buffer-size=1mb", "--copy-buffer-size=0"]).is_empty());
}

#[test]
fn an_empty_text_is_as_if_the_flag_was_left_out() {
    for typed in [
        &["--middleware", ""][..],
        &["--input-raw-realip-header="],
        &["--input-raw-bpf-filter", ""],
        &["--http-pprof", ""],
        &["--output-kafka-host="],
    ] {
        assert!(arguments(typed).is_empty(), "{typed:?}");
    }
    assert_eq!(arguments(&["--http-set-header="]), ["--http-set-header="]);
}

#[test]
fn flags_behind_a_boolean_value_are_read() {
    // GoReplay stops at `true` and drops the rest without a word.
    assert_eq!(
        arguments(&[
            "--http-original-host",
            "true",
            "--output-http",
            "a",
            "-output-null",
            "false"
        ]),
        ["--http-original-host", "--output-http=a"]
    );
}

#[test]
fn of_a_flag_given_twice_the_last_counts_unless_it_may_be_repeated() {
    assert_eq!(
        arguments(&["--output-http-timeout", "1s", "-output-http-timeout=2s"]),
        ["--output-http-timeout=2s"]
    );
    assert_eq!(
        arguments(&["--output-null=false", "--output-null"]),
        ["--output-null"]
    );
    let spelled = spelled(&["--output-null", "--output-null=false"]).unwrap();
    assert_eq!(spelled.arguments, Vec::<OsString>::new());
    assert_eq!(
        arguments(&["--input-raw", ":80", "--input-raw", ":81"]),
        ["--input-raw=:80", "--input-raw=:81"]
    );
}

#[test]
fn a_value_may_begin_with_a_dash_and_a_forgotten_one_takes_no_flag() {
    assert_eq!(
        arguments(&["-input-kafka-offset", "-1", "--http-pprof", ":8181"]),
        ["--input-kafka-offset=-1", "--http-pprof=:8181"]
    );
    assert_eq!(
        arguments(&["--http-host-suffix", "-shadow"]),
        ["--http-host-suffix=-shadow"]
    );
    assert_eq!(
        arguments(&["--input-raw", "--output-stdout"]),
        ["--input-raw", "--output-stdout"]
    );
    assert_eq!(arguments(&["--input-raw"]), ["--input-raw"]);
}

#[test]
fn a_word_that_belongs_to_no_flag_is_an_error() {
    assert_eq!(
        spelled(&["--output-stdout", "maybe", "--output-null"]).unwrap_err(),
        "'maybe': this argument does not belong to a flag\n  help: --output-stdout is a switch: use it alone, \
         or with true or \
         false"
    );
    for typed in [
        &[":80"][..],
        &["--input-raw", ":80", "staging"],
        &["-"],
        &["--output-null", "doctor"],
    ] {
        let error = spelled(typed).unwrap_err();
        assert!(
            error.contains("this argument does not belong to a flag"),
            "{typed:?}: {error}"
        );
    }
    let error = spelled(&["--output-http", "a", "http://me:pass@host"]).unwrap_err();
    assert!(
        error.contains("'***@host'") && !error.contains("pass@"),
        "{error}"
    );
}

#[test]
fn what_is_not_known_is_left_to_clap_which_names_what_is_near() {
    for typed in ["-input-rww", "--input-rww"] {
        let arguments = arguments(&[typed, ":80", "x"]);
        assert_eq!(arguments, ["--input-rww", ":80", "x"]);
        let all = std::iter::once("shadow-agent".to_owned()).chain(arguments);
        let error = Arguments::try_parse_from(all).unwrap_err().to_string();
        assert!(error.contains("'--input-raw'"), "{error}");
    }
    for typed in ["---input-raw", "--", "--=x", "-V", "-x"] {
        assert_eq!(arguments(&[typed]), [typed]);
    }
    assert_eq!(arguments(&["-version"]), ["--version"]);
}

#[test]
fn help_is_found_in_every_spelling_with_its_topic() {
    let help = |typed: &[&str]| {
        spelled(typed)
            .unwrap()
            .help
            .map(|asked| (asked.long, asked.topic))
    };
    let capture = Some("capture".to_owned());
    for typed in [
        &["--help", "capture"][..],
        &["-help", "capture"],
        &["--help=capture"],
        &["-help=capture"],
        &["--input-raw", ":80", "-help", "capture", "--output-null"],
    ] {
        assert_eq!(help(typed), Some((true, capture.clone())), "{typed:?}");
    }
    assert_eq!(help(&["-h", "capture"]), Some((false, capture)));
    assert_eq!(help(&["-h"]), Some((false, None)));
    assert_eq!(help(&["-help"]), Some((true, None)));
    assert_eq!(help(&["--help", "--output-null"]), Some((true, None)));
    // A command's is clap's.
    assert_eq!(help(&["demo", "--help"]), None);
}

#[test]
fn subcommands_are_left_alone_and_goreplays_is_refused() {
    for typed in [
        &["demo", "--requests", "2"][..],
        &["doctor"],
        &["detach"],
        &["completions", "bash"],
        &["man"],
    ] {
        assert_eq!(arguments(typed), typed);
    }
    let error = spelled(&["file-server", ":8000"]).unwrap_err();
    assert!(error.contains("python3 -m http.server 8000"), "{error}");
}

#[test]
fn bytes_that_are_no_text_stay_as_they_are() {
    use std::os::unix::ffi::OsStringExt as _;
    let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let spell = |typed: Vec<OsString>| spell(&command(), typed).unwrap().arguments;
    assert_eq!(
        spell(vec![raw(b"--ledger"), raw(b"\xff.json")]),
        [raw(b"--ledger=\xff.json")]
    );
    assert_eq!(spell(vec![raw(b"-ledger=\xff")]), [raw(b"--ledger=\xff")]);
    assert_eq!(spell(vec![raw(b"--\xff=1")]), [raw(b"--\xff=1")]);
}

proptest! {
    #[test]
    fn any_words_are_spelled_or_refused(words in proptest::collection::vec("(-{0,3}(input-raw|output-null|output-http|x)?=?)?\\PC{0,4}", 0..6)) {
        let typed: Vec<OsString> = words.iter().map(OsString::from).collect();
        let _ = spell(&command(), typed);
    }

    #[test]
    fn what_is_spelled_stays_as_it_is(
        words in proptest::collection::vec(
            prop_oneof![
                Just("-input-raw".to_owned()), Just(":80".to_owned()), Just("--output-null".to_owned()),
                Just("true".to_owned()), Just("0".to_owned()), Just("-output-http=a".to_owned()), "-?[a-z]{1,3}",
            ],
            0..8,
        )
    ) {
        let typed: Vec<OsString> = words.iter().map(OsString::from).collect();
        // clap refuses a flag without its value. What stood behind it may be gone by then: a switch that was turned off.
        let lacks_value = |word: &OsString| word == "--input-raw" || word == "--output-http";
        if let Ok(once) = spell(&command(), typed)
            && !once.arguments.iter().any(lacks_value)
            && let Ok(twice) = spell(&command(), once.arguments.clone())
        {
            prop_assert_eq!(twice.arguments, once.arguments);
        }
    }
}
