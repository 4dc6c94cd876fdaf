//! Traffic in VLANs and in VXLAN datagrams: each test is named after its flag.

use std::net::{Ipv4Addr, SocketAddr};

use shadow_tests::client::{Connection, noise, with_body};
use shadow_tests::frames::{Frame, read, record, send_in_vxlan, write};
use shadow_tests::{Ledger, stage};

use crate::capture_flags::{WHOLE, recorded, replay, vxlan_agent};
use crate::scene::Scene;

/// Three connections: the first without a tag, the second of VLAN 5, the third of VLAN 7 (and the last, of none).
fn in_vlans(scene: &Scene) -> String {
    let frames = recorded(scene, &["one", "two", "three"]);
    let port = |frame: &Frame| {
        let (source, destination) = frame.ports();
        if destination == scene.port {
            source
        } else {
            destination
        }
    };
    let mut clients: Vec<u16> = Vec::new();
    for frame in &frames {
        if !clients.contains(&port(frame)) {
            clients.push(port(frame));
        }
    }
    let tagged: Vec<Frame> = frames
        .iter()
        .map(
            |frame| match clients.iter().position(|client| *client == port(frame)) {
                Some(1) => frame.tagged(5),
                Some(2) => frame.tagged(7),
                _ => frame.clone(),
            },
        )
        .collect();
    let file = scene.stage.path("vlans.pcap").display().to_string();
    write(file.as_ref(), &tagged);
    file
}

#[test]
fn input_raw_vlan() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let file = in_vlans(&scene);
    let (ledger, _) = replay(&scene, &file, &[]);
    ledger.assert_all_delivered(4);
    let (ledger, _) = replay(&scene, &file, &["--input-raw-vlan"]);
    ledger.assert_all_delivered(2);
    let left = ledger.0["capture"]["files"]["other_vlan"].as_u64();
    assert!(left.is_some_and(|packets| packets > 4), "{ledger}");
}

#[test]
fn input_raw_vlan_vid() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let file = in_vlans(&scene);
    let (ledger, _) = replay(&scene, &file, &["--input-raw-vlan-vid", "5"]);
    ledger.assert_all_delivered(1);
    let (ledger, _) = replay(
        &scene,
        &file,
        &[
            "--input-raw-vlan",
            "--input-raw-vlan-vid=5",
            "--input-raw-vlan-vid=7",
        ],
    );
    ledger.assert_all_delivered(2);
    let ids: Vec<_> = scene
        .shadow
        .finish()
        .0
        .into_iter()
        .map(|entry| entry.id)
        .collect();
    assert_eq!(ids, ["two", "two", "three"]);
}

#[test]
fn input_raw_vxlan_port() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let end = &scene.veths[0].left;
    // Frames larger than an Ethernet's: veth hands on what the sender did not cut.
    let file = record(
        &stage,
        &scene.server,
        &end.interface,
        scene.port,
        WHOLE,
        "X-Id: last",
        || {
            for (number, to) in [scene.v4, scene.v6].into_iter().enumerate() {
                let mut connection = Connection::open(&scene.client, to);
                connection.send(with_body(
                    "POST",
                    "/upload",
                    &format!("jumbo-{number}"),
                    &noise(30_000, 5),
                ));
                assert_eq!(connection.response().status, 200);
                assert_eq!(connection.get("/small", &format!("small-{number}")).status, 200);
            }
            assert_eq!(
                Connection::open(&scene.client, scene.v4)
                    .get("/last", "last")
                    .status,
                200
            );
        },
    );
    let frames = read(&file);
    assert!(
        frames.iter().any(|frame| frame.0.len() > 9_000),
        "no jumbo frame was recorded"
    );
    let vxlan = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.server.free_port()));
    let agent = vxlan_agent(&scene, vxlan, &[]);
    send_in_vxlan(&scene.server, vxlan, 42, &frames);
    // Shards report what they captured a moment after it is delivered, each for itself.
    let ledger = agent.wait_for_ledger("all is delivered and counted", |ledger| {
        let datagrams = ledger.0["capture"]["vxlan"]["datagrams"].as_u64();
        ledger.delivered(0) == 5 && datagrams >= Some(frames.len() as u64)
    });
    let counts = &ledger.0["capture"]["vxlan"];
    assert_eq!(
        counts["datagrams"].as_u64(),
        Some(frames.len() as u64),
        "{ledger}"
    );
    assert_eq!(
        (counts["lost"].as_u64(), counts["not_vxlan"].as_u64()),
        (Some(0), Some(0)),
        "{ledger}"
    );
    scene.finish(agent).assert_mirrored(5);
}

