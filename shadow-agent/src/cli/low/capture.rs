//! Flags of `--input-raw`: what it takes of the traffic, and what becomes of it before the outputs.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{client_header, positive_duration, vxlan_listen};
use crate::settings::Listen;

/// Capture filters and options, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture (each --input-raw)")]
pub struct CaptureFlags {
    /// Set this header of each request to the client's IP address, such as X-Real-IP
    ///
    /// In every output. A header of that name sent by the client is replaced. The address is the peer address of the
    /// captured connection; behind a proxy that is the proxy's. By default no header is set.
    #[arg(long, value_name = "NAME", value_parser = client_header)]
    pub input_raw_realip_header: Option<String>,

    /// Capture only connections that match this pcap filter
    ///
    /// A subset of the pcap filter syntax: host, net, port and portrange, each optionally with src or dst; tcp, ip,
    /// ip6; and, or, not, parentheses: 'dst port 80 and not src net 10.1.0.0/16'. A connection is matched once, from
    /// client (src) to server (dst). The filter narrows --input-raw, and with :0 it gives the ports: see
    /// docs/capture.md. By default every connection matches.
    #[arg(long, value_name = "EXPRESSION")]
    pub input_raw_bpf_filter: Option<String>,

    /// Ignore this interface; may be repeated
    ///
    /// * matches any characters: docker*. Applies to the tc engine. By default no interface is ignored.
    #[arg(long, value_name = "NAME")]
    pub input_raw_ignore_interface: Vec<String>,

    /// Capture only packets with a VLAN tag
    ///
    /// By default packets are captured with and without tags. Tags are matched on the interface that carries the VLANs
    /// (eth0, not eth0.100), and in capture files.
    #[arg(long)]
    pub input_raw_vlan: bool,

    /// Capture only packets of this VLAN; may be repeated to allow several
    ///
    /// The outermost tag is matched. By default all VLANs are captured.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=4095))]
    pub input_raw_vlan_vid: Vec<u16>,

    /// UDP port, or ADDRESS:PORT, on which --input-raw-engine vxlan listens
    ///
    /// Anyone who can send to it can inject requests to the shadow: give the address of the interface that the
    /// mirroring session reaches. The default is the port registered for VXLAN, which cloud providers use.
    #[arg(long, value_name = "PORT", default_value = "4789", value_parser = vxlan_listen)]
    pub input_raw_vxlan_port: Listen,

    /// Accept only this VXLAN network identifier, or with a minus all but this one; may be repeated
    ///
    /// By default all are accepted.
    #[arg(
        long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-0xff_ffff..=0xff_ffff)
    )]
    pub input_raw_vxlan_vni: Vec<i32>,

    /// GoReplay's name for --input-raw-gap-timeout
    ///
    /// Only missing packets make a message expire: a slow upload is not lost.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, conflicts_with = "input_raw_gap_timeout")]
    pub input_raw_expire: Option<Duration>,

    /// Forward incomplete requests
    ///
    /// A request whose body is cut short, by lost packets or because the client closed or reset the connection, is
    /// forwarded up to the cut with a matching Content-Length, marked with the header X-Shadow-Incomplete in every
    /// output, and counted as incomplete. By default such a request is dropped and counted by reason.
    #[arg(long)]
    pub input_raw_allow_incomplete: bool,

    /// Resume connections that were open before the agent started, or that lost packets
    ///
    /// Mirroring resumes at the next packet that looks like the start of a request after a response. By default such
    /// a connection is not mirrored any further, and requests seen on it are counted (mid_stream, gap), because they
    /// might be the content of an upload that looks like a request. Use it when no server on these ports responds
    /// before it has the whole request, or when clients that upload are trusted to send anything to the shadow.
    #[arg(long)]
    pub input_raw_resume: bool,
}
