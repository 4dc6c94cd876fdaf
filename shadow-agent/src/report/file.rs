//! A report's file (`--ledger`, `--report`): replaced as a whole where that can be, so that a reader never sees half of it.
//!
//! It is opened before the agent gives up its capabilities: without them even root may not create files in
//! another user's directory (`sudo shadow-agent --ledger ./ledger.json`). Where that would be so, and where
//! the file is no regular one (`/dev/stdout`, a pipe of the shell's), the file is kept open and written in place.
//!
//! Neither opening nor writing waits for somebody else: who ends a run must not depend on who reads what it says.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::LedgerDocument;
use crate::named_file::is_foreign_link;

/// Where the ledger is kept.
#[derive(Debug)]
pub struct LedgerFile(WholeFile);

/// A file that always holds one whole document.
#[derive(Debug)]
pub(super) struct WholeFile {
    path: PathBuf,
    way: Way,
    what: What,
}

/// Kind of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct What {
    /// The flag that names it.
    pub(super) flag: &'static str,
    /// Its content, in words.
    pub(super) holds: &'static str,
    /// Who may read it, where it is made anew.
    pub(super) mode: u32,
}

#[derive(Debug)]
enum Way {
    /// A new file takes the old one's place.
    Replace,
    /// The bytes go into the file that was opened at the start.
    InPlace(File),
}

/// How long whoever reads a pipe or a terminal may take nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// Readable for everyone: it holds counts and names, no secrets.
const LEDGER: What = What {
    flag: "--ledger",
    holds: "the ledger",
    mode: 0o644,
};

impl LedgerFile {
    /// Makes sure that the ledger can be written to `path`. Call it while the process still has its
    /// capabilities; writing later needs none.
    ///
    /// # Errors
    ///
    /// Where `path` is a directory, a device, or a link that another user made, or the file can be neither made nor written to.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        WholeFile::open(path, LEDGER).map(Self)
    }

    /// Writes the document in the place of whatever was there.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written: the disk is full, or whoever reads the pipe takes nothing.
    pub fn write(&mut self, document: &LedgerDocument) -> anyhow::Result<()> {
        self.0.write(document.to_json().as_bytes())
    }
}

impl WholeFile {
    /// See [`LedgerFile::open`].
    pub(super) fn open(path: &Path, what: What) -> anyhow::Result<Self> {
        if is_foreign_link(path) {
            bail!(
                "{} '{}': this is a symbolic link made by another user in a world-writable directory; name \
                 another file",
                what.flag,
                path.display()
            );
        }
        // A link keeps its place: what it points to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let kind = path.metadata().ok().map(|file| file.file_type());
        if let Some(why) = kind.and_then(|kind| unfit(&path, kind)) {
            bail!(
                "{} '{}': {why}, and {} is written as a whole: name a file, or /dev/stdout",
                what.flag,
                path.display(),
                what.holds
            );
        }
        let in_place = kind.is_some_and(|kind| !kind.is_file())
            || !writable_without_capabilities(path.parent().unwrap_or(Path::new(".")));
        let way = if in_place {
            let open = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(what.mode)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open(&path);
            Way::InPlace(open.with_context(|| what.unwritable(&path))?)
        } else {
            let trial = temporary(&path);
            create(&trial, what.mode)
                .and_then(|_| std::fs::remove_file(&trial))
                .with_context(|| what.unwritable(&path))?;
            Way::Replace
        };
        Ok(Self { path, way, what })
    }

    /// Writes the bytes in the place of whatever was there.
    pub(super) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match &mut self.way {
            Way::Replace => replace(&self.path, bytes, self.what.mode),
            Way::InPlace(file) => overwrite(file, bytes),
        }
        .with_context(|| self.what.unwritable(&self.path))
    }
}

impl What {
    fn unwritable(self, path: &Path) -> String {
        format!(
            "{} '{}': cannot write {} there; name a file in a directory that this user may write to",
            self.flag,
            path.display(),
            self.holds
        )
    }
}

