//! The table of what each room of the agent may import: rows from the ground up, a room below whatever imports it.
//!
//! Beyond the order, a row names what its room really uses, so that the table tells a reader where a room's terms come
//! from. An import that no row has is a decision: it is taken here, and seen in the change.

use super::crate_tree::Crate;

/// A room: a module at the root of one of the agent's crates, or a crate.
#[derive(Debug)]
pub struct Room {
    /// The module.
    pub name: &'static str,
    /// As the document says it.
    pub what: &'static str,
    /// Rooms that it imports.
    pub uses: Uses,
}

/// Rooms that a room may import.
#[derive(Debug)]
pub enum Uses {
    /// These, which stand below.
    These(&'static [&'static str]),
    /// All that stand below: what puts a run together.
    AllBelow,
}

impl Room {
    /// The rooms that its row names.
    pub fn uses(&self) -> &'static [&'static str] {
        match self.uses {
            Uses::These(names) => names,
            Uses::AllBelow => &[],
        }
    }
}

/// Whether `rooms` let `from` import `to`.
pub fn may_use(rooms: &[Room], from: &Room, to: &str) -> bool {
    match from.uses {
        Uses::These(names) => names.contains(&to),
        Uses::AllBelow => {
            let below = rooms.iter().take_while(|room| room.name != from.name);
            below.into_iter().any(|room| room.name == to)
        }
    }
}

/// Rows that name a room that does not stand below them.
pub fn faults(rooms: &[Room]) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, room) in rooms.iter().enumerate() {
        for name in room.uses() {
            if !rooms[..index].iter().any(|below| below.name == *name) {
                faults.push(format!(
                    "xtask/src/layers/table.rs: `{}` may use `{name}`, which does not stand below it",
                    room.name
                ));
            }
        }
    }
    faults
}

const fn room(name: &'static str, what: &'static str, uses: &'static [&'static str]) -> Room {
    Room {
        name,
        what,
        uses: Uses::These(uses),
    }
}

/// The crates that the agent is made of. What stands in one of those below imports no other room, the compiler sees to that;
/// the rows hold for all of them alike.
pub const CRATES: &[Crate] = &[
    // Several rooms, each small.
    Crate {
        name: "shadow_core",
        folder: "crates/shadow-core",
        room: None,
    },
    Crate {
        name: "shadow_tcp",
        folder: "crates/shadow-tcp",
        room: Some("tcp"),
    },
    Crate {
        name: "shadow_tls",
        folder: "crates/shadow-tls",
        room: Some("tls"),
    },
    Crate {
        name: "shadow_hand_over",
        folder: "crates/shadow-hand-over",
        room: Some("hand_over"),
    },
    Crate {
        name: "shadow_hooks",
        folder: "crates/shadow-hooks",
        room: Some("hooks"),
    },
    Crate {
        name: "shadow_http",
        folder: "crates/shadow-http",
        room: Some("http"),
    },
    Crate {
        name: "shadow_grpc",
        folder: "crates/shadow-grpc",
        room: Some("grpc"),
    },
    Crate {
        name: "shadow_correlate",
        folder: "crates/shadow-correlate",
        room: Some("correlate"),
    },
    Crate {
        name: "shadow_mirror",
        folder: "crates/shadow-mirror",
        room: Some("mirror"),
    },
    // `recording` and `relay`.
    Crate {
        name: "shadow_record",
        folder: "crates/shadow-record",
        room: None,
    },
    Crate {
        name: "shadow_compare",
        folder: "crates/shadow-compare",
        room: Some("compare"),
    },
    Crate {
        name: "shadow_capture",
        folder: "crates/shadow-capture",
        room: Some("capture"),
    },
    Crate {
        name: "shadow_cluster",
        folder: "crates/shadow-cluster",
        room: Some("kubernetes"),
    },
    Crate {
        name: "shadow_agent",
        folder: "shadow-agent",
        room: None,
    },
];

