//! Configuration files, and the settings that they come to.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cli::go_arguments;
use crate::cli::machine::TestMachine;
use crate::settings::{HostHeader, HttpOutputSettings, LiveScope, OutputSettings, RawInput};

fn file(command_line: &[&str]) -> Result<ConfigFile, UsageError> {
    let all = [&["--config", "shadow.toml"], command_line].concat();
    let all = all.iter().map(OsString::from).collect();
    let spelled = go_arguments::spell(&Arguments::command(), all).unwrap();
    let program = OsString::from("shadow-agent");
    let matches = Arguments::command()
        .try_get_matches_from(std::iter::once(&program).chain(&spelled.arguments))
        .unwrap();
    ConfigFile::new(Path::new("shadow.toml"), &matches, spelled)
}

fn resolve(text: &str) -> Result<Settings, String> {
    let resolved = file(&[]).unwrap().resolve(text.as_bytes(), &TestMachine);
    resolved
        .map(|resolved| resolved.settings)
        .map_err(|error| error.to_string())
}

fn error(text: &str) -> String {
    resolve(text).unwrap_err()
}

fn http(output: &OutputSettings) -> &HttpOutputSettings {
    match output {
        OutputSettings::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn live(scope: LiveScope, ports: &[u16]) -> RawInput {
    RawInput::Live {
        scope,
        ports: ports.to_vec(),
    }
}

#[test]
fn keys_are_the_flags() {
    let settings = resolve(
        "input-raw = [':80', '10.0.0.5:81']\noutput-http = 'http://staging:8080'\noutput-http-timeout = '2s'\n\
         output-http-workers = 7\nhttp-original-host = true\nmax-memory = '1mb'\nhttp-listen = '127.0.0.1:9400'\n\
         sample-connections = '10%'\nmax-cpu = 1.5\nno-status = false\n",
    )
    .unwrap();
    let [mirror] = settings.mirrors.as_slice() else {
        panic!()
    };
    assert_eq!(mirror.name, None);
    let address = LiveScope::Addresses(vec!["10.0.0.5".parse().unwrap()]);
    assert_eq!(mirror.inputs, [live(LiveScope::Any, &[80]), live(address, &[81])]);
    let output = http(&mirror.outputs[0]);
    assert_eq!((output.name.as_str(), output.workers), ("http://staging:8080", 7));
    assert_eq!(output.timeout, Duration::from_secs(2));
    assert_eq!(output.host_header, HostHeader::Original);
    assert_eq!(settings.max_memory, 1 << 20);
    assert_eq!(settings.operation.max_cpu_millis, Some(1500));
    assert!(settings.operation.admin.is_some() && settings.status_line);
}

#[test]
fn mirrors_have_their_own_and_inherit_the_rest() {
    let settings = resolve(
        "output-http-timeout = '2s'\nhttp-original-host = true\n\
         [mirror.web]\ninput-raw = ':80'\noutput-http = 'http://a'\n\
         [mirror.api]\ninput-raw = ':81'\noutput-http = ['http://a', 'http://b']\noutput-http-timeout = '3s'\n\
         http-original-host = false\nhttp-host-suffix = '-shadow'\n",
    )
    .unwrap();
    let [web, api] = settings.mirrors.as_slice() else {
        panic!()
    };
    assert_eq!(
        (web.name.as_deref(), api.name.as_deref()),
        (Some("web"), Some("api"))
    );
    assert_eq!(web.inputs, [live(LiveScope::Any, &[80])]);
    assert_eq!(http(&web.outputs[0]).timeout, Duration::from_secs(2));
    assert_eq!(http(&web.outputs[0]).host_header, HostHeader::Original);
    assert_eq!(http(&api.outputs[1]).name, "http://b");
    assert_eq!(http(&api.outputs[1]).timeout, Duration::from_secs(3));
    assert_eq!(
        http(&api.outputs[0]).host_header,
        HostHeader::Suffix("-shadow".to_owned())
    );
}

#[test]
fn two_mirrors_may_share_an_input_of_the_top() {
    let settings =
        resolve("input-raw = ':80'\n[mirror.a]\noutput-http = 'x'\n[mirror.b]\noutput-null = true\n")
            .unwrap();
    assert_eq!(settings.mirrors[0].inputs, settings.mirrors[1].inputs);
    assert_eq!(settings.mirrors[1].outputs, [OutputSettings::Null]);
}

#[test]
fn routes_alone_need_neither_input_nor_output() {
    let alone = resolve("k8s-node = 'n'\ninput-k8s-routes = ['shop', 'pay']\n").unwrap();
    assert!(alone.mirrors[0].inputs.is_empty());
    let both = "k8s-node = 'n'\ninput-k8s-routes = '*'\n[mirror.a]\ninput-raw = 'k8s://pod/x:80'\noutput-null = true\n";
    assert!(resolve(both).unwrap().kubernetes.unwrap().client.routes.is_some());
    let without = error("k8s-node = 'n'\ninput-k8s-routes = '*'\n[mirror.a]\noutput-null = true\n");
    assert!(
        without.starts_with("shadow.toml:3: [mirror.a]: input-raw: there is no input"),
        "{without}"
    );
}

#[test]
fn the_command_line_wins_and_has_no_inputs_and_outputs_besides() {
    let text = b"input-raw = ':80'\noutput-null = true\nmax-memory = '1mb'\nmax-body = '1kb'\n";
    let settings = file(&["--max-memory", "2mb"])
        .unwrap()
        .resolve(text, &TestMachine)
        .unwrap()
        .settings;
    assert_eq!((settings.max_memory, settings.limits.max_body), (2 << 20, 1024));
    for flags in [
        ["--input-raw", ":80"],
        ["--output-http", "x"],
        ["--input-k8s-routes", "*"],
    ] {
        let error = file(&flags).unwrap_err().to_string();
        assert!(
            error.contains(flags[0]) && error.contains("belong in the file"),
            "{error}"
        );
    }
    assert!(file(&["--output-null"]).is_err());
    assert!(file(&["--output-null=false"]).is_err());
}

#[test]
fn a_switch_turned_off_on_the_command_line_wins_too() {
    let text = b"input-raw = ':80'\noutput-http = 'a'\nhttp-original-host = true\n";
    for (flags, expected) in [
        (&[][..], HostHeader::Original),
        (&["--http-original-host=false"], HostHeader::Upstream),
        (&["-http-original-host", "0"], HostHeader::Upstream),
        (
            &["--http-original-host=0", "--http-original-host"],
            HostHeader::Original,
        ),
    ] {
        let settings = file(flags).unwrap().resolve(text, &TestMachine).unwrap().settings;
        assert_eq!(
            http(&settings.mirrors[0].outputs[0]).host_header,
            expected,
            "{flags:?}"
        );
    }
}

#[test]
fn goreplays_other_keys_are_refused_or_answered() {
    assert_eq!(
        error("input-raw = ':80'\nkafka-tls-ca-cert = 'ca.pem'\n"),
        "shadow.toml:2: kafka-tls-ca-cert: there is no Kafka client in the agent: a broker that is slow or away must \
         not be able to hold it up\n  help: keep keys and certificates with the shipper that produces to Kafka"
    );
    let text = "input-raw = ':80'\n[mirror.web]\noutput-null = true\noutput-kafka-use-sasl = true\n";
    assert!(error(text).starts_with("shadow.toml:4: [mirror.web]: output-kafka-use-sasl: there is no Kafka"));
    let text =
        b"input-raw = ':80'\nhttp-pprof = ':8181'\noutput-http-workers-min = 4\n[mirror.a]\noutput-http \
        = 'a'\n\
        [mirror.b]\noutput-http = 'b'\n";
    let warnings = file(&[]).unwrap().resolve(text, &TestMachine).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "--http-pprof: no profile is served: perf record -p PID profiles the agent, and --http-listen serves /metrics",
            "--output-http-workers-min: there are no workers to keep: --output-http-workers bounds the requests under way"
        ]
    );
}

