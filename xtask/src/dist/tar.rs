//! Tar archives whose bytes depend on their contents alone: the ustar format of POSIX.1-2017 (pax), everything owned by
//! root, one time for all, in the order of the calls.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

const BLOCK: usize = 512;

/// The longest path that needs no second field; ours are shorter.
const MAX_NAME: usize = 100;

/// An archive being written.
pub struct Tar {
    bytes: Vec<u8>,
    time: u64,
    folders: BTreeSet<String>,
}

impl Tar {
    /// An empty archive; `time`, in seconds since 1970, is that of every entry.
    pub fn new(time: u64) -> Self {
        Self {
            bytes: Vec::new(),
            time,
            folders: BTreeSet::new(),
        }
    }

    /// Adds a file, and the folders it stands in that are not there yet.
    pub fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..=at];
            if self.folders.insert(folder.to_owned()) {
                self.header(folder, 0o755, 0, b'5')?;
            }
        }
        self.header(path, mode, contents.len(), b'0')?;
        self.bytes.extend_from_slice(contents);
        self.pad();
        Ok(())
    }

    /// Ends the archive: two blocks of zeros.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.extend([0; 2 * BLOCK]);
        self.bytes
    }

    fn header(&mut self, path: &str, mode: u32, size: usize, kind: u8) -> Result<()> {
        ensure!(
            !path.is_empty() && path.len() <= MAX_NAME && !path.starts_with('/'),
            "{path:?} does not fit into a tar header"
        );
        let mut header = [0; BLOCK];
        header[..path.len()].copy_from_slice(path.as_bytes());
        octal(&mut header[100..108], u64::from(mode))?;
        octal(&mut header[108..116], 0)?;
        octal(&mut header[116..124], 0)?;
        octal(&mut header[124..136], size as u64)?;
        octal(&mut header[136..148], self.time)?;
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[265..269].copy_from_slice(b"root");
        header[297..301].copy_from_slice(b"root");
        // The sum is taken with its own field as blanks.
        header[148..156].copy_from_slice(b"        ");
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut header[148..155], sum)?;
        self.bytes.extend(header);
        Ok(())
    }

    fn pad(&mut self) {
        let whole = self.bytes.len().next_multiple_of(BLOCK);
        self.bytes.resize(whole, 0);
    }
}

/// Writes a number as octal digits that fill the field but for its last byte, which is zero.
fn octal(field: &mut [u8], number: u64) -> Result<()> {
    let digits = field.len() - 1;
    let text = format!("{number:0digits$o}");
    ensure!(text.len() == digits, "{number} does not fit into a tar header");
    field[..digits].copy_from_slice(text.as_bytes());
    field[digits] = 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn archive() -> Vec<u8> {
        let mut tar = Tar::new(1_000_000_000);
        tar.file("a/b/hello", 0o755, b"hello\n").unwrap();
        tar.file("a/b/empty", 0o644, b"").unwrap();
        tar.finish()
    }

    #[test]
    fn it_is_blocks_of_512_bytes_with_two_empty_ones_at_the_end() {
        let bytes = archive();
        // Two folders, a file with one block, an empty file, the end.
        assert_eq!(bytes.len(), 512 * (2 + 2 + 1 + 2));
        assert_eq!(&bytes[..5], b"a/\0\0\0");
        assert_eq!(&bytes[257..263], b"ustar\0");
        assert_eq!(&bytes[2 * 512 + 124..2 * 512 + 136], b"00000000006\0");
        assert_eq!(&bytes[3 * 512..3 * 512 + 6], b"hello\n");
    }

    #[test]
    fn tar_reads_it() {
        let mut tar = Command::new("tar")
            .args(["--list", "--verbose", "--utc"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        tar.stdin.take().unwrap().write_all(&archive()).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            lines,
            [
                "drwxr-xr-x root/root 0 2001-09-09 01:46 a/",
                "drwxr-xr-x root/root 0 2001-09-09 01:46 a/b/",
                "-rwxr-xr-x root/root 6 2001-09-09 01:46 a/b/hello",
                "-rw-r--r-- root/root 0 2001-09-09 01:46 a/b/empty",
            ]
        );
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused() {
        let mut tar = Tar::new(0);
        assert!(tar.file(&"x".repeat(101), 0o644, b"").is_err());
        assert!(tar.file("/absolute", 0o644, b"").is_err());
        assert!(tar.file("", 0o644, b"").is_err());
    }
}
