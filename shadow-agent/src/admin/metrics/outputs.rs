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
            "Requests queued for the output.",
            |status| status.queued as f64,
        )?;
        gauge(
            "output_active_requests",
            "Requests in flight to the output.",
            |status| status.active as f64,
        )?;
        gauge(
            "output_connections",
            "Connections to the output that are open.",
            |status| status.connections_open as f64,
        )?;
        gauge(
            "output_breaker_open",
            "Whether the circuit breaker of the output is open (1) or not (0).",
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
            "Latency of the shadow for delivered exchanges, from the first byte sent to the last byte received.",
            latencies.filter_map(|(name, _, status)| Some((vec![("output", name.as_str())], status.latency.as_ref()?))),
        )?;
        let delays = self.outputs.iter();
        families.histogram(
            "output_copy_delay_seconds",
            "How late copies are sent: from production's request, when it was whole, to the last byte of its copy. Of live \
             requests whose exchange has ended.",
            delays.filter_map(|(name, _, status)| Some((vec![("output", name.as_str())], status.copy_delay.as_ref()?))),
        )?;
        families.histogram(
            "production_exchange_seconds",
            "Latency of production, from the request's last byte to the response's last byte on the wire. Only with \
             --input-raw-track-response.",
            self.production.iter().map(|counts| (vec![], counts)),
        )
    }
}
