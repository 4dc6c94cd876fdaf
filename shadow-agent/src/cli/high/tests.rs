//! Command lines, and the settings that they come to.

use std::time::Duration;

use clap::Parser;

use super::super::machine::TestMachine;
use super::capture::SMALLEST_RING;
use super::*;
use crate::settings::{HostHeader, HttpOutputSettings, Listen, LiveScope, OutputSettings, Secret, VlanScope};

fn run(flags: &[&str]) -> Result<Resolved, UsageError> {
    let arguments = Arguments::try_parse_from([&["shadow-agent"], flags].concat()).unwrap();
    resolve(&arguments, &TestMachine)
}

fn settings(flags: &[&str]) -> Settings {
    run(flags).unwrap().settings
}

fn http_output(flags: &[&str]) -> HttpOutputSettings {
    let all = [
        &["--input-raw", ":80", "--output-http", "http://staging:8080"],
        flags,
    ]
    .concat();
    match settings(&all).mirrors.remove(0).outputs.remove(0) {
        OutputSettings::Http(output) => *output,
        other => panic!("{other:?}"),
    }
}

fn error(flags: &[&str]) -> String {
    run(flags).unwrap_err().to_string()
}

#[test]
fn two_flags_are_enough_and_the_rest_has_defaults() {
    let settings = settings(&["--input-raw", ":80", "--output-http", "http://staging:8080"]);
    assert_eq!(
        settings.mirrors[0].inputs,
        [RawInput::Live {
            scope: LiveScope::Any,
            ports: vec![80]
        }]
    );
    assert_eq!(settings.capture.engine, None);
    assert!(!settings.read.track_response);
    assert_eq!(settings.capture.ring_bytes, 8 << 20);
    assert!(settings.capture.shards.is_power_of_two() && settings.capture.shards <= 16);
    assert_eq!(settings.capture.sample_connections, None);
    assert_eq!(settings.limits.max_head, 65_536);
    assert_eq!(settings.limits.max_body, 16 << 20);
    assert_eq!(settings.limits.max_headers, 128);
    assert_eq!(settings.connections.max_connections, 100_000);
    assert_eq!(settings.connections.idle_timeout, Duration::from_mins(10));
    assert_eq!(settings.connections.gap_timeout, Duration::from_secs(2));
    assert_eq!(settings.connections.max_out_of_order, 4 << 20);
    assert_eq!(settings.max_memory, 256 << 20);
    assert_eq!(settings.marker.as_deref(), Some("X-Shadow-Request"));
    assert_eq!(settings.ledger, None);
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(10));
    assert!(settings.status_line);
}

#[test]
fn nothing_listens_and_nothing_ends_by_itself_unless_told_to() {
    let operation = settings(&["--input-raw=:80", "--output-null"]).operation;
    assert!(operation.admin.is_none());
    assert_eq!((operation.expire_after, operation.max_cpu_millis), (None, None));
    let operation = settings(&[
        "--input-raw=:80",
        "--output-null",
        "--http-listen=:9400",
        "--expire-after=1h",
        "--max-cpu=150%",
    ])
    .operation;
    let admin = operation.admin.unwrap();
    assert_eq!((admin.listen, admin.token), (Listen::Any(9400), None));
    assert_eq!(operation.expire_after, Some(Duration::from_hours(1)));
    assert_eq!(operation.max_cpu_millis, Some(1500));
}

#[test]
fn an_http_output_has_defaults() {
    let output = http_output(&[]);
    assert_eq!(output.name, "http://staging:8080");
    assert_eq!((output.tls, output.verify), (false, true));
    assert_eq!((output.host.as_str(), output.port), ("staging", 8080));
    assert_eq!(output.host_header, HostHeader::Upstream);
    assert_eq!(output.marker.as_deref(), Some("X-Shadow-Request"));
    assert_eq!((output.workers, output.queue_requests), (1024, None));
    assert_eq!((output.queue_bytes, output.max_response), (64 << 20, 64 << 20));
    assert_eq!(output.timeout, Duration::from_secs(5));
    assert_eq!(output.connect_timeout, Duration::from_secs(3));
    assert_eq!(output.redirects, 0);
    assert_eq!(output.breaker.failures, 20);
    assert_eq!(output.breaker.open_for, Duration::from_secs(5));
    assert_eq!(output.breaker.slow_start, Duration::from_secs(10));
}

