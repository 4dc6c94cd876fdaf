//! An nginx of a test's own: configuration, logs and temporary files in the test's folder, no privileges asked.
//!
//! Any request is answered with a page of [`NginxSetup::page`] bytes, but for three places: a request under
//! `/upload` has its body read to the end and kept in a file, so that what arrived can be compared byte by
//! byte; `/page` is the page as a static file (GET and HEAD), as nginx serves pages; and `/stub_status` counts
//! connections.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{AccessLog, DEADLINE, Netns, Place, Process, Stage};

/// Logged in place of a body that was not kept; nginx's own word for an empty variable.
pub(crate) const NO_VALUE: &str = "-";

/// How an [`Nginx`] is set up.
#[derive(Clone, Debug)]
pub struct NginxSetup {
    /// Bytes of the page.
    pub page: usize,
    /// Worker processes.
    pub workers: usize,
    /// Requests on one connection before nginx closes it.
    pub keepalive_requests: u64,
    /// Bytes of log lines held back before they are written; 0 writes each line at once.
    pub log_buffer: usize,
    /// More words of its `listen` directives: `http2`, for connections that speak nothing else.
    pub listen: String,
    /// More directives for `/page`, each ended by `;`.
    pub location: String,
    /// More directives for the `server`, whole locations for example.
    pub server: String,
}

impl Default for NginxSetup {
    fn default() -> Self {
        Self {
            page: 1024,
            workers: 1,
            keepalive_requests: 1_000_000_000,
            log_buffer: 0,
            listen: String::new(),
            location: String::new(),
            server: String::new(),
        }
    }
}

/// A running nginx. Dropping it kills it.
pub struct Nginx {
    process: Process,
    folder: PathBuf,
}

impl Nginx {
    /// Starts one in a namespace or a container that listens on `port`, IPv4 and IPv6, and is ready when this
    /// returns. `role` names its folder.
    pub fn start(stage: &Stage, place: &impl Place, role: &str, port: u16) -> Self {
        Self::start_with(stage, place, role, &[port], &NginxSetup::default())
    }

    /// Like [`start`](Self::start), on several ports and set up as told.
    pub fn start_with(
        stage: &Stage,
        place: &impl Place,
        role: &str,
        ports: &[u16],
        setup: &NginxSetup,
    ) -> Self {
        let folder = stage.path(&format!("{role}-{}", stage.number()));
        fs::create_dir_all(&folder).expect("nginx's folder");
        fs::write(folder.join("page"), "x".repeat(setup.page)).expect("nginx's page");
        let configuration = folder.join("nginx.conf");
        fs::write(
            &configuration,
            configure(&folder, ports, place.netns().free_port(), setup),
        )
        .expect("nginx's configuration");
        let mut command = place.command("nginx");
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&configuration)
            .args(["-e", "stderr"])
            .stdout(Stdio::null());
        let process = Process::start(role, &mut command);
        // Said after the listening sockets are open.
        process.wait_for_line("start worker process ");
        Self { process, folder }
    }

    /// Process id of its master.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Requests logged so far.
    pub fn logged(&self) -> usize {
        let log = fs::read(self.folder.join("access.log")).unwrap_or_default();
        log.split(|byte| *byte == b'\n').count() - 1
    }

    /// Ends it when every request under way is answered and logged, and gives its access log. Panics on
    /// errors that are nginx's own (a client that goes away is not one).
    pub fn finish(mut self) -> AccessLog {
        self.process.signal(Signal::SIGQUIT);
        let status = self.process.wait(DEADLINE + Duration::from_secs(20));
        let said = self.process.stderr();
        assert!(status.success(), "nginx ended with {status}:\n{said}");
        for level in ["[emerg]", "[alert]", "[crit]", "[error]"] {
            assert!(!said.contains(level), "nginx had errors:\n{said}");
        }
        AccessLog::read(&self.folder.join("access.log"))
    }

    /// Connections accepted and requests served since its start, by `/stub_status` on `address`; the asking
    /// connection and request are taken out.
    pub fn counts(netns: &Netns, address: SocketAddr) -> (u64, u64) {
        let text = netns.run("curl", &["-sS", "-g", &format!("http://{address}/stub_status")]);
        let numbers: Vec<u64> = text
            .lines()
            .nth(2)
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        assert_eq!(numbers.len(), 3, "not a stub_status: {text}");
        (numbers[0] - 1, numbers[2] - 1)
    }
}

fn configure(folder: &Path, ports: &[u16], sink: u16, setup: &NginxSetup) -> String {
    let folder = folder.display();
    let user = if nix::unistd::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let mut listen = String::new();
    for port in ports {
        let words = format!("backlog=16384 {}", setup.listen);
        let _ = writeln!(listen, "listen {port} {words}; listen [::]:{port} {words};");
    }
    let buffer = match setup.log_buffer {
        0 => String::new(),
        bytes => format!(" buffer={bytes}"),
    };
    let fields = [
        "$connection",
        "$connection_requests",
        "$status",
        "$request_method",
        "$request_uri",
        "$server_protocol",
        "$http_host",
        "$http_x_id",
        "$request_body_file",
        "$remote_addr",
    ];
    // nginx writes a tab inside a value as \x09, so this one is a separator.
    let fields = fields.join("\t");
    let NginxSetup {
        workers,
        keepalive_requests,
        location,
        server,
        ..
    } = setup;
    let page = "x".repeat(setup.page);
    format!(
        "daemon off; {user} worker_processes {workers};
pid {folder}/nginx.pid; error_log stderr notice;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  log_format fields '{fields}';
  access_log off;
  client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 0; client_body_timeout 120s; client_header_timeout 120s; keepalive_timeout 120s;
  keepalive_requests {keepalive_requests}; default_type text/plain; sendfile on; tcp_nodelay on;
  server {{ listen 127.0.0.1:{sink}; location / {{ return 200 \"received\"; }} }}
  server {{
    {listen}
    root {folder}; access_log {folder}/access.log fields{buffer};
    location = /stub_status {{ stub_status; access_log off; }}
    location /upload {{ client_body_in_file_only on; proxy_pass http://127.0.0.1:{sink}; }}
    location = /page {{ {location} }}
    location / {{ return 200 \"{page}\"; }}
    {server}
  }}
}}
"
    )
}
