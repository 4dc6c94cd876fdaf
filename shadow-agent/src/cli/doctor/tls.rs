//! Whose TLS `--input-raw-tls auto` would read on this machine, by which hook, and why not that of the others.

use std::fmt::Write;

use super::COLUMN;
use crate::capture::{Found, FoundProgram, Selection, examine, try_probe};

/// Programs that are listed each on a line of its own; a machine has some tens.
const MOST: usize = 40;

/// The TLS of this machine.
#[derive(Clone, Debug)]
pub struct Tls {
    /// How the probe would be attached, or why it cannot be loaded.
    pub probe: Result<&'static str, String>,
    /// The processes that listen.
    pub found: Found,
}

impl Tls {
    /// Looks at the processes that listen, and loads the probe, which is attached to nothing and gone at once.
    pub fn gather() -> Self {
        let everybody = Selection {
            everybody: true,
            ..Selection::default()
        };
        Self {
            probe: try_probe().map_err(|error| error.to_string()),
            found: examine(everybody),
        }
    }

    /// The part of the report.
    pub fn section(&self) -> String {
        let mut text = "\nTLS of the processes that listen (--input-raw-tls auto):\n".to_owned();
        match &self.probe {
            Ok(how) => line(&mut text, "ok", "probe", &format!("loads, {how}"), ""),
            Err(error) => line(
                &mut text,
                "note",
                "probe",
                error,
                "or give --input-raw-tls-keylog FILE",
            ),
        }
        let programs = &self.found.programs;
        let (told, others): (Vec<&FoundProgram>, Vec<_>) = programs
            .iter()
            .partition(|program| program.is_readable() || !program.unreadable.is_empty());
        let (readable, unreadable): (Vec<&FoundProgram>, Vec<_>) =
            told.into_iter().partition(|program| program.is_readable());
        for program in readable.iter().take(MOST) {
            line(
                &mut text,
                "ok",
                &name(program),
                &program.readable.join(" and "),
                "",
            );
        }
        for program in unreadable.iter().take(MOST) {
            let why = program.unreadable.join("; ");
            line(
                &mut text,
                "note",
                &name(program),
                &why,
                "give --input-raw-tls-keylog FILE",
            );
        }
        let left = readable.len().saturating_sub(MOST) + unreadable.len().saturating_sub(MOST);
        if left > 0 {
            line(&mut text, "", "others", &format!("{left} more that have TLS"), "");
        }
        let mut names: Vec<&str> = others.iter().map(|program| program.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            let more = names.len().saturating_sub(MOST);
            names.truncate(MOST);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            line(
                &mut text,
                "",
                "no TLS is known",
                &format!("{}{more}", names.join(", ")),
                "",
            );
        }
        if self.found.hidden > 0 {
            let hidden = format!("{} that listen may not be looked into", self.found.hidden);
            let remedy = "run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH as well";
            line(&mut text, "note", "processes", &hidden, remedy);
        }
        text
    }
}

fn name(program: &FoundProgram) -> String {
    if program.processes == 1 {
        program.name.clone()
    } else {
        format!("{} ({})", program.name, program.processes)
    }
}

fn line(text: &mut String, mark: &str, what: &str, detail: &str, remedy: &str) {
    let _ = writeln!(text, "  {mark:<6}{what:<17}{detail}");
    if !remedy.is_empty() {
        let _ = writeln!(text, "{:COLUMN$}-> {remedy}", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(name: &str, processes: usize, readable: &[&str], unreadable: &[&str]) -> FoundProgram {
        FoundProgram {
            name: name.to_owned(),
            processes,
            readable: readable.iter().map(|&text| text.to_owned()).collect(),
            unreadable: unreadable.iter().map(|&text| text.to_owned()).collect(),
            looking: false,
        }
    }

    #[test]
    fn each_listening_process_is_told_with_its_hook_or_why_it_has_none() {
        let tls = Tls {
            probe: Ok("attached by uprobe_multi"),
            found: Found {
                programs: vec![
                    program("java", 1, &[], &["libnss3.so: no place to take secrets at"]),
                    program("nginx", 3, &["OpenSSL 3.5.8 libcrypto.so.3, key derivation"], &[]),
                    program("redis-server", 1, &[], &[]),
                    program("cupsd", 1, &[], &[]),
                ],
                hidden: 0,
            },
        };
        let expected = "
TLS of the processes that listen (--input-raw-tls auto):
  ok    probe            loads, attached by uprobe_multi
  ok    nginx (3)        OpenSSL 3.5.8 libcrypto.so.3, key derivation
  note  java             libnss3.so: no place to take secrets at
                         -> give --input-raw-tls-keylog FILE
        no TLS is known  cupsd, redis-server
";
        assert_eq!(tls.section(), expected);
    }

    #[test]
    fn what_may_not_be_seen_is_said_with_the_way_out() {
        let tls = Tls {
            probe: Err("missing CAP_BPF".to_owned()),
            found: Found {
                programs: Vec::new(),
                hidden: 2,
            },
        };
        let expected = "
TLS of the processes that listen (--input-raw-tls auto):
  note  probe            missing CAP_BPF
                         -> or give --input-raw-tls-keylog FILE
  note  processes        2 that listen may not be looked into
                         -> run as root, or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH as well
";
        assert_eq!(tls.section(), expected);
    }
}