#[test]
fn flags_reach_every_http_output() {
    let settings = settings(&[
        "--input-raw=:80",
        "--output-http=http://a:b@staging",
        "--output-http=https://other/v2",
        "--output-http-skip-verify",
        "--output-http-workers=7",
        "--output-http-timeout=150ms",
    ]);
    let [OutputSettings::Http(first), OutputSettings::Http(second)] = settings.mirrors[0].outputs.as_slice()
    else {
        panic!("{:?}", settings.mirrors[0].outputs);
    };
    assert_eq!(first.authorization, Some(Secret("Basic YTpi".to_owned())));
    assert_eq!(first.name, "http://staging");
    assert_eq!((second.tls, second.path_prefix.as_str()), (true, "/v2"));
    assert_eq!((second.verify, second.workers), (false, 7));
    assert_eq!(second.timeout, Duration::from_millis(150));
}

#[test]
fn a_host_suffix_may_begin_with_a_dash() {
    let suffix = HostHeader::Suffix("-shadow".to_owned());
    assert_eq!(
        http_output(&["--http-host-suffix", "-shadow"]).host_header,
        suffix
    );
    assert_eq!(http_output(&["--http-host-suffix=-shadow"]).host_header, suffix);
    assert_eq!(
        http_output(&["--http-original-host"]).host_header,
        HostHeader::Original
    );
}

#[test]
fn the_marker_can_be_renamed_or_turned_off() {
    assert_eq!(
        http_output(&["--http-mark-header", "X-Copy"]).marker.as_deref(),
        Some("X-Copy")
    );
    assert_eq!(http_output(&["--http-no-mark"]).marker, None);
}

#[test]
fn flags_that_contradict_each_other_are_refused() {
    for pair in [
        ["--http-no-mark", "--http-mark-header=X-A"],
        ["--http-original-host", "--http-host-suffix=-a"],
    ] {
        let all = [["shadow-agent", "--input-raw=:80"].as_slice(), &pair].concat();
        assert!(Arguments::try_parse_from(all).is_err(), "{pair:?}");
    }
}

#[test]
fn an_input_and_an_output_are_needed() {
    assert!(error(&["--output-null"]).contains("add --input-raw :80"));
    assert!(error(&["--input-raw", ":80"]).contains("add --output-http"));
}

#[test]
fn several_inputs_are_kept_and_a_repeated_one_counts_once() {
    let settings = settings(&[
        "--input-raw=:80",
        "--input-raw=eth0:81",
        "--input-raw=0.0.0.0:80",
        "--output-null",
    ]);
    assert_eq!(settings.mirrors[0].inputs.len(), 2);
}

#[test]
fn a_bad_address_is_named_with_its_flag() {
    assert_eq!(
        error(&["--input-raw", "10.0.0.5", "--output-null"]),
        "--input-raw '10.0.0.5': the port is missing\n  help: write 10.0.0.5:80"
    );
}

