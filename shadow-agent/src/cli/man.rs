//! The man pages: the program's, and one for each command that it names.

use clap::CommandFactory;
use clap_mangen::Man;

use super::error::Problem;
use super::help::{self, shown_command};
use super::low::Arguments;

/// The page of the program, or of one of its commands.
///
/// # Errors
///
/// When there is no such command.
pub fn page(command: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let definitions = match command {
        None => help::all(),
        Some(name) => {
            let mut all = Arguments::command();
            all.build();
            let found = shown_command(&all, name);
            found.cloned().ok_or_else(|| {
                let names = all.get_subcommands().filter(|command| !command.is_hide_set());
                let names: Vec<_> = names.map(clap::Command::get_name).collect();
                Problem::new(
                    "there is no such command",
                    format!("commands are {}", names.join(", ")),
                )
                .of("man", name)
            })?
        }
    };
    let mut page = Vec::new();
    Man::new(definitions).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(command: Option<&str>) -> String {
        let page = String::from_utf8(page(command).unwrap()).unwrap();
        page.replace("\\-", "-")
    }

    #[test]
    fn every_page_that_the_main_page_names_exists() {
        let main = text(None);
        assert!(main.contains("\n.TH shadow-agent 1"), "{}", &main[..300]);
        let lines = main.lines().filter_map(|line| line.strip_suffix("(1)"));
        let named: Vec<&str> = lines
            .filter_map(|line| line.strip_prefix("shadow-agent-"))
            .collect();
        assert_eq!(
            named,
            [
                "demo",
                "doctor",
                "detach",
                "report",
                "replay",
                "completions",
                "man"
            ]
        );
        for command in named {
            let page = text(Some(command));
            assert!(
                page.contains(&format!("\n.TH shadow-agent-{command} 1")),
                "{page}"
            );
            assert!(page.contains(".SH DESCRIPTION"), "{page}");
        }
    }

    #[test]
    fn a_command_that_is_none_or_hidden_is_refused_with_those_that_are() {
        for name in ["nonsense", "demo-server"] {
            let error = page(Some(name)).unwrap_err().to_string();
            assert!(error.contains("commands are demo, doctor"), "{error}");
        }
    }
}
