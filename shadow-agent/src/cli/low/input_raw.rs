//! `--input-raw` and the flags of live capture.

use clap::{Args, ValueEnum};

use crate::cli::value::{Share, positive_size, share};

/// What is captured, as typed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Input")]
pub struct InputRaw {
    /// Capture requests to this address and port; may be repeated
    ///
    /// The ports are those that production listens on. Which traffic is watched:
    ///   :80, 0.0.0.0:80   any address of this machine
    ///   :80,8080          several ports
    ///   :0, eth0:0        every port that --input-raw-bpf-filter names
    ///   10.0.0.5:80       that address; IPv6 in brackets: [::1]:80
    ///   localhost:80      every address of that host name
    ///   eth0:80           that interface; veth*:80 all that match, also ones that appear later
    ///   k8s://shop/deployment/web:80
    ///                     pods of this node, as the Kubernetes API has them: k8s://[NAMESPACE/]KIND/NAME:PORT with
    ///                     pod, deployment, statefulset, daemonset, replicaset, job, cronjob or service as KIND, or
    ///                     labelSelector/SELECTOR or fieldSelector/SELECTOR; ports by number or name
    ///   file.pcap[:80]    a capture file (pcap, pcapng); without a port, every TCP port
    #[arg(long, value_name = "ADDRESS", verbatim_doc_comment)]
    pub input_raw: Vec<String>,

    /// How packets are got
    ///
    /// By default chosen from the addresses.
    #[arg(long, value_name = "ENGINE")]
    pub input_raw_engine: Option<EngineName>,

    /// Capture responses too
    ///
    /// Off by default: responses are most of production's bytes, and mirroring needs requests only.
    #[arg(long)]
    pub input_raw_track_response: bool,

    /// Size of each kernel ring buffer
    ///
    /// One ring for each shard; rounded up to a power of two. The default holds 67 ms of a gigabit a second,
    /// longer than the agent is ever kept off a busy CPU. Enlarge it when the ledger's capture section
    /// counts losses. A ring stays in memory whether or not it is used.
    #[arg(long, value_name = "SIZE", default_value = "8mb", value_parser = positive_size)]
    pub input_raw_buffer_size: usize,

    /// Rings, and threads that read them: 1, 2, 4, 8 or 16
    ///
    /// Connections are spread over them. By default the number of CPUs rounded down to a power of two, and at
    /// most 16: a single one already keeps up with tens of thousands of requests a second.
    #[arg(long, value_name = "N", value_parser = shards)]
    pub input_raw_shards: Option<usize>,

    /// Capture a share of the connections, such as 10% or 0.5%
    ///
    /// Decided in the kernel for a connection as a whole, so that those left out cost nothing and those taken
    /// keep all their requests. By default all are captured.
    #[arg(long, value_name = "PERCENT", value_parser = share)]
    pub sample_connections: Option<Share>,
}

/// Where packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Traffic control on interfaces: what is on the wire (tcx, clsact before Linux 6.6)
    Tc,
    /// The cgroup v2 root: what sockets see, in every container, behind NAT
    Cgroup,
    /// VXLAN datagrams that a mirroring session of a cloud or a switch sends here: see --input-raw-vxlan-port
    Vxlan,
    /// GoReplay's: as if the flag was left out
    Libpcap,
    /// GoReplay's: as if the flag was left out
    #[value(name = "af_packet")]
    AfPacket,
    /// GoReplay's: as if the flag was left out
    #[value(name = "raw_socket")]
    RawSocket,
    /// GoReplay's: a capture file of the very name is read, whatever the name; else as if the flag was left out
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
