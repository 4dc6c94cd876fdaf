//! Network namespaces, traffic and collecting, for the tests of live capture.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use shadow_capture::{CaptureSettings, Engine, LiveInput, LiveScope, RingReader};
use shadow_tcp::{Direction, FlowKey, Segment, TcpFlags};

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Says that a test cannot run, where `cargo xtask test` counts it.
pub fn skipped(test: &str, why: &str) {
    let line = format!("{test}: {why}");
    println!("SKIPPED {line}");
    if let Some(path) = std::env::var_os("SHADOW_AGENT_SKIPS") {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// Whether this test can run; says why when not.
pub fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(test, "needs root");
    }
    root
}

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace of its own, and a thread that lives in it. Both end when it is dropped.
pub struct Namespace {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    tid: i32,
}

impl Namespace {
    /// A new one, with loopback up.
    pub fn new() -> Self {
        let (jobs, inbox) = channel::<Job>();
        let (ready, tid) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip("link set lo up");
            ready.send(nix::unistd::gettid().as_raw()).unwrap();
            for job in inbox {
                job();
            }
        });
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
            tid: tid.recv().unwrap(),
        }
    }

    /// Runs `f` in the namespace, on its thread, and waits for it.
    pub fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        let (answer, result) = sync_channel(1);
        let job = Box::new(move || drop(answer.send(f())));
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().expect("the namespace's thread panicked")
    }

    /// Runs `f` in the namespace on a thread of its own, which starts with all capabilities.
    pub fn spawn<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
        self.run(move || std::thread::spawn(f))
    }

    /// TCP segments that were sent once more in the namespace so far (`RetransSegs`, RFC 4022).
    pub fn segments_sent_again(&self) -> u64 {
        let snmp = self.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap());
        let mut rows = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
        let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
        let mut fields = names.split_whitespace().zip(values.split_whitespace());
        let (_, value) = fields.find(|(name, _)| *name == "RetransSegs").unwrap();
        value.parse().unwrap()
    }

    /// Runs `ip` with these arguments in the namespace.
    pub fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || ip(&arguments));
    }

    /// A veth pair: `name` here with `address`, `peer` in the other namespace with `peer_address`.
    pub fn veth(&self, name: &str, address: &str, other: &Namespace, peer: &str, peer_address: &str) {
        self.ip(&format!(
            "link add {name} type veth peer name {peer} netns {}",
            other.tid
        ));
        for (namespace, device, address) in [(self, name, address), (other, peer, peer_address)] {
            let nodad = if address.contains(':') { "nodad" } else { "" };
            namespace.ip(&format!("addr add {address} dev {device} {nodad}"));
            namespace.ip(&format!("link set {device} up"));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs `ip` in the namespace of this thread.
pub fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Settings with one ring of 16 MiB.
pub fn settings(engine: Engine) -> CaptureSettings {
    CaptureSettings {
        engine: Some(engine),
        responses: false,
        ring_bytes: 16 << 20,
        shards: 1,
        sample_connections: None,
        ..CaptureSettings::default()
    }
}

/// A live input.
pub fn live(scope: LiveScope, port: u16) -> LiveInput {
    LiveInput {
        scope,
        ports: vec![port],
    }
}

/// Interfaces by name.
pub fn interfaces(pattern: &str) -> LiveScope {
    LiveScope::Interfaces(pattern.to_owned())
}

/// `length` bytes that are not the same anywhere near.
pub fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

/// A server in `namespace` that reads a whole connection, then answers with `answer`, once.
pub fn serve(namespace: &Namespace, address: &str, answer: Vec<u8>) -> JoinHandle<Vec<u8>> {
    let address = address.to_owned();
    let (listening, ready) = sync_channel(1);
    let server = namespace.spawn(move || {
        let listener = TcpListener::bind(&address).unwrap();
        listening.send(()).unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        connection.read_to_end(&mut asked).unwrap();
        connection.write_all(&answer).unwrap();
        asked
    });
    ready.recv().unwrap();
    server
}

/// A client in `namespace`: sends `question`, half-closes, reads the answer. Its local address comes with it.
pub fn ask(namespace: &Namespace, address: &str, question: Vec<u8>) -> (SocketAddr, Vec<u8>) {
    let address: SocketAddr = address.parse().unwrap();
    namespace
        .spawn(move || {
            let mut connection = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
            connection.write_all(&question).unwrap();
            connection.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).unwrap();
            (connection.local_addr().unwrap(), answer)
        })
        .join()
        .unwrap()
}

/// One direction of one connection, put together by sequence number.
#[derive(Debug, Default)]
pub struct Stream {
    syn: Option<u32>,
    fin: bool,
    parts: Vec<(u32, Vec<u8>)>,
    /// Segments seen, copies included.
    pub segments: usize,
    /// Those of them that were later parts of packets.
    pub continuations: usize,
    /// The most parts that a packet had.
    pub most_parts: usize,
    parts_now: usize,
}

impl Stream {
    fn add(&mut self, segment: &Segment<'_>) {
        self.segments += 1;
        self.continuations += usize::from(segment.continuation);
        self.parts_now = if segment.continuation {
            self.parts_now + 1
        } else {
            1
        };
        self.most_parts = self.most_parts.max(self.parts_now);
        if segment.flags.contains(TcpFlags::SYN) {
            self.syn = Some(segment.sequence);
        }
        self.fin |= segment.flags.contains(TcpFlags::FIN);
        if !segment.payload.is_empty() {
            self.parts.push((segment.sequence, segment.payload.to_vec()));
        }
    }

    /// Whether its SYN and its FIN were seen.
    pub fn accepts_and_ends(&self) -> bool {
        self.syn.is_some() && self.fin
    }

    /// The bytes, when there is no hole up to the FIN.
    pub fn whole(&self) -> Option<Vec<u8>> {
        let first = self.syn?.wrapping_add(1);
        let mut parts: Vec<_> = self
            .parts
            .iter()
            .map(|(sequence, bytes)| (sequence.wrapping_sub(first) as usize, bytes))
            .collect();
        parts.sort_unstable();
        let mut whole = Vec::new();
        for (at, bytes) in parts {
            let known = whole.len().checked_sub(at)?;
            whole.extend_from_slice(bytes.get(known..).unwrap_or_default());
        }
        self.fin.then_some(whole)
    }
}

/// The streams that came out of the rings.
pub type Streams = BTreeMap<(SocketAddr, SocketAddr, bool), Stream>;

/// The key of a direction in [`Streams`].
pub fn way(flow: &FlowKey, direction: Direction) -> (SocketAddr, SocketAddr, bool) {
    (
        flow.client.socket_addr(),
        flow.server.socket_addr(),
        direction == Direction::Response,
    )
}

/// Reads the rings until `enough`, and a little longer to see that nothing else comes. Panics when it is not enough
/// after a long time.
pub fn collect(readers: &mut [RingReader], enough: impl Fn(&Streams) -> bool) -> Streams {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut streams = Streams::new();
    let start = Instant::now();
    runtime.block_on(async {
        let mut satisfied = None;
        loop {
            let mut drained = 0;
            for reader in readers.iter_mut() {
                drained += reader.drain(1024, |segment| {
                    streams
                        .entry(way(&segment.flow, segment.direction))
                        .or_default()
                        .add(&segment);
                });
            }
            if satisfied.is_none() && enough(&streams) {
                satisfied = Some(Instant::now());
            }
            match satisfied {
                Some(since) if drained == 0 && since.elapsed() > Duration::from_millis(50) => return,
                _ => assert!(
                    start.elapsed() < PATIENCE,
                    "not seen in time: {:#?}",
                    summary(&streams)
                ),
            }
            for reader in readers.iter_mut() {
                reader.readable().await.unwrap();
            }
        }
    });
    streams
}

fn summary(streams: &Streams) -> Vec<String> {
    streams
        .iter()
        .map(|(way, stream)| {
            let whole = stream.whole().map(|whole| whole.len());
            format!(
                "{way:?}: {} segments, syn {:?}, fin {}, whole {whole:?}",
                stream.segments, stream.syn, stream.fin
            )
        })
        .collect()
}

/// The one stream from `client` to `server`.
pub fn requests<'a>(streams: &'a Streams, client: SocketAddr, server: &str) -> Option<&'a Stream> {
    streams.get(&(client, server.parse().unwrap(), false))
}

/// The one stream from `server` to `client`.
pub fn responses<'a>(streams: &'a Streams, client: SocketAddr, server: &str) -> Option<&'a Stream> {
    streams.get(&(client, server.parse().unwrap(), true))
}

/// Waits until `true`; panics after a long time.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a frame as it is (packet(7)).
pub fn send_frame(device: &str, frame: &[u8]) {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, send, socket};
    use std::os::fd::AsRawFd;
    let all = u16::try_from(libc::ETH_P_ALL).unwrap().to_be();
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).unwrap();
    // SAFETY: all zeros is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
    address.sll_protocol = all;
    address.sll_ifindex = i32::try_from(nix::net::if_::if_nametoindex(device).unwrap()).unwrap();
    let size = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: the address and its size belong together and outlive the call.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
    assert_eq!(
        send(socket.as_raw_fd(), frame, MsgFlags::empty()).unwrap(),
        frame.len()
    );
}
