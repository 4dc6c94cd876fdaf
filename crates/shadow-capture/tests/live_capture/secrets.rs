//! Secrets of TLS handshakes, taken from real servers and compared with what their peers say they are.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use shadow_capture::{LiveScope, SecretCounters, Secrets, SecretsSettings, Selection, Way};
use shadow_common::SecretCounter;
use shadow_core::time::Timestamp;
use shadow_tls::{Handshake, Label, Secret};

use crate::support::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a certificate, gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("shadow-agent-secrets-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let arguments =
            "req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 2 -subj /CN=test";
        let made = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(&path)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        Self(path)
    }

    fn key_log(&self, of: &str) -> BTreeMap<(String, String), String> {
        let text = fs::read_to_string(self.0.join(of)).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let mut fields = line.split(' ').map(str::to_owned);
                let mut next = || fields.next().unwrap();
                ((next(), next()), next())
            })
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server, ended when it is dropped.
struct Server(Child);

impl Server {
    fn start(host: &Namespace, folder: &Folder, port: u16, more: &str) -> Self {
        Self::start_with(host, folder, port, more, Path::new(""))
    }

    /// With the libraries of a folder.
    fn start_with(host: &Namespace, folder: &Folder, port: u16, more: &str, libraries: &Path) -> Self {
        let libraries = libraries.to_owned();
        let arguments = format!("s_server -accept {port} -key key -cert certificate -www {more}");
        let path = folder.0.clone();
        let child = host.run(move || {
            Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(path)
                .env("LD_LIBRARY_PATH", libraries)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let server = Self(child);
        await_listening(host, port);
        server
    }
}

fn await_listening(host: &Namespace, port: u16) {
    let deadline = Instant::now() + PATIENCE;
    while !host.run(move || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()) {
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has workers ends them first.
        let process = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// A request by curl, whose key log goes to the folder.
fn curl(host: &Namespace, folder: &Folder, port: u16, more: &str) {
    let arguments = format!("-sk -o /dev/null {more} https://127.0.0.1:{port}/");
    let path = folder.0.clone();
    let done = host.run(move || {
        Command::new("curl")
            .args(arguments.split_whitespace())
            .env("SSLKEYLOGFILE", path.join("client"))
            .status()
            .unwrap()
    });
    assert!(done.success());
}

fn settings(port: u16) -> SecretsSettings {
    SecretsSettings {
        selection: Selection {
            inputs: vec![live(LiveScope::Any, port)],
            ..Selection::default()
        },
        automatic: true,
        ..SecretsSettings::default()
    }
}

fn take(settings: &SecretsSettings) -> (Secrets, Receiver<(Secret, Timestamp)>) {
    take_in(settings, Way::of_this_kernel())
}

fn take_in(settings: &SecretsSettings, way: Way) -> (Secrets, Receiver<(Secret, Timestamp)>) {
    let (sender, secrets) = channel();
    let settings = settings.clone();
    let taking = std::thread::spawn(move || {
        let keep = move |secret, time| {
            let _ = sender.send((secret, time));
        };
        Secrets::start_in(&settings, keep, way)
    });
    let taking = taking.join().unwrap().unwrap_or_else(|error| panic!("{error}"));
    (taking, secrets)
}

fn next(secrets: &Receiver<(Secret, Timestamp)>) -> Secret {
    secrets.recv_timeout(PATIENCE).expect("no secret came").0
}

fn count(counters: &SecretCounters, counter: SecretCounter) -> u64 {
    counters.read().unwrap().get(counter)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// HKDF-Expand-Label of RFC 8446 section 7.1, for one block.
fn expand(secret: &[u8], label: &str, context: &[u8]) -> Vec<u8> {
    let algorithm = match context.len() {
        32 => ring::hmac::HMAC_SHA256,
        48 => ring::hmac::HMAC_SHA384,
        other => panic!("a hash of {other} bytes"),
    };
    let mut info = vec![0, context.len() as u8, 6 + label.len() as u8];
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(context.len() as u8);
    info.extend_from_slice(context);
    info.push(1);
    let key = ring::hmac::Key::new(algorithm, secret);
    ring::hmac::sign(&key, &info).as_ref().to_vec()
}

fn programs_are_there(test: &str) -> bool {
    is_root(test) && ["openssl", "curl"].iter().all(|program| is_there(program, test))
}

fn is_there(program: &str, test: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).exists());
    if !there {
        skipped(test, &format!("needs {program}"));
    }
    there
}

#[test]
fn secrets_of_tls_1_3_are_those_of_the_clients_key_log() {
    if !programs_are_there("secrets_of_tls_1_3") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let _server = Server::start(&host, &folder, 21443, "-tls1_3");
    let (taking, secrets) = take(&settings(21443));
    let found = taking.found().to_string();
    assert!(
        found.starts_with("openssl: OpenSSL 3") && found.ends_with(" libcrypto.so.3, key derivation"),
        "{found}"
    );
    for ciphers in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"] {
        curl(&host, &folder, 21443, &format!("--tls13-ciphers {ciphers}"));
        let secret = next(&secrets);
        assert_eq!(secret.label, Label::HandshakeSecret);
        let Handshake::Transcript(hash) = secret.of else {
            panic!("{secret:?}")
        };
        let server = hexadecimal(&expand(secret.bytes.expose(), "s hs traffic", hash.bytes()));
        let client = hexadecimal(&expand(secret.bytes.expose(), "c hs traffic", hash.bytes()));
        let logged = |label: &str, secret: &String| {
            let log = folder.key_log("client");
            log.iter()
                .any(|((of, _), logged)| of == label && logged == secret)
        };
        assert!(logged("SERVER_HANDSHAKE_TRAFFIC_SECRET", &server));
        assert!(logged("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &client));
    }
    let counters = taking.counters();
    assert_eq!(count(&counters, SecretCounter::Taken), 2);
    assert_eq!(counters.read().unwrap().lost(), 0);
    // What the client derived, in the same library, is none of ours: 21 derivations in a handshake, as the server's.
    assert!(count(&counters, SecretCounter::OtherProcess) >= 30);
    assert!(count(&counters, SecretCounter::OtherLabel) >= 30);
}

#[test]
fn master_secrets_of_tls_1_2_are_those_of_the_clients_key_log() {
    if !programs_are_there("master_secrets_of_tls_1_2") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let _server = Server::start(&host, &folder, 21444, "-tls1_2");
    let (taking, secrets) = take(&settings(21444));
    for ciphers in ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"] {
        curl(&host, &folder, 21444, &format!("--ciphers {ciphers}"));
        let secret = next(&secrets);
        assert_eq!(secret.label, Label::Master);
        let Handshake::ClientRandom(random) = secret.of else {
            panic!("{secret:?}")
        };
        let log = folder.key_log("client");
        let logged = log.get(&("CLIENT_RANDOM".to_owned(), hexadecimal(&random)));
        assert_eq!(logged, Some(&hexadecimal(secret.bytes.expose())));
    }
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), 2);
}

#[test]
fn a_process_that_is_not_selected_gives_no_secret() {
    if !programs_are_there("not_selected_gives_no_secret") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let _selected = Server::start(&host, &folder, 21445, "-tls1_3");
    let _other = Server::start(&host, &folder, 21446, "-tls1_3");
    let (taking, secrets) = take(&settings(21445));
    let counters = taking.counters();
    curl(&host, &folder, 21446, "");
    assert_eq!(count(&counters, SecretCounter::Taken), 0);
    assert_eq!(count(&counters, SecretCounter::OtherLabel), 0);
    // Of client and server.
    assert!(count(&counters, SecretCounter::OtherProcess) >= 30);
    curl(&host, &folder, 21445, "");
    next(&secrets);
    assert_eq!(count(&counters, SecretCounter::Taken), 1);
    assert!(secrets.try_recv().is_err());
}

#[test]
fn a_server_that_starts_later_is_found() {
    if !programs_are_there("starts_later_is_found") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let (taking, secrets) = take(&settings(21447));
    assert_eq!(taking.found().to_string(), "no process listens there yet");
    let _server = Server::start(&host, &folder, 21447, "-tls1_3");
    let begun = Instant::now();
    loop {
        curl(&host, &folder, 21447, "");
        if secrets.recv_timeout(Duration::from_millis(20)).is_ok() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "not found");
    }
}

