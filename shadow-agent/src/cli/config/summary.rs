//! A summary of settings, for people to read (`--check-config`). No secret is in it: outputs are named as the ledger
//! names them.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::mirror::rules::{Filters, Rewriters};
use crate::settings::{
    HostHeader, HttpOutputSettings, Listen, MirrorSettings, OutputSettings, RouteNamespaces, Settings,
};

/// Some lines.
pub fn summary(settings: &Settings) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(settings, &mut text);
    text
}

fn write(settings: &Settings, text: &mut String) -> fmt::Result {
    for mirror in &settings.mirrors {
        write_mirror(mirror, text)?;
    }
    if let Some(kubernetes) = &settings.kubernetes {
        match &kubernetes.client.routes {
            Some(RouteNamespaces::All) => writeln!(text, "routes of all namespaces")?,
            Some(RouteNamespaces::These(names)) => writeln!(text, "routes of {}", names.join(", "))?,
            None => {}
        }
        writeln!(text, "pods of node {}", kubernetes.client.node)?;
    }
    let mib = |bytes: usize| bytes / (1 << 20);
    writeln!(
        text,
        "at most {} MiB of captured traffic, {} ring buffers of {} MiB",
        mib(settings.max_memory),
        settings.capture.shards,
        mib(settings.capture.ring_bytes as usize)
    )?;
    if let Some(tls) = &settings.capture.tls {
        let of_processes = tls.hooks().then(|| "processes".to_owned());
        let key_logs = tls.key_logs.iter().map(|path| path.display().to_string());
        let all: Vec<String> = of_processes.into_iter().chain(key_logs).collect();
        writeln!(text, "TLS is decrypted with the secrets of {}", all.join(", "))?;
    }
    let operation = &settings.operation;
    match operation.admin.as_ref().map(|admin| admin.listen) {
        Some(Listen::Any(port)) => writeln!(text, "HTTP port on :{port}")?,
        Some(Listen::Address(address)) => writeln!(text, "HTTP port on {address}")?,
        None => writeln!(text, "no HTTP port")?,
    }
    if let Some(term) = operation.expire_after {
        writeln!(text, "expires after {}", seconds(term))?;
    }
    if let Some(after) = operation.exit_after {
        writeln!(text, "exits after {}", seconds(after))?;
    }
    if let Some(file) = &operation.hand_over {
        writeln!(text, "hands over by {}", file.display())?;
    }
    if let Some(millis) = operation.max_cpu_millis {
        writeln!(text, "at most {} CPUs", f64::from(millis) / 1000.0)?;
    }
    Ok(())
}

fn write_mirror(mirror: &MirrorSettings, text: &mut String) -> fmt::Result {
    match &mirror.name {
        Some(name) => writeln!(text, "mirror {name}")?,
        // Of routes alone.
        None if mirror.inputs.is_empty() => return Ok(()),
        None => writeln!(text, "mirror")?,
    }
    for input in &mirror.inputs {
        writeln!(text, "  from {input}")?;
    }
    for input in &mirror.messages {
        writeln!(text, "  from {}", input.name())?;
    }
    for output in &mirror.outputs {
        match output {
            OutputSettings::Http(http) => writeln!(text, "  to   {}", Http(http))?,
            other => writeln!(text, "  to   {}", other.name())?,
        }
    }
    if let Some(rules) = mirror.rules.for_live() {
        let mut kinds = Vec::new();
        let mut kind = |name, used| {
            if used {
                kinds.push(name);
            }
        };
        kind("filters", rules.filters != Filters::default());
        kind("limiters", !rules.limiters.is_empty());
        kind("rewriting", rules.rewriters != Rewriters::default());
        kind("redaction", rules.redaction.is_some());
        writeln!(text, "  with {}", kinds.join(", "))?;
    }
    Ok(())
}

struct Http<'a>(&'a HttpOutputSettings);

impl fmt::Display for Http<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let http = self.0;
        write!(f, "{} (Host: ", http.name)?;
        match &http.host_header {
            HostHeader::Upstream => f.write_str("the upstream's")?,
            HostHeader::Original => f.write_str("production's")?,
            HostHeader::Suffix(suffix) => write!(f, "production's with {suffix}")?,
        }
        write!(f, ", timeout {}, {} at once", seconds(http.timeout), http.workers)?;
        if http.authorization.is_some() {
            f.write_str(", Basic authentication")?;
        }
        f.write_str(")")
    }
}

/// A duration, as Rust writes it.
fn seconds(duration: Duration) -> String {
    format!("{duration:?}")
}
