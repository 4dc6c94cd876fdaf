use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

fn flow(client: &str, server: &str) -> FlowKey {
    let end = |text: &str| text.parse::<SocketAddr>().unwrap().into();
    FlowKey {
        client: end(client),
        server: end(server),
        scope: 0,
    }
}

fn filter(text: &str) -> BpfFilter {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

fn takes(text: &str) -> bool {
    filter(text).takes(&flow("10.1.2.3:40000", "10.0.0.1:80"))
}

/// The column and the problem of an expression that is refused.
fn refused(text: &str) -> (usize, String) {
    let FilterError {
        column,
        problem,
        help,
    } = text.parse::<BpfFilter>().unwrap_err();
    assert!(!help.is_empty());
    (column, problem)
}

#[test]
fn a_connection_is_judged_from_client_to_server() {
    for text in [
        "tcp",
        "ip",
        "host 10.0.0.1",
        "host 10.1.2.3",
        "src host 10.1.2.3",
        "dst host 10.0.0.1",
        "ip dst host 10.0.0.1",
        "dst 10.0.0.1",
        "10.0.0.1",
        "src net 10.1.0.0/16",
        "src 10.1.0.0/16",
        "net 10",
        "src net 10.1",
        "net 10.1.0.0 mask 255.255.0.0",
        "src and dst net 10.0.0.0/8",
        "port 80",
        "port 40000",
        "dst port 80",
        "tcp dst port 80",
        "src or dst port 80",
        "portrange 79-81",
        "dst portrange 81-79",
        "net 0.0.0.0/0",
    ] {
        assert!(takes(text), "{text}");
        assert!(!takes(&format!("not ({text})")), "not ({text})");
    }
    for text in [
        "ip6",
        "src host 10.0.0.1",
        "dst host 10.1.2.3",
        "src net 10.0.0.0/24",
        "src port 80",
        "dst port 40000",
        "src and dst port 80",
        "host 10.0.0.2",
        "dst portrange 81-90",
        "net ::/0",
    ] {
        assert!(!takes(text), "{text}");
    }
}

#[test]
fn ipv6_is_known_by_its_addresses() {
    let flow = flow("[2001:db8::7]:1", "[2001:db8:1::1]:80");
    for text in [
        "ip6",
        "src host 2001:db8::7",
        "net 2001:db8::/32",
        "ip6 dst net 2001:db8:1::/48",
    ] {
        assert!(filter(text).takes(&flow), "{text}");
    }
    assert!(!filter("ip").takes(&flow));
    assert!(!filter("src net 2001:db8:1::/48").takes(&flow));
}

#[test]
fn and_and_or_bind_alike_from_the_left_and_not_before_both() {
    // (80 or 81) and host: as pcap, unlike most languages.
    assert!(!takes("dst port 80 or dst port 81 and host 10.9.9.9"));
    assert!(takes("dst port 80 or (dst port 81 and host 10.9.9.9)"));
    assert!(takes("not dst port 81 and host 10.0.0.1"));
    assert!(takes("!dst port 81&&host 10.0.0.1||host 10.9.9.9"));
    assert!(takes("not not tcp"));
}

#[test]
fn a_value_alone_stands_for_the_words_before_the_last() {
    assert!(takes("dst port 8080 or 80"));
    assert!(!takes("src port 8080 or 80"));
    assert!(takes("dst host (10.0.0.9 or 10.0.0.1)"));
    assert!(takes("tcp dst port (8080 or 80) and src net 10.1"));
    assert!(!takes("not host 10.0.0.9 and 10.0.0.8"));
}

#[test]
fn what_may_be_taken_is_known_from_the_server_alone() {
    let may = |text: &str, port| filter(text).may_take(None, Some(port));
    assert!(may("dst port 80", 80) && !may("dst port 80", 81));
    // The client's port may be 80.
    assert!(may("port 80", 81));
    assert!(!may("not dst port 80 and src host 10.0.0.1", 80));
    assert!(may("dst port 80 or src host 10.0.0.1", 81));
    let at = |text: &str, address: &str| filter(text).may_take(Some(address.parse().unwrap()), Some(80));
    assert!(at("dst host 10.0.0.1", "10.0.0.1") && !at("dst host 10.0.0.1", "10.0.0.2"));
    assert!(!at("ip6 and dst port 80", "10.0.0.1"));
    assert!(filter("dst host 10.0.0.1").may_take(None, None));
}

#[test]
fn the_ports_of_every_port_are_those_that_are_named() {
    assert_eq!(filter("tcp port 80 or 8080").server_ports(), [80, 8080]);
    assert_eq!(filter("dst portrange 1-3 and not port 2").server_ports(), [1, 3]);
    assert_eq!(filter("host 10.0.0.1").server_ports().len(), 65_535);
    assert!(filter("port 80 and port 81").server_ports().is_empty());
}

#[test]
fn what_is_not_understood_is_refused_where_it_stands() {
    for (text, column, problem) in [
        ("", 0, "a test is missing at the end"),
        ("port 80 and", 11, "a test is missing at the end"),
        ("port 80 port 81", 8, "'and' or 'or' is missing before this"),
        ("(port 80", 0, "this parenthesis is never closed"),
        ("port 80)", 7, "this parenthesis has no opening one"),
        ("()", 1, "a test is missing before this"),
        ("port http", 5, "'http' is not a port or a range of ports"),
        ("port 65536", 5, "'65536' is not a port or a range of ports"),
        ("port +80", 5, "'+80' is not a port or a range of ports"),
        ("portrange 80", 10, "'80' is not a port or a range of ports"),
        ("port 80 & port 81", 8, "a single '&' is not supported"),
        ("udp", 0, "'udp' is never captured: requests come by TCP"),
        ("vlan 5", 0, "'vlan' is not part of the expression here"),
        ("port 80 and less 100", 12, "'less' is not supported here"),
        ("tcp and less 100", 8, "'less' is not supported here"),
        ("tcp[13] = 2", 0, "looking into packets is not supported here"),
        (
            "host example.com",
            5,
            "'example.com' is not an address or a network",
        ),
        (
            "net 10.0.0.1/8",
            4,
            "this has bits set beyond its length: the network is 10.0.0.0/8",
        ),
        (
            "net 10.0.0.0/33",
            4,
            "'10.0.0.0/33' is not an address or a network",
        ),
        ("net 10.0.0.0 mask 255.0.255.0", 18, "this mask has holes"),
        ("net 10.0.0.0 mask x", 18, "an IPv4 mask is missing here"),
        (
            "ip6 host 10.0.0.1",
            9,
            "this does not match the protocol before it",
        ),
        ("ip port 80", 8, "this does not match the protocol before it"),
        (
            "tcp host 10.0.0.1",
            9,
            "this does not match the protocol before it",
        ),
        ("src or port 80", 7, "'dst' is missing here, after 'src'"),
        ("dst", 3, "a value is missing here"),
        ("é and", 0, "'é' is not an address or a network"),
        ("host 10.0.0.1 é", 14, "'and' or 'or' is missing before this"),
    ] {
        assert_eq!(refused(text), (column, problem.to_owned()), "{text}");
    }
    assert_eq!(
        refused(&"(".repeat(100)).1,
        "parentheses and negations are nested too deeply"
    );
    assert_eq!(refused(&" ".repeat(5000)).0, 0);
}

fn expressions() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just(""), Just("src "), Just("dst "), Just("src or dst ")];
    let test = prop_oneof![
        Just("port 80".to_owned()),
        Just("portrange 1-100".to_owned()),
        Just("net 10.0.0.0/8".to_owned()),
        Just("host 10.0.0.1".to_owned()),
    ];
    let leaf = (end, test).prop_map(|(end, test)| format!("{end}{test}"));
    leaf.prop_recursive(4, 16, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("not ({inner})")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left}) and ({right})")),
            (inner.clone(), inner).prop_map(|(left, right)| format!("({left}) or ({right})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_within_it(text in "\\PC*") {
        if let Err(error) = text.parse::<BpfFilter>() {
            prop_assert!(error.column <= text.chars().count());
        }
    }

    #[test]
    fn near_expressions_are_parsed_or_refused(
        words in prop::collection::vec(prop_oneof![
            Just("src"), Just("dst"), Just("port"), Just("net"), Just("host"), Just("and"), Just("or"), Just("not"),
            Just("("), Just(")"), Just("80"), Just("10.0.0.1"), Just("10.0.0.0/8"), Just("mask"), Just("tcp"), Just("ip6"),
        ], 0..20)
    ) {
        let text = words.join(" ");
        if let Err(error) = text.parse::<BpfFilter>() {
            prop_assert!(error.column <= text.len());
        }
    }

    #[test]
    fn what_takes_a_connection_may_take_one_to_its_server(
        text in expressions(), client in any::<(u32, u16)>(), server in (any::<bool>(), 1_u16..200)
    ) {
        let filter = filter(&text);
        let address = if server.0 { "10.0.0.1" } else { "192.0.2.1" };
        let client = format!("{}:{}", std::net::Ipv4Addr::from(client.0), client.1);
        let flow = flow(&client, &format!("{address}:{}", server.1));
        if filter.takes(&flow) {
            prop_assert!(filter.may_take(Some(address.parse().unwrap()), Some(server.1)));
            prop_assert!(filter.may_take(None, Some(server.1)));
        }
        let negated: BpfFilter = format!("not ({text})").parse().unwrap();
        prop_assert_ne!(negated.takes(&flow), filter.takes(&flow));
    }
}
