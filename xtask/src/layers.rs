//! `cargo xtask layers`: the rooms of the agent import downwards, as `layers/table.rs` says. Each import that does not is an
//! error with its place and the way out, and so is a circle of files. The table in `docs/ARCHITECTURE.md` is made from the
//! same rows.

mod circles;
mod crate_tree;
mod document;
mod source;
mod table;
mod tokens;

use std::collections::BTreeSet;

use anyhow::{Context, ensure};

use self::crate_tree::{File, read_crates};
use self::table::{CRATES, ROOMS, Room, may_use};
use crate::setup;

/// Where the table of rooms is written, below the root of the repository.
const DOCUMENT: &str = "docs/ARCHITECTURE.md";

/// Arguments of the chore.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing; fail also when the table in the document is not what the rows say.
    #[arg(long)]
    check: bool,
}

/// Runs the chore.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let files = read_crates(&setup::workspace(), CRATES)?;
    let mut faults = table::faults(ROOMS);
    faults.extend(imports(&files, ROOMS));
    faults.extend(circles::faults(&files));
    for fault in &faults {
        eprintln!("{fault}");
    }
    ensure!(
        faults.is_empty(),
        "{} faults: xtask/src/layers/table.rs says which room may import which",
        faults.len()
    );

    let path = setup::workspace().join(DOCUMENT);
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let new = document::with_table(&old, ROOMS, CRATES).with_context(|| DOCUMENT.to_owned())?;
    if old != new {
        ensure!(
            !arguments.check,
            "{DOCUMENT}: the table of rooms is not what xtask/src/layers/table.rs says: run `cargo xtask layers` and commit it"
        );
        std::fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
        println!("wrote the table of rooms into {DOCUMENT}");
    }
    println!(
        "{} rooms, {} files: no import runs up, no circle",
        ROOMS.len(),
        files.len()
    );
    Ok(())
}

/// Imports that the table does not allow, and rows that allow more than is imported.
fn imports(files: &[File], rooms: &[Room]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    let rank = |name: &str| rooms.iter().position(|room| room.name == name);
    for file in files {
        let Some(from) = file.module.first() else {
            continue;
        };
        let Some(room) = rooms.iter().find(|room| room.name == *from) else {
            faults.push(format!(
                "{}: the room `{from}` has no row in xtask/src/layers/table.rs: add one above all that it imports",
                file.path
            ));
            continue;
        };
        for path in &file.source.paths {
            let Some(to) = path.names.first().filter(|to| *to != from) else {
                continue;
            };
            used.insert((room.name, to.as_str()));
            if may_use(rooms, room, to) {
                continue;
            }
            let names = path.names.join("::");
            let way_out = if rank(to) < rank(from) {
                format!("it stands below: add it to the row of `{from}` if it belongs there")
            } else {
                format!(
                    "`{to}` stands above `{from}`: move what both need down, let `{from}` own the trait or the options that \
                     `{to}` brings, or pass the value in"
                )
            };
            faults.push(format!(
                "{}:{}: `{from}` imports crate::{names}: {way_out}",
                file.path, path.line
            ));
        }
    }
    for room in rooms {
        let idle = room.uses().iter().filter(|to| !used.contains(&(room.name, **to)));
        faults.extend(idle.map(|to| {
            format!(
                "xtask/src/layers/table.rs: `{}` may use `{to}` and does not: take it out",
                room.name
            )
        }));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::table::Uses;
    use super::*;

    const TIME: Room = Room {
        name: "time",
        what: "times",
        uses: Uses::These(&[]),
    };
    const TCP: Room = Room {
        name: "tcp",
        what: "streams",
        uses: Uses::These(&["time"]),
    };
    const HTTP: Room = Room {
        name: "http",
        what: "messages",
        uses: Uses::These(&["tcp"]),
    };

    fn file(path: &str, module: &[&str], text: &str) -> File {
        let module: Vec<String> = module.iter().map(|&name| name.to_owned()).collect();
        File {
            path: path.to_owned(),
            source: source::read(text, &module, &[], &[]),
            module,
        }
    }

    fn tree(time: &str, http: &str) -> Vec<File> {
        vec![
            file("time.rs", &["time"], time),
            file("tcp/mod.rs", &["tcp"], "use crate::time::Timestamp;"),
            file("http.rs", &["http"], http),
        ]
    }

    #[test]
    fn imports_that_run_down_are_no_fault() {
        let files = tree("", "use crate::tcp::Chunk;");
        assert_eq!(imports(&files, &[TIME, TCP, HTTP]), Vec::<String>::new());
    }

    #[test]
    fn one_that_runs_up_is_told_with_its_place_and_the_way_out() {
        let files = tree("\nuse crate::tcp::Segment;", "use crate::tcp::Chunk;");
        assert_eq!(
            imports(&files, &[TIME, TCP, HTTP]),
            [
                "time.rs:2: `time` imports crate::tcp::Segment: `tcp` stands above `time`: move what both need down, let \
                 `time` own the trait or the options that `tcp` brings, or pass the value in"
            ]
        );
    }

    #[test]
    fn one_that_runs_down_is_told_too_when_its_row_has_it_not() {
        let files = tree("", "use crate::{tcp::Chunk, time::Timestamp};");
        assert_eq!(
            imports(&files, &[TIME, TCP, HTTP]),
            [
                "http.rs:1: `http` imports crate::time::Timestamp: it stands below: add it to the row of `http` if it belongs there"
            ]
        );
    }

    #[test]
    fn what_is_allowed_and_not_used_is_told() {
        assert_eq!(
            imports(&tree("", ""), &[TIME, TCP, HTTP]),
            ["xtask/src/layers/table.rs: `http` may use `tcp` and does not: take it out"]
        );
    }

    #[test]
    fn a_room_needs_a_row() {
        assert_eq!(
            imports(&[file("udp.rs", &["udp"], "")], &[TIME]),
            [
                "udp.rs: the room `udp` has no row in xtask/src/layers/table.rs: add one above all that it imports"
            ]
        );
    }
}
