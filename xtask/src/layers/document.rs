//! The table of rooms as the document has it, between two markers.

use std::fmt::Write as _;

use anyhow::Context;

use super::crate_tree::Crate;
use super::table::{Room, Uses};

const BEGIN: &str = "<!-- rooms: made by `cargo xtask layers` from xtask/src/layers/table.rs -->\n";
const END: &str = "<!-- end of rooms -->\n";

/// The document with the table of these rooms in the place of the one that it has. `crates` are some of them.
pub fn with_table(document: &str, rooms: &[Room], crates: &[Crate]) -> anyhow::Result<String> {
    let missing = || {
        format!(
            "there is no line {:?} before a line {:?}",
            BEGIN.trim_end(),
            END.trim_end()
        )
    };
    let (before, rest) = document.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(rooms, crates)))
}

fn table(rooms: &[Room], crates: &[Crate]) -> String {
    let mut table = "| room | what it is | may use |\n| --- | --- | --- |\n".to_owned();
    for room in rooms {
        let uses = match room.uses {
            Uses::AllBelow => "all of the above".to_owned(),
            Uses::These([]) => "nothing".to_owned(),
            Uses::These(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                names.join(", ")
            }
        };
        let what = match crates.iter().find(|one| one.room == Some(room.name)) {
            Some(one) => format!("{} (`{}`)", room.what, one.folder),
            None => room.what.to_owned(),
        };
        let _ = writeln!(table, "| `{}` | {what} | {uses} |", room.name);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: [Room; 3] = [
        Room {
            name: "time",
            what: "times",
            uses: Uses::These(&[]),
        },
        Room {
            name: "tcp",
            what: "streams",
            uses: Uses::These(&["time"]),
        },
        Room {
            name: "cli",
            what: "flags",
            uses: Uses::AllBelow,
        },
    ];

    const CRATE: Crate = Crate {
        name: "tcp",
        folder: "crates/tcp",
        room: Some("tcp"),
    };

    #[test]
    fn the_table_between_the_markers_is_replaced() {
        let document = format!("# Rooms\n\n{BEGIN}old\n{END}\nmore\n");
        assert_eq!(
            with_table(&document, &ROOMS, &[CRATE]).unwrap(),
            format!(
                "# Rooms\n\n{BEGIN}\
                 | room | what it is | may use |\n\
                 | --- | --- | --- |\n\
                 | `time` | times | nothing |\n\
                 | `tcp` | streams (`crates/tcp`) | `time` |\n\
                 | `cli` | flags | all of the above |\n\
                 {END}\nmore\n"
            )
        );
    }

    #[test]
    fn a_document_without_markers_is_an_error_that_shows_them() {
        let error = with_table("# Rooms\n", &ROOMS, &[]).unwrap_err().to_string();
        assert!(error.contains("end of rooms"), "{error}");
    }
}
