//! Copying into the ring, and what is counted when something is not copied.

use shadow_common::{CLASSES, Counter, PART_BYTES, record_bytes};

use super::kernel::{Kernel, settings};
use super::packets::*;
use crate::CaptureSettings;

const CLIENT: &str = "10.1.2.3:40000";
const SERVER: &str = "10.9.8.7:8081";

/// The largest packet that a test run of all kernels takes (one page with its surroundings).
const MOST: usize = 3000;

fn kernel(test: &str, ring_bytes: u32) -> Option<Kernel> {
    let settings = CaptureSettings {
        ring_bytes,
        ..settings()
    };
    let mut kernel = Kernel::load(test, &settings)?;
    kernel.watch("any", 8081, 0);
    Some(kernel)
}

#[test]
fn payloads_around_each_record_size_arrive_byte_exact() {
    let Some(mut kernel) = kernel("payloads_around_each_record_size", 1 << 20) else {
        return;
    };
    let mut lengths = vec![1, 2, MOST];
    for class in CLASSES
        .into_iter()
        .map(|class| class as usize)
        .filter(|class| *class < MOST)
    {
        lengths.extend([class - 1, class, class + 1]);
    }
    let mut bytes = 0;
    for length in &lengths {
        let body = payload(*length);
        for program in ["shadow_l2_in", "shadow_sock_in"] {
            let seen = kernel.see(program, &request(CLIENT, SERVER, &body).frame());
            assert_eq!(seen.len(), 1, "{length}");
            assert_eq!(seen[0].payload, body, "{length}");
            bytes += *length as u64;
        }
    }
    assert_eq!(kernel.count(Counter::BytesCopied), bytes);
    assert_eq!(kernel.count(Counter::Records), 2 * lengths.len() as u64);
}

#[test]
fn a_full_ring_loses_packets_and_says_how_many_and_how_large() {
    const RING: u32 = 4096;
    let Some(mut kernel) = kernel("a_full_ring_loses_packets", RING) else {
        return;
    };
    let body = payload(300);
    let fits = u64::from(RING / record_bytes(300));
    for _ in 0..20 {
        kernel.run("shadow_l2_in", &request(CLIENT, SERVER, &body).frame());
    }
    let mut fin = request(CLIENT, SERVER, b"");
    fin.flags = shadow_tcp::TcpFlags::FIN;
    // What is left is less than a record of 512, but may hold small ones; fill it up.
    let small = u64::from((RING - fits as u32 * record_bytes(300)) / record_bytes(0));
    for _ in 0..=small {
        kernel.run("shadow_l2_in", &fin.frame());
    }
    assert_eq!(
        kernel.nonzero(),
        [
            ("packets_selected", 20 + small + 1),
            ("packets_copied", fits + small),
            ("bytes_copied", 300 * fits),
            ("records", fits + small),
            ("ring_full_packets", 20 - fits + 1),
            ("ring_full_payload_packets", 20 - fits),
            ("ring_full_bytes", 300 * (20 - fits)),
        ]
        .into()
    );
    // Once it is drained there is room again.
    assert_eq!(kernel.drain().len() as u64, fits + small);
    assert_eq!(
        kernel
            .see("shadow_l2_in", &request(CLIENT, SERVER, &body).frame())
            .len(),
        1
    );
}

#[test]
fn the_last_eighth_of_a_ring_is_for_requests() {
    const RING: u32 = 16 * 1024;
    let settings = CaptureSettings {
        ring_bytes: RING,
        responses: true,
        ..settings()
    };
    let Some(mut kernel) = Kernel::load("the_last_eighth_is_for_requests", &settings) else {
        return;
    };
    kernel.watch("any", 8081, 0);
    let body = payload(300);
    let response = request(SERVER, CLIENT, &body);
    // Those that found less than seven eighths in use.
    let fit = u64::from((RING * 7 / 8).div_ceil(record_bytes(300)));
    for _ in 0..40 {
        kernel.run("shadow_l2_out", &response.frame());
    }
    // What says how a connection ends is small, and is taken all the same; so are requests.
    let mut fin = request(SERVER, CLIENT, b"");
    fin.flags = shadow_tcp::TcpFlags::FIN;
    kernel.run("shadow_l2_out", &fin.frame());
    kernel.run("shadow_l2_in", &request(CLIENT, SERVER, b"x").frame());
    assert_eq!(
        kernel.nonzero(),
        [
            ("packets_selected", 42),
            ("packets_copied", fit + 2),
            ("bytes_copied", 300 * fit + 1),
            ("records", fit + 2),
            ("responses_left_out_packets", 40 - fit),
            ("responses_left_out_bytes", 300 * (40 - fit)),
        ]
        .into()
    );
    assert!(kernel.counts().balanced());
    // Once it is drained, responses are taken again.
    assert_eq!(kernel.drain().len() as u64, fit + 2);
    assert_eq!(kernel.see("shadow_l2_out", &response.frame()).len(), 1);
}

#[test]
fn a_ring_of_one_page_holds_no_record_of_the_largest_size() {
    assert!(record_bytes(PART_BYTES) > 4096);
    let Some(mut kernel) = kernel("a_ring_of_one_page", 4096) else {
        return;
    };
    let body = payload(2500);
    // A record of 4096 bytes with its header is more than the ring.
    assert_eq!(
        kernel.see("shadow_l2_in", &request(CLIENT, SERVER, &body).frame()),
        []
    );
    assert_eq!(kernel.count(Counter::RingFullBytes), 2500);
}
