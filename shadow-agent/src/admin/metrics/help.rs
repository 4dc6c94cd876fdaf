//! The meaning of each number in the ledger's objects, for whoever meets it in a query editor.

/// The text for a member of the ledger's object `section` (`connections`, `capture`, or `files` and `vxlan` in it).
pub(super) fn help_of(section: &str, member: &str) -> &'static str {
    let texts: &[(&str, &str)] = match section {
        "connections" => &CONNECTIONS,
        "capture" => &CAPTURE,
        "vxlan" if VXLAN.iter().any(|(name, _)| *name == member) => &VXLAN,
        "files" | "vxlan" => &FILES,
        _ => &[],
    };
    texts
        .iter()
        .find(|(name, _)| *name == member)
        .map_or("As in the ledger.", |(_, text)| text)
}

/// Whether a number may fall.
pub(super) fn is_gauge(section: &str, member: &str) -> bool {
    section == "connections" && matches!(member, "open" | "lingering" | "waiting_bytes")
}

/// The label for the parts of a member that is an object.
pub(super) fn label_of(member: &str) -> &'static str {
    match member {
        "answers" => "outcome",
        "not_understood" => "line",
        _ => "reason",
    }
}

const CONNECTIONS: [(&str, &str); 46] = [
    ("opened", "Connections seen."),
    (
        "mid_stream",
        "Of these, those whose SYN was not seen, or that reused the ports of a connection that had not ended.",
    ),
    (
        "unanswered",
        "Connections with data that their server did not acknowledge in time, while its responses to others are \
         seen.",
    ),
    (
        "one_way",
        "Connections whose server side is not visible here: treated as if it had responded.",
    ),
    (
        "finished",
        "Connections that ended with FIN in every watched direction.",
    ),
    ("reset", "Connections that ended with RST."),
    (
        "idle",
        "Connections forgotten because no segment came for the idle timeout.",
    ),
    ("evicted", "Connections forgotten because the table was full."),
    (
        "reused",
        "Connections ended by a new SYN on the same addresses and ports.",
    ),
    (
        "shutdown",
        "Connections still open when the agent, or the capture file, ended, or when mirroring was paused.",
    ),
    ("open", "Connections open now."),
    (
        "lingering",
        "Ended connections still remembered, so that their late segments do not look like a new one.",
    ),
    ("segments", "Segments pushed."),
    ("bytes", "Payload bytes pushed."),
    ("delivered_bytes", "Payload bytes delivered in stream order."),
    ("out_of_order", "Segments that arrived out of order."),
    ("duplicate_bytes", "Payload bytes that had been seen before."),
    (
        "conflicting_overlaps",
        "Overlaps whose bytes differed from buffered ones; the first copy was kept. Bytes already delivered are \
         not compared.",
    ),
    (
        "out_of_window",
        "Segments with a sequence number the receiver cannot have accepted, including RST outside the window.",
    ),
    ("out_of_window_bytes", "Payload bytes of those."),
    ("after_fin_bytes", "Payload bytes beyond their direction's FIN."),
    (
        "after_close_bytes",
        "Late payload bytes of connections that had ended.",
    ),
    (
        "unwatched_bytes",
        "Payload bytes of streams that are not tracked: responses that are not captured, or in a RST.",
    ),
    ("waiting_bytes", "Payload bytes currently buffered after a gap."),
    ("gaps", "Gaps given up."),
    ("gap_bytes", "Bytes in these gaps: they never arrived."),
    (
        "encrypted",
        "Connections recognised as TLS, without --input-raw-tls: their content is not read.",
    ),
    ("tls", "TLS connections whose content was decrypted."),
    (
        "tls_no_secret",
        "TLS connections whose secrets were not seen: open before the agent started, or of a server whose TLS \
         library cannot be read.",
    ),
    (
        "tls_secret_lost",
        "TLS connections whose secrets were expected, and did not arrive in time (--input-raw-tls-wait).",
    ),
    (
        "tls_handshake_lost",
        "TLS connections with lost packets in the handshake, so that their secrets decrypt nothing.",
    ),
    (
        "tls_cipher",
        "TLS connections with a cipher suite or version that is not supported.",
    ),
    (
        "tls_malformed",
        "Connections that begin like TLS and are none, or such as their receiver refuses.",
    ),
    (
        "tls_renegotiated",
        "TLS connections that renegotiated: decrypted up to there.",
    ),
    (
        "tls_memory",
        "TLS connections skipped because --max-memory had no room while their secrets were awaited.",
    ),
    (
        "tls_records_lost",
        "TLS records that could not be decrypted although their secret is known: packets were lost.",
    ),
    ("http2", "Connections of HTTP/2."),
    (
        "http2_pushed",
        "Streams that HTTP/2 servers announced of their own (PUSH_PROMISE): not mirrored.",
    ),
    ("upgraded", "Connections that left HTTP by CONNECT or Upgrade."),
    ("not_http", "Connections that carried something other than HTTP."),
    (
        "left_out",
        "Connections excluded by --input-raw-bpf-filter: their requests are not seen.",
    ),
    (
        "requests_of_another_agent",
        "Requests mirrored by another agent on this node (--hand-over).",
    ),
    (
        "proxied",
        "Connections with a header of the PROXY protocol in front, which names their client.",
    ),
    ("skipped_bytes", "Bytes skipped, by reason."),
    (
        "not_understood",
        "Requests dropped as malformed or ambiguous_framing, by the line that cannot be parsed.",
    ),
    ("answers", "Production's responses, if captured."),
];

