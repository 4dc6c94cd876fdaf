//! From an agent to a WebSocket server: each test is named after its flag.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use futures::StreamExt;
use shadow_tests::{Agent, Stage, load, stage};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::relay::ids;
use crate::scene::Scene;

/// Everything a WebSocket server got: each connection's credentials, and its messages.
type Got = Vec<(Option<String>, Vec<Vec<u8>>)>;

/// A WebSocket server, until so many messages have come.
fn websocket(messages: usize) -> (SocketAddr, thread::JoinHandle<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .expect("a runtime")
            .block_on(serve_websocket(listener, messages))
    });
    (address, serving)
}

async fn serve_websocket(listener: TcpListener, messages: usize) -> Got {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let mut got = Got::new();
    let mut left = messages;
    while left > 0 {
        tokio::select! {
            accepted = listener.accept() => {
                let (sender, number) = (sender.clone(), got.len());
                let mut credentials = None;
                // The type of its error is the library's.
                #[allow(clippy::result_large_err)]
                let look = |request: &Request, response: Response| {
                    assert_eq!(request.uri(), "/copies?of=production");
                    let value = request.headers().get("authorization");
                    credentials = value.map(|value| value.to_str().expect("text").to_owned());
                    Ok(response)
                };
                let stream = accepted.expect("a connection").0;
                let mut socket = tokio_tungstenite::accept_hdr_async(stream, look).await.expect("a handshake");
                got.push((credentials, Vec::new()));
                tokio::spawn(async move {
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_binary() {
                            let _ = sender.send((number, message.into_data().to_vec()));
                        }
                    }
                });
            }
            Some((number, message)) = receiver.recv() => {
                got[number].1.push(message);
                left -= 1;
            }
        }
    }
    got
}

fn relayed_to_a_websocket(stage: &Stage, userinfo: &str, more: &[&str]) -> Got {
    let scene = Scene::on_lo(stage);
    let (address, serving) = websocket(200);
    let url = format!("ws://{userinfo}{address}/copies?of=production");
    let input = format!(":{}", scene.port);
    let flags = [
        "--input-raw",
        &input,
        "--input-raw-track-response",
        "--output-ws",
        &url,
    ];
    let agent = Agent::start(stage, &scene.server, &[&flags, more].concat());
    assert_eq!(load::keep_alive(&scene.client, scene.v4, 4, 25), 100);
    scene.production.finish();
    let got = serving.join().expect("messages");
    assert!(!agent.stderr().contains("secret"), "{}", agent.stderr());
    agent.stop().assert_all_delivered(100);
    got
}

#[test]
fn output_ws() {
    let stage = stage!("root", "agent", "nginx");
    let got = relayed_to_a_websocket(&stage, "me:secret@", &["--output-ws-workers=2"]);
    assert_eq!(got.len(), 2);
    for (credentials, messages) in &got {
        assert_eq!(credentials.as_deref(), Some("Basic bWU6c2VjcmV0"));
        for message in messages {
            let text = String::from_utf8_lossy(message);
            let (header, payload) = text.split_once('\n').expect("a header line");
            let begin = if header.starts_with('1') {
                "GET /keep-alive/"
            } else {
                "HTTP/1.1 200 OK"
            };
            assert!(payload.starts_with(begin), "{text}");
            assert!(!text.contains('🐵'), "there is no separator: {text}");
        }
    }
}

#[test]
fn output_ws_sticky() {
    let stage = stage!("root", "agent", "nginx");
    let got = relayed_to_a_websocket(&stage, "", &["--output-ws-sticky"]);
    assert!(got.len() > 1);
    let mut seen = std::collections::HashMap::new();
    for (number, (credentials, messages)) in got.iter().enumerate() {
        assert_eq!(*credentials, None, "no credentials, no header");
        for (_, id) in messages.iter().flat_map(|message| ids(message)) {
            assert_eq!(*seen.entry(id).or_insert(number), number);
        }
    }
    assert_eq!(seen.len(), 100);
}
