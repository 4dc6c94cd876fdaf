//! Where segments come from: the kernel programs' rings, VXLAN datagrams, and capture files.
//!
//! Live capture: `load` puts the programs into the kernel, `plan` works out what to attach them to and which
//! endpoints to watch from what `interfaces` lists, `attach` and `targets` make it so, `follow` keeps it so when
//! interfaces and addresses come and go, and `rings` turns records into segments. [`LiveCapture`] is the way in.
#![deny(unsafe_code)]

mod attach;
mod capabilities;
mod cgroup;
mod clsact;
mod counters;
mod error;
mod expected;
mod fewer_shards;
mod follow;
mod frames;
mod instance;
mod interfaces;
#[cfg(debug_assertions)]
mod kernel_log;
mod key_log;
mod key_log_files;
mod leftovers;
mod live;
mod load;
mod locked_memory;
mod netlink;
mod own;
mod packet;
mod pcap;
mod pcap_error;
mod pcap_files;
mod pcap_format;
mod pcap_input;
mod pcap_server;
mod pcapng;
mod plan;
mod pod_cgroups;
mod ring;
mod ring_maps;
mod rings;
mod secrets;
mod settings;
mod targets;
mod trampoline;
mod trial;
mod vxlan;
mod vxlan_reader;

pub use cgroup::{CgroupRoot, cgroup2_root};
pub use counters::{CaptureCounters, CaptureCounts};
pub use error::CaptureError;
pub use expected::expected_answers;
pub use frames::FileCounters;
pub use interfaces::matches as interface_matches;
pub use key_log_files::{KeyLogFiles, KeyLogReport};
pub use leftovers::{leftovers, remove_leftovers};
pub use live::{LiveCapture, PodTarget, try_to_load};
pub use own::{OwnConnection, OwnConnectionError, OwnConnections};
pub use pcap::PcapReader;
pub use pcap_error::PcapError;
pub use pcap_files::PcapFiles;
pub use pod_cgroups::{PodCgroup, PodCgroups};
pub use rings::{RingReader, RingsProgress};
pub use secrets::{
    Found, FoundProgram, SecretCounters, SecretCounts, Secrets, SecretsSettings, Selection, Way, examine,
    try_probe,
};
pub use settings::{CaptureSettings, Engine, LiveInput, LiveScope, TlsSettings, VlanScope, VxlanSettings};
pub use trial::try_ring;
pub use vxlan::{Decapsulator, VxlanCounts};
pub use vxlan_reader::VxlanReader;

#[cfg(test)]
mod tests;
