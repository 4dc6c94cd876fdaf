//! The servers, and what starts each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::apache::Apache;
use crate::tls::Certificate;
use crate::{Place, go};

/// A server that speaks HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Apache's `mod_http2`, on nghttp2.
    Apache,
    /// Go's `net/http`.
    Go,
    /// haproxy, in front of a plain nginx.
    Haproxy,
    /// Node's `http2`, on nghttp2.
    Node,
    /// The server of nghttp2 itself.
    Nghttpd,
}

/// Where a server stands, and what it is given.
pub(super) struct Site<'a, P> {
    pub place: &'a P,
    pub folder: &'a Path,
    pub port: u16,
    /// None for plain text.
    pub certificate: Option<&'a Certificate>,
    /// Port of the plain nginx behind haproxy.
    pub behind: u16,
}

impl Stack {
    /// The signal that ends it once what is under way is answered.
    pub(super) const fn end(self) -> Signal {
        match self {
            Self::Apache => Signal::SIGWINCH,
            Self::Haproxy => Signal::SIGUSR1,
            _ => Signal::SIGTERM,
        }
    }

    /// The command that starts it.
    pub(super) fn command<P: Place>(self, site: &Site<'_, P>) -> Command {
        match self {
            Self::Apache => apache(site),
            Self::Go => {
                let mut go = site.place.command(&go_program().to_string_lossy());
                go.args(site.arguments());
                go
            }
            Self::Haproxy => haproxy(site),
            Self::Node => {
                let mut node = site.place.command("node");
                node.arg(site_js()).args(site.arguments());
                node
            }
            Self::Nghttpd => nghttpd(site),
        }
    }
}

impl<P: Place> Site<'_, P> {
    /// The file that it logs requests in, or prints them to.
    pub fn log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// Port, certificate, key and log, as the servers of the fixtures take them.
    fn arguments(&self) -> [PathBuf; 4] {
        let (certificate, key) = match self.certificate {
            Some(Certificate { certificate, key, .. }) => (certificate.clone(), key.clone()),
            None => ("-".into(), "-".into()),
        };
        [self.port.to_string().into(), certificate, key, self.log()]
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

fn apache<P: Place>(site: &Site<'_, P>) -> Command {
    let protocols = match site.certificate {
        None => "Protocols h2c http/1.1\nH2Direct on".to_owned(),
        Some(Certificate { certificate, key, .. }) => format!(
            "Protocols h2 http/1.1\nSSLEngine on\nSSLCertificateFile {}\nSSLCertificateKeyFile {}",
            certificate.display(),
            key.display()
        ),
    };
    let apache = Apache {
        folder: site.folder,
        port: site.port,
        log: &site.log(),
        modules: &["http2"],
        protocols: &protocols,
    };
    apache.command(site.place)
}

fn haproxy<P: Place>(site: &Site<'_, P>) -> Command {
    let speaks = match site.certificate {
        None => "proto h2".to_owned(),
        Some(certificate) => format!("ssl crt {} alpn h2,http/1.1", certificate.both.display()),
    };
    let (port, behind) = (site.port, site.behind);
    let file = site.write(
        "haproxy.cfg",
        &format!(
            "global
  nbthread 2
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend front
  bind :::{port} v4v6 {speaks}
  default_backend plain
backend plain
  server nginx 127.0.0.1:{behind}
"
        ),
    );
    let mut haproxy = site.place.command("haproxy");
    haproxy.args(["-db", "-f"]).arg(file);
    haproxy
}

fn nghttpd<P: Place>(site: &Site<'_, P>) -> Command {
    site.write("page", &"x".repeat(1024));
    let mut nghttpd = site.place.command("nghttpd");
    // Of several threads each prints a line in parts, and they mix.
    nghttpd
        .args(["--verbose", "--workers=1", "--htdocs"])
        .arg(site.folder);
    match site.certificate {
        None => {
            nghttpd.arg("--no-tls").arg(site.port.to_string());
        }
        Some(Certificate { certificate, key, .. }) => {
            nghttpd.arg(site.port.to_string()).arg(key).arg(certificate);
        }
    }
    nghttpd
}

/// Go's program, which is a client as well.
pub(super) fn go_program() -> PathBuf {
    go::built("http2/go", "site-http2", false)
}

/// Node's program.
fn site_js() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/http2/site.js")
}
