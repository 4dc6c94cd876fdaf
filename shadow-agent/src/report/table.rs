//! The ledger as a table for people, at exit.

use std::fmt::Write;

use serde_json::Value;

use super::LedgerDocument;
use crate::mirror::ledger::{DropReason, OutputCounts};

/// Width of the names on the left.
const NAME: usize = 22;
/// Width of the numbers.
const NUMBER: usize = 13;

/// The document as lines of text: what was seen, what became of it for each output and why, and what capture
/// lost. Outcomes that did not happen are left out.
pub fn table(document: &LedgerDocument) -> String {
    let mut text = String::from("\nLedger\n");
    let verdict = if document.balanced {
        "BALANCED: every request seen has exactly one outcome"
    } else {
        "NOT BALANCED: a bug in shadow-agent, please report it with this table"
    };
    row(&mut text, 1, "seen", document.seen, "requests seen");
    for output in &document.outputs {
        let _ = writeln!(text, "\n  {}", output.output);
        if output.counts.seen != document.seen {
            row(
                &mut text,
                2,
                "seen",
                output.counts.seen,
                "requests for this output",
            );
        }
        outcomes(&mut text, &output.counts, output.counts.seen);
    }
    object(&mut text, "connections", &document.connections);
    object(&mut text, "capture", &document.capture);
    let _ = writeln!(text, "\n  {verdict}");
    text
}

fn outcomes(text: &mut String, counts: &OutputCounts, seen: u64) {
    let dropped = counts.dropped.values().sum();
    let rows = [
        (
            "delivered",
            counts.delivered,
            "complete response received, or written",
        ),
        ("filtered", counts.filtered, "dropped by a filter"),
        ("sampled_out", counts.sampled_out, "skipped by sampling"),
        ("limited", counts.limited, "skipped by a rate limit"),
        ("dropped", dropped, "lost, by reason:"),
    ];
    for (name, count, meaning) in rows {
        if count > 0 || name == "delivered" {
            row(
                text,
                2,
                name,
                count,
                &format!("{:>6}  {meaning}", share(count, seen)),
            );
        }
        if name == "dropped" {
            for (reason, count) in &counts.dropped {
                row(
                    text,
                    3,
                    name_of(*reason).as_str(),
                    *count,
                    &format!("{:>6}  {}", share(*count, seen), explanation(*reason)),
                );
            }
        }
    }
    of_these(text, counts, seen);
    if counts.in_flight > 0 {
        row(
            text,
            2,
            "in_flight",
            counts.in_flight,
            &format!("{:>6}  no outcome yet", share(counts.in_flight, seen)),
        );
    }
}

/// Requests among those above that are worth a word.
fn of_these(text: &mut String, counts: &OutputCounts, seen: u64) {
    let values = grouped(counts.correlated_values);
    let rows = [
        (
            "copies",
            counts.copies,
            "of these, additional copies of a request (a limit above 100%)".to_owned(),
        ),
        (
            "correlated",
            counts.correlated,
            format!("of these, sent with values that it had issued ({values})"),
        ),
        (
            "uncorrelated",
            counts.uncorrelated,
            "of these, carrying what production had issued and it had not".to_owned(),
        ),
    ];
    for (name, count, meaning) in rows {
        if count > 0 {
            row(
                text,
                2,
                name,
                count,
                &format!("{:>6}  {meaning}", share(count, seen)),
            );
        }
    }
}

/// The counts of an object by name, nested ones with a dot; those that are 0 are left out.
fn object(text: &mut String, title: &str, value: &Value) {
    let mut counts = Vec::new();
    flatten(String::new(), value, &mut counts);
    counts.retain(|(_, count)| *count > 0);
    if counts.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n  {title}");
    for (name, count) in counts {
        row(text, 2, &name, count, "");
    }
}

fn flatten(name: String, value: &Value, counts: &mut Vec<(String, u64)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let name = if name.is_empty() {
                    field.clone()
                } else {
                    format!("{name}.{field}")
                };
                flatten(name, value, counts);
            }
        }
        _ => counts.extend(value.as_u64().map(|count| (name, count))),
    }
}