const CAPTURE: [(&str, &str); 36] = [
    ("secrets_taken", "Secrets of TLS taken from processes."),
    (
        "secrets_other_process",
        "Secrets left alone, because their process does not listen on a selected port.",
    ),
    (
        "secrets_other_label",
        "Keys derived in handshakes that decrypt nothing here.",
    ),
    ("secrets_ring_full", "Secrets lost because their ring was full."),
    (
        "secrets_unreadable",
        "Secrets lost because the memory they were in could not be read.",
    ),
    (
        "secrets_too_long",
        "Secrets lost because they are longer than any known.",
    ),
    (
        "secrets_incomplete",
        "Secrets lost because it could not be told whose they are.",
    ),
    ("secrets_key_log", "Secrets read from --input-raw-tls-keylog."),
    (
        "secrets_bad_lines",
        "Lines of --input-raw-tls-keylog that could not be parsed.",
    ),
    ("packets_selected", "Packets selected."),
    (
        "packets_copied",
        "Packets copied completely to a ring; if responses are not tracked, those of servers without payload.",
    ),
    ("bytes_copied", "Payload bytes copied to a ring."),
    ("records", "Records put in a ring."),
    ("packets_empty", "Packets without payload, SYN, FIN or RST."),
    ("packets_own", "Packets of the agent's own connections."),
    (
        "packets_other_host",
        "Packets in frames to another host's hardware address, as passed up by an interface in promiscuous mode \
         or a bridge; this host drops them. Not those of a capture target that accepts them.",
    ),
    (
        "packets_other_vlan",
        "Packets without the required VLAN tag (--input-raw-vlan, --input-raw-vlan-vid).",
    ),
    (
        "packets_sampled_out",
        "Packets other than SYN of connections skipped by sampling.",
    ),
    (
        "connections_sampled_out",
        "SYNs of connections skipped by sampling.",
    ),
    ("fragments_first_v4", "First IPv4 fragments."),
    (
        "fragments_later_v4",
        "Later IPv4 fragments of TCP packets; they have no ports, so whether they are selected is unknown.",
    ),
    ("fragments_first_v6", "First IPv6 fragments."),
    (
        "fragments_later_v6",
        "Later IPv6 fragments of TCP packets, likewise.",
    ),
    (
        "bad_lengths",
        "Packets whose TCP or IP lengths contradict each other or the packet's own.",
    ),
    (
        "truncated_headers",
        "Packets that end inside their IP or TCP header, or whose IP header is too short (before it is known \
         whether they are selected).",
    ),
    (
        "ipv6_chains_too_long",
        "IPv6 packets with more extension headers than are followed.",
    ),
    (
        "ring_full_packets",
        "Packets lost completely or in part because the ring was full.",
    ),
    ("ring_full_payload_packets", "Those of them that had payload."),
    ("ring_full_bytes", "Payload bytes lost because the ring was full."),
    (
        "responses_left_out_packets",
        "Packets with payload of responses that were skipped: the ring was seven eighths full, and the rest is \
         reserved for requests.",
    ),
    ("responses_left_out_bytes", "Their payload bytes."),
    (
        "load_error_packets",
        "Packets that could not be read completely (bpf_skb_load_bytes failed).",
    ),
    ("load_error_bytes", "Payload bytes that could not be read."),
    ("packets_cut", "Packets too large to copy completely."),
    ("bytes_cut", "Payload bytes beyond that size."),
    (
        "malformed_records",
        "Inconsistent records: always 0, unless shadow-agent has a bug.",
    ),
];

const VXLAN: [(&str, &str); 5] = [
    ("datagrams", "VXLAN datagrams received."),
    ("not_vxlan", "Datagrams that are not VXLAN."),
    (
        "other_vni",
        "Datagrams with a network identifier that is not selected.",
    ),
    ("paused", "Datagrams received while mirroring was paused."),
    (
        "lost",
        "Datagrams that the kernel dropped because they were not read in time: their content is lost.",
    ),
];

const FILES: [(&str, &str); 14] = [
    ("packets", "Packets there were."),
    ("selected", "Packets delivered."),
    ("not_selected", "TCP, but not of a selected port, or address."),
    ("other_vlan", "Without the required VLAN tag."),
    ("unwatched", "Of a response, and responses are not captured."),
    ("not_ip", "Not IPv4 or IPv6."),
    ("not_tcp", "IP, but not TCP."),
    ("fragments", "Fragments of IP packets, which are not reassembled."),
    ("headers_cut", "Captured only up to somewhere in their headers."),
    ("malformed", "With inconsistent headers."),
    (
        "unsupported_link",
        "From an interface whose link type is not supported.",
    ),
    (
        "cut_packets",
        "Packets delivered whose payload was not captured completely (snap length); the rest becomes a gap.",
    ),
    ("cut_bytes", "Payload bytes missing from those."),
    (
        "torn_bytes",
        "Bytes at the end of the file that are not a complete packet.",
    ),
];
