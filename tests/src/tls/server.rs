//! An HTTPS server in production's place, on the stack that a test asks for.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::stack::{Site, Stack};
use super::{Certificate, Version};
use crate::{AccessLog, DEADLINE, Nginx, NginxSetup, Place, Process, Stage, until};

/// A running HTTPS server. Dropping it kills it.
pub struct Https {
    running: Running,
    stack: Stack,
}

enum Running {
    Nginx(Nginx),
    Front { front: Process, behind: Nginx },
    Own { server: Process, log: PathBuf },
}

impl Https {
    /// Starts one in a namespace or a container that listens on `port`, IPv4 and IPv6, takes TLS 1.2 and 1.3, and is ready when
    /// this returns.
    pub fn start(stage: &Stage, place: &impl Place, stack: Stack, port: u16) -> Self {
        Self::start_with(stage, place, stack, port, &Certificate::new(stage))
    }

    /// The same, with a certificate that is there.
    pub fn start_with(
        stage: &Stage,
        place: &impl Place,
        stack: Stack,
        port: u16,
        certificate: &Certificate,
    ) -> Self {
        if stack == Stack::Nginx {
            let setup = NginxSetup {
                workers: 2,
                server: nginx_server(port, certificate),
                ..NginxSetup::default()
            };
            let plain = place.netns().free_port();
            let nginx = Nginx::start_with(stage, place, "production", &[plain], &setup);
            return Self {
                running: Running::Nginx(nginx),
                stack,
            };
        }
        let folder = stage.path(&format!("production-{}", stage.number()));
        fs::create_dir_all(&folder).expect("the server's folder");
        let site = Site {
            place,
            folder: &folder,
            port,
            certificate,
            behind: if stack.is_front() {
                place.netns().free_port()
            } else {
                0
            },
        };
        let behind = stack
            .is_front()
            .then(|| Nginx::start(stage, place, "behind", site.behind));
        let mut server = Process::start("production", stack.command(&site).stdout(Stdio::null()));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        until("the server listens", || {
            assert!(server.is_running(), "{}", server.stderr());
            place.netns().enter(|| TcpStream::connect(address)).is_ok()
        });
        let running = match behind {
            Some(behind) => Running::Front {
                front: server,
                behind,
            },
            None => Running::Own {
                server,
                log: site.log(),
            },
        };
        Self { running, stack }
    }

    /// Process id of what listens, or of its master.
    pub fn pid(&self) -> u32 {
        match &self.running {
            Running::Nginx(nginx) => nginx.pid(),
            Running::Front { front: server, .. } | Running::Own { server, .. } => server.pid(),
        }
    }

    /// Ends it when every request under way is answered and logged, and gives what it logged.
    pub fn finish(self) -> AccessLog {
        let end = |mut server: Process| {
            server.signal(self.stack.end());
            server.wait(DEADLINE + Duration::from_secs(20));
        };
        match self.running {
            Running::Nginx(nginx) => nginx.finish(),
            Running::Front { front, behind } => {
                end(front);
                behind.finish()
            }
            Running::Own { server, log } => {
                end(server);
                read(&log)
            }
        }
    }
}

/// Directives that let the tests' nginx speak TLS on a port as well. `/tls` says what nginx knows of the connection: version,
/// `r` where its session was resumed or `.`, and `1` where the request came as early data.
fn nginx_server(port: u16, certificate: &Certificate) -> String {
    let Certificate { certificate, key, .. } = certificate;
    let versions = Version::ALL.map(Version::name).join(" ");
    format!(
        "listen {port} ssl backlog=16384; listen [::]:{port} ssl backlog=16384;
         ssl_certificate {}; ssl_certificate_key {}; ssl_protocols {versions};
         ssl_session_cache shared:sessions:1m; ssl_early_data on;
         location = /tls {{ return 200 \"$ssl_protocol $ssl_session_reused $ssl_early_data\"; }}",
        certificate.display(),
        key.display(),
    )
}

/// A server that got no request may have made no log.
fn read(log: &Path) -> AccessLog {
    if log.exists() {
        AccessLog::read(log)
    } else {
        AccessLog::default()
    }
}
