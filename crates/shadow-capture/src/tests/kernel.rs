//! The programs loaded and their maps, for one test.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aya::Ebpf;
use aya::programs::{CgroupSkb, SchedClassifier, TestRun, TestRunOptions};
use shadow_common::{Address, Counter, MatchOn, Side, TargetKey};
use shadow_tcp::{Direction, Endpoint, FlowKey, Segment, TcpFlags};

use super::super::counters::{CaptureCounters, CaptureCounts};
use super::super::load::{CLASSIFIERS, SOCKET_PROGRAMS, classifier, load, socket_program, take_map};
use super::super::own::OwnConnections;
use super::super::ring_maps::make_rings;
use super::super::rings::RingReader;
use super::super::targets::{TargetMaps, Targets};
use crate::CaptureSettings;

/// Verdicts that leave a packet alone.
const TC_ACT_UNSPEC: u32 = u32::MAX;
const PASS: u32 = 1;

/// A segment that outlives the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub flow: FlowKey,
    pub direction: Direction,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub flags: TcpFlags,
    pub continuation: bool,
    pub payload: Vec<u8>,
}

impl From<Segment<'_>> for Seen {
    fn from(segment: Segment<'_>) -> Self {
        assert_ne!(segment.time.0, 0);
        Seen {
            flow: segment.flow,
            direction: segment.direction,
            sequence: segment.sequence,
            acknowledgment: segment.acknowledgment,
            flags: segment.flags,
            continuation: segment.continuation,
            payload: segment.payload.to_vec(),
        }
    }
}

/// All six programs, in the kernel.
pub struct Kernel {
    ebpf: Ebpf,
    targets: Targets,
    watched: BTreeMap<TargetKey, MatchOn>,
    pub readers: Vec<RingReader>,
    pub own: OwnConnections,
    counters: CaptureCounters,
}

/// Settings of a small capture: one ring of 1 MiB, no responses, no sampling.
pub fn settings() -> CaptureSettings {
    CaptureSettings {
        engine: None,
        responses: false,
        ring_bytes: 1 << 20,
        shards: 1,
        sample_connections: None,
        ..CaptureSettings::default()
    }
}

/// Says that a test cannot run, where `cargo xtask test` counts it.
pub fn skipped(test: &str) {
    let line = format!("{test}: needs root");
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

impl Kernel {
    /// Loads everything; `None`, and a word on why, where that needs a right this process does not have.
    pub fn load(test: &str, settings: &CaptureSettings) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skipped(test);
            return None;
        }
        let mut ebpf = load(settings).unwrap();
        let rings = make_rings(&mut ebpf, settings).unwrap();
        for name in CLASSIFIERS {
            classifier(&mut ebpf, name).unwrap();
        }
        for name in SOCKET_PROGRAMS {
            socket_program(&mut ebpf, name).unwrap();
        }
        let malformed = Arc::new(AtomicU64::new(0));
        let waiting = Arc::new(Mutex::new(take_map(&mut ebpf, "READERS").unwrap()));
        let readers = (0..)
            .zip(rings)
            .map(|(shard, ring)| RingReader::new(shard, ring, Arc::clone(&waiting), Arc::clone(&malformed)))
            .collect();
        Some(Self {
            targets: Targets::new(TargetMaps::take(&mut ebpf).unwrap()),
            watched: BTreeMap::new(),
            readers,
            own: OwnConnections::new(take_map(&mut ebpf, "OWN").unwrap()),
            counters: CaptureCounters::new(take_map(&mut ebpf, "COUNTS").unwrap(), malformed),
            ebpf,
        })
    }

    /// Watches one more target on both sides, requests and responses.
    pub fn watch(&mut self, address: &str, port: u16, ifindex: u32) -> &mut Self {
        let on = [Side::Ingress, Side::Egress]
            .into_iter()
            .fold(MatchOn::default(), |on, side| {
                on.and(MatchOn::requests(side)).and(MatchOn::responses(side))
            });
        self.watch_on(address, port, ifindex, on)
    }

    /// Watches one more target.
    pub fn watch_on(&mut self, address: &str, port: u16, ifindex: u32, on: MatchOn) -> &mut Self {
        let address = match address {
            "any" => Address::ANY,
            address => {
                let ip: IpAddr = address.parse().unwrap();
                Address::from_octets(Endpoint::from(SocketAddr::new(ip, 0)).address)
            }
        };
        self.watched.insert(TargetKey::new(address, port, ifindex), on);
        self.targets.set(&self.watched).unwrap();
        self
    }

    /// Watches nothing any more.
    pub fn watch_nothing(&mut self) {
        self.watched.clear();
        self.targets.set(&self.watched).unwrap();
    }

    /// Runs a program on a frame that begins with an Ethernet header (the socket programs do not see that).
    /// Whatever the frame is, the packet must be left alone.
    pub fn run(&self, program: &str, frame: &[u8]) -> Duration {
        self.repeat(program, frame, 1)
    }

    /// Runs it so many times; the mean duration.
    pub fn repeat(&self, program: &str, frame: &[u8], repeat: u32) -> Duration {
        let mut out = vec![0; frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            repeat,
            ..TestRunOptions::default()
        };
        let program = self.ebpf.program(program).unwrap();
        let (result, pass) = if let Ok(program) = <&SchedClassifier>::try_from(program) {
            (program.test_run(options).unwrap(), TC_ACT_UNSPEC)
        } else {
            (
                <&CgroupSkb>::try_from(program)
                    .unwrap()
                    .test_run(options)
                    .unwrap(),
                PASS,
            )
        };
        assert_eq!(result.return_value, pass);
        // The kernel itself clears the Ethernet header before a socket program.
        assert_eq!(result.data_size_out as usize, frame.len());
        assert_eq!(out[14..frame.len()], frame[14..], "the packet was changed");
        result.duration
    }

    /// Runs a program on a frame; what came out of the rings.
    pub fn see(&mut self, program: &str, frame: &[u8]) -> Vec<Seen> {
        self.run(program, frame);
        self.drain()
    }

    /// Everything in the rings.
    pub fn drain(&mut self) -> Vec<Seen> {
        let mut seen = Vec::new();
        for reader in &mut self.readers {
            reader.drain(usize::MAX, |segment| seen.push(Seen::from(segment)));
        }
        seen
    }

    /// The counts, which must balance.
    pub fn counts(&self) -> CaptureCounts {
        let counts = self.counters.read().unwrap();
        assert!(counts.balanced(), "{:?}", nonzero(&counts));
        assert_eq!(counts.malformed_records, 0);
        counts
    }

    /// The counts that are not 0, by name.
    pub fn nonzero(&self) -> BTreeMap<&'static str, u64> {
        nonzero(&self.counts())
    }

    /// One of the counts.
    pub fn count(&self, counter: Counter) -> u64 {
        self.counts().get(counter)
    }
}

fn nonzero(counts: &CaptureCounts) -> BTreeMap<&'static str, u64> {
    counts.iter().filter(|(_, count)| *count != 0).collect()
}