#[test]
fn what_the_command_line_got_wrong_is_put_down_to_it() {
    let text = b"input-raw = ':80'\noutput-null = true\n";
    let error = file(&["--ledger", "/proc/nowhere/x"])
        .unwrap()
        .resolve(text, &TestMachine)
        .unwrap_err();
    assert!(
        error.to_string().starts_with("--ledger '/proc/nowhere/x': "),
        "{error}"
    );
}

#[test]
fn an_error_names_file_line_mirror_key_value_and_way_out() {
    for (text, expected) in [
        (
            "input-raw = [\n':80',\n'10.0.0.5',\n]\noutput-null = true",
            "shadow.toml:3: input-raw '10.0.0.5': the port is missing\n  help: write 10.0.0.5:80",
        ),
        (
            "[mirror.web]\ninput-raw = ':80'\noutput-http = 'ftp://x'",
            "shadow.toml:3: [mirror.web]: output-http 'ftp://x': 'ftp' is not a scheme for copies\n  help: write http:// or https://",
        ),
        (
            "output-htp = 'http://x'",
            "shadow.toml:1: output-htp: there is no such setting\n  help: is it output-http? 'shadow-agent --help' has all of them",
        ),
        (
            "[mirror.web]\nmax-memory = '1mb'",
            "shadow.toml:2: [mirror.web]: max-memory: this applies to all mirrors\n  help: write it at the top \
             of the file, before the first [mirror.NAME]",
        ),
        (
            "input-raw-shards = 3",
            "shadow.toml:1: input-raw-shards '3': must be a power of two up to 16\n  help: 'shadow-agent --help' says what input-raw-shards may be",
        ),
        (
            "input-raw-engine = 'xdp'",
            "shadow.toml:1: input-raw-engine 'xdp': this is not one of its values\n  help: write one of: tc, \
             cgroup, vxlan, libpcap, af_packet, raw_socket, \
             pcap_file",
        ),
        (
            "http-no-mark = true\nhttp-mark-header = 'X-A'",
            "shadow.toml:2: http-mark-header: it conflicts with http-no-mark\n  help: remove one of them; a mirror \
             turns off a switch of the top level with = false",
        ),
        (
            "output-null = 'yes'",
            "shadow.toml:1: output-null: this is a switch\n  help: write true or false",
        ),
        (
            "max-memory = ['1mb']",
            "shadow.toml:1: max-memory: this has one value\n  help: write it without brackets",
        ),
        (
            "max-memory = true",
            "shadow.toml:1: max-memory: this is neither a string nor a number\n  help: write a string in \
             quotes, such as \"5s\"",
        ),
        (
            "config = 'x'",
            "shadow.toml:1: config: this belongs to the command line\n  help: leave it out of the file",
        ),
        (
            "[mirror.'a b']",
            "shadow.toml:1: mirror 'a b': this is not a mirror's name\n  help: write tables such as [mirror.web], with letters, digits, '-' and '_'",
        ),
    ] {
        assert_eq!(error(text), expected);
    }
}