/// Why something that is there cannot hold a document. A pipe or a terminal of this process's is written to; one that has a
/// name, which anybody may have put there, waits for whoever reads it, and shows them what the file would not.
fn unfit(path: &Path, kind: FileType) -> Option<&'static str> {
    let has_name = path.symlink_metadata().is_ok_and(|file| !file.is_symlink());
    if kind.is_fifo() && has_name {
        Some("this is a pipe")
    } else if kind.is_socket() {
        Some("this is a socket")
    } else if kind.is_block_device() {
        Some("this is a disk")
    } else {
        None
    }
}

/// Whether the file mode alone lets this user create files in `directory`: the kernel's own answer
/// (access(2)) would count capabilities that are about to be given up.
fn writable_without_capabilities(directory: &Path) -> bool {
    let user = nix::unistd::geteuid().as_raw();
    directory.metadata().is_ok_and(|directory| {
        // With the sticky bit a file that belongs to another user cannot be replaced.
        let anyone = directory.mode() & 0o1003 == 0o003;
        (directory.uid() == user && directory.mode() & 0o300 == 0o300) || anyone
    })
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

/// Creates a file that was not there: never through a link that someone has put in its place.
fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
}

fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = temporary(path);
    let written = create(&new, mode)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&new, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if file.metadata()?.is_file() {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
    }
    write_within(file, bytes, PATIENCE)
}

/// Writes all, to a reader that has so long for each piece that it takes.
fn write_within(file: &mut File, mut bytes: &[u8], patience: Duration) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut ready = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
                let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
                if poll(&mut ready, timeout)? == 0 {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "it has no reader"));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::document::example;
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("shadow-agent-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let directory = Directory::new("replaced");
        let path = directory.0.join("ledger.json");
        std::fs::write(&path, "old").unwrap();
        let reader = File::open(&path).unwrap();
        let mut ledger = LedgerFile::open(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        ledger.write(&example()).unwrap();
        ledger.write(&example()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), example().to_json());
        assert_eq!(io::read_to_string(reader).unwrap(), "old");
        assert_eq!(std::fs::read_dir(&directory.0).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = Directory::new("link");
        let (link, target) = (directory.0.join("link"), directory.0.join("target"));
        std::fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        LedgerFile::open(&link).unwrap().write(&example()).unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), example().to_json());
    }

    #[test]
    fn a_device_is_written_to_rather_than_replaced() {
        let mut ledger = LedgerFile::open(Path::new("/dev/null")).unwrap();
        ledger.write(&example()).unwrap();
        assert!(!Path::new("/dev/null").is_file());
    }

    #[test]
    fn a_pipe_that_somebody_has_put_there_is_refused_at_once() {
        let directory = Directory::new("pipe");
        let path = directory.0.join("ledger.json");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = LedgerFile::open(&path).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "this is a pipe, and the ledger is written as a whole: name a file, or /dev/stdout"
            ),
            "{error}"
        );
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_written_to_for_so_long_only() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        nix::fcntl::fcntl(
            &writer,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        let mut writer = File::from(writer);
        let write = |writer: &mut File| {
            write_within(writer, "x".repeat(1 << 20).as_bytes(), Duration::from_millis(20))
        };
        assert_eq!(write(&mut writer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(reader);
        assert_eq!(write(&mut writer).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_file_written_in_place_holds_the_last_document_only() {
        let directory = Directory::new("in-place");
        let path = directory.0.join("ledger.json");
        std::fs::write(&path, "x".repeat(10_000)).unwrap();
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        let mut ledger = LedgerFile(WholeFile {
            path: path.clone(),
            way: Way::InPlace(file),
            what: LEDGER,
        });
        ledger.write(&example()).unwrap();
        ledger.write(&example()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), example().to_json());
    }

    #[test]
    fn a_directory_that_is_not_there_is_known_at_the_start() {
        let error = LedgerFile::open(Path::new("/proc/nonexistent/ledger.json")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("--ledger '/proc/nonexistent/ledger.json'")
        );
    }
}