/// All of them, from the ground up.
pub const ROOMS: &[Room] = &[
    // The ground: what any room may need, and what knows of no other.
    room(
        "time",
        "timestamps and the two clocks; everywhere else time is an argument",
        &[],
    ),
    room(
        "budget",
        "bytes of captured traffic that may be held at once",
        &[],
    ),
    room("latency", "histograms of exchange times, of both sides", &[]),
    room(
        "descriptors",
        "places for connections, so that files are left for the rest",
        &[],
    ),
    room("privileges", "what threads may do, and giving it up", &[]),
    room(
        "named_file",
        "files that a user named, opened without waiting for anybody",
        &[],
    ),
    room("secret", "values that are never printed", &[]),
    room("health", "whether the threads of a run make progress", &[]),
    room(
        "cluster_metrics",
        "what the inputs and routes of a cluster count",
        &[],
    ),
    room("pem", "certificates and keys in files", &[]),
    room("trust", "whose certificates are trusted", &["pem"]),
    room("listen", "binding a port", &[]),
    room(
        "hooks",
        "sans-IO: bytes of an executable or library in, where its TLS secrets can be taken out",
        &[],
    ),
    // From the wire to whole requests. `tcp`, `tls` and `http` are sans-IO: what comes in decides
    // what comes out.
    room(
        "tcp",
        "sans-IO: segments in, ordered bytes and gaps out",
        &["time", "budget"],
    ),
    room(
        "tls",
        "sans-IO: ordered bytes and the secrets of handshakes in, plaintext and gaps out",
        &["time", "budget", "tcp"],
    ),
    room(
        "hand_over",
        "which of two agents on one node mirrors a request: claims in memory that they share, and a lock",
        &["time", "tcp"],
    ),
    room(
        "http",
        "sans-IO: bytes in, messages out",
        &["time", "budget", "tcp"],
    ),
    room(
        "grpc",
        "sans-IO: messages, statuses, and Protocol Buffers as JSON, by descriptors or by guesses",
        &["http"],
    ),
    room(
        "correlate",
        "sans-IO: identifiers that production issued, mapped to what an output issued",
        &["time", "http", "grpc"],
    ),
    // One exchange's way. Whatever takes its copies stands above: the traits that outputs and middleware implement are here.
    room(
        "mirror",
        "one exchange's way: the plan, matching, rules, edits, shares, the gate, the ledger",
        &["time", "budget", "latency", "tcp", "tls", "hand_over", "http"],
    ),
    room(
        "middleware",
        "the program, its threads, and what waits for it",
        &["time", "budget", "privileges", "tcp", "http", "mirror"],
    ),
    room(
        "recording",
        "sans-IO: messages as records, HAR and JSON lines, and back (in `crates/shadow-record`)",
        &["http", "mirror"],
    ),
    room(
        "relay",
        "sans-IO: records and frames that agents send each other, sessions (in `crates/shadow-record`)",
        &["time", "mirror", "recording"],
    ),
    // Judging needs messages and their account, and nothing of how they came or where they went.
    room(
        "compare",
        "pairs, what differs, what is noise, endpoints, the verdict; sans-IO but for its thread and `store`",
        &[
            "time",
            "budget",
            "latency",
            "health",
            "named_file",
            "http",
            "grpc",
            "correlate",
            "mirror",
            "recording",
        ],
    ),
    room(
        "report",
        "the account and the verdict as users get them: text, JSON, HTML, Markdown, JUnit",
        &["time", "named_file", "mirror", "compare"],
    ),
    // The edges. `capture` is the only room that knows of aya; outputs keep their connections out of it.
    room(
        "capture",
        "segments and secrets of TLS from rings and files; attach, targets, cgroups of pods",
        &[
            "time",
            "privileges",
            "named_file",
            "listen",
            "tcp",
            "tls",
            "hooks",
        ],
    ),
    room(
        "output",
        "http, relays, stdout, files, null",
        &[
            "time",
            "budget",
            "latency",
            "descriptors",
            "named_file",
            "secret",
            "pem",
            "trust",
            "http",
            "grpc",
            "correlate",
            "mirror",
            "recording",
            "relay",
            "compare",
            "capture",
        ],
    ),
    room(
        "input",
        "messages that were not captured (recordings, relays, a clock), and clients of its own",
        &[
            "time",
            "budget",
            "latency",
            "descriptors",
            "named_file",
            "pem",
            "trust",
            "listen",
            "http",
            "mirror",
            "recording",
            "relay",
        ],
    ),
    // The only room that knows of kube. It says what shall be mirrored in the words of the rooms below.
    room(
        "kubernetes",
        "from addresses and routes to pods of this node and mirrors; statuses",
        &["health", "cluster_metrics", "http", "mirror", "capture"],
    ),
    // Each room owns its options; they are put together here.
    room(
        "settings",
        "what a run shall do, resolved: the options of all rooms, each with its unit",
        &[
            "secret",
            "pem",
            "listen",
            "tcp",
            "http",
            "mirror",
            "middleware",
            "compare",
            "capture",
            "output",
            "input",
            "kubernetes",
        ],
    ),
    // How a run is seen from outside.
    room(
        "replay",
        "one kept pair sent again, and as a command line",
        &["budget", "http", "mirror", "compare", "output"],
    ),
    room(
        "status",
        "the status line, the log and the account at the end",
        &["latency", "privileges", "mirror", "report", "output"],
    ),
    room(
        "admin",
        "the HTTP port: health, readiness, metrics, the kill switch, the comparison while it runs",
        &[
            "latency",
            "secret",
            "health",
            "cluster_metrics",
            "mirror",
            "compare",
            "report",
            "output",
        ],
    ),
    room(
        "ui",
        "the same on the whole of a terminal",
        &["mirror", "compare", "report", "status", "admin"],
    ),
    // What puts a run together, and what starts one.
    Room {
        name: "agent",
        what: "the life of a run: threads, signals, plans, drain, pauses, the CPU budget",
        uses: Uses::AllBelow,
    },
    room(
        "demo",
        "two releases of a shop with planted faults, load, and what was named beside what was planted",
        &[
            "privileges",
            "mirror",
            "compare",
            "report",
            "settings",
            "status",
            "agent",
        ],
    ),
    Room {
        name: "cli",
        what: "flags as typed and files as written, resolved once into `settings`; the subcommands",
        uses: Uses::AllBelow,
    },
];

/// Circles of files that are still to be untangled.
pub const CIRCLES: &[&[&str]] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_may_name_what_stands_below_it_alone() {
        let rooms = [room("tcp", "", &["time"]), room("time", "", &[])];
        assert_eq!(
            faults(&rooms),
            ["xtask/src/layers/table.rs: `tcp` may use `time`, which does not stand below it"]
        );
    }

    #[test]
    fn a_room_that_puts_a_run_together_may_use_all_below_it() {
        let agent = Room {
            name: "agent",
            what: "",
            uses: Uses::AllBelow,
        };
        let rooms = [room("tcp", "", &[]), agent, room("cli", "", &[])];
        assert!(may_use(&rooms, &rooms[1], "tcp"));
        assert!(!may_use(&rooms, &rooms[1], "cli"));
    }
}