#[test]
fn nothing_is_attached_after_the_end() {
    if !programs_are_there("nothing_is_attached_after") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let _server = Server::start(&host, &folder, 21448, "-tls1_3");
    let (taking, secrets) = take(&settings(21448));
    curl(&host, &folder, 21448, "");
    next(&secrets);
    let counters = taking.counters();
    drop(taking);
    let before = counters.read().unwrap();
    curl(&host, &folder, 21448, "");
    assert_eq!(counters.read().unwrap(), before);
}

/// A folder that shows what another one has, as the containers of one image have it; gone when it is dropped.
struct Overlay(PathBuf);

impl Overlay {
    fn new(folder: &Folder, image: &Path, name: &str) -> Self {
        let [top, upper, work] = ["top", "upper", "work"].map(|part| folder.0.join(format!("{name}-{part}")));
        for part in [&top, &upper, &work] {
            fs::create_dir_all(part).unwrap();
        }
        let (image, upper, work) = (image.display(), upper.display(), work.display());
        let options = format!("lowerdir={image},upperdir={upper},workdir={work}");
        let mounted = Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(&top)
            .status();
        assert!(mounted.unwrap().success());
        Self(top)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// The library that openssl runs.
fn libcrypto() -> PathBuf {
    let output = Command::new("sh")
        .args(["-c", "ldd $(command -v openssl)"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("libcrypto")).unwrap();
    PathBuf::from(line.split_whitespace().nth(2).unwrap())
}

#[test]
fn containers_of_one_image_have_one_probe() {
    if !programs_are_there("containers_of_one_image") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let image = folder.0.join("image");
    fs::create_dir_all(&image).unwrap();
    fs::copy(libcrypto(), image.join("libcrypto.so.3")).unwrap();
    let overlays = [
        Overlay::new(&folder, &image, "one"),
        Overlay::new(&folder, &image, "two"),
    ];
    let start =
        |port: u16, overlay: &Overlay| Server::start_with(&host, &folder, port, "-tls1_3", &overlay.0);
    let servers = [start(21449, &overlays[0]), start(21450, &overlays[1])];
    let mut settings = settings(21449);
    settings.selection.inputs.push(live(LiveScope::Any, 21450));
    let (taking, secrets) = take(&settings);
    for port in [21449, 21450] {
        curl(&host, &folder, port, "");
        next(&secrets);
    }
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), 2);
    // The other one goes on when the first has ended.
    let [first, _second] = servers;
    drop(first);
    curl(&host, &folder, 21450, "");
    next(&secrets);
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), 3);
}

