//! The flags of capture, resolved: the engine, the rings, what of the traffic is taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::capture::interface_matches;
use crate::cli::error::{Problem, UsageError};
use crate::cli::low::Arguments;
use crate::cli::low::input_raw::EngineName;
use crate::cli::low::tuning::{ProtocolName, TuningFlags};
use crate::cli::value::{MaxStream, Share};
use crate::mirror;
use crate::settings::{CaptureSettings, Engine, LiveScope, RawInput, ReadSettings, VlanScope, VxlanSettings};
use crate::tcp::{BpfFilter, FilterError};

/// Most rings by default: beyond, a ring more is memory rather than speed.
const MAX_SHARDS: usize = 16;

/// Smallest ring: one page, of the largest size that kernels for this processor have.
pub(super) const SMALLEST_RING: usize = if cfg!(target_arch = "x86_64") {
    4096
} else {
    65_536
};

/// Largest ring that the settings can say, in bytes.
const LARGEST_RING: usize = 1 << 31;

/// Most ports that an input of every port may come to: each is looked up for each address of this machine.
const MAX_PORTS: usize = 1024;

const ENGINE: &str = "--input-raw-engine";
const FILTER: &str = "--input-raw-bpf-filter";

/// How `inputs` are captured; `pods` when some of them are pods.
pub fn resolve(
    arguments: &Arguments,
    inputs: &[RawInput],
    pods: bool,
) -> Result<CaptureSettings, UsageError> {
    let flags = &arguments.input;
    if arguments.tuning.input_raw_protocol == ProtocolName::Binary {
        return Err(Problem::new(
            "a stream without messages cannot be replayed or counted",
            "remove the flag: only HTTP/1.x is mirrored",
        )
        .of("--input-raw-protocol", "binary"));
    }
    let engine = match flags.input_raw_engine {
        Some(EngineName::Tc) if pods => {
            return Err(Problem::new(
                "pods are captured at their sockets, which this engine does not see",
                "leave the flag out, or write cgroup",
            )
            .of(ENGINE, "tc"));
        }
        Some(EngineName::Tc) => Some(Engine::Tc),
        Some(EngineName::Cgroup) => Some(Engine::Cgroup),
        _ if pods => Some(Engine::Cgroup),
        _ => None,
    };
    let interface = inputs.iter().find_map(|input| match input {
        RawInput::Live {
            scope: LiveScope::Interfaces(name),
            ..
        } => Some(name),
        _ => None,
    });
    if let (Some(Engine::Cgroup), Some(name)) = (engine, interface) {
        return Err(Problem::new(
            format!("this engine sees sockets, not interfaces, but '{name}' is an interface"),
            "leave the flag out, or name an address instead of the interface, such as :80",
        )
        .of(ENGINE, "cgroup"));
    }
    let vxlan = vxlan(arguments, interface, pods)?;
    let capture = &arguments.capture;
    let ignored_interfaces = capture.input_raw_ignore_interface.clone();
    if let Some(name) = ignored_interfaces.first()
        && (engine == Some(Engine::Cgroup) || vxlan.is_some())
    {
        return Err(Problem::new(
            "this engine does not use interfaces, so none can be ignored",
            "leave the flag out, or use --input-raw-engine tc",
        )
        .of("--input-raw-ignore-interface", name));
    }
    let ignored = |name: &&String| {
        ignored_interfaces
            .iter()
            .any(|pattern| interface_matches(pattern, name))
    };
    if let Some(name) = interface.filter(ignored) {
        return Err(
            Problem::new("--input-raw names the same interface", "take one of the two out")
                .of("--input-raw-ignore-interface", name),
        );
    }
    let vlans = vlans(arguments);
    if vlans != VlanScope::Any && engine == Some(Engine::Cgroup) {
        return Err(Problem::new(
            "pods and this engine are captured at sockets, which see no VLAN tags",
            "leave the flag out, or use --input-raw-engine tc",
        )
        .of("--input-raw-vlan", ""));
    }
    Ok(CaptureSettings {
        engine,
        responses: flags.input_raw_track_response,
        ring_bytes: ring_bytes(flags.input_raw_buffer_size)?,
        shards: flags.input_raw_shards.unwrap_or_else(default_shards),
        sample_connections: flags.sample_connections.and_then(|Share { of_2_32 }| of_2_32),
        filter: filter(arguments)?.map(Arc::new),
        ignored_interfaces,
        vlans,
        vxlan,
        tls: None,
    })
}

