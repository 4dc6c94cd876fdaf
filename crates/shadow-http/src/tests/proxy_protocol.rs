//! Headers of both versions, whole and cut anywhere, and what is none.

use proptest::prelude::*;

use super::*;

fn v2(command: u8, family: u8, behind: &[u8]) -> Vec<u8> {
    let length = u16::try_from(behind.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family][..], &length, behind].concat()
}

/// Reads one buffer: length and client of the header.
fn whole(bytes: &[u8]) -> Option<(usize, Option<String>)> {
    match ProxyHeader::default().take(bytes) {
        ProxyStep::Header { length, client, .. } => Some((length, client.map(|client| client.to_string()))),
        ProxyStep::Absent(before) if before.is_empty() => None,
        step => panic!("{step:?}"),
    }
}

fn of(length: usize, client: &str) -> (usize, Option<String>) {
    (length, Some(client.to_owned()))
}

#[test]
fn a_line_names_the_client() {
    assert_eq!(
        whole(b"PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\nGET / HTTP/1.1\r\n"),
        Some(of(42, "203.0.113.7:51234"))
    );
    assert_eq!(
        whole(b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 80\r\n"),
        Some(of(45, "[2001:db8::7]:51234"))
    );
    let longest = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                   65535 65535\r\n";
    assert_eq!(
        whole(longest.as_bytes()),
        Some(of(104, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"))
    );
}

#[test]
fn a_line_that_knows_no_client_is_a_header_all_the_same() {
    assert_eq!(whole(b"PROXY UNKNOWN\r\nGET /"), Some((15, None)));
    assert_eq!(
        whole(b"PROXY UNKNOWN ffff::1 anything else\r\n"),
        Some((37, None))
    );
}

#[test]
fn a_line_that_is_not_to_the_letter_is_none() {
    for line in [
        "PROXY / HTTP/1.1\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 51234\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 51234 80 \r\n",
        "PROXY TCP4  203.0.113.7 10.0.0.1 51234 80\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 051234 80\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 +1 80\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 65536 80\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 51234 80\r\n",
        "PROXY TCP6 203.0.113.7 10.0.0.1 51234 80\r\n",
        "PROXY TCP5 203.0.113.7 10.0.0.1 51234 80\r\n",
        "PROXY UNKNOWNS\r\n",
        "proxy TCP4 203.0.113.7 10.0.0.1 51234 80\r\n",
        "POST / HTTP/1.1\r\n",
    ] {
        assert_eq!(whole(line.as_bytes()), None, "{line}");
    }
    let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 200]].concat();
    assert_eq!(whole(&endless), None);
    assert_eq!(whole(&endless[..107]), None);
    assert_eq!(ProxyHeader::default().take(&endless[..106]), ProxyStep::More);
}

#[test]
fn a_binary_header_names_the_client() {
    let four = [203, 0, 113, 7, 10, 0, 0, 1, 0xc8, 0x22, 0, 80];
    assert_eq!(whole(&v2(0x21, 0x11, &four)), Some(of(28, "203.0.113.7:51234")));
    let mut six = [0; 36];
    six[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    six[15] = 7;
    six[32..].copy_from_slice(&[0xc8, 0x22, 0, 80]);
    assert_eq!(whole(&v2(0x21, 0x21, &six)), Some(of(52, "[2001:db8::7]:51234")));
    // A load balancer's identifier of the endpoint, as an extension (type 0xEA).
    let extended = [&four[..], &[0xea, 0, 4, 1, b'v', b'p', b'c']].concat();
    assert_eq!(
        whole(&v2(0x21, 0x11, &extended)),
        Some(of(35, "203.0.113.7:51234"))
    );
}

#[test]
fn a_binary_header_without_an_ip_address_is_one_all_the_same() {
    assert_eq!(whole(&v2(0x20, 0x00, &[])), Some((16, None)));
    // A health check of the balancer's own, with the addresses that are to be ignored.
    assert_eq!(whole(&v2(0x20, 0x11, &[9; 12])), Some((28, None)));
    assert_eq!(whole(&v2(0x21, 0x00, &[])), Some((16, None)));
    assert_eq!(whole(&v2(0x21, 0x31, &[0; 216])), Some((232, None)));
}

#[test]
fn a_binary_header_that_the_specification_forbids_is_none() {
    assert_eq!(whole(&v2(0x11, 0x11, &[0; 12])), None);
    assert_eq!(whole(&v2(0x22, 0x11, &[0; 12])), None);
    assert_eq!(whole(&v2(0x21, 0x41, &[0; 12])), None);
    assert_eq!(whole(&v2(0x21, 0x11, &[0; 11])), None);
    assert_eq!(whole(&v2(0x21, 0x21, &[0; 35])), None);
    assert_eq!(whole(b"\r\n\r\nGET / HTTP/1.1\r\n"), None);
}

#[test]
fn bytes_that_were_no_header_are_given_back() {
    let mut header = ProxyHeader::default();
    assert_eq!(header.take(b"\r\n\r"), ProxyStep::More);
    assert_eq!(header.take(b"\nGET /"), ProxyStep::Absent(b"\r\n\r".to_vec()));
    let mut header = ProxyHeader::default();
    assert_eq!(header.take(b"P"), ProxyStep::More);
    assert_eq!(header.end(), ProxyStep::Absent(b"P".to_vec()));
}

#[test]
fn a_header_that_breaks_off_has_told_its_client() {
    let mut header = ProxyHeader::default();
    let bytes = v2(0x21, 0x11, &[[7; 12], [1; 12]].concat());
    assert_eq!(header.take(&bytes[..30]), ProxyStep::More);
    let client = Some("7.7.7.7:1799".parse().unwrap());
    assert_eq!(
        header.end(),
        ProxyStep::Header {
            taken: 0,
            length: 30,
            client
        }
    );
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<(Ipv4Addr, u16)>()
            .prop_map(|(client, port)| format!("PROXY TCP4 {client} 10.0.0.1 {port} 80\r\n").into_bytes()),
        any::<(Ipv6Addr, u16)>()
            .prop_map(|(client, port)| format!("PROXY TCP6 {client} ::1 {port} 80\r\n").into_bytes()),
        prop::collection::vec(any::<u8>(), 36..400).prop_map(|behind| v2(0x21, 0x21, &behind)),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|behind| [&SIGNATURE[..], &behind].concat()),
        "PROXY (TCP4|TCP6|UNKNOWN) [0-9a-f:. ]{0,110}(\r\n)?".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn a_header_is_the_same_wherever_it_is_cut(
        header in headers(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let bytes = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let mut cut = ProxyHeader::default();
        let mut step = ProxyStep::More;
        let mut rest_begins = 0;
        for pair in places.windows(2).filter(|pair| pair[0] < pair[1]) {
            step = cut.take(&bytes[pair[0]..pair[1]]);
            prop_assert!(cut.held.len() <= MAX_LINE);
            rest_begins = match &step {
                ProxyStep::More => continue,
                ProxyStep::Absent(before) => {
                    prop_assert_eq!(before, &bytes[..pair[0]]);
                    0
                }
                ProxyStep::Header { taken, length, .. } => {
                    prop_assert_eq!(pair[0] + taken, *length);
                    *length
                }
            };
            break;
        }
        let told = |step: &ProxyStep| match step {
            ProxyStep::More => None,
            ProxyStep::Absent(_) => Some(None),
            ProxyStep::Header { length, client, .. } => Some(Some((*length, *client))),
        };
        prop_assert_eq!(told(&step), told(&ProxyHeader::default().take(&bytes)));
        prop_assert!(rest_begins <= bytes.len());
    }
}
