//! HTTP/2 spoken by servers that nobody here wrote, with prior knowledge or in TLS.
//!
//! Every [`Stack`] answers any request for `/page` and has it logged as the tests' nginx does, so that its log is an
//! [`AccessLog`] that another's is compared with. nginx itself speaks HTTP/2 by its [`NginxSetup`](crate::NginxSetup).

mod nghttpd;
mod stack;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use self::stack::Site;
pub use self::stack::Stack;
use crate::tls::Certificate;
use crate::{AccessLog, DEADLINE, Netns, Nginx, Place, Process, Stage, process, until};

/// Makes requests of every kind by Go's `net/http` to a server (`http://…` with prior knowledge, `https://…`). Gives how many there
/// were, 200 of them at once.
pub fn ask_by_go(netns: &Netns, url: &str) -> u64 {
    let program = stack::go_program();
    let said = process::check(netns.command(&program.to_string_lossy()).args(["ask", url]));
    said.trim().parse().expect("a number of requests")
}

/// A running server. Dropping it kills it.
pub struct Server {
    process: Process,
    stack: Stack,
    /// The nginx that has the log, where the stack is a front.
    behind: Option<Nginx>,
    log: PathBuf,
}

impl Server {
    /// Starts one that listens on `port`, IPv4 and IPv6, in TLS where there is a certificate, and is ready when this
    /// returns.
    pub fn start(
        stage: &Stage,
        place: &impl Place,
        stack: Stack,
        port: u16,
        certificate: Option<&Certificate>,
    ) -> Self {
        let folder = stage.path(&format!("http2-{}", stage.number()));
        fs::create_dir_all(&folder).expect("the server's folder");
        let is_front = stack == Stack::Haproxy;
        let site = Site {
            place,
            folder: &folder,
            port,
            certificate,
            behind: if is_front { place.netns().free_port() } else { 0 },
        };
        let behind = is_front.then(|| Nginx::start(stage, place, "behind", site.behind));
        let log = site.log();
        let said = if stack == Stack::Nghttpd {
            fs::File::create(&log).expect("the server's log").into()
        } else {
            Stdio::null()
        };
        let mut process = Process::start("a server of HTTP/2", stack.command(&site).stdout(said));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        until("the server listens", || {
            assert!(process.is_running(), "{}", process.stderr());
            place.netns().enter(|| TcpStream::connect(address)).is_ok()
        });
        Self {
            process,
            stack,
            behind,
            log,
        }
    }

    /// Ends it when every request under way is answered and logged, and gives what it logged.
    pub fn finish(mut self) -> AccessLog {
        self.process.signal(self.stack.end());
        self.process.wait(DEADLINE + Duration::from_secs(20));
        match (self.behind, self.stack) {
            (Some(nginx), _) => nginx.finish(),
            (None, Stack::Nghttpd) => nghttpd::access_log(&fs::read_to_string(self.log).expect("its log")),
            // One that got no request may have made no log.
            (None, _) if !self.log.exists() => AccessLog::default(),
            (None, _) => AccessLog::read(&self.log),
        }
    }
}