fn row(text: &mut String, depth: usize, name: &str, count: u64, meaning: &str) {
    let indent = 2 * depth;
    let name_width = NAME.saturating_sub(indent);
    let line = format!(
        "{:indent$}{name:<name_width$}{:>NUMBER$}  {meaning}",
        "",
        grouped(count)
    );
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A percentage that says 100% or 0% only where it is exactly so: one lost request in a million shows.
fn share(count: u64, of: u64) -> String {
    if count == 0 || of == 0 {
        return "0%".to_owned();
    }
    if count == of {
        return "100%".to_owned();
    }
    let percent = (count as f64 / of as f64 * 100.0).clamp(0.1, 99.9);
    format!("{percent:.1}%")
}

/// A reason's name in the ledger.
fn name_of(reason: DropReason) -> String {
    serde_json::to_value(reason)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{reason:?}"))
}

/// Explanation of a reason, with the flag that bears on it.
pub fn explanation(reason: DropReason) -> &'static str {
    match reason {
        DropReason::Gap => "packets were lost in capture or on the wire (--input-raw-buffer-size)",
        DropReason::TlsRecordLost => {
            "a TLS record could not be decrypted: packets were lost (--input-raw-buffer-size)"
        }
        DropReason::MidStream => "its connection was open before the agent started (--input-raw-resume)",
        DropReason::Reset => "its connection was reset before it was complete",
        DropReason::Truncated => "its client closed or went silent before it was complete",
        DropReason::HeadTooLarge => "its head is larger than --max-head or --max-headers",
        DropReason::BodyTooLarge => "its body is larger than --max-body",
        DropReason::Malformed => "it is not valid HTTP",
        DropReason::AmbiguousFraming => {
            "its length, or that of an earlier request, is ambiguous (RFC 9112 6.3)"
        }
        DropReason::MirrorEnded => "its mirror or route was removed before it was sent",
        DropReason::Memory => "--max-memory was reached",
        DropReason::Upgrade => "it switches from HTTP to another protocol (CONNECT)",
        DropReason::AfterReject => "it followed a request that could not be parsed (--verbose logs it)",
        DropReason::AfterClose => {
            "it followed a request that closes the connection (RFC 9112 9.6), or production closed before reading it"
        }
        DropReason::H2TableUnknown => {
            "HTTP/2: its head repeats fields sent before the agent started or in lost packets"
        }
        DropReason::H2Gap => "HTTP/2: packets inside it were lost (--input-raw-buffer-size)",
        DropReason::H2Reset => "HTTP/2: its stream was reset before it was complete",
        DropReason::H2Flood => "HTTP/2: its connection had too many streams open or reset",
        DropReason::H2Refused => "HTTP/2: production refused its stream, or closed before processing it",
        DropReason::GrpcStreamLimit => {
            "a gRPC stream was longer than --grpc-max-stream: mirrored up to there"
        }
        DropReason::GrpcStreamLeft => {
            "a gRPC stream was cancelled by its client, or left with its connection: mirrored up to there"
        }
        DropReason::Unanswered => {
            "production did not accept its connection: the handshake was not completed (spoofed address, \
             refused, or lost packets: --input-raw-buffer-size)"
        }
        DropReason::LoopGuard => "it is itself a copy: it has the marker header",
        DropReason::UnsafeRewrite => "rewriting made it invalid (--http-rewrite-*)",
        DropReason::Unredactable => "its JSON could not be parsed for --http-redact-json (--http-json-limit)",
        DropReason::QueueFull => "the queue was full (--output-http-queue-len, -queue-size, -workers)",
        DropReason::BreakerOpen => "the circuit breaker was open (--output-http-breaker-*)",
        DropReason::ConnectError => "could not connect to the shadow",
        DropReason::Timeout => {
            "the shadow did not respond in time (--output-http-timeout, --output-tcp-timeout)"
        }
        DropReason::UpstreamClosed => {
            "the shadow closed or reset the connection before its response was complete"
        }
        DropReason::BadResponse => {
            "the shadow's response was not HTTP, or larger than --output-http-max-response"
        }
        DropReason::HttpVersion => "it could not be sent by that HTTP version (--output-http-version)",
        DropReason::WriteError => "writing it failed",
        DropReason::MiddlewareEnded => "the middleware exited before returning it",
        DropReason::Shutdown => "the agent stopped first (--shutdown-timeout)",
        DropReason::Paused => "mirroring was paused",
        DropReason::Internal => "a bug in shadow-agent: please report it",
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::example;
    use super::*;

    #[test]
    fn the_table_can_be_read_at_a_glance() {
        let expected = "
Ledger
  seen                       12,345  requests seen

  http://staging:8080
    delivered                12,300   99.6%  complete response received, or written
    dropped                      45    0.4%  lost, by reason:
      gap                         2    0.1%  packets were lost in capture or on the wire (--input-raw-buffer-size)
      timeout                    43    0.3%  the shadow did not respond in time (--output-http-timeout, --output-tcp-timeout)

  connections
    opened                      342

  capture
    lost.ring_full                3
    segments                 25,000

  BALANCED: every request seen has exactly one outcome
";
        assert_eq!(table(&example()), expected);
    }

    #[test]
    fn an_account_that_does_not_balance_says_so() {
        let mut document = example();
        document.balanced = false;
        assert!(table(&document).contains("\n  NOT BALANCED: a bug in shadow-agent"));
    }

    #[test]
    fn nothing_seen_is_a_table_too() {
        let document = LedgerDocument::new(
            &["null".to_owned()],
            crate::mirror::ledger::ShardLedger::new(1).snapshot(),
            Value::Null,
            Value::Null,
        );
        let expected = "
Ledger
  seen                            0  requests seen

  null
    delivered                     0      0%  complete response received, or written

  BALANCED: every request seen has exactly one outcome
";
        assert_eq!(table(&document), expected);
    }

    #[test]
    fn a_share_is_whole_only_where_nothing_is_missing() {
        assert_eq!(share(999_999, 1_000_000), "99.9%");
        assert_eq!(share(1, 1_000_000), "0.1%");
        assert_eq!(share(5, 5), "100%");
        assert_eq!(share(0, 5), "0%");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
