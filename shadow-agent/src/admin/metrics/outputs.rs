//! The state of the outputs, and how long exchanges take on both sides.

use std::fmt;

use super::Snapshot;
use super::family::Families;
use crate::output::OutputStatus;

impl Snapshot {
    pub(super) fn encode_outputs(&self, families: &mut Families<'_>) -> fmt::Result {
        let mut gauge = |name, help, of: fn(&OutputStatus) -> f64| {
            let series = self.outputs.iter();
            families.gauge(
                name,
                help,
                series.map(|(name, _, status)| (vec![("output", name.as_str())], of(status))),
            )
        };
        gauge(
            "output_queued_requests",
            "Requests that wait for the output.",
            |status| status.queued as f64,
        )?;
        gauge(
            "output_active_requests",
            "Requests under way to the output.",
            |status| status.active as f64,
        )?;
        gauge(
            "output_connections",
            "Connections to the output that are open.",
            |status| status.connections_open as f64,
        )?;
        gauge(
            "output_breaker_open",
            "Whether the circuit breaker leaves the output alone (1) or not (0).",
            |status| f64::from(u8::from(status.breaker_open)),
        )?;
        let opened = self.outputs.iter();
        families.counter(
            "output_connections_opened",
            "Connections to the output that were opened.",
            opened.map(|(name, _, status)| (vec![("output", name.as_str())], status.connections_opened)),
        )?;
        let latencies = self.outputs.iter();
        families.histogram(
            "output_exchange_seconds",
            "How long the shadow takes for an exchange that was delivered, from the first byte written to the last \
             byte read.",
            latencies.filter_map(|(name, _, status)| Some((vec![("output", name.as_str())], status.latency.as_ref()?))),
        )?;
        families.histogram(
            "production_exchange_seconds",
            "How long production takes, from a request's last byte to its response's last byte on the wire. Only with \
             --input-raw-track-response.",
            self.production.iter().map(|counts| (vec![], counts)),
        )
    }
}
