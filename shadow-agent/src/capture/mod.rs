//! Where segments come from: the kernel programs' rings, and capture files.

mod own;
mod packet;
mod pcap;
mod pcap_format;
mod pcap_server;
mod pcapng;

pub use own::{OwnConnection, OwnConnections};
pub use pcap::{FileCounters, PcapError, PcapFile, PcapReader};
