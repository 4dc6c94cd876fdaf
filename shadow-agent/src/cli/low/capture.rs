//! What `--input-raw` takes of the traffic, and what becomes of it before the outputs.

use std::time::Duration;

use clap::Args;

use crate::cli::value::{client_header, positive_duration, vxlan_listen};
use crate::settings::Listen;

/// What is taken, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct CaptureFlags {
    /// Set this header of each request to the client's IP address
    ///
    /// Such as X-Real-IP. What the client sent under that name is replaced: the address is that of the
    /// connection as it was captured, which behind a proxy is the proxy's. In every output. By default no
    /// header is set.
    #[arg(long, value_name = "NAME", value_parser = client_header)]
    pub input_raw_realip_header: Option<String>,

    /// Capture only connections that this expression takes
    ///
    /// A part of the pcap filter syntax: host, net, port and portrange, each with src or dst before it; tcp,
    /// ip, ip6; and, or, not, parentheses: 'dst port 80 and not src net 10.1.0.0/16'. A connection is judged
    /// once, as from client (src) to server (dst). It narrows what --input-raw names, and with :0 it says the
    /// ports: docs/capture.md. By default every connection is taken.
    #[arg(long, value_name = "EXPRESSION")]
    pub input_raw_bpf_filter: Option<String>,

    /// Leave this interface alone; may be repeated
    ///
    /// As if it were not there. * matches any run of characters: docker*. For the tc hook; by default no
    /// interface is left out.
    #[arg(long, value_name = "NAME")]
    pub input_raw_ignore_interface: Vec<String>,

    /// Capture only packets with a VLAN tag
    ///
    /// By default packets are taken with tags and without. The tag is looked for on the interface that carries
    /// the VLANs (eth0, not eth0.100), and in capture files.
    #[arg(long)]
    pub input_raw_vlan: bool,

    /// Capture only packets of this VLAN; may be repeated, and then any of them will do
    ///
    /// The outermost tag counts. By default the VLAN does not matter.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=4095))]
    pub input_raw_vlan_vid: Vec<u16>,

    /// Where --input-raw-engine vxlan listens: a UDP port of any address, or ADDRESS:PORT
    ///
    /// Whoever can send to it can have requests sent to the shadow: name the address of the interface that the
    /// mirroring session reaches. The default is the port registered for VXLAN, which cloud sessions use.
    #[arg(long, value_name = "PORT", default_value = "4789", value_parser = vxlan_listen)]
    pub input_raw_vxlan_port: Listen,

    /// Take this VXLAN network identifier only, or with a minus all but this one; may be repeated
    ///
    /// By default all are taken.
    #[arg(
        long, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(-0xff_ffff..=0xff_ffff)
    )]
    pub input_raw_vxlan_vni: Vec<i32>,

    /// How long a message with a hole is waited for
    ///
    /// GoReplay's name for --input-raw-gap-timeout, which see. Only a hole lets a message expire: an upload
    /// that is slow is not lost.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, conflicts_with = "input_raw_gap_timeout")]
    pub input_raw_expire: Option<Duration>,

    /// Hand on what is there of a request whose rest was lost
    ///
    /// One with a hole, or whose client broke off or was reset inside its body: up to the hole, with the length
    /// that is there, marked by the header X-Shadow-Incomplete in every output, and counted as incomplete. By
    /// default such a request is dropped and counted by reason.
    #[arg(long)]
    pub input_raw_allow_incomplete: bool,

    /// Go on with connections that were open before the agent came, or lost bytes
    ///
    /// At the next packet that begins like a request behind an answer. By default nothing more of such a
    /// connection is mirrored until it is opened anew, and visible requests are counted (mid_stream, gap):
    /// whether they are requests or the text of an upload under way cannot be proved. Take it where no server
    /// behind the ports answers before it has the whole request, or where whoever uploads may send anything to
    /// the shadow.
    #[arg(long)]
    pub input_raw_resume: bool,
}
