//! Requests with ids, found again in access logs.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

/// A batch of requests: each has `id=NAME-N` in its query, `N` from 1 to `count`.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Another for each batch that is ever sent.
    pub name: String,
    /// How many there are.
    pub count: usize,
}

/// The lines that a log has of one batch: the lines of each id.
#[derive(Debug, PartialEq, Eq)]
pub struct Logged(BTreeMap<usize, Vec<String>>);

impl Batch {
    /// The query of all of them, as curl's globbing has it.
    pub fn query(&self) -> String {
        format!("id={}-[1-{}]", self.name, self.count)
    }

    /// Finds them in the text of a log, whatever its format: an id ends where no digit follows.
    pub fn in_log(&self, log: &str) -> Logged {
        let mark = format!("id={}-", self.name);
        let mut found: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for line in log.lines() {
            let Some((_, rest)) = line.split_once(&mark) else {
                continue;
            };
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            if let Ok(number) = rest[..digits].parse() {
                found.entry(number).or_default().push(line.to_owned());
            }
        }
        Logged(found)
    }

    /// Whether production has served all of them, once each.
    pub fn served(&self, production: &Logged) -> Result<(), String> {
        complete("production", production, self.count)
    }

    /// Whether every one of them was copied, once each.
    pub fn copied(&self, shadow: &Logged) -> Result<(), String> {
        complete("the shadow", shadow, self.count)
    }
}

impl Logged {
    /// How many ids there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every id is production's too, and stands there once.
    pub fn is_part_of(&self, production: &Self) -> Result<()> {
        for (id, lines) in &self.0 {
            ensure!(lines.len() == 1, "request {id} was copied {} times", lines.len());
            ensure!(
                production.0.contains_key(id),
                "request {id} was never production's"
            );
        }
        Ok(())
    }

    /// Every line starts with this Host.
    pub fn has_host(&self, host: &str) -> Result<()> {
        for line in self.0.values().flatten() {
            if line.split(' ').next() != Some(host) {
                bail!("not for the host {host}: {line}");
            }
        }
        Ok(())
    }
}

fn complete(who: &str, logged: &Logged, count: usize) -> Result<(), String> {
    let once = logged.0.values().filter(|lines| lines.len() == 1).count();
    let more = logged.0.len() - once;
    if once == count && more == 0 {
        return Ok(());
    }
    Err(format!(
        "{who} has {once} of {count} once, and {more} several times"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> Batch {
        Batch {
            name: "r-1".to_owned(),
            count: 2,
        }
    }

    #[test]
    fn ids_are_found_in_any_format_and_no_others() {
        let log = "10.0.0.1 - - [x] \"GET /?id=r-1-1 HTTP/1.1\" 200 615 \"-\" \"curl\" \"-\"\n\
                   cluster-1 \"GET /?id=r-1-2 HTTP/1.1\" 200\n\
                   cluster-1 \"GET /?id=r-10-2 HTTP/1.1\" 200\n\
                   \"GET /?id=r-1- HTTP/1.1\"\nnoise\n";
        let logged = batch().in_log(log);
        assert_eq!(logged.count(), 2);
        assert_eq!(batch().served(&logged), Ok(()));
        assert!(logged.has_host("cluster-1").is_err());
    }

    #[test]
    fn what_is_missing_or_twice_is_said() {
        let once = batch().in_log("a id=r-1-1\na id=r-1-2\n");
        let twice = batch().in_log("a id=r-1-1\na id=r-1-2\na id=r-1-2\n");
        let less = batch().in_log("a id=r-1-1\n");
        assert_eq!(batch().copied(&once), Ok(()));
        assert_eq!(
            batch().copied(&twice),
            Err("the shadow has 1 of 2 once, and 1 several times".to_owned())
        );
        assert_eq!(
            batch().served(&less),
            Err("production has 1 of 2 once, and 0 several times".to_owned())
        );
        assert!(less.is_part_of(&once).is_ok());
        assert!(once.is_part_of(&less).is_err() && twice.is_part_of(&once).is_err());
        assert!(once.has_host("a").is_ok());
    }
}