#[test]
fn a_library_that_is_gone_is_found() {
    if !programs_are_there("a_library_that_is_gone") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let old = folder.0.join("libcrypto.so.3");
    fs::copy(libcrypto(), &old).unwrap();
    let _server = Server::start_with(&host, &folder, 21451, "-tls1_3", &folder.0);
    fs::remove_file(&old).unwrap();
    let (_taking, secrets) = take(&settings(21451));
    curl(&host, &folder, 21451, "");
    next(&secrets);
}

#[test]
fn only_a_library_that_is_named_is_attached_to() {
    if !programs_are_there("only_a_library_that_is_named") {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let copy = folder.0.join("libcrypto.so.3");
    fs::copy(libcrypto(), &copy).unwrap();
    let _named = Server::start_with(&host, &folder, 21452, "-tls1_3", &folder.0);
    let _other = Server::start(&host, &folder, 21453, "-tls1_3");
    let mut settings = settings(21452);
    settings.selection.inputs.push(live(LiveScope::Any, 21453));
    settings.automatic = false;
    settings.libraries = vec![copy];
    let (taking, secrets) = take(&settings);
    curl(&host, &folder, 21453, "");
    curl(&host, &folder, 21452, "");
    next(&secrets);
    let counts = taking.counters().read().unwrap();
    assert_eq!(counts.get(SecretCounter::Taken), 1);
    assert_eq!(counts.get(SecretCounter::OtherProcess), 0);
    settings.libraries = vec![folder.0.join("certificate")];
    let refused = std::thread::spawn(move || Secrets::start_with(&settings, |_, _| ()).map(drop));
    let error = refused.join().unwrap().unwrap_err().to_string();
    assert!(
        error.ends_with("certificate: no executable or library"),
        "{error}"
    );
}

#[test]
fn workers_are_followed_over_a_reload() {
    let test = "workers_are_followed_over_a_reload";
    if !programs_are_there(test) || !is_there("nginx", test) {
        return;
    }
    let (host, folder) = (Namespace::new(), Folder::new());
    let configuration = "daemon off; worker_processes 2; pid pid; error_log stderr; events {}
        http { access_log off; server { listen 21454 ssl; ssl_certificate certificate; ssl_certificate_key key;
        return 200 ok; } }";
    fs::write(folder.0.join("configuration"), configuration).unwrap();
    let path = folder.0.clone();
    let nginx = host.run(move || {
        Command::new("nginx")
            .args(["-p", ".", "-c", "configuration", "-e", "stderr"])
            .current_dir(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    let process = nix::unistd::Pid::from_raw(i32::try_from(nginx.id()).unwrap());
    let _nginx = Server(nginx);
    await_listening(&host, 21454);
    let (taking, secrets) = take(&settings(21454));
    let found = taking.found().to_string();
    assert!(found.starts_with("nginx (3 processes): OpenSSL 3"), "{found}");
    let mut handshakes = 0;
    for _ in 0..20 {
        curl(&host, &folder, 21454, "");
        next(&secrets);
        handshakes += 1;
    }
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), handshakes);
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGHUP).unwrap();
    // Before the agent can have looked: the kernel says whose children the new workers are, and what they run.
    for _ in 0..40 {
        curl(&host, &folder, 21454, "");
        next(&secrets);
    }
}

#[test]
fn threads_keep_what_attaching_needs_in_reserve() {
    if !programs_are_there("threads_keep_what_attaching") {
        return;
    }
    let (_taking, _secrets) = take(&settings(21455));
    let kept = [
        caps::Capability::CAP_BPF,
        caps::Capability::CAP_PERFMON,
        caps::Capability::CAP_SYS_PTRACE,
        caps::Capability::CAP_DAC_READ_SEARCH,
        caps::Capability::CAP_CHECKPOINT_RESTORE,
    ];
    let kept = kept
        .iter()
        .fold(0, |bits, capability| bits | capability.bitmask());
    // Tests beside this one have such threads, too: by perf events with one more, and some that have just begun.
    let by_perf = kept | caps::Capability::CAP_SYS_ADMIN.bitmask();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (reading, following) = (permitted("tls-secrets"), permitted("tls-processes"));
        let settled = reading.iter().all(|bits| *bits == 0)
            && following.iter().all(|bits| *bits == kept || *bits == by_perf);
        if settled && !reading.is_empty() && following.contains(&kept) {
            return;
        }
        assert!(Instant::now() < deadline, "{reading:x?} {following:x?}");
        std::thread::yield_now();
    }
}