#[test]
fn input_raw_vxlan_vni() {
    let stage = stage!("root", "agent", "nginx", "tcpdump");
    let scene = Scene::across(&stage);
    let frames = recorded(&scene, &[]);
    let port = scene.server.free_port();
    let vxlan = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    for (flags, taken) in [
        (&["--input-raw-vxlan-vni=7", "--input-raw-vxlan-vni=9"][..], 9),
        (&["--input-raw-vxlan-vni", "-42"][..], 7),
    ] {
        let agent = vxlan_agent(&scene, vxlan, flags);
        send_in_vxlan(&scene.server, vxlan, 42, &frames);
        send_in_vxlan(&scene.server, vxlan, taken, &frames);
        let count = |ledger: &Ledger, name: &str| ledger.0["capture"]["vxlan"][name].as_u64();
        let all = 2 * frames.len() as u64;
        let ledger = agent.wait_for_ledger("all has been read", |ledger| {
            count(ledger, "datagrams") == Some(all)
        });
        assert_eq!(count(&ledger, "other_vni"), Some(all / 2), "{ledger}");
        agent.wait_for_ledger("it is delivered", |ledger| ledger.delivered(0) == 1);
        agent.stop().assert_all_delivered(1);
    }
}

#[test]
fn vxlan_in_a_pause_is_skipped_and_nonsense_counted() {
    let stage = stage!("root", "agent", "nginx", "tcpdump", "curl");
    let scene = Scene::across(&stage);
    let frames = recorded(&scene, &[]);
    let vxlan = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.server.free_port()));
    let admin = format!("127.0.0.1:{}", scene.server.free_port());
    let agent = vxlan_agent(&scene, vxlan, &["--http-listen", &admin]);
    let order = |order: &str| {
        scene.server.run(
            "curl",
            &["-sSf", "-X", "POST", &format!("http://{admin}/{order}")],
        )
    };
    let count = |ledger: &Ledger, name: &str| ledger.0["capture"]["vxlan"][name].as_u64().unwrap_or(0);
    order("pause");
    // The reader hears of it at its next tick.
    agent.wait_for_ledger("a datagram is passed over", |ledger| {
        send_in_vxlan(&scene.server, vxlan, 1, &[Frame(vec![0; 60])]);
        count(ledger, "paused") > 0
    });
    send_in_vxlan(&scene.server, vxlan, 1, &frames);
    let before = agent.wait_for_ledger("all is passed over", |ledger| {
        count(ledger, "paused") >= frames.len() as u64
    });
    assert_eq!(before.seen(), 0, "{before}");
    order("resume");
    agent.wait_for_ledger("packets are taken again", |ledger| {
        send_in_vxlan(&scene.server, vxlan, 1, &[Frame(vec![0; 60])]);
        count(ledger, "not_ip") > 0
    });
    send_in_vxlan(&scene.server, vxlan, 1, &frames);
    let socket = scene
        .server
        .enter(|| std::net::UdpSocket::bind("127.0.0.1:0"))
        .expect("a socket");
    socket.send_to(b"short", vxlan).expect("a datagram sent");
    agent.wait_for_ledger("all is read", |ledger| {
        count(ledger, "not_vxlan") == 1 && ledger.delivered(0) == 1
    });
    let metrics = scene
        .server
        .run("curl", &["-sSf", &format!("http://{admin}/metrics")]);
    assert!(
        metrics.contains("\nshadow_agent_vxlan_not_vxlan_total 1\n"),
        "{metrics}"
    );
    agent.stop().assert_all_delivered(1);
}
