//! Whether a binary works, before it is packed: it names its version and replays a capture file, under emulation where
//! it is for another architecture. Live capture is the end-to-end tests' matter.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::arch::Arch;
use crate::setup;

/// Tries `binary` out; the error says what it does that it should not.
pub fn runs(binary: &Path, arch: Arch) -> Result<()> {
    let version = super::output(arch.command(binary)?.arg("--version"))?;
    ensure!(
        version.trim() == concat!("shadow-agent ", env!("CARGO_PKG_VERSION")),
        "{} says it is {version}",
        binary.display()
    );
    let folder = setup::target().join("dist-check");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (capture, ledger) = (folder.join("one.pcap"), folder.join("ledger.json"));
    std::fs::write(&capture, one_request()).with_context(|| format!("cannot write {}", capture.display()))?;
    super::output(
        arch.command(binary)?
            .arg("--input-raw")
            .arg(format!("{}:80", capture.display()))
            .args(["--output-null", "--ledger"])
            .arg(&ledger),
    )?;
    let text =
        std::fs::read_to_string(&ledger).with_context(|| format!("cannot read {}", ledger.display()))?;
    let ledger: serde_json::Value = serde_json::from_str(&text)?;
    ensure!(
        ledger["seen"] == 1 && ledger["outputs"][0]["delivered"] == 1,
        "one request was captured, but the ledger says {text}"
    );
    println!(
        "{}: its version and a replay are right{}",
        version.trim(),
        if arch.is_foreign() {
            " (under qemu-user)"
        } else {
            ""
        }
    );
    Ok(())
}

/// A capture file (pcap, `LINKTYPE_RAW`) of one connection to port 80 with one request in it.
fn one_request() -> Vec<u8> {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    const FIN: u8 = 0x01;
    let request = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    let end = 1001 + request.len() as u32;
    let (client, server) = (([192, 0, 2, 1], 40_000), ([192, 0, 2, 2], 80));
    let packets = [
        packet(client, server, 1000, 0, SYN, b""),
        packet(server, client, 5000, 1001, SYN | ACK, b""),
        packet(client, server, 1001, 5001, ACK, request),
        packet(client, server, end, 5001, FIN | ACK, b""),
    ];
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for packet in &packets {
        let length = packet.len() as u32;
        for word in [1_700_000_000, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

type Endpoint = ([u8; 4], u16);

/// An IPv4 packet with a TCP segment; checksums are left out, as on a machine that offloads them.
fn packet(from: Endpoint, to: Endpoint, sequence: u32, ack: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = 40 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    packet.extend(from.0);
    packet.extend(to.0);
    packet.extend(from.1.to_be_bytes());
    packet.extend(to.1.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(ack.to_be_bytes());
    packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend(payload);
    packet
}
