//! Network namespaces and the veth pairs between them, deleted with the value that stands for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

use crate::process;

/// The prefix of names of namespaces; the process id follows, so that leftovers of the dead can be told.
const PREFIX: &str = "shadow-test-";

/// A network namespace: the host's own, or one that is deleted with this value.
#[derive(Debug)]
pub struct Netns {
    name: Option<String>,
}

/// One end of a [`Veth`] pair.
#[derive(Clone, Debug)]
pub struct End {
    /// Name of the interface.
    pub interface: String,
    /// Its IPv4 address (of 198.18.0.0/15, RFC 2544).
    pub v4: Ipv4Addr,
    /// Its IPv6 address (unique local, RFC 4193).
    pub v6: Ipv6Addr,
}

/// Two namespaces joined by a veth pair that is up and has addresses of both families.
#[derive(Debug)]
pub struct Veth {
    /// The end in the first namespace.
    pub left: End,
    /// The end in the second namespace.
    pub right: End,
    left_in: Option<String>,
}

static NUMBER: AtomicU16 = AtomicU16::new(0);

impl Netns {
    /// The namespace this test runs in.
    pub fn host() -> Self {
        Self { name: None }
    }

    /// A new namespace, empty but for `lo`, which is up.
    pub fn new() -> Self {
        let name = format!("{PREFIX}{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        ip(&["netns", "add", &name]);
        let netns = Self { name: Some(name) };
        netns.ip(&["link", "set", "lo", "up"]);
        netns
    }

    /// A command that runs `program` inside.
    pub fn command(&self, program: &str) -> Command {
        let path = process::program(program).unwrap_or_else(|| program.into());
        match &self.name {
            None => Command::new(path),
            Some(name) => {
                // Not `ip netns exec`: that mounts a new /sys, where no cgroup stands.
                let mut command = process::command("nsenter");
                command
                    .arg(format!("--net=/run/netns/{name}"))
                    .arg("--")
                    .arg(path);
                command
            }
        }
    }

    /// Runs a program inside that must succeed and gives what it printed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        process::check(self.command(program).args(arguments))
    }

    /// Runs a program inside to its end, however it ends.
    pub fn output(&self, program: &str, arguments: &[&str]) -> crate::Output {
        process::output(self.command(program).args(arguments))
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &[&str]) -> String {
        self.run("ip", arguments)
    }

    /// Runs `work` on a thread inside. Sockets made there stay inside, wherever they are used.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let Some(inside) = self.open() else {
            return work();
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                nix::sched::setns(&inside, nix::sched::CloneFlags::CLONE_NEWNET)
                    .expect("to enter the namespace");
                work()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The namespace as a file, for threads that enter it; nothing for the host's.
    pub(crate) fn open(&self) -> Option<std::fs::File> {
        let name = self.name.as_ref()?;
        Some(std::fs::File::open(format!("/run/netns/{name}")).expect("the namespace"))
    }

    /// A TCP port that nobody listens on, below the ephemeral range so that no client takes it meanwhile.
    pub fn free_port(&self) -> u16 {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % 100) as u16 * 100;
        self.enter(|| {
            (0..10_000)
                .map(|_| 20_000 + (start + NEXT.fetch_add(1, Relaxed)) % 10_000)
                .find(|port| {
                    [
                        IpAddr::from(Ipv4Addr::UNSPECIFIED),
                        IpAddr::from(Ipv6Addr::UNSPECIFIED),
                    ]
                    .iter()
                    .all(|ip| TcpListener::bind(SocketAddr::new(*ip, *port)).is_ok())
                })
                .expect("a free port")
        })
    }
}

impl Default for Netns {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            process::output(process::command("ip").args(["netns", "delete", name]));
        }
    }
}

impl Veth {
    /// Joins two namespaces.
    pub fn new(left: &Netns, right: &Netns) -> Self {
        let number = NUMBER.fetch_add(1, Relaxed);
        let mark = (std::process::id() & 0xfff) as u16;
        let subnet = (u32::from(mark) << 5 | u32::from(number & 31)) & 0x7fff;
        let end = |host: u16, side: char| End {
            interface: format!("st{mark:03x}-{number}{side}"),
            // A /30 of its own for each pair.
            v4: Ipv4Addr::from(0xc612_0000 | subnet << 2 | u32::from(host)),
            v6: Ipv6Addr::new(0xfd5a, 0x5a5a, mark, number, 0, 0, 0, host),
        };
        let veth = Self {
            left: end(1, 'a'),
            right: end(2, 'b'),
            left_in: left.name.clone(),
        };
        let mut command = process::command("ip");
        command.args(["link", "add", &veth.left.interface]);
        if let Some(name) = &left.name {
            command.args(["netns", name]);
        }
        command.args(["type", "veth", "peer", "name", &veth.right.interface]);
        if let Some(name) = &right.name {
            command.args(["netns", name]);
        }
        process::check(&mut command);
        for (netns, end) in [(left, &veth.left), (right, &veth.right)] {
            netns.ip(&["addr", "add", &format!("{}/30", end.v4), "dev", &end.interface]);
            netns.ip(&[
                "addr",
                "add",
                &format!("{}/64", end.v6),
                "dev",
                &end.interface,
                "nodad",
            ]);
            netns.ip(&["link", "set", &end.interface, "up"]);
        }
        veth
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        let mut command = process::command("ip");
        if let Some(name) = &self.left_in {
            command.args(["-netns", name]);
        }
        process::output(command.args(["link", "delete", &self.left.interface]));
    }
}

fn ip(arguments: &[&str]) -> String {
    process::check(process::command("ip").args(arguments))
}

/// Deletes namespaces of test runs that were killed.
pub(crate) fn delete_leftovers() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'))
            .map(|(pid, _)| pid.to_owned());
        if owner.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists()) {
            process::output(process::command("ip").args(["netns", "delete", &name]));
        }
    }
}