/// How connections are read. `filter`: which of them are captured. `needs_answers`: whether any output has to do with production's.
pub fn reading(
    arguments: &Arguments,
    filter: Option<Arc<BpfFilter>>,
    needs_answers: bool,
) -> Result<ReadSettings, UsageError> {
    Ok(ReadSettings {
        filter,
        answers: arguments.input.input_raw_track_response || needs_answers,
        track_response: arguments.input.input_raw_track_response,
        client_header: client_header(arguments)?,
        allow_incomplete: arguments.capture.input_raw_allow_incomplete,
        live_calls: match arguments.limits.grpc_max_stream {
            MaxStream::Off => None,
            MaxStream::Within { bytes, time } => Some(mirror::MaxStream { bytes, time }),
        },
        resume: arguments.capture.input_raw_resume,
    })
}

/// Warnings about accepted flags without effect.
pub fn notes(arguments: &Arguments, inputs: &[RawInput]) -> Vec<String> {
    let TuningFlags {
        input_raw_buffer_timeout,
        input_raw_override_snaplen,
        input_raw_promisc,
        input_raw_monitor,
        input_raw_timestamp_type,
        input_raw_stats,
        input_raw_protocol: _,
    } = &arguments.tuning;
    let unused = [
        (
            input_raw_buffer_timeout.is_some(),
            "buffer-timeout has no effect: packets are read as they arrive, not in intervals",
        ),
        (
            *input_raw_override_snaplen,
            "override-snaplen has no effect: packets are always captured whole",
        ),
        (
            *input_raw_promisc,
            "promisc has no effect: capture does not need promiscuous mode",
        ),
        (
            *input_raw_monitor,
            "monitor has no effect: monitor mode of wireless interfaces is not supported",
        ),
        (
            input_raw_timestamp_type.is_some(),
            "timestamp-type has no effect: timestamps are taken by the kernel when it handles the packet",
        ),
        (
            *input_raw_stats,
            "stats has no effect: the ledger and /metrics always count everything",
        ),
    ];
    let mut notes: Vec<String> = unused
        .iter()
        .filter(|(given, _)| *given)
        .map(|(_, note)| format!("--input-raw-{note}"))
        .collect();
    let is_file = |input: &RawInput| matches!(input, RawInput::File { .. });
    let all_are_files = !inputs.is_empty() && inputs.iter().all(is_file);
    let engine = match arguments.input.input_raw_engine {
        Some(EngineName::Libpcap) => "libpcap",
        Some(EngineName::AfPacket) => "af_packet",
        Some(EngineName::RawSocket) => "raw_socket",
        Some(EngineName::PcapFile) if !all_are_files => "pcap_file",
        _ => return notes,
    };
    notes.push(format!(
        "{ENGINE} {engine} has no effect: the engine is chosen from the address, as without the flag"
    ));
    notes
}

/// The expression that says which connections are taken.
fn filter(arguments: &Arguments) -> Result<Option<BpfFilter>, UsageError> {
    let Some(text) = &arguments.capture.input_raw_bpf_filter else {
        return Ok(None);
    };
    // One character for one, so that the column stays right.
    let shown = text.replace(char::is_control, " ");
    let filter = text.parse().map_err(|error: FilterError| {
        let caret = " ".repeat(error.column);
        Problem::new(
            format!("{}\n    {shown}\n    {caret}^", error.problem),
            error.help,
        )
        .of(FILTER, "")
    })?;
    Ok(Some(filter))
}