#[test]
fn a_setting_that_is_missing_is_put_down_to_the_mirror_that_lacks_it() {
    let text = "max-memory = '1mb'\n\n[mirror.web]\ninput-raw = ':80'\n";
    assert!(
        error(text).starts_with("shadow.toml:3: [mirror.web]: output-http: there is no output"),
        "{}",
        error(text)
    );
    assert!(
        error("").starts_with("shadow.toml: input-raw: there is no input"),
        "{}",
        error("")
    );
}

#[test]
fn mirrors_that_cannot_be_told_apart_are_refused() {
    let two = |first: &str| {
        format!(
            "[mirror.a]\ninput-raw = '{first}'\noutput-null = true\n[mirror.b]\ninput-raw = ':81'\noutput-null = true\n"
        )
    };
    let interface = error(&two("eth0:80"));
    assert!(
        interface.contains("[mirror.a]: input-raw 'eth0': traffic of an interface"),
        "{interface}"
    );
    assert!(interface.contains("name an address instead"), "{interface}");
    let capture_file = error(&two("/dev/null.pcap"));
    assert!(capture_file.contains("/dev/null.pcap"), "{capture_file}");
    assert!(resolve("[mirror.a]\ninput-raw = 'eth0:80'\noutput-null = true\n").is_ok());
    let both = error("output-stdout = true\n[mirror.a]\ninput-raw = ':80'\n[mirror.b]\ninput-raw = ':81'\n");
    assert!(
        both.contains("output-stdout: another mirror already writes"),
        "{both}"
    );
}

#[test]
fn an_output_that_another_mirror_captures_is_refused() {
    let text = "[mirror.a]\ninput-raw = ':80'\noutput-http = 'http://127.0.0.1:81'\n\
                [mirror.b]\ninput-raw = ':81'\noutput-null = true\n";
    assert!(
        error(text).contains("shadow.toml:3: [mirror.a]: output-http"),
        "{}",
        error(text)
    );
}

#[test]
fn mirrors_and_their_outputs_are_bounded() {
    let mirrors: String = (0..1025)
        .map(|index| ["[mirror.m", &index.to_string(), "]\n"].concat())
        .collect();
    assert!(error(&mirrors).starts_with("shadow.toml: mirror: 1025 mirrors are more than the limit of 1024"));
    let outputs = "'x',".repeat(600);
    let two = format!("input-raw = ':80'\noutput-http = [{outputs}]\n[mirror.a]\n[mirror.b]\n");
    assert!(
        error(&two).starts_with("shadow.toml:2: output-http: 1200 outputs are more than 1024"),
        "{}",
        error(&two)
    );
}

