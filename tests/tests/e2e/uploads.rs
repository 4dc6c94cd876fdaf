//! Uploads, which are never taken for requests: through a load balancer that denies some of them, whatever the
//! upload's head is like, and while the server answers already.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use shadow_tests::client::{Connection, get};
use shadow_tests::{AccessLog, Netns, NginxSetup, Process, Stage, program, stage, until};

use crate::scene::Scene;

const DELETE: &str = "DELETE /admin/users HTTP/1.1\r\nHost: production.test\r\nX-Id: smuggled\r\n\r\n";
/// Requests in the body of an upload.
const DELETES: usize = 5;

/// Production and shadow as nginx that takes heads of any size, and answers before it has read a body.
fn scene(stage: &Stage) -> Scene<'_> {
    let setup = NginxSetup {
        server: "large_client_header_buffers 4 256k; ignore_invalid_headers on;".to_owned(),
        ..NginxSetup::default()
    };
    Scene::on_lo_with(stage, &setup)
}

/// Heads of an upload that are beyond the agent's limits, or odd in what does not frame the message.
fn heads() -> Vec<String> {
    [
        "X: y\r\n".repeat(150),
        format!("X: {}\r\n", "y".repeat(100_000)),
        "nocolon\r\n".to_owned(),
        "X : y\r\n".to_owned(),
        "X\0Y: z\r\n".to_owned(),
    ]
    .iter()
    .map(|lines| {
        let length = DELETE.len() * DELETES;
        format!("POST /odd HTTP/1.1\r\nHost: production.test\r\nX-Id: odd\r\n{lines}Content-Length: {length}\r\n\r\n")
    })
    .collect()
}

/// Sends an upload, the body once the server has begun to answer, in segments of one request each.
fn upload(netns: &Netns, to: SocketAddr, head: &str) {
    let mut stream = netns.enter(|| TcpStream::connect(to)).expect("a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut answer = [0; 4096];
    // The server may refuse the head, and close: that is an answer too.
    let _ = stream.write_all(head.as_bytes());
    let taken = stream.read(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200");
    let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    for _ in 0..DELETES {
        let _ = stream.write_all(DELETE.as_bytes());
        let _ = stream.read(&mut answer);
    }
    if taken && stream.write_all(get("/behind", "behind").as_bytes()).is_ok() {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let _ = stream.read(&mut answer);
    }
}

#[test]
fn the_body_of_an_odd_upload_is_not_replayed() {
    let stage = stage!("root", "agent", "nginx");
    let scene = scene(&stage);
    let agent = scene.mirror(&[]);
    for head in heads() {
        upload(&scene.client, scene.v4, &head);
    }
    let mut connection = Connection::open(&scene.client, scene.v4);
    assert_eq!(connection.get("/page", "after").status, 200);
    drop(connection);
    let finished = scene.finish(agent);
    let smuggled = finished.shadow.filter(|entry| entry.id == "smuggled");
    assert!(smuggled.is_empty(), "{}", finished.ledger);
    assert_eq!(
        finished.production.filter(|entry| entry.id == "smuggled").len(),
        0
    );
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
    let ledger = &finished.ledger;
    assert_eq!(ledger.dropped(0, "head_too_large"), 2, "{ledger}");
    assert_eq!(ledger.dropped(0, "malformed"), 3, "{ledger}");
    assert_eq!(
        ledger.dropped(0, "gap") + ledger.dropped(0, "mid_stream"),
        0,
        "{ledger}"
    );
    // Behind those that nginx read to their ends, requests are mirrored again.
    let behind = |log: &AccessLog| log.filter(|entry| entry.id == "behind").len();
    assert!(behind(&finished.production) >= 3, "{ledger}");
    assert_eq!(behind(&finished.shadow), behind(&finished.production), "{ledger}");
}

#[test]
fn what_a_load_balancer_denies_is_not_replayed_from_an_upload() {
    let stage = stage!("root", "agent", "nginx", "haproxy");
    let scene = scene(&stage);
    let front = SocketAddr::from((Ipv4Addr::LOCALHOST, scene.client.free_port()));
    let configuration = stage.path("haproxy.cfg");
    std::fs::write(
        &configuration,
        format!(
            "global\n tune.http.maxhdr 300\n tune.bufsize 262144\ndefaults\n mode http\n timeout connect 5s\n \
             timeout client 10s\n timeout server 10s\n http-reuse always\nfrontend front\n bind {front}\n \
             http-request deny if {{ path_beg /admin }}\n default_backend back\nbackend back\n \
             server production {}\n",
            scene.v4
        ),
    )
    .expect("the balancer's configuration");
    let mut command = std::process::Command::new(program("haproxy").expect("haproxy"));
    let balancer = Process::start("haproxy", command.args(["-db", "-q", "-f"]).arg(&configuration));
    until("the balancer listens", || TcpStream::connect(front).is_ok());
    let agent = scene.mirror(&[]);
    let mut connection = Connection::open(&scene.client, front);
    assert_eq!(connection.get("/page", "before").status, 200);
    connection.send(DELETE);
    assert_eq!(connection.read_response_status(), 403);
    drop(connection);
    for head in heads() {
        upload(&scene.client, front, &head);
    }
    drop(balancer);
    let finished = scene.finish(agent);
    let smuggled = finished.shadow.filter(|entry| entry.id == "smuggled");
    assert!(smuggled.is_empty(), "{}", finished.ledger);
    assert_eq!(finished.production.difference(&finished.shadow).extra(), 0);
    assert_eq!(finished.shadow.filter(|entry| entry.id == "before").len(), 1);
    assert!(
        finished.ledger.dropped(0, "head_too_large") >= 1,
        "{}",
        finished.ledger
    );
}

/// A server that answers an upload while it comes: a piece for each piece that it reads, which is what it was sent.
fn echo(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut piece = [0; 4096];
    let count = stream.read(&mut piece)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    stream.write_all(&piece[..count])?;
    loop {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            count => stream.write_all(&piece[..count])?,
        }
    }
}

#[test]
fn an_upload_from_before_the_agent_came_is_not_replayed() {
    let stage = stage!("root", "agent", "nginx");
    for more in [&[][..], &["--input-raw-track-response"]] {
        let scene = Scene::on_lo(&stage);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = listener.local_addr().expect("a bound socket");
        let echo = std::thread::spawn(move || echo(&listener));
        let mut stream = TcpStream::connect(server).expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let mut answer = [0; 4096];
        stream
            .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            .expect("the server reads");
        assert!(stream.read(&mut answer).expect("the server answers") > 0);
        let agent = scene.mirror_from(&format!("127.0.0.1:{}", server.port()), more);
        for _ in 0..20 {
            stream.write_all(DELETE.as_bytes()).expect("the server reads");
            assert!(stream.read(&mut answer).expect("the server answers") > 0);
        }
        let seen = agent.wait_for_ledger("all of it is seen", |ledger| ledger.seen() >= 20);
        assert_eq!(
            (seen.delivered(0), seen.dropped(0, "mid_stream")),
            (0, 20),
            "{seen}"
        );
        drop(stream);
        assert!(echo.join().is_ok());
        let finished = scene.finish(agent);
        assert!(finished.shadow.is_empty(), "{}", finished.ledger);
    }
}
