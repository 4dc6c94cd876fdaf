//! One test for each kind of frame, and for each way a frame can be wrong.

use super::*;

/// A TCP segment from port 0x1234 to 80: sequence number 1, acknowledgment 2, PSH and ACK.
fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut tcp = vec![
        0x12, 0x34, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
    ];
    tcp.extend_from_slice(payload);
    tcp
}

fn ipv4(payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut ip = vec![
        0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip.extend_from_slice(payload);
    ip
}

/// `next` is the first extension header's number, or TCP's; the extension headers are part of `payload`.
fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = vec![0x60, 0, 0, 0, 0, 0, next, 64];
    ip[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    ip.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    ip.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    ip.extend_from_slice(payload);
    ip
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend_from_slice(&ethertype.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn behind(header: &[u8], payload: &[u8]) -> Vec<u8> {
    [header, payload].concat()
}

/// The payload found in a frame that was captured whole, as text.
fn payload(link: LinkType, frame: &[u8]) -> Result<String, NoSegment> {
    let packet = parse(link, frame, frame.len())?;
    assert_eq!(packet.cut, 0);
    Ok(String::from_utf8_lossy(&frame[packet.payload]).into_owned())
}

fn endpoint(address: &str) -> Endpoint {
    address.parse::<SocketAddr>().unwrap().into()
}

#[test]
fn every_field_of_an_ipv4_segment() {
    let frame = ethernet(IPV4, &ipv4(&tcp(b"hello")));
    assert_eq!(
        parse(LinkType::Ethernet, &frame, frame.len()),
        Ok(TcpPacket {
            source: endpoint("10.0.0.1:4660"),
            destination: endpoint("10.0.0.2:80"),
            sequence: 1,
            acknowledgment: 2,
            flags: TcpFlags(0x18),
            payload: 54..59,
            cut: 0,
            vlan: None,
        })
    );
}

#[test]
fn addresses_of_an_ipv6_segment() {
    let frame = ethernet(IPV6, &ipv6(6, &tcp(b"hello")));
    let packet = parse(LinkType::Ethernet, &frame, frame.len()).unwrap();
    assert_eq!(packet.source, endpoint("[fd00::1]:4660"));
    assert_eq!(packet.destination, endpoint("[fd00::2]:80"));
    assert_eq!(packet.payload, 74..79);
}

#[test]
fn link_types_by_number() {
    let known = [
        (LinkType::Loopback, vec![0, 108]),
        (LinkType::Ethernet, vec![1]),
        (LinkType::Ip, vec![12, 14, 101, 228, 229]),
        (LinkType::LinuxSll, vec![113]),
        (LinkType::LinuxSll2, vec![276]),
    ];
    for (link, numbers) in known {
        for number in numbers {
            assert_eq!(LinkType::from_number(number), Some(link));
        }
    }
    assert_eq!(LinkType::from_number(105), None);
}

#[test]
fn raw_ip_of_both_versions() {
    assert_eq!(payload(LinkType::Ip, &ipv4(&tcp(b"four"))).as_deref(), Ok("four"));
    assert_eq!(
        payload(LinkType::Ip, &ipv6(6, &tcp(b"six"))).as_deref(),
        Ok("six")
    );
}

#[test]
fn loopback_families_of_either_byte_order() {
    let v4 = ipv4(&tcp(b"x"));
    assert_eq!(
        payload(LinkType::Loopback, &behind(&[2, 0, 0, 0], &v4)).as_deref(),
        Ok("x")
    );
    assert_eq!(
        payload(LinkType::Loopback, &behind(&[0, 0, 0, 2], &v4)).as_deref(),
        Ok("x")
    );
    let v6 = ipv6(6, &tcp(b"x"));
    assert_eq!(
        payload(LinkType::Loopback, &behind(&[30, 0, 0, 0], &v6)).as_deref(),
        Ok("x")
    );
    assert_eq!(
        payload(LinkType::Loopback, &behind(&[7, 0, 0, 0], &v4)),
        Err(NoSegment::NotIp)
    );
}

#[test]
fn linux_cooked_captures() {
    let v4 = ipv4(&tcp(b"x"));
    let sll = behind(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00], &v4);
    assert_eq!(payload(LinkType::LinuxSll, &sll).as_deref(), Ok("x"));
    let sll2 = behind(
        &[0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0],
        &v4,
    );
    assert_eq!(payload(LinkType::LinuxSll2, &sll2).as_deref(), Ok("x"));
}

#[test]
fn vlan_tags_are_stepped_over() {
    let v4 = ipv4(&tcp(b"x"));
    let vlan = |frame: &[u8]| parse(LinkType::Ethernet, frame, frame.len()).unwrap().vlan;
    let one = ethernet(0x8100, &behind(&[0x30, 5, 0x08, 0x00], &v4));
    assert_eq!(vlan(&one), Some(5));
    assert_eq!(payload(LinkType::Ethernet, &one).as_deref(), Ok("x"));
    let two = ethernet(0x88a8, &behind(&[0, 5, 0x81, 0x00, 0, 6, 0x08, 0x00], &v4));
    assert_eq!(payload(LinkType::Ethernet, &two).as_deref(), Ok("x"));
    assert_eq!(vlan(&two), Some(5));
    let endless = ethernet(0x8100, &[0, 5, 0x81, 0x00].repeat(30));
    assert_eq!(payload(LinkType::Ethernet, &endless), Err(NoSegment::NotIp));
}

#[test]
fn ipv4_and_tcp_options_are_stepped_over() {
    let mut segment = tcp(&[1; 12]);
    segment[12] = 0x80;
    segment.extend_from_slice(b"data");
    let mut packet = ipv4(&segment);
    packet.splice(20..20, [1; 8]);
    packet[0] = 0x47;
    let total = packet.len() as u16;
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    assert_eq!(payload(LinkType::Ip, &packet).as_deref(), Ok("data"));
}

#[test]
fn ipv6_extension_headers_are_stepped_over() {
    // Hop-by-hop, destination options of 16 bytes, authentication of 16 bytes, an atomic fragment.
    let headers = [
        &[60, 0, 1, 4, 0, 0, 0, 0][..],
        &[51, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[44, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0],
        &[6, 0, 0, 0, 0, 0, 0, 9],
    ]
    .concat();
    assert_eq!(
        payload(LinkType::Ip, &ipv6(0, &behind(&headers, &tcp(b"x")))).as_deref(),
        Ok("x")
    );
    let endless = [0, 0, 1, 4, 0, 0, 0, 0].repeat(100);
    assert_eq!(
        payload(LinkType::Ip, &ipv6(0, &endless)),
        Err(NoSegment::Malformed)
    );
}

#[test]
fn ethernet_padding_is_not_payload() {
    let mut frame = ethernet(IPV4, &ipv4(&tcp(b"")));
    frame.resize(60, 0);
    assert_eq!(payload(LinkType::Ethernet, &frame).as_deref(), Ok(""));
}

#[test]
fn an_empty_length_means_everything_there_is() {
    let mut packet = ipv4(&tcp(b"large"));
    packet[2..4].fill(0);
    assert_eq!(payload(LinkType::Ip, &packet).as_deref(), Ok("large"));
    assert_eq!(
        parse(LinkType::Ip, &packet, packet.len() + 7).map(|packet| packet.cut),
        Ok(7)
    );
    let mut packet = ipv6(6, &tcp(b"large"));
    packet[4..6].fill(0);
    assert_eq!(payload(LinkType::Ip, &packet).as_deref(), Ok("large"));
}

#[test]
fn payload_behind_the_snap_length_is_told() {
    let frame = ethernet(IPV4, &ipv4(&tcp(b"hello")));
    let cut = |len: usize| {
        parse(LinkType::Ethernet, &frame[..len], frame.len()).map(|packet| (packet.payload, packet.cut))
    };
    assert_eq!(cut(59), Ok((54..59, 0)));
    assert_eq!(cut(56), Ok((54..56, 3)));
    assert_eq!(cut(54), Ok((54..54, 5)));
    assert_eq!(cut(53), Err(NoSegment::HeadersCut));
}

#[test]
fn tcp_options_behind_the_snap_length_are_not_missed() {
    let mut segment = tcp(&[1; 12]);
    segment[12] = 0x80;
    segment.extend_from_slice(b"data");
    let packet = ipv4(&segment);
    let parsed = parse(LinkType::Ip, &packet[..44], packet.len()).unwrap();
    assert_eq!((parsed.sequence, parsed.payload, parsed.cut), (1, 44..44, 4));
}

#[test]
fn fragments_are_told() {
    let mut first = ipv4(&tcp(b"x"));
    first[6] = 0x20;
    assert_eq!(payload(LinkType::Ip, &first), Err(NoSegment::Fragment));
    let mut later = ipv4(&tcp(b"x"));
    later[7] = 1;
    assert_eq!(payload(LinkType::Ip, &later), Err(NoSegment::Fragment));
    let v6 = ipv6(44, &behind(&[6, 0, 0, 1, 0, 0, 0, 9], &tcp(b"x")));
    assert_eq!(payload(LinkType::Ip, &v6), Err(NoSegment::Fragment));
}

#[test]
fn other_protocols_are_told() {
    assert_eq!(
        payload(LinkType::Ethernet, &ethernet(0x0806, &[0; 46])),
        Err(NoSegment::NotIp)
    );
    assert_eq!(payload(LinkType::Ip, &[0x50; 40]), Err(NoSegment::NotIp));
    let mut udp = ipv4(&tcp(b"x"));
    udp[9] = 17;
    assert_eq!(payload(LinkType::Ip, &udp), Err(NoSegment::NotTcp));
    assert_eq!(
        payload(LinkType::Ip, &ipv6(58, &tcp(b"x"))),
        Err(NoSegment::NotTcp)
    );
    assert_eq!(payload(LinkType::Ip, &ipv6(59, b"")), Err(NoSegment::NotTcp));
}

#[test]
fn contradictions_are_told() {
    let good = ipv4(&tcp(b"x"));
    let with = |at: usize, byte: u8| {
        let mut packet = good.clone();
        packet[at] = byte;
        payload(LinkType::Ip, &packet)
    };
    // An IP header of 16 bytes, a packet shorter than its headers, a TCP header of 16 bytes and one of 60.
    assert_eq!(with(0, 0x44), Err(NoSegment::Malformed));
    assert_eq!(with(3, 39), Err(NoSegment::Malformed));
    assert_eq!(with(32, 0x40), Err(NoSegment::Malformed));
    assert_eq!(with(32, 0xf0), Err(NoSegment::Malformed));
    // An ethertype that is not the packet's version.
    assert_eq!(
        payload(LinkType::Ethernet, &ethernet(IPV6, &good)),
        Err(NoSegment::Malformed)
    );
}

#[test]
fn a_frame_cut_at_any_byte_never_gives_more_than_was_captured() {
    let headers = [&[60, 0, 1, 4, 0, 0, 0, 0][..], &[6, 0, 1, 4, 0, 0, 0, 0]].concat();
    let frames = [
        (
            LinkType::Ethernet,
            ethernet(0x8100, &behind(&[0, 5, 0x08, 0x00], &ipv4(&tcp(b"hello")))),
        ),
        (LinkType::Ip, ipv6(0, &behind(&headers, &tcp(b"hello")))),
    ];
    for (link, frame) in frames {
        let payload_start = frame.len() - 5;
        for len in 0..frame.len() {
            let parsed = parse(link, &frame[..len], frame.len());
            if len < payload_start {
                assert_eq!(parsed, Err(NoSegment::HeadersCut), "{len}");
            } else {
                assert_eq!(
                    parsed.map(|packet| packet.payload),
                    Ok(payload_start..len),
                    "{len}"
                );
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn hostile_frames_never_panic(
        link in 0_usize..5,
        mut frame in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        start in 0_usize..4,
        original_len in proptest::num::usize::ANY,
    ) {
        use LinkType::{Ethernet, Ip, LinuxSll, LinuxSll2, Loopback};
        let link = [Ethernet, Ip, LinuxSll, LinuxSll2, Loopback][link];
        // Often something that looks like IP.
        let looks = [&[][..], &[0x45], &[0x60], &[0x46]][start];
        if frame.len() >= looks.len() {
            frame[..looks.len()].copy_from_slice(looks);
        }
        if let Ok(packet) = parse(link, &frame, original_len) {
            proptest::prop_assert!(packet.payload.start <= packet.payload.end);
            proptest::prop_assert!(packet.payload.end <= frame.len());
        }
    }
}
