//! An nginx's access log as requests that can be compared: what production got against what the shadow got.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::Path;

use crate::nginx::NO_VALUE;

/// Differences shown one by one before a report says how many more there are.
const SHOWN: usize = 10;

/// One request as an nginx got it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// nginx's number of the connection it came on.
    pub connection: u64,
    /// Its number on that connection, from 1.
    pub on_connection: u64,
    /// Status of the answer.
    pub status: u16,
    /// Method.
    pub method: String,
    /// Target as sent.
    pub uri: String,
    /// Protocol version as sent.
    pub protocol: String,
    /// The Host header.
    pub host: String,
    /// The X-Id header, by which tests tell requests apart.
    pub id: String,
    /// Size and hash of the body, where it was kept (`/upload`).
    pub body: Option<(u64, u64)>,
    /// Address of the client.
    pub client: String,
}

/// Requests in the order they were answered.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(pub Vec<Entry>);

/// The fields that make two requests the same.
type Identity = (String, String, String, Option<(u64, u64)>);

/// Requests that only one of two logs has, each with how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the first log only.
    pub missing: BTreeMap<Identity, u64>,
    /// In the second log only.
    pub extra: BTreeMap<Identity, u64>,
}

impl AccessLog {
    /// Reads a log in the format of [`Nginx`](crate::Nginx), and the bodies it names.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let text = String::from_utf8_lossy(&bytes);
        Self(text.lines().map(Entry::parse).collect())
    }

    /// Requests in the log.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no request came.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Connections that carried requests.
    pub fn connections(&self) -> usize {
        let mut connections: Vec<_> = self.0.iter().map(|entry| entry.connection).collect();
        connections.sort_unstable();
        connections.dedup();
        connections.len()
    }

    /// The requests for which `keep` holds.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(&Entry) -> bool) -> AccessLog {
        AccessLog(self.0.iter().filter(|entry| keep(entry)).cloned().collect())
    }

    /// Compares the multisets of requests: method, target, X-Id and, where it was kept, body.
    pub fn difference(&self, other: &AccessLog) -> Difference {
        let mut difference = Difference {
            missing: self.count(),
            extra: BTreeMap::new(),
        };
        for (identity, count) in other.count() {
            let here = difference.missing.remove(&identity).unwrap_or(0);
            if here > count {
                difference.missing.insert(identity, here - count);
            } else if count > here {
                difference.extra.insert(identity, count - here);
            }
        }
        difference
    }

    /// Panics with a readable report unless `shadow` got the very same requests, each as often.
    pub fn assert_same_requests(&self, shadow: &AccessLog) {
        let difference = self.difference(shadow);
        assert!(
            difference == Difference::default(),
            "production logged {} requests, the shadow {}:\n{difference}",
            self.len(),
            shadow.len()
        );
    }

    fn count(&self) -> BTreeMap<Identity, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.0 {
            let identity = (
                entry.method.clone(),
                entry.uri.clone(),
                entry.id.clone(),
                entry.body,
            );
            *counts.entry(identity).or_default() += 1;
        }
        counts
    }
}

impl Difference {
    /// Requests the second log lacks.
    pub fn missing(&self) -> u64 {
        self.missing.values().sum()
    }

    /// Requests the first log lacks.
    pub fn extra(&self) -> u64 {
        self.extra.values().sum()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, total, requests) in [
            ("only production has", self.missing(), &self.missing),
            ("only the shadow has", self.extra(), &self.extra),
        ] {
            writeln!(f, "{what} {total}")?;
            for ((method, uri, id, body), count) in requests.iter().take(SHOWN) {
                write!(f, "  {count} x {method} {uri} id={id}")?;
                match body {
                    Some((size, hash)) => writeln!(f, " body={size} bytes, hash {hash:016x}")?,
                    None => writeln!(f)?,
                }
            }
            if requests.len() > SHOWN {
                writeln!(f, "  ... and {} more", requests.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}

impl Entry {
    fn parse(line: &str) -> Self {
        let fields: Vec<_> = line.split('\t').collect();
        let [
            connection,
            on_connection,
            status,
            method,
            uri,
            protocol,
            host,
            id,
            body,
            client,
        ] = fields[..]
        else {
            panic!("not a line of the access log: {line:?}");
        };
        let number = |text: &str| {
            text.parse()
                .unwrap_or_else(|_| panic!("not a number: {text:?} in {line:?}"))
        };
        Self {
            connection: number(connection),
            on_connection: number(on_connection),
            status: number(status) as u16,
            method: method.to_owned(),
            uri: uri.to_owned(),
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            id: id.to_owned(),
            body: (body != NO_VALUE).then(|| fingerprint(Path::new(body))),
            client: client.to_owned(),
        }
    }
}

fn fingerprint(body: &Path) -> (u64, u64) {
    let bytes = std::fs::read(body).unwrap_or_else(|error| panic!("{}: {error}", body.display()));
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    (bytes.len() as u64, hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(&str, &str)]) -> AccessLog {
        let line = |(uri, id): &(&str, &str)| {
            Entry::parse(&format!("7\t1\t200\tGET\t{uri}\tHTTP/1.1\th\t{id}\t-\t::1"))
        };
        AccessLog(lines.iter().map(line).collect())
    }

    #[test]
    fn order_does_not_matter_but_number_does() {
        let production = log(&[("/a", "1"), ("/b", "2"), ("/b", "2")]);
        production.assert_same_requests(&log(&[("/b", "2"), ("/a", "1"), ("/b", "2")]));
        let difference = production.difference(&log(&[("/b", "2"), ("/a", "1"), ("/a", "3")]));
        assert_eq!((difference.missing(), difference.extra()), (1, 1));
        assert_eq!(
            difference.to_string(),
            "only production has 1\n  1 x GET /b id=2\nonly the shadow has 1\n  1 x GET /a id=3\n"
        );
    }

    #[test]
    fn connections_are_counted_once() {
        assert_eq!(log(&[("/a", "1"), ("/b", "2")]).connections(), 1);
    }
}
