//! The agent's HTTP port as its users have it: one request on a connection, and `/metrics` read as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::{DEADLINE, Netns};

/// Asks the agent's port in `netns`; gives the status and the body.
pub fn ask(netns: &Netns, port: SocketAddr, method: &str, path: &str) -> (u16, String) {
    ask_with(netns, port, method, path, &[])
}

/// The same, with these header fields.
pub fn ask_with(netns: &Netns, port: SocketAddr, method: &str, path: &str, fields: &[&str]) -> (u16, String) {
    let mut stream = netns
        .enter(|| TcpStream::connect_timeout(&port, DEADLINE))
        .unwrap_or_else(|error| panic!("cannot connect to {port}: {error}"));
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    let mut lines = vec![format!("{method} {path} HTTP/1.1"), format!("Host: {port}")];
    lines.extend(fields.iter().map(|field| (*field).to_owned()));
    let request = lines.join("\r\n") + "\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .expect("the port takes bytes");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the port answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// One answer of `/metrics`.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Names of the samples, each with its series: labels in their order, and the value.
    samples: BTreeMap<String, Vec<(Labels, f64)>>,
    /// Names that samples of described metrics may have.
    described: BTreeSet<String>,
}

/// Names and values of one series' labels.
pub type Labels = BTreeMap<String, String>;

impl Metrics {
    /// Scrapes the agent's port.
    pub fn scrape(netns: &Netns, port: SocketAddr) -> Self {
        let (status, body) = ask(netns, port, "GET", "/metrics");
        assert_eq!(status, 200, "{body}");
        Self::parse(&body)
    }

    /// Reads the text format. Panics at what a reader would refuse.
    pub fn parse(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "the answer is not whole: {text}");
        let mut metrics = Self {
            samples: BTreeMap::new(),
            described: BTreeSet::new(),
        };
        for line in text.lines() {
            if let Some(description) = line.strip_prefix("# TYPE ") {
                let (name, kind) = description.split_once(' ').expect("a name and a type");
                let suffixes: &[&str] = match kind {
                    "counter" => &["_total"],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    _ => &[""],
                };
                for suffix in suffixes {
                    assert!(metrics.described.insert(format!("{name}{suffix}")), "{line}");
                }
            } else if !line.starts_with('#') {
                metrics.sample(line);
            }
        }
        metrics
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels_of(labels.strip_suffix('}').expect("closed labels"))),
            None => (series, Labels::new()),
        };
        assert!(
            self.described.contains(name),
            "a sample of nothing described: {line}"
        );
        let all = self.samples.entry(name.to_owned()).or_default();
        assert!(all.iter().all(|(other, _)| *other != labels), "twice: {line}");
        all.push((labels, value.parse().expect("a number")));
    }

    /// Whether a sample of this name may come.
    pub fn is_described(&self, name: &str) -> bool {
        self.described.contains(name)
    }

    /// All series of a name.
    pub fn series(&self, name: &str) -> &[(Labels, f64)] {
        self.samples.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum of the series of a name that have these labels, and there is one at least.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matching: Vec<f64> = self
            .series(name)
            .iter()
            .filter(|(has, _)| {
                labels
                    .iter()
                    .all(|(label, value)| has.get(*label).is_some_and(|has| has == value))
            })
            .map(|(_, value)| *value)
            .collect();
        assert!(!matching.is_empty(), "no series {name} with {labels:?}");
        matching.iter().sum()
    }
}

/// `a="b",c="d"`; values with escapes.
fn labels_of(text: &str) -> Labels {
    let mut labels = Labels::new();
    let mut rest = text;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("a closed value") {
                (end, '"') => break end,
                (_, '\\') => value.push(match characters.next().expect("an escape").1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, other) => value.push(other),
            }
        };
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &after[end + 1..];
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_labels_with_escapes_undone() {
        let metrics = Metrics::parse(
            "# TYPE a counter\na_total{x=\"1\",y=\"say \\\"hi\\\",\\n\"} 2\na_total{x=\"2\"} 3\n# EOF\n",
        );
        assert_eq!(metrics.series("a_total")[0].0["y"], "say \"hi\",\n");
        assert!((metrics.sum("a_total", &[]) - 5.0).abs() < f64::EPSILON);
        assert!((metrics.sum("a_total", &[("x", "2")]) - 3.0).abs() < f64::EPSILON);
    }
}
