//! Frames of real traffic: recorded by tcpdump, changed, and played again as a capture file or in VXLAN datagrams.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::{DEADLINE, Netns, Process, Stage, until};

/// An Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame(pub Vec<u8>);

/// Bytes of the two hardware addresses.
const ADDRESSES: usize = 12;

/// Records what passes an interface of Ethernet on TCP port `port` while `work` is done. `work` ends with bytes that hold
/// `last`: when those are in the file, all before them is. Of each frame `snap` bytes are kept at most. Gives the file.
pub fn record(
    stage: &Stage,
    netns: &Netns,
    interface: &str,
    port: u16,
    snap: usize,
    last: &str,
    work: impl FnOnce(),
) -> PathBuf {
    let file = stage.path(&format!("recorded-{}.pcap", stage.number()));
    let mut command = netns.command("tcpdump");
    command
        .args(["-U", "--immediate-mode", "-Z", "root", "-B", "65536"])
        .args(["-s", &snap.to_string(), "-i", interface, "-w"])
        .arg(&file)
        .args(["tcp", "port", &port.to_string()])
        .stdout(Stdio::null());
    let mut tcpdump = Process::start("tcpdump", &mut command);
    tcpdump.wait_for_line("listening on");
    work();
    until("the file has the last request", || {
        let recorded = fs::read(&file).unwrap_or_default();
        recorded
            .windows(last.len())
            .any(|window| window == last.as_bytes())
    });
    tcpdump.signal(Signal::SIGINT);
    tcpdump.wait(DEADLINE);
    let said = tcpdump.stderr();
    assert!(said.contains("0 packets dropped by kernel"), "{said}");
    file
}

/// The frames of a recording.
pub fn read(file: &Path) -> Vec<Frame> {
    let file = fs::read(file).expect("the recording");
    let number = |at: usize| u32::from_ne_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    assert_eq!(number(20), 1, "not a recording of Ethernet");
    let mut frames = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let length = number(at + 8);
        at += 16;
        frames.push(Frame(file[at..at + length].to_vec()));
        at += length;
    }
    frames
}

/// Writes frames as a pcap file, a millisecond apart.
pub fn write(path: &Path, frames: &[Frame]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_ne_bytes());
    }
    for (number, frame) in frames.iter().enumerate() {
        let time = number as u32;
        let length = frame.0.len() as u32;
        for word in [1_700_000_000 + time / 1000, time % 1000 * 1000, length, length] {
            file.extend_from_slice(&word.to_ne_bytes());
        }
        file.extend_from_slice(&frame.0);
    }
    fs::write(path, file).expect("a capture file");
}

impl Frame {
    /// The same with an 802.1Q tag.
    #[must_use]
    pub fn tagged(&self, vid: u16) -> Self {
        let (addresses, rest) = self.0.split_at(ADDRESSES);
        let [high, low] = vid.to_be_bytes();
        Self([addresses, &[0x81, 0, high, low], rest].concat())
    }

    /// Source and destination port of the TCP segment in an IPv4 or IPv6 packet without options or extensions.
    pub fn ports(&self) -> (u16, u16) {
        let tcp = match self.0[ADDRESSES..ADDRESSES + 2] {
            [0x08, 0x00] => 14 + 20,
            _ => 14 + 40,
        };
        let port = |at: usize| u16::from_be_bytes([self.0[at], self.0[at + 1]]);
        (port(tcp), port(tcp + 2))
    }

    /// Whether its bytes hold a text.
    pub fn holds(&self, text: &str) -> bool {
        self.0.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// As a VXLAN datagram (RFC 7348 section 5).
    pub fn in_vxlan(&self, vni: u32) -> Vec<u8> {
        let [_, a, b, c] = vni.to_be_bytes();
        [&[0x08, 0, 0, 0, a, b, c, 0], &self.0[..]].concat()
    }
}

/// Sends each frame as a datagram of this network.
pub fn send_in_vxlan(netns: &Netns, to: SocketAddr, vni: u32, frames: &[Frame]) {
    let socket = netns
        .enter(|| UdpSocket::bind(("127.0.0.1", 0)))
        .expect("a UDP socket");
    for frame in frames {
        socket.send_to(&frame.in_vxlan(vni), to).expect("a datagram sent");
    }
}
