//! Which settings cannot change under a run, because rings, tables and sockets were made with them.

use std::collections::BTreeSet;

use crate::settings::{
    AdminSettings, CaptureSettings, ConnectionSettings, Engine, LogSettings, OperationSettings, RawInput,
    ReadSettings, Settings,
};

/// The keys that are not the same in both and would need a restart, in no particular order.
pub(super) fn needing_restart(old: &Settings, new: &Settings, captures: bool) -> Vec<&'static str> {
    let mut keys = Keys::default();
    // Taken apart, so that one that is added must be thought of here.
    let Settings {
        mirrors: _,
        capture,
        read,
        limits,
        connections,
        max_memory,
        kubernetes,
        marker,
        ledger,
        shutdown_timeout,
        status_line,
        ui,
        log,
        operation,
        middleware,
        comparing,
    } = new;
    keys.of_capture(&old.capture, capture);
    keys.of_reading(&old.read, read);
    keys.add(
        "compare or correlate (responses are not captured yet)",
        old.read.answers || !read.answers || old.read.track_response != read.track_response,
    );
    keys.of_connections(&old.connections, connections);
    keys.of_operation(&old.operation, operation);
    keys.of_log(&old.log, log);
    keys.add("max-head", old.limits.max_head == limits.max_head);
    keys.add("max-headers", old.limits.max_headers == limits.max_headers);
    keys.add("max-body", old.limits.max_body == limits.max_body);
    keys.add("max-memory", old.max_memory == *max_memory);
    keys.add("http-mark-header or http-no-mark", old.marker == *marker);
    keys.add("ledger", old.ledger == *ledger);
    keys.add("middleware and its flags", old.middleware == *middleware);
    keys.add(
        "report, compare-memory, compare-store, compare-store-size",
        old.comparing == *comparing,
    );
    keys.add("shutdown-timeout", old.shutdown_timeout == *shutdown_timeout);
    keys.add("no-status", old.status_line == *status_line);
    keys.add("ui", old.ui == *ui);
    keys.add(
        "input-raw (with input-raw-engine vxlan)",
        capture.vxlan.is_none() || old.inputs().eq(new.inputs()),
    );
    keys.add(
        "input-raw (capture files), input-dummy, input-file",
        files(old) == files(new),
    );
    let is_live = |input: &RawInput| matches!(input, RawInput::Live { .. });
    let needs_capture = kubernetes.is_some() || new.inputs().any(is_live);
    keys.add(
        "input-raw (live traffic, beside capture files alone)",
        captures || !needs_capture || capture.vxlan.is_some(),
    );
    keys.0
}