/// The permitted capabilities of this process's threads of a name.
fn permitted(name: &str) -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let of_name = statuses.filter_map(|status| {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        (field("Name:")? == name).then(|| u64::from_str_radix(field("CapPrm:").unwrap(), 16).unwrap())
    });
    of_name.collect()
}

/// Two servers that run the same library, of which one is selected, and one that comes later.
fn are_told_apart(ports: [u16; 3], way: Way) {
    let (host, folder) = (Namespace::new(), Folder::new());
    let start = |port| Server::start(&host, &folder, port, "-tls1_3");
    let _servers = (start(ports[0]), start(ports[1]));
    let mut settings = settings(ports[0]);
    settings.selection.inputs.push(live(LiveScope::Any, ports[2]));
    let (taking, secrets) = take_in(&settings, way);
    curl(&host, &folder, ports[1], "");
    curl(&host, &folder, ports[0], "");
    next(&secrets);
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), 1);
    let _later = start(ports[2]);
    let deadline = Instant::now() + PATIENCE;
    while taking
        .found()
        .programs
        .iter()
        .all(|program| program.processes < 2)
    {
        assert!(Instant::now() < deadline, "{}", taking.found());
        std::thread::sleep(Duration::from_millis(20));
    }
    curl(&host, &folder, ports[2], "");
    next(&secrets);
    assert_eq!(count(&taking.counters(), SecretCounter::Taken), 2);
    assert_eq!(taking.counters().read().unwrap().lost(), 0);
}

#[test]
fn perf_events_do_as_well_on_older_kernels() {
    if programs_are_there("perf_events_do_as_well") {
        let way = Way {
            perf: true,
            one_by_one: false,
        };
        are_told_apart([21456, 21457, 21458], way);
    }
}

#[test]
fn processes_are_attached_to_one_by_one_in_a_pid_namespace() {
    if programs_are_there("one_by_one_in_a_pid_namespace") {
        for (ports, perf) in [([21459, 21460, 21461], false), ([21462, 21463, 21464], true)] {
            let one_by_one = true;
            are_told_apart(ports, Way { perf, one_by_one });
        }
    }
}
