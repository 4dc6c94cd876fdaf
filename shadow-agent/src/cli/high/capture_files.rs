//! Capture files by name: where a file of the very name that was typed exists, it is meant, whatever its name and the colons in
//! it. `GoReplay` reads one so with its engine `pcap_file`; without that, only where what was typed is nothing else.

use std::path::{Path, PathBuf};

use crate::cli::address::parse_ports;
use crate::cli::error::Problem;
use crate::cli::glob;
use crate::settings::RawInput;

/// The capture files that `text` names: a file, or a pattern for several, and ports behind a colon. None where there are none.
pub fn named(text: &str) -> Result<Vec<RawInput>, Problem> {
    let with_ports = text.rsplit_once(':').and_then(|(name, ports)| {
        let ports = parse_ports(ports).ok()?;
        Some((name, ports))
    });
    for (name, ports) in [(text, Vec::new())].into_iter().chain(with_ports) {
        let files = files(name)?;
        if !files.is_empty() {
            let input = |path| RawInput::File {
                path,
                ports: ports.clone(),
            };
            return Ok(files.into_iter().map(input).collect());
        }
    }
    Ok(Vec::new())
}

/// The regular files that a name, or a pattern, stands for.
fn files(name: &str) -> Result<Vec<PathBuf>, Problem> {
    let is_file = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut files = glob::expand(name).map_err(|error| {
        Problem::new(
            format!("cannot list the capture files ({error})"),
            "name fewer of them",
        )
    })?;
    files.retain(|path| is_file(path));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let shown = |input: &RawInput| match input {
            RawInput::File { path, ports } => format!("{} {ports:?}", path.display()),
            other => panic!("{other:?}"),
        };
        named(text).unwrap().iter().map(shown).collect()
    }

    #[test]
    fn a_file_is_meant_by_its_very_name_and_patterns_by_what_is_there() {
        let folder = std::env::temp_dir().join(format!("shadow-agent-captures-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        for name in ["CUSTOMER.dump1", "CUSTOMER.dump0", "2026-01-01T10:00:00", "a:80"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.join("CUSTOMER.dump2")).unwrap();
        let at = folder.display();
        for (typed, expected) in [
            ("CUSTOMER.dump1", &["CUSTOMER.dump1 []"][..]),
            ("CUSTOMER.dump1:80,8080", &["CUSTOMER.dump1 [80, 8080]"]),
            ("2026-01-01T10:00:00", &["2026-01-01T10:00:00 []"]),
            ("2026-01-01T10:00:00:81", &["2026-01-01T10:00:00 [81]"]),
            ("a:80", &["a:80 []"]),
            ("CUSTOMER.dump*", &["CUSTOMER.dump0 []", "CUSTOMER.dump1 []"]),
            (
                "CUSTOMER.dump?:80",
                &["CUSTOMER.dump0 [80]", "CUSTOMER.dump1 [80]"],
            ),
            ("CUSTOMER.dump3", &[]),
            ("CUSTOMER.dump2", &[]),
        ] {
            let expected: Vec<_> = expected.iter().map(|name| format!("{at}/{name}")).collect();
            assert_eq!(shown(&format!("{at}/{typed}")), expected, "{typed}");
        }
        let _ = std::fs::remove_dir_all(&folder);
    }
}
