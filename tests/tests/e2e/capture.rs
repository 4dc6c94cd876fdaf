//! Capture: both hooks, both families, every kind of address and place.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;

use shadow_tests::client::Connection;
use shadow_tests::{AccessLog, Agent, Netns, Nginx, Process, Veth, load, stage, until};

use crate::scene::Scene;

/// Loads production by both families: 400 requests over 16 connections.
fn both_families(scene: &Scene) -> u64 {
    load::keep_alive(&scene.client, scene.v4, 8, 25) + load::keep_alive(&scene.client, scene.v6, 8, 25)
}

#[test]
fn tc_mirrors_lo() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--input-raw-engine", "tc"]);
    assert_eq!(both_families(&scene), 400);
    scene.finish(agent).assert_mirrored(400);
}

#[test]
fn cgroup_mirrors_lo() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--input-raw-engine", "cgroup"]);
    assert_eq!(both_families(&scene), 400);
    scene.finish(agent).assert_mirrored(400);
}

#[test]
fn tc_mirrors_across_namespaces() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let agent = scene.mirror(&["--input-raw-engine", "tc"]);
    assert_eq!(both_families(&scene), 400);
    scene.finish(agent).assert_mirrored(400);
}

#[test]
fn cgroup_mirrors_across_namespaces() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let agent = scene.mirror(&["--input-raw-engine", "cgroup"]);
    assert_eq!(both_families(&scene), 400);
    scene.finish(agent).assert_mirrored(400);
}

#[test]
fn the_hook_chosen_from_the_address_mirrors_each_kind_of_address() {
    let stage = stage!("root", "agent", "nginx");
    for kind in ["ADDRESS:PORT", "INTERFACE:PORT", "INTER*:PORT", "0.0.0.0:PORT"] {
        let scene = Scene::across(&stage);
        let end = &scene.veths[0].left;
        let input = kind
            .replace("ADDRESS", &end.v4.to_string())
            .replace("INTERFACE", &end.interface)
            .replace("INTER", &end.interface[..4])
            .replace("PORT", &scene.port.to_string());
        let agent = scene.mirror_from(&input, &[]);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        scene.finish(agent).assert_mirrored(100);
    }
}

#[test]
fn an_ipv6_address_selects_its_own_traffic_only() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::across(&stage);
    let agent = scene.mirror_from(&format!("[{}]:{}", scene.veths[0].left.v6, scene.port), &[]);
    load::keep_alive(&scene.client, scene.v4, 2, 10);
    assert_eq!(load::keep_alive(&scene.client, scene.v6, 4, 25), 100);
    let finished = scene.finish(agent);
    assert_eq!(finished.production.len(), 120);
    finished.ledger.assert_all_delivered(100);
    finished
        .production
        .filter(|entry| entry.client.contains(':'))
        .assert_same_requests(&finished.shadow);
}

#[test]
fn localhost_means_all_its_addresses() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror_from(&format!("localhost:{}", scene.port), &[]);
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 2, 50), 100);
    scene.finish(agent).assert_mirrored(100);
}

#[test]
fn a_client_on_this_host_is_seen_at_other_addresses_than_loopback() {
    let stage = stage!("root", "agent", "nginx");
    for engine in ["tc", "cgroup"] {
        let scene = Scene::across(&stage);
        let input = format!("{}:{}", scene.v4.ip(), scene.port);
        let agent = scene.mirror_from(&input, &["--input-raw-engine", engine]);
        // From production's own namespace to the address of its veth: these packets pass `lo`.
        assert_eq!(load::keep_alive(&scene.server, scene.v4, 4, 25), 100);
        scene.finish(agent).assert_mirrored(100);
    }
}

#[test]
fn the_host_side_of_a_veth_sees_the_namespace_behind_it() {
    let stage = stage!("root", "agent", "nginx");
    let (host, pod) = (Netns::new(), Netns::new());
    let veth = Veth::new(&host, &pod);
    let (port, shadow_port) = (pod.free_port(), host.free_port());
    let production = Nginx::start(&stage, &pod, "production", port);
    let shadow = Nginx::start(&stage, &host, "shadow", shadow_port);
    let input = format!("{}:{port}", veth.left.interface);
    let output = format!("http://127.0.0.1:{shadow_port}");
    let agent = Agent::start(&stage, &host, &["--input-raw", &input, "--output-http", &output]);
    for ip in [IpAddr::from(veth.right.v4), IpAddr::from(veth.right.v6)] {
        assert_eq!(load::keep_alive(&host, SocketAddr::new(ip, port), 4, 25), 100);
    }
    let production = production.finish();
    let ledger = agent.stop();
    ledger.assert_all_delivered(200);
    production.assert_same_requests(&shadow.finish());
}

