//! Processes, their listening sockets, and the files that they run code from, as proc(5) shows them.
//!
//! What a process says of itself (its name, the paths of its files) is whatever it likes; it is told to people and to
//! nobody else. A file is the one that is meant if its inode is.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;

/// Open files of a process that are looked through for its listening sockets. Servers listen before they serve, so that
/// those have low numbers.
const MOST_FILES: usize = 4096;

/// Listening sockets of one network namespace that are looked at.
const MOST_LISTENERS: usize = 16 * 1024;

/// Bytes of `/proc/PID/maps` that are read: some 40,000 mappings.
const MOST_MAPS_BYTES: u64 = 4 << 20;

/// Files of one process that are looked at.
const MOST_MAPPED: usize = 512;

/// `st` of a listening socket in `/proc/net/tcp` (`TCP_LISTEN`).
const LISTEN: &str = "0A";

/// Where proc(5) is mounted.
pub struct Proc(PathBuf);

/// A process as `/proc/PID/stat` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The process that started it.
    pub parent: u32,
    /// When it started: with its number, what tells it from all others.
    pub started: u64,
}

/// A file, as mappings name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Major and minor number of the device, as they stand there: not those of `stat` on some file systems.
    pub device: (u32, u32),
    /// The inode.
    pub inode: u64,
}

impl FileKey {
    /// That of an open file.
    pub fn of(metadata: &fs::Metadata) -> Self {
        let device = metadata.dev();
        Self {
            device: (libc::major(device), libc::minor(device)),
            inode: metadata.ino(),
        }
    }
}

/// A file that a process may run code from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Which.
    pub key: FileKey,
    /// Its path in the mount namespace of the process, or what it was before it was deleted.
    pub path: PathBuf,
    /// The first of its executable mappings, as `map_files` names it.
    pub range: String,
    /// Where in the file that begins.
    pub offset: u64,
}

impl Mapped {
    /// Where the mapping begins and ends.
    fn addresses(&self) -> Option<(u64, u64)> {
        let (start, end) = self.range.split_once('-')?;
        Some((
            u64::from_str_radix(start, 16).ok()?,
            u64::from_str_radix(end, 16).ok()?,
        ))
    }
}

impl Proc {
    /// This system's.
    pub fn new() -> Self {
        Self::at("/proc")
    }

