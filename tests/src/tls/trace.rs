//! Traces of HTTPS as files: recorded by tcpdump, with the secrets of their handshakes beside them or inside, and with packets
//! taken out; and what tshark finds in them.

use std::collections::BTreeSet;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::{DEADLINE, Netns, Process, Stage, process, until};

/// tcpdump on `lo`, recording one TCP port.
pub struct Recorder {
    tcpdump: Process,
    file: PathBuf,
    /// Where a datagram goes that says that all before it was recorded.
    marker: u16,
}

impl Recorder {
    /// Starts it in this test's own network.
    pub fn start(stage: &Stage, port: u16) -> Self {
        let host = Netns::host();
        let (file, marker) = (stage.path("trace.pcap"), host.free_port());
        let mut command = host.command("tcpdump");
        command
            .args([
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-B",
                "65536",
                "-s",
                "0",
                "-i",
                "lo",
                "-w",
            ])
            .arg(&file)
            .arg(format!("tcp port {port} or udp dst port {marker}"))
            .stdout(Stdio::null());
        let tcpdump = Process::start("tcpdump", &mut command);
        tcpdump.wait_for_line("listening on");
        Self {
            tcpdump,
            file,
            marker,
        }
    }

    /// Ends it once all that was sent so far is in the file, and gives the file.
    pub fn finish(mut self) -> PathBuf {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let end = b"the end of the trace";
        // Nobody listens there; tcpdump sees it all the same.
        let _ = socket.send_to(end, ("127.0.0.1", self.marker));
        until("the trace has all that was sent", || {
            fs::read(&self.file).is_ok_and(|bytes| bytes.windows(end.len()).any(|window| window == end))
        });
        self.tcpdump.signal(Signal::SIGINT);
        self.tcpdump.wait(DEADLINE);
        let said = self.tcpdump.stderr();
        assert!(said.contains("0 packets dropped by kernel"), "{said}");
        self.file
    }
}

/// Puts an NSS key log into a trace, as a pcapng with a Decryption Secrets Block.
pub fn inject(file: &Path, key_log: &Path) -> PathBuf {
    let with_secrets = file.with_extension("secrets.pcapng");
    let mut editcap = process::command("editcap");
    editcap
        .arg("--inject-secrets")
        .arg(format!("tls,{}", key_log.display()))
        .arg(file)
        .arg(&with_secrets);
    process::check(&mut editcap);
    with_secrets
}

/// A request as tshark reads it: method, target, the client's port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Target.
    pub uri: String,
    /// Port of the client.
    pub port: u16,
}

/// The requests that tshark finds in a trace of `port`, opened by a key log.
pub fn requests(file: &Path, key_log: &Path, port: u16) -> Vec<Request> {
    let mut tshark = process::command("tshark");
    tshark
        .arg("-r")
        .arg(file)
        .arg("-o")
        .arg(format!("tls.keylog_file:{}", key_log.display()))
        .args([
            "-d",
            &format!("tcp.port=={port},tls"),
            "-d",
            &format!("tls.port=={port},http"),
        ])
        .args(["-Y", "http.request", "-T", "fields"])
        .args([
            "-e",
            "http.request.method",
            "-e",
            "http.request.uri",
            "-e",
            "tcp.srcport",
        ]);
    let lines = process::check(&mut tshark);
    lines
        .lines()
        .map(|line| {
            let fields: Vec<_> = line.split('\t').collect();
            let [method, uri, port] = fields[..] else {
                panic!("not a request of tshark's: {line:?}");
            };
            Request {
                method: method.to_owned(),
                uri: uri.to_owned(),
                port: port.parse().expect("a port"),
            }
        })
        .collect()
}

/// A trace without some of its packets.
pub struct Lossy {
    /// The trace.
    pub file: PathBuf,
    /// Packets that were taken out.
    pub dropped: usize,
    /// Ports of the clients that a packet of was taken out, in either direction.
    pub harmed: BTreeSet<u16>,
}

/// Length of a file's header, and of that of each packet in it (`pcap-savefile(5)`).
const FILE: usize = 24;
const PACKET: usize = 16;
/// Length of the header of Ethernet, and of IPv4 without options.
const ETHERNET: usize = 14;
const IPV4: usize = 20;

/// Takes out so many per cent of the packets with data to and from `port`: the same ones for the same seed.
pub fn drop_segments(file: &Path, port: u16, percent: u64, seed: u64) -> Lossy {
    let bytes = fs::read(file).expect("a trace");
    assert_eq!(
        &bytes[..4],
        &0xa1b2_c3d4_u32.to_le_bytes(),
        "not tcpdump's own format"
    );
    let mut lossy = Lossy {
        file: file.with_extension(format!("{percent}.pcap")),
        dropped: 0,
        harmed: BTreeSet::new(),
    };
    let mut kept = bytes[..FILE].to_vec();
    let mut random = seed | 1;
    let mut rest = &bytes[FILE..];
    while rest.len() >= PACKET {
        let length = u32::from_le_bytes(rest[8..12].try_into().expect("four bytes")) as usize;
        let (packet, after) = rest.split_at(PACKET + length);
        rest = after;
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match client_of(&packet[PACKET..], port) {
            Some(client) if random % 100 < percent => {
                lossy.dropped += 1;
                lossy.harmed.insert(client);
            }
            _ => kept.extend_from_slice(packet),
        }
    }
    fs::write(&lossy.file, kept).expect("a trace");
    lossy
}

/// The client's port of an IPv4 packet that has data and is to or from `port`.
fn client_of(frame: &[u8], port: u16) -> Option<u16> {
    let ip = frame.get(ETHERNET..)?;
    let total = usize::from(u16::from_be_bytes(ip.get(2..4)?.try_into().ok()?));
    let tcp = (ip[0] == 0x45 && ip[9] == 6).then(|| ip.get(IPV4..total))??;
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let of = |at: usize| Some(u16::from_be_bytes(tcp.get(at..at + 2)?.try_into().ok()?));
    let (source, destination) = (of(0)?, of(2)?);
    match (tcp.len() > header, source == port, destination == port) {
        (true, true, _) => Some(destination),
        (true, _, true) => Some(source),
        _ => None,
    }
}