#[test]
fn a_router_that_sees_each_packet_twice_mirrors_it_once() {
    let stage = stage!("root", "agent", "nginx");
    let (client, router, server) = (Netns::new(), Netns::new(), Netns::new());
    let front = Veth::new(&router, &client);
    let back = Veth::new(&router, &server);
    router.run("sh", &["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    client.ip(&["route", "add", "default", "via", &front.left.v4.to_string()]);
    server.ip(&["route", "add", "default", "via", &back.left.v4.to_string()]);
    let (port, shadow_port) = (server.free_port(), router.free_port());
    let production = Nginx::start(&stage, &server, "production", port);
    let shadow = Nginx::start(&stage, &router, "shadow", shadow_port);
    let input = format!("{}*:{port}", &front.left.interface[..5]);
    let output = format!("http://127.0.0.1:{shadow_port}");
    let agent = Agent::start(
        &stage,
        &router,
        &["--input-raw", &input, "--output-http", &output],
    );
    assert_eq!(
        load::keep_alive(&client, SocketAddr::new(back.right.v4.into(), port), 4, 25),
        100
    );
    let production = production.finish();
    agent.stop().assert_all_delivered(100);
    production.assert_same_requests(&shadow.finish());
}

#[test]
fn an_interface_that_appears_later_is_captured_from() {
    let stage = stage!("root", "agent", "nginx");
    let (server, client) = (Netns::new(), Netns::new());
    let (port, shadow_port) = (server.free_port(), server.free_port());
    let production = Nginx::start(&stage, &server, "production", port);
    let shadow = Nginx::start(&stage, &server, "shadow", shadow_port);
    let input = format!("st*:{port}");
    let output = format!("http://127.0.0.1:{shadow_port}");
    let agent = Agent::start(
        &stage,
        &server,
        &["--input-raw", &input, "--output-http", &output],
    );
    let veth = Veth::new(&server, &client);
    let address = SocketAddr::new(veth.left.v4.into(), port);
    // When exactly it is attached nobody is told, so requests are sent until one is seen.
    until("the new interface is captured from", || {
        Connection::open(&client, address).get("/early", "early");
        agent.ledger_now().seen() > 0
    });
    assert_eq!(load::keep_alive(&client, address, 4, 25), 100);
    let production = production.finish();
    let ledger = agent.stop();
    let shadow = shadow.finish();
    ledger.assert_all_delivered(shadow.len() as u64);
    let later = |log: &AccessLog| log.filter(|entry| entry.uri != "/early");
    assert_eq!(later(&production).len(), 100);
    later(&production).assert_same_requests(&later(&shadow));
}

#[test]
fn several_inputs_and_several_ports_are_captured_at_once() {
    let stage = stage!("root", "agent", "nginx");
    let host = Netns::host();
    let ports: Vec<u16> = (0..5).map(|_| host.free_port()).collect();
    let production = Nginx::start_with(
        &stage,
        &host,
        "production",
        &ports[..4],
        &shadow_tests::NginxSetup::default(),
    );
    let shadow = Nginx::start(&stage, &host, "shadow", ports[4]);
    let inputs = [
        format!(":{},{}", ports[0], ports[1]),
        format!("127.0.0.1:{}", ports[2]),
    ];
    let output = format!("http://127.0.0.1:{}", ports[4]);
    let arguments = [
        "--input-raw",
        &inputs[0],
        "--input-raw",
        &inputs[1],
        "--output-http",
        &output,
    ];
    let agent = Agent::start(&stage, &host, &arguments);
    let load = |port: u16| load::keep_alive(&host, SocketAddr::from(([127, 0, 0, 1], port)), 2, 25);
    for port in &ports[..3] {
        assert_eq!(load(*port), 50);
    }
    // The fourth port is production's too, but not named.
    load(ports[3]);
    assert_eq!(production.finish().len(), 200);
    agent.stop().assert_all_delivered(150);
    assert_eq!(shadow.finish().len(), 150);
}

#[test]
fn sampling_takes_whole_connections_and_counts_the_rest() {
    let stage = stage!("root", "agent", "nginx");
    let scene = Scene::on_lo(&stage);
    let agent = scene.mirror(&["--sample-connections", "50%"]);
    assert_eq!(load::at_once(&scene.client, scene.v4, 400, 3), 1200);
    let finished = scene.finish(agent);
    let opened = finished.ledger.connections("opened");
    assert_eq!(opened + finished.ledger.capture("connections_sampled_out"), 400);
    // 400 fair coins fall outside 120..=280 once in 10^15 runs.
    assert!((120..=280).contains(&opened), "{opened}");
    finished.ledger.assert_all_delivered(opened * 3);
    let mut requests: BTreeMap<&str, u32> = BTreeMap::new();
    for entry in &finished.shadow.0 {
        *requests.entry(&entry.uri).or_default() += 1;
    }
    assert_eq!(requests.len() as u64, opened);
    assert!(
        requests.values().all(|count| *count == 3),
        "a connection was cut: {requests:?}"
    );
}

#[test]
fn connections_open_before_the_agent_are_followed_when_asked() {
    let stage = stage!("root", "agent", "nginx");
    // Without being asked for, every request on them may be bytes of an upload that began before.
    for (more, delivered) in [(&["--input-raw-resume"][..], 90), (&[], 0)] {
        follow(Scene::on_lo(&stage), more, delivered);
    }
}

/// Ten connections with ten requests each, from before the agent came: so many are mirrored.
fn follow(scene: Scene<'_>, more: &[&str], delivered: u64) {
    let mut open: Vec<_> = (0..10)
        .map(|_| Connection::open(&scene.client, scene.v4))
        .collect();
    for (client, connection) in open.iter_mut().enumerate() {
        assert_eq!(connection.get("/before", &format!("{client}")).status, 200);
    }
    let agent = scene.mirror(more);
    for round in 0..10 {
        for (client, connection) in open.iter_mut().enumerate() {
            assert_eq!(connection.get("/after", &format!("{client}-{round}")).status, 200);
        }
    }
    drop(open);
    let finished = scene.finish(agent);
    let ledger = &finished.ledger;
    assert_eq!(ledger.connections("mid_stream"), 10);
    // The first request on each is not mirrored in any case: nobody has answered yet.
    let later = finished
        .production
        .filter(|entry| delivered > 0 && entry.uri == "/after" && !entry.id.ends_with("-0"));
    later.assert_same_requests(&finished.shadow);
    assert_eq!(
        (
            ledger.seen(),
            ledger.delivered(0),
            ledger.dropped(0, "mid_stream")
        ),
        (100, delivered, 100 - delivered),
        "{ledger}"
    );
}

#[test]
fn responses_are_captured_only_when_asked_for() {
    let stage = stage!("root", "agent", "nginx");
    let mut bytes = Vec::new();
    for more in [&[][..], &["--input-raw-track-response"]] {
        let scene = Scene::on_lo(&stage);
        let agent = scene.mirror(more);
        assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
        let finished = scene.finish(agent);
        finished.assert_mirrored(100);
        bytes.push(finished.ledger.capture("bytes_copied"));
    }
    // Requests here are under 120 bytes, responses over 1024.
    assert!(bytes[0] < 100 * 120, "{bytes:?}");
    assert!(bytes[1] > 100 * 1024, "{bytes:?}");
}

#[test]
fn programs_of_others_on_the_interface_still_see_the_traffic() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let agent = scene.mirror(&["--input-raw-engine", "tc"]);
    let mut command = scene.server.command("tcpdump");
    command.args([
        "-l",
        "-n",
        "-c",
        "10",
        "-Z",
        "root",
        "-i",
        &scene.veths[0].left.interface,
    ]);
    command
        .arg(format!(
            "tcp dst port {} and tcp[tcpflags] & tcp-syn != 0",
            scene.port
        ))
        .stdout(Stdio::null());
    let mut tcpdump = Process::start("tcpdump", &mut command);
    tcpdump.wait_for_line("listening on");
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 10, 1), 10);
    // It ends by itself at the tenth SYN.
    assert!(tcpdump.wait(shadow_tests::DEADLINE).success());
    scene.finish(agent).assert_mirrored(10);
}
