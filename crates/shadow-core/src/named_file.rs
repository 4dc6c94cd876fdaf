//! Files that a user named, opened for reading: no open waits for anybody, and what cannot be a file is refused.
//!
//! Opening a FIFO waits for who writes to it, and a device may have no end: neither may keep a run from being ended.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Opens a regular file.
///
/// # Errors
///
/// Where it cannot be opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let (file, metadata) = opened(path)?;
    if metadata.file_type().is_fifo() {
        return Err(refused("this is a pipe, which could block forever: name a file"));
    }
    Ok(file)
}

/// Opens a regular file, or a pipe, which nobody need have opened for writing yet: see [`Pipe`].
///
/// # Errors
///
/// Where it cannot be opened, or is neither a regular file nor a pipe.
pub fn open_file_or_pipe(path: &Path) -> io::Result<(File, Metadata)> {
    opened(path)
}

/// Whether this is a link that the kernel would not follow for us with `fs.protected_symlinks`: in a sticky
/// directory that all may write to, made by neither this user nor the directory's owner. Root's agent must not
/// replace the file that it points to.
pub fn is_foreign_link(path: &Path) -> bool {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (Ok(link), Ok(directory)) = (path.symlink_metadata(), directory.metadata()) else {
        return false;
    };
    let user = nix::unistd::geteuid().as_raw();
    link.is_symlink()
        && directory.mode() & 0o1002 == 0o1002
        && link.uid() != user
        && link.uid() != directory.uid()
}

fn opened(path: &Path) -> io::Result<(File, Metadata)> {
    // Before it is opened, too: that alone may do something to a device.
    check(&path.metadata()?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

fn check(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_fifo() {
        Ok(())
    } else if kind.is_dir() {
        Err(refused("this is a directory"))
    } else if kind.is_socket() {
        Err(refused("this is a socket, not a file"))
    } else {
        Err(refused("this is a device, not a file"))
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Content of a pipe, from its first writer to the end of the last. Reading waits.
#[derive(Debug)]
pub struct Pipe {
    file: File,
    begun: bool,
}

impl Pipe {
    /// Of a pipe that was opened by [`open_file_or_pipe`].
    pub fn new(file: File) -> Self {
        Self { file, begun: false }
    }

    /// Waits for the first writer: before, the pipe looks as one that everybody has closed (fifo(7)).
    fn begin(&mut self) -> io::Result<()> {
        let mut descriptors = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
        while let Err(error) = poll(&mut descriptors, PollTimeout::NONE) {
            if error != nix::errno::Errno::EINTR {
                return Err(error.into());
            }
        }
        let flags = OFlag::from_bits_truncate(fcntl(&self.file, FcntlArg::F_GETFL)?);
        fcntl(&self.file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
        self.begun = true;
        Ok(())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.begun {
            self.begin()?;
        }
        self.file.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use nix::sys::stat::Mode;

    use super::*;

    struct Fifo(PathBuf);

    impl Fifo {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("shadow-agent-{name}-{}", std::process::id()));
            let _ = std::fs::remove_file(&path);
            nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
            Self(path)
        }
    }

    impl Drop for Fifo {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let fifo = Fifo::new("refused-fifo");
        for (path, why) in [
            (
                fifo.0.as_path(),
                "this is a pipe, which could block forever: name a file",
            ),
            (Path::new("/dev/zero"), "this is a device, not a file"),
            (Path::new("/"), "this is a directory"),
        ] {
            assert_eq!(open(path).unwrap_err().to_string(), why, "{}", path.display());
        }
    }

    #[test]
    fn a_pipe_is_read_from_its_first_writer_to_the_end_of_the_last() {
        let fifo = Fifo::new("read-fifo");
        let (file, _) = open_file_or_pipe(&fifo.0).unwrap();
        let mut pipe = Pipe::new(file);
        let path = fifo.0.clone();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).map(|_| text)
        });
        let mut writer = OpenOptions::new().write(true).open(path).unwrap();
        writer.write_all(b"one ").unwrap();
        writer.write_all(b"two").unwrap();
        drop(writer);
        assert_eq!(reader.join().unwrap().unwrap(), "one two");
    }
}
