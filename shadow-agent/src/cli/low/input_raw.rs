//! `--input-raw` and the flags of live capture.

use clap::{Args, ValueEnum};

use crate::cli::value::{Share, positive_size, share};

/// Capture flags, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Capture (each --input-raw)")]
pub struct InputRaw {
    /// Capture requests to this address and port; may be repeated
    ///
    /// The ports are those that production listens on:
    ///   :80, 0.0.0.0:80   all addresses of this machine
    ///   :80,8080          several ports
    ///   :0, eth0:0        the ports in --input-raw-bpf-filter
    ///   10.0.0.5:80       this address; IPv6 in brackets: [::1]:80
    ///   localhost:80      all addresses of this host name
    ///   eth0:80           this interface; veth*:80 all that match, also later ones
    ///   k8s://shop/deployment/web:80
    ///                     pods on this node: k8s://[NAMESPACE/]KIND/NAME:PORT, with KIND pod,
    ///                     deployment, statefulset, daemonset, replicaset, job, cronjob or
    ///                     service; or labelSelector/SELECTOR or fieldSelector/SELECTOR in
    ///                     place of KIND/NAME; ports by number or name
    ///   file.pcap[:80]    a capture file (pcap, pcapng); without a port, all TCP ports
    #[arg(long, value_name = "ADDRESS", verbatim_doc_comment)]
    pub input_raw: Vec<String>,

    /// Capture engine
    ///
    /// By default it is chosen from the addresses: docs/capture.md.
    #[arg(long, value_name = "ENGINE")]
    pub input_raw_engine: Option<EngineName>,

    /// Capture responses too
    ///
    /// Off by default: most of production's bytes are responses, and mirroring needs only requests.
    #[arg(long)]
    pub input_raw_track_response: bool,

    /// Size of each kernel ring buffer
    ///
    /// Each shard has one; the size is rounded up to a power of two. The default holds 67 ms of traffic at 1 Gbit/s, longer
    /// than a busy CPU keeps the agent waiting. Enlarge it when the ledger's capture section counts losses. Ring buffers
    /// stay in memory whether or not they are used.
    #[arg(long, value_name = "SIZE", default_value = "8mb", value_parser = positive_size)]
    pub input_raw_buffer_size: usize,

    /// Number of shards, each a ring buffer and a thread that reads it: 1, 2, 4, 8 or 16
    ///
    /// Connections are distributed over them. The default is the number of CPUs, rounded down to a power of two, at most
    /// 16: one shard already handles tens of thousands of requests per second.
    #[arg(long, value_name = "N", value_parser = shards)]
    pub input_raw_shards: Option<usize>,

    /// Capture only a share of the connections, such as 10% or 0.5%
    ///
    /// The kernel decides for each connection as a whole: skipped connections cost nothing, and sampled ones keep all
    /// their requests. By default all are captured.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub sample_connections: Option<Share>,
}

/// Capture engines by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Traffic control hooks on interfaces: packets as on the wire (tcx; clsact before Linux 6.6)
    Tc,
    /// Hooks at the cgroup v2 root: packets as sockets see them, in every container, after NAT
    Cgroup,
    /// VXLAN packets sent here by a traffic mirroring session of a cloud or a switch: see --input-raw-vxlan-port
    Vxlan,
    /// GoReplay's name; the engine is chosen from the addresses
    Libpcap,
    /// GoReplay's name; the engine is chosen from the addresses
    #[value(name = "af_packet")]
    AfPacket,
    /// GoReplay's name; the engine is chosen from the addresses
    #[value(name = "raw_socket")]
    RawSocket,
    /// GoReplay's name; --input-raw is read as the name of a capture file if it is one
    #[value(name = "pcap_file")]
    PcapFile,
}

fn shards(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(shards @ (1 | 2 | 4 | 8 | 16)) => Ok(shards),
        _ => Err("must be a power of two up to 16".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_a_power_of_two_up_to_16() {
        assert_eq!(shards("8"), Ok(8));
        for text in ["0", "3", "32", "-1", "x"] {
            assert!(shards(text).is_err(), "{text}");
        }
    }
}
