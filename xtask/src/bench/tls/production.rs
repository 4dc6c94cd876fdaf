//! Production over HTTPS, and the nginx that speaks TLS to it: on one host, so both use one TLS library.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use crate::bench::nginx::{Nginx, PAGE};
use crate::bench::process;
use crate::bench::sockets::{self, local};
use crate::setup;

/// Bytes that each request is padded to.
const REQUEST_BYTES: usize = 1024;

/// Production, and where files of those go that speak to it.
pub struct Production {
    nginx: Nginx,
    folder: PathBuf,
    /// How many have spoken to it.
    fronts: Cell<u32>,
}

impl Production {
    /// Starts it.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let [certificate, key] = certificate(folder)?;
        let servers = format!(
            "ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_session_cache off;
  ssl_certificate {}; ssl_certificate_key {};
  server {{ listen {} backlog=4096; location = {PAGE} {{ }} }}
  server {{ listen {} ssl backlog=4096; location = {PAGE} {{ }} }}",
            certificate.display(),
            key.display(),
            sockets::TLS_PLAIN,
            sockets::TLS,
        );
        let nginx = Nginx::start(folder, "tls-production", &servers, sockets::TLS_STATUS)?;
        Ok(Self {
            nginx,
            folder: folder.to_owned(),
            fronts: Cell::new(0),
        })
    }

    /// Starts an nginx that passes requests on to it, over connections that are all new.
    pub fn front(&self) -> anyhow::Result<Nginx> {
        let number = self.fronts.get();
        self.fronts.set(number + 1);
        let role = format!("tls-front-{number}");
        Nginx::start(&self.folder, &role, &front(), sockets::TLS_FRONT_STATUS)
    }

    /// Processor time of production's workers.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.nginx.cpu()
    }
}

/// A server for each path, that passes requests on and pads them.
fn front() -> String {
    let bare = format!("GET {PAGE} HTTP/1.1\r\nHost: production\r\nX-Pad: \r\n\r\n").len();
    let pad = "x".repeat(REQUEST_BYTES - bare);
    let server = |port: u16, to: &str, connection: &str| {
        format!(
            "server {{
    listen {port} backlog=4096;
    location = {PAGE} {{
      proxy_pass {to}; proxy_http_version 1.1; proxy_set_header Connection {connection};
      proxy_set_header Host production; proxy_set_header X-Pad {pad};
      proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off;
    }}
  }}"
        )
    };
    [
        format!(
            "upstream plain {{ server {}; keepalive 64; }}",
            local(sockets::TLS_PLAIN)
        ),
        format!(
            "upstream kept {{ server {}; keepalive 64; }}",
            local(sockets::TLS)
        ),
        format!("upstream anew {{ server {}; }}", local(sockets::TLS)),
        server(sockets::TLS_FRONT_PLAIN, "http://plain", "\"\""),
        server(sockets::TLS_FRONT_KEPT_ALIVE, "https://kept", "\"\""),
        server(sockets::TLS_FRONT_HANDSHAKES, "https://anew", "close"),
    ]
    .join("\n  ")
}

/// A self-signed certificate on P-256, and its key.
fn certificate(folder: &Path) -> anyhow::Result<[PathBuf; 2]> {
    let files = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    let mut command = Command::new(setup::program("openssl").context("openssl is not installed")?);
    command
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=production", "-out"])
        .arg(&files[0])
        .arg("-keyout")
        .arg(&files[1]);
    process::run("openssl", &mut command)?;
    Ok(files)
}