/// Takes out of the inputs what the expression rules out by its server alone, and puts in what every port means by it.
pub fn narrow(arguments: &Arguments, inputs: Vec<RawInput>) -> Result<Vec<RawInput>, UsageError> {
    let filter = filter(arguments)?;
    let mut narrowed = Vec::with_capacity(inputs.len());
    for input in inputs {
        let RawInput::Live { mut scope, mut ports } = input else {
            narrowed.push(input);
            continue;
        };
        let Some(filter) = &filter else {
            if ports.is_empty() {
                return Err(Problem::new(
                    "capturing every port is not supported",
                    "name those that production listens on, such as :80,8080, or let --input-raw-bpf-filter name \
                     them: 'dst portrange 8000-8100'",
                )
                .of("--input-raw", ":0"));
            }
            narrowed.push(RawInput::Live { scope, ports });
            continue;
        };
        if ports.is_empty() {
            ports = filter.server_ports();
            if ports.len() > MAX_PORTS {
                let text = arguments.capture.input_raw_bpf_filter.clone().unwrap_or_default();
                return Err(Problem::new(
                    format!(
                        "with an input of every port it selects {} ports, the limit is {MAX_PORTS}",
                        ports.len()
                    ),
                    "name the ports that production listens on: 'dst port 80 and ...'",
                )
                .of(FILTER, text));
            }
        }
        ports.retain(|port| filter.may_take(None, Some(*port)));
        let mut nobody = ports.is_empty();
        if let LiveScope::Addresses(addresses) = &mut scope {
            let may = |address| {
                ports
                    .iter()
                    .any(|port| filter.may_take(Some(address), Some(*port)))
            };
            addresses.retain(|address| may(*address));
            nobody |= addresses.is_empty();
        }
        if nobody {
            let text = arguments.capture.input_raw_bpf_filter.clone().unwrap_or_default();
            return Err(Problem::new(
                "it excludes everything of an --input-raw: it narrows --input-raw, and does not replace it",
                "give the address and the port in --input-raw too, such as --input-raw 10.0.0.5:80",
            )
            .of(FILTER, text));
        }
        narrowed.push(RawInput::Live { scope, ports });
    }
    Ok(narrowed)
}

fn vlans(arguments: &Arguments) -> VlanScope {
    let flags = &arguments.capture;
    if flags.input_raw_vlan_vid.is_empty() {
        if flags.input_raw_vlan {
            VlanScope::Tagged
        } else {
            VlanScope::Any
        }
    } else {
        VlanScope::These(flags.input_raw_vlan_vid.iter().copied().collect())
    }
}

fn vxlan(
    arguments: &Arguments,
    interface: Option<&String>,
    pods: bool,
) -> Result<Option<VxlanSettings>, UsageError> {
    if arguments.input.input_raw_engine != Some(EngineName::Vxlan) {
        return Ok(None);
    }
    let refused = |problem: &str| {
        Problem::new(
            problem,
            "name addresses and ports of the mirrored servers, such as --input-raw :80 or 10.0.0.5:80",
        )
        .of(ENGINE, "vxlan")
    };
    if pods {
        return Err(refused("pods are captured at their sockets on this node"));
    }
    if interface.is_some() {
        return Err(refused(
            "captured traffic arrives in VXLAN packets on any interface",
        ));
    }
    if arguments.input.sample_connections.is_some() {
        return Err(Problem::new(
            "sampling happens in this machine's kernel, which does not look inside VXLAN packets",
            "remove it, or filter in the mirroring session",
        )
        .of("--sample-connections", ""));
    }
    let vnis = &arguments.capture.input_raw_vxlan_vni;
    let (left_out, taken): (BTreeSet<_>, BTreeSet<_>) = vnis.iter().partition(|vni| **vni < 0);
    let numbers = |vnis: BTreeSet<i32>| vnis.into_iter().map(i32::unsigned_abs).collect();
    Ok(Some(VxlanSettings {
        listen: arguments.capture.input_raw_vxlan_port,
        taken: numbers(taken),
        left_out: numbers(left_out),
    }))
}

fn client_header(arguments: &Arguments) -> Result<Option<String>, UsageError> {
    let name = arguments.capture.input_raw_realip_header.clone();
    let marker = super::output_http::marker(arguments);
    if let (Some(name), Some(marker)) = (&name, marker)
        && name.eq_ignore_ascii_case(&marker)
    {
        return Err(Problem::new(
            "this is the marker header of copies",
            "choose another name, such as X-Real-IP",
        )
        .of("--input-raw-realip-header", name));
    }
    Ok(name)
}

fn ring_bytes(wanted: usize) -> Result<u32, UsageError> {
    let bytes = wanted.clamp(SMALLEST_RING, LARGEST_RING + 1).next_power_of_two();
    u32::try_from(bytes).map_err(|_| {
        Problem::new(
            "a ring buffer cannot be larger than 2gb",
            "write a smaller size, such as 64mb",
        )
        .of("--input-raw-buffer-size", wanted.to_string())
    })
}

/// Shards of a run that is not told how many: a power of two, one for each CPU as far as may be.
pub fn default_shards() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    (1 << cpus.ilog2()).min(MAX_SHARDS)
}