    /// One somewhere else.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    fn of(&self, process: u32, name: &str) -> PathBuf {
        self.0.join(process.to_string()).join(name)
    }

    /// All processes.
    pub fn processes(&self) -> io::Result<Vec<u32>> {
        let entries = fs::read_dir(&self.0)?;
        let numbers = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(numbers.collect())
    }

    /// Parent and start; `None` when it has ended.
    pub fn stat(&self, process: u32) -> Option<Stat> {
        let text = fs::read(self.of(process, "stat")).ok()?;
        // The name, which may hold anything, is in brackets.
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(text.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Stat {
            parent: fields.nth(1)?.parse().ok()?,
            started: fields.nth(17)?.parse().ok()?,
        })
    }

    /// The name, of up to 15 characters, without what a terminal would take for a command.
    pub fn name(&self, process: u32) -> String {
        let name = fs::read(self.of(process, "comm")).unwrap_or_default();
        String::from_utf8_lossy(&name)
            .chars()
            .filter(|character| !character.is_control())
            .take(15)
            .collect()
    }

    /// The file that it runs; `None` where that may not be seen.
    pub fn executable(&self, process: u32) -> Option<FileKey> {
        fs::metadata(self.of(process, "exe"))
            .ok()
            .as_ref()
            .map(FileKey::of)
    }

    /// Its network namespace.
    pub fn network(&self, process: u32) -> io::Result<u64> {
        let link = fs::read_link(self.of(process, "ns/net"))?;
        bracketed(link.as_os_str().as_bytes(), b"net:[").ok_or_else(|| io::Error::other("not a namespace"))
    }

    /// The listening sockets of the process's network namespace whose address is wanted, by inode.
    ///
    /// # Errors
    ///
    /// When they cannot be read by this process: it has ended, and another one of its namespace has to be asked. A kernel without
    /// IPv6 has no such list, which is no error.
    pub fn listeners(
        &self,
        process: u32,
        wanted: impl Fn(SocketAddr) -> bool,
        found: &mut HashSet<u64>,
    ) -> io::Result<()> {
        for name in ["net/tcp", "net/tcp6"] {
            let file = match File::open(self.of(process, name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && name == "net/tcp6" => continue,
                file => file?,
            };
            // Those that listen come first: what is behind them, one line for each connection, is not asked for.
            for line in BufReader::new(file).lines().skip(1).take(MOST_LISTENERS) {
                match listener(&line?) {
                    Some((address, inode)) if wanted(address) => drop(found.insert(inode)),
                    Some(_) => {}
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Which of these sockets the process has open.
    pub fn open_sockets(&self, process: u32, sockets: &HashSet<u64>) -> io::Result<Vec<u64>> {
        let entries = fs::read_dir(self.of(process, "fd"))?;
        let links = entries
            .flatten()
            .take(MOST_FILES)
            .map(|entry| fs::read_link(entry.path()));
        let mut found = Vec::new();
        for link in links {
            match link {
                Ok(link) => found.extend(
                    bracketed(link.as_os_str().as_bytes(), b"socket:[")
                        .filter(|socket| sockets.contains(socket)),
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The files that the process has mapped to run code from, each once.
    pub fn executables(&self, process: u32) -> io::Result<Vec<Mapped>> {
        let file = File::open(self.of(process, "maps"))?;
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        for line in BufReader::new(file.take(MOST_MAPS_BYTES)).split(b'\n') {
            let Some(mapped) = mapping(&line?) else { continue };
            if seen.insert(mapped.key) {
                found.push(mapped);
            }
            if found.len() == MOST_MAPPED {
                break;
            }
        }
        Ok(found)
    }

    /// Opens a file that a process has mapped.
    ///
    /// By its path below the root of the process; where that leads to another file now, or to none, by the link to the
    /// executable and by that to the mapping, which needs `CAP_CHECKPOINT_RESTORE`.
    pub fn open(&self, process: u32, mapped: &Mapped) -> io::Result<File> {
        let by_path = self.open_below_root(process, &mapped.path);
        if let Some(file) = by_path.ok().filter(|file| is(file, mapped)) {
            return Ok(file);
        }
        if let Ok(file) = open_regular(&self.of(process, "exe"))
            && is(&file, mapped)
        {
            return Ok(file);
        }
        open_regular(&self.of(process, "map_files").join(&mapped.range))
    }

    /// A byte of a process's memory: that of its mapping which `offset` of the file lies in.
    pub fn byte_of(&self, process: u32, mapped: &Mapped, offset: u64) -> io::Result<u8> {
        let elsewhere = || io::Error::other("the mapping does not reach so far");
        let (start, end) = mapped.addresses().ok_or_else(elsewhere)?;
        let address = offset
            .checked_sub(mapped.offset)
            .and_then(|within| start.checked_add(within))
            .filter(|address| *address < end)
            .ok_or_else(elsewhere)?;
        let mut byte = [0];
        File::open(self.of(process, "mem"))?.read_exact_at(&mut byte, address)?;
        Ok(byte[0])
    }

    fn open_below_root(&self, process: u32, path: &Path) -> io::Result<File> {
        let root = open(
            &self.of(process, "root"),
            OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_DIRECTORY,
            Mode::empty(),
        )?;
        // Nothing in a container's tree leads out of it, and nothing waits: a name may be that of a pipe by now.
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        regular(File::from(openat2(root, path, how)?))
    }
}

fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    regular(File::from(open(path, flags, Mode::empty())?))
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("not a regular file"))
    }
}

/// Whether a file that was opened by name is the one that was mapped. Devices are not compared: overlays and btrfs show
/// another one in mappings.
fn is(file: &File, mapped: &Mapped) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.ino() == mapped.key.inode)
}

/// The number in `socket:[12345]`.
fn bracketed(link: &[u8], before: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(before)?.strip_suffix(b"]")?;
    str::from_utf8(number).ok()?.parse().ok()
}

/// Address and inode of a listening socket in a line of `/proc/net/tcp` or `tcp6`; `None` for any other.
fn listener(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let (address, port) = fields.nth(1)?.split_once(':')?;
    if fields.nth(1)? != LISTEN {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    let word = |at: usize| {
        Some(
            u32::from_str_radix(address.get(at..at + 8)?, 16)
                .ok()?
                .to_ne_bytes(),
        )
    };
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(8 * index)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(address.to_canonical(), port), inode))
}

/// The file of an executable mapping in a line of `/proc/PID/maps`; `None` for anything else.
fn mapping(line: &[u8]) -> Option<Mapped> {
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut text = || str::from_utf8(fields.next()?).ok();
    let (range, permissions, offset, device, inode) = (text()?, text()?, text()?, text()?, text()?);
    if permissions.as_bytes().get(2) != Some(&b'x') {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let key = FileKey {
        device: (
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ),
        inode: inode.parse().ok().filter(|inode| *inode != 0)?,
    };
    let path = fields.next()?.trim_ascii_start();
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    // What is made while it runs (a JIT compiler's code) has no library in it.
    let made = [&b"/memfd:"[..], b"/dev/", b"/SYSV", b"/[aio]"];
    if !path.starts_with(b"/") || made.iter().any(|start| path.starts_with(start)) {
        return None;
    }
    // The kernel writes a line's end in a name as an escape, and nothing else.
    Some(Mapped {
        key,
        path: PathBuf::from(std::ffi::OsStr::from_bytes(path)),
        range: range.to_owned(),
        offset: u64::from_str_radix(offset, 16).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_read_with_its_address_and_inode() {
        let line = "   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 28713 1 0";
        assert_eq!(listener(line), Some(("127.0.0.1:443".parse().unwrap(), 28713)));
        let line = "   1: 00000000000000000000000000000000:20FB 00000000000000000000000000000000:0000 0A \
                    00000000:00000000 00:00000000 00000000  1000        0 99 1 0";
        assert_eq!(listener(line), Some(("[::]:8443".parse().unwrap(), 99)));
        let mapped = "   1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A \
                    00000000:00000000 00:00000000 00000000  1000        0 99 1 0";
        assert_eq!(listener(mapped).unwrap().0, "127.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn a_connection_is_no_listening_socket() {
        let line = "   2: 0100007F:01BB 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0";
        assert_eq!(listener(line), None);
        assert_eq!(listener("  sl  local_address rem_address   st"), None);
        assert_eq!(listener(""), None);
    }

    #[test]
    fn executable_mappings_of_files_are_read() {
        let line = b"7f0c3a600000-7f0c3a8d0000 r-xp 000c5000 fe:01 1314524                    /usr/lib/libcrypto.so.3";
        let mapped = mapping(line).unwrap();
        assert_eq!(mapped.key.device, (0xfe, 1));
        assert_eq!(mapped.key.inode, 1_314_524);
        assert_eq!(mapped.path, Path::new("/usr/lib/libcrypto.so.3"));
        assert_eq!(mapped.range, "7f0c3a600000-7f0c3a8d0000");
        assert_eq!(mapped.offset, 0xc5000);
        assert_eq!(mapped.addresses(), Some((0x7f0c_3a60_0000, 0x7f0c_3a8d_0000)));
        let deleted = b"7f0c3a600000-7f0c3a8d0000 r-xp 000c5000 00:1f 7    /a b/libssl.so (deleted)";
        assert_eq!(mapping(deleted).unwrap().path, Path::new("/a b/libssl.so"));
    }

    #[test]
    fn other_mappings_are_passed_over() {
        for line in [
            &b"7f0c3a600000-7f0c3a8d0000 r--p 000c5000 fe:01 1314524 /usr/lib/libcrypto.so.3"[..],
            b"7ffd1e5f2000-7ffd1e5f4000 r-xp 00000000 00:00 0                          [vdso]",
            b"7f0c3a600000-7f0c3a8d0000 rwxp 00000000 00:01 2058 /memfd:doublemapper (deleted)",
            b"7f0c3a600000-7f0c3a8d0000 rwxp 00000000 00:00 0 ",
            b"7f0c3a600000-7f0c3a8d0000 r-xp",
            b"",
        ] {
            assert_eq!(mapping(line), None, "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_name_with_brackets_hides_no_parent() {
        let root = std::env::temp_dir().join(format!("shadow-agent-proc-{}", std::process::id()));
        fs::create_dir_all(root.join("7")).unwrap();
        let stat = "7 (a) S 99 (b) S 42 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1 2";
        fs::write(root.join("7/stat"), stat).unwrap();
        fs::write(root.join("7/comm"), "a) S 99 (\x1b[2J\n").unwrap();
        let proc = Proc::at(&root);
        assert_eq!(proc.processes().unwrap(), [7]);
        let expected = Stat {
            parent: 42,
            started: 12345,
        };
        assert_eq!(proc.stat(7), Some(expected));
        assert_eq!(proc.name(7), "a) S 99 ([2J");
        assert_eq!(proc.stat(8), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn this_process_is_found_by_its_listening_socket() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let (proc, own) = (Proc::new(), std::process::id());
        let mut sockets = HashSet::new();
        proc.listeners(own, |found| found == address, &mut sockets)
            .unwrap();
        assert_eq!(sockets.len(), 1);
        let open = proc.open_sockets(own, &sockets).unwrap();
        assert_eq!(open.len(), 1);
        let executables = proc.executables(own).unwrap();
        let own_executable = fs::read_link("/proc/self/exe").unwrap();
        let mapped = executables
            .iter()
            .find(|mapped| mapped.path == own_executable)
            .unwrap();
        let file = proc.open(own, mapped).unwrap();
        assert_eq!(file.metadata().unwrap().ino(), mapped.key.inode);
    }
}
