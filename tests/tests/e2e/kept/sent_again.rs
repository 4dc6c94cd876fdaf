//! Where a pair is sent again to: servers behind TLS, ones that send clients elsewhere, and ones that say nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shadow_tests::{Agent, Netns, Nginx, NginxSetup, Stage, stage};

/// A run with one pair, and its only request.
fn store(stage: &Stage) -> String {
    super::store(
        stage,
        &[(
            "one",
            b"GET /one HTTP/1.1\r\nHost: shop\r\nX-Id: one\r\n\r\n",
            b"",
        )],
    )
}

fn replay(directory: &str, to: &str, more: &[&str]) -> Vec<String> {
    let arguments = ["replay", directory, "--pair", "one", "--to", to];
    arguments
        .iter()
        .chain(more)
        .map(|text| (*text).to_owned())
        .collect()
}

/// Runs a command to its end, with this variable in its environment.
fn run(command: &mut Command, roots: &str) -> (Option<i32>, String, String) {
    // curl would take these first.
    let command = command.env_remove("CURL_CA_BUNDLE").env_remove("SSL_CERT_DIR");
    let command = command.env("SSL_CERT_FILE", roots);
    let output = command.output().expect("a program");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// An authority, and the key and certificate of a server on 127.0.0.1 that it vouches for, in the stage's folder.
fn certificates(stage: &Stage) {
    let script = "set -e
        echo subjectAltName=IP:127.0.0.1 > san
        openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
        openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=shadow
        openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 -extfile san
        openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(stage.path(""))
        .output();
    let made = made.expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_server_behind_tls_is_asked_when_its_ca_is_trusted() {
    let stage = stage!("agent", "nginx", "openssl", "curl");
    certificates(&stage);
    let host = Netns::host();
    let [ca, other, key, certificate] =
        ["ca.pem", "other.pem", "key.pem", "cert.pem"].map(|name| stage.path(name).display().to_string());
    let (tls_port, plain_port) = (host.free_port(), host.free_port());
    let setup = NginxSetup {
        server: format!("listen {tls_port} ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"),
        ..NginxSetup::default()
    };
    let server = Nginx::start_with(&stage, &host, "behind-tls", &[plain_port], &setup);
    let to = format!("https://127.0.0.1:{tls_port}");
    let directory = store(&stage);
    let mut asked = 0;
    for (roots, skip, works) in [
        (&ca, None, true),
        (&other, Some("--output-http-skip-verify"), true),
        (&other, None, false),
    ] {
        let mut arguments = replay(&directory, &to, &[]);
        arguments.extend(skip.map(str::to_owned));
        let (status, stdout, stderr) = run(host.command(Agent::path()).args(&arguments), roots);
        // Its answer is another one than production's, and that is what the status says.
        assert_eq!(status, Some(1), "{stdout}{stderr}");
        assert_eq!(
            stdout.contains("  now           200 OK"),
            works,
            "{stdout}{stderr}"
        );
        if !works {
            assert!(
                stderr.contains("cannot connect to it") && stderr.contains("certificate"),
                "{stderr}"
            );
        }
        arguments.push("--curl".to_owned());
        let (_, line, stderr) = run(host.command(Agent::path()).args(&arguments), roots);
        assert_eq!(line.contains(" -k "), skip.is_some(), "{line}{stderr}");
        let (status, stdout, stderr) = run(host.command("sh").args(["-c", &line]), roots);
        assert_eq!(status == Some(0), works, "{line}{stdout}{stderr}");
        asked += if works { 2 } else { 0 };
    }
    let log = server.finish();
    assert_eq!(log.len(), asked, "{log:?}");
    for entry in &log.0 {
        let is = (&*entry.method, &*entry.uri, &*entry.host, &*entry.id);
        assert_eq!(
            is,
            ("GET", "/one", &*format!("127.0.0.1:{tls_port}"), "one"),
            "{entry:?}"
        );
    }
}

/// A server that does this with each of `times` connections, one after the other, once it has read something.
fn serve(times: usize, answer: impl Fn(&mut TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let serving = std::thread::spawn(move || {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().expect("a connection");
            let _ = stream.read(&mut [0; 4096]).expect("the request");
            answer(&mut stream);
        }
    });
    (address, serving)
}

#[test]
fn a_redirect_is_the_answer_and_is_not_followed() {
    let stage = stage!("agent", "curl");
    let elsewhere = TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("a socket");
    let location = format!("http://{}/next", elsewhere.local_addr().expect("its address"));
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nmore");
    let (address, serving) = serve(2, move |stream| {
        stream.write_all(answer.as_bytes()).expect("the answer");
    });
    let directory = store(&stage);
    let host = Netns::host();
    let arguments = replay(&directory, &format!("http://{address}"), &[]);
    let sent = host
        .command(Agent::path())
        .args(&arguments)
        .output()
        .expect("the agent");
    let text = String::from_utf8_lossy(&sent.stdout);
    assert_eq!(sent.status.code(), Some(1), "{text}");
    assert!(
        text.contains(&format!("  now           302 Found to {location}, ")),
        "{text}"
    );
    assert!(text.contains("  status  status  200 -> 302\n"), "{text}");
    let line = host
        .command(Agent::path())
        .args(&arguments)
        .arg("--curl")
        .output()
        .expect("the agent");
    let ran = host.output("sh", &["-c", &String::from_utf8_lossy(&line.stdout)]);
    assert!(
        ran.stdout.starts_with("HTTP/1.1 302 Found\r\n") && ran.stdout.ends_with("\r\n\r\nmore"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    serving.join().expect("the server");
    let followed = elsewhere.accept().map_err(|error| error.kind());
    assert_eq!(followed.unwrap_err(), ErrorKind::WouldBlock, "it was followed");
}

/// Holds a connection until its client has gone.
fn nothing(stream: &mut TcpStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
}

/// An answer whose head has no end, a byte at a time.
fn drips(stream: &mut TcpStream) {
    let mut bytes = b"HTTP/1.1 200 OK\r\nX: "[..]
        .iter()
        .chain(std::iter::repeat(&b'x'));
    while bytes
        .next()
        .is_some_and(|byte| stream.write_all(&[*byte]).is_ok())
    {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_that_is_dead_or_silent_ends_in_an_error_in_time() {
    let stage = stage!("agent");
    let directory = store(&stage);
    let dead = format!("127.0.0.1:{}", Netns::host().free_port());
    let (silent, held) = serve(1, nothing);
    let (slow, dripped) = serve(1, drips);
    let (mute, unspoken) = serve(1, nothing);
    for (to, why) in [
        (format!("http://{dead}"), "cannot connect to it"),
        (format!("http://{silent}"), "no complete response within 500ms"),
        (format!("http://{slow}"), "no complete response within 500ms"),
        // A handshake that nobody answers.
        (
            format!("https://{mute}"),
            "cannot connect to it: timed out while connecting",
        ),
        ("http://nobody.invalid".to_owned(), "cannot connect to it"),
    ] {
        let more = ["--output-http-timeout", "500ms", "--output-http-skip-verify"];
        let begin = Instant::now();
        let sent = Netns::host()
            .command(Agent::path())
            .args(replay(&directory, &to, &more))
            .output()
            .expect("the agent");
        let (stdout, stderr) = (
            String::from_utf8_lossy(&sent.stdout),
            String::from_utf8_lossy(&sent.stderr),
        );
        assert_eq!((sent.status.code(), &*stdout), (Some(1), ""), "{to}: {stderr}");
        assert!(
            stderr.contains(&format!("error: {to}")) && stderr.contains(why),
            "{to}: {stderr}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{to}: {:?}",
            begin.elapsed()
        );
    }
    for server in [held, dripped, unspoken] {
        server.join().expect("the server");
    }
}