#[test]
fn only_a_regular_file_is_read() {
    let mut config = file(&[]).unwrap();
    for (path, problem) in [
        ("/dev/null", "not a regular file"),
        ("/proc/nowhere", "No such file"),
        ("/", "not a regular"),
    ] {
        config.path = path.into();
        let error = SettingsFile::read(&config).unwrap_err();
        assert!(error.contains(problem) && error.contains("; help: "), "{error}");
    }
}

#[test]
fn no_error_shows_a_password() {
    for text in [
        "output-http = 'http://me:s3cret@'",
        "output-http = 'ftp://me:s3cret@x'",
        "[mirror.a]\ninput-raw = ':80'\noutput-http = ['http://me:s3cret@x/?q']",
        "output-htp = 'http://me:s3cret@x'",
        "output-http = 'http://me:s3cret@x",
        "output-http = http://me:s3cret@x",
        "max-memory = 'http://me:s3cret@x'",
        "output-null = 'http://me:s3cret@x'",
        "input-raw = ':80'\noutput-http = 'http://me:s3cret@x'\nmax-body = 0",
    ] {
        assert!(!error(text).contains("s3cret"), "{}", error(text));
    }
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    let text = error("input-raw = ':80'\noutput-null = \n");
    assert!(text.starts_with("shadow.toml:2: this is not TOML: "), "{text}");
    let twice = error("max-memory = '1mb'\nmax-memory = '2mb'\n");
    assert!(twice.starts_with("shadow.toml:2: this is not TOML: "), "{twice}");
    let bytes = file(&[]).unwrap().resolve(b"\n\xff", &TestMachine).unwrap_err();
    assert!(
        bytes.to_string().starts_with("shadow.toml:2: this is not UTF-8"),
        "{bytes}"
    );
}

#[test]
fn a_summary_says_what_it_comes_to_without_secrets() {
    let settings = resolve(
        "input-raw-shards = 2\nhttp-listen = ':9400'\nexpire-after = '1h'\nexit-after = '2h'\nhand-over = '/run/x'\nmax-cpu = '500m'\n\
         [mirror.web]\ninput-raw = [':80,81', '[::1]:82']\noutput-http = 'http://me:s3cret@staging:8080'\n\
         [mirror.api]\ninput-raw = '10.0.0.5:80'\noutput-http = 'https://b'\nhttp-original-host = true\noutput-null = true\n\
         http-allow-url = '^/api'\nhttp-redact-header = ['Cookie']\n",
    )
    .unwrap();
    assert_eq!(
        summary::summary(&settings),
        "\
mirror web
  from any address, port 80, 81
  from ::1, port 82
  to   http://staging:8080 (Host: the upstream's, timeout 5s, 1024 at once, Basic authentication)
mirror api
  from 10.0.0.5, port 80
  to   https://b (Host: production's, timeout 5s, 1024 at once)
  to   null
  with filters, redaction
at most 256 MiB of captured traffic, 2 ring buffers of 8 MiB
HTTP port on :9400
expires after 3600s
exits after 7200s
hands over by /run/x
at most 0.5 CPUs
"
    );
}

proptest! {
    #[test]
    fn no_text_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = file(&[]).unwrap().resolve(&bytes, &TestMachine);
    }

    #[test]
    fn no_settings_are_too_odd(
        keys in proptest::collection::vec(
            ("(input-raw|output-http|max-memory|http-listen|[a-z=\"' -]{0,8})",
             "('[^'\n]{0,12}'|[0-9.e-]{1,20}|true|\\[('.{0,5}',){0,3}\\]|\\{a = 1\\}|\\PC{0,10})"),
            0..6,
        ),
        mirror in "(\\[mirror\\.\\PC{0,6}\\]|mirror = 1|\\[\\[mirror\\]\\]|)",
    ) {
        let lines = |keys: &[(String, String)]| -> String {
            keys.iter().map(|(key, value)| [key, " = ", value, "\n"].concat()).collect()
        };
        let (top, own) = keys.split_at(keys.len() / 2);
        let text = format!("{}{mirror}\n{}", lines(top), lines(own));
        let _ = file(&[]).unwrap().resolve(text.as_bytes(), &TestMachine);
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let docs = ["configuration.md", "filters.md"].map(|name| {
        let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    });
    let text = docs.concat();
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let resolved = file(&["--k8s-node", "node-1"])
            .unwrap()
            .resolve(example.as_bytes(), &TestMachine);
        assert!(resolved.is_ok(), "{example}{}", resolved.unwrap_err());
    }
}