#[test]
fn a_bad_url_is_named_without_its_password() {
    let text = error(&[
        "--input-raw",
        ":80",
        "--output-http",
        "http://me:hunter2@staging:0",
    ]);
    assert!(
        text.starts_with("--output-http '***@staging:0': '0' is not a port"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
}

#[test]
fn a_ring_is_rounded_up_to_a_power_of_two() {
    let ring = |size: &str| {
        settings(&[
            "--input-raw=:80",
            "--output-null",
            "--input-raw-buffer-size",
            size,
        ])
        .capture
        .ring_bytes
    };
    assert_eq!(ring("3mb"), 4 << 20);
    assert_eq!(ring("2gb"), 1 << 31);
    assert_eq!(ring("1"), u32::try_from(SMALLEST_RING).unwrap());
    let text = error(&["--input-raw=:80", "--output-null", "--input-raw-buffer-size=3gb"]);
    assert!(
        text.starts_with("--input-raw-buffer-size '3221225472': a ring buffer cannot be larger"),
        "{text}"
    );
}

#[test]
fn connections_can_be_sampled() {
    let capture = settings(&["--input-raw=:80", "--output-null", "--sample-connections", "25%"]).capture;
    assert_eq!(capture.sample_connections, Some(1 << 30));
}

#[test]
fn the_cgroup_hook_cannot_watch_an_interface() {
    let text = error(&[
        "--input-raw=eth0:80",
        "--output-null",
        "--input-raw-engine=cgroup",
    ]);
    assert!(text.starts_with("--input-raw-engine 'cgroup': "), "{text}");
    assert!(text.contains("'eth0' is an interface"), "{text}");
}

#[test]
fn a_capture_file_that_cannot_be_read_is_known_at_once() {
    let text = error(&["--input-raw=/proc/nonexistent/a.pcap", "--output-null"]);
    assert!(
        text.contains("cannot read the capture file (No such file or directory"),
        "{text}"
    );
}

#[test]
fn a_ledger_needs_a_directory_that_exists() {
    let text = error(&[
        "--input-raw=:80",
        "--output-null",
        "--ledger=/proc/nonexistent/a.json",
    ]);
    assert!(
        text.starts_with("--ledger '/proc/nonexistent/a.json': its directory does not exist"),
        "{text}"
    );
    let text = error(&["--input-raw=:80", "--output-null", "--ledger=/tmp"]);
    assert!(text.contains("this is a directory"), "{text}");
    let settings = settings(&["--input-raw=:80", "--output-null", "--ledger=a.json"]);
    assert!(settings.ledger.unwrap().is_absolute());
}

#[test]
fn mirroring_to_the_captured_loopback_port_is_refused() {
    for (input, output) in [
        (":80", "http://127.0.0.1"),
        (":80", "http://localhost"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("lo:8080", "http://127.0.0.1:8080"),
    ] {
        let text = error(&["--input-raw", input, "--output-http", output]);
        assert!(text.contains("is itself captured"), "{input} {output}: {text}");
    }
}

#[test]
fn another_port_or_machine_is_no_self_mirroring() {
    for (input, output) in [
        (":80", "http://127.0.0.1:81"),
        (":80", "http://staging"),
        ("10.0.0.5:80", "http://127.0.0.1"),
        ("eth0:80", "http://127.0.0.1"),
        (":80", "http://not-there-yet"),
    ] {
        let resolved = run(&["--input-raw", input, "--output-http", output]).unwrap();
        assert_eq!(resolved.warnings, [""; 0], "{input} {output}");
    }
}

#[test]
fn mirroring_to_a_captured_port_of_this_machine_is_warned_of() {
    let resolved = run(&["--input-raw", ":80", "--output-http", "http://me"]).unwrap();
    assert_eq!(resolved.warnings.len(), 1);
    assert!(resolved.warnings[0].starts_with("--output-http http://me: 10.0.0.5 is this machine"));
}

#[test]
fn what_capture_takes_is_as_the_flags_say() {
    let of = |flags: &[&str]| settings(&[&["--input-raw", ":80,81", "--output-null"], flags].concat());
    let plain = of(&[]);
    assert_eq!(
        (
            plain.read.client_header,
            plain.capture.vlans,
            plain.read.allow_incomplete
        ),
        (None, VlanScope::Any, false)
    );
    assert_eq!(
        of(&["--input-raw-realip-header", "X-Real-IP"]).read.client_header,
        Some("X-Real-IP".to_owned())
    );
    assert!(of(&["--input-raw-allow-incomplete"]).read.allow_incomplete);
    assert!(!plain.read.resume);
    assert!(of(&["--input-raw-resume"]).read.resume);
    assert_eq!(of(&["--input-raw-vlan"]).capture.vlans, VlanScope::Tagged);
    assert_eq!(
        of(&[
            "--input-raw-vlan",
            "--input-raw-vlan-vid=5",
            "--input-raw-vlan-vid=7"
        ])
        .capture
        .vlans,
        VlanScope::These([5, 7].into())
    );
    assert_eq!(
        of(&["--input-raw-expire", "5s"]).connections.gap_timeout,
        Duration::from_secs(5)
    );
}

#[test]
fn an_expression_narrows_ports_and_names_those_of_port_0() {
    let ports = |input: &str, filter: &str| {
        let all = [
            "--input-raw",
            input,
            "--output-null",
            "--input-raw-bpf-filter",
            filter,
        ];
        match settings(&all).mirrors.remove(0).inputs.remove(0) {
            RawInput::Live { ports, .. } => ports,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ports(":80,81", "dst port 80"), [80]);
    assert_eq!(ports(":80,81", "src net 10.0.0.0/8"), [80, 81]);
    assert_eq!(ports(":0", "tcp port 80 or 8080"), [80, 8080]);
    assert_eq!(ports("eth0:0", "dst portrange 8000-8002"), [8000, 8001, 8002]);
}

#[test]
fn a_malformed_expression_is_refused_with_a_caret() {
    let of = |filter: &str| {
        error(&[
            "--input-raw",
            ":80",
            "--output-null",
            "--input-raw-bpf-filter",
            filter,
        ])
    };
    assert_eq!(
        of("tcp and udp port 53"),
        "--input-raw-bpf-filter: 'udp' is never captured: requests come by TCP\n    tcp and udp port 53\n            \
         ^\n  help: leave it out"
    );
    assert!(of("dst port 81").contains("excludes everything of an --input-raw"));
    let every = |flags: &[&str]| error(&[&["--output-null", "--input-raw", ":0"], flags].concat());
    assert!(every(&[]).contains("capturing every port is not supported"));
    assert!(every(&["--input-raw-bpf-filter=host 10.0.0.1"]).contains("selects 65535 ports"));
}

#[test]
fn engines_of_goreplay_are_taken_and_said_to_do_nothing() {
    for engine in ["libpcap", "af_packet", "raw_socket", "pcap_file"] {
        let all = ["--input-raw=:80", "--output-null", "--input-raw-engine", engine];
        let Resolved { settings, warnings } = run(&all).unwrap();
        assert_eq!(settings.capture.engine, None);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with(&format!("--input-raw-engine {engine} has no effect")));
    }
}

#[test]
fn tuning_flags_are_taken_and_each_is_said_to_do_nothing() {
    let flags = [
        "--input-raw-buffer-timeout=2s",
        "--input-raw-override-snaplen",
        "--input-raw-promisc",
        "--input-raw-monitor",
        "--input-raw-timestamp-type=PCAP_TSTAMP_HOST",
        "--input-raw-stats",
    ];
    for flag in flags {
        let warnings = run(&["--input-raw=:80", "--output-null", flag]).unwrap().warnings;
        let name = flag.split('=').next().unwrap();
        assert_eq!(warnings.len(), 1, "{flag}");
        assert!(
            warnings[0].starts_with(&format!("{name} has no effect: ")),
            "{}",
            warnings[0]
        );
    }
    assert!(
        run(&["--input-raw=:80", "--output-null", "--input-raw-protocol=http"])
            .unwrap()
            .warnings
            .is_empty()
    );
    let binary = error(&["--input-raw=:80", "--output-null", "--input-raw-protocol=binary"]);
    assert!(binary.starts_with("--input-raw-protocol 'binary': a stream without messages"));
}

#[test]
fn vxlan_is_an_engine_for_addresses() {
    let of = |flags: &[&str]| run(&[&["--output-null", "--input-raw-engine=vxlan"], flags].concat());
    let capture = of(&[
        "--input-raw=:80",
        "--input-raw-vxlan-vni=7",
        "--input-raw-vxlan-vni=-9",
    ])
    .unwrap()
    .settings
    .capture;
    let vxlan = capture.vxlan.unwrap();
    assert_eq!(vxlan.listen, Listen::Any(4789));
    assert_eq!((vxlan.taken, vxlan.left_out), ([7].into(), [9].into()));
    assert!(of(&["--input-raw=:80", "--sample-connections=10%"]).is_err());
    let refused = of(&["--input-raw=eth0:80"]).unwrap_err().to_string();
    assert!(refused.contains("on any interface"), "{refused}");
}

#[test]
fn flags_that_contradict_the_engine_are_refused() {
    let of = |flags: &[&str]| error(&[&["--output-null", "--input-raw=:80"], flags].concat());
    assert!(
        of(&["--input-raw-engine=cgroup", "--input-raw-ignore-interface=eth0"])
            .contains("does not use interfaces")
    );
    assert!(of(&["--input-raw-engine=cgroup", "--input-raw-vlan"]).contains("which see no VLAN tags"));
    assert!(of(&["--input-raw-realip-header=x-shadow-request"]).contains("marker header"));
    let both = error(&[
        "--output-null",
        "--input-raw=eth0:80",
        "--input-raw-ignore-interface=eth0",
    ]);
    assert!(both.contains("--input-raw names the same interface"));
}

#[test]
fn what_is_compared_is_said_in_words() {
    let selection = |flags: &[&str]| {
        let flags = [&["--compare"], flags].concat();
        let compare = http_output(&flags).compare.expect("it compares");
        compare.judging.selection.clone()
    };
    assert_eq!(selection(&[]), ["all requests"]);
    assert_eq!(
        selection(&["--sample-connections=10%", "--safe-methods"]),
        [
            "10.000% of connections (--sample-connections)",
            "requests allowed by the filters"
        ]
    );
}

#[test]
fn what_a_request_carries_is_waited_for_as_long_as_an_answer_may_take() {
    let output = http_output(&["--compare"]);
    let correlate = output.compare.and_then(|compare| compare.correlate).unwrap();
    // A login that takes the shadow 1.1 s, on a machine that is busy, must not end the session there.
    assert!(correlate.wait >= output.timeout * 2, "{:?}", correlate.wait);
}

#[test]
fn correlation_alone_learns_from_answers_that_nobody_compares() {
    let output = http_output(&["--correlate", "--correlate-except=/admin"]);
    assert_eq!((output.compare, output.control), (None, None));
    let learning = output.correlate.expect("it learns");
    assert!(learning.correlate.exceptions.has_path(b"/admin/users"));
    let captures = |flags: &[&str]| {
        let settings = settings(&[&["--input-raw=:80", "--output-http=a"], flags].concat());
        (settings.capture.responses, settings.read.answers)
    };
    assert_eq!(
        (captures(&["--correlate"]), captures(&[])),
        ((true, true), (false, false))
    );
    for flags in [&["--compare"][..], &["--compare", "--correlate"]] {
        let output = http_output(flags);
        assert!(output.compare.is_some_and(|compare| compare.correlate.is_some()));
        assert_eq!(output.correlate, None, "{flags:?}");
    }
}

#[test]
fn correlation_that_has_no_effect_is_refused() {
    let refused = |flags: &[&str]| error(&[&["--input-raw=:80"], flags].concat());
    let nowhere = refused(&["--output-null", "--correlate"]);
    assert!(nowhere.contains("nothing is sent to a shadow"), "{nowhere}");
    for flags in [
        &["--output-http=a", "--correlate-except=/a"][..],
        &[
            "--output-http=a",
            "--compare",
            "--no-correlate",
            "--correlate-except=/a",
        ],
    ] {
        assert!(refused(flags).contains("nothing is correlated"), "{flags:?}");
    }
    let redirects = refused(&["--output-http=a", "--correlate", "--output-http-redirects=1"]);
    assert!(
        redirects.contains("so redirects cannot be followed"),
        "{redirects}"
    );
}

#[test]
fn endpoints_are_not_named_by_what_is_redacted() {
    let refused = |flags: &[&str]| {
        let all = [&["--input-raw=:80", "--output-http=a", "--compare"][..], flags];
        error(&all.concat())
    };
    for flags in [
        &["--route-by=query.access_token"][..],
        &["--route-by=/login body.user.password"],
        &["--route-by=body.user.mail", "--http-redact-json=user.*"],
        &["--route-by=body.user.mail", "--http-redact-json=/user"],
    ] {
        let error = refused(flags);
        assert!(error.contains("these values are redacted"), "{flags:?}: {error}");
    }
    let wrong = refused(&["--route-by=_shape"]);
    assert!(wrong.contains("it is query.NAME, or body.PATH"), "{wrong}");
    for flags in [
        &["--route-by=query._shape", "--route-by=none"][..],
        &["--route-by=body.user.mail", "--http-redact-json=user.name"],
        &["--route-by=query.access_token", "--http-redact-none"],
    ] {
        assert!(
            http_output(&[&["--compare"], flags].concat()).compare.is_some(),
            "{flags:?}"
        );
    }
}

#[test]
fn what_would_let_a_bad_release_go_is_refused() {
    let refused = |flags: &[&str]| error(&[&["--input-raw=:80"], flags].concat());
    for flags in [
        &["--output-null", "--compare"][..],
        &["--output-http=a", "--fail-on=new_5xx > 1%"],
        &["--output-http=a", "--report=r.html"],
    ] {
        assert!(refused(flags).contains("nothing is compared"), "{flags:?}");
    }
    let control = refused(&["--output-http=a", "--compare", "--compare-control=http://a"]);
    assert!(control.contains("the control is also an output"), "{control}");
    let redirects = refused(&["--output-http=a", "--compare", "--output-http-redirects=1"]);
    assert!(
        redirects.contains("so redirects cannot be followed"),
        "{redirects}"
    );
    let never = refused(&["--output-http=a", "--compare", "--fail-on=failed > 1"]);
    assert!(never.contains("is 1% meant?"), "{never}");
}