#[derive(Default)]
struct Keys(Vec<&'static str>);

impl Keys {
    fn add(&mut self, key: &'static str, same: bool) {
        if !same {
            self.0.push(key);
        }
    }

    fn of_capture(&mut self, old: &CaptureSettings, new: &CaptureSettings) {
        let CaptureSettings {
            engine,
            responses: _,
            ring_bytes,
            shards,
            sample_connections,
            filter,
            ignored_interfaces,
            vlans,
            vxlan,
            tls,
        } = new;
        // Left to the agent, the hook that it captures by will do.
        let same = old.engine.unwrap_or(Engine::Tc) == engine.or(old.engine).unwrap_or(Engine::Tc);
        self.add("input-raw-engine (pods need cgroup from the start)", same);
        self.add("input-raw-buffer-size", old.ring_bytes == *ring_bytes);
        self.add("input-raw-shards", old.shards == *shards);
        self.add(
            "sample-connections",
            old.sample_connections == *sample_connections,
        );
        self.add("input-raw-bpf-filter", old.filter == *filter);
        self.add(
            "input-raw-ignore-interface",
            old.ignored_interfaces == *ignored_interfaces,
        );
        self.add("input-raw-vlan or input-raw-vlan-vid", old.vlans == *vlans);
        self.add(
            "input-raw-engine vxlan, or what goes with it",
            old.vxlan == *vxlan,
        );
        self.add("input-raw-tls, or what goes with it", old.tls == *tls);
    }

    fn of_reading(&mut self, old: &ReadSettings, new: &ReadSettings) {
        let ReadSettings {
            filter: _,
            answers: _,
            track_response,
            client_header,
            allow_incomplete,
            live_calls,
            resume,
        } = new;
        self.add("input-raw-track-response", old.track_response == *track_response);
        self.add("input-raw-realip-header", old.client_header == *client_header);
        self.add(
            "input-raw-allow-incomplete",
            old.allow_incomplete == *allow_incomplete,
        );
        self.add("grpc-max-stream", old.live_calls == *live_calls);
        self.add("input-raw-resume", old.resume == *resume);
    }

    fn of_connections(&mut self, old: &ConnectionSettings, new: &ConnectionSettings) {
        let ConnectionSettings {
            max_connections,
            idle_timeout,
            gap_timeout,
            max_out_of_order,
        } = new;
        self.add("max-connections", old.max_connections == *max_connections);
        self.add("input-raw-idle-timeout", old.idle_timeout == *idle_timeout);
        self.add("input-raw-gap-timeout", old.gap_timeout == *gap_timeout);
        self.add("max-out-of-order", old.max_out_of_order == *max_out_of_order);
    }

    fn of_log(&mut self, old: &LogSettings, new: &LogSettings) {
        self.add("verbose", old.verbose == new.verbose);
        self.add(
            "stats, output-http-stats or output-http-stats-ms",
            old.stats == new.stats,
        );
    }

    fn of_operation(&mut self, old: &OperationSettings, new: &OperationSettings) {
        let OperationSettings {
            admin,
            expire_after: _,
            exit_after,
            max_cpu_millis: _,
            hand_over,
        } = new;
        let listen = |admin: &Option<AdminSettings>| admin.as_ref().map(|admin| admin.listen);
        let token = |admin: &Option<AdminSettings>| admin.as_ref().and_then(|admin| admin.token.clone());
        self.add("exit-after", old.exit_after == *exit_after);
        self.add("hand-over", old.hand_over == *hand_over);
        self.add("http-listen", listen(&old.admin) == listen(admin));
        self.add("http-token-file", token(&old.admin) == token(admin));
    }
}

/// The capture files, each with its ports, and the inputs of whole messages.
fn files(settings: &Settings) -> BTreeSet<String> {
    let files = settings.inputs().filter_map(|input| match input {
        RawInput::File { path, ports } => Some(format!("{} {ports:?}", path.display())),
        _ => None,
    });
    files
        .chain(
            settings
                .messages()
                .map(|(input, limit)| format!("{input:?} {limit:?}")),
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::high;
    use crate::cli::low::Arguments;
    use crate::cli::machine::TestMachine;

    fn settings(flags: &[&str]) -> Settings {
        let all = [&["shadow-agent", "--input-raw=:80", "--output-http=a"], flags].concat();
        let arguments = Arguments::try_parse_from(all).unwrap();
        high::resolve(&arguments, &TestMachine).unwrap().settings
    }

    fn needing(flags: &[&str]) -> Vec<&'static str> {
        needing_restart(&settings(&[]), &settings(flags), true)
    }

    #[test]
    fn inputs_outputs_term_and_cpu_budget_may_change() {
        let flags = [
            "--input-raw=10.0.0.5:81",
            "--output-http=b",
            "--output-http-timeout=1s",
            "--http-original-host",
            "--expire-after=1h",
            "--max-cpu=1",
        ];
        assert_eq!(needing(&flags), Vec::<&str>::new());
    }

    #[test]
    fn each_setting_that_something_was_made_with_is_named() {
        for (flag, key) in [
            ("--input-raw-buffer-size=1mb", "input-raw-buffer-size"),
            ("--input-raw-shards=16", "input-raw-shards"),
            ("--input-raw-track-response", "input-raw-track-response"),
            ("--sample-connections=10%", "sample-connections"),
            ("--max-memory=1mb", "max-memory"),
            ("--max-body=1mb", "max-body"),
            ("--max-head=1kb", "max-head"),
            ("--max-headers=7", "max-headers"),
            ("--max-connections=7", "max-connections"),
            ("--max-out-of-order=7", "max-out-of-order"),
            ("--input-raw-gap-timeout=7s", "input-raw-gap-timeout"),
            ("--input-raw-idle-timeout=7s", "input-raw-idle-timeout"),
            ("--http-listen=127.0.0.1:1", "http-listen"),
            ("--http-no-mark", "http-mark-header or http-no-mark"),
            ("--ledger=/tmp/x.json", "ledger"),
            ("--input-raw-bpf-filter=tcp", "input-raw-bpf-filter"),
            (
                "--input-raw-ignore-interface=docker*",
                "input-raw-ignore-interface",
            ),
            ("--input-raw-vlan", "input-raw-vlan or input-raw-vlan-vid"),
            (
                "--input-raw-engine=vxlan",
                "input-raw-engine vxlan, or what goes with it",
            ),
            ("--input-raw-tls=auto", "input-raw-tls, or what goes with it"),
            ("--input-raw-realip-header=X-Real-IP", "input-raw-realip-header"),
            ("--input-raw-allow-incomplete", "input-raw-allow-incomplete"),
            ("--input-raw-resume", "input-raw-resume"),
            ("--input-raw-expire=7s", "input-raw-gap-timeout"),
            ("--shutdown-timeout=7s", "shutdown-timeout"),
            ("--no-status", "no-status"),
            ("--ui", "ui"),
            ("--exit-after=7s", "exit-after"),
            ("--hand-over=/run/x", "hand-over"),
            ("--verbose", "verbose"),
            ("--stats", "stats, output-http-stats or output-http-stats-ms"),
            (
                "--input-raw-engine=cgroup",
                "input-raw-engine (pods need cgroup from the start)",
            ),
        ] {
            if flag == "--input-raw-shards=16" && settings(&[]).capture.shards == 16 {
                continue;
            }
            assert_eq!(needing(&[flag]), [key], "{flag}");
        }
    }

    #[test]
    fn the_hook_that_captures_will_do_where_none_is_named() {
        let cgroup = settings(&["--input-raw-engine=cgroup"]);
        assert!(needing_restart(&cgroup, &settings(&[]), true).is_empty());
        assert!(needing(&["--input-raw-engine=tc"]).is_empty());
    }

    #[test]
    fn an_agent_that_only_reads_files_cannot_begin_to_capture() {
        let keys = needing_restart(&settings(&[]), &settings(&[]), false);
        assert_eq!(keys, ["input-raw (live traffic, beside capture files alone)"]);
    }
}
