//! Counters of the kernel programs, on each CPU.

/// Number of counters.
pub const COUNTERS: usize = Counter::BytesCut as usize + 1;

/// One counter. A packet is *selected* when it goes to a target, or comes from one and either responses are tracked or it
/// is a SYN with ACK, a FIN or a RST. Each selected packet ends in exactly one of the counters marked **end**, so that
/// `PacketsSelected` is their sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Packets selected.
    PacketsSelected,
    /// **end**: packets copied to a ring, whole; where responses are not tracked, those of servers without payload.
    PacketsCopied,
    /// Payload bytes copied to a ring.
    BytesCopied,
    /// Records put in a ring.
    Records,
    /// **end**: packets that carry nothing: no payload, no SYN, FIN or RST.
    PacketsEmpty,
    /// **end**: packets of the agent's own connections.
    PacketsOwn,
    /// **end**: packets in frames to another host's hardware address, which a card in promiscuous mode or a bridge
    /// hands up; this host drops them. Not those that a target takes all the same ([`crate::MatchOn`]).
    PacketsOtherHost,
    /// **end**: packets without the VLAN tag that is asked for.
    PacketsOtherVlan,
    /// **end**: packets other than SYN of connections that sampling leaves out.
    PacketsSampledOut,
    /// **end**: SYNs of connections that sampling leaves out.
    ConnectionsSampledOut,
    /// **end**: first IPv4 fragments.
    FragmentsFirstV4,
    /// Later IPv4 fragments of TCP packets; they have no ports, so whether they are selected is unknown.
    FragmentsLaterV4,
    /// **end**: first IPv6 fragments.
    FragmentsFirstV6,
    /// Later IPv6 fragments of TCP packets, likewise.
    FragmentsLaterV6,
    /// **end**: packets whose TCP or IP lengths contradict each other or the packet's own.
    BadLengths,
    /// Packets that end inside their IP or TCP header, or whose IP header is shorter than the least possible
    /// (before it is known whether they are selected).
    TruncatedHeaders,
    /// IPv6 packets with more extension headers than are followed.
    Ipv6ChainsTooLong,
    /// **end**: packets of which some or all was lost because the ring was full.
    RingFullPackets,
    /// Those of them that had payload.
    RingFullPayloadPackets,
    /// Payload bytes lost because the ring was full.
    RingFullBytes,
    /// **end**: packets with payload of responses that were left out: seven eighths of the ring were unread, and
    /// the last one is for requests.
    ResponsesLeftOutPackets,
    /// Their payload bytes.
    ResponsesLeftOutBytes,
    /// **end**: packets of which some or all could not be read (`bpf_skb_load_bytes` failed).
    LoadErrorPackets,
    /// Payload bytes that could not be read.
    LoadErrorBytes,
    /// **end**: packets larger than [`crate::MAX_PACKET_BYTES`]; what fits is copied.
    PacketsCut,
    /// Payload bytes beyond that size.
    BytesCut,
}

impl Counter {
    /// All counters, in the order of their values.
    pub const ALL: [Counter; COUNTERS] = [
        Counter::PacketsSelected,
        Counter::PacketsCopied,
        Counter::BytesCopied,
        Counter::Records,
        Counter::PacketsEmpty,
        Counter::PacketsOwn,
        Counter::PacketsOtherHost,
        Counter::PacketsOtherVlan,
        Counter::PacketsSampledOut,
        Counter::ConnectionsSampledOut,
        Counter::FragmentsFirstV4,
        Counter::FragmentsLaterV4,
        Counter::FragmentsFirstV6,
        Counter::FragmentsLaterV6,
        Counter::BadLengths,
        Counter::TruncatedHeaders,
        Counter::Ipv6ChainsTooLong,
        Counter::RingFullPackets,
        Counter::RingFullPayloadPackets,
        Counter::RingFullBytes,
        Counter::ResponsesLeftOutPackets,
        Counter::ResponsesLeftOutBytes,
        Counter::LoadErrorPackets,
        Counter::LoadErrorBytes,
        Counter::PacketsCut,
        Counter::BytesCut,
    ];

    /// The name in the ledger and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::PacketsSelected => "packets_selected",
            Counter::PacketsCopied => "packets_copied",
            Counter::BytesCopied => "bytes_copied",
            Counter::Records => "records",
            Counter::PacketsEmpty => "packets_empty",
            Counter::PacketsOwn => "packets_own",
            Counter::PacketsOtherHost => "packets_other_host",
            Counter::PacketsOtherVlan => "packets_other_vlan",
            Counter::PacketsSampledOut => "packets_sampled_out",
            Counter::ConnectionsSampledOut => "connections_sampled_out",
            Counter::FragmentsFirstV4 => "fragments_first_v4",
            Counter::FragmentsLaterV4 => "fragments_later_v4",
            Counter::FragmentsFirstV6 => "fragments_first_v6",
            Counter::FragmentsLaterV6 => "fragments_later_v6",
            Counter::BadLengths => "bad_lengths",
            Counter::TruncatedHeaders => "truncated_headers",
            Counter::Ipv6ChainsTooLong => "ipv6_chains_too_long",
            Counter::RingFullPackets => "ring_full_packets",
            Counter::RingFullPayloadPackets => "ring_full_payload_packets",
            Counter::RingFullBytes => "ring_full_bytes",
            Counter::ResponsesLeftOutPackets => "responses_left_out_packets",
            Counter::ResponsesLeftOutBytes => "responses_left_out_bytes",
            Counter::LoadErrorPackets => "load_error_packets",
            Counter::LoadErrorBytes => "load_error_bytes",
            Counter::PacketsCut => "packets_cut",
            Counter::BytesCut => "bytes_cut",
        }
    }

    /// Whether this is one of the counters of which each selected packet ends in exactly one.
    pub const fn is_end(self) -> bool {
        matches!(
            self,
            Counter::PacketsCopied
                | Counter::PacketsEmpty
                | Counter::PacketsOwn
                | Counter::PacketsOtherHost
                | Counter::PacketsOtherVlan
                | Counter::PacketsSampledOut
                | Counter::ConnectionsSampledOut
                | Counter::FragmentsFirstV4
                | Counter::FragmentsFirstV6
                | Counter::BadLengths
                | Counter::RingFullPackets
                | Counter::ResponsesLeftOutPackets
                | Counter::LoadErrorPackets
                | Counter::PacketsCut
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_counters_is_complete_and_in_order() {
        for (index, counter) in Counter::ALL.into_iter().enumerate() {
            assert_eq!(counter as usize, index);
        }
    }
}
